/** One worker of the WebTorrent load test: its connections. */

import { acceptOf, createKey, writeUpgradeRequest } from "../../protocols/ws/client.ts";
import { createRandom } from "./random.ts";
import { createTcpLoop } from "./tcp_config.ts";
import type { LoadLoop, LoopOptions } from "./worker.ts";
import type { WsLoadConfig } from "./ws_config.ts";
import { OfferShelf } from "./ws_offers.ts";
import { createSdp, WsRequests } from "./ws_requests.ts";
import { WsSession } from "./ws_session.ts";

/** Makes the worker's loop. */
export async function createWsLoop(options: LoopOptions<WsLoadConfig>): Promise<LoadLoop> {
  const { config, workerIndex } = options;
  const { torrents } = config;
  const sdp = createSdp(torrents.sdp_bytes);
  const random = createRandom(config.seed * 1000 + workerIndex);
  const requests = new WsRequests({
    offerCount: torrents.offers_per_request,
    sdp,
    scrapeTorrents: torrents.scrape_max_torrents,
    mask: new Uint8Array(Uint32Array.of(random()).buffer),
  });
  const key = createKey();
  const accept = await acceptOf(key);
  const shelf = new OfferShelf();
  return createTcpLoop(options, {
    perWorker: config.num_connections_per_worker,
    create: (seat) => {
      const { hostname, port } = seat.server;
      const host = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
      const upgrade = writeUpgradeRequest(key, { host, path: config.url_path });
      return new WsSession(options, { seat, requests, sdp, upgrade, accept, shelf });
    },
  });
}
