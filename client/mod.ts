/**
 * Asks trackers: announce and scrape over UDP (BEP 15), over HTTP and HTTPS (BEP 3, 48), and over
 * WebSocket (WebTorrent), whoever wrote the tracker.
 *
 * @example Announce as a seeder and print who else is there
 * ```ts
 * import { announce } from "@riptide/tracker/client";
 *
 * const answer = await announce("udp://127.0.0.1:3000/announce", {
 *   infoHash: "0123456789abcdef0123456789abcdef01234567",
 *   port: 6881,
 *   left: 0,
 * });
 * for (const { address, port } of answer.peers) console.log(address, port);
 * ```
 *
 * Needs `--allow-net`, for UDP with `--unstable-net`.
 * @module
 */
import { announceOverHttp, scrapeOverHttp } from "./http.ts";
import { toBytes, TrackerError } from "./types.ts";
import type { AnnounceAnswer, AnnounceOptions, AskOptions, ScrapeCounts } from "./types.ts";
import { announceOverUdp, scrapeOverUdp } from "./udp.ts";
import { announceOverWs, scrapeOverWs } from "./ws.ts";

export { TrackerError };
export type { AnnounceAnswer, AnnounceOptions, AskOptions, ScrapeCounts };
export type { AnnounceEvent, PeerAddress } from "./types.ts";

/**
 * Announces a peer to the tracker of a URL (`udp:`, `http:`, `https:`, `ws:` or `wss:`). WebTorrent
 * trackers tell the counts and list no peers, and forget the peer once they have answered.
 * @throws {TrackerError} The tracker refused, or did not answer.
 */
export async function announce(
  url: string | URL,
  options: AnnounceOptions,
): Promise<AnnounceAnswer> {
  const tracker = new URL(url);
  const request = {
    ...options,
    infoHash: toBytes(options.infoHash),
    peerId: options.peerId ?? crypto.getRandomValues(new Uint8Array(20)),
  };
  return await clientOf(tracker).announce(tracker, request);
}

/**
 * Asks for the counts of torrents. Of an HTTP tracker the URL is that of its announces: its last
 * `announce` is replaced by `scrape` (BEP 48).
 * @returns The counts by info hash, as 40 hexadecimal digits in lower case.
 * @throws {TrackerError} The tracker refused, or did not answer.
 */
export async function scrape(
  url: string | URL,
  infoHashes: readonly (string | Uint8Array)[],
  options: AskOptions = {},
): Promise<Map<string, ScrapeCounts>> {
  const tracker = new URL(url);
  return await clientOf(tracker).scrape(tracker, infoHashes.map(toBytes), options);
}

const OVER_HTTP = { announce: announceOverHttp, scrape: scrapeOverHttp };
const OVER_WS = { announce: announceOverWs, scrape: scrapeOverWs };
const CLIENTS = new Map([
  ["udp:", { announce: announceOverUdp, scrape: scrapeOverUdp }],
  ["http:", OVER_HTTP],
  ["https:", OVER_HTTP],
  ["ws:", OVER_WS],
  ["wss:", OVER_WS],
]);

function clientOf({ protocol, href }: URL): typeof OVER_HTTP {
  const client = CLIENTS.get(protocol);
  if (client !== undefined) return client;
  throw new TypeError(`Cannot ask ${href}: expected udp:, http:, https:, ws: or wss:`);
}
