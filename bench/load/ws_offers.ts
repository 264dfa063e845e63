/** The ids of a connection's offers, and when each was made. */

import { ID_BYTES } from "./ws_requests.ts";

/** Announces whose offers are remembered; answers to older ones are late. */
const BATCHES = 256;

/*
 * An id: 6 digits of the connection, 10 of the batch, 2 of the offer in it, "OF".
 */
const CONNECTION_DIGITS = 6;
const BATCH_DIGITS = 10;

/** Books of one worker's connections, by the digits that their ids begin with. */
export class OfferShelf {
  readonly #books = new Map<string, OfferBook>();

  /** Opens a connection's book. */
  open(connectionIndex: number, offerCount: number): OfferBook {
    const book = new OfferBook(connectionIndex, offerCount);
    this.#books.set(digitsOf(connectionIndex), book);
    return book;
  }

  /** When an offer of this worker was made, 0 for one that is too old, undefined for none. */
  madeAt(id: string): number | undefined {
    return this.#books.get(id.slice(0, CONNECTION_DIGITS))?.madeAt(id);
  }
}

function digitsOf(connectionIndex: number): string {
  return String(connectionIndex).padStart(CONNECTION_DIGITS, "0");
}

/** Makes ids, and takes them back once each. */
export class OfferBook {
  readonly #ids: Uint8Array;
  readonly #connection: string;
  readonly #timesMs = new Float64Array(BATCHES);
  /** By batch, a bit for each offer that has been answered. */
  readonly #answered = new Uint32Array(BATCHES);
  readonly #offerCount: number;
  #batch = 0;

  constructor(connectionIndex: number, offerCount: number) {
    this.#connection = digitsOf(connectionIndex);
    this.#offerCount = offerCount;
    this.#ids = new Uint8Array(offerCount * ID_BYTES);
    for (let offer = 0; offer < offerCount; ++offer) {
      const number = String(offer).padStart(2, "0");
      const id = `${this.#connection}${"0".repeat(BATCH_DIGITS)}${number}OF`;
      this.#ids.set(new TextEncoder().encode(id), offer * ID_BYTES);
    }
  }

  /** Makes the ids of the next announce, one after the other, valid until the next call. */
  make(nowMs: number): Uint8Array {
    const slot = ++this.#batch % BATCHES;
    this.#timesMs[slot] = nowMs;
    this.#answered[slot] = 0;
    for (let offer = 0; offer < this.#offerCount; ++offer) {
      let rest = this.#batch;
      const start = offer * ID_BYTES + CONNECTION_DIGITS;
      for (let digit = BATCH_DIGITS - 1; digit >= 0; --digit) {
        this.#ids[start + digit] = 0x30 + rest % 10;
        rest = Math.floor(rest / 10);
      }
    }
    return this.#ids;
  }

  /**
   * Takes the answer to an offer.
   * @returns When it was made, 0 for one that is too old to remember; undefined: there was none of
   * that id, or it has been answered.
   */
  take(id: string): number | undefined {
    const found = this.#find(id);
    if (found === undefined) return undefined;
    if (found.isOld) return 0;
    const bit = 1 << found.offer;
    if ((this.#answered[found.slot]! & bit) !== 0) return undefined;
    this.#answered[found.slot]! |= bit;
    return this.#timesMs[found.slot]!;
  }

  /** When an offer was made, 0 for one that is too old to remember; undefined: there was none. */
  madeAt(id: string): number | undefined {
    const found = this.#find(id);
    if (found === undefined) return undefined;
    return found.isOld ? 0 : this.#timesMs[found.slot]!;
  }

  #find(id: string): { slot: number; offer: number; isOld: boolean } | undefined {
    const match = /^(\d{6})(\d{10})(\d\d)OF$/.exec(id);
    if (match === null || match[1] !== this.#connection) return undefined;
    const [batch, offer] = [Number(match[2]), Number(match[3])];
    if (batch < 1 || batch > this.#batch || offer >= this.#offerCount) return undefined;
    return { slot: batch % BATCHES, offer, isOld: batch <= this.#batch - BATCHES };
  }
}
