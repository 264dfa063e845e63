/**
 * What each worker counts, in memory that it shares with the main thread. The main thread reads the
 * counts whenever it likes: differences between two readings are what happened in between.
 */

import { LATENCY_BUCKET_COUNT } from "./latency.ts";

export const REQUESTS = 0;
/** Responses by action: connect, announce, scrape, error. */
export const RESPONSES = 1;
/** Peers in announce responses. */
export const PEERS = 5;
export const BYTES_SENT = 6;
export const BYTES_RECEIVED = 7;
/** Requests given up. */
export const TIMEOUTS = 8;
/** Answers to requests that had been given up. */
export const LATE = 9;
/** Requests that the system did not send. */
export const SEND_FAILURES = 10;
/** Answers that are not of BEP 15, or whose length is wrong. */
export const MALFORMED = 11;
/** Answers with a transaction id that waits for none, or that came to another socket. */
export const UNKNOWN_TRANSACTION = 12;
/** Answers of another kind than the request. */
export const WRONG_KIND = 13;
/** More peers than asked for or than it counts, other triples than asked for, interval or id 0. */
export const IMPOSSIBLE = 14;
/** Turns of the loop, and those that received nothing: how much faster it could have been. */
export const TURNS = 15;
export const IDLE_TURNS = 16;
/** Then the latencies. */
export const LATENCIES = 32;
export const COUNTER_COUNT = LATENCIES + LATENCY_BUCKET_COUNT;

/** Sums all workers' counts as they are now. */
export function readCounters(workers: readonly Float64Array[]): Float64Array {
  const sums = new Float64Array(COUNTER_COUNT);
  for (const counters of workers) {
    for (let index = 0; index < COUNTER_COUNT; ++index) sums[index]! += counters[index]!;
  }
  return sums;
}
