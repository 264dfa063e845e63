/** Turns the raw data of a comparison into the dated report (Markdown). */

import type { Raw, Run } from "./raw.ts";
import {
  MEMORY_SCENARIO,
  type Protocol,
  PROTOCOLS,
  type Scenario,
  scenariosOf,
} from "./scenarios.ts";
import { median, ratioOf, summarize, type Summary } from "./statistics.ts";

/** A server's figures under one scenario. */
export interface Row {
  protocol: Protocol;
  scenario: string;
  server: string;
  role: string;
  perCpuSecond: Summary;
  perSecond: Summary;
  /** Against the rival that is best in this scenario, round by round; NaN for a rival. */
  ratio: number;
  bestRival: string;
  p50: number;
  p99: number;
  p99_9: number;
  residentMib: number;
  coldStartMilliseconds: number;
  timeouts: number;
  /** Of one core: what the server computed in a second. */
  serverBusyShare: number;
  testerIdleShare: number;
  failure: string | undefined;
}

/** All rows of the raw data, in the order in which they were measured. */
export function createRows(raw: Raw): Row[] {
  const groups = Map.groupBy(raw.runs, ({ protocol, scenario }) => `${protocol} ${scenario}`);
  return [...groups.values()].flatMap((runs) => rowsOfScenario(raw, runs));
}

function rowsOfScenario(raw: Raw, runs: Run[]): Row[] {
  const byServer = Map.groupBy(runs, ({ server }) => server);
  const roleOf = (server: string) => raw.servers[server]?.role ?? "rival";
  const good = (server: string) =>
    byServer.get(server)!.filter(({ failure }) => failure === undefined);
  const rivals = [...byServer.keys()].filter((server) =>
    roleOf(server) === "rival" && good(server).length > 0
  );
  const perCpu = (server: string) => good(server).map((run) => run.responsesPerCpuSecond);
  const best = rivals.toSorted((a, b) => median(perCpu(b)) - median(perCpu(a)))[0];
  const byRound = (server: string) =>
    new Map(good(server).map((run) => [run.round, run.responsesPerCpuSecond]));
  return [...byServer].map(([server, all]) => {
    const runs = good(server);
    const of = (value: (run: Run) => number) => median(runs.map(value));
    return {
      protocol: all[0]!.protocol,
      scenario: all[0]!.scenario,
      server,
      role: roleOf(server),
      perCpuSecond: summarize(perCpu(server)),
      perSecond: summarize(runs.map((run) => run.responsesPerSecond)),
      ratio: best === undefined || roleOf(server) === "rival"
        ? NaN
        : ratioOf(byRound(server), byRound(best)),
      bestRival: best ?? "",
      p50: of((run) => run.latencyMicroseconds.p50),
      p99: of((run) => run.latencyMicroseconds.p99),
      p99_9: of((run) => run.latencyMicroseconds.p99_9),
      residentMib: of((run) => run.residentBytes) / 2 ** 20,
      coldStartMilliseconds: of((run) => run.coldStartMilliseconds),
      timeouts: runs.reduce((sum, run) => sum + run.timeouts, 0),
      serverBusyShare: of((run) => run.responsesPerSecond / run.responsesPerCpuSecond),
      testerIdleShare: of((run) => run.testerIdleShare),
      failure: runs.length > 0 ? undefined : all[0]!.failure,
    };
  });
}

/** Why a row is lost, by server, or by scenario and server; absent ones say so. */
export type Reasons = Readonly<Record<string, string>>;

/** The report. @param plots Names of the plots' files, by protocol. */
export function formatReport(
  raw: Raw,
  { reasons, plots }: { reasons: Reasons; plots: Readonly<Record<string, string>> },
): string {
  const rows = createRows(raw);
  return [
    `# Comparison, ${raw.date}\n`,
    `${raw.machine}. Riptide ${raw.commit}. Medians of interleaved rounds of ` +
    `${raw.options.seconds} s, the spread in brackets; the server has core 0, the load core 1, ` +
    "and two workers share both. Repeat it with `deno task compare`.\n",
    "Busy is what server and load test computed, of a core: where the load test is busier than " +
    "the server, responses per second are its limit, and only those per CPU-second are the " +
    "server's (UDP's load test always computes: its share is of turns that found something to " +
    "do).\n",
    ...(raw.options.isQuick ? ["**A quick run: no figure of it means anything.**\n"] : []),
    formatLosses(rows, reasons),
    ...PROTOCOLS.filter((protocol) => rows.some((row) => row.protocol === protocol))
      .map((protocol) => formatProtocol(raw, rows, { protocol, plot: plots[protocol] })),
    formatCrossChecks(raw),
    formatSetting(raw),
  ].join("\n");
}

/** Rows of ours whose ratio is below 1, the worst first. */
export function lostRows(rows: readonly Row[]): Row[] {
  return rows.filter(({ role, ratio }) => role === "own" && ratio < 1)
    .toSorted((a, b) => a.ratio - b.ratio);
}

function formatLosses(rows: readonly Row[], reasons: Reasons): string {
  const lost = lostRows(rows);
  if (lost.length === 0) return "## Lost\n\nNo row of responses per CPU-second is lost.\n";
  const table = lost.map(({ protocol, scenario, server, ratio, bestRival }) => [
    protocol,
    scenario,
    server,
    bestRival,
    ratio.toFixed(2),
    reasons[`${scenario} ${server}`] ?? reasons[server] ?? "not examined yet",
  ]);
  const head = ["protocol", "row", "server", "best rival", "ratio", "reason"];
  return `## Lost\n\n${formatTable(head, table)}`;
}

function formatProtocol(
  raw: Raw,
  rows: readonly Row[],
  { protocol, plot }: { protocol: Protocol; plot: string | undefined },
): string {
  const scenarios = scenariosOf(protocol, raw.options);
  const parts = scenarios.map((scenario) => {
    const own = rows.filter((row) => row.protocol === protocol && row.scenario === scenario.name);
    return own.length === 0 ? "" : formatScenario(scenario, own);
  });
  const image = plot === undefined ? "" : `![Growth and throughput](${plot})\n\n`;
  return `## ${protocol.toUpperCase()}\n\n${image}${parts.join("")}`;
}

function formatScenario(scenario: Scenario, rows: readonly Row[]): string {
  const lines = rows.map((row) =>
    row.failure === undefined
      ? [
        row.server,
        formatSummary(row.perCpuSecond),
        Number.isNaN(row.ratio) ? "" : row.ratio.toFixed(2),
        formatNumber(row.perSecond.median),
        formatNumber(row.p50),
        formatNumber(row.p99),
        formatNumber(row.p99_9),
        formatNumber(row.residentMib),
        formatNumber(row.coldStartMilliseconds),
        formatNumber(row.timeouts),
        formatPercent(row.serverBusyShare),
        formatPercent(1 - row.testerIdleShare),
      ]
      : [row.server, `failed: ${row.failure.split("\n")[0]}`, ...Array(10).fill("")]
  );
  const head = [
    ...["server", "per CPU-second", "ratio", "per second", "p50 µs", "p99 µs", "p99.9 µs"],
    ...["MiB", "cold start ms", "unanswered", "server busy", "load busy"],
  ];
  const isMemory = scenario.name === MEMORY_SCENARIO;
  const note = isMemory ? "Memory with 1 M torrents and 2 M peers is in this table.\n\n" : "";
  const rounds = Math.max(...rows.map(({ perCpuSecond }) => perCpuSecond.rounds));
  const count = `${rounds} ${rounds === 1 ? "round" : "rounds"}`;
  return `### ${scenario.title} (${count})\n\n${note}${formatTable(head, lines)}\n`;
}

function formatCrossChecks({ crossChecks }: Raw): string {
  if (crossChecks.length === 0) return "";
  const kindsOf = (kinds: Record<string, number>) =>
    Object.entries(kinds).filter(([, rate]) => rate > 0)
      .map(([kind, rate]) => `${kind} ${formatNumber(rate)}`).join(", ");
  const lines = crossChecks.flatMap((check) => [
    [check.server, "ours", check.ours, check.oursPerCpuSecond, check.oursByKind] as const,
    [
      check.server,
      "aquatic's",
      check.theirs,
      check.theirsPerCpuSecond,
      check.theirsByKind,
    ] as const,
  ]).map(([server, tester, perSecond, perCpuSecond, kinds]) => [
    server,
    tester,
    formatNumber(perSecond),
    formatNumber(perCpuSecond),
    kindsOf(kinds),
  ]);
  const head = ["server", "load test", "per second", "per CPU-second", "responses a second"];
  return "## Our load tests against aquatic's\n\n" +
    "The best of two runs of each against the same server. HTTP and WebTorrent: aquatic's use " +
    "io_uring and open their connections one by one. Its WebTorrent test sends one message for " +
    "each that comes, an answer to an offer or else an announce, so that it announces oftener " +
    "than it can read the offers; ours sends the next announce when the last is answered, and " +
    `answers every offer.\n\n${formatTable(head, lines)}\n`;
}

function formatSetting(raw: Raw): string {
  const versions = Object.entries(raw.versions).map(([name, version]) => `- ${name}: ${version}`);
  const absent = Object.entries(raw.absent).map(([name, reason]) => `- ${name}: ${reason}`);
  const servers = Object.entries(raw.servers).map(([name, { command, config }]) =>
    `### ${name}\n\n\`\`\`\n${command}\n${config}\`\`\`\n`
  );
  return [
    `## Versions\n\n${versions.join("\n")}\n`,
    ...(absent.length === 0 ? [] : [`Not compared:\n\n${absent.join("\n")}\n`]),
    `## Commands and configurations\n\n${servers.join("\n")}`,
  ].join("\n");
}

function formatSummary({ median, min, max }: Summary): string {
  return `${formatNumber(median)} (${formatNumber(min)} – ${formatNumber(max)})`;
}

function formatPercent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(share * 100)} %` : "";
}

export function formatNumber(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "";
}

/** A Markdown table whose columns are as wide as `deno fmt` makes them. */
export function formatTable(
  head: readonly string[],
  lines: readonly (readonly string[])[],
): string {
  const widths = head.map((title, column) =>
    Math.max(3, ...[title, ...lines.map((line) => line[column]!)].map((cell) => [...cell].length))
  );
  const format = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |\n`;
  return format(head) + format(widths.map((width) => "-".repeat(width))) +
    lines.map(format).join("");
}
