/** The HTTP tracker: its settings, its certificate, and its workers (main thread). */
import type { HttpConfig } from "../../server/config/mod.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import type { Service } from "../../server/service.ts";
import { tcpService } from "../../server/tcp/service.ts";
import { startTracker } from "../../server/tracker.ts";
import { writeHttpSettings } from "../../wasm/http_core.ts";

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
  return await tcpService(config, {
    name: "http",
    takeOver: options.takeOver,
    peerIds: config.protocol.peer_ids,
    writeSettings,
    workerUrl: new URL("./worker.ts", import.meta.url),
    idleSeconds: ({ network }) => network.keep_alive_timeout,
  });
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
