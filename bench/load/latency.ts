/**
 * Latencies counted in buckets of at most 1/32 of their value, in memory that workers share with
 * the main thread: it can read the counts, and subtract earlier ones, while they run.
 */

/** Microseconds counted one by one; above it, 32 buckets for every doubling. */
const EXACT_MAX = 64;
const STEPS = 32;
/** Up to 2^26 µs, 67 seconds; what is longer counts as that. */
const DOUBLINGS = 20;
export const LATENCY_BUCKET_COUNT = EXACT_MAX + STEPS * DOUBLINGS;

/** Returns the bucket of a latency. */
export function latencyBucket(microseconds: number): number {
  const value = microseconds | 0;
  if (value < EXACT_MAX) return value < 0 ? 0 : value;
  const doubling = 25 - Math.clz32(value); // 0 for 64…127
  const step = (value >>> (doubling + 1)) - STEPS;
  const bucket = EXACT_MAX + doubling * STEPS + step;
  return bucket < LATENCY_BUCKET_COUNT ? bucket : LATENCY_BUCKET_COUNT - 1;
}

/** Returns the longest latency of a bucket, in microseconds. */
export function bucketCeiling(bucket: number): number {
  if (bucket < EXACT_MAX) return bucket;
  const doubling = Math.floor((bucket - EXACT_MAX) / STEPS);
  const step = (bucket - EXACT_MAX) % STEPS;
  return (STEPS + step + 1) * 2 ** (doubling + 1) - 1;
}

/** Returns the latency in microseconds that a share of the counted ones does not exceed. */
export function percentile(counts: Float64Array, share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let bucket = 0; bucket < counts.length; ++bucket) {
    seen += counts[bucket]!;
    if (seen > 0 && seen >= share * total) return bucketCeiling(bucket);
  }
  return 0;
}
