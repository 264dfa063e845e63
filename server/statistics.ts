/**
 * A line of statistics in the log at the configured interval, and a warning when memory is full.
 */
import {
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_BYTES_RECEIVED,
  COUNT_BYTES_SENT,
  COUNT_CONNECT,
  COUNT_CONNECT_IPV6,
  COUNT_CONNECTIONS_BROKEN,
  COUNT_CONNECTIONS_CLOSED,
  COUNT_CONNECTIONS_OPENED,
  COUNT_CONNECTIONS_REFUSED,
  COUNT_CONNECTIONS_TIMED_OUT,
  COUNT_DROP_ACTION,
  COUNT_DROP_CONNECTION_ID,
  COUNT_DROP_DENIED,
  COUNT_DROP_KERNEL,
  COUNT_DROP_MAGIC,
  COUNT_DROP_SEND,
  COUNT_DROP_SHORT,
  COUNT_DROP_SOURCE_PORT,
  COUNT_DROP_TRUNCATED,
  COUNT_ERROR_EXPIRED_ID,
  COUNT_ERROR_NOT_ALLOWED,
  COUNT_ERROR_PORT,
  COUNT_ERROR_QUERY,
  COUNT_ERROR_SCRAPE,
  COUNT_ERROR_SENT,
  COUNT_HTTP_REFUSED,
  COUNT_MEMORY_FULL,
  COUNT_PROXY_HEADER,
  COUNT_SCRAPE,
  COUNT_SCRAPE_IPV6,
  REFUSAL_BAD_REQUEST,
  REFUSAL_BODY,
  REFUSAL_BUSY,
  REFUSAL_FORWARDED,
  REFUSAL_HEADERS,
  REFUSAL_KEY,
  REFUSAL_METHOD,
  REFUSAL_NOT_FOUND,
  REFUSAL_TARGET,
  REFUSAL_TIMEOUT,
  REFUSAL_UPGRADE,
  REFUSAL_VERSION,
} from "../assembly/layout.ts";
import { readCounters, readGauges } from "./counters.ts";
import type { Logger } from "./log.ts";

/** Why a datagram got no answer, by the names that operators see. */
const DROPS: Readonly<Record<string, number>> = {
  short: COUNT_DROP_SHORT,
  magic: COUNT_DROP_MAGIC,
  action: COUNT_DROP_ACTION,
  connectionId: COUNT_DROP_CONNECTION_ID,
  truncated: COUNT_DROP_TRUNCATED,
  sourcePort: COUNT_DROP_SOURCE_PORT,
  denied: COUNT_DROP_DENIED,
  send: COUNT_DROP_SEND,
};

/** Why a datagram was answered with an error. */
const ERRORS: Readonly<Record<string, number>> = {
  expiredId: COUNT_ERROR_EXPIRED_ID,
  port: COUNT_ERROR_PORT,
  scrape: COUNT_ERROR_SCRAPE,
  notAllowed: COUNT_ERROR_NOT_ALLOWED,
  query: COUNT_ERROR_QUERY,
};

/** Why an HTTP request was refused: its status is not 200. */
const REFUSALS: Readonly<Record<string, number>> = {
  badRequest: COUNT_HTTP_REFUSED + REFUSAL_BAD_REQUEST,
  notFound: COUNT_HTTP_REFUSED + REFUSAL_NOT_FOUND,
  method: COUNT_HTTP_REFUSED + REFUSAL_METHOD,
  timeout: COUNT_HTTP_REFUSED + REFUSAL_TIMEOUT,
  targetTooLong: COUNT_HTTP_REFUSED + REFUSAL_TARGET,
  headersTooLong: COUNT_HTTP_REFUSED + REFUSAL_HEADERS,
  busy: COUNT_HTTP_REFUSED + REFUSAL_BUSY,
  version: COUNT_HTTP_REFUSED + REFUSAL_VERSION,
  forwarded: COUNT_HTTP_REFUSED + REFUSAL_FORWARDED,
  body: COUNT_HTTP_REFUSED + REFUSAL_BODY,
  upgrade: COUNT_HTTP_REFUSED + REFUSAL_UPGRADE,
  key: COUNT_HTTP_REFUSED + REFUSAL_KEY,
};

/** What became of connections that were not simply served. */
const CONNECTIONS: Readonly<Record<string, number>> = {
  opened: COUNT_CONNECTIONS_OPENED,
  closed: COUNT_CONNECTIONS_CLOSED,
  refused: COUNT_CONNECTIONS_REFUSED,
  timedOut: COUNT_CONNECTIONS_TIMED_OUT,
  broken: COUNT_CONNECTIONS_BROKEN,
  withoutProxyHeader: COUNT_PROXY_HEADER,
};

const MEBIBYTE = 1024 * 1024;
/** How often memory is looked at, and the least time between two warnings that it is full. */
const MEMORY_WATCH_SECONDS = 1;
const MEMORY_WARNING_SECONDS = 60;

export interface StatisticsOptions {
  log: Logger;
  /** 0: no lines, only the warnings. */
  intervalSeconds: number;
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
      log.warn(
        "Memory is full: {count} announces of new peers were answered and not stored; " +
          "raise [memory] limit_mib",
        { count: full - lastFull },
      );
      lastFull = full;
      quietLooks = MEMORY_WARNING_SECONDS / MEMORY_WATCH_SECONDS - 1;
    }, MEMORY_WATCH_SECONDS * 1000),
  ];
  if (intervalSeconds > 0) {
    timers.push(setInterval(() => {
      const now = sample(memory);
      log.info(
        "{requestsPerSecond} requests/s, {responsesPerSecond} responses/s ({connectsPerSecond} " +
          "connects, {announcesPerSecond} announces, {scrapesPerSecond} scrapes, " +
          "{errorsPerSecond} errors), {torrents} torrents, {peersIpv4} IPv4 and {peersIpv6} IPv6 " +
          "peers, {memoryMib} of {memoryLimitMib} MiB, dropped: {drops}",
        describe(memory, lastLine, now, options),
      );
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

/** The properties of one line: rates since the line before, and what there is now. */
export function describe(
  memory: WebAssembly.Memory,
  before: Sample,
  now: Sample,
  options: Pick<StatisticsOptions, "knowsKernelDrops">,
): Record<string, unknown> {
  const seconds = (now.milliseconds - before.milliseconds) / 1000;
  const change = (counter: number) => now.counters[counter]! - before.counters[counter]!;
  const rate = (...counters: number[]) => {
    const sum = counters.reduce((total, counter) => total + change(counter), 0);
    return Math.round(sum / seconds * 10) / 10;
  };
  const changes = (names: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(names).map(([name, counter]) => [name, change(counter)]));
  const refusals = Object.values(REFUSALS);
  const answered = [
    COUNT_CONNECT,
    COUNT_CONNECT_IPV6,
    COUNT_ANNOUNCE,
    COUNT_ANNOUNCE_IPV6,
    COUNT_SCRAPE,
    COUNT_SCRAPE_IPV6,
    COUNT_ERROR_SENT,
    ...refusals,
  ];
  const gauges = readGauges(memory, now.counters);
  return {
    requestsPerSecond: rate(
      ...answered,
      ...Object.values(DROPS).filter((c) => c !== COUNT_DROP_SEND),
    ),
    responsesPerSecond: rate(...answered),
    connectsPerSecond: rate(COUNT_CONNECT, COUNT_CONNECT_IPV6),
    announcesPerSecond: rate(COUNT_ANNOUNCE, COUNT_ANNOUNCE_IPV6),
    scrapesPerSecond: rate(COUNT_SCRAPE, COUNT_SCRAPE_IPV6),
    errorsPerSecond: rate(COUNT_ERROR_SENT),
    bytesReceivedPerSecond: rate(COUNT_BYTES_RECEIVED),
    bytesSentPerSecond: rate(COUNT_BYTES_SENT),
    torrents: gauges.torrents,
    peersIpv4: gauges.peersIpv4,
    peersIpv6: gauges.peersIpv6,
    memoryMib: Math.round(gauges.memoryUsed / MEBIBYTE),
    memoryLimitMib: Math.round(gauges.memoryLimit / MEBIBYTE),
    memoryFull: change(COUNT_MEMORY_FULL),
    drops: {
      ...changes(DROPS),
      // The sandboxed driver cannot see what the kernel dropped before Deno looked.
      kernel: options.knowsKernelDrops ? change(COUNT_DROP_KERNEL) : "unknown",
    },
    errors: changes(ERRORS),
    ...describeConnections(now, changes),
  };
}

/** The properties of protocols that have connections; none where there never was one. */
function describeConnections(
  now: Sample,
  changes: (names: Readonly<Record<string, number>>) => Record<string, number>,
): Record<string, unknown> {
  const opened = now.counters[COUNT_CONNECTIONS_OPENED]!;
  if (opened === 0) return {};
  return {
    openConnections: opened - now.counters[COUNT_CONNECTIONS_CLOSED]!,
    connections: changes(CONNECTIONS),
    refusals: changes(REFUSALS),
  };
}
