/**
 * Figures of interleaved rounds. They are kept in a file, one line each, so that a series can go on
 * in another run: machines that others use are quiet for minutes at a time.
 */

import type { LoadReport } from "../load/report.ts";
import { median, ratioOf, summarize } from "../compare/statistics.ts";

/** What one round gave of one case. */
export interface Figures {
  /** What is measured. */
  name: string;
  round: number;
  values: Record<string, number>;
}

/** Of a load test's report, how much the server did and how busy both were. */
export function effortOf(report: LoadReport): Record<string, number> {
  return {
    "answers/s": report.responses_per_second,
    "answers/CPU-s": report.responses_per_cpu_second ?? 0,
    "server's load, %": report.server!.cpu_seconds / report.duration_seconds * 100,
    "tester's idle share, %": report.tester_idle_share * 100,
  };
}

export class Series {
  readonly #path: string | undefined;
  readonly #figures: Figures[] = [];

  private constructor(path: string | undefined) {
    this.#path = path;
  }

  /** Begins a series, or goes on with the one that is kept at this path. */
  static async open(path?: string): Promise<Series> {
    const series = new Series(path);
    if (path === undefined) return series;
    const text = await Deno.readTextFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    });
    for (const line of text.split("\n")) {
      if (line !== "") series.#figures.push(JSON.parse(line));
    }
    return series;
  }

  /** The number of the first round that there is not yet. */
  get nextRound(): number {
    return 1 + Math.max(-1, ...this.#figures.map(({ round }) => round));
  }

  async add(figures: Figures): Promise<void> {
    this.#figures.push(figures);
    const line = JSON.stringify(figures);
    console.error(line);
    if (this.#path !== undefined) {
      await Deno.writeTextFile(this.#path, `${line}\n`, { append: true });
    }
  }

  /** Prints each case's median and spread. */
  print(): void {
    const rows: Record<string, Record<string, string>> = {};
    for (const name of new Set(this.#figures.map((figures) => figures.name))) {
      const own = this.#figures.filter((figures) => figures.name === name);
      const row: Record<string, string> = { rounds: String(own.length) };
      for (const key of Object.keys(own[0]!.values)) {
        const { median, min, max } = summarize(own.map(({ values }) => values[key]!));
        row[key] = `${shown(median)} (${shown(min)} – ${shown(max)})`;
      }
      rows[name] = row;
    }
    for (const [name, row] of Object.entries(rows)) {
      console.log(name);
      for (const [key, text] of Object.entries(row)) console.log(`  ${key}: ${text}`);
    }
  }

  /** Prints how much more one case has of a value than another, by medians. */
  printDifference(key: string, own: string, other: string): void {
    const medianOf = (name: string) =>
      median(
        this.#figures.filter((figures) => figures.name === name).map(({ values }) => values[key]!),
      );
    console.log(`${key}, ${own} − ${other} = ${Math.round(medianOf(own) - medianOf(other))}`);
  }

  /** Prints how a value of one case stands to that of another: the median of the rounds' ratios. */
  printRatio(key: string, own: string, other: string): void {
    const byRound = (name: string) =>
      new Map(
        this.#figures.filter((figures) => figures.name === name)
          .map(({ round, values }) => [round, values[key]!]),
      );
    const [numerators, divisors] = [byRound(own), byRound(other)];
    const ratios = [...numerators].flatMap(([round, value]) =>
      divisors.has(round) ? [value / divisors.get(round)!] : []
    );
    if (ratios.length === 0) return;
    const ofMedians = median([...numerators.values()]) / median([...divisors.values()]);
    console.log(
      `${key}, ${own} : ${other} = ${ratioOf(numerators, divisors).toFixed(2)} ` +
        `(${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)}; ` +
        `of the medians ${ofMedians.toFixed(2)})`,
    );
  }
}

/** TCP's load tester has no idle turns to tell of, which JSON makes of a NaN. */
function shown(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "–";
  return Math.abs(value) < 100 ? value.toFixed(2) : Math.round(value).toLocaleString("en");
}
