/** The configuration of the WebTorrent tracker. */

import type * as v from "valibot";
import { findSharedErrors, findSharedWarnings, NEEDLESS_EVERYWHERE } from "./checks.ts";
import { type FileKind, type Finding, mistake } from "./file_kind.ts";
import { file, integer, table } from "./schema.ts";
import {
  accessList,
  cleaningKeys,
  ioDriver,
  listenAddresses,
  logFormat,
  logLevel,
  memory,
  metrics,
  socketWorkers,
  statistics,
} from "./sections.ts";
import { completeTcp, connectionKeys, findTcpErrors, findTcpWarnings } from "./tcp.ts";
import { NEEDLESS_OVER_TCP, requestTimeout, tlsKeys } from "./tcp.ts";

/**
 * What is the WebTorrent tracker's own, also in the file of a tracker that speaks more.
 * @param addresses Where it listens if the file does not say.
 */
export const wsKeys = (addresses: string[]) => ({
  socket_workers: socketWorkers(
    "Threads that serve connections, each of them on every address. One for each processor core, " +
      'which is what "auto" gives, is the most that makes sense.',
  ),

  network: table("Sockets.", {
    address: listenAddresses(addresses),
    io: ioDriver({
      gain: "faster for announces without offers, slower over TLS",
      task: "ws:native",
    }),
    ...tlsKeys(["wss", "ws"]),
    request_timeout: requestTimeout(
      "How long a client may take for its upgrade, the TLS handshake included, and for a message " +
        "that it has begun, and how long it may leave messages unread.",
    ),
    websocket_max_message_size: integer({
      default: 131_072,
      min: 16_384,
      max: 1_048_576,
      unit: "bytes",
      help: "The longest message of a client, in however many frames. Clients send up to 10 " +
        "offers of a few KiB each in one.",
    }),
    websocket_max_unsent_size: integer({
      default: 262_144,
      min: 16_384,
      max: 16_777_216,
      unit: "bytes",
      help: "How much may wait for a client that reads slowly; with more it is disconnected.",
    }),
    websocket_ping_interval: integer({
      default: 45,
      min: 1,
      max: 3_600,
      unit: "seconds",
      help: "How often clients are asked whether they are there. Who has not answered by the " +
        "next time is disconnected.",
    }),
    max_torrents_per_connection: integer({
      default: 1_000,
      min: 1,
      max: 65_535,
      unit: "torrents",
      help: "How many torrents a client may take part in on one connection; announces of more " +
        "are refused.",
    }),
    max_messages_per_second: integer({
      default: 0,
      min: 0,
      max: 1_000_000,
      unit: "messages",
      help: "How many a client may send on one connection before it is disconnected; 0 sets no " +
        "limit.",
    }),
    ...connectionKeys(1_024),
  }),

  protocol: table("What clients are told.", {
    max_scrape_torrents: integer({
      default: 100,
      min: 1,
      max: 100,
      unit: "torrents",
      help: "How many torrents of one scrape are answered.",
    }),
    max_offers: integer({
      default: 10,
      min: 0,
      max: 100,
      unit: "offers",
      help: "How many offers of one announce are passed on, each to another peer.",
    }),
    peer_announce_interval: integer({
      default: 120,
      min: 1,
      max: 86_400,
      unit: "seconds",
      help: "How often clients are to announce.",
    }),
  }),
});

const ownKeys = wsKeys(["0.0.0.0:3000", "[::]:3000"]);

export const WS_SCHEMA = file("Configuration of the WebTorrent tracker (WebSocket).", {
  socket_workers: ownKeys.socket_workers,
  log_level: logLevel,
  log_format: logFormat,
  network: ownKeys.network,
  protocol: ownKeys.protocol,
  cleaning: table("When things are forgotten.", {
    ...cleaningKeys,
    max_peer_age: integer({
      default: 1_800,
      min: 1,
      max: 64_000,
      unit: "seconds",
      help: "How long a torrent without peers is remembered. Peers stay as long as their " +
        "connections.",
    }),
  }),
  access_list: accessList,
  memory,
  statistics,
  metrics,
});

export type WsConfig = v.InferOutput<typeof WS_SCHEMA>;

const NO_AGE = "peers stay as long as their connections answer pings; set " +
  "network.websocket_ping_interval";

/** Keys of aquatic_ws, of every version, that have no meaning here. */
const NEEDLESS: Record<string, string> = {
  ...NEEDLESS_EVERYWHERE,
  ...NEEDLESS_OVER_TCP,
  "network.websocket_max_frame_size": "a message may come in frames of any size; set " +
    "network.websocket_max_message_size",
  "network.websocket_write_buffer_size": "what a client has not read is bounded by " +
    "network.websocket_max_unsent_size",
  "network.enable_http_health_checks": "a plain request is answered without being asked for",
  "protocol.max_offers_per_peer": "set protocol.max_offers",
  "cleaning.max_offer_age": "offers are passed on at once, and none is kept",
  "cleaning.max_connection_idle": NO_AGE,
  "cleaning.close_after_tls_update_grace_period": "connections go on with the certificate that " +
    "they began with",
};

/** Keys that take effect at a reload. */
const RELOADED = new RegExp(
  "^(protocol\\.(peer_announce_interval|max_offers|max_scrape_torrents)|" +
    "network\\.(websocket_max_message_size|websocket_max_unsent_size|request_timeout|" +
    "max_torrents_per_connection|max_messages_per_second|max_connections_per_address))$",
);

/** How `ws` configurations are loaded, printed and checked. */
export const WS_FILE: FileKind<WsConfig> = {
  command: "ws",
  schema: WS_SCHEMA,
  needless: NEEDLESS,

  complete({ network }, isGiven) {
    completeTcp(network, isGiven);
  },

  reloads(key) {
    if (RELOADED.test(key)) return "yes";
    return key === "network.max_connections" ? "up to the start's" : undefined;
  },

  check(config) {
    return [
      ...findTcpErrors(config.network),
      ...findErrors(config),
      ...findSharedErrors(config),
      ...findTcpWarnings(config.network),
      ...findSharedWarnings(config),
    ];
  },
};

function* findErrors({ network }: WsConfig): Generator<Finding> {
  if (network.websocket_max_unsent_size < network.websocket_max_message_size) {
    yield mistake(
      ["network.websocket_max_unsent_size", "network.websocket_max_message_size"],
      "expected room for the longest message at least",
    );
  }
}
