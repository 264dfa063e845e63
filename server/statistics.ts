/**
 * A line of statistics in the log at the configured interval, and a warning when memory is full.
 *
 * A line tells what the protocols that are served can do, and no more. Reasons have the names that
 * the metrics give them (metrics/families.ts).
 */
import {
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_BYTES_RECEIVED,
  COUNT_BYTES_SENT,
  COUNT_CONNECT,
  COUNT_CONNECT_IPV6,
  COUNT_DROP_KERNEL,
  COUNT_DROP_SEND,
  COUNT_ERROR_SENT,
  COUNT_MEMORY_FULL,
  COUNT_SCRAPE,
  COUNT_SCRAPE_IPV6,
  COUNT_WS_ANSWERS,
  COUNT_WS_FAILURES,
  COUNT_WS_OFFERS,
  KIND_WEBTORRENT,
} from "../assembly/layout.ts";
import { readCounters, readGauges } from "./counters.ts";
import type { Logger } from "./log.ts";
import { connectionsOf, COUNTERS, peersOf } from "./metrics/families.ts";
import type { Protocol } from "./metrics/snapshot.ts";
import { plural } from "./plural.ts";

const MEBIBYTE = 1024 * 1024;
/** How often memory is looked at, and the least time between two warnings that it is full. */
const MEMORY_WATCH_SECONDS = 1;
const MEMORY_WARNING_SECONDS = 60;

export interface StatisticsOptions {
  log: Logger;
  /** 0: no lines, only the warnings. */
  intervalSeconds: number;
  /** What is served. */
  protocols: readonly Protocol[];
  /** Whether the driver is told what the kernel drops. */
  knowsKernelDrops: boolean;
}

/** Begins the lines; the returned function ends them. */
export function startStatistics(
  memory: WebAssembly.Memory,
  options: StatisticsOptions,
): () => void {
  const { log, intervalSeconds } = options;
  let lastLine = sample(memory);
  let lastFull = 0;
  let quietLooks = 0;
  const timers = [
    setInterval(() => {
      if (quietLooks > 0) {
        --quietLooks;
        return;
      }
      const full = readCounters(memory)[COUNT_MEMORY_FULL]!;
      if (full === lastFull) return;
      const count = full - lastFull;
      log.warn(
        `Memory is full: {count} ${plural(count, "announce")} of new peers ` +
          `${plural(count, "was", "were")} answered and not stored; raise [memory] limit_mib`,
        { count },
      );
      lastFull = full;
      quietLooks = MEMORY_WARNING_SECONDS / MEMORY_WATCH_SECONDS - 1;
    }, MEMORY_WATCH_SECONDS * 1000),
  ];
  if (intervalSeconds > 0) {
    timers.push(setInterval(() => {
      const now = sample(memory);
      const line = describe(memory, { before: lastLine, now, ...options });
      log.info(toSentence(line, options.protocols), line);
      lastLine = now;
    }, intervalSeconds * 1000));
  }
  return () => timers.forEach(clearInterval);
}

interface Sample {
  milliseconds: number;
  counters: Float64Array;
}

function sample(memory: WebAssembly.Memory): Sample {
  return { milliseconds: performance.now(), counters: readCounters(memory) };
}

interface Span {
  before: Sample;
  now: Sample;
}

type Served = Pick<StatisticsOptions, "protocols" | "knowsKernelDrops">;

/** The properties of one line: rates since the line before, and what there is now. */
export function describe(
  memory: WebAssembly.Memory,
  options: Span & Served,
): Record<string, unknown> {
  return {
    ...describeRates(options),
    ...describeState(memory, options),
    ...describeReasons(options),
  };
}

function describeRates({ before, now, protocols }: Span & Served): Record<string, number> {
  const seconds = (now.milliseconds - before.milliseconds) / 1000;
  const rate = (...counters: number[]) => {
    const sum = counters.reduce((total, it) => total + now.counters[it]! - before.counters[it]!, 0);
    return Math.round(sum / seconds * 10) / 10;
  };
  const { hasUdp, hasWs, hasConnections } = kindsOf(protocols);
  const connects = [COUNT_CONNECT, COUNT_CONNECT_IPV6];
  const announces = [COUNT_ANNOUNCE, COUNT_ANNOUNCE_IPV6];
  const scrapes = [COUNT_SCRAPE, COUNT_SCRAPE_IPV6];
  const errors = [COUNT_ERROR_SENT, COUNT_WS_FAILURES];
  const refusals = reasonsOf("riptide_refusals_total", protocols).map(([, counter]) => counter);
  const answered = [...connects, ...announces, ...scrapes, ...errors, ...refusals];
  // What could not be sent was counted as answered; what the kernel dropped was never seen.
  const dropped = reasonsOf("riptide_drops_total", protocols).map(([, counter]) => counter)
    .filter((counter) => counter !== COUNT_DROP_SEND && counter !== COUNT_DROP_KERNEL);
  return {
    requestsPerSecond: rate(...answered, ...dropped),
    responsesPerSecond: rate(...answered),
    ...(hasUdp && { connectsPerSecond: rate(...connects) }),
    announcesPerSecond: rate(...announces),
    scrapesPerSecond: rate(...scrapes),
    errorsPerSecond: rate(...errors),
    ...(hasConnections && { refusalsPerSecond: rate(...refusals) }),
    ...(hasWs &&
      { offersPerSecond: rate(COUNT_WS_OFFERS), answersPerSecond: rate(COUNT_WS_ANSWERS) }),
    bytesReceivedPerSecond: rate(COUNT_BYTES_RECEIVED),
    bytesSentPerSecond: rate(COUNT_BYTES_SENT),
  };
}

function describeState(
  memory: WebAssembly.Memory,
  { now: { counters }, protocols }: Span & Served,
): Record<string, number> {
  const { hasPeers, hasWs, hasConnections } = kindsOf(protocols);
  const gauges = readGauges(memory, counters);
  return {
    torrents: gauges.torrents,
    ...(hasPeers && { peersIpv4: gauges.peersIpv4, peersIpv6: gauges.peersIpv6 }),
    ...(hasWs && { peersWebTorrent: peersOf(counters, KIND_WEBTORRENT) }),
    ...(hasConnections && { openConnections: connectionsOf(counters) }),
    memoryMib: Math.round(gauges.memoryUsed / MEBIBYTE),
    memoryLimitMib: Math.round(gauges.memoryLimit / MEBIBYTE),
  };
}

function describeReasons(
  { before, now, protocols, knowsKernelDrops }: Span & Served,
): Record<string, unknown> {
  const change = (counter: number) => now.counters[counter]! - before.counters[counter]!;
  const changes = (metric: string) =>
    Object.fromEntries(
      reasonsOf(metric, protocols).map(([reason, counter]) => [reason, change(counter)]),
    );
  const { hasUdp, hasWs, hasConnections } = kindsOf(protocols);
  return {
    memoryFull: change(COUNT_MEMORY_FULL),
    drops: {
      ...changes("riptide_drops_total"),
      // The sandboxed driver cannot see what the kernel dropped before Deno looked.
      ...(hasUdp && !knowsKernelDrops && { kernel: "unknown" }),
    },
    errors: changes("riptide_errors_total"),
    ...(hasConnections && {
      refusals: changes("riptide_refusals_total"),
      connections: changes("riptide_connections_total"),
    }),
    ...(hasWs && { webTorrent: changes("riptide_ws_events_total") }),
  };
}

/** What a line has to say of these protocols. */
function kindsOf(protocols: readonly Protocol[]) {
  const [hasUdp, hasHttp, hasWs] = [
    protocols.includes("udp"),
    protocols.includes("http"),
    protocols.includes("ws"),
  ];
  return { hasUdp, hasWs, hasPeers: hasUdp || hasHttp, hasConnections: hasHttp || hasWs };
}

/** The counters of a metric, by reason, as far as what is served can count them. */
function reasonsOf(
  metric: string,
  protocols: readonly Protocol[],
): [reason: string, counter: number][] {
  return COUNTERS.find(({ name }) => name === metric)!.cells
    .filter((cell) => cell.protocols.some((protocol) => protocols.includes(protocol)))
    .map(({ labels, counter }) => [labels.type!, counter]);
}

/** What a line says, with the names of its properties in braces. */
export function toSentence(
  line: Readonly<Record<string, unknown>>,
  protocols: readonly Protocol[],
): string {
  const counted = (key: string, noun: string) => `{${key}} ${plural(line[key] as number, noun)}`;
  const parts: string[] = [];
  const { hasUdp, hasWs, hasPeers, hasConnections } = kindsOf(protocols);
  const kinds = [
    ...(hasUdp ? [counted("connectsPerSecond", "connect")] : []),
    counted("announcesPerSecond", "announce"),
    counted("scrapesPerSecond", "scrape"),
    counted("errorsPerSecond", "error"),
    ...(hasConnections ? [counted("refusalsPerSecond", "refusal")] : []),
  ];
  parts.push(
    `{requestsPerSecond} requests/s, {responsesPerSecond} responses/s (${kinds.join(", ")})`,
  );
  if (hasWs) parts.push("{offersPerSecond} offers/s and {answersPerSecond} answers/s relayed");
  parts.push(counted("torrents", "torrent"));
  if (hasPeers) parts.push("{peersIpv4} IPv4 and " + counted("peersIpv6", "IPv6 peer"));
  if (hasWs) parts.push(counted("peersWebTorrent", "WebTorrent peer"));
  if (hasConnections) parts.push(counted("openConnections", "connection"));
  parts.push("{memoryMib} of {memoryLimitMib} MiB");
  const drops = Object.entries(line.drops as Record<string, number | "unknown">)
    .filter(([, count]) => typeof count === "number" && count > 0)
    .map(([reason, count]) => `${count} ${reason}`);
  if (drops.length > 0) parts.push(`dropped: ${drops.join(", ")}`);
  return parts.join(", ");
}
