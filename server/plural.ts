/** Counts in sentences. */

/** A noun as it stands behind a number. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return count === 1 ? noun : many;
}
