/** The configuration of the UDP tracker. */

import type * as v from "valibot";
import { parseCidr, parseListenAddress } from "./address.ts";
import { completePeers, findPeerErrors, NEEDLESS_EVERYWHERE } from "./checks.ts";
import { findAgeWarnings, findSharedErrors, findSharedWarnings } from "./checks.ts";
import { type FileKind, type Finding, mistake, warning } from "./file_kind.ts";
import { file, integer, table } from "./schema.ts";
import {
  accessList,
  cidrs,
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

/** The core keeps a counter of kernel drops for each socket of a worker. */
const NATIVE_ADDRESSES_MAX = 16;

/** Clients use a connection id for so long. */
const CONNECTION_AGE_SECONDS = 60;

/** What is the UDP tracker's own, also in the file of a tracker that speaks more. */
export const udpKeys = {
  socket_workers: socketWorkers(
    'Threads that serve requests, each of them on every address; "auto" is one for each ' +
      'processor core. More than 1 needs io = "native" below.',
  ),

  network: table("Sockets.", {
    address: listenAddresses(["0.0.0.0:3000", "[::]:3000"]),
    io: ioDriver({ gain: "about three times as fast", task: "udp:native" }),
    client_subnets: cidrs({
      default: ["0.0.0.0/0", "::/0"],
      minLength: 1,
      help: 'Where clients come from. With io = "deno" the workers have no permission to send ' +
        "anywhere else.",
    }),
    socket_recv_buffer_size: integer({
      default: 0,
      min: 0,
      max: 1_073_741_823,
      unit: "bytes",
      help: "Room for packets that wait, for each socket; 0 is the system's default. Other sizes " +
        'need io = "native", and on Linux a net.core.rmem_max as large.',
    }),
  }),

  protocol: table("What clients are told.", {
    max_scrape_torrents: integer({
      default: 70,
      min: 1,
      max: 100,
      unit: "torrents",
      help: "How many torrents of one scrape are answered.",
    }),
    max_response_peers: integer({
      default: 200,
      min: 0,
      max: 230,
      unit: "peers",
      help: "How many peers an answer holds at most, however many are asked for. An answer is " +
        "never longer than 1,400 bytes: 230 peers over IPv4, 76 over IPv6.",
    }),
    default_response_peers: integer({
      default: 50,
      min: 0,
      max: 230,
      unit: "peers",
      help: "How many peers a client gets that does not say how many it wants. At most " +
        "max_response_peers.",
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
  }),
};

export const maxConnectionAge = integer({
  default: 120,
  min: 1,
  max: 3_600,
  unit: "seconds",
  help: "How long a connection id is valid (BEP 15 says two minutes).",
});

export const UDP_SCHEMA = file("Configuration of the UDP tracker (BEP 15).", {
  socket_workers: udpKeys.socket_workers,
  log_level: logLevel,
  log_format: logFormat,
  network: udpKeys.network,
  protocol: udpKeys.protocol,
  cleaning: table("When things are forgotten.", {
    ...cleaningKeys,
    max_connection_age: maxConnectionAge,
  }),
  access_list: accessList,
  memory,
  statistics,
  metrics,
});

export type UdpConfig = v.InferOutput<typeof UDP_SCHEMA>;

const NO_IO_URING = 'there is no io_uring; set network.io to "deno" or "native"';

/** Keys of aquatic_udp, of every version, that have no meaning here. */
const NEEDLESS: Record<string, string> = {
  ...NEEDLESS_EVERYWHERE,
  "network.poll_timeout_ms": "workers sleep until a packet comes",
  "network.poll_event_capacity": "workers keep no list of events",
  "network.resend_buffer_max_len":
    "an answer that cannot be sent is counted and dropped; clients " +
    "ask again",
  "network.use_io_uring": NO_IO_URING,
  "network.ring_size": NO_IO_URING,
  "cleaning.connection_cleaning_interval": "connection ids need no cleaning; set " +
    "cleaning.max_connection_age",
  "cleaning.pending_scrape_cleaning_interval": "scrapes are answered at once",
  "cleaning.max_pending_scrape_age": "scrapes are answered at once",
};

const PEER_KEYS = { usual: "default_response_peers", most: "max_response_peers" } as const;

/** How `udp` configurations are loaded, printed and checked. */
export const UDP_FILE: FileKind<UdpConfig> = {
  command: "udp",
  schema: UDP_SCHEMA,
  needless: NEEDLESS,

  complete({ protocol }, isGiven) {
    completePeers(protocol, PEER_KEYS, isGiven);
  },

  reloads: (key) => key.startsWith("protocol.") ? "yes" : undefined,

  check(config) {
    return [...findErrors(config), ...findWarnings(config)];
  },
};

function* findErrors(config: UdpConfig): Generator<Finding> {
  const { network, protocol, socket_workers: workers } = config;
  if (network.io === "deno" && typeof workers === "number" && workers > 1) {
    yield mistake(
      ["socket_workers", "network.io"],
      "expected 1 worker, as Deno cannot share a UDP port between threads, " +
        'or network.io = "native"',
    );
  }
  if (network.io === "native" && network.address.length > NATIVE_ADDRESSES_MAX) {
    yield mistake(
      ["network.address", "network.io"],
      `expected at most ${NATIVE_ADDRESSES_MAX} addresses, as each worker serves them all`,
    );
  }
  if (network.io === "deno" && network.socket_recv_buffer_size !== 0) {
    yield mistake(
      ["network.socket_recv_buffer_size", "network.io"],
      'expected 0, as Deno cannot set the size of a socket\'s buffer, or network.io = "native"',
    );
  }
  yield* findPeerErrors(protocol, PEER_KEYS);
  yield* findSharedErrors(config);
}

function* findWarnings(config: UdpConfig): Generator<Finding> {
  const { network, cleaning } = config;
  const { max_connection_age } = cleaning;
  yield* findSharedWarnings(config);
  yield* findAgeWarnings(config);
  if (max_connection_age < CONNECTION_AGE_SECONDS) {
    yield warning(
      ["cleaning.max_connection_age"],
      "clients use a connection id for a minute, and will have to connect more often than that",
    );
  }
  const families = new Set(network.client_subnets.map((subnet) => parseCidr(subnet).family));
  const unserved = network.address.find((it) => !families.has(parseListenAddress(it).family));
  if (network.io === "deno" && unserved !== undefined) {
    yield warning(
      ["network.client_subnets", "network.address"],
      `nobody who asks ${unserved} will get an answer, as no subnet is of that family`,
    );
  }
}
