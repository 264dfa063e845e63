/** The configuration of the UDP tracker. */

import type * as v from "valibot";
import { parseCidr, parseListenAddress } from "./address.ts";
import { type FileKind, findDuplicate, type Finding } from "./file_kind.ts";
import { choice, file, integer, table } from "./schema.ts";
import { accessList, cidrs, listenAddresses, logFormat, logLevel } from "./sections.ts";
import { memory, statistics } from "./sections.ts";

/** Ages of peers are kept in 16 bits of seconds. */
const AGE_MAX_SECONDS = 65_535;
/** The core knows 64 workers; housekeeping is one of them, and one is kept spare. */
const WORKERS_MAX = 62;
const SHORT_INTERVAL_SECONDS = 60;
const SHORT_PEER_AGE_SECONDS = 1_500;

export const UDP_SCHEMA = file("Configuration of the UDP tracker (BEP 15).", {
  socket_workers: integer({
    default: 1,
    min: 1,
    max: WORKERS_MAX,
    help: "Threads that serve requests, each of them on every address. More than 1 needs " +
      'io = "native" below.',
  }),
  log_level: logLevel,
  log_format: logFormat,

  network: table("Sockets.", {
    address: listenAddresses(["0.0.0.0:3000", "[::]:3000"]),
    io: choice(["deno", "native"], {
      default: "deno",
      help: '"deno" runs in Deno\'s sandbox on every system. "native" (Linux) is about twice as ' +
        "fast but calls the system's C library: start it with `deno task udp:native`.",
    }),
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

  cleaning: table("When things are forgotten.", {
    torrent_cleaning_interval: integer({
      default: 60,
      min: 1,
      max: AGE_MAX_SECONDS - 1,
      unit: "seconds",
      help: "How often peers and torrents that are too old are removed.",
    }),
    max_peer_age: integer({
      default: 1_800,
      min: 1,
      max: AGE_MAX_SECONDS - 1,
      unit: "seconds",
      help: "How long a peer is remembered after its last announce. Take at least 1.5 times " +
        "peer_announce_interval.",
    }),
    max_connection_age: integer({
      default: 120,
      min: 1,
      max: 3_600,
      unit: "seconds",
      help: "How long a connection id is valid (BEP 15 says two minutes).",
    }),
  }),

  access_list: accessList,
  memory,
  statistics,
});

export type UdpConfig = v.InferOutput<typeof UDP_SCHEMA>;

const NO_CHANNELS = "requests do not pass between threads";
const SYSTEM_CONFINES = "Deno's permissions confine Riptide, and the service manager chooses its " +
  "user and root";
const NO_IO_URING = 'there is no io_uring; set network.io to "deno" or "native"';
const ADDRESSES = "network.address lists all addresses of both families";
const STATISTICS = "statistics are logged every statistics.interval seconds";

/** Keys of aquatic_udp, of every version, that have no meaning here. */
const NEEDLESS: Record<string, string> = {
  request_workers: "the worker that receives a request answers it; set socket_workers",
  swarm_workers: "all workers share one swarm map; set socket_workers",
  request_channel_size: NO_CHANNELS,
  request_channel_recv_timeout_ms: NO_CHANNELS,
  response_channel_size: NO_CHANNELS,
  worker_channel_size: NO_CHANNELS,
  privileges: SYSTEM_CONFINES,
  cpu_pinning: "the service manager chooses the processors (systemd: CPUAffinity=)",
  "network.only_ipv6":
    `${ADDRESSES}; [::] serves IPv4 too, unless 0.0.0.0 is listed with the same port`,
  "network.set_only_ipv6":
    `${ADDRESSES}; [::] serves IPv4 too, unless 0.0.0.0 is listed with the same port`,
  "network.use_ipv4": ADDRESSES,
  "network.use_ipv6": ADDRESSES,
  "network.address_ipv4": ADDRESSES,
  "network.address_ipv6": ADDRESSES,
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
  "statistics.torrent_peer_histograms": STATISTICS,
  "statistics.peer_clients": STATISTICS,
  "statistics.extended": STATISTICS,
  "statistics.print_to_stdout": STATISTICS,
  "statistics.write_html_to_file": STATISTICS,
  "statistics.html_file_path": STATISTICS,
  "statistics.run_prometheus_endpoint": STATISTICS,
  "statistics.prometheus_endpoint_address": STATISTICS,
  "statistics.prometheus_peer_id_prefixes": STATISTICS,
};

/** How `udp` configurations are loaded, printed and checked. */
export const UDP_FILE: FileKind<UdpConfig> = {
  command: "udp",
  schema: UDP_SCHEMA,
  needless: NEEDLESS,

  complete({ protocol }, isGiven) {
    if (isGiven("protocol.default_response_peers")) return;
    protocol.default_response_peers = Math.min(
      protocol.default_response_peers,
      protocol.max_response_peers,
    );
  },

  check(config) {
    return [...findErrors(config), ...findWarnings(config)];
  },
};

function* findErrors(config: UdpConfig): Generator<Finding> {
  const { network, protocol, cleaning, access_list } = config;
  const error = (keys: Finding["keys"], message: string): Finding => (
    { severity: "error", keys, message }
  );
  if (network.io === "deno" && config.socket_workers > 1) {
    yield error(
      ["socket_workers", "network.io"],
      "expected 1 worker, as Deno cannot share a UDP port between threads, " +
        'or network.io = "native"',
    );
  }
  if (network.io === "deno" && network.socket_recv_buffer_size !== 0) {
    yield error(
      ["network.socket_recv_buffer_size", "network.io"],
      'expected 0, as Deno cannot set the size of a socket\'s buffer, or network.io = "native"',
    );
  }
  const twice = findDuplicate(network.address, (address) => address.endsWith(":0"));
  if (twice !== undefined) {
    yield error(["network.address"], `expected each address once, and "${twice}" is there twice`);
  }
  if (protocol.default_response_peers > protocol.max_response_peers) {
    yield error(
      ["protocol.default_response_peers", "protocol.max_response_peers"],
      "expected at most as many by default as at all",
    );
  }
  const ageSum = cleaning.max_peer_age + cleaning.torrent_cleaning_interval;
  if (ageSum > AGE_MAX_SECONDS) {
    yield error(
      ["cleaning.max_peer_age", "cleaning.torrent_cleaning_interval"],
      `expected a sum of at most ${AGE_MAX_SECONDS} seconds, and this is ${ageSum}`,
    );
  }
  if (access_list.mode !== "off" && access_list.path === "") {
    yield error(["access_list.mode", "access_list.path"], "expected the path of a list");
  }
}

function* findWarnings(config: UdpConfig): Generator<Finding> {
  const { network, protocol, cleaning } = config;
  const { peer_announce_interval } = protocol;
  const { max_peer_age, max_connection_age } = cleaning;
  const warning = (keys: Finding["keys"], message: string): Finding => (
    { severity: "warning", keys, message }
  );
  if (peer_announce_interval < SHORT_INTERVAL_SECONDS) {
    yield warning(
      ["protocol.peer_announce_interval"],
      "clients will announce more often than once a minute, and many refuse to",
    );
  }
  if (max_peer_age < 1.5 * peer_announce_interval) {
    yield warning(
      ["cleaning.max_peer_age", "protocol.peer_announce_interval"],
      "peers will be forgotten before they announce again; take at least 1.5 times the interval",
    );
  } else if (max_peer_age < SHORT_PEER_AGE_SECONDS) {
    yield warning(
      ["cleaning.max_peer_age"],
      `clients that announce every 30 minutes, whatever they are told, will be forgotten between`,
    );
  }
  if (max_connection_age < SHORT_INTERVAL_SECONDS) {
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
