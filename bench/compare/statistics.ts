/** Medians, spreads and ratios of interleaved rounds. */

/** What the rounds of one row gave. */
export interface Summary {
  median: number;
  min: number;
  max: number;
  rounds: number;
}

/** The middle value, of an even count the mean of both; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function summarize(values: readonly number[]): Summary {
  return {
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    rounds: values.length,
  };
}

/** A value by the round that it is of. */
export type ByRound = ReadonlyMap<number, number>;

/**
 * The median of each round's ratio: neighbours in time share the machine's mood, so it wavers less
 * than a ratio of medians. NaN where they share no round.
 */
export function ratioOf(own: ByRound, other: ByRound): number {
  const ratios: number[] = [];
  for (const [round, value] of own) {
    const divisor = other.get(round);
    if (divisor !== undefined && divisor > 0) ratios.push(value / divisor);
  }
  return median(ratios);
}
