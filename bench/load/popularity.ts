/**
 * How popular each torrent is, and drawing torrents by it in constant time (Vose's alias method).
 */

import { toUnit } from "./random.ts";

export const POPULARITIES = ["exponential", "zipf", "gamma", "uniform"] as const;
export type Popularity = (typeof POPULARITIES)[number];

export interface PopularityOptions {
  popularity: Popularity;
  torrentCount: number;
  peerCount: number;
  /** Zipf: the exponent. Gamma: the shape. */
  parameter: number;
  /** Gamma: the scale; 100 is the last torrent, as in aquatic's load tests. Default: 10. */
  scale?: number;
}

/** The weight of every torrent, the most popular first. */
export function popularityWeights(options: PopularityOptions): Float64Array {
  const { popularity, torrentCount, peerCount, parameter } = options;
  const weights = new Float64Array(torrentCount);
  for (let index = 0; index < torrentCount; ++index) {
    const position = (index + 0.5) / torrentCount;
    switch (popularity) {
      case "exponential": // aquatic_udp_load_test 0.9: a few hot ones above an even floor
        weights[index] = torrentCount / peerCount + Math.exp(6.5 - 500 * index / torrentCount);
        break;
      case "zipf":
        weights[index] = (index + 1) ** -parameter;
        break;
      case "gamma": { // the density; with scale 10 next to nothing is left beyond the last torrent
        const value = 100 * position / (options.scale ?? 10);
        weights[index] = value ** (parameter - 1) * Math.exp(-value);
        break;
      }
      case "uniform":
        weights[index] = 1;
    }
  }
  return weights;
}

/** Draws indices with the probability of their weights. */
export class WeightedIndex {
  readonly #keep: Float64Array;
  readonly #alias: Uint32Array;

  constructor(weights: Float64Array) {
    const count = weights.length;
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / count;
    this.#keep = weights.map((weight) => weight / mean);
    this.#alias = Uint32Array.from(weights.keys());
    const small: number[] = [];
    const large: number[] = [];
    this.#keep.forEach((share, index) => (share < 1 ? small : large).push(index));
    while (small.length > 0 && large.length > 0) {
      const poor = small.pop()!;
      const rich = large[large.length - 1]!;
      this.#alias[poor] = rich;
      this.#keep[rich] = this.#keep[rich]! - (1 - this.#keep[poor]!);
      if (this.#keep[rich]! < 1) small.push(large.pop()!);
    }
  }

  /** Draws one, with two numbers of the generator. */
  draw(random: () => number): number {
    const index = Math.floor(toUnit(random()) * this.#keep.length);
    return toUnit(random()) < this.#keep[index]! ? index : this.#alias[index]!;
  }
}
