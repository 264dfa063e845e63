/**
 * The allocator against a plain model: what it hands out never overlaps, and all of it comes back.
 */
import { strict as assert } from "node:assert";
import {
  CONTROL_ARENA,
  CONTROL_PAGE_BITS,
  CONTROL_PAGE_COUNT,
  CONTROL_PAGES_PEAK,
  PAGE_SIZE,
  SMALL_BLOCK_MAX,
} from "../../assembly/layout.ts";
import { compileCore, Harness, seededRandom, type TestExports } from "./harness.ts";

const UNIT = 8;

/** What is in use, as the caller knows it: one byte for eight of memory. */
class Model {
  readonly taken: { ptr: number; byteLength: number; stamp: number }[] = [];
  readonly #units: Uint8Array;
  readonly #arena: number;
  readonly #end: number;
  #stamps = 0;

  constructor(readonly harness: Harness, readonly exports: TestExports) {
    this.#arena = harness.word(CONTROL_ARENA);
    this.#end = this.#arena + harness.word(CONTROL_PAGE_COUNT) * PAGE_SIZE;
    this.#units = new Uint8Array((this.#end - this.#arena) / UNIT);
  }

  /** Takes and checks; false when memory is full. */
  take(byteLength: number): boolean {
    const { harness, exports } = this;
    const ptr = exports.take(harness.worker, byteLength) >>> 0;
    if (ptr === 0) return false;
    assert.equal(ptr % UNIT, 0, "Aligned");
    assert.ok(ptr >= this.#arena && ptr + byteLength <= this.#end, "Within the pages");
    const [first, last] = this.#unitsOf(ptr, byteLength);
    assert.equal(this.#units.subarray(first, last).indexOf(1), -1, "Overlaps nothing");
    this.#units.fill(1, first, last);
    const stamp = ++this.#stamps;
    harness.bytes.fill(stamp & 255, ptr, ptr + byteLength);
    this.taken.push({ ptr, byteLength, stamp });
    return true;
  }

  give(index: number): void {
    const { ptr, byteLength, stamp } = this.taken[index]!;
    this.taken[index] = this.taken.at(-1)!;
    this.taken.pop();
    for (let offset = 0; offset < byteLength; offset += 61) {
      assert.equal(this.harness.bytes[ptr + offset], stamp & 255, "Nobody wrote into it");
    }
    assert.equal(this.harness.bytes[ptr + byteLength - 1], stamp & 255, "Nobody wrote behind it");
    this.#units.fill(0, ...this.#unitsOf(ptr, byteLength));
    this.exports.give(this.harness.worker, ptr, byteLength);
  }

  giveAll(): void {
    while (this.taken.length > 0) this.give(this.taken.length - 1);
  }

  #unitsOf(ptr: number, byteLength: number): [first: number, last: number] {
    const first = (ptr - this.#arena) / UNIT;
    return [first, first + Math.ceil(byteLength / UNIT)];
  }
}

/** Most are small, some are runs of pages, up to a megabyte. */
function randomLength(random: (bound: number) => number): number {
  const kind = random(20);
  if (kind < 12) return 1 + random(200);
  if (kind < 19) return 1 + random(SMALL_BLOCK_MAX);
  return 1 + random(kind === 19 && random(4) === 0 ? 1 << 20 : 1 << 16);
}

Deno.test("size classes: every length fits its class and wastes at most a quarter", async () => {
  const exports = await new Harness(await compileCore("release")).testExports();
  for (let byteLength = 1; byteLength <= SMALL_BLOCK_MAX; ++byteLength) {
    const sizeClass = exports.sizeClass(byteLength);
    const room = exports.classByteLength(sizeClass);
    assert.ok(room >= byteLength, `${byteLength} bytes in a block of ${room}`);
    assert.ok(room - byteLength < Math.max(8, byteLength / 4), `${byteLength} takes ${room}`);
    if (sizeClass > 1) assert.ok(exports.classByteLength(sizeClass - 1) < byteLength);
  }
});

for (const seed of [1, 2, 3]) {
  Deno.test(`random takes and gives never overlap and all come back, seed ${seed}`, async () => {
    const harness = new Harness(await compileCore("release"), { limitMib: 8 });
    const model = new Model(harness, await harness.testExports());
    const random = seededRandom(seed);
    const pagesBefore = harness.pagesUsed;
    let fullCount = 0;
    // Swings between growing and shrinking, so that pages of every class come and go.
    for (let step = 0; step < 30_000; ++step) {
      const isGrowing = step % 10_000 < 5_000;
      const isTake = model.taken.length === 0 || random(100) < (isGrowing ? 70 : 30);
      if (!isTake) model.give(random(model.taken.length));
      else if (!model.take(randomLength(random))) ++fullCount;
    }
    assert.ok(fullCount > 0, "It was full at times");
    model.giveAll();
    assert.equal(harness.pagesUsed, pagesBefore, "All pages are back");
    assert.ok(harness.word(CONTROL_PAGES_PEAK) > pagesBefore);
  });
}

Deno.test("full is 0, not a trap, and what is given back can be taken again", async () => {
  const harness = new Harness(await compileCore("release"), { limitMib: 4 });
  const exports = await harness.testExports();
  const { worker } = harness;
  const free = harness.word(CONTROL_PAGE_COUNT) - harness.pagesUsed;
  const pages: number[] = [];
  for (let ptr; (ptr = exports.takePages(worker, 1) >>> 0) !== 0;) pages.push(ptr);
  assert.equal(pages.length, free, "Every page was to be had");
  assert.equal(harness.pagesUsed, harness.word(CONTROL_PAGE_COUNT));
  for (const byteLength of [1, SMALL_BLOCK_MAX, SMALL_BLOCK_MAX + 1, 2 ** 31, 2 ** 32 - 1]) {
    assert.equal(exports.take(worker, byteLength), 0, `${byteLength} bytes`);
  }
  // Every second page is free: single pages can be had, runs cannot.
  pages.filter((_, index) => index % 2 === 0).forEach((ptr) => exports.givePages(worker, ptr, 1));
  assert.equal(exports.takePages(worker, 2), 0);
  const again = exports.takePages(worker, 1) >>> 0;
  assert.ok(pages.includes(again));
  exports.givePages(worker, again, 1);
  pages.filter((_, index) => index % 2 === 1).forEach((ptr) => exports.givePages(worker, ptr, 1));
  const run = exports.takePages(worker, free) >>> 0;
  assert.notEqual(run, 0, "All pages are one run again");
  exports.givePages(worker, run, free);
});

Deno.test("4096 MiB: addresses above 2^31 are handed out, and the last page is whole", async () => {
  const harness = new Harness(await compileCore("release"), { limitMib: 4096 });
  const model = new Model(harness, await harness.testExports());
  const { worker, exports } = { worker: harness.worker, exports: model.exports };
  const pageCount = harness.word(CONTROL_PAGE_COUNT);
  const bits = harness.word(CONTROL_PAGE_BITS);
  assert.ok(pageCount > 4090 * 1024 * 1024 / PAGE_SIZE);
  // All but the last 64 pages count as taken.
  harness.bytes.fill(255, bits, bits + (pageCount >> 3) - 8);
  const random = seededRandom(4);
  let highest = 0;
  for (let step = 0; step < 3_000; ++step) {
    if (model.taken.length > 0 && random(100) < 45) model.give(random(model.taken.length));
    else if (model.take(1 + random(9_000))) highest = Math.max(highest, model.taken.at(-1)!.ptr);
  }
  // The pages that hold the worker's own buffers lie low and had blocks to spare.
  const lowCount = model.taken.filter(({ ptr }) => ptr < 2 ** 31).length;
  assert.ok(lowCount < model.taken.length / 5, `${lowCount} of ${model.taken.length} lie low`);
  assert.ok(highest > 2 ** 32 - 2 ** 20, `The highest address is ${highest.toString(16)}`);
  model.giveAll();
  const top = exports.takePages(worker, 1) >>> 0;
  assert.ok(top > 2 ** 31 && top + PAGE_SIZE <= 2 ** 32 - 65536, "The end is never handed out");
});
