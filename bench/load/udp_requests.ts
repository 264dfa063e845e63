/**
 * The requests of one socket: a ring of datagrams whose kinds, lengths and constant bytes are
 * written once. Sending one fills in what differs: a dozen words.
 */

import * as client from "../../protocols/udp/client.ts";
import { MessageBatch } from "../../protocols/udp/message_batch.ts";
import { INFO_HASH_WORDS, PeerTurns, type Population } from "./population.ts";
import { createRandom, shuffle, toUnit } from "./random.ts";
import type { UdpLoadConfig } from "./udp_config.ts";

/** Requests in the ring: enough for a share of 1 in 101 to come out right within 1 %. */
const RING_LENGTH = 512;

const TRANSACTION_ID_WORD = client.REQUEST_TRANSACTION_ID / 4;
const INFO_HASH_WORD = client.ANNOUNCE_INFO_HASH / 4;
/** The last 4 of the 20 bytes differ from peer to peer. */
const PEER_ID_WORD = (client.ANNOUNCE_PEER_ID + 16) / 4;
const LEFT_BYTE = client.ANNOUNCE_LEFT + 7;
const EVENT_BYTE = client.ANNOUNCE_EVENT + 3;
const PORT_HALF = client.ANNOUNCE_PORT / 2;
const BYTES_LEFT = 50;

export interface RequestRingOptions {
  config: UdpLoadConfig;
  population: Population;
  /** Which of all sockets this is: its peers are those whose index has this remainder. */
  socketIndex: number;
  socketCount: number;
}

/** The requests of one socket, in an endless circle. */
export class RequestRing {
  readonly batch: MessageBatch;
  /** By position: what kind of request it is (`client.ACTION_*`). */
  readonly kinds: Uint8Array;
  /** By position: bytes. */
  readonly lengths: Uint16Array;
  /** By position: how many items its answer may hold (announce), or holds (scrape). */
  readonly itemCounts: Uint32Array;
  /** The next position. */
  position = 0;

  readonly #population: Population;
  readonly #turns: PeerTurns;
  readonly #words: Uint32Array;
  readonly #halves: Uint16Array;
  readonly #bytes: Uint8Array;

  constructor(options: RequestRingOptions) {
    const { config, population } = options;
    const { requests } = config;
    const random = createRandom(config.seed * 1000 + options.socketIndex);
    this.#population = population;
    this.#turns = new PeerTurns(population, {
      index: options.socketIndex,
      count: options.socketCount,
      random: createRandom(config.seed * 1000 + options.socketIndex + 500_000),
    });
    this.batch = new MessageBatch({
      count: RING_LENGTH,
      payloadBytes: Math.max(
        client.ANNOUNCE_REQUEST_BYTE_LENGTH,
        client.scrapeRequestByteLength(requests.scrape_max_torrents),
      ),
      names: false,
      control: false,
    });
    this.#words = this.batch.words;
    this.#bytes = this.batch.bytes;
    this.#halves = new Uint16Array(this.batch.bytes.buffer);
    this.kinds = createKinds(requests, random);
    this.lengths = new Uint16Array(RING_LENGTH);
    this.itemCounts = new Uint32Array(RING_LENGTH);
    this.kinds.forEach((kind, position) => {
      const torrentCount = 1 + Math.floor(toUnit(random()) * requests.scrape_max_torrents);
      this.#prepare(position, { kind, torrentCount, numWant: requests.announce_peers_wanted });
    });
  }

  /** How many requests follow without a gap in the headers. */
  get contiguousCount(): number {
    return RING_LENGTH - this.position;
  }

  /** The headers from the next position on. */
  get headers(): bigint {
    return this.batch.headers + BigInt(this.position * 64);
  }

  /** Goes on by as many requests as were sent. */
  advance(count: number): void {
    this.position = (this.position + count) % RING_LENGTH;
  }

  /** Fills in the request at a position; connection and transaction ids are opaque words. */
  fill(position: number, transactionId: number, connectionId: Uint32Array): void {
    const words = this.#words;
    const offset = this.batch.payloadOffset + position * this.batch.payloadStride;
    const word = offset >>> 2;
    words[word + TRANSACTION_ID_WORD] = transactionId;
    const kind = this.kinds[position]!;
    if (kind === client.ACTION_CONNECT) return;
    words[word] = connectionId[0]!;
    words[word + 1] = connectionId[1]!;
    if (kind === client.ACTION_ANNOUNCE) this.#fillAnnounce(offset);
    else this.#fillScrape(word, this.itemCounts[position]!);
  }

  #fillAnnounce(offset: number): void {
    const population = this.#population;
    const peer = this.#turns.take();
    const isSeeder = population.peerSeeds[peer] === 1;
    this.#copyInfoHash((offset >>> 2) + INFO_HASH_WORD, population.peerTorrents[peer]!);
    this.#words[(offset >>> 2) + PEER_ID_WORD] = peer;
    this.#bytes[offset + LEFT_BYTE] = isSeeder ? 0 : BYTES_LEFT;
    this.#bytes[offset + EVENT_BYTE] = this.#turns.event;
    this.#halves[(offset >>> 1) + PORT_HALF] = population.peerPorts[peer]!;
  }

  /** Torrents of peers are as popular in scrapes as they are in announces. */
  #fillScrape(word: number, torrentCount: number): void {
    for (let index = 0; index < torrentCount; ++index) {
      const torrent = this.#population.peerTorrents[this.#turns.skip()]!;
      this.#copyInfoHash(word + INFO_HASH_WORD + index * INFO_HASH_WORDS, torrent);
    }
  }

  #copyInfoHash(target: number, torrent: number): void {
    const { infoHashes } = this.#population;
    const source = torrent * INFO_HASH_WORDS;
    const words = this.#words;
    words[target] = infoHashes[source]!;
    words[target + 1] = infoHashes[source + 1]!;
    words[target + 2] = infoHashes[source + 2]!;
    words[target + 3] = infoHashes[source + 3]!;
    words[target + 4] = infoHashes[source + 4]!;
  }

  /** Writes what stays the same. */
  #prepare(
    position: number,
    { kind, torrentCount, numWant }: { kind: number; torrentCount: number; numWant: number },
  ): void {
    const payload = this.batch.payload(position);
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const connectionId = new Uint8Array(8);
    const infoHash = new Uint8Array(client.INFO_HASH_BYTE_LENGTH);
    let byteLength: number;
    switch (kind) {
      case client.ACTION_CONNECT:
        byteLength = client.writeConnectRequest(view, 0);
        break;
      case client.ACTION_ANNOUNCE:
        byteLength = client.writeAnnounceRequest(view, {
          connectionId,
          transactionId: 0,
          infoHash,
          peerId: new TextEncoder().encode("-RT0001-load-tes...."),
          port: 0,
          left: 0n,
          numWant,
        });
        // A default is at most what fits a datagram.
        this.itemCounts[position] = numWant < 0 ? 255 : numWant;
        break;
      default: {
        const infoHashes = Array.from({ length: torrentCount }, () => infoHash);
        byteLength = client.writeScrapeRequest(view, {
          connectionId,
          transactionId: 0,
          infoHashes,
        });
        this.itemCounts[position] = torrentCount;
      }
    }
    this.lengths[position] = byteLength;
    this.batch.setPayloadLength(position, byteLength);
  }
}

/** As many requests of each kind as their weights say, in random order. */
function createKinds(
  requests: UdpLoadConfig["requests"],
  random: () => number,
): Uint8Array<ArrayBuffer> {
  const { weight_connect, weight_announce, weight_scrape } = requests;
  const total = weight_connect + weight_announce + weight_scrape;
  const scale = RING_LENGTH / total;
  const connectEnd = Math.round(weight_connect * scale);
  const scrapeEnd = connectEnd + Math.round(weight_scrape * scale);
  const kinds = new Uint8Array(RING_LENGTH);
  const rest = weight_announce > 0 ? client.ACTION_ANNOUNCE : client.ACTION_SCRAPE;
  kinds.fill(client.ACTION_CONNECT, 0, connectEnd);
  kinds.fill(client.ACTION_SCRAPE, connectEnd, scrapeEnd);
  kinds.fill(weight_announce + weight_scrape > 0 ? rest : client.ACTION_CONNECT, scrapeEnd);
  return shuffle(kinds, random);
}
