/**
 * What some entries of the access list say besides their info hash: until when they hold, and what
 * refused clients are told.
 *
 * Few entries have details, so they lie in a run of pages of their own, sorted by info hash, and
 * are looked at only once the list has decided. Reasons are texts behind them, each there once.
 */
import {
  CONTROL_UNIX_TIME,
  DETAIL_REASON,
  DETAIL_SIZE,
  DETAIL_UNTIL,
  RULES_DETAIL_COUNT,
  RULES_DETAIL_PAGES,
  RULES_DETAILS,
} from "./layout";
import { loadWire32, loadWire64 } from "./bytes";
import { givePages, pagesFor, takeReservedPages } from "./memory";

/** Takes room for details and texts, which the caller writes; 0 when there is no memory. */
export function beginDetails(worker: usize, rules: usize, count: u32, byteLength: u32): usize {
  const pageCount = pagesFor(byteLength);
  const details = takeReservedPages(worker, pageCount);
  if (details == 0) return 0;
  store<u32>(rules, details, RULES_DETAILS);
  store<u32>(rules, count, RULES_DETAIL_COUNT);
  store<u32>(rules, pageCount, RULES_DETAIL_PAGES);
  return details;
}

export function dropDetails(worker: usize, rules: usize): void {
  const details: usize = load<u32>(rules, RULES_DETAILS);
  if (details != 0) givePages(worker, details, load<u32>(rules, RULES_DETAIL_PAGES));
}

/** Whether the entry of a listed info hash has come to its end. */
export function isExpired(rules: usize, infoHash: usize): bool {
  const detail = findDetail(rules, infoHash);
  if (detail == 0) return false;
  const until = load<u32>(detail, DETAIL_UNTIL);
  return until != 0 && until <= atomic.load<u32>(CONTROL_UNIX_TIME);
}

/** What refused clients are told: the address of a u8 length and the text; 0 for the usual. */
export function reasonOf(rules: usize, infoHash: usize): usize {
  const detail = findDetail(rules, infoHash);
  return detail == 0 ? 0 : load<u32>(detail, DETAIL_REASON);
}

function findDetail(rules: usize, infoHash: usize): usize {
  const details: usize = load<u32>(rules, RULES_DETAILS);
  let low: u32 = 0;
  let high = load<u32>(rules, RULES_DETAIL_COUNT);
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = compare(details + middle * DETAIL_SIZE, infoHash);
    if (order == 0) return details + middle * DETAIL_SIZE;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return 0;
}

/** Negative, 0 or positive, as the first info hash comes before the second in wire order. */
function compare(a: usize, b: usize): i32 {
  for (let offset: u32 = 0; offset < 16; offset += 8) {
    const upperA = loadWire64(a + offset);
    const upperB = loadWire64(b + offset);
    if (upperA != upperB) return upperA < upperB ? -1 : 1;
  }
  const lowerA = loadWire32(a + 16);
  const lowerB = loadWire32(b + 16);
  return lowerA == lowerB ? 0 : lowerA < lowerB ? -1 : 1;
}
