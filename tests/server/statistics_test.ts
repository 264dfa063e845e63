/** The line of statistics: its rates, its drops, and the warning of a full memory. */
import { strict as assert } from "node:assert";
import {
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_BYTES_RECEIVED,
  COUNT_BYTES_SENT,
  COUNT_CONNECT,
  COUNT_DROP_CONNECTION_ID,
  COUNT_DROP_DENIED,
  COUNT_DROP_KERNEL,
  COUNT_DROP_SEND,
  COUNT_ERROR_EXPIRED_ID,
  COUNT_ERROR_SENT,
  COUNT_MEMORY_FULL,
  COUNT_PEERS_ADDED,
  COUNT_PEERS_REMOVED,
  COUNT_SCRAPE_IPV6,
  COUNT_TORRENTS_ADDED,
  COUNT_TORRENTS_REMOVED,
  COUNTER_COUNT,
  WORKER_COUNTERS,
  WORKERS,
} from "../../assembly/layout.ts";
import type { Logger } from "../../server/log.ts";
import { describe, startStatistics, type StatisticsOptions } from "../../server/statistics.ts";

type Counts = Readonly<Record<number, number>>;

function newMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
}

function sample(milliseconds: number, counts: Counts) {
  const counters = new Float64Array(COUNTER_COUNT);
  for (const [counter, count] of Object.entries(counts)) counters[Number(counter)] = count;
  return { milliseconds, counters };
}

function describeChange(before: Counts, now: Counts, knowsKernelDrops = true) {
  return describe(newMemory(), sample(1_000, before), sample(3_500, now), { knowsKernelDrops });
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
  const drops = { short: 0, magic: 0, action: 0, connectionId: 0, truncated: 0, sourcePort: 0 };
  const told = describeChange(before, now);
  assert.deepEqual(told.drops, { ...drops, denied: 3, send: 0, kernel: 4 });
  const errors = Object.entries(told.errors as Record<string, number>);
  assert.deepEqual(errors.filter(([, count]) => count !== 0), [["expiredId", 2]]);
  const untold = describeChange(before, now, false);
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
    this.stop = startStatistics(this.memory, { ...options, log, knowsKernelDrops: false });
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
