/**
 * Traps: what the worker that trapped clears up, and that the others go on.
 *
 * The traps are real ones of the release build: an address in the shared memory is spoilt, and the
 * next call that follows it leaves the memory.
 */
import { strict as assert } from "node:assert";
import {
  CLASS_PARTIAL,
  CLASS_SIZE,
  CONTROL_CLASSES,
  CONTROL_FAULT,
  CONTROL_RULES,
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  COUNT_SHARDS_EMPTIED,
  FAULT_ALLOCATOR,
  FAULT_NONE,
  FAULT_OUTBOX,
  SHARD_GROUPS,
  SHARD_LOCK,
  SHARD_PEERS,
  SHARD_SIZE,
  SHARD_TORRENTS,
  SIZE_CLASS_COUNT,
  WORKER_BATCH,
  WORKER_READY_LOCK,
} from "../../assembly/layout.ts";
import { readCounters, readGauges } from "../../server/counters.ts";
import { compileCore, createShared, Harness } from "./harness.ts";

const MODULE = await compileCore("release");
const NOWHERE = 0xffff_0000; // beyond the memory's end
const TORRENTS = 500;
const PEERS = 3;
const CLIENT = Uint8Array.of(192, 0, 2, 1);

/** Two workers on one memory, torrents in every shard, and one torrent of each shard. */
function createFilled() {
  const shared = createShared(MODULE);
  const first = new Harness(shared, { workerIndex: 0 });
  const second = new Harness(shared, { workerIndex: 1 });
  first.become(CLIENT);
  second.become(CLIENT);
  const { view } = first;
  const shards = Array.from(
    { length: 1 << view.getUint32(CONTROL_SHARD_BITS, true) },
    (_, index) => view.getUint32(CONTROL_SHARDS, true) + index * SHARD_SIZE,
  );
  const torrentOf = new Map<number, number>();
  for (let torrent = 0; torrent < TORRENTS; ++torrent) {
    const before = shards.map((shard) => view.getUint32(shard + SHARD_TORRENTS, true));
    for (let port = 1; port <= PEERS; ++port) first.announce({ torrent, port });
    const grown = shards.find((shard, index) =>
      view.getUint32(shard + SHARD_TORRENTS, true) > before[index]!
    );
    torrentOf.set(grown!, torrent);
  }
  assert.equal(torrentOf.size, shards.length);
  return { first, second, shards, torrentOf };
}

function gaugesOf({ shared }: Harness) {
  return readGauges(shared.memory, readCounters(shared.memory));
}

Deno.test("a trap under a shard's lock empties that shard and gives the lock back", () => {
  const { first, second, shards, torrentOf } = createFilled();
  const { view } = first;
  let torrentsLeft = TORRENTS;
  for (const [count, shard] of shards.slice(0, 20).entries()) {
    torrentsLeft -= view.getUint32(shard + SHARD_TORRENTS, true);
    const before = gaugesOf(first);
    const inShard = view.getUint32(shard + SHARD_PEERS, true);
    view.setUint32(shard + SHARD_GROUPS, NOWHERE, true);
    assert.throws(
      () => first.announce({ torrent: torrentOf.get(shard)!, port: 1 }),
      WebAssembly.RuntimeError,
    );
    assert.equal(view.getUint32(shard + SHARD_LOCK, true), 0, "the lock is free");
    assert.equal(view.getUint32(first.worker + WORKER_BATCH, true) % 2, 0, "no batch is open");
    assert.equal(gaugesOf(first).torrents, torrentsLeft);
    assert.equal(gaugesOf(first).peersIpv4, before.peersIpv4 - inShard);
    assert.equal(readCounters(first.shared.memory)[COUNT_SHARDS_EMPTIED], count + 1);
  }
  assert.equal(view.getUint32(CONTROL_FAULT, true), FAULT_NONE);
  // Every torrent is served by both workers, and what was emptied fills again.
  for (let torrent = 0; torrent < TORRENTS; ++torrent) {
    for (const harness of [first, second]) {
      for (let port = 1; port <= PEERS; ++port) harness.announce({ torrent, port });
    }
  }
  assert.equal(gaugesOf(first).torrents, TORRENTS);
  assert.equal(gaugesOf(first).peersIpv4, TORRENTS * PEERS);
  const inHeaders = shards.reduce((sum, it) => sum + view.getUint32(it + SHARD_PEERS, true), 0);
  assert.equal(inHeaders, TORRENTS * PEERS);
});

Deno.test("a trap under a lock of the allocator says that nobody can go on", () => {
  const { first } = createFilled();
  for (let sizeClass = 0; sizeClass < SIZE_CLASS_COUNT; ++sizeClass) {
    const list = CONTROL_CLASSES + sizeClass * CLASS_SIZE;
    first.view.setUint32(list + CLASS_PARTIAL, NOWHERE, true);
  }
  assert.throws(() => first.announce({ torrent: TORRENTS, port: 1 }), WebAssembly.RuntimeError);
  assert.equal(first.view.getUint32(CONTROL_FAULT, true), FAULT_ALLOCATOR);
});

Deno.test("so does a trap under the lock of an outbox or of a ready list", () => {
  const { first } = createFilled();
  const { view } = first;
  // What a worker that trapped there leaves behind: the lock holds its number.
  view.setUint32(first.worker + WORKER_READY_LOCK, view.getUint32(first.worker, true), true);
  const rules = view.getUint32(CONTROL_RULES, true);
  view.setUint32(CONTROL_RULES, NOWHERE, true);
  assert.throws(() => first.announce({ torrent: 1, port: 1 }), WebAssembly.RuntimeError);
  view.setUint32(CONTROL_RULES, rules, true);
  assert.equal(view.getUint32(CONTROL_FAULT, true), FAULT_OUTBOX);
});

Deno.test("a trap without a lock leaves all as it was, and rules can be replaced", () => {
  const { first } = createFilled();
  const { view } = first;
  const rules = view.getUint32(CONTROL_RULES, true);
  view.setUint32(CONTROL_RULES, NOWHERE, true);
  const before = gaugesOf(first);
  assert.throws(() => first.announce({ torrent: 1, port: 1 }), WebAssembly.RuntimeError);
  view.setUint32(CONTROL_RULES, rules, true);
  assert.deepEqual(gaugesOf(first), before);
  assert.equal(view.getUint32(first.worker + WORKER_BATCH, true) % 2, 0);
  assert.equal(view.getUint32(CONTROL_FAULT, true), FAULT_NONE);
});

Deno.test("who takes a dead worker's place clears up what that one left", () => {
  const { first, shards } = createFilled();
  const { view } = first;
  view.setUint32(first.worker + WORKER_BATCH, 7, true); // it died in a batch
  const again = new Harness(first.shared, { workerIndex: 0 });
  again.become(CLIENT);
  assert.equal(view.getUint32(first.worker + WORKER_BATCH, true) % 2, 0);

  again.announce({ torrent: 1, port: 9 });
  assert(shards.every((shard) => view.getUint32(shard + SHARD_LOCK, true) === 0));
});
