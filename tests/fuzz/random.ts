/** Seeded random numbers (sfc32 by Chris Doty-Humphrey): the same seed, the same fuzz. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number, stream = 0) {
    this.#a = seed | 0;
    this.#b = stream | 0;
    this.#c = Math.floor(seed / 2 ** 32) | 0;
    for (let turn = 0; turn < 16; ++turn) this.bits();
  }

  /** The next 32 bits, as an unsigned number. */
  bits(): number {
    const result = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21 | this.#c >>> 11) + result) | 0;
    return result >>> 0;
  }

  /** A number in 0…bound-1. */
  below(bound: number): number {
    return Math.floor(this.bits() / 2 ** 32 * bound);
  }

  /** True once in `turns` times. */
  oneIn(turns: number): boolean {
    return this.below(turns) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)];
  }

  /** Fills bytes at random. */
  fill(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; ++index) bytes[index] = this.bits() >>> 24;
  }
}
