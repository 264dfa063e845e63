/** Checks of what several kinds of configuration have in common. */

import { findDuplicate, type Finding, mistake, warning } from "./file_kind.ts";
import { AGE_MAX_SECONDS } from "./sections.ts";

/** Room for a sweep that is late, before the 16 bits of a peer's age wrap. */
const AGE_SUM_MAX_SECONDS = AGE_MAX_SECONDS - 600;
export const SHORT_INTERVAL_SECONDS = 60;
const SHORT_PEER_AGE_SECONDS = 1_500;

const NO_CHANNELS = "requests do not pass between threads";
const ADDRESSES = "network.address lists all addresses of both families";
const WILDCARD = `${ADDRESSES}; [::] serves IPv4 too, unless 0.0.0.0 is listed with the same port`;
const METRICS = "set metrics.address";
const STATISTICS = "statistics are logged every statistics.interval seconds";

/** Keys of the aquatic trackers, of every version, that have no meaning here. */
export const NEEDLESS_EVERYWHERE: Readonly<Record<string, string>> = {
  request_workers: "the worker that receives a request answers it; set socket_workers",
  swarm_workers: "all workers share one swarm map; set socket_workers",
  request_channel_size: NO_CHANNELS,
  request_channel_recv_timeout_ms: NO_CHANNELS,
  response_channel_size: NO_CHANNELS,
  worker_channel_size: NO_CHANNELS,
  privileges: "Deno's permissions confine Riptide, and the service manager chooses its user and " +
    "root",
  cpu_pinning: "the service manager chooses the processors (systemd: CPUAffinity=)",
  "network.only_ipv6": WILDCARD,
  "network.set_only_ipv6": WILDCARD,
  "network.use_ipv4": ADDRESSES,
  "network.use_ipv6": ADDRESSES,
  "network.address_ipv4": ADDRESSES,
  "network.address_ipv6": ADDRESSES,
  "statistics.torrent_peer_histograms": METRICS,
  "statistics.peer_clients": STATISTICS,
  "statistics.extended": STATISTICS,
  "statistics.print_to_stdout": STATISTICS,
  "statistics.write_html_to_file": METRICS,
  "statistics.html_file_path": METRICS,
  "statistics.run_prometheus_endpoint": METRICS,
  "statistics.prometheus_endpoint_address": METRICS,
  "statistics.prometheus_peer_id_prefixes": STATISTICS,
};

/** What the checks look at. */
interface SharedConfig {
  network: { address: string[] };
  protocol: { peer_announce_interval: number };
  cleaning: { max_peer_age: number; torrent_cleaning_interval: number };
  access_list: { mode: string; path: string };
  metrics: { address: string; token: string };
}

export function* findSharedErrors(config: SharedConfig): Generator<Finding> {
  const { network, cleaning, access_list } = config;
  const twice = findDuplicate(network.address, (address) => address.endsWith(":0"));
  if (twice !== undefined) {
    yield mistake(["network.address"], `expected each address once, and "${twice}" is there twice`);
  }
  const ageSum = cleaning.max_peer_age + cleaning.torrent_cleaning_interval;
  if (ageSum > AGE_SUM_MAX_SECONDS) {
    yield mistake(
      ["cleaning.max_peer_age", "cleaning.torrent_cleaning_interval"],
      `expected a sum of at most ${AGE_SUM_MAX_SECONDS} seconds, and this is ${ageSum}`,
    );
  }
  if (access_list.mode !== "off" && access_list.path === "") {
    yield mistake(["access_list.mode", "access_list.path"], "expected the path of a list");
  }
}

export function* findSharedWarnings(config: SharedConfig): Generator<Finding> {
  yield* findMetricsWarnings(config);
  if (config.protocol.peer_announce_interval < SHORT_INTERVAL_SECONDS) {
    yield warning(
      ["protocol.peer_announce_interval"],
      "clients will announce more often than once a minute, and many refuse to",
    );
  }
}

/** Where peers are forgotten that do not announce. */
export function* findAgeWarnings(config: SharedConfig): Generator<Finding> {
  const { peer_announce_interval } = config.protocol;
  const { max_peer_age } = config.cleaning;
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
}

/** The keys of `protocol` that say how many peers an answer holds; each tracker has its own. */
interface PeerKeys<TKey extends string> {
  /** For clients that do not say how many they want. */
  usual: TKey;
  most: TKey;
}

/** Where only the most was given, no more than that are the usual. */
export function completePeers<TKey extends string>(
  protocol: Record<TKey, number>,
  { usual, most }: PeerKeys<TKey>,
  isGiven: (key: string) => boolean,
): void {
  if (isGiven(`protocol.${usual}`)) return;
  protocol[usual] = Math.min(protocol[usual], protocol[most]);
}

export function* findPeerErrors<TKey extends string>(
  protocol: Record<TKey, number>,
  { usual, most }: PeerKeys<TKey>,
): Generator<Finding> {
  if (protocol[usual] <= protocol[most]) return;
  yield mistake(
    [`protocol.${usual}`, `protocol.${most}`],
    "expected at most as many by default as at all",
  );
}

function* findMetricsWarnings({ metrics }: SharedConfig): Generator<Finding> {
  const isLoopback = /^(127\.|\[::1\])/.test(metrics.address);
  if (metrics.address === "" || isLoopback || metrics.token !== "") return;
  yield warning(
    ["metrics.address", "metrics.token"],
    "whoever reaches this address sees the metrics; set a token",
  );
}
