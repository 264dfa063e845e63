/**
 * IP addresses as people and proxies write them: read into ADDRESS records, written into answers.
 */
import { ADDRESS_BYTES, ADDRESS_KIND, KIND_IPV4, KIND_IPV6 } from "./layout";
import { writeDecimal } from "./bencode";
import { hexDigit, loadWire16 } from "./bytes";
import { findByte } from "./scan";

const DOT: u32 = 0x2e;
const COLON: u32 = 0x3a;
const OPENING: u32 = 0x5b;
const CLOSING: u32 = 0x5d;
const GROUP_COUNT: u32 = 8;
/** ::ffff:0:0/96, as a little-endian word of the address's bytes 8-11. */
const MAPPED_PREFIX: u32 = 0xffff0000;

/**
 * Reads `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:5`, whose port is
 * let through unread; an IPv4 address in IPv6 form becomes the IPv4 address that it is.
 * @returns Whether it is one; the record then holds it.
 */
export function readHost(ptr: usize, end: usize, address: usize): bool {
  if (ptr < end && <u32> load<u8>(ptr) == OPENING) {
    const closing = findByte(ptr, end, CLOSING);
    const isEnd = closing + 1 == end || (closing + 1 < end && <u32> load<u8>(closing, 1) == COLON);
    return closing < end && isEnd && readIpv6(ptr + 1, closing, address);
  }
  const colon = findByte(ptr, end, COLON);
  if (colon == end || findByte(ptr, colon, DOT) < colon) return readIpv4(ptr, colon, address);
  return readIpv6(ptr, end, address);
}

/** Reads an address without a port. */
export function readIp(ptr: usize, end: usize, address: usize): bool {
  return findByte(ptr, end, COLON) == end
    ? readIpv4(ptr, end, address)
    : readIpv6(ptr, end, address);
}

export function setIpv4(address: usize, bytes: u32): void {
  store<u32>(address, KIND_IPV4, ADDRESS_KIND);
  store<u64>(address, bytes, ADDRESS_BYTES);
  store<u64>(address + 8, 0, ADDRESS_BYTES);
}

/** Stores the 16 bytes at `ptr` in their canonical form. */
export function setIpv6(address: usize, ptr: usize): void {
  if (load<u64>(ptr) == 0 && load<u32>(ptr, 8) == MAPPED_PREFIX) {
    setIpv4(address, load<u32>(ptr, 12));
    return;
  }
  store<u32>(address, KIND_IPV6, ADDRESS_KIND);
  v128.store(address, v128.load(ptr), ADDRESS_BYTES);
}

function readIpv4(ptr: usize, end: usize, address: usize): bool {
  const bytes = parseIpv4(ptr, end);
  if (bytes < 0) return false;
  setIpv4(address, <u32> bytes);
  return true;
}

/** The four bytes in wire order, or -1. */
function parseIpv4(ptr: usize, end: usize): i64 {
  let bytes: u32 = 0;
  for (let index: u32 = 0; index < 4; ++index) {
    const partEnd = index == 3 ? end : findByte(ptr, end, DOT);
    if (partEnd == ptr || partEnd - ptr > 3 || (index < 3 && partEnd == end)) return -1;
    let value: u32 = 0;
    for (; ptr < partEnd; ++ptr) {
      const digit = <u32> load<u8>(ptr) - 0x30;
      if (digit > 9) return -1;
      value = value * 10 + digit;
    }
    if (value > 255) return -1;
    bytes |= value << (index << 3);
    ++ptr;
  }
  return bytes;
}

/**
 * Groups of up to four digits, `::` once at the most, an IPv4 address in the place of the last two.
 */
function readIpv6(ptr: usize, end: usize, address: usize): bool {
  const bytes = address + ADDRESS_BYTES;
  let group: u32 = 0;
  let gap: i32 = -1;
  if (ptr + 2 <= end && <u32> load<u8>(ptr) == COLON) {
    if (<u32> load<u8>(ptr, 1) != COLON) return false;
    ptr += 2;
    gap = 0;
  }
  while (ptr < end) {
    if (group == GROUP_COUNT) return false;
    const partEnd = findByte(ptr, end, COLON);
    if (partEnd == end && findByte(ptr, end, DOT) < end) {
      const last = parseIpv4(ptr, end);
      if (last < 0 || group > GROUP_COUNT - 2) return false;
      store<u32>(bytes + (group << 1), <u32> last);
      group += 2;
      break;
    }
    if (partEnd == ptr || partEnd - ptr > 4) return false;
    let value: u32 = 0;
    for (; ptr < partEnd; ++ptr) {
      const digit = hexDigit(load<u8>(ptr));
      if (digit < 0) return false;
      value = (value << 4) | <u32> digit;
    }
    store<u16>(bytes + (group << 1), bswap<u16>(<u16> value));
    ++group;
    if (partEnd == end) break;
    ptr = partEnd + 1;
    if (ptr == end) return false;
    if (<u32> load<u8>(ptr) == COLON) {
      if (gap >= 0) return false;
      gap = group;
      ++ptr;
    }
  }
  if (gap < 0 ? group != GROUP_COUNT : group >= GROUP_COUNT) return false;
  if (gap >= 0) {
    const moved = (group - gap) << 1;
    memory.copy(bytes + 16 - moved, bytes + (gap << 1), moved);
    memory.fill(bytes + (gap << 1), 0, 16 - moved - (gap << 1));
  }
  setIpv6(address, bytes);
  return true;
}

/** Writes the address of a peer's key; returns the end. */
export function writeIp(out: usize, key: usize, kind: u32): usize {
  if (kind == KIND_IPV4) {
    for (let index: u32 = 0; index < 4; ++index) {
      if (index != 0) store<u8>(out++, DOT);
      out = writeDecimal(out, load<u8>(key + index));
    }
    return out;
  }
  // The longest run of at least two zero groups becomes "::" (RFC 5952).
  let gap: u32 = GROUP_COUNT;
  let gapLength: u32 = 1;
  for (let first: u32 = 0; first < GROUP_COUNT; ++first) {
    let last = first;
    while (last < GROUP_COUNT && load<u16>(key + (last << 1)) == 0) ++last;
    if (last - first > gapLength) {
      gap = first;
      gapLength = last - first;
    }
  }
  for (let group: u32 = 0; group < GROUP_COUNT; ++group) {
    if (group == gap) {
      store<u16>(out, 0x3a3a);
      out += 2;
      group += gapLength - 1;
      continue;
    }
    if (group != 0 && group != gap + gapLength) store<u8>(out++, COLON);
    out = writeHex(out, loadWire16(key + (group << 1)));
  }
  return out;
}

function writeHex(out: usize, value: u32): usize {
  let shift: i32 = value > 0xfff ? 12 : value > 0xff ? 8 : value > 0xf ? 4 : 0;
  for (; shift >= 0; shift -= 4) {
    const digit = (value >> shift) & 15;
    store<u8>(out++, digit < 10 ? 0x30 + digit : 0x57 + digit);
  }
  return out;
}
