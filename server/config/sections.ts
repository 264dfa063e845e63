/** Keys and tables that several protocols share. */

import { LOG_FORMATS, LOG_LEVELS } from "../log.ts";
import { CIDR_EXPECTED, formatCidr, formatListenAddress, parseCidr } from "./address.ts";
import { formatSocketAddress, parseSocketAddress, SOCKET_ADDRESS_EXPECTED } from "./address.ts";
import { LISTEN_ADDRESS_EXPECTED, parseListenAddress } from "./address.ts";
import { choice, emptyOr, integer, integerOr, list, table, text } from "./schema.ts";

export const logLevel = choice(LOG_LEVELS, {
  default: "info",
  aliases: { off: "error", fatal: "error", warning: "warn", trace: "debug" },
  help: "How much is logged to standard error. Can be changed by a reload.",
});

export const logFormat = choice(LOG_FORMATS, {
  default: "auto",
  help: 'One JSON object per line, or text. "auto" is text on a terminal and JSON otherwise, ' +
    '"journald" is text with the priorities of systemd.',
});

const LISTEN_HELP = "Where to listen: one address, or a list. IPv6 addresses stand in brackets. " +
  "[::] alone takes IPv4 too, beside 0.0.0.0 IPv6 only. Port 0 lets the system choose.";
/** In the sandboxed UDP driver each address takes one of the core's workers. */
const LISTEN_ADDRESSES_MAX = 32;

/** @param defaults Addresses with the protocol's usual port. */
export function listenAddresses(defaults: string[]) {
  return list({
    default: defaults,
    parse: (item) => formatListenAddress(parseListenAddress(item)),
    expected: LISTEN_ADDRESS_EXPECTED,
    minLength: 1,
    maxLength: LISTEN_ADDRESSES_MAX,
    help: LISTEN_HELP,
  });
}

/** The same, and UNIX sockets. */
export function socketAddresses(defaults: string[]) {
  return list({
    default: defaults,
    parse: (item) => formatSocketAddress(parseSocketAddress(item)),
    expected: SOCKET_ADDRESS_EXPECTED,
    minLength: 1,
    maxLength: LISTEN_ADDRESSES_MAX,
    help: `${LISTEN_HELP} "unix:/PATH" is a UNIX socket for a proxy on this machine, which says ` +
      "for whom it asks as the trusted proxies do; one worker serves it, several take one each.",
  });
}

/** @param options.minLength 1 where an empty list would make no sense. */
export function cidrs(options: { default: string[]; minLength?: number; help: string }) {
  return list({
    ...options,
    parse: (item) => formatCidr(parseCidr(item)),
    expected: CIDR_EXPECTED,
    maxLength: 100_000,
  });
}

/** The core knows 64 workers; housekeeping is one of them, and one is kept spare. */
export const WORKERS_MAX = 62;

/** How many threads serve; "auto" is one for each processor core. */
export function socketWorkers(help: string) {
  return integerOr("auto", { default: 1, min: 1, max: WORKERS_MAX, help });
}

/**
 * Who moves the bytes.
 * @param options.gain What the native driver gains.
 * @param options.task What starts it, for a protocol alone.
 */
export function ioDriver({ gain, task }: { gain: string; task: string }) {
  return choice(["deno", "native"], {
    default: "deno",
    help: `"deno" runs in Deno's sandbox on every system. "native" (Linux) is ${gain} but calls ` +
      `the system's C library: start it with \`deno task ${task}\`, or \`tracker:native\`.`,
  });
}

/** Ages of peers are kept in 16 bits of seconds. */
export const AGE_MAX_SECONDS = 65_535;

/** Keys of the table `cleaning`. */
export const cleaningKeys = {
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
};

export const accessList = table("Which torrents are served, and which clients.", {
  mode: choice(["off", "black", "white"], {
    default: "off",
    aliases: { deny: "black", blacklist: "black", allow: "white", whitelist: "white" },
    help: 'With "black" the torrents of the list are refused, with "white" all others are. ' +
      "The list is read at start and at each reload (SIGHUP).",
  }),
  path: text({
    default: "",
    expected: "the path of a file",
    help: "File with one info hash of 40 hexadecimal digits per line; # begins a comment. Behind " +
      'it may stand reason="…", which refused clients are told, and until=2027-01-01T00:00:00Z. ' +
      "Relative paths start at the working directory.",
  }),
  deny_clients: cidrs({
    default: [],
    help: 'Clients that get no answer: a list of addresses and prefixes, such as "192.0.2.0/24".',
  }),
  deny_clients_path: text({
    default: "",
    expected: "the path of a file",
    help: "File with more of them, one per line, read at start and at each reload.",
  }),
});

export const memory = table("Memory for torrents and peers.", {
  limit_mib: integer({
    default: 1024,
    min: 16,
    max: 4096,
    unit: "MiB",
    help: "Room for all torrents, peers and lists. Memory is taken from the system as it fills, " +
      "never beyond this; the runtime itself takes about 100 MiB more.",
  }),
});

export const statistics = table("A line of statistics in the log.", {
  interval: integer({
    default: 60,
    min: 0,
    max: 86_400,
    unit: "seconds",
    help: "Time between two lines; 0 writes none.",
  }),
});

export const metrics = table("Metrics for Prometheus and a page that shows the tracker at work.", {
  address: emptyOr({
    parse: (item) => formatListenAddress(parseListenAddress(item)),
    expected: LISTEN_ADDRESS_EXPECTED,
    help:
      'Where they are, such as "127.0.0.1:9100": /metrics, the page at /, /health and /ready. ' +
      "Empty: nowhere.",
  }),
  token: text({
    default: "",
    expected: "a text",
    help: "What must be shown to see them, as a bearer token or as the password of any user; " +
      "/health and /ready need none. Empty: nothing need be shown.",
  }),
});
