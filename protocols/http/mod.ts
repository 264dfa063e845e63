/** The HTTP tracker: its settings, its certificate, and its workers (main thread). */
import type { TlsKeyPair } from "../../server/certificate.ts";
import { formatListenAddress } from "../../server/config/address.ts";
import type { HttpConfig } from "../../server/config/mod.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import { getLogger } from "../../server/log.ts";
import type { Seat } from "../../server/pool.ts";
import { countWorkers, type Place, type Service } from "../../server/service.ts";
import { startTracker } from "../../server/tracker.ts";
import { writeHttpSettings } from "../../wasm/http_core.ts";
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
  return await startTracker(config, [await httpService(config, options)]);
}

/**
 * How HTTP is served, alone or beside other protocols.
 * @throws StartError where the certificate cannot be had.
 */
export async function httpService(
  config: HttpConfig,
  options: HttpOptions,
): Promise<Service<HttpConfig>> {
  const workerCount = countWorkers(config.socket_workers);
  const workers: Seat[] = [];
  const current = { tls: await loadTls(config) };
  return {
    name: "http",
    transport: "tcp",
    addresses: config.network.address,
    workerCount,
    peerIds: config.protocol.peer_ids,
    knowsKernelDrops: false,
    takeOver: options.takeOver,
    trustedProxies: ({ network }) => network.trusted_proxies,
    writeSettings,
    async startWorkers(place) {
      workers.push(...await startWorkers(place, { config, workerCount, current }));
    },
    async reload(fresh) {
      if (current.tls === undefined) return;
      // The files that the start named: other paths take effect at the next start.
      const loaded = await loadTls({ ...fresh, network: { ...fresh.network, enable_tls: true } });
      if (loaded!.cert === current.tls.cert && loaded!.key === current.tls.key) return;
      current.tls = loaded;
      await Promise.all(workers.map((worker) => worker.ask(loaded)));
      getLogger("http").info("New connections get the new certificate");
    },
  };
}

async function loadTls({ network }: HttpConfig): Promise<TlsKeyPair | undefined> {
  if (!network.enable_tls) return undefined;
  const { loadKeyPair } = await import("../../server/certificate.ts");
  return await loadKeyPair(network.tls_certificate_path, network.tls_private_key_path);
}

function writeSettings(memory: WebAssembly.Memory, { network, protocol }: HttpConfig): void {
  writeHttpSettings(memory, {
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
  { pool, core, firstWorker, addresses }: Place,
  options: { config: HttpConfig; workerCount: number; current: { tls: TlsKeyPair | undefined } },
): Promise<Seat[]> {
  const { config, workerCount, current } = options;
  const { network } = config;
  // The kernel spreads connections evenly, so each worker has its part of the limits.
  const share = (limit: number) => Math.ceil(limit / workerCount);
  const started = Array.from({ length: workerCount }, (_, index) =>
    pool.start<void>({
      name: `http ${index}`,
      url: new URL("./worker.ts", import.meta.url),
      permissions: { net: addresses.map(formatListenAddress) },
      get start() {
        return {
          core,
          workerIndex: firstWorker + index,
          addresses,
          tls: current.tls, // one that takes a dead one's place begins with the certificate of then
          maxConnections: share(network.max_connections),
          maxConnectionsPerAddress: share(network.max_connections_per_address),
          proxyProtocol: network.proxy_protocol,
          idleSeconds: network.keep_alive_timeout,
          requestSeconds: network.request_timeout,
        } satisfies HttpWorkerStart;
      },
    }));
  return (await Promise.all(started)).map(({ worker }) => worker);
}
