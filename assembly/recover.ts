/**
 * What is cleared up after a trap, by the worker that trapped and before it does anything else.
 *
 * A trap may strike with a shard's lock held and the shard half changed: nothing in it can be
 * trusted, so it is emptied, and what hung on it is never used again, nor given back: a block that
 * hung in two places would be handed out twice. Its peers are known from its header, so the counts
 * stay right. A trap with a lock of the allocator held leaves nothing to go on with:
 * FAULT_ALLOCATOR tells the main thread, which ends the process. So does FAULT_OUTBOX: another
 * worker may be about to read what the one that trapped was writing.
 */
import {
  CLASS_LOCK,
  CLASS_SIZE,
  CONTROL_CLASSES,
  CONTROL_FAULT,
  CONTROL_PAGE_LOCK,
  COUNT_PEERS_REMOVED,
  COUNT_SHARDS_EMPTIED,
  COUNT_TORRENTS_REMOVED,
  FAULT_ALLOCATOR,
  FAULT_OUTBOX,
  OUTBOX_BYTES,
  OUTBOX_LOCK,
  OUTBOX_STATE,
  POST_FULL,
  SHARD_LOCK,
  SHARD_PEERS,
  SHARD_SIZE,
  SHARD_TORRENTS,
  SIZE_CLASS_COUNT,
  SLOT_SIZE,
  WORKER_BATCH,
  WORKER_COUNT_MAX,
  WORKER_HELD_LOCK,
  WORKER_READY_LOCK,
  WORKER_SIZE,
  WORKER_SLOT_CARVED,
  WORKER_SLOTS,
  WORKERS,
} from "./layout";
import { count, countMany } from "./counters";
import { isHeldBy, unlockShard } from "./lock";
import { pushReady } from "./outbox";

const KIND_COUNT: u32 = 3;

/** Gives back what the worker held; it may be called by a worker that holds nothing. */
export function recover(worker: usize): void {
  if (holdsAllocatorLock(worker)) {
    atomic.store<u32>(CONTROL_FAULT, FAULT_ALLOCATOR);
    return;
  }
  if (holdsOutboxLock(worker)) {
    atomic.store<u32>(CONTROL_FAULT, FAULT_OUTBOX);
    return;
  }
  const shard: usize = load<u32>(worker, WORKER_HELD_LOCK);
  if (shard != 0 && isHeldBy(worker, shard)) {
    emptyShard(worker, shard);
    unlockShard(worker, shard);
  }
  // It holds no pointer into the access rules any more: reloads need not wait for it.
  atomic.store<u32>(worker, (load<u32>(worker, WORKER_BATCH) + 1) & ~1, WORKER_BATCH);
  listWaiting(worker);
}

function holdsAllocatorLock(worker: usize): bool {
  if (isHeldBy(worker, CONTROL_PAGE_LOCK)) return true;
  for (let sizeClass: u32 = 0; sizeClass < <u32> SIZE_CLASS_COUNT; ++sizeClass) {
    if (isHeldBy(worker, CONTROL_CLASSES + sizeClass * CLASS_SIZE + CLASS_LOCK)) return true;
  }
  return false;
}

/** Looks at every connection of every worker: some ten thousand words, once in a trap. */
function holdsOutboxLock(worker: usize): bool {
  for (let index: u32 = 0; index < <u32> WORKER_COUNT_MAX; ++index) {
    const owner: usize = WORKERS + index * WORKER_SIZE;
    if (isHeldBy(worker, owner + WORKER_READY_LOCK)) return true;
    const slots: usize = load<u32>(owner, WORKER_SLOTS);
    const carved = load<u32>(owner, WORKER_SLOT_CARVED);
    for (let slot: u32 = 0; slot < carved; ++slot) {
      if (isHeldBy(worker, slots + slot * SLOT_SIZE + OUTBOX_LOCK)) return true;
    }
  }
  return false;
}

/**
 * Lists every connection that has something waiting: whoever writes to an outbox lists it once its
 * lock is given back, and may have trapped in between. To be listed twice does no harm.
 */
function listWaiting(worker: usize): void {
  for (let index: u32 = 0; index < <u32> WORKER_COUNT_MAX; ++index) {
    const owner: usize = WORKERS + index * WORKER_SIZE;
    const slots: usize = load<u32>(owner, WORKER_SLOTS);
    const carved = load<u32>(owner, WORKER_SLOT_CARVED);
    for (let slot: u32 = 0; slot < carved; ++slot) {
      const connection = slots + slot * SLOT_SIZE;
      const isFull = (load<u32>(connection, OUTBOX_STATE) & POST_FULL) != 0;
      if (isFull || load<u32>(connection, OUTBOX_BYTES) != 0) pushReady(worker, connection);
    }
  }
}

function emptyShard(worker: usize, shard: usize): void {
  count(worker, COUNT_SHARDS_EMPTIED);
  countMany(worker, COUNT_TORRENTS_REMOVED, load<u32>(shard, SHARD_TORRENTS));
  for (let kind: u32 = 0; kind < KIND_COUNT; ++kind) {
    countMany(worker, COUNT_PEERS_REMOVED + kind, load<u32>(shard + (kind << 2), SHARD_PEERS));
  }
  const contents = SHARD_LOCK + 4;
  memory.fill(shard + contents, 0, SHARD_SIZE - contents);
}

if (SHARD_LOCK != 0) ERROR("A shard's header begins with its lock");
