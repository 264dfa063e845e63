/** What comes of interleaved rounds. */

/** One server, over all rounds. */
export interface Row {
  server: string;
  /** Median. */
  perCpuSecond: number;
  spread: [least: number, most: number];
  responsesPerSecond: number;
  /** Of each round. */
  p99: string;
  /** Against each server, by its name. */
  ratios: Record<string, number>;
}

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** The ratio of each round, then their median: neighbours in time share the machine's mood. */
export function ratios(values: number[], others: number[]): number {
  const each = values.map((value, round) => value / others[round]!);
  return Math.round(median(each) * 100) / 100;
}
