/**
 * The proof of the locking: several workers hammer the same swarms, the same allocator and the same
 * access list at once, and what is left in memory is, to the peer, what a plain account says.
 */
import { strict as assert } from "node:assert";
import {
  CONTROL_STOP,
  COUNT_COMPLETED,
  COUNT_MEMORY_FULL,
  COUNT_PEERS_EXPIRED,
  TEXT_NOT_ALLOWED,
} from "../../assembly/layout.ts";
import { readCounters, readGauges } from "../../server/counters.ts";
import { writeStop } from "../../wasm/memory.ts";
import { TEXTS } from "../../wasm/texts.ts";
import { writeScrape } from "../model/packets.ts";
import { elapse, within } from "../support/deadline.ts";
import { parseReply, type ReplyOf } from "../support/packets.ts";
import {
  type AnnounceTask,
  BATCH_SIZE,
  FORBIDDEN_TORRENT,
  type HammerPlan,
  type HammerReport,
  TORRENT_COUNT,
} from "./hammer.ts";
import { type Build, compileCore, Harness, SETTINGS, torrentHash } from "./harness.ts";

/** Far above what it takes: a deadlock must fail the test, not hang it. */
const DEADLINE_MS = 120_000;
const MAIN_INDEX = 60;
const STALE_ADDRESS = Uint8Array.of(198, 51, 100, 1);
const STALE_PORTS = 4_000;
/** Torrents that nobody but stale peers is in. */
const STALE_TORRENTS = 50;

class HammerWorker implements Disposable {
  readonly #worker: Worker;
  readonly #report = Promise.withResolvers<HammerReport>();
  readonly #name: string;

  constructor(plan: HammerPlan) {
    this.#name = `worker ${plan.workerIndex} (${plan.task.kind})`;
    const url = new URL("./hammer_worker.ts", import.meta.url);
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#report.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#report.reject(new Error(`${this.#name}: ${event.message}`));
    };
    this.#worker.postMessage(plan);
  }

  report(): Promise<HammerReport> {
    return within(this.#report.promise, { deadlineMs: DEADLINE_MS, what: this.#name });
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

/** The accounts of all workers, added up: leechers, seeders and downloads of each torrent. */
function addUp(reports: HammerReport[]) {
  const totals = Array.from(
    { length: TORRENT_COUNT },
    () => ({ seeders: 0, completed: 0, leechers: 0 }),
  );
  for (const { peers, completed } of reports) {
    for (const [torrent, , isSeeder] of peers) {
      ++totals[torrent]![isSeeder ? "seeders" : "leechers"];
    }
    for (const [torrent, count] of completed) totals[torrent]!.completed += count;
  }
  return totals;
}

function scrape(harness: Harness, torrent: number) {
  const packet = writeScrape(harness.connectionId, [torrentHash(torrent)]);
  const answer = harness.send(packet, { address: STALE_ADDRESS })!;
  return (parseReply(answer, "IPv4") as ReplyOf<"scrape">).torrents[0];
}

/** Peers that will be too old when the hammering starts. */
function addStalePeers(harness: Harness): number {
  harness.setNow(1);
  harness.become(STALE_ADDRESS);
  for (let port = 1; port <= STALE_PORTS; ++port) {
    harness.announce({ torrent: port % 2 === 0 ? 0 : port % TORRENT_COUNT, port });
  }
  for (let index = 0; index < STALE_TORRENTS; ++index) {
    harness.announce({ torrent: 10_000 + index, port: 1 });
  }
  return STALE_PORTS + STALE_TORRENTS;
}

function announceTasks(steps: number): AnnounceTask[] {
  const ipv6 = (last: number) => Uint8Array.from({ length: 16 }, (_, i) => i === 15 ? last : 0x20);
  return [
    { kind: "announce", address: Uint8Array.of(192, 0, 2, 1), steps, batchSize: 1 },
    { kind: "announce", address: Uint8Array.of(192, 0, 2, 2), steps, batchSize: BATCH_SIZE },
    { kind: "announce", address: ipv6(1), steps, batchSize: 1 },
    { kind: "announce", address: ipv6(2), steps, batchSize: BATCH_SIZE },
  ];
}

async function hammer(build: Build, steps: number): Promise<void> {
  const harness = new Harness(await compileCore(build), { limitMib: 64, workerIndex: MAIN_INDEX });
  const staleCount = addStalePeers(harness);
  const now = 2 + SETTINGS.maxPeerAgeSeconds;
  harness.setNow(now);
  using stack = new DisposableStack();
  const start = (workerIndex: number, task: HammerPlan["task"]) =>
    stack.use(new HammerWorker({ core: harness.shared, workerIndex, seed: workerIndex + 1, task }));
  const background = [
    start(20, { kind: "rules" }),
    start(21, { kind: "sweep" }),
    start(22, { kind: "allocate" }),
  ];
  await untilForbidden(harness);
  const announcing = announceTasks(steps).map((task, index) => start(index, task));
  const reports = await Promise.all(announcing.map((worker) => worker.report()));
  writeStop(harness.shared.memory);
  for (const { turns } of await Promise.all(background.map((worker) => worker.report()))) {
    assert.ok(turns > 0, "It worked beside the others");
  }
  harness.sweep();

  const expected = addUp(reports);
  harness.become(STALE_ADDRESS);
  expected.forEach((totals, torrent) => {
    assert.deepEqual(scrape(harness, torrent), totals, `Torrent ${torrent}`);
  });
  const counters = readCounters(harness.shared.memory);
  const gauges = readGauges(harness.shared.memory, counters);
  const families = [0, 1].map((family) =>
    reports.slice(2 * family, 2 * family + 2).reduce((sum, { peers }) => sum + peers.length, 0)
  );
  assert.deepEqual([gauges.peersIpv4, gauges.peersIpv6], families);
  assert.equal(gauges.torrents, TORRENT_COUNT);
  assert.equal(counters[COUNT_PEERS_EXPIRED], staleCount);
  assert.equal(
    counters[COUNT_COMPLETED],
    expected.reduce((sum, { completed }) => sum + completed, 0),
  );
  assert.equal(counters[COUNT_MEMORY_FULL], 0);
  takeEveryPeerOut(harness, reports);
}

/** Waits until the first list is in force. */
async function untilForbidden(harness: Harness): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  harness.become(STALE_ADDRESS);
  while (true) {
    const length = harness.stopped(FORBIDDEN_TORRENT, 1);
    const reply = parseReply(harness.core.output.subarray(0, length), "IPv4");
    if (reply.kind === "error") return assert.equal(reply.message, TEXTS[TEXT_NOT_ALLOWED]);
    assert.ok(performance.now() < deadline, "No list came into force");
    await elapse(1);
  }
}

/** Each peer stops: it must be there exactly once, and nobody else. */
function takeEveryPeerOut(harness: Harness, reports: HammerReport[]): void {
  const tasks = announceTasks(0);
  reports.forEach(({ peers }, index) => {
    harness.become(tasks[index]!.address);
    for (const [torrent, port] of peers) {
      harness.announce({ torrent, port, numWant: 0, left: 1, event: 3 });
    }
  });
  const { peersIpv4, peersIpv6 } = readGauges(
    harness.shared.memory,
    readCounters(harness.shared.memory),
  );
  assert.deepEqual([peersIpv4, peersIpv6], [0, 0]);
  harness.become(STALE_ADDRESS);
  for (let torrent = 0; torrent < TORRENT_COUNT; ++torrent) {
    const { seeders, leechers } = scrape(harness, torrent)!;
    assert.deepEqual([seeders, leechers], [0, 0], `Torrent ${torrent}`);
  }
}

Deno.test("workers that hammer the same swarms lose no peer and count exactly [release]", () =>
  hammer("release", 150_000));

Deno.test("workers that hammer the same swarms lose no peer and count exactly [debug]", () =>
  hammer("debug", 40_000));

Deno.test("a lock lets one in at a time, whoever waits wakes up", async () => {
  const harness = new Harness(await compileCore("release"), { workerIndex: MAIN_INDEX });
  const exports = await harness.testExports();
  const lock = exports.take(harness.worker, 128) >>> 0;
  const word = lock + 64;
  harness.bytes.fill(0, lock, lock + 128);
  const steps = 200_000;
  using stack = new DisposableStack();
  const workers = [1, 2, 3, 4].map((workerIndex) =>
    stack.use(
      new HammerWorker({
        core: harness.shared,
        workerIndex,
        seed: workerIndex,
        task: { kind: "count", lock, word, steps },
      }),
    )
  );
  await Promise.all(workers.map((worker) => worker.report()));
  assert.equal(harness.word(word), 4 * steps);
  assert.equal(harness.word(lock), 0, "Nobody holds it");
  assert.equal(harness.word(CONTROL_STOP), 0);
});
