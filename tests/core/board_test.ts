/** What workers tell on the board: durations by kind of request, and the sizes of swarms. */
import { strict as assert } from "node:assert";
import {
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_SCRAPE,
  SWARM_SIZE_COUNT,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKER_SWARM_SIZES,
  WORKERS,
} from "../../assembly/layout.ts";
import {
  bucketEnd,
  createBoard,
  LATENCY_BUCKET_COUNT,
  latencyBucket,
  latencyWords,
  PROTOCOL_HTTP,
  readProtocol,
  REQUEST_KINDS,
} from "../../wasm/board.ts";
import { LatencyRecorder, NO_REQUESTS } from "../../wasm/latency.ts";
import type { SharedCore } from "../../wasm/memory.ts";
import { compileCore, Harness } from "./harness.ts";

const WORKER = 5;

function newRecorder() {
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  const shared = { memory, board: createBoard() } as SharedCore;
  const address = WORKERS + WORKER * WORKER_SIZE + WORKER_COUNTERS;
  const counters = new BigUint64Array(memory.buffer, address, 64);
  const recorder = new LatencyRecorder(shared, { workerIndex: WORKER, protocol: PROTOCOL_HTTP });
  const words = REQUEST_KINDS.map((_, kindIndex) =>
    latencyWords(shared.board, { workerIndex: WORKER, kindIndex })
  );
  const totals = () => words.map((kind) => kind.subarray(1).reduce((sum, count) => sum + count, 0));
  return { shared, counters, recorder, words, totals };
}

Deno.test("latencyBucket() and bucketEnd() agree at every edge", () => {
  for (let bucket = 0; bucket < LATENCY_BUCKET_COUNT; ++bucket) {
    assert.equal(latencyBucket(bucketEnd(bucket) - 1), bucket);
    assert.equal(
      latencyBucket(bucketEnd(bucket)),
      Math.min(bucket + 1, LATENCY_BUCKET_COUNT - 1),
    );
  }
  assert.equal(latencyBucket(-1), 0);
  assert.equal(latencyBucket(2 ** 31 - 1), LATENCY_BUCKET_COUNT - 1);
});

Deno.test("requests are counted under their kinds, of both families", () => {
  const { counters, recorder, words, totals, shared } = newRecorder();
  assert.equal(readProtocol(shared.board, WORKER), PROTOCOL_HTTP);
  counters[COUNT_ANNOUNCE] = 2n;
  counters[COUNT_ANNOUNCE_IPV6] = 1n;
  counters[COUNT_SCRAPE] = 1n;
  const requests = recorder.take();
  assert.equal(recorder.take(), NO_REQUESTS);
  recorder.record(requests, performance.now() - 5, 2);
  assert.deepEqual(totals(), [0, 6, 2]);
  const [, announces] = words as [Float64Array, Float64Array, Float64Array];
  assert.ok(announces[0]! >= 6 * 0.005 && announces[0]! < 6 * 2, `${announces[0]} seconds`);
  assert.equal(announces.subarray(1, 1 + latencyBucket(5_000)).every((count) => count === 0), true);
});

Deno.test("differences hold where the lower half of a counter wraps", () => {
  const { counters, recorder, totals } = newRecorder();
  counters[COUNT_ANNOUNCE] = 2n ** 32n - 1n;
  recorder.take();
  counters[COUNT_ANNOUNCE] = 2n ** 32n + 1n;
  recorder.record(recorder.take(), performance.now());
  assert.deepEqual(totals(), [0, 2, 0]);
});

Deno.test("the sweep counts torrents by size", async () => {
  const harness = new Harness(await compileCore("release"));
  harness.become(Uint8Array.of(192, 0, 2, 1));
  [1, 2, 3, 4, 1_000].forEach((peers, torrent) => {
    for (let port = 1; port <= peers; ++port) harness.announce({ torrent, port });
  });
  assert.deepEqual(sweepSizes(harness), { 1: 1, 2: 2, 3: 1, 10: 1 });
  for (let port = 1; port <= 4; ++port) harness.stopped(3, port);
  assert.deepEqual(sweepSizes(harness), { 0: 1, 1: 1, 2: 2, 10: 1 });
});

/** Sweeps all shards: number of torrents by the index of their size, where there are any. */
function sweepSizes(harness: Harness): Record<number, number> {
  const address = harness.worker + WORKER_SWARM_SIZES;
  const sizes = new Uint32Array(harness.shared.memory.buffer, address, SWARM_SIZE_COUNT);
  sizes.fill(0);
  harness.sweep();
  return Object.fromEntries([...sizes.entries()].filter(([, count]) => count > 0));
}
