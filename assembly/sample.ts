/**
 * Which peers an announce is answered with.
 *
 * A seeder gets leechers first, then, if there is room, partial seeds and seeders. A leecher gets
 * seeders (partial ones among them) and leechers as the swarm has them. From each of the two
 * regions a run of consecutive peers is taken, in a circle from a random one on, so that over time
 * every peer is returned equally often. Never the announcer.
 */
import {
  BLOCK_COUNT_MAX,
  BLOCK_LEECHERS,
  DIRECTORY_DEPTH,
  DIRECTORY_SLOTS,
  ROLE_LEECHER,
  ROLE_SEEDER,
} from "./layout";
import {
  blockCapacity,
  blockPeers,
  copyCircle,
  extraByteLength,
  extraPtr,
  keyByteLength,
  keyPtr,
  peerRole,
} from "./peer_block";
import { directoryOf, isDirectory, slotBlock, slotSpan, swarmPeers, swarmRole } from "./peer_table";
import { randomBelow } from "./random";

/**
 * Blocks looked at for one region of one answer, which bounds the time under the lock; a region
 * that is thinly spread over more of them (a swarm of 200,000) is searched in part.
 */
const VISITS_MAX: u32 = 2048;
/** Tries at choosing a block by its number of peers. */
const DRAWS_MAX: u32 = 32;

// Scratch of this instance, for the answer at hand.
let worker: usize = 0;
let kind: u32 = 0;
/** The announcer's block, 0 where it is not stored, and its index there. */
let ownBlock: usize = 0;
let ownIndex: i32 = -1;
/** The region at hand: leechers, or partial seeds and seeders. */
let isLeechers: bool = false;
let outEnd: usize = 0;
/** The same of the peers' ids; 0 where they are not wanted. */
let idsEnd: usize = 0;

/**
 * Writes up to `want` peer keys at `out`, and the peers' ids at `ids` unless that is 0.
 * @param announcerBlock Block of the announcer and `announcerIndex` its index there; 0: not stored.
 * @returns The number of peers written: min(want, others).
 */
export function samplePeers(
  forWorker: usize,
  reference: usize,
  peerKind: u32,
  role: u32,
  want: u32,
  announcerBlock: usize,
  announcerIndex: i32,
  out: usize,
  ids: usize,
): u32 {
  let leechers = swarmRole(reference, ROLE_LEECHER);
  let seeders = swarmPeers(reference) - leechers;
  if (announcerBlock != 0) {
    if (peerRole(announcerBlock, announcerIndex) == ROLE_LEECHER) --leechers;
    else --seeders;
  }
  want = min<u32>(want, leechers + seeders);
  if (want == 0) return 0;
  worker = forWorker;
  kind = peerKind;
  ownBlock = announcerBlock;
  ownIndex = announcerIndex;
  outEnd = out;
  idsEnd = ids;
  const wantLeechers = role >= <u32> ROLE_SEEDER
    ? min<u32>(want, leechers)
    : want - shareOf(want, seeders, leechers);
  // The scarcer region first: what it does not yield for being too thinly spread, the other one
  // does.
  isLeechers = leechers <= seeders;
  const first = isLeechers
    ? takeRegion(reference, leechers, wantLeechers)
    : takeRegion(reference, seeders, want - wantLeechers);
  isLeechers = !isLeechers;
  takeRegion(reference, isLeechers ? leechers : seeders, want - first);
  return (outEnd - out) / keyByteLength(kind);
}

/** The seeders' part of an answer: proportional, rounded at random, within what there is. */
function shareOf(want: u32, seeders: u32, leechers: u32): u32 {
  const others = seeders + leechers;
  if (want == others) return seeders;
  const scaled = (<u64> want) * seeders + randomBelow(worker, others);
  const share = <u32> (scaled / others);
  return max<u32>(share, want > leechers ? want - leechers : 0);
}

/** Takes `want` of the `others` peers of the region; returns how many were found. */
function takeRegion(reference: usize, others: u32, want: u32): u32 {
  if (want == 0) return 0;
  if (isDirectory(reference)) return takeFromDirectory(directoryOf(reference), others, want);
  const start = regionStart(reference);
  const length = regionLength(reference);
  const own = ownIn(reference, start, length);
  const turn = want < others ? randomBelow(worker, others) : 0;
  const peers = min<u32>(want, others);
  copyPeers(reference, start, length, own, turn, peers);
  return peers;
}

/**
 * One circle over the regions of all blocks, from a random peer on: the first block is drawn by its
 * number of peers, the last part of the circle is that block's own beginning.
 */
function takeFromDirectory(directory: usize, others: u32, want: u32): u32 {
  const slots = directory + DIRECTORY_SLOTS;
  const slotCount: u32 = 1 << load<u32>(directory, DIRECTORY_DEPTH);
  let slot = drawSlot(slots, slotCount, others);
  const firstBlock = slotBlock(load<u32>(slots + (slot << 2)));
  const firstStart = regionStart(firstBlock);
  const firstEnd = firstStart + regionLength(firstBlock);
  const own = ownIn(firstBlock, firstStart, firstEnd - firstStart);
  let turn = firstStart + randomBelow(worker, firstEnd - firstStart - <u32> (own >= 0));
  if (own >= 0 && turn >= <u32> own) ++turn;
  let missing = want - takeRun(firstBlock, turn, firstEnd, want);
  for (let visit: u32 = 0; missing > 0 && visit < VISITS_MAX; ++visit) {
    slot = nextSlot(slots, slotCount, slot);
    const block = slotBlock(load<u32>(slots + (slot << 2)));
    if (block == firstBlock) return want - missing + takeRun(firstBlock, firstStart, turn, missing);
    const start = regionStart(block);
    missing -= takeRun(block, start, start + regionLength(block), missing);
  }
  return want - missing;
}

/**
 * A slot whose block has peers to choose from, each block as likely as it has many. Where they are
 * too scarce to be hit by chance, a random number of them is passed over, from a random slot on.
 */
function drawSlot(slots: usize, slotCount: u32, others: u32): u32 {
  for (let draw: u32 = 0; draw < DRAWS_MAX; ++draw) {
    const slot = randomBelow(worker, slotCount);
    const word: usize = load<u32>(slots + (slot << 2));
    if (randomBelow(worker, BLOCK_COUNT_MAX << slotSpan(word)) < othersIn(slotBlock(word))) {
      return slot;
    }
  }
  let slot = randomBelow(worker, slotCount);
  let passed = randomBelow(worker, others);
  for (let visit: u32 = 0; visit < VISITS_MAX; ++visit) {
    const peers = othersIn(slotBlock(load<u32>(slots + (slot << 2))));
    if (passed < peers) break;
    passed -= peers;
    slot = nextSlot(slots, slotCount, slot);
  }
  return slot;
}

/** The first slot of the block behind the one that stands at `slot`, in a circle. */
function nextSlot(slots: usize, slotCount: u32, slot: u32): u32 {
  const span = slotSpan(load<u32>(slots + (slot << 2)));
  return ((slot >> span << span) + (1 << span)) & (slotCount - 1);
}

/** Copies up to `want` peers of [start, end) but the announcer, in order; returns how many. */
function takeRun(block: usize, start: u32, end: u32, want: u32): u32 {
  const own = ownIn(block, start, end - start);
  const others = end - start - <u32> (own >= 0);
  const peers = min<u32>(want, others);
  if (peers == 0) return 0;
  // In a circle that begins behind the announcer, the peer at `start` comes after this many turns.
  const turn = own >= 0 ? (end - <u32> own - 1) % others : 0;
  copyPeers(block, start, end - start, own, turn, peers);
  return peers;
}

/** Copies peers of a region in a circle (`copyCircle`), and their ids where they are wanted. */
function copyPeers(
  block: usize,
  start: u32,
  length: u32,
  excluded: i32,
  turn: u32,
  peers: u32,
): void {
  const keys = keyPtr(block, kind, 0);
  const keyLength = keyByteLength(kind);
  outEnd = copyCircle(keys, keyLength, start, length, excluded, turn, peers, outEnd);
  if (idsEnd == 0) return;
  const ids = extraPtr(block, kind, blockCapacity(block, kind), 0);
  const idLength = extraByteLength(kind);
  idsEnd = copyCircle(ids, idLength, start, length, excluded, turn, peers, idsEnd);
}

/** The announcer's index where it stands in this region of the block, or -1. */
function ownIn(block: usize, start: u32, length: u32): i32 {
  return block == ownBlock && <u32> ownIndex - start < length ? ownIndex : -1;
}

/** Peers of the block's region but the announcer. */
function othersIn(block: usize): u32 {
  const length = regionLength(block);
  return length - <u32> (ownIn(block, regionStart(block), length) >= 0);
}

function regionStart(block: usize): u32 {
  return isLeechers ? 0 : load<u8>(block, BLOCK_LEECHERS);
}

function regionLength(block: usize): u32 {
  const leechers: u32 = load<u8>(block, BLOCK_LEECHERS);
  return isLeechers ? leechers : blockPeers(block) - leechers;
}
