/** A tracker made of the model, for testing the histories and the judge themselves. */
import { concat } from "../support/packets.ts";
import type { Expectation } from "./model.ts";
import { Model } from "./model.ts";
import type { AccessMode, Limits, Source, Totals, TrackerUnderTest } from "./tracker.ts";

export class Reference implements TrackerUnderTest {
  readonly #model: Model;
  #idCount = 0;

  constructor(limits: Limits) {
    this.#model = new Model(limits);
  }

  handle(packet: Uint8Array, source: Source): Uint8Array | null {
    const expectation = this.#model.receive(packet, source);
    const answer = this.#answer(expectation);
    const complaint = this.#model.check(expectation, answer);
    if (complaint !== null) throw new Error(`The model refuses its own answer: ${complaint}`);
    return answer;
  }

  setNow(seconds: number): void {
    this.#model.setNow(seconds);
  }

  sweep(): void {
    this.#model.sweep();
  }

  loadAccessList(mode: AccessMode, infoHashes: readonly Uint8Array[]): void {
    this.#model.loadAccessList(mode, infoHashes);
  }

  totals(): Totals {
    return this.#model.totals();
  }

  #answer(expected: Expectation): Uint8Array | null {
    switch (expected.kind) {
      case "silence":
      case "silence or error":
        return null;
      case "connect":
        return words(0, expected.transactionId, 0x1d, ++this.#idCount);
      case "error":
        return concat(words(3, expected.transactionId), new TextEncoder().encode(expected.why));
      case "scrape":
        return words(2, expected.transactionId, ...expected.triples.flat());
      case "announce": {
        const { transactionId, intervalMin, leechers, seeders } = expected;
        const others = [...expected.swarm.peers].filter(([key]) => key !== expected.self);
        others.sort(([, a], [, b]) => a.role === b.role ? 0 : a.role < b.role ? -1 : 1);
        const peers = others.slice(0, expected.peerCount).map(([key]) => bytesOf(key));
        return concat(words(1, transactionId, intervalMin, leechers, seeders), ...peers);
      }
    }
  }
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(4 * index, value));
  return bytes;
}

function bytesOf(key: string): Uint8Array {
  return Uint8Array.from(key, (character) => character.charCodeAt(0));
}
