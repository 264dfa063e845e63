/**
 * The simulated torrents and peers, as tables that all workers share. They depend on the settings
 * and the seed only. A peer belongs to one worker, which alone changes it.
 */

import { type Popularity, popularityWeights, WeightedIndex } from "./popularity.ts";
import { createRandom, toUnit } from "./random.ts";

/** Words (u32) of an info hash. */
export const INFO_HASH_WORDS = 5;

/** The lowest and highest character of an info hash that has to be text. */
const TEXT_FIRST = 0x23; // behind the quotation mark
const TEXT_COUNT = 0x5b - 0x23; // up to the backslash

export interface PopulationOptions {
  seed: number;
  torrentCount: number;
  peerCount: number;
  popularity: Popularity;
  /** Zipf's exponent, Gamma's shape. */
  popularityParameter: number;
  /** Gamma's scale: what its 100 is the last torrent of. */
  popularityScale?: number;
  seederShare: number;
  /** Share of announces that say stopped. */
  leavingShare: number;
  /** Share of leechers' announces that say completed. */
  completingShare: number;
  /** Info hashes are printable, so that every tracker's JSON has them as they are. */
  isText?: boolean;
}

export interface Population {
  /** 5 words for each torrent. */
  infoHashes: Uint32Array<SharedArrayBuffer>;
  /** For each peer, the index of its torrent. */
  peerTorrents: Uint32Array<SharedArrayBuffer>;
  /** For each peer, its port, never 0, in any byte order. */
  peerPorts: Uint16Array<SharedArrayBuffer>;
  /** For each peer, 1: it has the whole torrent. */
  peerSeeds: Uint8Array<SharedArrayBuffer>;
  /** For each peer, 1: the tracker knows it. */
  peersPresent: Uint8Array<SharedArrayBuffer>;
  leavingShare: number;
  completingShare: number;
}

/** Makes the tables. */
export function createPopulation(options: PopulationOptions): Population {
  const { torrentCount, peerCount, leavingShare, completingShare } = options;
  const random = createRandom(options.seed);

  const infoHashes = new Uint32Array(shared(torrentCount * INFO_HASH_WORDS * 4));
  for (let word = 0; word < infoHashes.length; ++word) infoHashes[word] = random();
  if (options.isText) {
    const bytes = new Uint8Array(infoHashes.buffer);
    for (let index = 0; index < bytes.length; ++index) {
      bytes[index] = TEXT_FIRST + bytes[index]! % TEXT_COUNT;
    }
  }

  const torrents = new WeightedIndex(popularityWeights({
    popularity: options.popularity,
    torrentCount,
    peerCount,
    parameter: options.popularityParameter,
    scale: options.popularityScale,
  }));
  const peerTorrents = new Uint32Array(shared(peerCount * 4));
  const peerPorts = new Uint16Array(shared(peerCount * 2));
  const peerSeeds = new Uint8Array(shared(peerCount));
  for (let peer = 0; peer < peerCount; ++peer) {
    peerTorrents[peer] = torrents.draw(random);
    peerPorts[peer] = 1 + Math.floor(toUnit(random()) * 65535);
    peerSeeds[peer] = toUnit(random()) < options.seederShare ? 1 : 0;
  }
  const peersPresent = new Uint8Array(shared(peerCount));
  const tables = { infoHashes, peerTorrents, peerPorts, peerSeeds, peersPresent };
  return { ...tables, leavingShare, completingShare };
}

/** What a peer says in an announce, in the order of BEP 15's numbers. */
export const EVENT_NONE = 0;
export const EVENT_COMPLETED = 1;
export const EVENT_STARTED = 2;
export const EVENT_STOPPED = 3;

/** Takes a worker's peers in turn, each to its next announce. */
export class PeerTurns {
  readonly #population: Population;
  readonly #first: number;
  readonly #step: number;
  readonly #random: () => number;
  #next: number;
  /** The event of the peer that was taken last. */
  event = EVENT_NONE;

  /** @param options This client is `index` of `count`: its peers have that remainder. */
  constructor(
    population: Population,
    options: { index: number; count: number; random: () => number },
  ) {
    this.#population = population;
    this.#first = options.index;
    this.#step = options.count;
    this.#random = options.random;
    this.#next = options.index;
  }

  /** Goes on to the next peer without a word. */
  skip(): number {
    const peer = this.#next;
    this.#next += this.#step;
    if (this.#next >= this.#population.peerTorrents.length) this.#next = this.#first;
    return peer;
  }

  /** Goes on to the next peer, and decides its event. */
  take(): number {
    const peer = this.skip();
    const { peersPresent, peerSeeds, leavingShare, completingShare } = this.#population;
    if (peersPresent[peer] === 0) {
      peersPresent[peer] = 1;
      this.event = EVENT_STARTED;
    } else if (leavingShare > 0 && toUnit(this.#random()) < leavingShare) {
      peersPresent[peer] = 0;
      this.event = EVENT_STOPPED;
    } else if (
      completingShare > 0 && peerSeeds[peer] === 0 && toUnit(this.#random()) < completingShare
    ) {
      peerSeeds[peer] = 1;
      this.event = EVENT_COMPLETED;
    } else {
      this.event = EVENT_NONE;
    }
    return peer;
  }
}

function shared(byteLength: number): SharedArrayBuffer {
  return new SharedArrayBuffer(byteLength);
}
