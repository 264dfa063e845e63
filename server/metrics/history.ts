/** What the plots of the status page show: the last hour and the last day, in bounded rings. */
import { LATENCY_BUCKET_COUNT } from "../../wasm/board.ts";
import { bucketEnd } from "../../wasm/board.ts";
import { COUNTERS, PEER_KINDS, peersOf, torrentsOf } from "./families.ts";
import { type Protocol, PROTOCOLS, quantile, type Snapshot } from "./snapshot.ts";

/** Columns of a point, in order. */
export const COLUMNS = [
  "time", // seconds since 1970
  "udp", // responses per second
  "http",
  "ws",
  "torrents",
  "peers",
  "memory", // bytes of pages in use
  "drops", // per second
  "p99", // seconds, of all requests; 0 where there were none
] as const;

/** The rings by name: how many points of how many seconds each. */
export const RINGS = {
  hour: { points: 720, stepSeconds: 5 },
  day: { points: 720, stepSeconds: 120 },
} as const;
export type RingName = keyof typeof RINGS;

const DROPS = cellsOf("riptide_drops_total");
const RESPONSES = cellsOf("riptide_responses_total");

/** The latest points of one step. */
export class Ring {
  readonly #rows: Float64Array;
  readonly #stepSeconds: number;
  #count = 0;
  #begin: Snapshot;

  constructor(options: { points: number; stepSeconds: number }, first: Snapshot) {
    this.#rows = new Float64Array(options.points * COLUMNS.length);
    this.#stepSeconds = options.stepSeconds;
    this.#begin = first;
  }

  /** Takes a snapshot into account; returns the point that it completes, if it does. */
  add(now: Snapshot, timeSeconds: number): number[] | undefined {
    // A timer may come a little early.
    const milliseconds = now.milliseconds - this.#begin.milliseconds;
    if (milliseconds < this.#stepSeconds * 1000 - 500) return undefined;
    const point = describeStep(this.#begin, now, timeSeconds);
    const capacity = this.#rows.length / COLUMNS.length;
    this.#rows.set(point, this.#count % capacity * COLUMNS.length);
    ++this.#count;
    this.#begin = now;
    return point;
  }

  /** All points that there are, the oldest first. */
  points(): number[][] {
    const capacity = this.#rows.length / COLUMNS.length;
    const length = Math.min(this.#count, capacity);
    return Array.from({ length }, (_, index) => {
      const row = (this.#count - length + index) % capacity;
      return [...this.#rows.subarray(row * COLUMNS.length, (row + 1) * COLUMNS.length)];
    });
  }
}

/** Responses of a protocol between two snapshots, per second. */
function responseRate(before: Snapshot, now: Snapshot, protocol: Protocol): number {
  return perSecond(
    before,
    now,
    (snapshot) =>
      RESPONSES.filter(({ protocols }) => protocols.includes(protocol))
        .reduce((sum, { counter }) => sum + snapshot.countersOf[protocol][counter]!, 0),
  );
}

/** How fast something that only grows has grown. */
export function perSecond(
  before: Snapshot,
  now: Snapshot,
  valueOf: (snapshot: Snapshot) => number,
): number {
  const seconds = (now.milliseconds - before.milliseconds) / 1000;
  return Math.max(0, valueOf(now) - valueOf(before)) / seconds;
}

function describeStep(before: Snapshot, now: Snapshot, timeSeconds: number): number[] {
  const buckets = new Float64Array(LATENCY_BUCKET_COUNT);
  for (const protocol of PROTOCOLS) {
    now.latenciesOf[protocol].forEach((latencies, kindIndex) => {
      const old = before.latenciesOf[protocol][kindIndex]!.buckets;
      latencies.buckets.forEach((count, bucket) => buckets[bucket]! += count - old[bucket]!);
    });
  }
  return [
    Math.round(timeSeconds),
    ...PROTOCOLS.map((protocol) => round(responseRate(before, now, protocol))),
    torrentsOf(now.counters),
    PEER_KINDS.reduce((sum, { kind }) => sum + peersOf(now.counters, kind), 0),
    now.memory.pagesUsed,
    round(
      perSecond(
        before,
        now,
        ({ counters }) => DROPS.reduce((sum, { counter }) => sum + counters[counter]!, 0),
      ),
    ),
    quantile(buckets, { share: 0.99, endOf: bucketEnd }) ?? 0,
  ];
}

function cellsOf(name: string) {
  return COUNTERS.find((family) => family.name === name)!.cells;
}

function round(rate: number): number {
  return Math.round(rate * 10) / 10;
}
