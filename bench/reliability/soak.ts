/**
 * A soak: all protocols of one process under load for minutes, its metrics scraped, a reload every
 * minute, peers coming and going.
 *
 *     deno task soak --minutes 30 [--pause 2] [--json FILE]
 *
 * Prints a line a minute, and of every request that was lost when that was, what its client saw and
 * what the tracker logged around then. At the end: the slope of the memory (least squares over the
 * second half, when tables have their size), how latency went, the share of a core that it took,
 * and whatever was logged or counted that should not be.
 *
 * What is resident is told in two parts: the tracker's own memory, and the rest, which is Deno.
 */
import { findPorts, LIMIT_MIB, Target } from "./target.ts";
import { type Loss, sleep, Traffic } from "./traffic.ts";

const SCRAPES_PER_MINUTE = 4;
const TORRENTS = 5_000;
const CLIENTS_PER_KIND = 8;
const TICKS_PER_SECOND = 100;
/** Of the tracker's log, what may have to do with a loss: a client gives up after five seconds. */
const LOSS_MILLISECONDS = 10_000;
const MEBIBYTE = 1024 * 1024;

/** Counters that a soak should leave at 0. */
const FAULTS = [
  /^riptide_worker_restarts_total /,
  /^riptide_memory_full_total\{/,
  /^riptide_reloads_total\{type="failed"\}/,
  /^riptide_drops_total\{.*type="(kernel|send)"/,
  /^riptide_ws_events_total\{.*type="(failure|protocol_error|overflow)"/,
  /^riptide_connections_total\{.*type="(refused|timed_out|broken)"/,
];

interface Minute {
  minute: number;
  residentMib: number;
  /** Of that, what is the tracker's own memory. */
  ownMib: number;
  /** Of its own memory, what is in use: more than is resident, for what was never touched. */
  usedMib: number;
  /** By kind of client. */
  p99Milliseconds: Record<string, number>;
  answered: number;
  retried: number;
  lost: number;
  /** Of one core: the tracker's share, and that of its clients. */
  trackerCore: number;
  clientsCore: number;
}

const HEAD = [
  "| minute | resident MiB | own MiB | used MiB | p99 ms by kind | answered | retried | lost |",
  "| -----: | -----------: | ------: | -------: | -------------- | -------: | ------: | ---: |",
];

const minutes = numberOf("--minutes", 30);
const pauseMilliseconds = numberOf("--pause", 2);
const jsonPath = valueOf("--json");

function valueOf(option: string): string | undefined {
  const index = Deno.args.indexOf(option);
  return index < 0 ? undefined : Deno.args[index + 1];
}

function numberOf(option: string, fallback: number): number {
  const value = Number(valueOf(option) ?? fallback);
  if (!(value > 0)) throw new RangeError(`Cannot use ${option}: expected a number above 0`);
  return value;
}

/** What is resident of a process, and of that what is the memory that Riptide has reserved. */
function resident(processId: number): { residentMib: number; ownMib: number } {
  const ownKib = LIMIT_MIB * 1024;
  let [all, own, isOwn] = [0, 0, false];
  for (const line of Deno.readTextFileSync(`/proc/${processId}/smaps`).split("\n")) {
    const [name, value] = line.split(/:\s+/);
    if (name === "Size") isOwn = parseInt(value!) === ownKib;
    if (name !== "Rss") continue;
    all += parseInt(value!);
    if (isOwn) own += parseInt(value!);
  }
  return { residentMib: all / 1024, ownMib: own / 1024 };
}

/** Seconds of processor that a process has had. */
function coreSeconds(processId: number): number {
  const columns = Deno.readTextFileSync(`/proc/${processId}/stat`).split(") ")[1]!.split(" ");
  return (Number(columns[11]) + Number(columns[12])) / TICKS_PER_SECOND;
}

/** Slope of the line through the points by least squares, y per x. */
function slope(points: [x: number, y: number][]): number {
  const mean = (values: number[]) => values.reduce((sum, it) => sum + it, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const variance = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return variance === 0 ? 0 : covariance / variance;
}

/** Reads the metrics as Prometheus does. */
async function scrape(port: number): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  if (!response.ok) throw new Error(`Metrics: status ${response.status}`);
  return text.split("\n");
}

function metric(lines: string[], start: string): number {
  const line = lines.find((candidate) => candidate.startsWith(start));
  if (line === undefined) throw new Error(`No metric ${start}`);
  return Number(line.split(" ").at(-1));
}

/** What the clients counted since the last call; their histograms begin anew. */
function takeCounts(traffic: Traffic) {
  const counts = [...traffic.counts];
  const sum = (key: "answered" | "retried" | "lost") =>
    counts.reduce((total, [, count]) => total + count[key], 0);
  const taken = {
    p99Milliseconds: Object.fromEntries(
      counts.map(([kind, { latency }]) => [kind, latency.percentile(99) / 1_000]),
    ),
    answered: sum("answered"),
    retried: sum("retried"),
    lost: sum("lost"),
  };
  for (const [, count] of counts) {
    count.latency.reset();
    count.answered = count.retried = count.lost = 0;
  }
  return taken;
}

/** A list with another torrent every minute, none of which any client asks for. */
async function writeList(list: string, minute: number): Promise<void> {
  const infoHash = minute.toString(16).padStart(40, "5");
  await Deno.writeTextFile(list, `${infoHash} reason="Soaked"\n`);
}

async function reload(target: Target, list: string, minute: number): Promise<void> {
  const logged = target.log.length;
  await writeList(list, minute);
  target.process.kill("SIGHUP");
  await target.logged("Reloaded after SIGHUP", logged);
}

async function run(directory: string): Promise<void> {
  const list = `${directory}/list.txt`;
  await writeList(list, 0);
  const ports = findPorts();
  // Peers are forgotten within minutes, so that a soak of half an hour sees them go many times.
  await using target = await Target.start({
    directory,
    ports,
    more: `access_list = { mode = "black", path = "${list}" }
      cleaning = { max_peer_age = 120, torrent_cleaning_interval = 10 }`,
  });
  const traffic = new Traffic({
    udp: `127.0.0.1:${ports.udp}`,
    http: `127.0.0.1:${ports.http}`,
    ws: `127.0.0.1:${ports.ws}`,
    pauseMilliseconds,
    clientsPerKind: CLIENTS_PER_KIND,
    torrents: TORRENTS,
  });
  const taken: Minute[] = [];
  for (const line of HEAD) console.log(line);
  let lossesTold = 0;
  let lines: string[] = [];
  const processes = [target.process.pid, Deno.pid] as const;
  let [trackerBefore, clientsBefore] = processes.map(coreSeconds) as [number, number];
  for (let minute = 1; minute <= minutes; ++minute) {
    const since = performance.now();
    for (let count = 0; count < SCRAPES_PER_MINUTE; ++count) {
      await sleep(60_000 / SCRAPES_PER_MINUTE);
      lines = await scrape(ports.metrics);
    }
    const seconds = (performance.now() - since) / 1_000;
    const [trackerNow, clientsNow] = processes.map(coreSeconds) as [number, number];
    const result: Minute = {
      minute,
      ...resident(target.process.pid),
      usedMib: metric(lines, 'riptide_memory_bytes{type="pages_used"}') / MEBIBYTE,
      ...takeCounts(traffic),
      trackerCore: (trackerNow - trackerBefore) / seconds,
      clientsCore: (clientsNow - clientsBefore) / seconds,
    };
    [trackerBefore, clientsBefore] = [trackerNow, clientsNow];
    taken.push(result);
    print(result);
    for (const loss of traffic.losses.slice(lossesTold)) printLoss(loss, target.log);
    lossesTold = traffic.losses.length;
    if (jsonPath !== undefined) {
      await Deno.writeTextFile(jsonPath, JSON.stringify({ minutes: taken }, undefined, 2));
    }
    await reload(target, list, minute);
  }
  await traffic.stop();
  const status = await target.stop();
  report(taken, { status, log: target.log, lines, losses: traffic.losses });
}

function print(result: Minute): void {
  const kinds = Object.values(result.p99Milliseconds).map((it) => it.toFixed(1)).join(" / ");
  console.log(
    `| ${result.minute} | ${result.residentMib.toFixed(1)} | ${result.ownMib.toFixed(1)} | ` +
      `${result.usedMib.toFixed(2)} | ${kinds} | ` +
      `${result.answered} | ${result.retried} | ${result.lost} |`,
  );
}

/** Tells of a request that was lost, and what the tracker logged meanwhile. */
function printLoss({ at, kind, infoHash, reasons }: Loss, log: string[]): void {
  console.log(`Lost at ${at.toISOString()}: ${kind}, ${infoHash}: ${reasons.join("; ")}`);
  const from = at.getTime() - LOSS_MILLISECONDS;
  for (const line of log.filter((text) => text.startsWith("{"))) {
    const time = Date.parse(JSON.parse(line).time);
    if (time >= from && time <= at.getTime()) console.log(`  the tracker: ${line}`);
  }
}

function report(
  taken: Minute[],
  { status, log, lines, losses }: {
    status: number;
    log: string[];
    lines: string[];
    losses: Loss[];
  },
): void {
  const settled = taken.slice(taken.length >> 1);
  const slopeOf = (value: (it: Minute) => number) =>
    slope(settled.map((it) => [it.minute, value(it)]));
  const sum = (key: "answered" | "retried" | "lost" | "trackerCore" | "clientsCore") =>
    taken.reduce((total, it) => total + it[key], 0);
  const kinds = Object.keys(taken[0]!.p99Milliseconds);
  const summary = {
    minutes: taken.length,
    answered: sum("answered"),
    retried: sum("retried"),
    lost: sum("lost"),
    residentMibPerMinute: slopeOf(({ residentMib }) => residentMib),
    ownMibPerMinute: slopeOf(({ ownMib }) => ownMib),
    usedMibPerMinute: slopeOf(({ usedMib }) => usedMib),
    p99MillisecondsPerMinute: Object.fromEntries(
      kinds.map((kind) => [kind, slopeOf(({ p99Milliseconds }) => p99Milliseconds[kind]!)]),
    ),
    trackerCore: sum("trackerCore") / taken.length,
    clientsCore: sum("clientsCore") / taken.length,
    losses,
    exitStatus: status,
    logged: log.filter(isOdd),
    counted: lines.filter((line) =>
      FAULTS.some((fault) => fault.test(line)) && Number(line.split(" ").at(-1)) > 0
    ),
  };
  console.log(`\n${JSON.stringify(summary, undefined, 2)}`);
  if (jsonPath !== undefined) {
    Deno.writeTextFileSync(jsonPath, JSON.stringify({ summary, minutes: taken }, undefined, 2));
  }
}

/** Ages this short are warned of at the start; anything else that is no "info" is worth a look. */
function isOdd(line: string): boolean {
  if (!line.startsWith("{")) return line !== "";
  const { level, message } = JSON.parse(line);
  return level !== "info" && !String(message).includes("max_peer_age");
}

const directory = await Deno.makeTempDir();
try {
  await run(directory);
} finally {
  await Deno.remove(directory, { recursive: true });
}
