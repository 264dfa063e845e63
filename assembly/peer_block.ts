/**
 * A peer block: up to 128 peers in columns, in the order leechers, partial seeds, seeders.
 *
 * Keys are packed as the wire wants them (address and port, 6 or 18 bytes), so an answer is a few
 * straight copies. A peer is found by comparing 16 hashes of seven bits at a time. The order by
 * role is kept by moving at most two peers on every change; the role of a peer is where it stands.
 *
 *     0  u8  leechers          then, for `capacity` peers each:
 *     1  u8  partial seeds       key        6, 18 or 20 bytes
 *     2  u8  seeders             meta       u8: bit 0 download counted, bits 1-7 hash
 *     3  u8  size class          last seen  u16 seconds, wrapping
 *                                extra      0 or 20 bytes (peer id)
 */
import {
  BLOCK_CLASS,
  BLOCK_COUNT_MAX,
  BLOCK_LEECHERS,
  BLOCK_PARTIAL_SEEDS,
  BLOCK_PEERS,
  BLOCK_SEEDERS,
  CONTROL_PEER_IDS,
  KIND_IPV4,
  KIND_IPV6,
  META_COMPLETED,
  ROLE_LEECHER,
  ROLE_PARTIAL_SEED,
  ROLE_SEEDER,
  SMALL_BLOCK_MAX,
} from "./layout";
import { copyShort } from "./bytes";
import { classByteLength, giveBlock, sizeClass, takeBlock } from "./memory";

export function keyByteLength(kind: u32): u32 {
  return kind == KIND_IPV4 ? 6 : kind == KIND_IPV6 ? 18 : 20;
}

export function extraByteLength(kind: u32): u32 {
  if (kind > <u32> KIND_IPV6) return 8;
  return load<u32>(CONTROL_PEER_IDS) != 0 ? 20 : 0;
}

/** Bytes a peer takes in all columns. */
export function peerByteLength(kind: u32): u32 {
  return keyByteLength(kind) + 3 + extraByteLength(kind);
}

/** The most peers that a block of the kind may hold. */
export function blockCountMax(kind: u32): u32 {
  const fitting = (SMALL_BLOCK_MAX - BLOCK_PEERS) / peerByteLength(kind);
  return fitting < BLOCK_COUNT_MAX ? fitting : BLOCK_COUNT_MAX;
}

/** The sum of the three counts, which end up in the third byte; it is 128 at the most. */
export function blockPeers(block: usize): u32 {
  return ((load<u32>(block) * 0x010101) >> 16) & 0xff;
}

export function blockCapacity(block: usize, kind: u32): u32 {
  const byteLength = classByteLength(load<u8>(block, BLOCK_CLASS)) - BLOCK_PEERS;
  if (kind == KIND_IPV4 && load<u32>(CONTROL_PEER_IDS) == 0) return byteLength / 9;
  return byteLength / peerByteLength(kind);
}

/** Takes an empty block with room for `peers`; 0 when memory is full. */
export function takePeerBlock(worker: usize, kind: u32, peers: u32): usize {
  const blockClass = sizeClass(BLOCK_PEERS + peers * peerByteLength(kind));
  const block = takeBlock(worker, blockClass);
  if (block != 0) store<u32>(block, blockClass << 24);
  return block;
}

/** Moves a block's peers to one with room for `peers` and gives the old one back; 0 when full. */
export function resizePeerBlock(worker: usize, block: usize, kind: u32, peers: u32): usize {
  const resized = takePeerBlock(worker, kind, peers);
  if (resized == 0) return 0;
  const peerCount = blockPeers(block);
  const from = blockCapacity(block, kind);
  const to = blockCapacity(resized, kind);
  const key = keyByteLength(kind);
  const extra = extraByteLength(kind);
  memory.copy(keyPtr(resized, kind, 0), keyPtr(block, kind, 0), peerCount * key);
  memory.copy(metaPtr(resized, kind, to), metaPtr(block, kind, from), peerCount);
  memory.copy(seenPtr(resized, kind, to, 0), seenPtr(block, kind, from, 0), peerCount << 1);
  if (extra != 0) {
    memory.copy(
      extraPtr(resized, kind, to, 0),
      extraPtr(block, kind, from, 0),
      peerCount * extra,
    );
  }
  store<u16>(resized, load<u16>(block, BLOCK_LEECHERS), BLOCK_LEECHERS);
  store<u8>(resized, load<u8>(block, BLOCK_SEEDERS), BLOCK_SEEDERS);
  giveBlock(worker, block);
  return resized;
}

export function keyPtr(block: usize, kind: u32, index: u32): usize {
  return block + BLOCK_PEERS + index * keyByteLength(kind);
}

/** The meta column. */
export function metaPtr(block: usize, kind: u32, capacity: u32): usize {
  return block + BLOCK_PEERS + capacity * keyByteLength(kind);
}

export function seenPtr(block: usize, kind: u32, capacity: u32, index: u32): usize {
  return metaPtr(block, kind, capacity) + capacity + (index << 1);
}

export function extraPtr(block: usize, kind: u32, capacity: u32, index: u32): usize {
  return seenPtr(block, kind, capacity, capacity) + index * extraByteLength(kind);
}

/** The index of a peer, or -1. `meta` is the peer's hash in bits 1-7. */
export function findPeer(block: usize, kind: u32, key: usize, meta: u32): i32 {
  const peerCount = blockPeers(block);
  const column = metaPtr(block, kind, blockCapacity(block, kind));
  const wanted = i8x16.splat(<i8> meta);
  const hashBits = i8x16.splat(<i8> ~META_COMPLETED);
  for (let base: u32 = 0; base < peerCount; base += 16) {
    let matches = <u32> i8x16.bitmask(
      i8x16.eq(v128.and(v128.load(column + base), hashBits), wanted),
    );
    const lanes = peerCount - base;
    if (lanes < 16) matches &= (1 << lanes) - 1;
    while (matches != 0) {
      const index = base + ctz<u32>(matches);
      if (equalKey(keyPtr(block, kind, index), key, kind)) return index;
      matches &= matches - 1;
    }
  }
  return -1;
}

function equalKey(a: usize, b: usize, kind: u32): bool {
  if (kind == KIND_IPV4) {
    return load<u32>(a) == load<u32>(b) && load<u16>(a, 4) == load<u16>(b, 4);
  }
  if (load<u64>(a) != load<u64>(b) || load<u64>(a, 8) != load<u64>(b, 8)) return false;
  return kind == KIND_IPV6
    ? load<u16>(a, 16) == load<u16>(b, 16)
    : load<u32>(a, 16) == load<u32>(b, 16);
}

export function peerRole(block: usize, index: u32): u32 {
  const counts = load<u32>(block);
  const leechers = counts & 0xff;
  if (index < leechers) return ROLE_LEECHER;
  return index < leechers + ((counts >> 8) & 0xff) ? ROLE_PARTIAL_SEED : ROLE_SEEDER;
}

/** Adds a peer (the block has room) and returns its index. */
export function addPeer(
  block: usize,
  kind: u32,
  role: u32,
  key: usize,
  meta: u32,
  seen: u32,
  extra: usize,
): u32 {
  const capacity = blockCapacity(block, kind);
  const leechers: u32 = load<u8>(block, BLOCK_LEECHERS);
  const partialSeeds: u32 = load<u8>(block, BLOCK_PARTIAL_SEEDS);
  let index = blockPeers(block);
  if (role < <u32> ROLE_SEEDER) {
    movePeer(block, kind, capacity, leechers + partialSeeds, index);
    index = leechers + partialSeeds;
    if (role == ROLE_LEECHER) {
      movePeer(block, kind, capacity, leechers, index);
      index = leechers;
    }
  }
  // The key column is followed by the meta column: never write past the key.
  copyKey(keyPtr(block, kind, index), key, kind);
  store<u8>(metaPtr(block, kind, capacity) + index, meta);
  store<u16>(seenPtr(block, kind, capacity, index), seen);
  const extraLength = extraByteLength(kind);
  if (extraLength != 0) {
    const column = extraPtr(block, kind, capacity, index);
    if (extra != 0) memory.copy(column, extra, extraLength);
    else memory.fill(column, 0, extraLength);
  }
  store<u8>(block + role, load<u8>(block + role) + 1);
  return index;
}

/** Removes a peer; the peers that move into the gap come from higher indices. */
export function removePeer(block: usize, kind: u32, index: u32): void {
  const capacity = blockCapacity(block, kind);
  const role = peerRole(block, index);
  let gap = index;
  let end: u32 = 0;
  for (let segment: u32 = 0; segment <= <u32> ROLE_SEEDER; ++segment) {
    end += load<u8>(block + segment);
    if (segment < role) continue;
    movePeer(block, kind, capacity, end - 1, gap);
    gap = end - 1;
  }
  store<u8>(block + role, load<u8>(block + role) - 1);
}

function movePeer(block: usize, kind: u32, capacity: u32, from: u32, to: u32): void {
  if (from == to) return;
  copyKey(keyPtr(block, kind, to), keyPtr(block, kind, from), kind);
  const meta = metaPtr(block, kind, capacity);
  store<u8>(meta + to, load<u8>(meta + from));
  store<u16>(
    seenPtr(block, kind, capacity, to),
    load<u16>(seenPtr(block, kind, capacity, from)),
  );
  const extraLength = extraByteLength(kind);
  if (extraLength != 0) {
    memory.copy(
      extraPtr(block, kind, capacity, to),
      extraPtr(block, kind, capacity, from),
      extraLength,
    );
  }
}

function copyKey(to: usize, from: usize, kind: u32): void {
  if (kind == KIND_IPV4) {
    store<u32>(to, load<u32>(from));
    store<u16>(to, load<u16>(from, 4), 4);
    return;
  }
  v128.store(to, v128.load(from));
  if (kind == KIND_IPV6) store<u16>(to, load<u16>(from, 16), 16);
  else store<u32>(to, load<u32>(from, 16), 16);
}

/** Removes every peer not seen for more than `maxAge` seconds; returns how many. */
export function expirePeers(block: usize, kind: u32, now: u32, maxAge: u32): u32 {
  const seen = seenPtr(block, kind, blockCapacity(block, kind), 0);
  let expired: u32 = 0;
  for (let index: i32 = blockPeers(block) - 1; index >= 0; --index) {
    if (((now - load<u16>(seen + (index << 1))) & 0xffff) <= maxAge) continue;
    removePeer(block, kind, index);
    ++expired;
  }
  return expired;
}

/** Removes every peer; returns how many there were. */
export function removePeers(block: usize): u32 {
  const peers = blockPeers(block);
  store<u16>(block, 0, BLOCK_LEECHERS); // and partial seeds
  store<u8>(block, 0, BLOCK_SEEDERS);
  return peers;
}

/**
 * Copies `peers` items of a column, of the region [start, start + length), in a circle from a
 * random peer on, without the one at `excluded` (-1: none); each is as likely as any other.
 * @param column Its first item, of `itemLength` bytes.
 * @param turn A random number below the peers that may be chosen.
 * @returns The end of what was written.
 */
export function copyCircle(
  column: usize,
  itemLength: u32,
  start: u32,
  length: u32,
  excluded: i32,
  turn: u32,
  peers: u32,
  out: usize,
): usize {
  const end = start + length;
  let index = (excluded >= 0 ? <u32> excluded + 1 : start) + turn;
  if (index >= end) index -= length;
  while (peers > 0) {
    if (index >= end) index = start;
    if (index == <u32> excluded) {
      ++index;
      continue;
    }
    const stop = excluded >= 0 && <u32> excluded > index ? <u32> excluded : end;
    const run = min<u32>(peers, stop - index);
    copyShort(out, column + index * itemLength, run * itemLength);
    out += run * itemLength;
    peers -= run;
    index += run;
  }
  return out;
}
