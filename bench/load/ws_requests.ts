/**
 * WebTorrent messages as masked frames that are written once; sending one copies it and fills in
 * the ids, which are all that differs.
 */

import { writeFrame } from "../../protocols/ws/frames.ts";
import {
  type AnnounceEvent,
  writeAnnounce,
  writeAnswer,
  writeScrape,
} from "../../protocols/ws/messages.ts";
import { EVENT_COMPLETED, EVENT_NONE, EVENT_STARTED, EVENT_STOPPED } from "./population.ts";

export const ID_BYTES = 20;
const BYTES_LEFT = 50;
/** What an id is written as at first; each has a letter of its own. */
const INFO_HASH_MARK = "h".repeat(ID_BYTES);
const PEER_ID_MARK = "p".repeat(ID_BYTES);
const TO_PEER_ID_MARK = "t".repeat(ID_BYTES);
const OFFER_ID_MARK = "o".repeat(ID_BYTES);

const EVENT_NAMES: Record<number, AnnounceEvent | undefined> = {
  [EVENT_NONE]: undefined,
  [EVENT_STARTED]: "started",
  [EVENT_COMPLETED]: "completed",
  [EVENT_STOPPED]: "stopped",
};

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** A session description of this length. */
export function createSdp(byteLength: number): string {
  const line = "a=candidate:1 1 udp 2113937151 192.0.2.1 54321 typ host generation 0\r\n";
  const head = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n";
  return (head + line.repeat(Math.ceil(byteLength / line.length))).slice(0, byteLength);
}

/** A masked frame with places for ids. */
export class FrameTemplate {
  readonly #frame: Uint8Array;
  readonly #mask: Uint8Array;
  readonly #start: number;
  /** By mark, where the frame has it: offsets in the frame. */
  readonly #places: Map<string, number[]>;

  constructor(text: string, marks: readonly string[], mask: Uint8Array) {
    const payload = bytesOf(text);
    this.#mask = mask;
    this.#frame = writeFrame(payload, { mask });
    this.#start = this.#frame.length - payload.length;
    this.#places = new Map(marks.map((mark) => [mark, placesOf(text, mark, this.#start)]));
  }

  get byteLength(): number {
    return this.#frame.length;
  }

  /** Copies the frame to `at`; its ids are to be filled in. */
  copy(output: Uint8Array, at: number): void {
    output.set(this.#frame, at);
  }

  /** Writes the `index`-th id of a kind into the copy at `at`. */
  fill(
    output: Uint8Array,
    at: number,
    id: { mark: string; index: number; source: Uint8Array; offset: number },
  ): void {
    const place = this.#places.get(id.mark)![id.index]!;
    const mask = this.#mask;
    const phase = place - this.#start;
    for (let index = 0; index < ID_BYTES; ++index) {
      output[at + place + index] = id.source[id.offset + index]! ^ mask[(phase + index) & 3]!;
    }
  }
}

/** Every place of a mark. */
function placesOf(text: string, mark: string, start: number): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + mark.length)) {
    places.push(start + bytesOf(text.slice(0, at)).length);
  }
  return places;
}

export interface WsRequestOptions {
  offerCount: number;
  sdp: string;
  scrapeTorrents: number;
  mask: Uint8Array;
}

/** The frames of one worker. */
export class WsRequests {
  readonly offerCount: number;
  readonly #announces = new Map<number, FrameTemplate>();
  readonly #answer: FrameTemplate;
  readonly #scrape: FrameTemplate;
  readonly #scrapeTorrents: number;

  constructor({ offerCount, sdp, scrapeTorrents, mask }: WsRequestOptions) {
    this.offerCount = offerCount;
    this.#scrapeTorrents = scrapeTorrents;
    const infoHash = bytesOf(INFO_HASH_MARK);
    const peerId = bytesOf(PEER_ID_MARK);
    const toPeerId = bytesOf(TO_PEER_ID_MARK);
    const offerId = bytesOf(OFFER_ID_MARK);
    const marks = [INFO_HASH_MARK, PEER_ID_MARK, TO_PEER_ID_MARK, OFFER_ID_MARK];
    for (const event of [EVENT_NONE, EVENT_STARTED, EVENT_COMPLETED, EVENT_STOPPED]) {
      for (const left of [0, BYTES_LEFT]) {
        const offers = hasOffers(event)
          ? Array.from({ length: offerCount }, () => ({ offerId, sdp }))
          : [];
        const text = writeAnnounce({
          infoHash,
          peerId,
          left,
          event: EVENT_NAMES[event],
          numWant: offers.length,
          offers,
        });
        this.#announces.set(announceKey(event, left === 0), new FrameTemplate(text, marks, mask));
      }
    }
    const answer = writeAnswer({ infoHash, peerId, toPeerId, offerId, sdp });
    this.#answer = new FrameTemplate(answer, marks, mask);
    const scrape = writeScrape(Array.from({ length: scrapeTorrents }, () => infoHash));
    this.#scrape = new FrameTemplate(scrape, marks, mask);
  }

  /** Bytes of the longest request. */
  get byteLengthMax(): number {
    const announce = this.#announces.get(announceKey(EVENT_COMPLETED, false))!.byteLength +
      this.#announces.get(announceKey(EVENT_STARTED, false))!.byteLength;
    return Math.max(announce, this.#scrape.byteLength);
  }

  get answerByteLength(): number {
    return this.#answer.byteLength;
  }

  /** Writes an announce. @param offerIds One id after the other. @returns The end of it. */
  writeAnnounce(output: Uint8Array, at: number, announce: {
    event: number;
    isSeeder: boolean;
    hashes: Uint8Array;
    hashOffset: number;
    peerId: Uint8Array;
    offerIds: Uint8Array;
  }): number {
    const template = this.#announces.get(announceKey(announce.event, announce.isSeeder))!;
    template.copy(output, at);
    template.fill(output, at, {
      mark: INFO_HASH_MARK,
      index: 0,
      source: announce.hashes,
      offset: announce.hashOffset,
    });
    template.fill(output, at, {
      mark: PEER_ID_MARK,
      index: 0,
      source: announce.peerId,
      offset: 0,
    });
    const offerCount = hasOffers(announce.event) ? this.offerCount : 0;
    for (let index = 0; index < offerCount; ++index) {
      const offset = index * ID_BYTES;
      template.fill(output, at, { mark: OFFER_ID_MARK, index, source: announce.offerIds, offset });
    }
    return at + template.byteLength;
  }

  /** Writes an answer to an offer that came as text. @returns The end of it. */
  writeAnswer(output: Uint8Array, at: number, answer: {
    infoHash: string;
    peerId: Uint8Array;
    toPeerId: string;
    offerId: string;
  }): number {
    const template = this.#answer;
    template.copy(output, at);
    const fill = (mark: string, source: Uint8Array) =>
      template.fill(output, at, { mark, index: 0, source, offset: 0 });
    fill(PEER_ID_MARK, answer.peerId);
    fill(INFO_HASH_MARK, latin1(answer.infoHash));
    fill(TO_PEER_ID_MARK, latin1(answer.toPeerId));
    fill(OFFER_ID_MARK, latin1(answer.offerId));
    return at + template.byteLength;
  }

  /** Writes a scrape of torrents. @returns The end of it. */
  writeScrape(
    output: Uint8Array,
    at: number,
    { hashes, torrent }: { hashes: Uint8Array; torrent: () => number },
  ): number {
    this.#scrape.copy(output, at);
    for (let index = 0; index < this.#scrapeTorrents; ++index) {
      const offset = torrent() * ID_BYTES;
      this.#scrape.fill(output, at, { mark: INFO_HASH_MARK, index, source: hashes, offset });
    }
    return at + this.#scrape.byteLength;
  }
}

/** Clients make no offers in their last announces. */
function hasOffers(event: number): boolean {
  return event === EVENT_NONE || event === EVENT_STARTED;
}

function announceKey(event: number, isSeeder: boolean): number {
  return event * 2 + (isSeeder ? 1 : 0);
}

const scratch = new Uint8Array(ID_BYTES);

/** Bytes of a printable id, valid until the next call. */
function latin1(text: string): Uint8Array {
  for (let index = 0; index < ID_BYTES; ++index) scratch[index] = text.charCodeAt(index);
  return scratch;
}
