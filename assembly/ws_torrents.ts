/**
 * The torrents that a WebSocket connection takes part in: info hash and the peer id it has there.
 *
 * Two columns: a tag of the table hash for each, four of which are compared at once, then the ids.
 * The list is the connection's own worker's, so no lock guards it.
 */
import {
  CONTROL_WS_MAX_TORRENTS,
  FRAME_TORRENT_CAPACITY,
  FRAME_TORRENT_COUNT,
  FRAME_TORRENTS,
  FULL,
  LIMIT,
} from "./layout";
import { copyInfoHash, equalInfoHash } from "./bytes";
import { give, take } from "./memory";

const ID_SIZE: u32 = 20;
const ENTRY_SIZE: u32 = 40;
const TAG_SIZE: u32 = 4;
/** Tags are read in fours, and ids in strides of 16. */
const SLACK: u32 = 16;

/** A tag of the table hash, from bits that do not choose the shard. */
function tagOf(hash: u64): u32 {
  return <u32> (hash >> 32);
}

function listByteLength(capacity: u32): u32 {
  return capacity * (TAG_SIZE + ENTRY_SIZE) + SLACK;
}

function entryPtr(connection: usize, index: u32): usize {
  const capacity = load<u32>(connection, FRAME_TORRENT_CAPACITY);
  return load<u32>(connection, FRAME_TORRENTS) + capacity * TAG_SIZE + index * ENTRY_SIZE;
}

/** Address of an entry's info hash. */
export function listedInfoHash(connection: usize, index: u32): usize {
  return entryPtr(connection, index);
}

/** Address of an entry's peer id. */
export function listedPeerId(connection: usize, index: u32): usize {
  return entryPtr(connection, index) + ID_SIZE;
}

/** The index of a torrent, or -1. @param hash Its table hash. */
export function findListed(connection: usize, hash: u64, infoHash: usize): i32 {
  const count = load<u32>(connection, FRAME_TORRENT_COUNT);
  const tags: usize = load<u32>(connection, FRAME_TORRENTS);
  const wanted = i32x4.splat(tagOf(hash));
  for (let base: u32 = 0; base < count; base += 4) {
    let matches = <u32> i32x4.bitmask(i32x4.eq(v128.load(tags + base * TAG_SIZE), wanted));
    if (count - base < 4) matches &= (1 << (count - base)) - 1;
    for (; matches != 0; matches &= matches - 1) {
      const index = base + ctz<u32>(matches);
      if (equalInfoHash(entryPtr(connection, index), infoHash)) return index;
    }
  }
  return -1;
}

/** Adds a torrent that is not there; its index, `LIMIT` or `FULL`. */
export function addListed(worker: usize, connection: usize, hash: u64, infoHash: usize): i32 {
  const count = load<u32>(connection, FRAME_TORRENT_COUNT);
  if (count >= load<u32>(CONTROL_WS_MAX_TORRENTS)) return LIMIT;
  if (count == load<u32>(connection, FRAME_TORRENT_CAPACITY) && !growList(worker, connection)) {
    return FULL;
  }
  store<u32>(load<u32>(connection, FRAME_TORRENTS) + count * TAG_SIZE, tagOf(hash));
  copyInfoHash(entryPtr(connection, count), infoHash);
  store<u32>(connection, count + 1, FRAME_TORRENT_COUNT);
  return count;
}

/** Notes the peer id of an entry. */
export function setListedPeerId(connection: usize, index: u32, peerId: usize): void {
  copyInfoHash(entryPtr(connection, index) + ID_SIZE, peerId);
}

/** Removes an entry; the last one takes its place. */
export function removeListed(worker: usize, connection: usize, index: u32): void {
  const last = load<u32>(connection, FRAME_TORRENT_COUNT) - 1;
  if (index != last) {
    const tags: usize = load<u32>(connection, FRAME_TORRENTS);
    store<u32>(tags + index * TAG_SIZE, load<u32>(tags + last * TAG_SIZE));
    memory.copy(entryPtr(connection, index), entryPtr(connection, last), ENTRY_SIZE);
  }
  store<u32>(connection, last, FRAME_TORRENT_COUNT);
  if (last == 0) dropList(worker, connection);
}

/** Gives the list back: forgotten first, so that whoever clears up a trap never does it again. */
export function dropList(worker: usize, connection: usize): void {
  const list: usize = load<u32>(connection, FRAME_TORRENTS);
  const capacity = load<u32>(connection, FRAME_TORRENT_CAPACITY);
  store<u32>(connection, 0, FRAME_TORRENTS);
  store<u32>(connection, 0, FRAME_TORRENT_COUNT);
  store<u32>(connection, 0, FRAME_TORRENT_CAPACITY);
  if (list != 0) give(worker, list, listByteLength(capacity));
}

function growList(worker: usize, connection: usize): bool {
  const capacity = load<u32>(connection, FRAME_TORRENT_CAPACITY);
  const list: usize = load<u32>(connection, FRAME_TORRENTS);
  const grownCapacity = max<u32>(capacity << 1, 1);
  const grown = take(worker, listByteLength(grownCapacity));
  if (grown == 0) return false;
  memory.copy(grown, list, capacity * TAG_SIZE);
  memory.copy(
    grown + grownCapacity * TAG_SIZE,
    list + capacity * TAG_SIZE,
    capacity * ENTRY_SIZE,
  );
  store<u32>(connection, grown, FRAME_TORRENTS);
  store<u32>(connection, grownCapacity, FRAME_TORRENT_CAPACITY);
  if (list != 0) give(worker, list, listByteLength(capacity));
  return true;
}
