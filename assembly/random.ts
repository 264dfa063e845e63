/**
 * PCG32 (O'Neill, 2014), one state per worker: for choices that need to be fair, not secret.
 */
import { WORKER_RANDOM } from "./layout";

/** The next 32 random bits of this worker. */
export function randomBits(worker: usize): u32 {
  const state = load<u64>(worker, WORKER_RANDOM);
  store<u64>(worker, state * 6364136223846793005 + 1442695040888963407, WORKER_RANDOM);
  return rotr<u32>(<u32> (((state >> 18) ^ state) >> 27), <u32> (state >> 59));
}

/** A number in 0…bound-1; 0 where bound is 0. The bias is below bound / 2^32. */
export function randomBelow(worker: usize, bound: u32): u32 {
  return <u32> (((<u64> randomBits(worker)) * (<u64> bound)) >> 32);
}
