/** Counters: u64 words in the worker's own record, summed by whoever reads them. */
import { WORKER_COUNTERS } from "./layout";

export function count(worker: usize, counter: u32): void {
  countMany(worker, counter, 1);
}

export function countMany(worker: usize, counter: u32, amount: u32): void {
  const ptr = worker + WORKER_COUNTERS + (counter << 3);
  store<u64>(ptr, load<u64>(ptr) + amount);
}
