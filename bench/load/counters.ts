/**
 * What each worker counts, in memory that it shares with the main thread. The main thread reads the
 * counts whenever it likes: differences between two readings are what happened in between.
 */

import { LATENCY_BUCKET_COUNT } from "./latency.ts";

/** Kinds of requests and answers, the first four numbered as in BEP 15. */
export const CONNECT = 0;
export const ANNOUNCE = 1;
export const SCRAPE = 2;
export const ERROR = 3;
export const OFFER = 4;
export const ANSWER = 5;
export const KINDS = ["connect", "announce", "scrape", "error", "offer", "answer"] as const;
export type Kind = (typeof KINDS)[number];

export const REQUESTS = 0;
/** Responses by kind. */
export const RESPONSES = 1;
/** Peers in announce responses. */
export const PEERS = 7;
export const BYTES_SENT = 8;
export const BYTES_RECEIVED = 9;
/** Requests given up. */
export const TIMEOUTS = 10;
/** Answers to requests that had been given up. */
export const LATE = 11;
/** Requests that the system did not send, and those lost with their connection. */
export const SEND_FAILURES = 12;
/** Answers that are not of the protocol, or whose length is wrong. */
export const MALFORMED = 13;
/** Answers that no request waits for, or that came to another socket. */
export const UNKNOWN_TRANSACTION = 14;
/** Answers of another kind than the request. */
export const WRONG_KIND = 15;
/** More peers than asked for or than it counts, other triples than asked for, interval or id 0. */
export const IMPOSSIBLE = 16;
/** Turns of UDP's loop, which does not wait, and those that received nothing. */
export const TURNS = 17;
export const IDLE_TURNS = 18;
/** Connections opened, those that could not be, and those that the tracker closed unasked. */
export const CONNECTIONS = 19;
export const CONNECT_FAILURES = 20;
export const CLOSED = 21;
/** Then the latencies from request to answer. */
export const LATENCIES = 32;
/** Then those from an offer to its answer, which another peer gives. */
export const ROUND_TRIPS = LATENCIES + LATENCY_BUCKET_COUNT;
/** Then those from an offer to its receipt by another peer. */
export const RELAYS = ROUND_TRIPS + LATENCY_BUCKET_COUNT;
export const COUNTER_COUNT = RELAYS + LATENCY_BUCKET_COUNT;

/** Sums all workers' counts as they are now. */
export function readCounters(workers: readonly Float64Array[]): Float64Array {
  const sums = new Float64Array(COUNTER_COUNT);
  for (const counters of workers) {
    for (let index = 0; index < COUNTER_COUNT; ++index) sums[index]! += counters[index]!;
  }
  return sums;
}

/** Answers of every kind. */
export function responseCount(counters: Float64Array): number {
  let sum = 0;
  for (let kind = 0; kind < KINDS.length; ++kind) sum += counters[RESPONSES + kind]!;
  return sum;
}
