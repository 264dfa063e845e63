/** The comparison's plots: SVG by Vega, in colours that are seen on white and on black. */

import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { Row } from "./report.ts";
import type { Protocol } from "./scenarios.ts";

/** Halfway between GitHub's two backgrounds: at least 3.5 : 1 against either. */
const INK = "#7d8590";
const GRID = "#7d859040";
const COLOURS = ["#2f81f7", "#e5534b", "#c69026", "#57ab5a", "#986ee2", "#768390", "#d66a9c"];

const CONFIG = {
  background: "transparent",
  font: "system-ui, sans-serif",
  axis: { labelColor: INK, titleColor: INK, domainColor: INK, tickColor: INK, gridColor: GRID },
  legend: { labelColor: INK, titleColor: INK, labelLimit: 240 },
  title: { color: INK },
  view: { stroke: null },
  range: { category: COLOURS },
};

/** Throughput of the closed loop, and how it changes with the number of torrents. */
export async function drawPlot(protocol: Protocol, rows: readonly Row[]): Promise<string> {
  const own = rows.filter((row) => row.protocol === protocol && row.failure === undefined);
  const most = own.filter(({ scenario }) => scenario === "most").map((row) => ({
    server: row.server,
    value: row.perCpuSecond.median,
    min: row.perCpuSecond.min,
    max: row.perCpuSecond.max,
  }));
  const growth = own.filter(({ scenario }) => scenario.startsWith("growth-")).map((row) => ({
    server: row.server,
    torrents: Number(row.scenario.slice("growth-".length)),
    value: row.perCpuSecond.median,
  }));
  const order = most.toSorted((a, b) => b.value - a.value).map(({ server }) => server);
  const y = { field: "server", type: "nominal" as const, sort: order, title: null };
  const spec: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    config: CONFIG,
    vconcat: [
      {
        title: `${protocol.toUpperCase()}, one worker`,
        width: 480,
        data: { values: most },
        layer: [
          {
            mark: "bar",
            encoding: {
              y: { ...y, axis: { labelLimit: 240 } },
              x: { field: "value", type: "quantitative", title: "responses per CPU-second" },
              color: { field: "server", type: "nominal", legend: null },
            },
          },
          {
            mark: { type: "rule", color: INK, strokeWidth: 2 },
            encoding: {
              y,
              x: { field: "min", type: "quantitative" },
              x2: { field: "max" },
            },
          },
        ],
      },
      {
        width: 480,
        height: 200,
        data: { values: growth },
        mark: { type: "line", point: true },
        encoding: {
          x: { field: "torrents", type: "quantitative", scale: { type: "log" } },
          y: { field: "value", type: "quantitative", title: "responses per CPU-second" },
          color: { field: "server", type: "nominal", title: null },
        },
      },
    ],
  };
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
