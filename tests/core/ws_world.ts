/** A swarm of WebTorrent peers on workers' cores, and what its peers say most. */
import { strict as assert } from "node:assert";
import { compileCore } from "./harness.ts";
import {
  binaryString,
  description,
  jsonOf,
  type Peer,
  WsHarness,
  type WsHarnessOptions,
} from "./ws_harness.ts";

const RELEASE = await compileCore("release");
export const HASH = binaryString(1);

export interface Fields {
  [name: string]: unknown;
}

/** A harness and what its peers say most. */
export class World {
  readonly harness: WsHarness;

  constructor(options?: WsHarnessOptions) {
    this.harness = new WsHarness(RELEASE, options);
  }

  connect(workerIndex = 0): Peer {
    return this.harness.connect(workerIndex);
  }

  /** Announces; returns the reply, relays to others left where they are. */
  announce(peer: Peer, id: number, fields: Fields = {}) {
    const message = {
      action: "announce",
      info_hash: HASH,
      peer_id: peerId(id),
      left: 1,
      ...fields,
    };
    const sent = this.harness.say(peer, message).map(jsonOf);
    assert.equal(sent.length, 1, "One reply");
    return sent[0];
  }

  counts(hash = HASH) {
    const peer = this.connect();
    const [answer] = this.harness.say(peer, { action: "scrape", info_hash: hash }).map(jsonOf);
    this.harness.close(peer);
    return answer.files[hash];
  }
}

export function peerId(id: number): string {
  return binaryString(id, "p");
}

export function offers(count: number, first = 0): Fields[] {
  return Array.from({ length: count }, (_, index) => ({
    offer_id: binaryString(first + index, "o"),
    offer: description("offer", 300, index),
  }));
}

/** Relays among what a peer has received since; replies carry an interval. */
export function relaysOf(peer: Peer) {
  return peer.received.map(jsonOf).filter((message) => message.interval === undefined);
}
