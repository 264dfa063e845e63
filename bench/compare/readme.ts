/**
 * Writes README's one table and one plot from the latest committed comparison.
 *
 *     deno task compare:readme
 */

import { type Raw, readRaw } from "./raw.ts";
import { createRows, formatNumber, formatTable } from "./report.ts";

const ROOT = new URL("../../", import.meta.url);
const RESULTS = new URL("bench/results/", ROOT);
const BEGIN = "<!-- comparison: begin. Written by `deno task compare:readme`. -->";
const END = "<!-- comparison: end -->";
export const NOTHING =
  "No comparison by `deno task compare` has been committed yet. Figures that were taken\n" +
  "before it existed: [UDP and the core, 2026-11-24](bench/results/2026-11-24-udp.md).\n";

/** The names of the dated comparisons in a directory, without `.json`, the latest last. */
export async function listComparisons(directory: URL = RESULTS): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    const match = /^(\d{4}-\d\d-\d\d-compare)\.json$/.exec(name);
    if (match !== null) names.push(match[1]!);
  }
  return names.sort();
}

/** What README says of a comparison. */
export function renderReadme(raw: Raw, name: string): string {
  const lines = createRows(raw)
    .filter(({ scenario, failure }) => scenario === "most" && failure === undefined)
    .map((row) => [
      row.server,
      formatNumber(row.perCpuSecond.median),
      formatNumber(row.p99),
      Number.isNaN(row.ratio) ? "" : row.ratio.toFixed(2),
    ]);
  const head = [
    "one worker, closed loop",
    "responses per CPU-second",
    "p99 µs",
    "ratio to best rival",
  ];
  const protocol = raw.runs[0]?.protocol ?? "udp";
  return `${formatTable(head, lines)}\n` +
    `![Throughput and growth](bench/results/${name}-${protocol}.svg)\n\n` +
    `From [the comparison of ${raw.date}](bench/results/${name}.md), with all rows, the ` +
    "lost ones first, and how to repeat it.\n";
}

/** The text between the marks of README; undefined where it has none. */
export function readmeSection(readme: string): string | undefined {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) return undefined;
  return readme.slice(begin + BEGIN.length, end).trim() + "\n";
}

/** What has to be there. */
export async function expectedSection(): Promise<string> {
  const name = (await listComparisons()).at(-1);
  if (name === undefined) return NOTHING;
  return renderReadme((await readRaw(new URL(`${name}.json`, RESULTS).pathname))!, name);
}

if (import.meta.main) {
  const path = new URL("README.md", ROOT);
  const readme = await Deno.readTextFile(path);
  const section = readmeSection(readme);
  if (section === undefined) throw new Error("README has no marks of a comparison");
  const from = readme.indexOf(BEGIN) + BEGIN.length;
  const text = `${readme.slice(0, from)}\n\n${await expectedSection()}\n${
    readme.slice(readme.indexOf(END))
  }`;
  await Deno.writeTextFile(path, text);
}
