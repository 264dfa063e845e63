/**
 * Settings of the UDP load test: names and meanings follow aquatic_udp_load_test where it has them.
 */

import {
  COMMON_SETTINGS,
  type CommonConfig,
  commonRules,
  LIFE_SETTINGS,
  type LifeConfig,
  populationRules,
  serverAddresses,
  weightRules,
} from "./common_config.ts";
import type { Popularity } from "./popularity.ts";
import type { PopulationOptions } from "./population.ts";
import { defaultsOf, isInteger, parseSettings, requireRules, type Settings } from "./settings.ts";
import { printSettings } from "./settings.ts";

export interface UdpLoadConfig extends CommonConfig {
  workers: number;
  network: {
    multiple_client_ipv4s: boolean;
    sockets_per_worker: number;
    recv_buffer: number;
    requests_in_flight: number;
    timeout: number;
  };
  requests: LifeConfig & {
    number_of_torrents: number;
    number_of_peers: number;
    popularity: Popularity;
    popularity_parameter: number;
    scrape_max_torrents: number;
    announce_peers_wanted: number;
    weight_connect: number;
    weight_announce: number;
    weight_scrape: number;
  };
}

/** What every key means, for `-p`, and its default. */
const SETTINGS = {
  ...COMMON_SETTINGS,
  workers: [1, "Threads that send requests"],
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
    ...LIFE_SETTINGS,
  },
} satisfies Settings;

/** Returns the default settings. */
export function defaultUdpLoadConfig(): UdpLoadConfig {
  return defaultsOf(SETTINGS);
}

/** Returns the default settings as commented TOML. */
export function printUdpLoadConfig(): string {
  return printSettings(SETTINGS);
}

/**
 * Reads settings from TOML; what is absent has its default.
 * @throws {SyntaxError} The text is not TOML, or a setting is wrong: the message says which.
 */
export function parseUdpLoadConfig(text: string): UdpLoadConfig {
  const config = parseSettings<UdpLoadConfig>(SETTINGS, text);
  checkUdpLoadConfig(config);
  return config;
}

/** The torrents and peers that the settings describe. */
export function udpPopulation({ seed, requests }: UdpLoadConfig): PopulationOptions {
  return {
    seed,
    torrentCount: requests.number_of_torrents,
    peerCount: requests.number_of_peers,
    popularity: requests.popularity,
    popularityParameter: requests.popularity_parameter,
    seederShare: requests.peer_seeder_probability,
    leavingShare: requests.peer_leaving_probability,
    completingShare: requests.peer_completing_probability,
  };
}

/** Refuses settings that make no sense, with a SyntaxError. */
export function checkUdpLoadConfig(config: UdpLoadConfig): void {
  const { network, requests } = config;
  const socketCount = config.workers * network.sockets_per_worker;
  requireRules([
    ...commonRules(config),
    ...populationRules(udpPopulation(config), { peersMin: socketCount }),
    ...weightRules([requests.weight_connect, requests.weight_announce, requests.weight_scrape]),
    [isInteger(config.workers, 1, 64), "workers is not from 1 to 64"],
    [isInteger(network.sockets_per_worker, 1, 256), "sockets_per_worker is not from 1 to 256"],
    [isInteger(network.recv_buffer, 0, 2 ** 30), "recv_buffer is not from 0 to 2^30"],
    [isInteger(network.requests_in_flight, 1, 32768), "requests_in_flight is not from 1 to 32768"],
    [network.timeout > 0 && network.timeout <= 60, "timeout is not from 0 to 60 seconds"],
    [isInteger(requests.scrape_max_torrents, 1, 74), "scrape_max_torrents is not from 1 to 74"],
    [
      isInteger(requests.announce_peers_wanted, -1, 2 ** 31 - 1),
      "announce_peers_wanted is not from -1 to 2^31 - 1",
    ],
  ]);
  serverAddresses(config);
}
