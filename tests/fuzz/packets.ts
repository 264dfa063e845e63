/**
 * Packets for the fuzzer, made in place in one buffer: well-formed ones by the grammar of BEP 15
 * and BEP 41, mutations of those, and random bytes.
 */
import {
  ACTION_ANNOUNCE,
  ACTION_CONNECT,
  ACTION_SCRAPE,
  ANNOUNCE_BYTE_LENGTH,
  PROTOCOL_ID,
} from "../support/packets.ts";
import { DATAGRAM_MAX } from "../model/codec.ts";
import type { Random } from "./random.ts";

const EXTREMES = [0, 1, 2, 3, 4, 0x7f, 0xff, 0x7fffffff, 0x80000000, 0xffff0000, 0xffffffff];
const WANTS = [-1, 0, 1, 2, 3, 50, 200, 1000, 0x7fffffff, -0x80000000];
const LEFTS = [[0, 0], [0, 0], [0, 16384], [1, 0], [0x80000000, 0], [0xffffffff, 0xffffffff]];
const EVENTS = [0, 0, 1, 1, 2, 2, 3, 4, 5, 0xffffffff];
/** Where the words of requests begin; the announce's are in reach of `left`, event, port. */
const WORDS = [0, 4, 8, 12, 16, 56, 60, 64, 68, 72, 76, 80, 84, 88, 92, 94];

export class PacketMaker {
  readonly #random: Random;
  readonly #bytes = new Uint8Array(DATAGRAM_MAX);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #infoHashes: readonly Uint8Array[];

  constructor(random: Random, infoHashes: readonly Uint8Array[]) {
    this.#random = random;
    this.#infoHashes = infoHashes;
  }

  /** The next packet, valid until the one after it. */
  next(connectionId: Uint8Array): Uint8Array {
    switch (this.#random.below(8)) {
      case 0:
        return this.#bytes.subarray(0, this.#randomBytes(connectionId));
      case 1:
      case 2:
      case 3:
        return this.#bytes.subarray(0, this.#mutate(this.#request(connectionId)));
      default:
        return this.#bytes.subarray(0, this.#request(connectionId));
    }
  }

  #request(connectionId: Uint8Array): number {
    const kind = this.#random.below(16);
    if (kind === 0) return this.#connect();
    return kind < 4 ? this.#scrape(connectionId) : this.#announce(connectionId);
  }

  #connect(): number {
    this.#view.setBigUint64(0, PROTOCOL_ID);
    this.#view.setUint32(8, ACTION_CONNECT);
    this.#view.setUint32(12, this.#random.bits());
    return 16;
  }

  #header(connectionId: Uint8Array, action: number): void {
    this.#bytes.set(connectionId);
    this.#view.setUint32(8, action);
    this.#view.setUint32(12, this.#random.bits());
  }

  #scrape(connectionId: Uint8Array): number {
    this.#header(connectionId, ACTION_SCRAPE);
    const most = this.#random.oneIn(16) ? 101 : 6;
    const end = 16 + 20 * this.#random.below(most);
    for (let at = 16; at < end; at += 20) this.#infoHash(at);
    return end;
  }

  #announce(connectionId: Uint8Array): number {
    const random = this.#random;
    const view = this.#view;
    this.#header(connectionId, ACTION_ANNOUNCE);
    this.#infoHash(16);
    const [upper, lower] = random.pick(LEFTS);
    view.setUint32(64, upper);
    view.setUint32(68, lower);
    view.setUint32(80, random.pick(EVENTS));
    view.setUint32(84, random.bits());
    view.setInt32(92, random.pick(WANTS));
    view.setUint16(96, random.oneIn(64) ? 0 : 6881 + random.below(4));
    return random.oneIn(3) ? this.#options(ANNOUNCE_BYTE_LENGTH) : ANNOUNCE_BYTE_LENGTH;
  }

  /** BEP 41 options, mostly sound ones. */
  #options(start: number): number {
    const random = this.#random;
    let at = start;
    for (let count = random.below(5); count > 0; --count) {
      const option = random.oneIn(8) ? random.below(256) : random.below(4);
      this.#bytes[at++] = option;
      if (option < 2) continue;
      const length = random.oneIn(16) ? random.below(256) : random.below(20);
      this.#bytes[at++] = length;
      if (random.oneIn(16)) return at;
      random.fill(this.#bytes.subarray(at, at + length));
      at += length;
    }
    return at;
  }

  #infoHash(at: number): void {
    this.#bytes.set(this.#random.pick(this.#infoHashes), at);
  }

  /** Random bytes, sometimes behind a plausible header. */
  #randomBytes(connectionId: Uint8Array): number {
    const random = this.#random;
    const length = random.below(random.oneIn(64) ? DATAGRAM_MAX + 1 : 140);
    random.fill(this.#bytes.subarray(0, length));
    if (random.oneIn(2)) this.#view.setUint32(8, random.below(5));
    if (random.oneIn(2)) this.#bytes.set(connectionId);
    return length;
  }

  /** Damages a request of `length` bytes in one to three ways; returns its new length. */
  #mutate(length: number): number {
    const random = this.#random;
    for (let count = 1 + random.below(3); count > 0; --count) {
      switch (random.below(5)) {
        case 0:
          for (let bits = 1 + random.below(4); bits > 0; --bits) {
            this.#bytes[random.below(length + 1)] ^= 1 << random.below(8);
          }
          break;
        case 1:
          length = random.below(length + 1);
          break;
        case 2: {
          const most = random.oneIn(32) ? DATAGRAM_MAX : length + 32;
          const extended = length + random.below(Math.min(most, DATAGRAM_MAX) - length + 1);
          random.fill(this.#bytes.subarray(length, extended));
          length = extended;
          break;
        }
        case 3:
          this.#view.setUint32(random.pick(WORDS), random.pick(EXTREMES));
          break;
        default:
          // A piece of the packet over another one.
          this.#bytes.copyWithin(random.below(100), random.below(100), random.below(100) + 16);
      }
    }
    return length;
  }
}
