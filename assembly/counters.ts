/** Counters: u64 words in the worker's own record, summed by whoever reads them. */
import {
  COUNT_PEERS_ADDED,
  COUNT_PEERS_REMOVED,
  SHARD_PEERS,
  WORKER_COUNTERS,
  WORKER_HELD_LOCK,
} from "./layout";

export function count(worker: usize, counter: u32): void {
  countMany(worker, counter, 1);
}

export function countMany(worker: usize, counter: u32, amount: u32): void {
  const ptr = worker + WORKER_COUNTERS + (counter << 3);
  store<u64>(ptr, load<u64>(ptr) + amount);
}

/** Counts a new peer, also in the shard, whose lock is held. */
export function countPeerAdded(worker: usize, kind: u32): void {
  count(worker, COUNT_PEERS_ADDED + kind);
  const ptr = <usize> load<u32>(worker, WORKER_HELD_LOCK) + (kind << 2);
  store<u32>(ptr, load<u32>(ptr, SHARD_PEERS) + 1, SHARD_PEERS);
}

/** Counts peers that are gone, also in the shard, whose lock is held. */
export function countPeersRemoved(worker: usize, kind: u32, amount: u32): void {
  countMany(worker, COUNT_PEERS_REMOVED + kind, amount);
  const ptr = <usize> load<u32>(worker, WORKER_HELD_LOCK) + (kind << 2);
  store<u32>(ptr, load<u32>(ptr, SHARD_PEERS) - amount, SHARD_PEERS);
}
