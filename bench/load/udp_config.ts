/**
 * Settings of the UDP load test: names and meanings follow aquatic_udp_load_test where it has them.
 */

import { parse } from "smol-toml";
import type { SocketAddress } from "../../protocols/udp/udp_socket.ts";
import { POPULARITIES, type Popularity } from "./popularity.ts";

export interface UdpLoadConfig {
  server_address: string | string[];
  workers: number;
  duration: number;
  summarize_last: number;
  seed: number;
  network: {
    multiple_client_ipv4s: boolean;
    sockets_per_worker: number;
    recv_buffer: number;
    requests_in_flight: number;
    timeout: number;
  };
  requests: {
    number_of_torrents: number;
    number_of_peers: number;
    popularity: Popularity;
    popularity_parameter: number;
    scrape_max_torrents: number;
    announce_peers_wanted: number;
    weight_connect: number;
    weight_announce: number;
    weight_scrape: number;
    peer_seeder_probability: number;
  };
}

/** What every key means, for `-p`, and its default. */
const SETTINGS = {
  server_address: [
    "127.0.0.1:3000",
    "Tracker to test; a list uses all of them, such as one a family",
  ],
  workers: [1, "Threads that send requests"],
  duration: [10, "Seconds"],
  summarize_last: [0, "Report the last seconds only; 0: all of them"],
  seed: [1, "The same seed gives the same torrents, peers and order of requests"],
  network: {
    multiple_client_ipv4s: [true, "Each socket has its own address from 127.0.0.0/8"],
    sockets_per_worker: [4, "Sockets, so source ports, of each thread"],
    recv_buffer: [4_000_000, "Receive buffer of each socket in bytes; 0: the system's default"],
    requests_in_flight: [
      256,
      "Requests of each thread that wait for an answer at any time: a closed loop.\n" +
      "A socket buffer of Linux's default size holds about 270 requests",
    ],
    timeout: [1, "Seconds after which an unanswered request is given up"],
  },
  requests: {
    number_of_torrents: [1_000_000, "Torrents"],
    number_of_peers: [2_000_000, "Peers, each in one torrent; they announce in turn"],
    popularity: [
      "exponential",
      'How peers choose torrents: "exponential" as aquatic_udp_load_test does, "zipf", "gamma"\n' +
      'or "uniform"',
    ],
    popularity_parameter: [0.9, "Exponent of zipf, shape of gamma"],
    scrape_max_torrents: [10, "Torrents in a scrape, at most"],
    announce_peers_wanted: [30, "Peers asked for in an announce"],
    weight_connect: [
      50,
      "How many of the requests are connects, in proportion to the other weights",
    ],
    weight_announce: [50, "… announces"],
    weight_scrape: [1, "… scrapes"],
    peer_seeder_probability: [0.75, "Share of peers that are seeders"],
  },
} satisfies Settings;

type Setting = readonly [unknown, string] | [unknown, string];
interface Settings {
  [key: string]: Setting | Settings;
}

/** Returns the default settings. */
export function defaultUdpLoadConfig(): UdpLoadConfig {
  return defaults(SETTINGS) as unknown as UdpLoadConfig;
}

/** Returns the default settings as commented TOML. */
export function printUdpLoadConfig(): string {
  return `${printSettings(SETTINGS, "")}`;
}

/**
 * Reads settings from TOML; what is absent has its default.
 * @throws {SyntaxError} The text is not TOML, or a setting is wrong: the message says which.
 */
export function parseUdpLoadConfig(text: string): UdpLoadConfig {
  let table: Record<string, unknown>;
  try {
    table = parse(text);
  } catch (error) {
    throw new SyntaxError(`Not TOML: ${(error as Error).message}`);
  }
  const config = defaultUdpLoadConfig();
  merge(config as unknown as Record<string, unknown>, table, "");
  checkUdpLoadConfig(config);
  return config;
}

/** Refuses settings that make no sense, with a SyntaxError. */
export function checkUdpLoadConfig(config: UdpLoadConfig): void {
  const { network, requests } = config;
  const socketCount = config.workers * network.sockets_per_worker;
  const weights = requests.weight_connect + requests.weight_announce + requests.weight_scrape;
  const rules: [boolean, string][] = [
    [isInteger(config.workers, 1, 64), "workers is not from 1 to 64"],
    [config.duration > 0 && config.duration <= 86400, "duration is not from 0 to 86400 seconds"],
    [
      config.summarize_last >= 0 && config.summarize_last <= config.duration,
      "summarize_last is not from 0 to duration",
    ],
    [isInteger(network.sockets_per_worker, 1, 256), "sockets_per_worker is not from 1 to 256"],
    [isInteger(network.recv_buffer, 0, 2 ** 30), "recv_buffer is not from 0 to 2^30"],
    [isInteger(network.requests_in_flight, 1, 32768), "requests_in_flight is not from 1 to 32768"],
    [network.timeout > 0 && network.timeout <= 60, "timeout is not from 0 to 60 seconds"],
    [isInteger(requests.number_of_torrents, 1, 1e8), "number_of_torrents is not from 1 to 10^8"],
    [
      isInteger(requests.number_of_peers, socketCount, 1e9),
      "number_of_peers is not from the number of sockets to 10^9",
    ],
    [
      POPULARITIES.includes(requests.popularity),
      `popularity is none of ${POPULARITIES.join(", ")}`,
    ],
    [isInteger(requests.scrape_max_torrents, 1, 74), "scrape_max_torrents is not from 1 to 74"],
    [
      isInteger(requests.announce_peers_wanted, -1, 2 ** 31 - 1),
      "announce_peers_wanted is not from -1 to 2^31 - 1",
    ],
    [
      isInteger(requests.weight_connect, 0, 1e6) && isInteger(requests.weight_announce, 0, 1e6) &&
      isInteger(requests.weight_scrape, 0, 1e6) && weights > 0,
      "The weights are not whole numbers from 0 to 10^6 of which one is above 0",
    ],
    [
      requests.peer_seeder_probability >= 0 && requests.peer_seeder_probability <= 1,
      "peer_seeder_probability is not from 0 to 1",
    ],
  ];
  for (const [holds, problem] of rules) if (!holds) throw new SyntaxError(problem);
  serverAddresses(config);
}

/** The trackers to test, at least one. */
export function serverAddresses(config: UdpLoadConfig): SocketAddress[] {
  const addresses = [config.server_address].flat().map((text) => {
    const match = /^(?:\[([0-9a-f:.]+)\]|(\d+\.\d+\.\d+\.\d+)):(\d{1,5})$/i.exec(text);
    const port = Number(match?.[3]);
    if (match === null || port === 0 || port > 65535) {
      throw new SyntaxError(`server_address "${text}" is not an IP address and a port`);
    }
    return { hostname: (match[1] ?? match[2])!, port };
  });
  if (addresses.length === 0) throw new SyntaxError("server_address is empty");
  return addresses;
}

/** Says whether an address never leaves this machine. */
export function isLoopback({ hostname }: SocketAddress): boolean {
  return hostname.startsWith("127.") || hostname === "::1";
}

function isInteger(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function isSetting(value: Setting | Settings): value is Setting {
  return Array.isArray(value);
}

function defaults(settings: Settings): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map((
      [key, value],
    ) => [key, isSetting(value) ? value[0] : defaults(value)]),
  );
}

function printSettings(settings: Settings, path: string): string {
  let text = path === "" ? "" : `\n[${path}]\n`;
  for (const [key, value] of Object.entries(settings)) {
    if (!isSetting(value)) text += printSettings(value, key);
    else text += `# ${value[1].replaceAll("\n", "\n# ")}\n${key} = ${JSON.stringify(value[0])}\n`;
  }
  return text;
}

function merge(into: Record<string, unknown>, table: Record<string, unknown>, path: string): void {
  for (const [key, value] of Object.entries(table)) {
    const known = into[key];
    const name = path + key;
    if (known === undefined) throw new SyntaxError(`There is no setting "${name}"`);
    if (typeof known === "object" && !Array.isArray(known)) {
      if (typeof value !== "object") throw new SyntaxError(`"${name}" is not a table`);
      merge(known as Record<string, unknown>, value as Record<string, unknown>, `${name}.`);
    } else if (name === "server_address" && isTextList(value)) {
      into[key] = value;
    } else if (typeof value !== typeof known) {
      throw new SyntaxError(`"${name}" is not a ${typeof known}: ${JSON.stringify(value)}`);
    } else {
      into[key] = value;
    }
  }
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
