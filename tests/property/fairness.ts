/**
 * Bounds for random choices that ought to be equally likely, each wrong about a fair chooser less
 * than once in 10^9 times.
 */
const LOG_FALSE_ALARM = Math.log(1e9);

/** Pearson's statistic of independent draws from equally likely cells. */
export function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** What chi-square over so many cells passes less than once in 10^9 (Laurent, Massart 2000). */
export function chiSquareMax(cells: number): number {
  const freedom = cells - 1;
  return freedom + 2 * Math.sqrt(freedom * LOG_FALSE_ALARM) + 2 * LOG_FALSE_ALARM;
}

/**
 * The cell that a fair chooser would not leave so far from `probability`, or -1: by Chernoff's
 * bound on each count, which may depend on each other within a draw.
 */
export function unfairCell(
  counts: readonly number[],
  draws: number,
  probability: number,
): number {
  const most = LOG_FALSE_ALARM + Math.log(2 * counts.length);
  return counts.findIndex((count) => draws * divergence(count / draws, probability) > most);
}

/** Kullback-Leibler divergence of two coins. */
function divergence(q: number, p: number): number {
  const term = (a: number, b: number) => a === 0 ? 0 : a * Math.log(a / b);
  return term(q, p) + term(1 - q, 1 - p);
}
