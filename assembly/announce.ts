/**
 * The tracker's rules, blind to protocols (protocols.md D): an ANNOUNCE record in, counts and peers
 * out.
 *
 * The announcer's own entry is counted in the answer and never returned to it. An announce that
 * cannot be stored for want of memory is answered all the same.
 */
import {
  ANNOUNCE_COMPLETED,
  ANNOUNCE_EXTRA,
  ANNOUNCE_INFO_HASH,
  ANNOUNCE_KEY,
  ANNOUNCE_KIND,
  ANNOUNCE_LEECHERS,
  ANNOUNCE_OTHER_PEERS,
  ANNOUNCE_OTHER_WANT,
  ANNOUNCE_OUT,
  ANNOUNCE_PEER_IDS,
  ANNOUNCE_PEERS,
  ANNOUNCE_ROLE,
  ANNOUNCE_SEEDERS,
  ANNOUNCE_TORRENT_COMPLETED,
  ANNOUNCE_WANT,
  CONTROL_NOW,
  COUNT_COMPLETED,
  COUNT_MEMORY_FULL,
  COUNT_PEERS_SENT,
  COUNT_SWARM_FULL,
  KIND_IPV4,
  KIND_IPV6,
  KIND_WEBTORRENT,
  LIMIT,
  OK,
  ROLE_PARTIAL_SEED,
  ROLE_SEEDER,
  ROLE_STOPPED,
  TORRENT_COMPLETED,
  TORRENT_LAST_ANNOUNCE,
  TORRENT_SWARMS,
} from "./layout";
import { count, countMany, countPeerAdded, countPeersRemoved } from "./counters";
import { lockShard, unlockShard } from "./lock";
import { extraByteLength, keyByteLength } from "./peer_block";
import {
  deletePeer,
  foundBlock,
  foundCompleted,
  foundIndex,
  foundIsNew,
  insertPeer,
  swarmPeers,
  swarmRole,
} from "./peer_table";
import { samplePeers } from "./sample";
import { addTorrent, findTorrent, hashInfoHash, shardOf } from "./torrent_table";

/** The block that holds the announcer, 0 where it was not stored: scratch of this instance. */
let ownBlock: usize = 0;

/**
 * Carries out the announce in the record at `request`, whose answer fields it fills: counts and
 * peers of the announcer's family.
 * @param hash Table hash of its info hash.
 */
export function announce(worker: usize, request: usize, hash: u64): void {
  const shard = beginAnnounce(worker, request, hash);
  const torrent = findTorrent(shard, hash, load<u32>(request, ANNOUNCE_INFO_HASH));
  if (load<u32>(request, ANNOUNCE_ROLE) == ROLE_STOPPED) {
    if (torrent != 0) leave(worker, torrent, request);
  } else {
    const joined = join(worker, shard, torrent, request, hash);
    if (joined != 0) {
      const kind = load<u32>(request, ANNOUNCE_KIND);
      const want = load<u32>(request, ANNOUNCE_WANT);
      store<u32>(request, 0, ANNOUNCE_PEER_IDS);
      store<u32>(request, answerPeers(worker, joined, request, kind, want, 0), ANNOUNCE_PEERS);
    }
  }
  unlockShard(worker, shard);
}

/**
 * The same for protocols whose answers carry both families: counts are sums. Of the peers that
 * ANNOUNCE_WANT asks for, the other family gets up to ANNOUNCE_OTHER_WANT places, and those that
 * the own one leaves empty; they stand behind those of the own family, in ANNOUNCE_OUT as in
 * ANNOUNCE_PEER_IDS.
 */
export function announceBoth(worker: usize, request: usize, hash: u64): void {
  const shard = beginAnnounce(worker, request, hash);
  store<u32>(request, 0, ANNOUNCE_OTHER_PEERS);
  store<u32>(request, 0, ANNOUNCE_TORRENT_COMPLETED);
  let torrent = findTorrent(shard, hash, load<u32>(request, ANNOUNCE_INFO_HASH));
  if (load<u32>(request, ANNOUNCE_ROLE) == ROLE_STOPPED) {
    if (torrent != 0) leave(worker, torrent, request);
  } else {
    torrent = join(worker, shard, torrent, request, hash);
    if (torrent != 0) answerBoth(worker, torrent, request);
  }
  if (torrent != 0) {
    store<u32>(request, load<u32>(torrent, TORRENT_COMPLETED), ANNOUNCE_TORRENT_COMPLETED);
    addCounts(request, load<u32>(swarmPtr(torrent, otherFamily(request))));
  }
  unlockShard(worker, shard);
}

/** Locks the torrent's shard and zeroes the answer. */
export function beginAnnounce(worker: usize, request: usize, hash: u64): usize {
  const shard = shardOf(hash);
  store<u32>(request, 0, ANNOUNCE_SEEDERS);
  store<u32>(request, 0, ANNOUNCE_LEECHERS);
  store<u32>(request, 0, ANNOUNCE_PEERS);
  lockShard(worker, shard);
  return shard;
}

export function swarmPtr(torrent: usize, kind: u32): usize {
  return torrent + TORRENT_SWARMS + (kind << 2);
}

function otherFamily(request: usize): u32 {
  return load<u32>(request, ANNOUNCE_KIND) ^ 1;
}

function leave(worker: usize, torrent: usize, request: usize): void {
  const kind = load<u32>(request, ANNOUNCE_KIND);
  const swarm = swarmPtr(torrent, kind);
  if (deletePeer(worker, swarm, kind, request + ANNOUNCE_KEY)) {
    countPeersRemoved(worker, kind, 1);
  }
  addCounts(request, load<u32>(swarm));
}

/** Stores the announcer in the torrent, or in a new one where it is 0; returns it, 0 for none. */
export function join(
  worker: usize,
  shard: usize,
  torrent: usize,
  request: usize,
  hash: u64,
): usize {
  ownBlock = 0;
  if (torrent == 0) {
    torrent = addTorrent(worker, shard, hash, load<u32>(request, ANNOUNCE_INFO_HASH));
    if (torrent == 0) {
      count(worker, COUNT_MEMORY_FULL);
      return 0;
    }
  }
  const kind = load<u32>(request, ANNOUNCE_KIND);
  const now = load<u32>(CONTROL_NOW);
  const swarm = swarmPtr(torrent, kind);
  const status = insertPeer(
    worker,
    swarm,
    kind,
    load<u32>(request, ANNOUNCE_ROLE),
    load<u32>(request, ANNOUNCE_COMPLETED) != 0,
    request + ANNOUNCE_KEY,
    load<u32>(request, ANNOUNCE_EXTRA),
    now,
  );
  store<u32>(torrent, now, TORRENT_LAST_ANNOUNCE);
  if (status != OK) {
    count(worker, status == LIMIT ? COUNT_SWARM_FULL : COUNT_MEMORY_FULL);
  } else {
    ownBlock = foundBlock;
    if (foundIsNew) countPeerAdded(worker, kind);
    if (foundCompleted) {
      store<u32>(torrent, load<u32>(torrent, TORRENT_COMPLETED) + 1, TORRENT_COMPLETED);
      count(worker, COUNT_COMPLETED);
    }
  }
  addCounts(request, load<u32>(swarm));
  return torrent;
}

/** Whether the last announcer was stored. */
export function isStored(): bool {
  return ownBlock != 0;
}

/** Peers of the own family, then of the other one. */
function answerBoth(worker: usize, torrent: usize, request: usize): void {
  const want = load<u32>(request, ANNOUNCE_WANT);
  const kind = load<u32>(request, ANNOUNCE_KIND);
  const other = otherFamily(request);
  const others = swarmPeers(load<u32>(swarmPtr(torrent, other)));
  const spared = min<u32>(min<u32>(others, load<u32>(request, ANNOUNCE_OTHER_WANT)), want);
  const own = answerPeers(worker, torrent, request, kind, want - spared, 0);
  store<u32>(request, own, ANNOUNCE_PEERS);
  const isWelcome = load<u32>(request, ANNOUNCE_OTHER_WANT) != 0;
  const left = isWelcome ? want - own : 0;
  store<u32>(
    request,
    answerPeers(worker, torrent, request, other, left, own),
    ANNOUNCE_OTHER_PEERS,
  );
}

/** Writes up to `want` peers of a kind behind the `before` of the other; returns how many. */
export function answerPeers(
  worker: usize,
  torrent: usize,
  request: usize,
  kind: u32,
  want: u32,
  before: u32,
): u32 {
  const own = load<u32>(request, ANNOUNCE_KIND);
  const ids: usize = load<u32>(request, ANNOUNCE_PEER_IDS);
  const peers = samplePeers(
    worker,
    load<u32>(swarmPtr(torrent, kind)),
    kind,
    load<u32>(request, ANNOUNCE_ROLE),
    want,
    kind == own ? ownBlock : 0,
    foundIndex,
    load<u32>(request, ANNOUNCE_OUT) + before * keyByteLength(own),
    ids == 0 ? 0 : ids + before * extraByteLength(own),
  );
  countMany(worker, COUNT_PEERS_SENT, peers);
  return peers;
}

/** Adds a swarm to the counts of the answer. */
export function addCounts(request: usize, reference: usize): void {
  const seeders = swarmRole(reference, ROLE_SEEDER);
  const leechers = swarmPeers(reference) - seeders;
  store<u32>(request, load<u32>(request, ANNOUNCE_SEEDERS) + seeders, ANNOUNCE_SEEDERS);
  store<u32>(request, load<u32>(request, ANNOUNCE_LEECHERS) + leechers, ANNOUNCE_LEECHERS);
}

/** What the last scrape found: scratch of this instance. */
export let scrapedSeeders: u32 = 0;
export let scrapedCompleted: u32 = 0;
export let scrapedLeechers: u32 = 0;
/** Of those, the ones that still download (BEP 21). */
export let scrapedDownloaders: u32 = 0;

/** Counts the TCP/uTP peers of both families; an unknown torrent is all zeros and stays unknown. */
export function scrape(worker: usize, infoHash: usize): void {
  scrapeKinds(worker, infoHash, KIND_IPV4, KIND_IPV6);
}

/** The same of the WebTorrent peers; the completed downloads are everybody's. */
export function scrapeSockets(worker: usize, infoHash: usize): void {
  scrapeKinds(worker, infoHash, KIND_WEBTORRENT, KIND_WEBTORRENT);
}

/** All zeros, of a torrent that is not told of. */
export function scrapeNothing(): void {
  scrapedSeeders = 0;
  scrapedCompleted = 0;
  scrapedLeechers = 0;
  scrapedDownloaders = 0;
}

function scrapeKinds(worker: usize, infoHash: usize, first: u32, last: u32): void {
  const hash = hashInfoHash(infoHash);
  const shard = shardOf(hash);
  scrapeNothing();
  lockShard(worker, shard);
  const torrent = findTorrent(shard, hash, infoHash);
  if (torrent != 0) {
    scrapedCompleted = load<u32>(torrent, TORRENT_COMPLETED);
    for (let kind = first; kind <= last; ++kind) {
      const reference: usize = load<u32>(swarmPtr(torrent, kind));
      const seeders = swarmRole(reference, ROLE_SEEDER);
      const leechers = swarmPeers(reference) - seeders;
      scrapedSeeders += seeders;
      scrapedLeechers += leechers;
      scrapedDownloaders += leechers - swarmRole(reference, ROLE_PARTIAL_SEED);
    }
  }
  unlockShard(worker, shard);
}
