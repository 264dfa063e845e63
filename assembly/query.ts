/**
 * The query of an announce or scrape (BEP 3): percent-encoded bytes into the worker's QUERY record.
 *
 * Clients differ in all that is not essential, so only info hash, peer id and port can be wrong.
 * Values are bytes and never text; `+` is itself. Info hashes are kept sorted, each once, as the
 * dictionary of a scrape wants them.
 */
import {
  INFO_HASHES_MAX,
  QUERY_EVENT,
  QUERY_HAS_BAD_HASH,
  QUERY_HAS_PEER_ID,
  QUERY_INFO_HASH_COUNT,
  QUERY_INFO_HASHES_GIVEN,
  QUERY_IS_COMPACT,
  QUERY_IS_SEEDER,
  QUERY_KEY,
  QUERY_NUM_WANT,
  QUERY_OMITS_PEER_ID,
  QUERY_PEER_ID,
  QUERY_PORT,
  URL_DATA_MAX,
  WORKER_INFO_HASHES,
  WORKER_QUERY,
  WORKER_SCRATCH,
} from "./layout";
import { equalInfoHash, hexDigit, loadWire32, loadWire64 } from "./bytes";
import { findByte } from "./scan";

export const EVENT_NONE: u32 = 0;
export const EVENT_STARTED: u32 = 1;
export const EVENT_COMPLETED: u32 = 2;
export const EVENT_STOPPED: u32 = 3;
export const EVENT_PAUSED: u32 = 4;

const AMPERSAND: u32 = 0x26;
const EQUALS: u32 = 0x3d;
const PERCENT: u32 = 0x25;
const ZERO: u32 = 0x30;
const ONE: u32 = 0x31;
const ID_SIZE: u32 = 20;
const PORT_MAX: u32 = 65535;
const SCRATCH_SIZE: u32 = 48;

// Names of parameters and events, as they lie in memory, the last one cut to its length.
const INFO_HASH: u64 = 0x7361685f6f666e69; // info_has
const PEER_ID: u64 = 0x64695f72656570;
const NO_PEER_ID: u64 = 0x5f726565705f6f6e; // no_peer_
const PORT: u64 = 0x74726f70;
const LEFT: u64 = 0x7466656c;
const EVENT: u64 = 0x746e657665;
const NUM_WANT: u64 = 0x746e61776d756e; // numwant
const COMPACT: u64 = 0x746361706d6f63;
const STARTED: u64 = 0x64657472617473;
const COMPLETED: u64 = 0x6574656c706d6f63; // complete
const STOPPED: u64 = 0x646570706f7473;
const PAUSED: u64 = 0x646573756170;

/**
 * Reads a query without its question mark.
 * @param hashCountMax Info hashes beyond it are ignored.
 */
export function parseQuery(worker: usize, ptr: usize, end: usize, hashCountMax: u32): void {
  const query = worker + WORKER_QUERY;
  memory.fill(query, 0, QUERY_KEY); // The key came with the path.
  store<i32>(query, -1, QUERY_NUM_WANT);
  store<u32>(query, 1, QUERY_IS_COMPACT);
  while (ptr < end) {
    const parameterEnd = findByte(ptr, end, AMPERSAND);
    const nameEnd = findByte(ptr, parameterEnd, EQUALS);
    if (nameEnd < parameterEnd) {
      parseParameter(worker, query, ptr, nameEnd, parameterEnd, hashCountMax);
    }
    ptr = parameterEnd + 1;
  }
}

/** Up to eight bytes of text as one number. */
function word(ptr: usize, byteLength: u32): u64 {
  return byteLength >= 8 ? load<u64>(ptr) : load<u64>(ptr) & (((<u64> 1) << (byteLength << 3)) - 1);
}

function parseParameter(
  worker: usize,
  query: usize,
  name: usize,
  nameEnd: usize,
  end: usize,
  hashCountMax: u32,
): void {
  const nameLength: u32 = nameEnd - name;
  let value = nameEnd + 1;
  const nameWord = word(name, nameLength);
  if (nameLength == 9 && nameWord == INFO_HASH && load<u8>(name, 8) == 0x68) {
    addInfoHash(worker, query, value, end, hashCountMax);
    return;
  }
  if (nameLength == 7 && nameWord == PEER_ID) {
    const isWhole = decode(query + QUERY_PEER_ID, value, end, ID_SIZE) == ID_SIZE;
    store<u32>(query, <u32> isWhole, QUERY_HAS_PEER_ID);
    return;
  }
  if (findByte(value, end, PERCENT) < end) {
    // Nobody needs to encode what the others hold; a value that is long then is none of them.
    const scratch = worker + WORKER_SCRATCH;
    const byteLength = decode(scratch, value, end, SCRATCH_SIZE);
    if (byteLength < 0 || <u32> byteLength > SCRATCH_SIZE) return;
    value = scratch;
    end = scratch + byteLength;
  }
  switch (nameLength) {
    case 4:
      if (nameWord == PORT) store<u32>(query, parsePort(value, end), QUERY_PORT);
      else if (nameWord == LEFT) store<u32>(query, <u32> isZero(value, end), QUERY_IS_SEEDER);
      break;
    case 5:
      if (nameWord == EVENT) store<u32>(query, parseEvent(value, end), QUERY_EVENT);
      break;
    case 7:
      if (nameWord == NUM_WANT) {
        store<i32>(query, parseNumWant(value, end), QUERY_NUM_WANT);
      } else if (nameWord == COMPACT) {
        store<u32>(query, <u32> !isDigit(value, end, ZERO), QUERY_IS_COMPACT);
      }
      break;
    case 10:
      if (nameWord == NO_PEER_ID && load<u16>(name, 8) == 0x6469) {
        store<u32>(query, <u32> isDigit(value, end, ONE), QUERY_OMITS_PEER_ID);
      }
      break;
  }
}

function isDigit(ptr: usize, end: usize, digit: u32): bool {
  return end - ptr == 1 && load<u8>(ptr) == digit;
}

/** Whether it is nothing but zeros, and at least one: everything else is something left. */
function isZero(ptr: usize, end: usize): bool {
  if (ptr == end) return false;
  for (; ptr < end; ++ptr) if (load<u8>(ptr) != ZERO) return false;
  return true;
}

/** A decimal number, at most `most`; -1 where it is none. */
function parseDecimal(ptr: usize, end: usize, most: u32): i32 {
  if (ptr == end) return -1;
  let value: u32 = 0;
  for (; ptr < end; ++ptr) {
    const digit = <u32> load<u8>(ptr) - ZERO;
    if (digit > 9) return -1;
    value = min<u32>(value * 10 + digit, most);
  }
  return value;
}

function parsePort(ptr: usize, end: usize): u32 {
  const port = parseDecimal(ptr, end, PORT_MAX + 1);
  return port < 0 || <u32> port > PORT_MAX ? 0 : port;
}

/** Negative, which nobody may want, is the default. */
function parseNumWant(ptr: usize, end: usize): i32 {
  return parseDecimal(ptr, end, PORT_MAX);
}

function parseEvent(ptr: usize, end: usize): u32 {
  const byteLength: u32 = end - ptr;
  const event = word(ptr, byteLength);
  if (byteLength == 7 && event == STARTED) return EVENT_STARTED;
  if (byteLength == 9 && event == COMPLETED && load<u8>(ptr, 8) == 0x64) return EVENT_COMPLETED;
  if (byteLength == 7 && event == STOPPED) return EVENT_STOPPED;
  return byteLength == 6 && event == PAUSED ? EVENT_PAUSED : EVENT_NONE;
}

/**
 * Decodes %XX into bytes.
 * @returns How many, `most` + 1 where there are more, or -1 where an escape is none.
 */
function decode(out: usize, ptr: usize, end: usize, most: u32): i32 {
  let byteLength: u32 = 0;
  while (ptr < end) {
    let code: u32 = load<u8>(ptr++);
    if (code == PERCENT) {
      if (ptr + 2 > end) return -1;
      const value = (hexDigit(load<u8>(ptr)) << 4) | hexDigit(load<u8>(ptr, 1));
      if (value < 0) return -1;
      code = value;
      ptr += 2;
    }
    if (byteLength == most) return most + 1;
    store<u8>(out + byteLength++, code);
  }
  return byteLength;
}

/** Decodes an info hash behind the others and moves it to its place among them. */
function addInfoHash(worker: usize, query: usize, ptr: usize, end: usize, most: u32): void {
  const hashes = worker + WORKER_INFO_HASHES;
  const hashCount = load<u32>(query, QUERY_INFO_HASH_COUNT);
  const infoHash = hashes + hashCount * ID_SIZE;
  store<u32>(query, load<u32>(query, QUERY_INFO_HASHES_GIVEN) + 1, QUERY_INFO_HASHES_GIVEN);
  if (decode(infoHash, ptr, end, ID_SIZE) != ID_SIZE) {
    store<u32>(query, 1, QUERY_HAS_BAD_HASH);
    return;
  }
  let index = hashCount;
  while (index > 0 && isBelow(infoHash, hashes + (index - 1) * ID_SIZE)) --index;
  if (hashCount == most) return;
  if (index > 0 && equalInfoHash(infoHash, hashes + (index - 1) * ID_SIZE)) return;
  if (index < hashCount) {
    const place = hashes + index * ID_SIZE;
    const head = load<u64>(infoHash);
    const middle = load<u64>(infoHash, 8);
    const tail = load<u32>(infoHash, 16);
    memory.copy(place + ID_SIZE, place, (hashCount - index) * ID_SIZE);
    store<u64>(place, head);
    store<u64>(place, middle, 8);
    store<u32>(place, tail, 16);
  }
  store<u32>(query, hashCount + 1, QUERY_INFO_HASH_COUNT);
}

/** Whether the info hash at a comes before the one at b. */
function isBelow(a: usize, b: usize): bool {
  if (load<u64>(a) != load<u64>(b)) return loadWire64(a) < loadWire64(b);
  if (load<u64>(a, 8) != load<u64>(b, 8)) return loadWire64(a + 8) < loadWire64(b + 8);
  return loadWire32(a + 16) < loadWire32(b + 16);
}

if (INFO_HASHES_MAX * 20 + 20 > URL_DATA_MAX) ERROR("Too many info hashes");
