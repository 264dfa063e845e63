/** Swarms of WebTorrent peers, and all that they are sent. */
import { toText } from "../../protocols/ws/messages.ts";
import { randomBytes } from "./packets.ts";
import type { Json, WsConnection } from "./ws_client.ts";
import type { WsRowContext } from "./ws_suite.ts";

export interface Swarm {
  infoHash: Uint8Array;
  peers: { client: WsConnection; peerId: Uint8Array }[];
}

/** A swarm of so many peers, each on a socket of its own. */
export async function makeSwarm({ open }: WsRowContext, peerCount: number): Promise<Swarm> {
  const infoHash = randomBytes(20);
  const peers = [];
  for (let index = 0; index < peerCount; index++) {
    const peer = { client: await open(), peerId: randomBytes(20) };
    await peer.client.announce({ infoHash, peerId: peer.peerId });
    peers.push(peer);
  }
  return { infoHash, peers };
}

/** What each peer has been sent until it is quiet, which is asserted. */
export async function receiveAll(swarm: Swarm): Promise<Json[][]> {
  const received: Json[][] = [];
  for (const { client } of swarm.peers) {
    const marker = toText(randomBytes(20));
    await client.sendJson({ action: "scrape", info_hash: marker });
    const messages: Json[] = [];
    while (true) {
      const message = await client.receiveJson();
      if (message.action === "scrape" && marker in (message.files as Json)) break;
      messages.push(message);
    }
    received.push(messages);
  }
  return received;
}
