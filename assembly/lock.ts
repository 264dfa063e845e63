/**
 * Locks in shared memory: an i32 that is 0 or the number of the worker that holds it.
 *
 * A waiter spins about a hundred times, then sets CONTENDED and sleeps; whoever unlocks a contended
 * lock wakes one waiter. Never two shard locks at once; page and class locks are leaves, taken
 * last.
 */
import { WORKER_HELD_LOCK, WORKER_NUMBER } from "./layout";

const SPIN_COUNT: u32 = 100;
const CONTENDED: u32 = 0x80;
/** A lost wake-up costs this long, in nanoseconds, not for ever. */
const WAIT_LIMIT: i64 = 10_000_000;

/**
 * Takes the lock of a shard. It is noted in the worker's record for as long as it may be held, and
 * a moment longer, for whoever must clear up a trap.
 */
export function lockShard(worker: usize, shard: usize): void {
  store<u32>(worker, shard, WORKER_HELD_LOCK);
  lock(worker, shard);
}

export function unlockShard(worker: usize, shard: usize): void {
  unlock(shard);
  store<u32>(worker, 0, WORKER_HELD_LOCK);
}

export function lock(worker: usize, ptr: usize): void {
  const number = load<u32>(worker, WORKER_NUMBER);
  for (let spin: u32 = 0; spin < SPIN_COUNT; ++spin) {
    if (atomic.load<u32>(ptr) == 0 && atomic.cmpxchg<u32>(ptr, 0, number) == 0) return;
  }
  lockSlowly(number, ptr);
}

export function unlock(ptr: usize): void {
  if (atomic.xchg<u32>(ptr, 0) & CONTENDED) atomic.notify(ptr, 1);
}

/** Whether the worker holds this lock; asked after a trap. */
export function isHeldBy(worker: usize, ptr: usize): bool {
  return (atomic.load<u32>(ptr) & ~CONTENDED) == load<u32>(worker, WORKER_NUMBER);
}

function lockSlowly(number: u32, ptr: usize): void {
  while (true) {
    const held = atomic.load<u32>(ptr);
    if (held == 0) {
      // Others may sleep on it still: keep it marked.
      if (atomic.cmpxchg<u32>(ptr, 0, number | CONTENDED) == 0) return;
    } else if (
      (held & CONTENDED) != 0 || atomic.cmpxchg<u32>(ptr, held, held | CONTENDED) == held
    ) {
      atomic.wait<i32>(ptr, held | CONTENDED, WAIT_LIMIT);
    }
  }
}
