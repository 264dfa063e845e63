/** Everything that the metrics are made of, read from shared memory at one moment. */
import {
  CONTROL_ARENA,
  CONTROL_NOW,
  CONTROL_PAGE_BITS,
  CONTROL_PAGE_COUNT,
  CONTROL_PAGES_PEAK,
  CONTROL_PAGES_USED,
  CONTROL_SHARDS,
  COUNTER_COUNT,
  HOUSEKEEPER_INDEX,
  PAGE_SIZE,
  WORKER_BATCH,
  WORKER_COUNT_MAX,
  WORKER_COUNTERS,
  WORKER_HEARTBEAT,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import {
  LATENCY_BUCKET_COUNT,
  latencyWords,
  PROTOCOL_HTTP,
  PROTOCOL_NONE,
  PROTOCOL_UDP,
  PROTOCOL_UDP_NATIVE,
  PROTOCOL_WS,
  readProtocol,
  REQUEST_KINDS,
} from "../../wasm/board.ts";

/** Protocols by the names that operators see, in the order in which they are shown. */
export const PROTOCOLS = ["udp", "http", "ws"] as const;
export type Protocol = typeof PROTOCOLS[number];

const PROTOCOL_NAMES: Readonly<Record<number, Protocol | undefined>> = {
  [PROTOCOL_UDP]: "udp",
  [PROTOCOL_UDP_NATIVE]: "udp",
  [PROTOCOL_HTTP]: "http",
  [PROTOCOL_WS]: "ws",
};

/** What the metrics worker is given of the tracker. */
export interface Observed {
  memory: WebAssembly.Memory;
  board: SharedArrayBuffer;
  version: string;
}

export interface WorkerState {
  index: number;
  /** `housekeeping`, or what it serves. */
  role: Protocol | "housekeeping";
  /** Batches begun, modulo 2^32. */
  heartbeat: number;
  /** Odd within a batch. */
  batch: number;
}

/** Durations of requests of one kind. */
export interface Latencies {
  sumSeconds: number;
  buckets: Float64Array;
}

export interface Snapshot {
  /** Monotonic, for rates. */
  milliseconds: number;
  version: string;
  /** Protocols that have a worker. */
  protocols: readonly Protocol[];
  /** Whether UDP's driver is told what the kernel drops. */
  knowsKernelDrops: boolean;
  /** Sums over all workers, by COUNT_*. */
  counters: Float64Array;
  /** The same over the workers of a protocol. */
  countersOf: Readonly<Record<Protocol, Float64Array>>;
  latenciesOf: Readonly<Record<Protocol, readonly Latencies[]>>;
  workers: readonly WorkerState[];
  /** The board's words, by BOARD_*. */
  board: Float64Array;
  /** Seconds of the tracker's clock. */
  nowSeconds: number;
  memory: MemoryState;
}

/** Bytes. */
export interface MemoryState {
  control: number;
  workers: number;
  shards: number;
  bitmap: number;
  pagesUsed: number;
  pagesFree: number;
  pagesPeak: number;
  whole: number;
  resident: number;
}

/** Reads it all; words of different workers are not of exactly the same moment. */
export function takeSnapshot({ memory, board, version }: Observed): Snapshot {
  const words = new Uint32Array(memory.buffer);
  const counters = new Float64Array(COUNTER_COUNT);
  const countersOf = byProtocol(() => new Float64Array(COUNTER_COUNT));
  const latenciesOf = byProtocol(() =>
    REQUEST_KINDS.map(() => ({ sumSeconds: 0, buckets: new Float64Array(LATENCY_BUCKET_COUNT) }))
  );
  const workers: WorkerState[] = [];
  let knowsKernelDrops = false;
  for (let index = 0; index < WORKER_COUNT_MAX; ++index) {
    const address = WORKERS + index * WORKER_SIZE;
    const protocol = readProtocol(board, index);
    addCounters(memory, address + WORKER_COUNTERS, counters);
    if (protocol === PROTOCOL_NONE && index !== HOUSEKEEPER_INDEX) continue;
    const role: WorkerState["role"] = PROTOCOL_NAMES[protocol] ?? "housekeeping";
    workers.push({
      index,
      role,
      heartbeat: words[(address + WORKER_HEARTBEAT) >> 2]!,
      batch: Atomics.load(words, (address + WORKER_BATCH) >> 2),
    });
    if (role === "housekeeping") continue;
    knowsKernelDrops ||= protocol === PROTOCOL_UDP_NATIVE;
    addCounters(memory, address + WORKER_COUNTERS, countersOf[role]);
    latenciesOf[role].forEach((latencies, kindIndex) => {
      const [sum, ...buckets] = latencyWords(board, { workerIndex: index, kindIndex });
      latencies.sumSeconds += sum!;
      buckets.forEach((count, bucket) => latencies.buckets[bucket]! += count);
    });
  }
  return {
    milliseconds: performance.now(),
    version,
    protocols: PROTOCOLS.filter((protocol) => workers.some(({ role }) => role === protocol)),
    knowsKernelDrops,
    counters,
    countersOf,
    latenciesOf,
    workers,
    board: new Float64Array(board).slice(0, 64),
    nowSeconds: Atomics.load(words, CONTROL_NOW >> 2),
    memory: readMemory(memory, words),
  };
}

/** The longest duration of a share of the requests, in seconds; none where there were none. */
export function quantile(buckets: Float64Array, options: {
  share: number;
  endOf(bucket: number): number;
}): number | undefined {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let bucket = 0; bucket < buckets.length && total > 0; ++bucket) {
    seen += buckets[bucket]!;
    if (seen >= options.share * total) return options.endOf(bucket) / 1e6;
  }
  return undefined;
}

function byProtocol<T>(make: () => T): Record<Protocol, T> {
  return { udp: make(), http: make(), ws: make() };
}

function addCounters(memory: WebAssembly.Memory, address: number, sums: Float64Array): void {
  const counters = new BigUint64Array(memory.buffer, address, COUNTER_COUNT);
  for (let counter = 0; counter < COUNTER_COUNT; ++counter) {
    sums[counter]! += Number(counters[counter]);
  }
}

function readMemory(memory: WebAssembly.Memory, words: Uint32Array): MemoryState {
  const word = (address: number) => words[address >> 2]!;
  const used = word(CONTROL_PAGES_USED) * PAGE_SIZE;
  const shards = word(CONTROL_SHARDS);
  const bitmap = word(CONTROL_PAGE_BITS);
  return {
    control: WORKERS,
    workers: shards - WORKERS, // and the texts behind them
    shards: bitmap - shards,
    bitmap: word(CONTROL_ARENA) - bitmap,
    pagesUsed: used,
    pagesFree: word(CONTROL_PAGE_COUNT) * PAGE_SIZE - used,
    pagesPeak: word(CONTROL_PAGES_PEAK) * PAGE_SIZE,
    whole: memory.buffer.byteLength,
    resident: Deno.memoryUsage().rss,
  };
}
