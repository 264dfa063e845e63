/**
 * Counts how long a worker's requests take, by kind, on the board.
 *
 * The core has no clock and the worker does not know what a datagram or a read held; so the kinds
 * come from what the core's counters have gained, and the time from the worker. Nothing here
 * allocates.
 */
import {
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_CONNECT,
  COUNT_CONNECT_IPV6,
  COUNT_SCRAPE,
  COUNT_SCRAPE_IPV6,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKERS,
} from "../assembly/layout.ts";
import { latencyBucket, latencyWords, REQUEST_KINDS, writeProtocol } from "./board.ts";
import type { SharedCore } from "./memory.ts";

/** The counters of each kind of request, of both families. */
const TCP_COUNTERS: KindCounters = [
  [COUNT_CONNECT, COUNT_CONNECT_IPV6],
  [COUNT_ANNOUNCE, COUNT_ANNOUNCE_IPV6],
  [COUNT_SCRAPE, COUNT_SCRAPE_IPV6],
];

export type KindCounters = readonly (readonly [ipv4: number, ipv6: number])[];

/** Requests by kind, KIND_BITS bits each. */
export type Requests = number;

export const NO_REQUESTS: Requests = 0;
const KIND_BITS = 10;
const KIND_MAX = (1 << KIND_BITS) - 1;

export class LatencyRecorder {
  readonly #counters: Uint32Array; // the lower halves are enough for differences
  readonly #indexes: Uint32Array;
  readonly #before = new Uint32Array(REQUEST_KINDS.length);
  readonly #latencies: Float64Array[];

  /** @param options.protocol PROTOCOL_*, for whoever reads the board. */
  constructor(
    shared: SharedCore,
    options: { workerIndex: number; protocol: number; counters?: KindCounters },
  ) {
    const { workerIndex, counters = TCP_COUNTERS } = options;
    const address = WORKERS + workerIndex * WORKER_SIZE + WORKER_COUNTERS;
    this.#counters = new Uint32Array(shared.memory.buffer, address);
    this.#indexes = Uint32Array.from(counters.flat(), (counter) => 2 * counter);
    this.#latencies = REQUEST_KINDS.map((_, kindIndex) =>
      latencyWords(shared.board, { workerIndex, kindIndex })
    );
    writeProtocol(shared.board, options);
    this.take();
  }

  /** The requests that the core has counted since the last call. */
  take(): Requests {
    const counters = this.#counters;
    const indexes = this.#indexes;
    const before = this.#before;
    let requests = 0;
    for (let kind = 0; kind < before.length; ++kind) {
      const count = (counters[indexes[2 * kind]!]! + counters[indexes[2 * kind + 1]!]!) >>> 0;
      const gained = (count - before[kind]!) >>> 0;
      before[kind] = count;
      requests |= (gained > KIND_MAX ? KIND_MAX : gained) << (kind * KIND_BITS);
    }
    return requests;
  }

  /**
   * Counts requests that are done now.
   * @param begun When they came, by `performance.now()`.
   * @param weight For how many such requests each of them stands, where not all are measured.
   */
  record(requests: Requests, begun: number, weight = 1): void {
    if (requests === NO_REQUESTS) return;
    const milliseconds = performance.now() - begun;
    const bucket = latencyBucket(milliseconds * 1000);
    for (let kind = 0; kind < this.#latencies.length; ++kind) {
      const count = ((requests >>> (kind * KIND_BITS)) & KIND_MAX) * weight;
      if (count === 0) continue;
      const words = this.#latencies[kind]!;
      words[0]! += milliseconds / 1000 * count;
      words[1 + bucket]! += count;
    }
  }
}
