/**
 * Housekeeping: peers that have not announced for too long leave, torrents without peers follow.
 *
 * One step does a bounded amount of work under the shard's lock and notes in the shard where the
 * next one goes on, so that a swarm of a million peers is swept without anybody waiting for all of
 * it. Sockets, which do not expire, leave the torrents that the access list has come to refuse; the
 * other peers of these expire, as none of them can announce again.
 */
import {
  CONTROL_MAX_PEER_AGE,
  CONTROL_NOW,
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  COUNT_PEERS_EXPIRED,
  DIRECTORY_DEPTH,
  DIRECTORY_SLOTS,
  GROUP_LANES,
  GROUP_SIZE,
  KIND_WEBTORRENT,
  ROLE_LEECHER,
  ROLE_SEEDER,
  SHARD_GROUP_COUNT,
  SHARD_GROUPS,
  SHARD_SIZE,
  SHARD_SWEEP_GROUP,
  SHARD_SWEEP_LANE,
  SHARD_SWEEP_PREFIX,
  SWARM_SIZE_COUNT,
  TORRENT_INFO_HASH,
  TORRENT_LAST_ANNOUNCE,
  TORRENT_SWARMS,
  WORKER_SWARM_SIZES,
} from "./layout";
import { isAllowed } from "./access_rules";
import { swarmPtr } from "./announce";
import { countMany, countPeersRemoved } from "./counters";
import { lockShard, unlockShard } from "./lock";
import { giveBlock } from "./memory";
import { blockPeers, expirePeers, removePeers, resizePeerBlock } from "./peer_block";
import { isOversized, mergeBlocks, trimDirectory } from "./peer_merge";
import {
  countRole,
  directoryOf,
  isDirectory,
  replaceBlock,
  slotBlock,
  swarmPeers,
} from "./peer_table";
import { laneTorrent, removeTorrent, trimShard, usedLanes } from "./torrent_table";

/**
 * Work of one step, in units of about 0.1 µs: a torrent costs two (two cache misses), a block of a
 * large swarm one; what leaves costs more (bench/core_lock_hold.ts).
 */
const STEP_WORK: i32 = 256;
const REMOVE_TORRENT_WORK: i32 = 8;
const EXPIRED_PER_WORK: i32 = 2;
const KIND_MASK: u32 = 3;

let workLeft: i32 = 0;
/** Whether the torrent at hand has sockets as peers, and the access list refuses it. */
let isRefused: bool = false;

export function shardCount(): u32 {
  return 1 << load<u32>(CONTROL_SHARD_BITS);
}

/** Sweeps the next part of a shard; whether there is more of it. */
export function sweepStep(worker: usize, rules: usize, shardIndex: u32): bool {
  const shard: usize = load<u32>(CONTROL_SHARDS) + shardIndex * SHARD_SIZE;
  lockShard(worker, shard);
  workLeft = STEP_WORK;
  let group = load<u32>(shard, SHARD_SWEEP_GROUP);
  let lane = load<u32>(shard, SHARD_SWEEP_LANE);
  const groupCount = load<u32>(shard, SHARD_GROUP_COUNT);
  const groups: usize = load<u32>(shard, SHARD_GROUPS);
  while (group < groupCount && workLeft > 0) {
    const lanes = usedLanes(groups + group * GROUP_SIZE) >> lane << lane;
    if (lanes == 0) {
      ++group;
      lane = 0;
      continue;
    }
    lane = ctz<u32>(lanes);
    if (!sweepTorrent(worker, rules, shard, group, lane)) break;
    if (++lane == GROUP_LANES) {
      ++group;
      lane = 0;
    }
  }
  const isMore = group < groupCount;
  store<u32>(shard, isMore ? group : 0, SHARD_SWEEP_GROUP);
  store<u32>(shard, isMore ? lane : 0, SHARD_SWEEP_LANE);
  if (!isMore) trimShard(worker, shard);
  unlockShard(worker, shard);
  return isMore;
}

/** Sweeps one torrent; false when the step's work is used up within it. */
function sweepTorrent(worker: usize, rules: usize, shard: usize, group: u32, lane: u32): bool {
  workLeft -= 2;
  const groups: usize = load<u32>(shard, SHARD_GROUPS);
  const torrent = laneTorrent(groups + group * GROUP_SIZE, lane);
  let isEmpty = true;
  const hasSockets = load<u32>(swarmPtr(torrent, KIND_WEBTORRENT)) != 0;
  isRefused = hasSockets && !isAllowed(rules, torrent + TORRENT_INFO_HASH);
  for (let kind: u32 = 0; kind <= <u32> KIND_WEBTORRENT; ++kind) {
    const swarm = torrent + TORRENT_SWARMS + (kind << 2);
    if (load<u32>(swarm) == 0) continue;
    if (isDirectory(load<u32>(swarm))) {
      if (!sweepDirectory(worker, shard, swarm, kind)) return false;
    } else {
      sweepBlock(worker, swarm, swarm, kind);
    }
    if (load<u32>(swarm) != 0) isEmpty = false;
  }
  const idle = load<u32>(CONTROL_NOW) - load<u32>(torrent, TORRENT_LAST_ANNOUNCE);
  if (isEmpty && idle > load<u32>(CONTROL_MAX_PEER_AGE)) {
    removeTorrent(worker, shard, group, lane);
    workLeft -= REMOVE_TORRENT_WORK;
  } else {
    countSwarm(worker, torrent);
  }
  return true;
}

/**
 * Counts the torrent under its size, while it is at hand. A table that grows during a round may
 * have a torrent counted twice or not at all.
 */
function countSwarm(worker: usize, torrent: usize): void {
  let peers: u32 = 0;
  for (let kind: u32 = 0; kind <= <u32> KIND_WEBTORRENT; ++kind) {
    peers += swarmPeers(load<u32>(torrent + TORRENT_SWARMS + (kind << 2)));
  }
  const size = min<u32>(32 - clz<u32>(peers), SWARM_SIZE_COUNT - 1);
  const ptr = worker + WORKER_SWARM_SIZES + (size << 2);
  store<u32>(ptr, load<u32>(ptr) + 1);
}

/**
 * Sweeps the blocks of a large swarm from where the last step stopped. The place is kept as the
 * hash's leading bits, which hold when the directory is doubled in between; the shard has one such
 * place and three kinds need it, so its lowest bits tell the kind.
 */
function sweepDirectory(worker: usize, shard: usize, swarm: usize, kind: u32): bool {
  const depth = load<u32>(directoryOf(load<u32>(swarm)), DIRECTORY_DEPTH);
  const slotCount: u32 = 1 << depth;
  const place = load<u32>(shard, SHARD_SWEEP_PREFIX);
  if (place != 0 && (place & KIND_MASK) > kind) return true; // Done before the stop in another.
  let slot: u32 = (place & KIND_MASK) == kind ? place >> (32 - depth) : 0;
  while (slot < slotCount) {
    const word = directoryOf(load<u32>(swarm)) + DIRECTORY_SLOTS + (slot << 2);
    sweepBlock(worker, swarm, word, kind);
    slot = mergeBlocks(worker, swarm, kind, slot);
    if (--workLeft <= 0 && slot < slotCount) {
      store<u32>(shard, (slot << (32 - depth)) | kind, SHARD_SWEEP_PREFIX);
      return false;
    }
  }
  store<u32>(shard, 0, SHARD_SWEEP_PREFIX);
  trimDirectory(worker, swarm);
  return true;
}

/** Expires the peers of the block that `word` leads to and makes it smaller where that pays. */
function sweepBlock(worker: usize, swarm: usize, word: usize, kind: u32): void {
  const block = slotBlock(load<u32>(word));
  const roles = load<u32>(block);
  const now = load<u32>(CONTROL_NOW);
  // WebTorrent's peers go with their sockets, not with time: or when their torrent is refused.
  const expired = kind == KIND_WEBTORRENT
    ? isRefused ? removePeers(block) : 0
    : expirePeers(block, kind, now, load<u32>(CONTROL_MAX_PEER_AGE));
  if (expired != 0) {
    workLeft -= expired / EXPIRED_PER_WORK;
    for (let role: u32 = ROLE_LEECHER; role <= <u32> ROLE_SEEDER; ++role) {
      const before = (roles >> (role << 3)) & 0xff;
      countRole(swarm, role, <i32> load<u8>(block + role) - <i32> before);
    }
    countPeersRemoved(worker, kind, expired);
    countMany(worker, COUNT_PEERS_EXPIRED, expired);
  }
  if (word == swarm && blockPeers(block) == 0) {
    giveBlock(worker, block);
    store<u32>(swarm, 0);
  } else if (isOversized(block, kind)) {
    const resized = resizePeerBlock(worker, block, kind, max<u32>(blockPeers(block), 1));
    if (resized != 0) replaceBlock(swarm, word, resized);
  }
}
