/** The HTTP tracker: its settings, its certificate, and its workers (main thread). */
import type { TlsKeyPair } from "../../server/certificate.ts";
import { formatListenAddress, type ListenAddress } from "../../server/config/address.ts";
import type { HttpConfig } from "../../server/config/mod.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import { getLogger } from "../../server/log.ts";
import type { PoolWorker, WorkerPool } from "../../server/pool.ts";
import { startTracker } from "../../server/tracker.ts";
import { writeHttpSettings } from "../../wasm/http_core.ts";
import type { SharedCore } from "../../wasm/memory.ts";
import type { HttpWorkerStart } from "./worker.ts";

/** How to start the tracker. */
export interface HttpOptions {
  /** Bind even if another process has the address. */
  takeOver: boolean;
}

/**
 * Starts the HTTP tracker; resolves once every address is served.
 * @throws StartError naming what cannot be had: a list, a certificate, an address, memory.
 */
export async function startHttp(
  config: HttpConfig,
  options: HttpOptions,
): Promise<Tracker<HttpConfig>> {
  const { protocol, cleaning } = config;
  const workers: PoolWorker[] = [];
  let tls = await loadTls(config);
  return await startTracker(config, {
    name: "http",
    transport: "tcp",
    settings: {
      maxPeerAgeSeconds: cleaning.max_peer_age,
      maxConnectionAgeSeconds: 0,
      announceIntervalSeconds: protocol.peer_announce_interval,
      sweepIntervalSeconds: cleaning.torrent_cleaning_interval,
      maxScrapeTorrents: protocol.max_scrape_torrents,
      maxResponsePeers: protocol.max_peers,
      defaultResponsePeers: protocol.default_peers,
    },
    peerIds: protocol.peer_ids,
    workerCount: config.socket_workers,
    knowsKernelDrops: false,
    takeOver: options.takeOver,
    prepare: (core) => writeSettings(core, config),
    async startWorkers(pool, core, addresses) {
      workers.push(...await startWorkers(pool, core, { config, addresses, tls }));
    },
    async reload(fresh) {
      if (tls === undefined) return;
      // The files that the start named: other paths take effect at the next start.
      const loaded = await loadTls({ ...fresh, network: { ...fresh.network, enable_tls: true } });
      if (loaded!.cert === tls.cert && loaded!.key === tls.key) return;
      tls = loaded;
      await Promise.all(workers.map((worker) => worker.ask(loaded)));
      getLogger("http").info("New connections get the new certificate");
    },
  });
}

async function loadTls({ network }: HttpConfig): Promise<TlsKeyPair | undefined> {
  if (!network.enable_tls) return undefined;
  const { loadKeyPair } = await import("../../server/certificate.ts");
  return await loadKeyPair(network.tls_certificate_path, network.tls_private_key_path);
}

function writeSettings(core: SharedCore, { network, protocol }: HttpConfig): void {
  writeHttpSettings(core.memory, {
    announceIntervalSeconds: protocol.peer_announce_interval,
    minAnnounceIntervalSeconds: protocol.min_announce_interval,
    maxScrapeTorrents: protocol.max_scrape_torrents,
    maxPeers: protocol.max_peers,
    defaultPeers: protocol.default_peers,
    maxRequestsPerConnection: network.max_requests_per_connection,
    keepAlive: network.keep_alive,
    sameFamilyOnly: protocol.same_family_only,
    externalIp: protocol.external_ip,
    cors: protocol.cors,
    proxyProtocol: network.proxy_protocol,
  });
}

async function startWorkers(
  pool: WorkerPool,
  core: SharedCore,
  options: { config: HttpConfig; addresses: ListenAddress[]; tls: TlsKeyPair | undefined },
): Promise<PoolWorker[]> {
  const { config, addresses, tls } = options;
  const { network, socket_workers } = config;
  // The kernel spreads connections evenly, so each worker has its part of the limits.
  const share = (limit: number) => Math.ceil(limit / socket_workers);
  const started = Array.from({ length: socket_workers }, (_, workerIndex) =>
    pool.start<void>({
      name: `http ${workerIndex}`,
      url: new URL("./worker.ts", import.meta.url),
      permissions: { net: addresses.map(formatListenAddress) },
      start: {
        core,
        workerIndex,
        addresses,
        tls,
        maxConnections: share(network.max_connections),
        maxConnectionsPerAddress: share(network.max_connections_per_address),
        proxyProtocol: network.proxy_protocol,
        idleSeconds: network.keep_alive_timeout,
        requestSeconds: network.request_timeout,
      } satisfies HttpWorkerStart,
    }));
  return (await Promise.all(started)).map(({ worker }) => worker);
}
