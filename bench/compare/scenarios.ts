/** What is compared: each scenario is one load against every server that can serve it. */

export type Protocol = "udp" | "http" | "ws";
export const PROTOCOLS: readonly Protocol[] = ["udp", "http", "ws"];

export interface Scenario {
  protocol: Protocol;
  /** Unique within the protocol; part of the raw data's keys. */
  name: string;
  title: string;
  /** Scenarios of all protocols run in this order: what matters most is there when time is up. */
  rank: number;
  /** Server's threads. */
  workers: number;
  tls: boolean;
  /** Every connection serves one request. */
  isClosing: boolean;
  /** Settings of the load test, TOML without address and duration. */
  settings: string;
  /** Requests that a server is filled with before the first round, and the longest that takes. */
  fillRequests: number;
  fillSeconds: number;
  /** Seconds of each round before measuring begins, and of measuring. */
  warmUpSeconds: number;
  measuredSeconds: number;
  rounds: number;
  /** Of the server's own most: an open loop at this share of it. */
  shareOfMost?: number;
  /** Torrents; only the growth rows differ. */
  torrents: number;
  isGrowth: boolean;
  /** Only servers take part that are filled in minutes. */
  isLarge: boolean;
}

export interface ScenarioOptions {
  rounds: number;
  seconds: number;
  isQuick: boolean;
}

const TORRENTS: Record<Protocol, number> = { udp: 100_000, http: 10_000, ws: 1_000 };
const GROWTH: Record<Protocol, number[]> = {
  udp: [1_000, 10_000, 100_000, 1_000_000, 10_000_000],
  http: [1_000, 10_000, 100_000, 1_000_000],
  ws: [100, 1_000, 10_000],
};
/** From here on, only servers that are filled in minutes. */
const LARGE_TORRENTS = 1_000_000;
/** From here on, one round. */
const ONE_ROUND_TORRENTS = 10_000_000;
const GROWTH_ROUNDS = 3;
const MEMORY_TORRENTS = 1_000_000;

/** Requests a second that a server takes while it is filled, the slower of two as measured. */
const FILL_RATE: Record<Protocol, number> = { udp: 120_000, http: 15_000, ws: 6_000 };
/** Slow servers are measured as full as they get in this time. */
const FILL_SECONDS = 5;
const LARGE_FILL_SECONDS = 600;
/** Of a worker of the load test, beyond its requests: each peer announces in its turn, once. */
const FILL_MARGIN = 1.05;

type Settings = { top?: string; table?: string; popularity?: string };
type More = Partial<Scenario> & { settingsMore?: Settings };

/** All scenarios of a protocol, in the order in which the report has them. */
export function scenariosOf(protocol: Protocol, options: ScenarioOptions): Scenario[] {
  const base = (name: string, title: string, rank: number, more: More = {}): Scenario => {
    const { settingsMore = {}, ...rest } = more;
    const torrents = rest.torrents ?? (options.isQuick ? 1_000 : TORRENTS[protocol]);
    const tls = rest.tls ?? false;
    return {
      protocol,
      name,
      title,
      rank,
      workers: 1,
      tls,
      isClosing: false,
      settings: settingsOf(protocol, { torrents, tls, ...settingsMore }),
      // A tracker forgets the peers of a WebSocket that closes: each round fills it anew.
      fillRequests: protocol === "ws" ? 0 : fillOf(protocol, torrents, rest.isGrowth ?? false),
      fillSeconds: FILL_SECONDS,
      warmUpSeconds: options.seconds / 4,
      measuredSeconds: options.seconds,
      rounds: options.rounds,
      torrents,
      isGrowth: false,
      isLarge: false,
      ...rest,
    };
  };
  const scenarios: Scenario[] = [base("most", "One worker, closed loop", 0)];
  scenarios.push(base("two-workers", "Two workers, closed loop", 3, { workers: 2 }));
  if (protocol === "http") {
    scenarios.push(
      base("connection-each", "A connection for each request", 2, {
        isClosing: true,
        settingsMore: { top: "keep_alive = false\n" },
      }),
      base("pipelined", "Pipelined, 8 deep", 6, {
        settingsMore: { top: "pipelining_depth = 8\n" },
      }),
    );
  }
  if (protocol !== "udp") scenarios.push(base("tls", "Over TLS, closed loop", 1, { tls: true }));
  if (protocol === "ws") {
    scenarios.push(
      base("no-offers", "Announces without offers: a frame for a frame", 4, {
        settingsMore: { table: "offers_per_request = 0\n" },
      }),
    );
  }
  for (const share of [0.3, 0.8]) {
    const percent = Math.round(share * 100);
    const title = `Open loop at ${percent} % of the server's own most`;
    scenarios.push(base(`latency-${percent}`, title, 5, { shareOfMost: share }));
  }
  return [...scenarios, ...growthOf(protocol, options, base)];
}

/** Rows of more and more torrents, all equally popular. */
function growthOf(
  protocol: Protocol,
  { isQuick, rounds }: ScenarioOptions,
  base: (name: string, title: string, rank: number, more: More) => Scenario,
): Scenario[] {
  const counts = isQuick ? GROWTH[protocol].slice(0, 2) : GROWTH[protocol];
  return counts.map((torrents) => {
    const isLarge = torrents >= LARGE_TORRENTS;
    const isLast = torrents === GROWTH[protocol].at(-1) && isLarge; // it takes minutes
    const wsFillSeconds = 1 + Math.ceil(2 * torrents / FILL_RATE.ws);
    const title = `${torrents.toLocaleString("en")} torrents`;
    return base(`growth-${torrents}`, title, isLast ? 8 : 7, {
      torrents,
      isGrowth: true,
      isLarge,
      fillSeconds: LARGE_FILL_SECONDS,
      rounds: torrents >= ONE_ROUND_TORRENTS ? 1 : Math.min(rounds, GROWTH_ROUNDS),
      settingsMore: { popularity: "uniform" },
      ...(protocol === "ws" ? { warmUpSeconds: wsFillSeconds } : {}),
    });
  });
}

/** The row whose resident memory is reported. */
export const MEMORY_SCENARIO = `growth-${MEMORY_TORRENTS}`;

/** Connects, announces and scrapes of UDP, in proportion. */
const UDP_WEIGHTS = [50, 50, 1] as const;
const UDP_GROWTH_WEIGHTS = [1, 99, 1] as const;

function fillOf(protocol: Protocol, torrents: number, isGrowth: boolean): number {
  const [connects, announces, scrapes] = isGrowth ? UDP_GROWTH_WEIGHTS : UDP_WEIGHTS;
  const each = protocol === "udp" ? (connects + announces + scrapes) / announces : 1;
  return Math.ceil(peersOf(protocol, torrents) * each * FILL_MARGIN);
}

/** At least as many as there are connections, which have peers of their own. */
function peersOf(protocol: Protocol, torrents: number): number {
  return protocol === "udp" ? 2 * torrents : Math.max(2 * torrents, 2000);
}

function settingsOf(
  protocol: Protocol,
  { torrents, tls, top = "", table = "", popularity }: Settings & {
    torrents: number;
    tls: boolean;
  },
): string {
  const isGrowth = popularity !== undefined;
  const counts = `number_of_torrents = ${torrents}\n` +
    `number_of_peers = ${peersOf(protocol, torrents)}\n` +
    (isGrowth ? `popularity = "${popularity}"\n` : "");
  if (protocol === "udp") {
    const [connects, announces, scrapes] = isGrowth ? UDP_GROWTH_WEIGHTS : UDP_WEIGHTS;
    return `${top}[network]\nrequests_in_flight = 128\n[requests]\n${counts}` +
      `weight_connect = ${connects}\nweight_announce = ${announces}\nweight_scrape = ${scrapes}\n` +
      table;
  }
  const secure = tls ? "enable_tls = true\n" : "";
  // 256 connections hide that aquatic_ws waits for the client's delayed acknowledgements.
  const connections = protocol === "ws" ? "num_connections_per_worker = 256\n" : "";
  return `${top}${secure}${connections}[torrents]\n${counts}${table}`;
}

/** Seconds to start and end a server, and a load test, as measured. */
const SERVER_SECONDS = 1;
const TESTER_SECONDS = 0.8;
/** Torrents, with two peers each, that a load test makes in a second. */
const POPULATION_RATE = 2_000_000;

/** How long a scenario takes, in seconds, with so many servers. */
export function expectedSeconds(scenario: Scenario, serverCount: number): number {
  const { fillRequests, fillSeconds, warmUpSeconds, measuredSeconds } = scenario;
  const tester = TESTER_SECONDS + scenario.torrents / POPULATION_RATE;
  const filling = fillRequests === 0
    ? 0
    : tester + Math.min(fillSeconds, fillRequests / FILL_RATE[scenario.protocol]);
  const round = tester + warmUpSeconds + measuredSeconds;
  return serverCount * (SERVER_SECONDS + filling + scenario.rounds * round);
}
