/** Settings that the load tests over TCP share. Names follow aquatic's load tests. */

import {
  COMMON_SETTINGS,
  type CommonConfig,
  commonRules,
  LIFE_SETTINGS,
  type LifeConfig,
  populationRules,
  requestsOfWorker,
  serverAddresses,
  sourceHostname,
  weightRules,
} from "./common_config.ts";
import { Pacer } from "./pacer.ts";
import type { Popularity } from "./popularity.ts";
import type { PopulationOptions } from "./population.ts";
import { isInteger, requireRules, type Rule, type Settings } from "./settings.ts";
import { requireListeners, type Session } from "./tcp_session.ts";
import type { LoadLoop, LoopOptions } from "./worker.ts";

const IOS = ["native", "deno"] as const;

export interface TcpConfig extends CommonConfig {
  num_workers: number;
  connection_creation_interval_ms: number;
  enable_tls: boolean;
  tls_trusted_path: string;
  io: (typeof IOS)[number];
  multiple_client_ipv4s: boolean;
  timeout: number;
  torrents: LifeConfig & {
    number_of_torrents: number;
    number_of_peers: number;
    popularity: Popularity;
    zipf_exponent: number;
    torrent_gamma_shape: number;
    torrent_gamma_scale: number;
    scrape_max_torrents: number;
    weight_announce: number;
    weight_scrape: number;
  };
}

/** The lines of `-p` that follow the common ones. */
export const TCP_SETTINGS = {
  ...COMMON_SETTINGS,
  num_workers: [1, "Threads that send requests"],
  connection_creation_interval_ms: [
    0,
    "Milliseconds from opening one connection of a thread to the next; 0: no pause",
  ],
  enable_tls: [false, "Connect by TLS, always through Deno's own sockets"],
  tls_trusted_path: [
    "",
    "File with the certificate to trust (PEM) beside the system's; the name in it is not looked at",
  ],
  io: [
    "native",
    '"native": through the C library of Linux, at a fifth of the cost of "deno": Deno\'s sockets',
  ],
  multiple_client_ipv4s: [
    true,
    "Each connection has its own address from 127.0.0.0/8; native only",
  ],
  timeout: [5, "Seconds after which an unanswered request is given up, with its connection"],
} satisfies Settings;

export const TORRENT_SETTINGS = {
  number_of_torrents: [10_000, "Torrents"],
  number_of_peers: [100_000, "Peers, each in one torrent; they announce in turn"],
  popularity: ["gamma", 'How peers choose torrents: "gamma", "zipf", "exponential" or "uniform"'],
  zipf_exponent: [0.9, "Exponent of zipf"],
  torrent_gamma_shape: [0.2, "Shape of gamma"],
  torrent_gamma_scale: [100, "Scale of gamma, of which 100 is the last torrent"],
  scrape_max_torrents: [5, "Torrents in a scrape"],
  weight_announce: [
    5,
    "How many of the requests are announces, in proportion to the other weights",
  ],
  weight_scrape: [0, "… scrapes"],
  ...LIFE_SETTINGS,
  peer_seeder_probability: [0.25, "Share of peers that are seeders"],
} satisfies Settings;

/** The torrents and peers that the settings describe. */
export function tcpPopulation({ seed, torrents }: TcpConfig): PopulationOptions {
  const isZipf = torrents.popularity === "zipf";
  return {
    seed,
    torrentCount: torrents.number_of_torrents,
    peerCount: torrents.number_of_peers,
    popularity: torrents.popularity,
    popularityParameter: isZipf ? torrents.zipf_exponent : torrents.torrent_gamma_shape,
    popularityScale: torrents.torrent_gamma_scale,
    seederShare: torrents.peer_seeder_probability,
    leavingShare: torrents.peer_leaving_probability,
    completingShare: torrents.peer_completing_probability,
  };
}

/**
 * Refuses settings that make no sense.
 * @param connectionCount Connections of all workers: each has peers of its own.
 * @throws {SyntaxError} The first that makes none.
 */
export function checkTcpConfig(
  config: TcpConfig,
  { connectionCount, rules }: { connectionCount: number; rules: readonly Rule[] },
): void {
  const { torrents } = config;
  requireRules([
    ...commonRules(config),
    ...rules,
    ...populationRules(tcpPopulation(config), { peersMin: connectionCount }),
    ...weightRules([torrents.weight_announce, torrents.weight_scrape]),
    [isInteger(config.num_workers, 1, 64), "num_workers is not from 1 to 64"],
    [
      isInteger(config.connection_creation_interval_ms, 0, 60_000),
      "connection_creation_interval_ms is not from 0 to 60000",
    ],
    [IOS.includes(config.io), `io is none of ${IOS.join(", ")}`],
    [config.timeout > 0 && config.timeout <= 60, "timeout is not from 0 to 60 seconds"],
    [isInteger(torrents.scrape_max_torrents, 1, 74), "scrape_max_torrents is not from 1 to 74"],
    [
      torrents.torrent_gamma_shape > 0 && torrents.torrent_gamma_scale > 0,
      "torrent_gamma_shape and torrent_gamma_scale are not above 0",
    ],
  ]);
  serverAddresses(config);
}

/** What a session is given of where it stands among all. */
export interface Seat {
  /** 0-based number of this connection among those of all workers, and how many there are. */
  index: number;
  count: number;
  pacer: Pacer;
  server: Session["server"];
  sourceHostname: string;
}

/** Makes one worker's loop: sessions, and the driver that the settings ask for. */
export async function createTcpLoop(
  options: LoopOptions<TcpConfig>,
  { perWorker, create }: { perWorker: number; create: (seat: Seat) => Session },
): Promise<LoadLoop> {
  const { config, workerIndex, counters } = options;
  const servers = serverAddresses(config);
  const pacer = new Pacer(
    config.rate / config.num_workers,
    requestsOfWorker(config, config.num_workers),
  );
  const sessions = Array.from({ length: perWorker }, (_, position) => {
    const index = workerIndex * perWorker + position;
    const server = servers[index % servers.length]!;
    const source = sourceHostname(server, { index, areMany: config.multiple_client_ipv4s });
    const count = perWorker * config.num_workers;
    return create({ index, count, pacer, server, sourceHostname: source });
  });
  const intervalMs = config.connection_creation_interval_ms;
  const path = config.tls_trusted_path;
  const trusted = path === "" ? [] : [await Deno.readTextFile(path)];
  const driverOptions = {
    sessions,
    pacer,
    counters,
    connectionsPerSecond: intervalMs === 0 ? 0 : 1000 / intervalMs,
    tls: config.enable_tls ? { trusted } : undefined,
  };
  await requireListeners(servers);
  if (config.enable_tls || config.io === "deno") {
    return new (await import("./tcp_deno.ts")).DenoDriver(driverOptions);
  }
  return new (await import("./tcp_native.ts")).NativeDriver(driverOptions);
}
