/** The line of statistics: its rates, its drops, and the warning of a full memory. */
import { strict as assert } from "node:assert";
import {
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_BYTES_RECEIVED,
  COUNT_BYTES_SENT,
  COUNT_CONNECT,
  COUNT_CONNECTIONS_OPENED,
  COUNT_DROP_CONNECTION_ID,
  COUNT_DROP_DENIED,
  COUNT_DROP_KERNEL,
  COUNT_DROP_SEND,
  COUNT_DROP_SHORT,
  COUNT_ERROR_EXPIRED_ID,
  COUNT_ERROR_SENT,
  COUNT_HTTP_REFUSED,
  COUNT_MEMORY_FULL,
  COUNT_PEERS_ADDED,
  COUNT_PEERS_REMOVED,
  COUNT_SCRAPE_IPV6,
  COUNT_TORRENTS_ADDED,
  COUNT_TORRENTS_REMOVED,
  COUNT_WS_ANSWERS,
  COUNT_WS_FAILURES,
  COUNT_WS_OFFERS,
  COUNTER_COUNT,
  KIND_WEBTORRENT,
  REFUSAL_BUSY,
  WORKER_COUNTERS,
  WORKERS,
} from "../../assembly/layout.ts";
import type { Logger } from "../../server/log.ts";
import type { Protocol } from "../../server/metrics/snapshot.ts";
import { describe, startStatistics } from "../../server/statistics.ts";
import { type StatisticsOptions, toSentence } from "../../server/statistics.ts";

type Counts = Readonly<Record<number, number>>;

function newMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
}

function sample(milliseconds: number, counts: Counts) {
  const counters = new Float64Array(COUNTER_COUNT);
  for (const [counter, count] of Object.entries(counts)) counters[Number(counter)] = count;
  return { milliseconds, counters };
}

function describeChange(
  before: Counts,
  now: Counts,
  { protocols = ["udp"], knowsKernelDrops = true }: {
    protocols?: Protocol[];
    knowsKernelDrops?: boolean;
  } = {},
) {
  return describe(newMemory(), {
    before: sample(1_000, before),
    now: sample(3_500, now),
    protocols,
    knowsKernelDrops,
  });
}

Deno.test("rates are of the time between two lines, rounded to tenths", () => {
  const line = describeChange(
    { [COUNT_CONNECT]: 100, [COUNT_BYTES_SENT]: 7 },
    {
      [COUNT_CONNECT]: 350,
      [COUNT_ANNOUNCE]: 1_000,
      [COUNT_ANNOUNCE_IPV6]: 1,
      [COUNT_SCRAPE_IPV6]: 5,
      [COUNT_ERROR_SENT]: 10,
      [COUNT_DROP_CONNECTION_ID]: 25,
      [COUNT_DROP_SEND]: 3,
      [COUNT_BYTES_RECEIVED]: 2_500,
      [COUNT_BYTES_SENT]: 5_007,
    },
  );
  assert.equal(line.connectsPerSecond, 100);
  assert.equal(line.announcesPerSecond, 400.4);
  assert.equal(line.scrapesPerSecond, 2);
  assert.equal(line.errorsPerSecond, 4);
  assert.equal(line.responsesPerSecond, 506.4);
  assert.equal(line.requestsPerSecond, 516.4, "What was dropped was a request");
  assert.equal(line.bytesReceivedPerSecond, 1_000);
  assert.equal(line.bytesSentPerSecond, 2_000);
});

Deno.test("drops and errors are counted by reason, the kernel's only where it tells", () => {
  const before = { [COUNT_DROP_DENIED]: 5, [COUNT_DROP_KERNEL]: 1 };
  const now = { [COUNT_DROP_DENIED]: 8, [COUNT_DROP_KERNEL]: 5, [COUNT_ERROR_EXPIRED_ID]: 2 };
  const drops = { short: 0, magic: 0, action: 0, connection_id: 0, truncated: 0, source_port: 0 };
  const told = describeChange(before, now);
  assert.deepEqual(told.drops, { ...drops, denied: 3, send: 0, kernel: 4 });
  const errors = Object.entries(told.errors as Record<string, number>);
  assert.deepEqual(errors.filter(([, count]) => count !== 0), [["expired_id", 2]]);
  const untold = describeChange(before, now, { knowsKernelDrops: false });
  assert.deepEqual(untold.drops, { ...drops, denied: 3, send: 0, kernel: "unknown" });
});

Deno.test("torrents and peers are what there is now, not what changed", () => {
  const line = describeChange({ [COUNT_TORRENTS_ADDED]: 50, [COUNT_PEERS_ADDED]: 10 }, {
    [COUNT_TORRENTS_ADDED]: 100,
    [COUNT_TORRENTS_REMOVED]: 30,
    [COUNT_PEERS_ADDED]: 20,
    [COUNT_PEERS_REMOVED]: 5,
    [COUNT_PEERS_ADDED + 1]: 7,
    [COUNT_PEERS_REMOVED + 1]: 1,
  });
  assert.deepEqual([line.torrents, line.peersIpv4, line.peersIpv6], [70, 15, 6]);
});

const SENTENCES: [protocols: Protocol[], expected: string][] = [
  [
    ["udp"],
    "{requestsPerSecond} requests/s, {responsesPerSecond} responses/s ({connectsPerSecond} " +
    "connects, {announcesPerSecond} announce, {scrapesPerSecond} scrapes, {errorsPerSecond} " +
    "errors), {torrents} torrent, {peersIpv4} IPv4 and {peersIpv6} IPv6 peers, {memoryMib} of " +
    "{memoryLimitMib} MiB, dropped: 2 short, 4 denied",
  ],
  [
    ["http"],
    "{requestsPerSecond} requests/s, {responsesPerSecond} responses/s ({announcesPerSecond} " +
    "announce, {scrapesPerSecond} scrapes, {errorsPerSecond} errors, {refusalsPerSecond} " +
    "refusals), {torrents} torrent, {peersIpv4} IPv4 and {peersIpv6} IPv6 peers, " +
    "{openConnections} connections, {memoryMib} of {memoryLimitMib} MiB, dropped: 4 denied",
  ],
  [
    ["ws"],
    "{requestsPerSecond} requests/s, {responsesPerSecond} responses/s ({announcesPerSecond} " +
    "announce, {scrapesPerSecond} scrapes, {errorsPerSecond} errors, {refusalsPerSecond} " +
    "refusals), {offersPerSecond} offers/s and {answersPerSecond} answers/s relayed, {torrents} " +
    "torrent, {peersWebTorrent} WebTorrent peer, {openConnections} connections, {memoryMib} of " +
    "{memoryLimitMib} MiB, dropped: 4 denied",
  ],
];
for (const [protocols, expected] of SENTENCES) {
  Deno.test(`a line of ${protocols} tells what it can do, and one of a thing is one`, () => {
    const now = {
      [COUNT_DROP_SHORT]: 2,
      [COUNT_DROP_DENIED]: 4,
      [COUNT_TORRENTS_ADDED]: 1,
      [COUNT_PEERS_ADDED + KIND_WEBTORRENT]: 1,
      [COUNT_CONNECTIONS_OPENED]: 3,
    };
    const line = describeChange({}, { ...now, [COUNT_ANNOUNCE]: 2.5 }, { protocols });
    assert.equal(toSentence(line, protocols), expected);
    for (const [, name] of expected.matchAll(/\{(\w+)\}/g)) {
      assert.equal(typeof line[name!], "number", name);
    }
  });
}

Deno.test("a line of WebTorrent counts what is relayed, refused and told a failure", () => {
  const line = describeChange({}, {
    [COUNT_WS_OFFERS]: 25,
    [COUNT_WS_ANSWERS]: 50,
    [COUNT_WS_FAILURES]: 5,
    [COUNT_HTTP_REFUSED + REFUSAL_BUSY]: 10,
  }, { protocols: ["ws"] });
  assert.deepEqual([line.offersPerSecond, line.answersPerSecond], [10, 20]);
  assert.deepEqual([line.errorsPerSecond, line.refusalsPerSecond], [2, 4]);
  assert.equal(line.responsesPerSecond, 6);
  assert.equal((line.webTorrent as Record<string, number>).offer, 25);
  assert.equal((line.refusals as Record<string, number>).busy, 10);
  assert.deepEqual(line.drops, { denied: 0 });
  assert.ok(!("connectsPerSecond" in line || "peersIpv4" in line));
});

/** Statistics whose timers the test fires, and what they logged. */
class ManualStatistics implements Disposable {
  readonly memory = newMemory();
  readonly lines: [level: string, message: string, properties: Record<string, unknown>][] = [];
  readonly timers = new Map<number, () => void>();
  readonly stop: () => void;
  readonly #realSetInterval = globalThis.setInterval;
  readonly #realClearInterval = globalThis.clearInterval;

  constructor(options: Pick<StatisticsOptions, "intervalSeconds">) {
    const note = (level: string) => (message: string, properties: Record<string, unknown>) =>
      this.lines.push([level, message, properties]);
    const log = { info: note("info"), warn: note("warn") } as unknown as Logger;
    globalThis.setInterval = ((tick: () => void, milliseconds: number) => {
      this.timers.set(milliseconds, tick);
      return milliseconds;
    }) as unknown as typeof setInterval;
    globalThis.clearInterval =
      ((milliseconds: number) => void this.timers.delete(milliseconds)) as typeof clearInterval;
    this.stop = startStatistics(this.memory, {
      ...options,
      log,
      protocols: ["udp"],
      knowsKernelDrops: false,
    });
  }

  count(counter: number, change: number): void {
    const address = WORKERS + WORKER_COUNTERS + 8 * counter;
    new BigUint64Array(this.memory.buffer, address, 1)[0]! += BigInt(change);
  }

  [Symbol.dispose](): void {
    globalThis.setInterval = this.#realSetInterval;
    globalThis.clearInterval = this.#realClearInterval;
  }
}

Deno.test("each line tells what happened since the one before", () => {
  using statistics = new ManualStatistics({ intervalSeconds: 5 });
  const drops = () => statistics.lines.at(-1)![2].drops as Record<string, number>;
  statistics.count(COUNT_DROP_DENIED, 4);
  statistics.timers.get(5_000)!();
  assert.equal(drops().denied, 4);
  statistics.timers.get(5_000)!();
  assert.equal(drops().denied, 0);
  statistics.count(COUNT_DROP_DENIED, 1);
  statistics.timers.get(5_000)!();
  assert.equal(drops().denied, 1);
  assert.ok(
    statistics.lines.every(([level, message]) =>
      level === "info" && message.includes("requests/s")
    ),
  );
  statistics.stop();
  assert.equal(statistics.timers.size, 0, "Nothing runs any more");
});

Deno.test("a full memory is warned of once a minute at the most, also without lines", () => {
  using statistics = new ManualStatistics({ intervalSeconds: 0 });
  assert.deepEqual([...statistics.timers.keys()], [1_000]);
  const watch = statistics.timers.get(1_000)!;
  watch();
  assert.equal(statistics.lines.length, 0);
  statistics.count(COUNT_MEMORY_FULL, 1_000);
  watch();
  watch();
  assert.equal(statistics.lines.length, 1);
  const [level, message, properties] = statistics.lines[0]!;
  assert.equal(level, "warn");
  assert.match(message, /Memory is full/);
  assert.deepEqual(properties, { count: 1_000 });
  statistics.count(COUNT_MEMORY_FULL, 1);
  for (let second = 2; second < 60; ++second) watch();
  assert.equal(statistics.lines.length, 1);
  watch();
  assert.deepEqual(statistics.lines.map(([, , { count }]) => count), [1_000, 1]);
});
