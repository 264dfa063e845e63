/**
 * The allocator: pages of 16 KiB, and blocks of 8…4096 bytes carved from them by size class.
 *
 * A class keeps the list of its pages that have a free block; a page whose last block is given back
 * returns to the page pool, so that a swarm that changes its shape never strands memory. Runs of
 * pages are searched from the top, single pages from the bottom, to keep large holes whole. Nothing
 * is touched before it is handed out: what was never needed is never resident.
 */
import {
  CLASS_LOCK,
  CLASS_PARTIAL,
  CLASS_SIZE,
  CONTROL_ANSWER_RESERVE,
  CONTROL_ARENA,
  CONTROL_CLASSES,
  CONTROL_PAGE_BITS,
  CONTROL_PAGE_COUNT,
  CONTROL_PAGE_HINT,
  CONTROL_PAGE_LOCK,
  CONTROL_PAGE_RESERVE,
  CONTROL_PAGES_PEAK,
  CONTROL_PAGES_USED,
  PAGE_BLOCKS,
  PAGE_CARVED,
  PAGE_CLASS,
  PAGE_FREE,
  PAGE_LISTED,
  PAGE_NEXT,
  PAGE_PREVIOUS,
  PAGE_SIZE,
  PAGE_USED,
  SMALL_BLOCK_MAX,
} from "./layout";
import { lock, unlock } from "./lock";

/** Size class of a block: steps of 8 bytes up to 64, then four steps a doubling. */
export function sizeClass(byteLength: u32): u32 {
  if (byteLength <= 64) return (byteLength + 7) >> 3;
  const last = byteLength - 1;
  const log = 31 - clz<u32>(last);
  return 9 + ((log - 6) << 2) + ((last >> (log - 2)) & 3);
}

/** Bytes of a block of the class. */
export function classByteLength(sizeClass: u32): u32 {
  if (sizeClass <= 8) return sizeClass << 3;
  const step = sizeClass - 9;
  return (5 + (step & 3)) << ((step >> 2) + 4);
}

/** Takes a block of the class; 0 when memory is full. Its bytes are whatever they were. */
export function takeBlock(worker: usize, sizeClass: u32): usize {
  const list: usize = CONTROL_CLASSES + sizeClass * CLASS_SIZE;
  lock(worker, list + CLASS_LOCK);
  let page: usize = load<u32>(list, CLASS_PARTIAL);
  if (page == 0) {
    page = takePages(worker, 1);
    if (page == 0) {
      unlock(list + CLASS_LOCK);
      return 0;
    }
    store<u16>(page, sizeClass, PAGE_CLASS);
    store<u16>(page, 0, PAGE_USED);
    store<u32>(page, 0, PAGE_FREE);
    store<u32>(page, PAGE_BLOCKS, PAGE_CARVED);
    listPage(list, page);
  }
  const byteLength = classByteLength(sizeClass);
  let block: usize = load<u32>(page, PAGE_FREE);
  if (block != 0) {
    store<u32>(page, load<u32>(block), PAGE_FREE);
  } else {
    const carved = load<u32>(page, PAGE_CARVED);
    block = page + carved;
    store<u32>(page, carved + byteLength, PAGE_CARVED);
  }
  store<u16>(page, load<u16>(page, PAGE_USED) + 1, PAGE_USED);
  if (
    load<u32>(page, PAGE_FREE) == 0 && load<u32>(page, PAGE_CARVED) + byteLength > <u32> PAGE_SIZE
  ) unlistPage(list, page);
  unlock(list + CLASS_LOCK);
  return block;
}

/** Gives a block back to its page. */
export function giveBlock(worker: usize, block: usize): void {
  const arena = load<u32>(CONTROL_ARENA);
  const page: usize = arena + ((block - arena) & ~(PAGE_SIZE - 1));
  const list: usize = CONTROL_CLASSES + (<usize> load<u16>(page, PAGE_CLASS)) * CLASS_SIZE;
  lock(worker, list + CLASS_LOCK);
  store<u32>(block, load<u32>(page, PAGE_FREE));
  store<u32>(page, block, PAGE_FREE);
  const used = load<u16>(page, PAGE_USED) - 1;
  store<u16>(page, used, PAGE_USED);
  const isListed = load<u32>(page, PAGE_LISTED) != 0;
  if (used == 0) {
    if (isListed) unlistPage(list, page);
    givePages(worker, page, 1);
  } else if (!isListed) {
    listPage(list, page);
  }
  unlock(list + CLASS_LOCK);
}

/** Takes memory of any size: a block, or a run of pages; 0 when there is none. */
export function take(worker: usize, byteLength: u32): usize {
  return byteLength <= <u32> SMALL_BLOCK_MAX
    ? takeBlock(worker, sizeClass(byteLength))
    : takePages(worker, pagesFor(byteLength));
}

/** Gives back what `take` returned for the same size. */
export function give(worker: usize, ptr: usize, byteLength: u32): void {
  if (byteLength <= <u32> SMALL_BLOCK_MAX) giveBlock(worker, ptr);
  else givePages(worker, ptr, pagesFor(byteLength));
}

export function pagesFor(byteLength: u32): u32 {
  return (byteLength + PAGE_SIZE - 1) / PAGE_SIZE;
}

/** Takes a run of pages; 0 when there is none of that length outside the reserves. */
export function takePages(worker: usize, pageCount: u32): usize {
  return takeRun(
    worker,
    pageCount,
    load<u32>(CONTROL_PAGE_RESERVE) + load<u32>(CONTROL_ANSWER_RESERVE),
  );
}

/** As `takePages`, from what swarms may not fill: connections go on when memory is full. */
export function takeAnswerPages(worker: usize, pageCount: u32): usize {
  return takeRun(worker, pageCount, load<u32>(CONTROL_PAGE_RESERVE));
}

/** Bytes of what `takeForAnswer` took last: scratch of this instance. */
export let takenByteLength: u32 = 0;

/**
 * As `take`, and where swarms have filled the memory, from what they may not fill. That goes by
 * whole pages, `takenByteLength` bytes, so that they come back whole.
 */
export function takeForAnswer(worker: usize, byteLength: u32): usize {
  takenByteLength = byteLength;
  const ptr = take(worker, byteLength);
  if (ptr != 0) return ptr;
  const pageCount = pagesFor(byteLength);
  takenByteLength = pageCount * PAGE_SIZE;
  return takeAnswerPages(worker, pageCount);
}

/** As `takePages`, from what is kept back so that rules can be replaced when memory is full. */
export function takeReservedPages(worker: usize, pageCount: u32): usize {
  return takeRun(worker, pageCount, 0);
}

function takeRun(worker: usize, pageCount: u32, reserve: u32): usize {
  lock(worker, CONTROL_PAGE_LOCK);
  let first: i32 = -1;
  if (load<u32>(CONTROL_PAGES_USED) + pageCount + reserve <= load<u32>(CONTROL_PAGE_COUNT)) {
    first = pageCount == 1 ? findPage() : findRun(pageCount);
  }
  if (first >= 0) {
    markPages(first, pageCount, true);
    const used = load<u32>(CONTROL_PAGES_USED) + pageCount;
    store<u32>(CONTROL_PAGES_USED, used);
    if (used > load<u32>(CONTROL_PAGES_PEAK)) store<u32>(CONTROL_PAGES_PEAK, used);
  }
  unlock(CONTROL_PAGE_LOCK);
  return first < 0 ? 0 : load<u32>(CONTROL_ARENA) + (<usize> first) * PAGE_SIZE;
}

export function givePages(worker: usize, ptr: usize, pageCount: u32): void {
  const first = (ptr - load<u32>(CONTROL_ARENA)) / PAGE_SIZE;
  lock(worker, CONTROL_PAGE_LOCK);
  markPages(first, pageCount, false);
  store<u32>(CONTROL_PAGES_USED, load<u32>(CONTROL_PAGES_USED) - pageCount);
  if (first >> 6 < load<u32>(CONTROL_PAGE_HINT)) store<u32>(CONTROL_PAGE_HINT, first >> 6);
  unlock(CONTROL_PAGE_LOCK);
}

/** The lowest free page, or -1. Everything below the hint is taken. */
function findPage(): i32 {
  const bits: usize = load<u32>(CONTROL_PAGE_BITS);
  const wordCount = (load<u32>(CONTROL_PAGE_COUNT) + 63) >> 6;
  for (let word = load<u32>(CONTROL_PAGE_HINT); word < wordCount; ++word) {
    const free = ~load<u64>(bits + (word << 3));
    if (free != 0) {
      store<u32>(CONTROL_PAGE_HINT, word);
      return (word << 6) + <i32> ctz<u64>(free);
    }
  }
  store<u32>(CONTROL_PAGE_HINT, wordCount);
  return -1;
}

/** The first page of the highest free run of that length, or -1. */
function findRun(pageCount: u32): i32 {
  const bits: usize = load<u32>(CONTROL_PAGE_BITS);
  let runLength: u32 = 0;
  for (let page: i32 = load<u32>(CONTROL_PAGE_COUNT) - 1; page >= 0; --page) {
    const word = load<u64>(bits + ((page >> 6) << 3));
    if (word == u64.MAX_VALUE) {
      runLength = 0;
      page &= ~63; // The whole word is taken: step over it.
    } else if ((word >> (page & 63)) & 1) {
      runLength = 0;
    } else if (++runLength == pageCount) {
      return page;
    }
  }
  return -1;
}

function markPages(first: u32, pageCount: u32, isTaken: bool): void {
  const bits: usize = load<u32>(CONTROL_PAGE_BITS);
  for (let page = first; page < first + pageCount; ++page) {
    const ptr = bits + ((page >> 6) << 3);
    const bit = (<u64> 1) << (page & 63);
    store<u64>(ptr, isTaken ? load<u64>(ptr) | bit : load<u64>(ptr) & ~bit);
  }
}

function listPage(list: usize, page: usize): void {
  const next: usize = load<u32>(list, CLASS_PARTIAL);
  store<u32>(page, next, PAGE_NEXT);
  store<u32>(page, 0, PAGE_PREVIOUS);
  store<u32>(page, 1, PAGE_LISTED);
  if (next != 0) store<u32>(next, page, PAGE_PREVIOUS);
  store<u32>(list, page, CLASS_PARTIAL);
}

function unlistPage(list: usize, page: usize): void {
  const next: usize = load<u32>(page, PAGE_NEXT);
  const previous: usize = load<u32>(page, PAGE_PREVIOUS);
  if (next != 0) store<u32>(next, previous, PAGE_PREVIOUS);
  if (previous != 0) store<u32>(previous, next, PAGE_NEXT);
  else store<u32>(list, next, CLASS_PARTIAL);
  store<u32>(page, 0, PAGE_LISTED);
}
