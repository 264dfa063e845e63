/**
 * What is told of the tracker: every metric with its name, its meaning, and where it comes from.
 *
 * The exposition, docs/METRICS.md and the tests of the dashboard are made from this table. A
 * counter that the core gains needs one line here. No label ever holds an info hash or an address.
 */
import {
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_BYTES_RECEIVED,
  COUNT_BYTES_SENT,
  COUNT_COMPLETED,
  COUNT_CONNECT,
  COUNT_CONNECT_IPV6,
  COUNT_CONNECTIONS_BROKEN,
  COUNT_CONNECTIONS_CLOSED,
  COUNT_CONNECTIONS_OPENED,
  COUNT_CONNECTIONS_REFUSED,
  COUNT_CONNECTIONS_TIMED_OUT,
  COUNT_DROP_ACTION,
  COUNT_DROP_CONNECTION_ID,
  COUNT_DROP_DENIED,
  COUNT_DROP_KERNEL,
  COUNT_DROP_MAGIC,
  COUNT_DROP_SEND,
  COUNT_DROP_SHORT,
  COUNT_DROP_SOURCE_PORT,
  COUNT_DROP_TRUNCATED,
  COUNT_ERROR_EXPIRED_ID,
  COUNT_ERROR_NOT_ALLOWED,
  COUNT_ERROR_PORT,
  COUNT_ERROR_QUERY,
  COUNT_ERROR_SCRAPE,
  COUNT_HTTP_REFUSED,
  COUNT_MEMORY_FULL,
  COUNT_PEERS_ADDED,
  COUNT_PEERS_EXPIRED,
  COUNT_PEERS_REMOVED,
  COUNT_PEERS_SENT,
  COUNT_PROXY_HEADER,
  COUNT_SCRAPE,
  COUNT_SCRAPE_IPV6,
  COUNT_SHARDS_EMPTIED,
  COUNT_SWARM_FULL,
  COUNT_TORRENTS_ADDED,
  COUNT_TORRENTS_REMOVED,
  COUNT_WS_ANSWERS,
  COUNT_WS_ANSWERS_LOST,
  COUNT_WS_ERRORS,
  COUNT_WS_FAILURES,
  COUNT_WS_OFFERS,
  COUNT_WS_OVERFLOWS,
  COUNT_WS_UPGRADES,
  KIND_IPV4,
  KIND_IPV6,
  KIND_WEBTORRENT,
  REFUSAL_BAD_REQUEST,
  REFUSAL_BODY,
  REFUSAL_BUSY,
  REFUSAL_FORWARDED,
  REFUSAL_HEADERS,
  REFUSAL_KEY,
  REFUSAL_METHOD,
  REFUSAL_NOT_FOUND,
  REFUSAL_TARGET,
  REFUSAL_TIMEOUT,
  REFUSAL_UPGRADE,
  REFUSAL_VERSION,
} from "../../assembly/layout.ts";
import type { Protocol, Snapshot } from "./snapshot.ts";

export type Labels = Readonly<Record<string, string>>;

/** A counter of the core's, summed over the workers of the protocols that it can come from. */
export interface Cell {
  protocols: readonly Protocol[];
  labels: Labels;
  counter: number;
  /** Shown only where the driver knows it. */
  needsKernelDrops?: boolean;
}

/** A counter, by protocol. */
export interface CounterFamily {
  name: `riptide_${string}_total`;
  help: string;
  cells: readonly Cell[];
}

const UDP: readonly Protocol[] = ["udp"];
const HTTP: readonly Protocol[] = ["http"];
const STREAMS: readonly Protocol[] = ["http", "ws"];
const ALL: readonly Protocol[] = ["udp", "http", "ws"];

const typed = (type: string, counter: number, protocols: readonly Protocol[]): Cell => ({
  protocols,
  labels: { type },
  counter,
});
const answered = (
  type: string,
  counters: readonly [ipv4: number, ipv6: number],
  protocols: readonly Protocol[],
): Cell[] => [
  { protocols, labels: { type, family: "ipv4" }, counter: counters[0] },
  { protocols, labels: { type, family: "ipv6" }, counter: counters[1] },
];
const refused = (type: string, refusal: number): Cell =>
  typed(type, COUNT_HTTP_REFUSED + refusal, STREAMS);
const plain = (counter: number, protocols: readonly Protocol[]): Cell => ({
  protocols,
  labels: {},
  counter,
});

/** Counters that say what each protocol did. */
export const COUNTERS: readonly CounterFamily[] = [
  {
    name: "riptide_responses_total",
    help: "Requests that were carried out and answered, by what was asked.",
    cells: [
      ...answered("connect", [COUNT_CONNECT, COUNT_CONNECT_IPV6], UDP),
      ...answered("announce", [COUNT_ANNOUNCE, COUNT_ANNOUNCE_IPV6], ALL),
      ...answered("scrape", [COUNT_SCRAPE, COUNT_SCRAPE_IPV6], ALL),
    ],
  },
  {
    name: "riptide_errors_total",
    help: "Requests that were answered with an error of the protocol, by reason.",
    cells: [
      typed("expired_id", COUNT_ERROR_EXPIRED_ID, UDP),
      typed("port", COUNT_ERROR_PORT, ["udp", "http"]),
      typed("scrape", COUNT_ERROR_SCRAPE, ["udp", "http"]),
      typed("not_allowed", COUNT_ERROR_NOT_ALLOWED, ALL),
      typed("query", COUNT_ERROR_QUERY, HTTP),
    ],
  },
  {
    name: "riptide_refusals_total",
    help: "HTTP requests that were refused with a status other than 200, by reason; upgrades too.",
    cells: [
      refused("bad_request", REFUSAL_BAD_REQUEST),
      refused("not_found", REFUSAL_NOT_FOUND),
      refused("method", REFUSAL_METHOD),
      refused("timeout", REFUSAL_TIMEOUT),
      refused("target_too_long", REFUSAL_TARGET),
      refused("headers_too_long", REFUSAL_HEADERS),
      refused("busy", REFUSAL_BUSY),
      refused("version", REFUSAL_VERSION),
      refused("forwarded", REFUSAL_FORWARDED),
      refused("body", REFUSAL_BODY),
      refused("upgrade", REFUSAL_UPGRADE),
      refused("key", REFUSAL_KEY),
    ],
  },
  {
    name: "riptide_drops_total",
    help:
      "What got no answer, by reason. What the kernel drops is known to the native driver only.",
    cells: [
      typed("short", COUNT_DROP_SHORT, UDP),
      typed("magic", COUNT_DROP_MAGIC, UDP),
      typed("action", COUNT_DROP_ACTION, UDP),
      typed("connection_id", COUNT_DROP_CONNECTION_ID, UDP),
      typed("truncated", COUNT_DROP_TRUNCATED, UDP),
      typed("source_port", COUNT_DROP_SOURCE_PORT, UDP),
      typed("denied", COUNT_DROP_DENIED, ALL),
      typed("send", COUNT_DROP_SEND, UDP),
      { ...typed("kernel", COUNT_DROP_KERNEL, UDP), needsKernelDrops: true },
    ],
  },
  {
    name: "riptide_ws_events_total",
    help:
      "What happened on WebSocket connections: upgrades, offers and answers that were relayed, " +
      "answers with no peer to take them, messages told a failure, connections that broke the " +
      "protocol or did not read.",
    cells: [
      typed("upgrade", COUNT_WS_UPGRADES, STREAMS),
      typed("offer", COUNT_WS_OFFERS, STREAMS),
      typed("answer", COUNT_WS_ANSWERS, STREAMS),
      typed("answer_lost", COUNT_WS_ANSWERS_LOST, STREAMS),
      typed("failure", COUNT_WS_FAILURES, STREAMS),
      typed("protocol_error", COUNT_WS_ERRORS, STREAMS),
      typed("overflow", COUNT_WS_OVERFLOWS, STREAMS),
    ],
  },
  {
    name: "riptide_received_bytes_total",
    help: "Bytes of requests, without headers of the network and without TLS.",
    cells: [plain(COUNT_BYTES_RECEIVED, ALL)],
  },
  {
    name: "riptide_sent_bytes_total",
    help: "Bytes of answers, likewise.",
    cells: [plain(COUNT_BYTES_SENT, ALL)],
  },
  {
    name: "riptide_peers_sent_total",
    help: "Peers in answers to announces.",
    cells: [plain(COUNT_PEERS_SENT, ALL)],
  },
  {
    name: "riptide_downloads_completed_total",
    help: "Downloads that clients have reported as completed.",
    cells: [plain(COUNT_COMPLETED, ALL)],
  },
  {
    name: "riptide_memory_full_total",
    help: "Announces of new peers that were answered and not stored, as memory was full.",
    cells: [plain(COUNT_MEMORY_FULL, ALL)],
  },
  {
    name: "riptide_swarm_full_total",
    help: "Announces of new peers that were answered and not stored, as their swarm met a bound.",
    cells: [plain(COUNT_SWARM_FULL, ALL)],
  },
  {
    name: "riptide_connections_total",
    help: "Connections, by what became of them: every one is opened, and in the end closed.",
    cells: [
      typed("opened", COUNT_CONNECTIONS_OPENED, STREAMS),
      typed("closed", COUNT_CONNECTIONS_CLOSED, STREAMS),
      typed("refused", COUNT_CONNECTIONS_REFUSED, STREAMS),
      typed("timed_out", COUNT_CONNECTIONS_TIMED_OUT, STREAMS),
      typed("broken", COUNT_CONNECTIONS_BROKEN, STREAMS),
      typed("no_proxy_header", COUNT_PROXY_HEADER, STREAMS),
    ],
  },
];

/** Peers by kind, as the core counts them: the address family, or WebTorrent. */
export const PEER_KINDS: readonly { kind: number; labels: Labels }[] = [
  { kind: KIND_IPV4, labels: { type: "bittorrent", family: "ipv4" } },
  { kind: KIND_IPV6, labels: { type: "bittorrent", family: "ipv6" } },
  { kind: KIND_WEBTORRENT, labels: { type: "webtorrent", family: "any" } },
];

/** One value of a metric. */
export interface Sample {
  labels: Labels;
  value: number;
}

/** A metric of the whole tracker. */
export interface SharedFamily {
  name: `riptide_${string}`;
  type: "counter" | "gauge";
  help: string;
  samples(snapshot: Snapshot): Sample[];
}

const one = (value: number): Sample[] => [{ labels: {}, value }];

/** Counters of what all protocols share. */
export const SHARED_COUNTERS: readonly SharedFamily[] = [
  {
    name: "riptide_torrents_added_total",
    type: "counter",
    help: "Torrents that came.",
    samples: ({ counters }) => one(counters[COUNT_TORRENTS_ADDED]!),
  },
  {
    name: "riptide_torrents_removed_total",
    type: "counter",
    help: "Torrents that went, after their last peer.",
    samples: ({ counters }) => one(counters[COUNT_TORRENTS_REMOVED]!),
  },
  {
    name: "riptide_peers_added_total",
    type: "counter",
    help: "Peers that came.",
    samples: ({ counters }) =>
      PEER_KINDS.map(({ kind, labels }) => ({
        labels,
        value: counters[COUNT_PEERS_ADDED + kind]!,
      })),
  },
  {
    name: "riptide_peers_removed_total",
    type: "counter",
    help: "Peers that went, those that expired included.",
    samples: ({ counters }) =>
      PEER_KINDS.map(({ kind, labels }) => ({
        labels,
        value: counters[COUNT_PEERS_REMOVED + kind]!,
      })),
  },
  {
    name: "riptide_peers_expired_total",
    type: "counter",
    help: "Peers that were forgotten, as they did not announce again.",
    samples: ({ counters }) => one(counters[COUNT_PEERS_EXPIRED]!),
  },
  {
    name: "riptide_shards_emptied_total",
    type: "counter",
    help: "Parts of the table of torrents that were emptied, as a thread died while it held one.",
    samples: ({ counters }) => one(counters[COUNT_SHARDS_EMPTIED]!),
  },
];

/** Peers of a kind right now. */
export function peersOf(counters: Float64Array, kind: number): number {
  return counters[COUNT_PEERS_ADDED + kind]! - counters[COUNT_PEERS_REMOVED + kind]!;
}

/** Torrents right now. */
export function torrentsOf(counters: Float64Array): number {
  return counters[COUNT_TORRENTS_ADDED]! - counters[COUNT_TORRENTS_REMOVED]!;
}

/** Connections that are open right now. */
export function connectionsOf(counters: Float64Array): number {
  return counters[COUNT_CONNECTIONS_OPENED]! - counters[COUNT_CONNECTIONS_CLOSED]!;
}
