/**
 * Which peers an announce is answered with.
 *
 * A seeder gets leechers first, then, if there is room, partial seeds and seeders. A leecher gets
 * seeders (partial ones among them) and leechers as the swarm has them. From each of the two regions
 * a run of consecutive peers is taken, in a circle from a random one on, so that over time every
 * peer is returned equally often. Never the announcer.
 */
import {
  BLOCK_COUNT_MAX,
  BLOCK_LEECHERS,
  DIRECTORY_DEPTH,
  DIRECTORY_SLOTS,
  ROLE_LEECHER,
  ROLE_SEEDER,
} from "./layout";
import { blockPeers, copyCircle, keyByteLength, peerRole } from "./peer_block";
import { directoryOf, isDirectory, slotBlock, slotSpan, swarmPeers, swarmRole } from "./peer_table";
import { randomBelow } from "./random";

/** Blocks looked at for one region of one answer; then the other region fills the rest. */
const VISITS_MAX: u32 = 256;
/** Tries at choosing a block by its number of peers. */
const DRAWS_MAX: u32 = 32;

/** End of what the last call wrote: scratch of this instance. */
let outEnd: usize = 0;

/**
 * Writes up to `want` peer keys at `out`.
 * @param ownBlock Block of the announcer and `ownIndex` its index there; 0 where it is not stored.
 * @returns The number of peers written: min(want, others).
 */
export function samplePeers(
  worker: usize,
  reference: usize,
  kind: u32,
  role: u32,
  want: u32,
  ownBlock: usize,
  ownIndex: i32,
  out: usize,
): u32 {
  outEnd = out;
  let leechers = swarmRole(reference, ROLE_LEECHER);
  let seeders = swarmPeers(reference) - leechers;
  if (ownBlock != 0) {
    if (peerRole(ownBlock, ownIndex) == ROLE_LEECHER) --leechers;
    else --seeders;
  }
  want = min<u32>(want, leechers + seeders);
  if (want == 0) return 0;
  const wantLeechers = role >= <u32> ROLE_SEEDER
    ? min<u32>(want, leechers)
    : want - shareOf(worker, want, seeders, leechers);
  // The scarcer region first: what it does not yield for being too thinly spread, the other one does.
  const leechersFirst = leechers <= seeders;
  const first = takeRegion(
    worker,
    reference,
    kind,
    leechersFirst,
    leechersFirst ? wantLeechers : want - wantLeechers,
    ownBlock,
    ownIndex,
  );
  takeRegion(worker, reference, kind, !leechersFirst, want - first, ownBlock, ownIndex);
  return (outEnd - out) / keyByteLength(kind);
}

/** The seeders' part of an answer: proportional, rounded at random, within what there is. */
function shareOf(worker: usize, want: u32, seeders: u32, leechers: u32): u32 {
  const others = seeders + leechers;
  const scaled = (<u64> want) * seeders + randomBelow(worker, others);
  const share = <u32> (scaled / others);
  return max<u32>(share, want > leechers ? want - leechers : 0);
}

/** Takes `want` peers of the leechers' or the seeders' region; returns how many there were. */
function takeRegion(
  worker: usize,
  reference: usize,
  kind: u32,
  isLeechers: bool,
  want: u32,
  ownBlock: usize,
  ownIndex: i32,
): u32 {
  if (want == 0) return 0;
  const outStart = outEnd;
  if (!isDirectory(reference)) {
    takeFromBlock(worker, reference, kind, isLeechers, want, ownBlock, ownIndex);
  } else {
    takeFromDirectory(worker, reference, kind, isLeechers, want, ownBlock, ownIndex);
  }
  return (outEnd - outStart) / keyByteLength(kind);
}

function takeFromBlock(
  worker: usize,
  block: usize,
  kind: u32,
  isLeechers: bool,
  want: u32,
  ownBlock: usize,
  ownIndex: i32,
): void {
  const start = regionStart(block, isLeechers);
  const length = regionLength(block, isLeechers);
  const excluded = ownIn(block, start, length, ownBlock, ownIndex);
  const others = length - <u32> (excluded >= 0);
  const peers = min<u32>(want, others);
  outEnd = copyCircle(
    block,
    kind,
    start,
    length,
    excluded,
    randomBelow(worker, others),
    peers,
    outEnd,
  );
}

/**
 * One circle over the regions of all blocks, from a random peer of the region on: the first block is
 * drawn by its number of peers, the last part of the circle is that block's own beginning.
 */
function takeFromDirectory(
  worker: usize,
  reference: usize,
  kind: u32,
  isLeechers: bool,
  want: u32,
  ownBlock: usize,
  ownIndex: i32,
): void {
  const directory = directoryOf(reference);
  const slots = directory + DIRECTORY_SLOTS;
  const slotCount: u32 = 1 << load<u32>(directory, DIRECTORY_DEPTH);
  const firstSlot = drawSlot(worker, slots, slotCount, isLeechers);
  const firstBlock = slotBlock(load<u32>(slots + (firstSlot << 2)));
  const firstStart = regionStart(firstBlock, isLeechers);
  const firstEnd = firstStart + regionLength(firstBlock, isLeechers);
  const turn = firstStart + randomBelow(worker, firstEnd - firstStart);
  want -= takeRun(firstBlock, kind, turn, firstEnd, want, ownBlock, ownIndex);
  let slot = firstSlot;
  for (let visit: u32 = 0; want > 0 && visit < VISITS_MAX; ++visit) {
    const span = slotSpan(load<u32>(slots + (slot << 2)));
    slot = ((slot >> span << span) + (1 << span)) & (slotCount - 1);
    const block = slotBlock(load<u32>(slots + (slot << 2)));
    if (block == firstBlock) {
      takeRun(firstBlock, kind, firstStart, turn, want, ownBlock, ownIndex);
      return;
    }
    const start = regionStart(block, isLeechers);
    const end = start + regionLength(block, isLeechers);
    want -= takeRun(block, kind, start, end, want, ownBlock, ownIndex);
  }
}

/** A slot, each block as likely as it has peers in the region. */
function drawSlot(worker: usize, slots: usize, slotCount: u32, isLeechers: bool): u32 {
  let slot: u32 = 0;
  for (let draw: u32 = 0; draw < DRAWS_MAX; ++draw) {
    slot = randomBelow(worker, slotCount);
    const word: usize = load<u32>(slots + (slot << 2));
    const peers = regionLength(slotBlock(word), isLeechers);
    if (randomBelow(worker, BLOCK_COUNT_MAX << slotSpan(word)) < peers) break;
  }
  return slot;
}

/** Copies up to `want` peers of [start, end) but the announcer; returns how many. */
function takeRun(
  block: usize,
  kind: u32,
  start: u32,
  end: u32,
  want: u32,
  ownBlock: usize,
  ownIndex: i32,
): u32 {
  const excluded = ownIn(block, start, end - start, ownBlock, ownIndex);
  const peers = min<u32>(want, end - start - <u32> (excluded >= 0));
  if (peers == 0) return 0;
  // In a circle that starts behind the announcer, the run from `start` on begins at this turn.
  const turn = excluded >= 0 ? end - <u32> excluded - 1 : 0;
  const others = end - start - <u32> (excluded >= 0);
  outEnd = copyCircle(
    block,
    kind,
    start,
    end - start,
    excluded,
    turn == others ? 0 : turn,
    peers,
    outEnd,
  );
  return peers;
}

function ownIn(block: usize, start: u32, length: u32, ownBlock: usize, ownIndex: i32): i32 {
  return block == ownBlock && <u32> ownIndex - start < length ? ownIndex : -1;
}

function regionStart(block: usize, isLeechers: bool): u32 {
  return isLeechers ? 0 : load<u8>(block, BLOCK_LEECHERS);
}

function regionLength(block: usize, isLeechers: bool): u32 {
  const leechers: u32 = load<u8>(block, BLOCK_LEECHERS);
  return isLeechers ? leechers : blockPeers(block) - leechers;
}
