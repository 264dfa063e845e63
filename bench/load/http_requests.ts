/**
 * HTTP requests as bytes, without a string on the way. The constant parts come from the protocol's
 * client half: a request is what that writes for the same peer.
 */

import { writeAnnounceRequest, writeScrapeRequest } from "../../protocols/http/client.ts";
import {
  EVENT_COMPLETED,
  EVENT_STARTED,
  EVENT_STOPPED,
  INFO_HASH_WORDS,
  type PeerTurns,
  type Population,
} from "./population.ts";

/** Digits of a peer's number at the end of its id. */
const PEER_DIGITS = 12;
const PEER_ID_START = "-RT0001-";
const HASH_BYTES = INFO_HASH_WORDS * 4;

const encoder = new TextEncoder();
const EVENTS: Record<number, Uint8Array> = {
  [EVENT_STARTED]: encoder.encode("&event=started"),
  [EVENT_COMPLETED]: encoder.encode("&event=completed"),
  [EVENT_STOPPED]: encoder.encode("&event=stopped"),
};

/** The three characters of every percent-encoded byte. */
const ENCODED = encoder.encode(
  Array.from({ length: 256 }, (_, byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
);

export interface HttpRequestOptions {
  population: Population;
  turns: PeerTurns;
  host: string;
  suffix: string;
  close: boolean;
  numWant: number;
  /** Torrents in a scrape. */
  scrapeTorrents: number;
}

/** Writes one connection's requests. */
export class HttpRequestWriter {
  readonly #population: Population;
  readonly #hashes: Uint8Array;
  readonly #turns: PeerTurns;
  readonly #scrapeTorrents: number;
  /** What stands between the parts that change. */
  readonly #announce: Uint8Array[];
  readonly #scrape: Uint8Array[];

  constructor(options: HttpRequestOptions) {
    const { host, suffix, close, numWant } = options;
    this.#population = options.population;
    this.#hashes = new Uint8Array(options.population.infoHashes.buffer);
    this.#turns = options.turns;
    this.#scrapeTorrents = options.scrapeTorrents;
    const infoHash = encoder.encode("h".repeat(HASH_BYTES));
    const peerId = encoder.encode("i".repeat(HASH_BYTES));
    const announce = writeAnnounceRequest(
      { infoHash, peerId, port: 65535, left: 987654, numWant },
      {
        host,
        close,
        path: `/announce${suffix}`,
      },
    );
    const scrape = writeScrapeRequest([infoHash], { host, close, path: `/scrape${suffix}` });
    this.#announce = split(announce, ["h".repeat(20), "i".repeat(20), "65535", "987654"]);
    this.#scrape = split(scrape, ["h".repeat(20)]);
  }

  /** Writes the next peer's announce. @returns The end of it. */
  writeAnnounce(output: Uint8Array, start: number): number {
    const population = this.#population;
    const [head, toPeerId, toPort, toLeft, tail] = this.#announce;
    const peer = this.#turns.take();
    let at = put(output, start, head!);
    at = this.#putInfoHash(output, at, population.peerTorrents[peer]!);
    at = put(output, at, toPeerId!);
    for (let index = 0; index < PEER_ID_START.length; ++index) {
      output[at++] = PEER_ID_START.charCodeAt(index);
    }
    at = putPadded(output, at, peer);
    at = put(output, at, toPort!);
    at = putDecimal(output, at, population.peerPorts[peer]!);
    at = put(output, at, toLeft!);
    at = putDecimal(output, at, population.peerSeeds[peer] === 1 ? 0 : 50);
    const event = EVENTS[this.#turns.event];
    if (event !== undefined) at = put(output, at, event);
    return put(output, at, tail!);
  }

  /** Writes a scrape of the next peers' torrents. @returns The end of it. */
  writeScrape(output: Uint8Array, start: number): number {
    const [head, tail] = this.#scrape;
    let at = put(output, start, head!);
    for (let index = 0; index < this.#scrapeTorrents; ++index) {
      if (index > 0) at = put(output, at, ANOTHER);
      at = this.#putInfoHash(output, at, this.#population.peerTorrents[this.#turns.skip()]!);
    }
    return put(output, at, tail!);
  }

  #putInfoHash(output: Uint8Array, start: number, torrent: number): number {
    const hashes = this.#hashes;
    let at = start;
    for (let index = torrent * HASH_BYTES; index < (torrent + 1) * HASH_BYTES; ++index) {
      const code = hashes[index]! * 3;
      output[at] = ENCODED[code]!;
      output[at + 1] = ENCODED[code + 1]!;
      output[at + 2] = ENCODED[code + 2]!;
      at += 3;
    }
    return at;
  }
}

const ANOTHER = encoder.encode("&info_hash=");

/** Cuts a text at marks that it holds in this order. */
function split(text: string, marks: readonly string[]): Uint8Array[] {
  const parts: string[] = [];
  let rest = text;
  for (const mark of marks) {
    const at = rest.indexOf(mark);
    if (at < 0) throw new Error(`The client half writes no ${mark}`);
    parts.push(rest.slice(0, at));
    rest = rest.slice(at + mark.length);
  }
  return [...parts, rest].map((part) => encoder.encode(part));
}

function put(output: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let index = 0; index < bytes.length; ++index) output[at + index] = bytes[index]!;
  return at + bytes.length;
}

/** Always twelve digits. */
function putPadded(output: Uint8Array, at: number, value: number): number {
  let rest = value;
  for (let index = PEER_DIGITS - 1; index >= 0; --index) {
    output[at + index] = 0x30 + rest % 10;
    rest = Math.floor(rest / 10);
  }
  return at + PEER_DIGITS;
}

/** Up to five digits. */
function putDecimal(output: Uint8Array, start: number, value: number): number {
  let at = start;
  for (let unit = 10_000; unit > 1; unit = unit / 10) {
    if (value >= unit) output[at++] = 0x30 + Math.floor(value / unit) % 10;
  }
  output[at++] = 0x30 + value % 10;
  return at;
}
