/** The comparison's plots: SVG by Vega, in colours that are seen on white and on black. */

// Not in deno.json: a first start of the tracker fetches all that it names, and these two bring 75
// packages along.
// deno-lint-ignore no-import-prefix
import * as vega from "npm:vega@6.4.0";
// deno-lint-ignore no-import-prefix
import { compile, type TopLevelSpec } from "npm:vega-lite@6.5.0";
import type { Row } from "./report.ts";
import type { Protocol } from "./scenarios.ts";

/** Halfway between GitHub's two backgrounds: at least 3.5 : 1 against either. */
const INK = "#7d8590";
const GRID = "#7d859040";
/** Riptide's come first. */
const COLOURS = [
  ...["#2f81f7", "#39a5b4", "#e5534b", "#c69026", "#57ab5a", "#986ee2", "#d66a9c", "#8a6d50"],
];
const ROLES = ["own", "rival", "limit"];
const NAMES: Record<Protocol, string> = { udp: "UDP", http: "HTTP", ws: "WebTorrent" };

const CONFIG = {
  background: "transparent",
  font: "system-ui, sans-serif",
  axis: {
    ...{ labelColor: INK, titleColor: INK, domainColor: INK, tickColor: INK, gridColor: GRID },
    ...{ labelLimit: 0, titleFontWeight: "normal" as const },
  },
  legend: { labelColor: INK, titleColor: INK, labelLimit: 0 },
  title: { color: INK },
  view: { stroke: null },
};

/** Throughput of the closed loop, and how it changes with the number of torrents. */
export async function drawPlot(protocol: Protocol, rows: readonly Row[]): Promise<string> {
  const own = rows.filter((row) => row.protocol === protocol && row.failure === undefined);
  const most = own.filter(({ scenario }) => scenario === "most");
  const growth = own.filter(({ scenario }) => scenario.startsWith("growth-"));
  const servers = [...new Map([...growth, ...most].map((row) => [row.server, row.role]))]
    .toSorted(([, a], [, b]) => ROLES.indexOf(a) - ROLES.indexOf(b)).map(([server]) => server);
  const color = {
    field: "server",
    type: "nominal" as const,
    title: null,
    scale: { domain: servers, range: COLOURS },
    // The bars have names; the lines need a legend.
    legend: growth.length === 0 ? null : { orient: "bottom" as const, columns: 3 },
  };
  const spec: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    config: CONFIG,
    vconcat: [
      mostPlot(`${NAMES[protocol]}, one worker`, most, color),
      ...(growth.length === 0 ? [] : [growthPlot(growth, color)]),
    ],
  };
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** A pale bar to the median, and in the same colour the spread across its end. */
function mostPlot(title: string, rows: readonly Row[], color: Record<string, unknown>) {
  const values = rows.map(({ server, perCpuSecond: { median, min, max } }) => ({
    ...{ server, median, min, max },
  })).toSorted((a, b) => b.median - a.median);
  const y = {
    field: "server",
    type: "nominal" as const,
    sort: values.map(({ server }) => server),
    title: null,
  };
  const x = { type: "quantitative" as const, title: "responses per CPU-second" };
  return {
    title,
    width: 480,
    data: { values },
    layer: [
      {
        mark: { type: "bar" as const, opacity: 0.5 },
        encoding: { y, x: { ...x, field: "median" }, color },
      },
      {
        mark: { type: "rule" as const, strokeWidth: 3 },
        encoding: { y, x: { ...x, field: "min" }, x2: { field: "max" }, color },
      },
    ],
  };
}

function growthPlot(rows: readonly Row[], color: Record<string, unknown>) {
  const values = rows.map((row) => ({
    server: row.server,
    torrents: Number(row.scenario.slice("growth-".length)),
    median: row.perCpuSecond.median,
  }));
  const counts = [...new Set(values.map(({ torrents }) => torrents))];
  return {
    title: "with more and more torrents",
    width: 480,
    height: 200,
    data: { values },
    mark: { type: "line" as const, point: true },
    encoding: {
      x: {
        ...{ field: "torrents", type: "quantitative" as const, scale: { type: "log" as const } },
        axis: { values: counts, format: "~s" },
      },
      y: { field: "median", type: "quantitative" as const, title: "responses per CPU-second" },
      color,
    },
  };
}
