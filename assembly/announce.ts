/**
 * The tracker's rules, blind to protocols (protocols.md D): an ANNOUNCE record in, counts and peers out.
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
  ANNOUNCE_OUT,
  ANNOUNCE_PEERS,
  ANNOUNCE_ROLE,
  ANNOUNCE_SEEDERS,
  ANNOUNCE_WANT,
  CONTROL_NOW,
  COUNT_COMPLETED,
  COUNT_MEMORY_FULL,
  COUNT_PEERS_ADDED,
  COUNT_PEERS_REMOVED,
  COUNT_PEERS_SENT,
  KIND_IPV4,
  KIND_IPV6,
  OK,
  ROLE_SEEDER,
  ROLE_STOPPED,
  TORRENT_COMPLETED,
  TORRENT_LAST_ANNOUNCE,
  TORRENT_SWARMS,
} from "./layout";
import { count, countMany } from "./counters";
import { lockShard, unlockShard } from "./lock";
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

/**
 * Carries out the announce in the record at `request`, whose answer fields it fills.
 * @param hash Table hash of its info hash.
 */
export function announce(worker: usize, request: usize, hash: u64): void {
  const infoHash: usize = load<u32>(request, ANNOUNCE_INFO_HASH);
  const shard = shardOf(hash);
  store<u32>(request, 0, ANNOUNCE_SEEDERS);
  store<u32>(request, 0, ANNOUNCE_LEECHERS);
  store<u32>(request, 0, ANNOUNCE_PEERS);
  lockShard(worker, shard);
  let torrent = findTorrent(shard, hash, infoHash);
  if (load<u32>(request, ANNOUNCE_ROLE) == ROLE_STOPPED) {
    if (torrent != 0) leave(worker, torrent, request);
  } else {
    if (torrent == 0) torrent = addTorrent(worker, shard, hash, infoHash);
    if (torrent != 0) join(worker, torrent, request);
    else count(worker, COUNT_MEMORY_FULL);
  }
  unlockShard(worker, shard);
}

function leave(worker: usize, torrent: usize, request: usize): void {
  const kind = load<u32>(request, ANNOUNCE_KIND);
  const swarm = torrent + TORRENT_SWARMS + (kind << 2);
  if (deletePeer(worker, swarm, kind, request + ANNOUNCE_KEY)) {
    count(worker, COUNT_PEERS_REMOVED + kind);
  }
  answerCounts(request, load<u32>(swarm));
}

function join(worker: usize, torrent: usize, request: usize): void {
  const kind = load<u32>(request, ANNOUNCE_KIND);
  const role = load<u32>(request, ANNOUNCE_ROLE);
  const now = load<u32>(CONTROL_NOW);
  const swarm = torrent + TORRENT_SWARMS + (kind << 2);
  const status = insertPeer(
    worker,
    swarm,
    kind,
    role,
    load<u32>(request, ANNOUNCE_COMPLETED) != 0,
    request + ANNOUNCE_KEY,
    load<u32>(request, ANNOUNCE_EXTRA),
    now,
  );
  store<u32>(torrent, now, TORRENT_LAST_ANNOUNCE);
  if (status != OK) count(worker, COUNT_MEMORY_FULL);
  else if (foundIsNew) count(worker, COUNT_PEERS_ADDED + kind);
  if (status == OK && foundCompleted) {
    store<u32>(torrent, load<u32>(torrent, TORRENT_COMPLETED) + 1, TORRENT_COMPLETED);
    count(worker, COUNT_COMPLETED);
  }
  const reference: usize = load<u32>(swarm);
  answerCounts(request, reference);
  const peers = samplePeers(
    worker,
    reference,
    kind,
    role,
    load<u32>(request, ANNOUNCE_WANT),
    status == OK ? foundBlock : 0,
    foundIndex,
    load<u32>(request, ANNOUNCE_OUT),
  );
  store<u32>(request, peers, ANNOUNCE_PEERS);
  countMany(worker, COUNT_PEERS_SENT, peers);
}

function answerCounts(request: usize, reference: usize): void {
  const seeders = swarmRole(reference, ROLE_SEEDER);
  store<u32>(request, seeders, ANNOUNCE_SEEDERS);
  store<u32>(request, swarmPeers(reference) - seeders, ANNOUNCE_LEECHERS);
}

/** What the last scrape found: scratch of this instance. */
export let scrapedSeeders: u32 = 0;
export let scrapedCompleted: u32 = 0;
export let scrapedLeechers: u32 = 0;

/** Counts the TCP/uTP peers of both families; an unknown torrent is all zeros and stays unknown. */
export function scrape(worker: usize, infoHash: usize): void {
  const hash = hashInfoHash(infoHash);
  const shard = shardOf(hash);
  scrapedSeeders = 0;
  scrapedCompleted = 0;
  scrapedLeechers = 0;
  lockShard(worker, shard);
  const torrent = findTorrent(shard, hash, infoHash);
  if (torrent != 0) {
    scrapedCompleted = load<u32>(torrent, TORRENT_COMPLETED);
    for (let kind: u32 = KIND_IPV4; kind <= <u32> KIND_IPV6; ++kind) {
      const reference: usize = load<u32>(torrent + TORRENT_SWARMS + (kind << 2));
      const seeders = swarmRole(reference, ROLE_SEEDER);
      scrapedSeeders += seeders;
      scrapedLeechers += swarmPeers(reference) - seeders;
    }
  }
  unlockShard(worker, shard);
}
