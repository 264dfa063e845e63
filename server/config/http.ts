/** The configuration of the HTTP tracker. */

import type * as v from "valibot";
import { parseSocketAddress } from "./address.ts";
import { completePeers, findAgeWarnings, findPeerErrors, findSharedErrors } from "./checks.ts";
import { findSharedWarnings, NEEDLESS_EVERYWHERE, SHORT_INTERVAL_SECONDS } from "./checks.ts";
import { type FileKind, type Finding, mistake, warning } from "./file_kind.ts";
import { file, flag, integer, table } from "./schema.ts";
import {
  accessList,
  cleaningKeys,
  ioDriver,
  logFormat,
  logLevel,
  memory,
  metrics,
  socketAddresses,
  socketWorkers,
  statistics,
} from "./sections.ts";
import { completeTcp, connectionKeys, findTcpErrors, findTcpWarnings } from "./tcp.ts";
import { NEEDLESS_OVER_TCP, requestTimeout, tlsKeys } from "./tcp.ts";

/** What is the HTTP tracker's own, also in the file of a tracker that speaks more. */
export const httpKeys = {
  socket_workers: socketWorkers(
    "Threads that serve requests, each of them on every address. One for each processor core, " +
      'which is what "auto" gives, is the most that makes sense.',
  ),

  network: table("Sockets.", {
    address: socketAddresses(["0.0.0.0:3000", "[::]:3000"]),
    io: ioDriver({
      gain: "about a third faster on connections of one request",
      task: "http:native",
    }),
    ...tlsKeys(["https", "http"]),
    keep_alive: flag({
      default: true,
      help: "Let clients send several requests on one connection.",
    }),
    keep_alive_timeout: integer({
      default: 60,
      min: 1,
      max: 3_600,
      unit: "seconds",
      help: "How long a connection may wait for its next request.",
    }),
    request_timeout: requestTimeout(
      "How long a client may take for a request, or for its TLS handshake, and how long it may " +
        "leave an answer unread.",
    ),
    max_requests_per_connection: integer({
      default: 1_000_000,
      min: 1,
      max: 1_000_000_000,
      unit: "requests",
      help: "A connection is closed after so many.",
    }),
    ...connectionKeys(640),
  }),

  protocol: table("What clients are told.", {
    max_scrape_torrents: integer({
      default: 100,
      min: 1,
      max: 100,
      unit: "torrents",
      help: "How many torrents of one scrape are answered.",
    }),
    max_peers: integer({
      default: 200,
      min: 0,
      max: 1_000,
      unit: "peers",
      help: "How many peers an answer holds at most, however many are asked for.",
    }),
    default_peers: integer({
      default: 50,
      min: 0,
      max: 1_000,
      unit: "peers",
      help: "How many peers a client gets that does not say how many it wants. At most max_peers.",
    }),
    peer_announce_interval: integer({
      default: 900,
      min: 1,
      max: 86_400,
      unit: "seconds",
      help:
        "How often clients are to announce. Answers vary by up to 10 %, so that clients do not " +
        "come all at once.",
    }),
    min_announce_interval: integer({
      default: 300,
      min: 1,
      max: 86_400,
      unit: "seconds",
      help: "How soon clients may announce again if they want more peers. At most " +
        "peer_announce_interval.",
    }),
    peer_ids: flag({
      default: false,
      help: "Keep the ids of peers, for clients that ask for peers as dictionaries (compact=0). " +
        "Takes 20 bytes a peer.",
    }),
    same_family_only: flag({
      default: false,
      help: "Give clients peers of their own address family only. Otherwise up to a quarter of " +
        "the peers is of the other one, or more where the own has too few.",
    }),
    external_ip: flag({
      default: false,
      help: "Tell clients the address that they come from (BEP 24).",
    }),
    cors: flag({
      default: false,
      help: "Let scripts of any web page read the answers (CORS).",
    }),
  }),
};

export const HTTP_SCHEMA = file("Configuration of the HTTP tracker (BEP 3).", {
  socket_workers: httpKeys.socket_workers,
  log_level: logLevel,
  log_format: logFormat,
  network: httpKeys.network,
  protocol: httpKeys.protocol,
  cleaning: table("When things are forgotten.", cleaningKeys),
  access_list: accessList,
  memory,
  statistics,
  metrics,
});

export type HttpConfig = v.InferOutput<typeof HTTP_SCHEMA>;

/** Keys of aquatic_http, of every version, that have no meaning here. */
const NEEDLESS: Record<string, string> = {
  ...NEEDLESS_EVERYWHERE,
  ...NEEDLESS_OVER_TCP,
  "network.runs_behind_reverse_proxy": "set network.trusted_proxies",
  "network.reverse_proxy_ip_header_name":
    "X-Forwarded-For and Forwarded of trusted proxies are read",
  "network.reverse_proxy_ip_header_format":
    "of a list of addresses, the last that is no proxy's counts",
  "cleaning.max_connection_idle": "set network.keep_alive_timeout",
};

/** Keys that take effect at a reload. */
const RELOADED = new RegExp(
  "^(protocol\\.(default_peers|peer_announce_interval|min_announce_interval|same_family_only|" +
    "external_ip|cors)|network\\.(keep_alive|keep_alive_timeout|request_timeout|" +
    "max_requests_per_connection|max_connections_per_address))$",
);
/** Those for which memory was reserved at the start. */
const RESERVED = /^(protocol\.(max_peers|max_scrape_torrents)|network\.max_connections)$/;

const PEER_KEYS = { usual: "default_peers", most: "max_peers" } as const;

/** How `http` configurations are loaded, printed and checked. */
export const HTTP_FILE: FileKind<HttpConfig> = {
  command: "http",
  schema: HTTP_SCHEMA,
  needless: NEEDLESS,

  complete({ network, protocol }, isGiven) {
    completePeers(protocol, PEER_KEYS, isGiven);
    if (!isGiven("protocol.min_announce_interval")) {
      const half = Math.ceil(protocol.peer_announce_interval / 2);
      protocol.min_announce_interval = Math.min(protocol.min_announce_interval, half);
    }
    completeTcp(network, isGiven);
  },

  reloads(key) {
    if (RELOADED.test(key)) return "yes";
    return RESERVED.test(key) ? "up to the start's" : undefined;
  },

  check(config) {
    return [...findErrors(config), ...findWarnings(config)];
  },
};

function* findErrors(config: HttpConfig): Generator<Finding> {
  yield* findTcpErrors(config.network);
  const { network, protocol } = config;
  if (network.enable_tls && network.address.some(isUnixAddress)) {
    yield mistake(
      ["network.address", "network.enable_tls"],
      "expected no UNIX socket with TLS, which its proxy ends",
    );
  }
  yield* findPeerErrors(protocol, PEER_KEYS);
  if (protocol.min_announce_interval > protocol.peer_announce_interval) {
    yield mistake(
      ["protocol.min_announce_interval", "protocol.peer_announce_interval"],
      "expected a shorter time than the usual one",
    );
  }
  yield* findSharedErrors(config);
}

function isUnixAddress(address: string): boolean {
  return "path" in parseSocketAddress(address);
}

function* findWarnings(config: HttpConfig): Generator<Finding> {
  yield* findTcpWarnings(config.network);
  const { protocol } = config;
  if (protocol.min_announce_interval < SHORT_INTERVAL_SECONDS / 2) {
    yield warning(
      ["protocol.min_announce_interval"],
      "clients may announce more often than every 30 seconds",
    );
  }
  yield* findSharedWarnings(config);
  yield* findAgeWarnings(config);
}
