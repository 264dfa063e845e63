/**
 * What a swarm that has shrunk gives back: blocks that both halves of a split fit into are joined,
 * and a directory is halved as often as its blocks allow, in the end down to a single block.
 * Every function is called with the shard's lock held.
 */
import { BLOCK_CLASS, DIRECTORY_DEPTH, DIRECTORY_SLOTS, SPAN_MAX } from "./layout";
import { give, giveBlock, sizeClass, take } from "./memory";
import { blockCountMax, blockPeers, peerByteLength, resizePeerBlock } from "./peer_block";
import {
  copyPeer,
  directoryByteLength,
  directoryOf,
  fillSlots,
  slotBlock,
  slotSpan,
} from "./peer_table";

/**
 * Joins the block at `slot` with the other half of its split where both fit one block easily.
 * @returns The first slot behind the block, or behind both.
 */
export function mergeBlocks(worker: usize, referencePtr: usize, kind: u32, slot: u32): u32 {
  const directory = directoryOf(load<u32>(referencePtr));
  const slots = directory + DIRECTORY_SLOTS;
  const word: usize = load<u32>(slots + (slot << 2));
  const span = slotSpan(word);
  const first = slot >> span << span;
  const end = first + (1 << span);
  // Looked at from the upper half, when the sweep has been over both.
  if (span >= <u32> SPAN_MAX || ((first >> span) & 1) == 0) return end;
  const lower = first - (1 << span);
  const buddy: usize = load<u32>(slots + (lower << 2));
  if (slotSpan(buddy) != span) return end;
  const joined = joinBlocks(worker, slotBlock(buddy), slotBlock(word), kind);
  if (joined != 0) fillSlots(slots, lower, 2 << span, joined | (span + 1));
  return end;
}

/** Halves the directory as often as every block allows, down to a single block. */
export function trimDirectory(worker: usize, referencePtr: usize): void {
  const directory = directoryOf(load<u32>(referencePtr));
  const slots = directory + DIRECTORY_SLOTS;
  const slotCount: u32 = 1 << load<u32>(directory, DIRECTORY_DEPTH);
  let spanMin: u32 = SPAN_MAX;
  for (let slot: u32 = 0; slot < slotCount && spanMin != 0;) {
    const span = slotSpan(load<u32>(slots + (slot << 2)));
    spanMin = min<u32>(spanMin, span);
    slot += 1 << span;
  }
  if (spanMin != 0) shrinkDirectory(worker, referencePtr, spanMin);
}

/**
 * One block with the peers of two, both given back; 0 where they are too many (or memory is full).
 */
function joinBlocks(worker: usize, lower: usize, upper: usize, kind: u32): usize {
  const peerCount = blockPeers(lower) + blockPeers(upper);
  if (peerCount > blockCountMax(kind) >> 1) return 0;
  const joined = resizePeerBlock(worker, lower, kind, max<u32>(peerCount, 1));
  if (joined == 0) return 0;
  for (let index: u32 = blockPeers(upper); index > 0; --index) {
    copyPeer(upper, index - 1, joined, kind);
  }
  giveBlock(worker, upper);
  return joined;
}

/**
 * Halves the directory where every block stands in 2^span slots at least; down to a single block.
 */
function shrinkDirectory(worker: usize, referencePtr: usize, span: u32): void {
  const directory = directoryOf(load<u32>(referencePtr));
  const slots = directory + DIRECTORY_SLOTS;
  const depth = load<u32>(directory, DIRECTORY_DEPTH);
  const byteLength = directoryByteLength(depth);
  if (span >= depth) {
    const block = slotBlock(load<u32>(slots));
    give(worker, directory, byteLength);
    store<u32>(referencePtr, block);
    return;
  }
  const shrunk = take(worker, directoryByteLength(depth - span));
  if (shrunk == 0) return;
  memory.copy(shrunk, directory, DIRECTORY_SLOTS);
  store<u32>(shrunk, depth - span, DIRECTORY_DEPTH);
  const slotCount: u32 = 1 << (depth - span);
  for (let slot: u32 = 0; slot < slotCount; ++slot) {
    store<u32>(
      shrunk + DIRECTORY_SLOTS + (slot << 2),
      load<u32>(slots + (slot << span << 2)) - span,
    );
  }
  give(worker, directory, byteLength);
  store<u32>(referencePtr, shrunk | 1);
}

/** A block's class is kept until it is three classes too large, so that nothing flaps. */
export function isOversized(block: usize, kind: u32): bool {
  const needed = sizeClass(4 + blockPeers(block) * peerByteLength(kind));
  return <u32> load<u8>(block, BLOCK_CLASS) > needed + 3;
}
