/** The WebTorrent tracker: its settings and its workers (main thread). */
import type { WsConfig } from "../../server/config/mod.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import type { Service } from "../../server/service.ts";
import { tcpService } from "../../server/tcp/service.ts";
import { startTracker } from "../../server/tracker.ts";
import { writeHttpSettings } from "../../wasm/http_core.ts";
import { writeWsSettings } from "../../wasm/ws_core.ts";

/** WebTorrent's configuration, and what it needs of HTTP's where its workers serve HTTP as well. */
export type WsPart = WsConfig & { http?: { network: { keep_alive_timeout: number } } };

/** How to start the tracker. */
export interface WsOptions {
  /** Bind even if another process has the address. */
  takeOver: boolean;
}

/**
 * Starts the WebTorrent tracker; resolves once every address is served.
 * @throws StartError naming what cannot be had: a list, a certificate, an address, memory.
 */
export async function startWs(config: WsConfig, options: WsOptions): Promise<Tracker<WsConfig>> {
  return await startTracker(config, [await wsService(config, options)]);
}

/**
 * How WebTorrent is served, alone or beside other protocols.
 * @throws StartError where the certificate cannot be had.
 */
export async function wsService(config: WsPart, options: WsOptions): Promise<Service<WsPart>> {
  const { network } = config;
  return await tcpService<WsPart>(config, {
    name: "ws",
    takeOver: options.takeOver,
    writeSettings,
    workerUrl: new URL("./worker.ts", import.meta.url),
    idleSeconds: ({ network, http }) => http?.network.keep_alive_timeout ?? network.request_timeout,
    also: {
      pingSeconds: network.websocket_ping_interval,
      servesHttp: config.http !== undefined,
    },
  });
}

function writeSettings(memory: WebAssembly.Memory, { network, protocol }: WsConfig): void {
  writeWsSettings(memory, {
    announceIntervalSeconds: protocol.peer_announce_interval,
    maxOffers: protocol.max_offers,
    maxScrapeTorrents: protocol.max_scrape_torrents,
    maxMessageBytes: network.websocket_max_message_size,
    outboxBytesMax: network.websocket_max_unsent_size,
    maxTorrentsPerConnection: network.max_torrents_per_connection,
    messagesPerSecond: network.max_messages_per_second,
  });
  // Before its upgrade a connection is one of HTTP; nobody announces or scrapes on it.
  writeHttpSettings(memory, {
    announceIntervalSeconds: protocol.peer_announce_interval,
    minAnnounceIntervalSeconds: protocol.peer_announce_interval,
    maxScrapeTorrents: 1,
    maxPeers: 0,
    defaultPeers: 0,
    maxRequestsPerConnection: 100,
    keepAlive: true,
    sameFamilyOnly: false,
    externalIp: false,
    cors: false,
    proxyProtocol: network.proxy_protocol,
  });
}
