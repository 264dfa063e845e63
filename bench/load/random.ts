/** A seeded generator (sfc32): the same seed gives the same workload on every machine. */

/** Returns a function that gives the next 32 random bits, as an unsigned number. */
export function createRandom(seed: number): () => number {
  let [a, b, c, counter] = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88 | 0, 1];
  const next = () => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
  for (let round = 0; round < 15; ++round) next(); // until the seed has reached every bit
  return next;
}

/** Turns 32 random bits into a number from 0 up to but not including 1. */
export function toUnit(bits: number): number {
  return bits / 0x1_0000_0000;
}

/** Puts items into random order, in place. */
export function shuffle<Items extends Uint8Array>(items: Items, random: () => number): Items {
  for (let index = items.length - 1; index > 0; --index) {
    const other = Math.floor(toUnit(random()) * (index + 1));
    [items[index], items[other]] = [items[other]!, items[index]!];
  }
  return items;
}
