/** What the status page shows of this moment: what a second has brought, and what there is. */
import {
  BOARD_LIST_RANGES,
  BOARD_LIST_TORRENTS,
  BOARD_LISTS_LOADED_AT,
  BOARD_READY,
  BOARD_STARTED_AT,
  BOARD_WORKER_RESTARTS,
  bucketEnd,
  REQUEST_KINDS,
} from "../../wasm/board.ts";
import { connectionsOf, COUNTERS, PEER_KINDS, peersOf, torrentsOf } from "./families.ts";
import { certificatesOf, GAUGES } from "./gauges.ts";
import { perSecond } from "./history.ts";
import { type Protocol, quantile, type Snapshot } from "./snapshot.ts";

/** Families whose cells are troubles, and what the page calls them. */
const TROUBLES: Readonly<Record<string, string>> = {
  riptide_drops_total: "dropped",
  riptide_errors_total: "error",
  riptide_refusals_total: "refused",
};

/**
 * Describes the time between two snapshots, as JSON that the page (page/page.js) reads.
 * @param stalledSeconds By the worker's index.
 */
export function describeNow(
  before: Snapshot,
  now: Snapshot,
  stalledSeconds: ReadonlyMap<number, number>,
): Record<string, unknown> {
  const { board, memory, protocols, counters } = now;
  return {
    version: now.version,
    isReady: board[BOARD_READY] === 1,
    startedAt: board[BOARD_STARTED_AT],
    protocols: protocols.map((protocol) => describeProtocol(before, now, protocol)),
    torrents: torrentsOf(counters),
    peers: PEER_KINDS.map(({ kind, labels }) => ({ ...labels, count: peersOf(counters, kind) })),
    swarms: GAUGES.find(({ name }) => name === "riptide_swarms")!.samples(now)
      .map(({ labels, value }) => ({ least: Number(labels.type), count: value })),
    memory: { used: memory.pagesUsed, limit: memory.whole, resident: memory.resident },
    troubles: describeTroubles(before, now),
    knowsKernelDrops: now.knowsKernelDrops,
    workers: now.workers.map(({ index, role, heartbeat }) => {
      const old = before.workers.find((worker) => worker.index === index);
      const seconds = (now.milliseconds - before.milliseconds) / 1000;
      const beats = ((heartbeat - (old?.heartbeat ?? heartbeat)) >>> 0) / seconds;
      return { index, role, beats, stalledSeconds: stalledSeconds.get(index) ?? 0 };
    }),
    restarts: board[BOARD_WORKER_RESTARTS],
    certificates: certificatesOf(board),
    lists: {
      loadedAt: board[BOARD_LISTS_LOADED_AT],
      torrents: board[BOARD_LIST_TORRENTS],
      ranges: board[BOARD_LIST_RANGES],
    },
  };
}

function describeProtocol(before: Snapshot, now: Snapshot, protocol: Protocol) {
  const rateOf = (counter: number) =>
    perSecond(before, now, ({ countersOf }) => countersOf[protocol][counter]!);
  const cellsOf = (name: string) =>
    COUNTERS.find((family) => family.name === name)!.cells
      .filter(({ protocols }) => protocols.includes(protocol));
  const total = (name: string) =>
    cellsOf(name).reduce((sum, { counter }) => sum + rateOf(counter), 0);
  return {
    name: protocol,
    responses: cellsOf("riptide_responses_total").map(({ labels, counter }) => ({
      ...labels,
      rate: rateOf(counter),
    })),
    receivedBytes: total("riptide_received_bytes_total"),
    sentBytes: total("riptide_sent_bytes_total"),
    connections: protocol === "udp" ? undefined : connectionsOf(now.countersOf[protocol]),
    latencies: REQUEST_KINDS.map((type, kindIndex) => {
      // Since the start: a second is too short for the slowest in a thousand.
      const { buckets } = now.latenciesOf[protocol][kindIndex]!;
      const at = (share: number) => quantile(buckets, { share, endOf: bucketEnd });
      return { type, p50: at(0.5), p99: at(0.99), p999: at(0.999) };
    }).filter(({ p50 }) => p50 !== undefined),
  };
}

function describeTroubles(before: Snapshot, now: Snapshot) {
  return COUNTERS.filter(({ name }) => name in TROUBLES).flatMap(({ name, cells }) =>
    cells.flatMap((cell) =>
      cell.protocols.filter((protocol) => now.protocols.includes(protocol)).map((protocol) => ({
        what: TROUBLES[name]!,
        protocol,
        type: cell.labels.type!,
        total: now.countersOf[protocol][cell.counter]!,
        rate: perSecond(before, now, (at) => at.countersOf[protocol][cell.counter]!),
      }))
    ).filter(({ total }) => total > 0)
  );
}
