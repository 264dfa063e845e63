/**
 * What a running tracker tells about itself beside the core's counters: who works, how long
 * requests take, what was loaded when. Its writers have a clock and the core has none, so this is a
 * buffer of its own, of f64 words; each word has one writer.
 */

/** Of every word the index within the buffer; 0 means that there is no such thing. */
export const BOARD_READY = 0; // 1: every address is served
export const BOARD_STARTED_AT = 1; // seconds since 1970
export const BOARD_LISTS_LOADED_AT = 2; // seconds since 1970
export const BOARD_LIST_TORRENTS = 3; // info hashes on the access list
export const BOARD_LIST_RANGES = 4; // ranges of denied clients
export const BOARD_WORKER_RESTARTS = 6; // workers that died and were started again
export const BOARD_RELOADS = 7;
export const BOARD_RELOADS_FAILED = 8;
export const BOARD_SWEPT_AT = 9; // seconds since 1970, end of the last round of the sweep
/** When the certificate of a protocol expires, at + PROTOCOL_*: seconds since 1970. */
export const BOARD_CERTIFICATES = 48;
/** Torrents by size, SWARM_SIZE_COUNT words: of no peer, of 1, of 2 and 3, of 4 to 7, … */
export const BOARD_SWARM_SIZES = 16;

/** Then a block for each worker: its protocol, and how long its requests took, by kind. */
const WORKER_BLOCKS = 64;
const BLOCK_WORDS = 512;
const BLOCK_PROTOCOL = 0; // PROTOCOL_*
const BLOCK_LATENCIES = 8; // REQUEST_KINDS.length × LATENCY_WORDS
const WORKER_BLOCK_COUNT = 64;
const BOARD_WORDS = WORKER_BLOCKS + WORKER_BLOCK_COUNT * BLOCK_WORDS;

/** What a worker serves. */
export const PROTOCOL_NONE = 0;
export const PROTOCOL_UDP = 1;
export const PROTOCOL_UDP_NATIVE = 2; // is told what the kernel drops
export const PROTOCOL_HTTP = 3;
export const PROTOCOL_WS = 4;

/** Kinds of requests whose durations are kept. */
export const REQUEST_KINDS = ["connect", "announce", "scrape"] as const;

/** Microseconds up to which each has a bucket; above it, four buckets for every doubling. */
const EXACT_MAX = 4;
const STEPS = 4;
/** Up to 2^25 µs, 33 seconds; what is longer counts as that. */
const DOUBLINGS = 23;
export const LATENCY_BUCKET_COUNT = EXACT_MAX + STEPS * DOUBLINGS;
/** A sum of seconds, then the buckets. */
const LATENCY_WORDS = 1 + LATENCY_BUCKET_COUNT;

export function createBoard(): SharedArrayBuffer {
  return new SharedArrayBuffer(BOARD_WORDS * 8);
}

/** Writes one of the BOARD_* words. */
export function writeBoard(board: SharedArrayBuffer, word: number, value: number): void {
  new Float64Array(board)[word] = value;
}

/** Counts in one of the BOARD_* words that only the caller writes. */
export function countOnBoard(board: SharedArrayBuffer, word: number): void {
  new Float64Array(board)[word]! += 1;
}

/** Says what a worker serves. */
export function writeProtocol(
  board: SharedArrayBuffer,
  worker: { workerIndex: number; protocol: number },
): void {
  writeBoard(board, blockOf(worker.workerIndex) + BLOCK_PROTOCOL, worker.protocol);
}

/** Reads what a worker serves, one of PROTOCOL_*. */
export function readProtocol(board: SharedArrayBuffer, workerIndex: number): number {
  return new Float64Array(board)[blockOf(workerIndex) + BLOCK_PROTOCOL]!;
}

/** The durations of a worker's requests of one kind: their sum in seconds, then the buckets. */
export function latencyWords(
  board: SharedArrayBuffer,
  place: { workerIndex: number; kindIndex: number },
): Float64Array {
  const first = blockOf(place.workerIndex) + BLOCK_LATENCIES + place.kindIndex * LATENCY_WORDS;
  return new Float64Array(board, first * 8, LATENCY_WORDS);
}

/** Returns the bucket of a duration. */
export function latencyBucket(microseconds: number): number {
  const value = microseconds | 0;
  if (value < EXACT_MAX) return value < 0 ? 0 : value;
  const doubling = 29 - Math.clz32(value); // 0 for 4…7
  const bucket = EXACT_MAX + doubling * STEPS + (value >>> doubling) - STEPS;
  return bucket < LATENCY_BUCKET_COUNT ? bucket : LATENCY_BUCKET_COUNT - 1;
}

/** Returns where a bucket ends, in microseconds: its durations are below that. */
export function bucketEnd(bucket: number): number {
  if (bucket < EXACT_MAX) return bucket + 1;
  const doubling = Math.floor((bucket - EXACT_MAX) / STEPS);
  const step = (bucket - EXACT_MAX) % STEPS;
  return (STEPS + step + 1) * 2 ** doubling;
}

function blockOf(workerIndex: number): number {
  return WORKER_BLOCKS + workerIndex * BLOCK_WORDS;
}
