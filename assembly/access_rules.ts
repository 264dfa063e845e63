/**
 * Access rules: which info hashes are served and which client addresses are not.
 *
 * A set of rules is one run of pages, built beside the one in force and swapped in by one atomic
 * store. A worker's batch number is odd while it may hold the old address; the builder waits until
 * every worker has moved on before it gives the old run back. `[memory] limit_mib` counts both.
 */
import {
  ACCESS_BLACK,
  ACCESS_OFF,
  ADDRESS_BYTES,
  ADDRESS_KIND,
  BAD_LINE,
  CONTROL_PAGE_RESERVE,
  CONTROL_PROXIES,
  CONTROL_RULES,
  CONTROL_TABLE_KEY,
  DETAILS,
  KIND_IPV4,
  OK,
  PAGE_SIZE,
  RULES_CONSUMED,
  RULES_HAS_DETAILS,
  RULES_HASH_COUNT,
  RULES_HASH_SLOTS,
  RULES_HASHES,
  RULES_HEADER_SIZE,
  RULES_IPV4,
  RULES_IPV4_COUNT,
  RULES_IPV6,
  RULES_IPV6_COUNT,
  RULES_LINE,
  RULES_MODE,
  RULES_PAGES,
  RULES_PARTIAL,
  RULES_PARTIAL_LENGTH,
  RULES_PARTIAL_MAX,
  RULES_ZERO_LISTED,
} from "./layout";
import { copyInfoHash, equalInfoHash, hexDigit, loadWire32, loadWire64 } from "./bytes";
import { sipHash } from "./hash";
import { givePages, pagesFor, takeReservedPages } from "./memory";
import { dropDetails, isExpired } from "./rule_details";

const INFO_HASH_SIZE: u32 = 20;
const NEW_LINE: u32 = 0x0a;
const CARRIAGE_RETURN: u32 = 0x0d;
const SPACE: u32 = 0x20;
const TAB: u32 = 0x09;
/** Pages by which the next rules may be larger than those in force: 256 KiB. */
const RESERVE_SLACK_PAGES: u32 = 16;
const COMMENT: u32 = 0x23;

/** The rules in force; valid until the worker's batch ends. */
export function currentRules(): usize {
  return atomic.load<u32>(CONTROL_RULES);
}

/** Whether the rules deny this client (an ADDRESS record). */
export function isDenied(rules: usize, address: usize): bool {
  return isInRanges(rules, address);
}

/** Whether an address is in the ranges of these rules, whatever they stand for. */
export function isInRanges(rules: usize, address: usize): bool {
  if (load<u32>(address, ADDRESS_KIND) == KIND_IPV4) {
    const rangeCount = load<u32>(rules, RULES_IPV4_COUNT);
    return rangeCount != 0 &&
      isInIpv4Ranges(load<u32>(rules, RULES_IPV4), rangeCount, loadWire32(address + ADDRESS_BYTES));
  }
  const rangeCount = load<u32>(rules, RULES_IPV6_COUNT);
  return rangeCount != 0 &&
    isInIpv6Ranges(load<u32>(rules, RULES_IPV6), rangeCount, address + ADDRESS_BYTES);
}

/** Whether the rules let this torrent be announced and scraped. */
export function isAllowed(rules: usize, infoHash: usize): bool {
  const mode = load<u32>(rules, RULES_MODE);
  return mode == ACCESS_OFF || isListed(rules, infoHash) == (mode != ACCESS_BLACK);
}

function isListed(rules: usize, infoHash: usize): bool {
  const slotCount = load<u32>(rules, RULES_HASH_SLOTS);
  const isListed = isZero(infoHash)
    ? load<u32>(rules, RULES_ZERO_LISTED) != 0
    : slotCount != 0 && !isZero(findSlot(rules, slotCount, infoHash));
  return isListed && !isExpired(rules, infoHash);
}

/** The slot that holds the hash, or the empty one where it would go; a quarter is always empty. */
function findSlot(rules: usize, slotCount: u32, infoHash: usize): usize {
  const table: usize = load<u32>(rules, RULES_HASHES);
  const hash = sipHash(CONTROL_TABLE_KEY, infoHash, INFO_HASH_SIZE, 1, 3);
  let index = <u32> (((hash >> 32) * slotCount) >> 32);
  while (true) {
    const slot = table + index * INFO_HASH_SIZE;
    if (isZero(slot) || equalInfoHash(slot, infoHash)) return slot;
    if (++index == slotCount) index = 0;
  }
}

function isZero(infoHash: usize): bool {
  return (load<u64>(infoHash) | load<u64>(infoHash, 8) | <u64> load<u32>(infoHash, 16)) == 0;
}

/** Binary search in sorted [first, last] pairs that do not overlap. */
function isInIpv4Ranges(ranges: usize, rangeCount: u32, address: u32): bool {
  let low: u32 = 0;
  let high = rangeCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(ranges + (middle << 3), 4) < address) low = middle + 1;
    else high = middle;
  }
  return low < rangeCount && load<u32>(ranges + (low << 3)) <= address;
}

function isInIpv6Ranges(ranges: usize, rangeCount: u32, address: usize): bool {
  let low: u32 = 0;
  let high = rangeCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBelow(ranges + (middle << 5) + 16, address)) low = middle + 1;
    else high = middle;
  }
  return low < rangeCount && !isBelow(address, ranges + (low << 5));
}

/** Whether the 128-bit number at a (wire order) is less than the one at b. */
function isBelow(a: usize, b: usize): bool {
  const upperA = loadWire64(a);
  const upperB = loadWire64(b);
  return upperA != upperB ? upperA < upperB : loadWire64(a + 8) < loadWire64(b + 8);
}

/**
 * Takes memory for new rules with room for so many entries; the ranges are then written by the
 * caller at RULES_IPV4 and RULES_IPV6.
 * @returns Their address, or 0 when there is no memory.
 */
export function beginRules(
  worker: usize,
  mode: u32,
  hashCountMax: u32,
  ipv4Count: u32,
  ipv6Count: u32,
): usize {
  const slotCount = hashCountMax + hashCountMax / 3 + 1;
  const ipv4Offset = RULES_HEADER_SIZE;
  const ipv6Offset = ipv4Offset + (ipv4Count << 3);
  const hashesOffset = ipv6Offset + (ipv6Count << 5);
  const byteLength: u64 = <u64> hashesOffset + <u64> slotCount * INFO_HASH_SIZE;
  if (byteLength >= <u64> u32.MAX_VALUE - PAGE_SIZE) return 0;
  const pageCount = pagesFor(<u32> byteLength);
  const rules = takeReservedPages(worker, pageCount);
  if (rules == 0) return 0;
  memory.fill(rules, 0, <usize> byteLength);
  store<u32>(rules, mode, RULES_MODE);
  store<u32>(rules, pageCount, RULES_PAGES);
  store<u32>(rules, rules + hashesOffset, RULES_HASHES);
  store<u32>(rules, slotCount, RULES_HASH_SLOTS);
  store<u32>(rules, rules + ipv4Offset, RULES_IPV4);
  store<u32>(rules, ipv4Count, RULES_IPV4_COUNT);
  store<u32>(rules, rules + ipv6Offset, RULES_IPV6);
  store<u32>(rules, ipv6Count, RULES_IPV6_COUNT);
  return rules;
}

/** Gives rules back that are not, or no longer, in force. */
export function dropRules(worker: usize, rules: usize): void {
  dropDetails(worker, rules);
  givePages(worker, rules, load<u32>(rules, RULES_PAGES));
}

/**
 * Puts rules in force; returns those before, which workers may still hold. From now on as much
 * memory is kept back from swarms as the next rules are likely to need.
 */
export function swapRules(rules: usize): usize {
  store<u32>(CONTROL_PAGE_RESERVE, load<u32>(rules, RULES_PAGES) + RESERVE_SLACK_PAGES);
  return atomic.xchg<u32>(CONTROL_RULES, rules);
}

/** Makes the ranges of these rules the trusted proxies; returns those before, 0 for none. */
export function swapProxies(rules: usize): usize {
  return atomic.xchg<u32>(CONTROL_PROXIES, rules);
}

/**
 * Reads the next piece of a list: one hexadecimal info hash a line; blank lines, comments behind
 * `#`, blanks around it and CRLF are let through. A last piece of 0 bytes ends the last line.
 * @returns `OK`; `BAD_LINE`: RULES_LINE holds its number, RULES_PARTIAL its beginning; or `DETAILS`
 * behind a line that says more: RULES_PARTIAL holds its info hash, 20 bytes, and from byte 40 on
 * the text, and the caller goes on with the RULES_CONSUMED bytes behind it.
 */
export function readRules(rules: usize, ptr: usize, byteLength: u32): i32 {
  const line = rules + RULES_PARTIAL;
  const start = ptr;
  let lineLength = load<u32>(rules, RULES_PARTIAL_LENGTH);
  store<u32>(rules, 0, RULES_CONSUMED);
  if (load<u32>(rules, RULES_HAS_DETAILS) != 0) {
    store<u32>(rules, 0, RULES_HAS_DETAILS);
    lineLength = 0;
  }
  if (byteLength == 0) {
    const status = lineLength == 0 ? OK : readLine(rules, line, lineLength);
    if (status == DETAILS) store<u32>(rules, 1, RULES_HAS_DETAILS);
    return status;
  }
  for (let end = ptr + byteLength; ptr < end; ++ptr) {
    const code: u32 = load<u8>(ptr);
    if (code == NEW_LINE) {
      const status = readLine(rules, line, lineLength);
      if (status != OK) {
        store<u32>(rules, lineLength, RULES_PARTIAL_LENGTH);
        store<u32>(rules, ptr + 1 - start, RULES_CONSUMED);
        if (status == DETAILS) store<u32>(rules, 1, RULES_HAS_DETAILS);
        return status;
      }
      lineLength = 0;
    } else if (lineLength == 0 && isBlank(code)) {
      continue;
    } else if (lineLength < <u32> RULES_PARTIAL_MAX) {
      store<u8>(line + lineLength++, code);
    } else if (!isBlank(code)) {
      // Too long for a hash: the rest of a comment, or what makes the line a bad one.
      store<u8>(line + lineLength - 1, code);
    }
  }
  store<u32>(rules, lineLength, RULES_PARTIAL_LENGTH);
  return OK;
}

function readLine(rules: usize, line: usize, lineLength: u32): i32 {
  store<u32>(rules, load<u32>(rules, RULES_LINE) + 1, RULES_LINE);
  let start: u32 = 0;
  while (start < lineLength && isBlank(load<u8>(line + start))) ++start;
  let end = start;
  while (end < lineLength && load<u8>(line + end) != COMMENT) ++end;
  while (end > start && isBlank(load<u8>(line + end - 1))) --end;
  if (end == start) return OK;
  const digits = INFO_HASH_SIZE << 1;
  // Blanks before the hash are never stored, so a line with details begins with it.
  if (end - start > digits && isBlank(load<u8>(line + start + digits))) {
    return addHash(rules, line + start) ? DETAILS : BAD_LINE;
  }
  if (end - start != digits) return BAD_LINE;
  return addHash(rules, line + start) ? OK : BAD_LINE;
}

function isBlank(code: u32): bool {
  return code == SPACE || code == TAB || code == CARRIAGE_RETURN;
}

/** Decodes 40 hexadecimal digits in place and lists the hash. */
function addHash(rules: usize, digits: usize): bool {
  const infoHash = digits;
  let invalid = 0;
  for (let index: u32 = 0; index < INFO_HASH_SIZE; ++index) {
    invalid |= hexDigit(load<u8>(digits + (index << 1))) |
      hexDigit(load<u8>(digits + (index << 1), 1));
  }
  if (invalid < 0) return false;
  for (let index: u32 = 0; index < INFO_HASH_SIZE; ++index) {
    const upper = hexDigit(load<u8>(digits + (index << 1)));
    const lower = hexDigit(load<u8>(digits + (index << 1), 1));
    store<u8>(infoHash + index, (upper << 4) | lower);
  }
  if (isZero(infoHash)) {
    store<u32>(rules, 1, RULES_ZERO_LISTED);
    return true;
  }
  const slot = findSlot(rules, load<u32>(rules, RULES_HASH_SLOTS), infoHash);
  if (isZero(slot)) {
    const hashCount = load<u32>(rules, RULES_HASH_COUNT) + 1;
    // The caller's bound (one hash per 40 bytes of file) leaves a quarter of the slots empty.
    if (hashCount >= load<u32>(rules, RULES_HASH_SLOTS)) return false;
    store<u32>(rules, hashCount, RULES_HASH_COUNT);
    copyInfoHash(slot, infoHash);
  }
  return true;
}
