/**
 * Who asks, behind proxies: X-Forwarded-For and Forwarded (RFC 7239), read from the right.
 *
 * Only what the configured proxies wrote counts: from the right, their own addresses are passed
 * over, and the first other one is the client. Several lines are one list, so a later line
 * overrules those before it unless it names proxies only.
 */
import {
  ADDRESS_KIND,
  ADDRESS_SIZE,
  CONNECTION_CLIENT,
  CONNECTION_FLAGS,
  CONNECTION_FORWARDED,
  CONNECTION_PEER,
  CONTROL_PROXIES,
  FLAG_BAD_FORWARDED,
  FLAG_FORWARDED,
  FLAG_FORWARDED_FOR,
  KIND_LOCAL,
} from "./layout";
import { isInRanges } from "./access_rules";
import { readHost } from "./ip_text";
import { findByte, isBlank, lower4 } from "./scan";

const COMMA: u32 = 0x2c;
const SEMICOLON: u32 = 0x3b;
const QUOTE: u32 = 0x22;
const FOR: u32 = 0x3d726f66; // for=, as it lies in memory

const LIST_OF_PROXIES: u32 = 0;
const LIST_WITH_CLIENT: u32 = 1;
const LIST_UNUSABLE: u32 = 2;

/** Whether this address (an ADDRESS record) is a trusted proxy's, as all on UNIX sockets are. */
export function isTrusted(address: usize): bool {
  if (load<u32>(address, ADDRESS_KIND) == KIND_LOCAL) return true;
  const proxies: usize = atomic.load<u32>(CONTROL_PROXIES);
  return proxies != 0 && isInRanges(proxies, address);
}

/** Before a request's headers: who is connected asks. */
export function resetClient(connection: usize): void {
  memory.copy(connection + CONNECTION_CLIENT, connection + CONNECTION_PEER, ADDRESS_SIZE);
  memory.copy(connection + CONNECTION_FORWARDED, connection + CONNECTION_PEER, ADDRESS_SIZE);
}

/** Reads one line of X-Forwarded-For, where it comes from a trusted proxy. */
export function readForwardedFor(connection: usize, ptr: usize, end: usize): void {
  if (ptr == end || !isTrusted(connection + CONNECTION_PEER)) return;
  readLine(connection, ptr, end, false);
}

/** Reads one line of Forwarded, where it comes from a trusted proxy. */
export function readForwarded(connection: usize, ptr: usize, end: usize): void {
  if (ptr == end || !isTrusted(connection + CONNECTION_PEER)) return;
  readLine(connection, ptr, end, true);
}

/**
 * Whether it is known who asks: CONNECTION_CLIENT then holds it. Both kinds of header may be there
 * where a client sent the one that its proxy does not write, so they must agree.
 */
export function settleClient(connection: usize): bool {
  const flags = load<u32>(connection, CONNECTION_FLAGS);
  if (flags & FLAG_BAD_FORWARDED) return false;
  const client = connection + CONNECTION_CLIENT;
  if (flags & FLAG_FORWARDED) {
    const forwarded = connection + CONNECTION_FORWARDED;
    if ((flags & FLAG_FORWARDED_FOR) != 0 && !equalAddress(client, forwarded)) return false;
    memory.copy(client, forwarded, ADDRESS_SIZE);
  }
  return load<u32>(client, ADDRESS_KIND) != KIND_LOCAL;
}

function equalAddress(a: usize, b: usize): bool {
  return load<u32>(a) == load<u32>(b) && load<u64>(a, 8) == load<u64>(b, 8) &&
    load<u64>(a, 16) == load<u64>(b, 16);
}

function readLine(connection: usize, ptr: usize, end: usize, isForwarded: bool): void {
  const address = connection + (isForwarded ? CONNECTION_FORWARDED : CONNECTION_CLIENT);
  const flag = isForwarded ? FLAG_FORWARDED : FLAG_FORWARDED_FOR;
  const flags = load<u32>(connection, CONNECTION_FLAGS);
  // A list of proxies only says nothing where an earlier line has said something.
  const kept0 = load<u64>(address);
  const kept1 = load<u64>(address, 8);
  const kept2 = load<u64>(address, 16);
  const found = readList(ptr, end, address, isForwarded);
  if (found == LIST_OF_PROXIES && (flags & flag) != 0) {
    store<u64>(address, kept0);
    store<u64>(address, kept1, 8);
    store<u64>(address, kept2, 16);
    return;
  }
  const isUnusable = found == LIST_UNUSABLE ? FLAG_BAD_FORWARDED : 0;
  store<u32>(connection, (flags & ~FLAG_BAD_FORWARDED) | flag | isUnusable, CONNECTION_FLAGS);
}

/**
 * Leaves the first address from the right that is no proxy's in `address`, or else the leftmost.
 */
function readList(ptr: usize, end: usize, address: usize, isForwarded: bool): u32 {
  while (ptr < end) {
    let item = end;
    while (item > ptr && <u32> load<u8>(item - 1) != COMMA) --item;
    const itemEnd = trimEnd(item, end);
    const itemStart = trimStart(item, itemEnd);
    end = item > ptr ? item - 1 : ptr;
    if (itemStart == itemEnd) continue;
    const isAddress = isForwarded
      ? readElement(itemStart, itemEnd, address)
      : readHost(itemStart, itemEnd, address);
    if (!isAddress) return LIST_UNUSABLE;
    if (!isTrusted(address)) return LIST_WITH_CLIENT;
  }
  return LIST_OF_PROXIES;
}

/** One element of Forwarded: pairs between semicolons, of which `for` matters. */
function readElement(ptr: usize, end: usize, address: usize): bool {
  while (ptr < end) {
    const pairEnd = findByte(ptr, end, SEMICOLON);
    let value = trimStart(ptr, pairEnd);
    let valueEnd = trimEnd(value, pairEnd);
    if (valueEnd - value > 4 && lower4(value) == FOR) {
      value += 4;
      if (<u32> load<u8>(value) == QUOTE && <u32> load<u8>(valueEnd - 1) == QUOTE) {
        ++value;
        --valueEnd;
      }
      return value < valueEnd && readHost(value, valueEnd, address);
    }
    ptr = pairEnd + 1;
  }
  return false;
}

function trimStart(ptr: usize, end: usize): usize {
  while (ptr < end && isBlank(load<u8>(ptr))) ++ptr;
  return ptr;
}

function trimEnd(ptr: usize, end: usize): usize {
  while (end > ptr && isBlank(load<u8>(end - 1))) --end;
  return end;
}
