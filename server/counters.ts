/** Reads the counters in shared memory: the sum over all workers, at one moment. */
import {
  CONTROL_PAGE_COUNT,
  CONTROL_PAGES_USED,
  COUNT_PEERS_ADDED,
  COUNT_PEERS_REMOVED,
  COUNT_TORRENTS_ADDED,
  COUNT_TORRENTS_REMOVED,
  COUNTER_COUNT,
  KIND_IPV4,
  KIND_IPV6,
  PAGE_SIZE,
  WORKER_COUNT_MAX,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKERS,
} from "../assembly/layout.ts";

/** What is in memory right now. */
export interface Gauges {
  torrents: number;
  peersIpv4: number;
  peersIpv6: number;
  /** Bytes of pages in use, and of all pages. */
  memoryUsed: number;
  memoryLimit: number;
}

/** Sums the counters of every worker that there ever was; index by the COUNT_* numbers. */
export function readCounters(memory: WebAssembly.Memory): Float64Array {
  const sums = new Float64Array(COUNTER_COUNT);
  for (let index = 0; index < WORKER_COUNT_MAX; ++index) {
    const address = WORKERS + index * WORKER_SIZE + WORKER_COUNTERS;
    const counters = new BigUint64Array(memory.buffer, address, COUNTER_COUNT);
    for (let counter = 0; counter < COUNTER_COUNT; ++counter) {
      sums[counter] += Number(counters[counter]);
    }
  }
  return sums;
}

/** What follows from the counters, and the memory in use. */
export function readGauges(memory: WebAssembly.Memory, counters: Float64Array): Gauges {
  const words = new Uint32Array(memory.buffer, 0, CONTROL_PAGES_USED / 4 + 1);
  const peers = (kind: number) =>
    counters[COUNT_PEERS_ADDED + kind]! - counters[COUNT_PEERS_REMOVED + kind]!;
  return {
    torrents: counters[COUNT_TORRENTS_ADDED]! - counters[COUNT_TORRENTS_REMOVED]!,
    peersIpv4: peers(KIND_IPV4),
    peersIpv6: peers(KIND_IPV6),
    memoryUsed: words[CONTROL_PAGES_USED / 4]! * PAGE_SIZE,
    memoryLimit: words[CONTROL_PAGE_COUNT / 4]! * PAGE_SIZE,
  };
}
