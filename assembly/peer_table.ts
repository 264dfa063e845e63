/**
 * The peers of one torrent and one kind: a swarm, reached by a reference word in the torrent
 * record.
 *
 * 0 is an empty swarm, an address one block, an address with bit 0 set a directory: extendible
 * hashing (Fagin et al., 1979) by the leading bits of the peer's keyed hash. A full block is split
 * in two, so that no change ever copies more than a block, or the directory's four bytes a slot.
 * Every function is called with the shard's lock held.
 */
import {
  CONTROL_PEER_KEY,
  DIRECTORY_DEPTH,
  DIRECTORY_DEPTH_MAX,
  DIRECTORY_ROLES,
  DIRECTORY_SLOTS,
  FULL,
  KIND_IPV4,
  LIMIT,
  META_COMPLETED,
  OK,
  ROLE_LEECHER,
  ROLE_SEEDER,
  SPAN_MAX,
} from "./layout";
import { sipHash } from "./hash";
import { give, giveBlock, take } from "./memory";
import {
  addPeer,
  blockCapacity,
  blockCountMax,
  blockPeers,
  extraByteLength,
  extraPtr,
  findPeer,
  keyByteLength,
  keyPtr,
  metaPtr,
  peerRole,
  removePeer,
  resizePeerBlock,
  seenPtr,
  takePeerBlock,
} from "./peer_block";

/** Where the peer of the last insert stands, and whether it is new: scratch of this instance. */
export let foundBlock: usize = 0;
export let foundIndex: i32 = -1;
export let foundIsNew: bool = false;
/** Whether the last insert counted a finished download. */
export let foundCompleted: bool = false;

export function isDirectory(reference: usize): bool {
  return (reference & 1) != 0;
}

export function directoryOf(reference: usize): usize {
  return reference & ~1;
}

export function slotBlock(slot: usize): usize {
  return slot & ~SPAN_MAX;
}

/** In how many slots, as a power of two, the slot's block stands. */
export function slotSpan(slot: usize): u32 {
  return slot & SPAN_MAX;
}

/** Peers of a role in the swarm. */
export function swarmRole(reference: usize, role: u32): u32 {
  if (reference == 0) return 0;
  return isDirectory(reference)
    ? load<u32>(directoryOf(reference) + DIRECTORY_ROLES + (role << 2))
    : load<u8>(reference + role);
}

/** Peers of the swarm, all roles. */
export function swarmPeers(reference: usize): u32 {
  if (reference == 0) return 0;
  if (!isDirectory(reference)) return blockPeers(reference);
  const roles = directoryOf(reference) + DIRECTORY_ROLES;
  return load<u32>(roles) + load<u32>(roles, 4) + load<u32>(roles, 8);
}

export function hashPeer(key: usize, kind: u32): u64 {
  return sipHash(CONTROL_PEER_KEY, key, keyByteLength(kind), 1, 3);
}

/**
 * Seven bits in the place of a meta byte's hash. They only spare comparisons within one block, so a
 * multiplication does; who makes them collide is compared with 128 peers at the most.
 */
function metaOf(key: usize, kind: u32): u32 {
  let word: u64 = <u64> load<u32>(key) | ((<u64> load<u16>(key, 4)) << 32);
  if (kind != KIND_IPV4) {
    word = load<u64>(key) ^ rotl<u64>(load<u64>(key, 8), 29) ^ load<u16>(key, 16);
  }
  return <u32> ((word * (load<u64>(CONTROL_PEER_KEY) | 1)) >> 56) & ~META_COMPLETED;
}

function slotPtr(reference: usize, key: usize, kind: u32): usize {
  const directory = directoryOf(reference);
  const slot = <u32> (hashPeer(key, kind) >> (64 - load<u32>(directory, DIRECTORY_DEPTH)));
  return directory + DIRECTORY_SLOTS + (slot << 2);
}

/** The word that leads to the peer's block: the reference itself, or a slot of the directory. */
function blockWord(referencePtr: usize, key: usize, kind: u32): usize {
  const reference: usize = load<u32>(referencePtr);
  return isDirectory(reference) ? slotPtr(reference, key, kind) : referencePtr;
}

/**
 * Inserts a peer or brings it up to date; `found…` tell where it stands.
 * @param completed Whether it says that it has just finished: counted once a peer.
 * @param extra Address of the extra column's bytes, or 0.
 * @returns `OK`, `FULL` (not stored, no memory), `LIMIT` (not stored, its hashes collide).
 */
export function insertPeer(
  worker: usize,
  referencePtr: usize,
  kind: u32,
  role: u32,
  completed: bool,
  key: usize,
  extra: usize,
  now: u32,
): i32 {
  const meta = metaOf(key, kind);
  foundIsNew = false;
  foundCompleted = false;
  foundIndex = -1;
  let word = blockWord(referencePtr, key, kind);
  let block = slotBlock(load<u32>(word));
  if (block != 0) {
    const index = findPeer(block, kind, key, meta);
    if (index >= 0) {
      updatePeer(referencePtr, block, kind, index, role, completed, key, extra, now);
      return OK;
    }
    // A directory is at most DIRECTORY_DEPTH_MAX deep, so this ends.
    while (blockPeers(block) == blockCountMax(kind)) {
      const status = splitBlock(worker, referencePtr, key, kind);
      if (status != OK) return status;
      word = blockWord(referencePtr, key, kind);
      block = slotBlock(load<u32>(word));
    }
    if (blockPeers(block) == blockCapacity(block, kind)) {
      block = resizePeerBlock(worker, block, kind, blockPeers(block) + 1);
      if (block == 0) return FULL;
      replaceBlock(referencePtr, word, block);
    }
  } else {
    block = takePeerBlock(worker, kind, 1);
    if (block == 0) return FULL;
    replaceBlock(referencePtr, word, block);
  }
  foundIsNew = true;
  foundCompleted = completed;
  foundBlock = block;
  foundIndex = addPeer(block, kind, role, key, meta | (completed ? META_COMPLETED : 0), now, extra);
  countRole(referencePtr, role, 1);
  return OK;
}

function updatePeer(
  referencePtr: usize,
  block: usize,
  kind: u32,
  index: u32,
  role: u32,
  completed: bool,
  key: usize,
  extra: usize,
  now: u32,
): void {
  const capacity = blockCapacity(block, kind);
  const column = metaPtr(block, kind, capacity);
  let meta: u32 = load<u8>(column + index);
  foundCompleted = completed && (meta & META_COMPLETED) == 0;
  if (completed) meta |= META_COMPLETED;
  const oldRole = peerRole(block, index);
  if (oldRole != role) {
    removePeer(block, kind, index);
    index = addPeer(block, kind, role, key, meta, now, extra);
    countRole(referencePtr, oldRole, -1);
    countRole(referencePtr, role, 1);
  } else {
    store<u8>(column + index, meta);
    store<u16>(seenPtr(block, kind, capacity, index), now);
    if (extra != 0 && extraByteLength(kind) != 0) {
      memory.copy(extraPtr(block, kind, capacity, index), extra, extraByteLength(kind));
    }
  }
  foundBlock = block;
  foundIndex = index;
}

/** Finds a peer (`foundBlock`, `foundIndex`); whether it is there. */
export function lookUpPeer(referencePtr: usize, kind: u32, key: usize): bool {
  const block = slotBlock(load<u32>(blockWord(referencePtr, key, kind)));
  if (block == 0) return false;
  foundBlock = block;
  foundIndex = findPeer(block, kind, key, metaOf(key, kind));
  return foundIndex >= 0;
}

/** Removes a peer; whether it was there. */
export function deletePeer(worker: usize, referencePtr: usize, kind: u32, key: usize): bool {
  const word = blockWord(referencePtr, key, kind);
  const block = slotBlock(load<u32>(word));
  if (block == 0) return false;
  const index = findPeer(block, kind, key, metaOf(key, kind));
  if (index < 0) return false;
  countRole(referencePtr, peerRole(block, index), -1);
  removePeer(block, kind, index);
  if (blockPeers(block) == 0 && word == referencePtr) {
    giveBlock(worker, block);
    store<u32>(referencePtr, 0);
  }
  return true;
}

/** Keeps the directory's totals; a single block counts by itself. */
export function countRole(referencePtr: usize, role: u32, change: i32): void {
  const reference: usize = load<u32>(referencePtr);
  if (!isDirectory(reference)) return;
  const ptr = directoryOf(reference) + DIRECTORY_ROLES + (role << 2);
  store<u32>(ptr, load<u32>(ptr) + change);
}

/** Puts a block in the place of the one that `word` leads to, in every slot where it stands. */
export function replaceBlock(referencePtr: usize, word: usize, block: usize): void {
  const reference: usize = load<u32>(referencePtr);
  if (!isDirectory(reference)) {
    store<u32>(referencePtr, block);
    return;
  }
  const span = slotSpan(load<u32>(word));
  const slots = directoryOf(reference) + DIRECTORY_SLOTS;
  const first = ((word - slots) >> 2) >> span << span;
  fillSlots(slots, first, 1 << span, block | span);
}

export function fillSlots(slots: usize, first: u32, slotCount: u32, value: usize): void {
  for (let slot = first; slot < first + slotCount; ++slot) store<u32>(slots + (slot << 2), value);
}

/** Splits the full block where the peer belongs in two by the next bit of its peers' hashes. */
function splitBlock(worker: usize, referencePtr: usize, key: usize, kind: u32): i32 {
  if (!isDirectory(load<u32>(referencePtr))) {
    const status = makeDirectory(worker, referencePtr);
    if (status != OK) return status;
  }
  if (slotSpan(load<u32>(slotPtr(load<u32>(referencePtr), key, kind))) == 0) {
    const status = doubleDirectory(worker, referencePtr);
    if (status != OK) return status;
  }
  const reference: usize = load<u32>(referencePtr);
  const word = slotPtr(reference, key, kind);
  const span = slotSpan(load<u32>(word)) - 1;
  const block = slotBlock(load<u32>(word));
  const shift = 64 - load<u32>(directoryOf(reference), DIRECTORY_DEPTH) + span;
  const peerCount = blockPeers(block);
  let upperCount: u32 = 0;
  for (let index: u32 = 0; index < peerCount; ++index) {
    upperCount += <u32> ((hashPeer(keyPtr(block, kind, index), kind) >> shift) & 1);
  }
  const lower = takePeerBlock(worker, kind, max<u32>(peerCount - upperCount, 1));
  if (lower == 0) return FULL;
  const upper = takePeerBlock(worker, kind, max<u32>(upperCount, 1));
  if (upper == 0) {
    giveBlock(worker, lower);
    return FULL;
  }
  for (let index: u32 = 0; index < peerCount; ++index) {
    const isUpper = (hashPeer(keyPtr(block, kind, index), kind) >> shift) & 1;
    copyPeer(block, index, isUpper ? upper : lower, kind);
  }
  const slots = directoryOf(reference) + DIRECTORY_SLOTS;
  const first = ((word - slots) >> 2) >> (span + 1) << (span + 1);
  fillSlots(slots, first, 1 << span, lower | span);
  fillSlots(slots, first + (1 << span), 1 << span, upper | span);
  giveBlock(worker, block);
  return OK;
}

/** Adds the peer of one block to another that has room, columns and role as they are. */
export function copyPeer(from: usize, index: u32, to: usize, kind: u32): void {
  const capacity = blockCapacity(from, kind);
  addPeer(
    to,
    kind,
    peerRole(from, index),
    keyPtr(from, kind, index),
    load<u8>(metaPtr(from, kind, capacity) + index),
    load<u16>(seenPtr(from, kind, capacity, index)),
    extraByteLength(kind) != 0 ? extraPtr(from, kind, capacity, index) : 0,
  );
}

/** Turns a single block into a directory of two slots that both lead to it. */
function makeDirectory(worker: usize, referencePtr: usize): i32 {
  const block: usize = load<u32>(referencePtr);
  const directory = take(worker, DIRECTORY_SLOTS + 8);
  if (directory == 0) return FULL;
  store<u32>(directory, 1, DIRECTORY_DEPTH);
  for (let role: u32 = ROLE_LEECHER; role <= <u32> ROLE_SEEDER; ++role) {
    store<u32>(directory + DIRECTORY_ROLES + (role << 2), load<u8>(block + role));
  }
  fillSlots(directory + DIRECTORY_SLOTS, 0, 2, block | 1);
  store<u32>(referencePtr, directory | 1);
  return OK;
}

export function directoryByteLength(depth: u32): u32 {
  return DIRECTORY_SLOTS + (4 << depth);
}

function doubleDirectory(worker: usize, referencePtr: usize): i32 {
  const directory = directoryOf(load<u32>(referencePtr));
  const depth = load<u32>(directory, DIRECTORY_DEPTH);
  if (depth == DIRECTORY_DEPTH_MAX) return LIMIT;
  const slots = directory + DIRECTORY_SLOTS;
  const slotCount: u32 = 1 << depth;
  for (let slot: u32 = 0; slot < slotCount; ++slot) {
    if (slotSpan(load<u32>(slots + (slot << 2))) == SPAN_MAX) return LIMIT;
  }
  const doubled = take(worker, directoryByteLength(depth + 1));
  if (doubled == 0) return FULL;
  memory.copy(doubled, directory, DIRECTORY_SLOTS);
  store<u32>(doubled, depth + 1, DIRECTORY_DEPTH);
  for (let slot: u32 = 0; slot < slotCount; ++slot) {
    fillSlots(doubled + DIRECTORY_SLOTS, slot << 1, 2, load<u32>(slots + (slot << 2)) + 1);
  }
  give(worker, directory, directoryByteLength(depth));
  store<u32>(referencePtr, doubled | 1);
  return OK;
}
