/**
 * Settings that the load tests of all protocols have. Names and meanings follow those of aquatic's
 * load tests where they have them.
 */

import { isInteger, isShare, type Rule, type Settings } from "./settings.ts";
import type { PopulationOptions } from "./population.ts";
import { POPULARITIES } from "./popularity.ts";

/** An IP address without brackets, and a port. */
export interface SocketAddress {
  hostname: string;
  port: number;
}

/** What every load test is told. */
export interface CommonConfig {
  server_address: string | string[];
  duration: number;
  summarize_last: number;
  max_requests: number;
  seed: number;
  /** Requests a second, all workers together; 0: as fast as they are answered. */
  rate: number;
}

/** The first lines of every `-p`. */
export const COMMON_SETTINGS = {
  server_address: [
    "127.0.0.1:3000",
    "Tracker to test; a list uses all of them, such as one a family",
  ],
  duration: [10, "Seconds"],
  summarize_last: [0, "Report the last seconds only; 0: all of them"],
  max_requests: [0, "End when so many requests have been answered, if that is earlier; 0: no end"],
  seed: [1, "The same seed gives the same torrents, peers and order of requests"],
  rate: [
    0,
    "Requests a second, all workers together. Latency then counts from when a request was due,\n" +
    "so that a stall of the tracker delays no other measurement. 0: a closed loop, in which\n" +
    "each answer makes room for the next request",
  ],
} satisfies Settings;

/** Peers' lives; part of each protocol's table of requests. */
export interface LifeConfig {
  peer_seeder_probability: number;
  peer_leaving_probability: number;
  peer_completing_probability: number;
}

export const LIFE_SETTINGS = {
  peer_seeder_probability: [0.75, "Share of peers that are seeders"],
  peer_leaving_probability: [
    0,
    "Share of announces that say stopped; the peer comes back in its next turn",
  ],
  peer_completing_probability: [0, "Share of leechers' announces that say completed"],
} satisfies Settings;

/** What must hold of them. */
export function commonRules(config: CommonConfig): Rule[] {
  return [
    [config.duration > 0 && config.duration <= 86400, "duration is not from 0 to 86400 seconds"],
    [
      config.summarize_last >= 0 && config.summarize_last <= config.duration,
      "summarize_last is not from 0 to duration",
    ],
    [
      config.max_requests === 0 || config.summarize_last === 0,
      "summarize_last is not 0 with max_requests",
    ],
    [isInteger(config.max_requests, 0, 1e12), "max_requests is not from 0 to 10^12"],
    [isInteger(config.rate, 0, 1e8), "rate is not from 0 to 10^8"],
    [isInteger(config.seed, 0, 2 ** 31), "seed is not from 0 to 2^31"],
  ];
}

/** What must hold of torrents and peers. */
export function populationRules(
  options: PopulationOptions,
  { peersMin }: { peersMin: number },
): Rule[] {
  const { popularity } = options;
  return [
    [isInteger(options.torrentCount, 1, 1e8), "number_of_torrents is not from 1 to 10^8"],
    [
      isInteger(options.peerCount, peersMin, 1e9),
      `number_of_peers is not from ${peersMin}, one a connection, to 10^9`,
    ],
    [POPULARITIES.includes(popularity), `popularity is none of ${POPULARITIES.join(", ")}`],
    [isShare(options.seederShare), "peer_seeder_probability is not from 0 to 1"],
    [isShare(options.leavingShare), "peer_leaving_probability is not from 0 to 1"],
    [isShare(options.completingShare), "peer_completing_probability is not from 0 to 1"],
  ];
}

/** What must hold of weights. */
export function weightRules(weights: readonly number[]): Rule[] {
  const isSound = weights.every((weight) => isInteger(weight, 0, 1e6)) &&
    weights.some((weight) => weight > 0);
  return [[isSound, "The weights are not whole numbers from 0 to 10^6 of which one is above 0"]];
}

/**
 * The trackers to test, at least one.
 * @throws {SyntaxError} An address is none.
 */
export function serverAddresses(config: CommonConfig): SocketAddress[] {
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

/** The requests of one worker of so many, at most. */
export function requestsOfWorker({ max_requests }: CommonConfig, workerCount: number): number {
  return max_requests === 0 ? Infinity : Math.ceil(max_requests / workerCount);
}

/** Says whether an address never leaves this machine. */
export function isLoopback({ hostname }: SocketAddress): boolean {
  return hostname.startsWith("127.") || hostname === "::1";
}

/** The address that client number `index` sends from; on IPv4's loopback each has its own. */
export function sourceHostname(
  server: SocketAddress,
  { index, areMany }: { index: number; areMany: boolean },
): string {
  const isIpv6 = server.hostname.includes(":");
  if (!isLoopback(server)) return isIpv6 ? "::" : "0.0.0.0";
  if (isIpv6) return "::1";
  if (!areMany) return "127.0.0.1";
  const number = index + 1; // 127.0.0.0 is nobody's
  return `127.${number >>> 16 & 255}.${number >>> 8 & 255}.${number & 255}`;
}
