/**
 * The torrent table: info hash → torrent record, in shards that are locked one at a time.
 *
 * A shard is an open-addressing table of groups, one cache line each: twelve one-byte tags that are
 * compared at once, twelve record addresses, and a count of the torrents that belong here but lie
 * further on (after Bronson and Shi's F14, 2019), which ends a search and makes tombstones
 * needless. Keyed by SipHash: info hashes are chosen by whoever announces.
 */
import {
  CONTROL_PAGE_COUNT,
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  CONTROL_TABLE_KEY,
  COUNT_TORRENTS_ADDED,
  COUNT_TORRENTS_REMOVED,
  GROUP_LANES,
  GROUP_OVERFLOW,
  GROUP_SIZE,
  GROUP_TORRENTS,
  PAGE_SIZE,
  SHARD_GROUP_COUNT,
  SHARD_GROUPS,
  SHARD_SIZE,
  SHARD_SWEEP_GROUP,
  SHARD_SWEEP_LANE,
  SHARD_SWEEP_PREFIX,
  SHARD_TORRENTS,
  TORRENT_INFO_HASH,
  TORRENT_SIZE,
  TORRENT_SWARMS,
} from "./layout";
import { copyInfoHash, equalInfoHash } from "./bytes";
import { count } from "./counters";
import { sipHash20 } from "./hash";
import { give, giveBlock, sizeClass, take, takeBlock } from "./memory";

const LANE_MASK: u32 = 0xfff;
/** A group has twelve lanes; past ten in the mean the table grows by half. */
const TORRENTS_PER_GROUP: u32 = 10;
const OVERFLOW_FOR_EVER: u32 = 255;

export function hashInfoHash(infoHash: usize): u64 {
  return sipHash20(CONTROL_TABLE_KEY, infoHash);
}

/** The shard of a torrent; its lock guards the record and all that hangs on it. */
export function shardOf(hash: u64): usize {
  const index = <u32> hash & ((1 << load<u32>(CONTROL_SHARD_BITS)) - 1);
  return load<u32>(CONTROL_SHARDS) + index * SHARD_SIZE;
}

/** 1…255, from bits that choose neither shard nor group. */
function tagOf(hash: u64): u32 {
  return max<u32>(<u32> (hash >> 24) & 0xff, 1);
}

/** The group where a torrent belongs. */
function homeGroup(hash: u64, groupCount: u32): u32 {
  return <u32> (((hash >> 32) * groupCount) >> 32);
}

/** The record of a torrent, or 0. */
export function findTorrent(shard: usize, hash: u64, infoHash: usize): usize {
  const groupCount = load<u32>(shard, SHARD_GROUP_COUNT);
  if (groupCount == 0) return 0;
  const groups: usize = load<u32>(shard, SHARD_GROUPS);
  const tag = tagOf(hash);
  let index = homeGroup(hash, groupCount);
  for (let probe: u32 = 0; probe < groupCount; ++probe) {
    const group = groups + index * GROUP_SIZE;
    for (let lanes = matchingLanes(group, tag); lanes != 0; lanes &= lanes - 1) {
      const torrent = laneTorrent(group, ctz<u32>(lanes));
      if (equalInfoHash(torrent + TORRENT_INFO_HASH, infoHash)) return torrent;
    }
    if (load<u8>(group, GROUP_OVERFLOW) == 0) return 0;
    if (++index == groupCount) index = 0;
  }
  return 0;
}

// Steps of a search, each of which only finds the next address. Taken for a whole batch one after
// the other, with a load from each address, the misses of all its datagrams overlap. They run
// without the lock: what they read may be torn or stale, so every address is kept within memory and
// nothing is believed.

/** The group where a torrent belongs; 0 in a shard without torrents. */
export function approachGroup(hash: u64): usize {
  const shard = shardOf(hash);
  const groupCount = load<u32>(shard, SHARD_GROUP_COUNT);
  const group = load<u32>(shard, SHARD_GROUPS) + homeGroup(hash, groupCount) * GROUP_SIZE;
  return groupCount == 0 ? 0 : inside(group);
}

/** The record that a group's tags point at. */
export function approachTorrent(group: usize, hash: u64): usize {
  const lanes = matchingLanes(group, tagOf(hash));
  // Without a match any lane will do.
  return inside(laneTorrent(group, ctz<u32>(lanes | (1 << (GROUP_LANES - 1)))));
}

/** The peers of one kind of a torrent, or the directory of them. */
export function approachPeers(torrent: usize, kind: u32): usize {
  return inside(load<u32>(torrent + TORRENT_SWARMS + (kind << 2)));
}

function inside(ptr: usize): usize {
  return ptr < load<u32>(CONTROL_PAGE_COUNT) * PAGE_SIZE ? ptr : 0;
}

/**
 * Adds a torrent that is not there; its record is zeroed but for the hash. 0 when memory is full.
 */
export function addTorrent(worker: usize, shard: usize, hash: u64, infoHash: usize): usize {
  const torrentCount = load<u32>(shard, SHARD_TORRENTS);
  const groupCount = load<u32>(shard, SHARD_GROUP_COUNT);
  if (torrentCount >= groupCount * TORRENTS_PER_GROUP) {
    // A table that cannot grow is filled to the last lane.
    if (!growShard(worker, shard) && torrentCount >= groupCount * GROUP_LANES) return 0;
  }
  const torrent = takeBlock(worker, sizeClass(TORRENT_SIZE));
  if (torrent == 0) return 0;
  memory.fill(torrent, 0, TORRENT_SIZE);
  copyInfoHash(torrent + TORRENT_INFO_HASH, infoHash);
  placeTorrent(load<u32>(shard, SHARD_GROUPS), load<u32>(shard, SHARD_GROUP_COUNT), hash, torrent);
  store<u32>(shard, torrentCount + 1, SHARD_TORRENTS);
  count(worker, COUNT_TORRENTS_ADDED);
  return torrent;
}

/** Takes the torrent in a lane of the shard's table out and gives its record back. */
export function removeTorrent(worker: usize, shard: usize, groupIndex: u32, lane: u32): void {
  const groups: usize = load<u32>(shard, SHARD_GROUPS);
  const groupCount = load<u32>(shard, SHARD_GROUP_COUNT);
  const group = groups + groupIndex * GROUP_SIZE;
  const torrent = laneTorrent(group, lane);
  let index = homeGroup(hashInfoHash(torrent + TORRENT_INFO_HASH), groupCount);
  while (index != groupIndex) {
    const passed = groups + index * GROUP_SIZE;
    const overflow: u32 = load<u8>(passed, GROUP_OVERFLOW);
    if (overflow != OVERFLOW_FOR_EVER) store<u8>(passed, overflow - 1, GROUP_OVERFLOW);
    if (++index == groupCount) index = 0;
  }
  store<u8>(group + lane, 0);
  giveBlock(worker, torrent);
  store<u32>(shard, load<u32>(shard, SHARD_TORRENTS) - 1, SHARD_TORRENTS);
  count(worker, COUNT_TORRENTS_REMOVED);
}

/** The lanes of a group in use, one bit each. */
export function usedLanes(group: usize): u32 {
  return ~matchingLanes(group, 0) & LANE_MASK;
}

export function laneTorrent(group: usize, lane: u32): usize {
  return load<u32>(group + GROUP_TORRENTS + (lane << 2));
}

function matchingLanes(group: usize, tag: u32): u32 {
  return <u32> i8x16.bitmask(i8x16.eq(v128.load(group), i8x16.splat(<i8> tag))) & LANE_MASK;
}

/** Puts a record into the first free lane from its home on; there is one. */
function placeTorrent(groups: usize, groupCount: u32, hash: u64, torrent: usize): void {
  let index = homeGroup(hash, groupCount);
  while (true) {
    const group = groups + index * GROUP_SIZE;
    const free = matchingLanes(group, 0);
    if (free != 0) {
      const lane = ctz<u32>(free);
      store<u8>(group + lane, tagOf(hash));
      store<u32>(group + GROUP_TORRENTS + (lane << 2), torrent);
      return;
    }
    const overflow: u32 = load<u8>(group, GROUP_OVERFLOW);
    if (overflow != OVERFLOW_FOR_EVER) store<u8>(group, overflow + 1, GROUP_OVERFLOW);
    if (++index == groupCount) index = 0;
  }
}

/**
 * Moves the shard's torrents to a smaller table where they fill less than a quarter of theirs, or
 * gives the table of a shard without torrents back: what a flood has made grow does not stay.
 */
export function trimShard(worker: usize, shard: usize): void {
  const torrentCount = load<u32>(shard, SHARD_TORRENTS);
  const groupCount = load<u32>(shard, SHARD_GROUP_COUNT);
  if (torrentCount << 2 >= groupCount * TORRENTS_PER_GROUP) return;
  if (torrentCount != 0) {
    // Half full, so that it need not grow again at once.
    const trimmedCount = (torrentCount << 1) / TORRENTS_PER_GROUP + 1;
    if (trimmedCount < groupCount) resizeShard(worker, shard, trimmedCount);
    return;
  }
  give(worker, load<u32>(shard, SHARD_GROUPS), groupCount * GROUP_SIZE);
  store<u32>(shard, 0, SHARD_GROUPS);
  store<u32>(shard, 0, SHARD_GROUP_COUNT);
}

/** Moves the shard's torrents to a table half as large again; false when memory is full. */
function growShard(worker: usize, shard: usize): bool {
  const groupCount = load<u32>(shard, SHARD_GROUP_COUNT);
  return resizeShard(worker, shard, groupCount + (groupCount >> 1) + 1);
}

/** Moves the shard's torrents to a table of so many groups; false when memory is full. */
function resizeShard(worker: usize, shard: usize, resizedCount: u32): bool {
  const groups: usize = load<u32>(shard, SHARD_GROUPS);
  const groupCount = load<u32>(shard, SHARD_GROUP_COUNT);
  const resized = take(worker, resizedCount * GROUP_SIZE);
  if (resized == 0) return false;
  memory.fill(resized, 0, resizedCount * GROUP_SIZE);
  for (let index: u32 = 0; index < groupCount; ++index) {
    const group = groups + index * GROUP_SIZE;
    for (let lanes = usedLanes(group); lanes != 0; lanes &= lanes - 1) {
      const torrent = laneTorrent(group, ctz<u32>(lanes));
      placeTorrent(resized, resizedCount, hashInfoHash(torrent + TORRENT_INFO_HASH), torrent);
    }
  }
  if (groups != 0) give(worker, groups, groupCount * GROUP_SIZE);
  store<u32>(shard, resized, SHARD_GROUPS);
  store<u32>(shard, resizedCount, SHARD_GROUP_COUNT);
  // Torrents have moved: a sweep under way starts this shard again.
  store<u32>(shard, 0, SHARD_SWEEP_GROUP);
  store<u32>(shard, 0, SHARD_SWEEP_LANE);
  store<u32>(shard, 0, SHARD_SWEEP_PREFIX);
  return true;
}
