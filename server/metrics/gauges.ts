/** What is told of the tracker as it is right now; the other half of families.ts. */
import { SWARM_SIZE_COUNT } from "../../assembly/layout.ts";
import {
  BOARD_CERTIFICATES,
  BOARD_LIST_RANGES,
  BOARD_LIST_TORRENTS,
  BOARD_LISTS_LOADED_AT,
  BOARD_READY,
  BOARD_RELOADS,
  BOARD_RELOADS_FAILED,
  BOARD_STARTED_AT,
  BOARD_SWARM_SIZES,
  BOARD_SWEPT_AT,
  BOARD_WORKER_RESTARTS,
  PROTOCOL_HTTP,
  PROTOCOL_WS,
} from "../../wasm/board.ts";
import {
  connectionsOf,
  PEER_KINDS,
  peersOf,
  type Sample,
  type SharedFamily,
  torrentsOf,
} from "./families.ts";
import type { Snapshot } from "./snapshot.ts";

/** A word of the board; none where it was never written. */
const written = ({ board }: Snapshot, word: number): Sample[] =>
  board[word] === 0 ? [] : [{ labels: {}, value: board[word]! }];
/** Protocols that have a certificate, and when it expires. */
export function certificatesOf(board: Float64Array): [protocol: string, expiresAt: number][] {
  const all: [string, number][] = [
    ["http", board[BOARD_CERTIFICATES + PROTOCOL_HTTP]!],
    ["ws", board[BOARD_CERTIFICATES + PROTOCOL_WS]!],
  ];
  return all.filter(([, expiresAt]) => expiresAt !== 0);
}

const one = (value: number): Sample[] => [{ labels: {}, value }];

export const GAUGES: readonly SharedFamily[] = [
  {
    name: "riptide_build_info",
    type: "gauge",
    help: "Always 1; the label is Riptide's version.",
    samples: ({ version }) => [{ labels: { version }, value: 1 }],
  },
  {
    name: "riptide_ready",
    type: "gauge",
    help: "1 while every address is served.",
    samples: ({ board }) => one(board[BOARD_READY]!),
  },
  {
    name: "riptide_start_timestamp_seconds",
    type: "gauge",
    help: "When the process started, in seconds since 1970.",
    samples: (snapshot) => written(snapshot, BOARD_STARTED_AT),
  },
  {
    name: "riptide_torrents",
    type: "gauge",
    help: "Torrents in memory.",
    samples: ({ counters }) => one(torrentsOf(counters)),
  },
  {
    name: "riptide_peers",
    type: "gauge",
    help: "Peers in memory. Those of UDP and HTTP are one set.",
    samples: ({ counters }) =>
      PEER_KINDS.map(({ kind, labels }) => ({ labels, value: peersOf(counters, kind) })),
  },
  {
    name: "riptide_swarms",
    type: "gauge",
    help: "Torrents by size, as the last sweep found them. The label type is the least number of " +
      "peers of a size, the next one's is the first beyond it: 0, 1, 2, 4, 8, and so on.",
    samples: ({ board }) => {
      if (board[BOARD_SWEPT_AT] === 0) return [];
      const counts = board.subarray(BOARD_SWARM_SIZES, BOARD_SWARM_SIZES + SWARM_SIZE_COUNT);
      const largest = counts.findLastIndex((count) => count > 0);
      return [...counts.subarray(0, largest + 1)].map((value, size) => ({
        labels: { type: String(size === 0 ? 0 : 2 ** (size - 1)) },
        value,
      }));
    },
  },
  {
    name: "riptide_last_sweep_timestamp_seconds",
    type: "gauge",
    help: "When the last sweep over all torrents ended, in seconds since 1970.",
    samples: (snapshot) => written(snapshot, BOARD_SWEPT_AT),
  },
  {
    name: "riptide_connections",
    type: "gauge",
    help: "Connections that are open.",
    samples: ({ protocols, countersOf }) =>
      protocols.filter((protocol) => protocol !== "udp").map((protocol) => ({
        labels: { protocol },
        value: connectionsOf(countersOf[protocol]),
      })),
  },
  {
    name: "riptide_memory_bytes",
    type: "gauge",
    help: "The tracker's memory by region; pages hold torrents, peers, lists and buffers.",
    samples: ({ memory }) => [
      { labels: { type: "control" }, value: memory.control },
      { labels: { type: "workers" }, value: memory.workers },
      { labels: { type: "shards" }, value: memory.shards },
      { labels: { type: "bitmap" }, value: memory.bitmap },
      { labels: { type: "pages_used" }, value: memory.pagesUsed },
      { labels: { type: "pages_free" }, value: memory.pagesFree },
    ],
  },
  {
    name: "riptide_memory_limit_bytes",
    type: "gauge",
    help: "The limit, [memory] limit_mib.",
    samples: ({ memory }) => one(memory.whole),
  },
  {
    name: "riptide_memory_peak_bytes",
    type: "gauge",
    help: "The most that pages_used has been.",
    samples: ({ memory }) => one(memory.pagesPeak),
  },
  {
    name: "riptide_resident_memory_bytes",
    type: "gauge",
    help: "What the process holds of the machine's memory.",
    samples: ({ memory }) => one(memory.resident),
  },
  {
    name: "riptide_certificate_expiry_timestamp_seconds",
    type: "gauge",
    help: "When the TLS certificate in use expires, in seconds since 1970.",
    samples: ({ board }) =>
      certificatesOf(board).map(([protocol, value]) => ({ labels: { protocol }, value })),
  },
  {
    name: "riptide_access_list_load_timestamp_seconds",
    type: "gauge",
    help: "When the access list was read last, in seconds since 1970.",
    samples: (snapshot) => written(snapshot, BOARD_LISTS_LOADED_AT),
  },
  {
    name: "riptide_access_list_entries",
    type: "gauge",
    help:
      "What the lists hold: torrents whose entries have not ended, and ranges of denied clients.",
    samples: ({ board }) => [
      { labels: { type: "torrents" }, value: board[BOARD_LIST_TORRENTS]! },
      { labels: { type: "denied_ranges" }, value: board[BOARD_LIST_RANGES]! },
    ],
  },
  {
    name: "riptide_workers",
    type: "gauge",
    help: "Threads that serve.",
    samples: ({ protocols, workers }) =>
      protocols.map((protocol) => ({
        labels: { protocol },
        value: workers.filter(({ role }) => role === protocol).length,
      })),
  },
  {
    name: "riptide_worker_restarts_total",
    type: "counter",
    help: "Threads that died and were replaced.",
    samples: ({ board }) => one(board[BOARD_WORKER_RESTARTS]!),
  },
  {
    name: "riptide_reloads_total",
    type: "counter",
    help: "Reloads of the configuration, by outcome.",
    samples: ({ board }) => [
      { labels: { type: "done" }, value: board[BOARD_RELOADS]! },
      { labels: { type: "failed" }, value: board[BOARD_RELOADS_FAILED]! },
    ],
  },
];

/** Whatever one worker is told of: how long it has been in the batch that it is in. */
export const STALLED_FAMILY = {
  name: "riptide_worker_stalled_seconds",
  type: "gauge",
  help: "How long a thread has been within one batch, which takes microseconds; 0 outside of it.",
} as const;

/** Its heartbeats, which stand still where nothing is asked. */
export const HEARTBEAT_FAMILY = {
  name: "riptide_worker_heartbeats_total",
  type: "counter",
  help: "Batches that a thread has begun; the count starts again at 2^32.",
} as const;

/** How long requests took. */
export const DURATION_FAMILY = {
  name: "riptide_request_duration_seconds",
  type: "histogram",
  help: "From when a request was read until its answer was handed to the system. Natively each " +
    "takes as long as its batch; in the sandbox one UDP request in eight is measured, for eight, " +
    "and so is one read in eight of a connection. Of WebTorrent that is until nothing waits for " +
    "the sender any more; what its offers take to reach their receivers is not in it.",
} as const;
