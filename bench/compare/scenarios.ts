/** What is compared: each scenario is one load against every server that can serve it. */

export type Protocol = "udp" | "http" | "ws";
export const PROTOCOLS: readonly Protocol[] = ["udp", "http", "ws"];

export interface Scenario {
  protocol: Protocol;
  /** Unique within the protocol; part of the raw data's keys. */
  name: string;
  title: string;
  /** Server's threads. */
  workers: number;
  tls: boolean;
  /** Settings of the load test, TOML without address and duration. */
  settings: string;
  /** Seconds before measuring begins, and of measuring. */
  warmUpSeconds: number;
  measuredSeconds: number;
  rounds: number;
  /** Of the server's own most: an open loop at this share of it. */
  shareOfMost?: number;
  /** Torrents; only the growth rows differ. */
  torrents: number;
  /** Only a few servers take part: the others are too slow to be filled. */
  isLarge?: boolean;
}

export interface ScenarioOptions {
  rounds: number;
  seconds: number;
  isQuick: boolean;
}

const TORRENTS: Record<Protocol, number> = { udp: 100_000, http: 10_000, ws: 1_000 };

/** Announces a second that every server of a large row takes: how long filling lasts. */
const FILL_RATE: Record<Protocol, number> = { udp: 60_000, http: 12_000, ws: 2_000 };
const GROWTH: Record<Protocol, number[]> = {
  udp: [1_000, 10_000, 100_000, 1_000_000, 10_000_000],
  http: [1_000, 10_000, 100_000, 1_000_000],
  ws: [100, 1_000, 10_000],
};
/** Beyond this, one round: filling takes minutes. */
const ONE_ROUND_TORRENTS = 1_000_000;
const MEMORY_TORRENTS = 1_000_000;

/** All scenarios of a protocol, in the order in which they run. */
export function scenariosOf(protocol: Protocol, options: ScenarioOptions): Scenario[] {
  const base = (name: string, title: string, more: Partial<Scenario> & { lines?: string } = {}) => {
    const { lines = "", ...rest } = more;
    const torrents = rest.torrents ?? (options.isQuick ? 1_000 : TORRENTS[protocol]);
    return {
      protocol,
      name,
      title,
      workers: 1,
      tls: false,
      settings: settingsOf(protocol, { torrents, lines, tls: rest.tls ?? false }),
      warmUpSeconds: Math.ceil(options.seconds / 2),
      measuredSeconds: options.seconds,
      rounds: options.rounds,
      torrents,
      ...rest,
    };
  };
  const scenarios: Scenario[] = [base("most", "One worker, closed loop")];
  scenarios.push(base("two-workers", "Two workers, closed loop", { workers: 2 }));
  if (protocol === "http") {
    scenarios.push(
      base("connection-each", "A connection for each request", {
        lines: "keep_alive = false\n",
      }),
      base("pipelined", "Pipelined, 8 deep", { lines: "pipelining_depth = 8\n" }),
    );
  }
  if (protocol !== "udp") {
    scenarios.push(base("tls", "Over TLS, closed loop", { tls: true }));
  }
  for (const share of [0.3, 0.8]) {
    const percent = Math.round(share * 100);
    scenarios.push(
      base(`latency-${percent}`, `Open loop at ${percent} % of the server's own most`, {
        shareOfMost: share,
      }),
    );
  }
  const growth = options.isQuick ? GROWTH[protocol].slice(0, 2) : GROWTH[protocol];
  for (const torrents of growth) {
    const isLarge = torrents >= ONE_ROUND_TORRENTS;
    scenarios.push(base(`growth-${torrents}`, `${torrents.toLocaleString("en")} torrents`, {
      torrents,
      isLarge,
      warmUpSeconds: options.isQuick ? 1 : Math.ceil(2 * torrents / FILL_RATE[protocol]) + 2,
      rounds: isLarge ? 1 : options.rounds,
      lines: "#growth\n",
    }));
  }
  return scenarios;
}

/** The row whose resident memory is reported. */
export const MEMORY_SCENARIO = `growth-${MEMORY_TORRENTS}`;

function settingsOf(
  protocol: Protocol,
  { torrents, lines, tls }: { torrents: number; lines: string; tls: boolean },
): string {
  const peers = 2 * torrents;
  const isGrowth = lines.startsWith("#growth");
  const top = isGrowth ? "" : lines;
  if (protocol === "udp") {
    const weights = isGrowth ? "weight_connect = 1\nweight_announce = 99\nweight_scrape = 1\n" : "";
    return `${top}[network]\nrequests_in_flight = 128\n[requests]\n` +
      `number_of_torrents = ${torrents}\nnumber_of_peers = ${peers}\n${
        isGrowth ? 'popularity = "uniform"\n' : ""
      }${weights}`;
  }
  const secure = tls ? "enable_tls = true\n" : "";
  const table = `[torrents]\nnumber_of_torrents = ${torrents}\nnumber_of_peers = ` +
    `${Math.max(peers, 2000)}\n${isGrowth ? 'popularity = "uniform"\n' : ""}`;
  // 256 connections hide that aquatic_ws waits for the client's delayed acknowledgements.
  const connections = protocol === "ws" ? "num_connections_per_worker = 256\n" : "";
  return `${top}${secure}${connections}${table}`;
}

/** How long a protocol's scenarios take, in seconds, with so many servers. */
export function expectedSeconds(scenarios: readonly Scenario[], serverCount: number): number {
  const START_AND_STOP = 3;
  return scenarios.reduce((sum, { rounds, warmUpSeconds, measuredSeconds, isLarge }) => {
    const servers = isLarge ? Math.min(2, serverCount) : serverCount;
    return sum + rounds * servers * (warmUpSeconds + measuredSeconds + START_AND_STOP);
  }, 0);
}
