/**
 * The simulated torrents and peers, as tables that all workers share. They depend on the settings
 * and the seed only.
 */

import { popularityWeights, WeightedIndex } from "./popularity.ts";
import { createRandom, toUnit } from "./random.ts";
import type { UdpLoadConfig } from "./udp_config.ts";

/** Words (u32) of an info hash. */
export const INFO_HASH_WORDS = 5;

export interface UdpWorkload {
  /** 5 words for each torrent. */
  infoHashes: Uint32Array<SharedArrayBuffer>;
  /** For each peer, the index of its torrent. */
  peerTorrents: Uint32Array<SharedArrayBuffer>;
  /** For each peer, its port, never 0, in any byte order. */
  peerPorts: Uint16Array<SharedArrayBuffer>;
  /** For each peer, 1: it has the whole torrent. */
  peerSeeds: Uint8Array<SharedArrayBuffer>;
}

/** Makes the tables. */
export function createWorkload(config: UdpLoadConfig): UdpWorkload {
  const { requests } = config;
  const torrentCount = requests.number_of_torrents;
  const peerCount = requests.number_of_peers;
  const random = createRandom(config.seed);

  const infoHashes = new Uint32Array(shared(torrentCount * INFO_HASH_WORDS * 4));
  for (let word = 0; word < infoHashes.length; ++word) infoHashes[word] = random();

  const torrents = new WeightedIndex(popularityWeights({
    popularity: requests.popularity,
    torrentCount,
    peerCount,
    parameter: requests.popularity_parameter,
  }));
  const peerTorrents = new Uint32Array(shared(peerCount * 4));
  const peerPorts = new Uint16Array(shared(peerCount * 2));
  const peerSeeds = new Uint8Array(shared(peerCount));
  for (let peer = 0; peer < peerCount; ++peer) {
    peerTorrents[peer] = torrents.draw(random);
    peerPorts[peer] = 1 + Math.floor(toUnit(random()) * 65535);
    peerSeeds[peer] = toUnit(random()) < requests.peer_seeder_probability ? 1 : 0;
  }
  return { infoHashes, peerTorrents, peerPorts, peerSeeds };
}

function shared(byteLength: number): SharedArrayBuffer {
  return new SharedArrayBuffer(byteLength);
}
