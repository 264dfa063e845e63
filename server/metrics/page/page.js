/**
 * The script of the status page: shows what /events tells (../live.ts, ../history.ts).
 *
 * Texts only ever become text nodes, so nothing that is told can become markup.
 */
import {
  element,
  formatAge,
  formatBytes,
  formatClock,
  formatCount,
  formatRate,
  formatSeconds,
  label,
  orNone,
  shape,
  sum,
} from "./words.js";

const PROTOCOLS = { udp: "UDP", http: "HTTP", ws: "WebTorrent" };
const FAMILIES = { ipv4: "IPv4", ipv6: "IPv6", any: "any" };
const PLOTS = [
  { title: "Responses per second", columns: ["udp", "http", "ws"], format: formatRate },
  { title: "Peers", columns: ["peers"], format: formatCount },
  { title: "Slowest 1 % of answers take over", columns: ["p99"], format: formatSeconds },
  { title: "Memory used", columns: ["memory"], format: formatBytes },
  { title: "Torrents", columns: ["torrents"], format: formatCount },
  { title: "Dropped per second", columns: ["drops"], format: formatRate },
];
/** Rows of the table that says what the plots show. */
const TABLE_ROWS_MAX = 13;
const STALLED_SECONDS = 2;

let history;
let latest;

const events = new EventSource("events");
events.addEventListener("history", ({ data }) => {
  history = JSON.parse(data);
  drawPlots();
});
events.addEventListener("point", ({ data }) => {
  const { ring, point } = JSON.parse(data);
  const points = history.points[ring];
  points.push(point);
  if (points.length > history.rings[ring].points) points.shift();
  if (ring === chosenRing()) drawPlots();
});
events.addEventListener("now", ({ data }) => {
  const isFirst = latest === undefined;
  latest = JSON.parse(data);
  show(latest);
  if (isFirst && history !== undefined) drawPlots();
});
events.addEventListener("error", () => {
  const isOver = events.readyState === EventSource.CLOSED;
  setStatus("bad", isOver ? "No connection: load the page again" : "Connection lost, trying again");
});
for (const input of document.querySelectorAll("input[name=ring]")) {
  input.addEventListener("change", drawPlots);
}
new ResizeObserver(() => drawPlots()).observe(byId("plots"));

function byId(id) {
  return document.getElementById(id);
}

function chosenRing() {
  return document.querySelector("input[name=ring]:checked").value;
}

/** Says something aloud only when it has changed. */
function setStatus(state, text) {
  const status = byId("status");
  if (status.textContent === text) return;
  status.dataset.state = state;
  status.textContent = text;
}

// Now.

function show(now) {
  byId("version").textContent = now.version;
  if (now.isReady) setStatus("good", "Serving");
  else setStatus("bad", "Not ready");
  byId("uptime").textContent = now.startedAt === 0 ? "" : `up ${formatAge(now.startedAt)}`;
  showTiles(now);
  showRates(now);
  showTraffic(now);
  showTable("peers", ["Kind", "Family", "Peers"], [
    ...now.peers.map(({ type, family, count }) => [
      type === "webtorrent" ? "WebTorrent" : "UDP and HTTP",
      FAMILIES[family],
      formatCount(count),
    ]),
  ], { texts: 2 });
  showSwarms(now.swarms);
  showTroubles(now);
  showWorkers(now);
  showFiles(now);
}

function showTiles(now) {
  const responses = sum(now.protocols.flatMap(({ responses }) => responses), ({ rate }) => rate);
  const dropped = now.troubles.filter(({ what }) => what === "dropped");
  const connections = now.protocols.filter((protocol) => protocol.connections !== undefined);
  const { used, limit } = now.memory;
  const tiles = [
    ["Responses per second", formatRate(responses), formatByProtocol(now.protocols)],
    ["Torrents", formatCount(now.torrents), ""],
    ["Peers", formatCount(sum(now.peers, ({ count }) => count)), ""],
    ["Memory", formatBytes(used), `of ${formatBytes(limit)}`, { share: used / limit }],
    ["Dropped per second", formatRate(sum(dropped, ({ rate }) => rate)), "see the reasons below"],
  ];
  if (connections.length > 0) {
    const open = sum(connections, (protocol) => protocol.connections);
    tiles.push(["Open connections", formatCount(open), ""]);
  }
  byId("tiles").replaceChildren(...tiles.map(([name, value, note, options = {}]) => {
    const tile = element("div", {}, [element("dt", {}, [name])]);
    tile.append(element("dd", { className: "value" }, [value]));
    if (options.share !== undefined) tile.append(gauge(options.share, `${name} used`));
    tile.append(element("dd", { className: "note" }, [note]));
    if (options.share > 0.95) tile.className = "bad";
    return tile;
  }));
}

function gauge(share, label) {
  const meter = element("meter", {
    min: 0,
    max: 1,
    low: 0.85,
    high: 0.95,
    optimum: 0,
    value: share,
  });
  meter.setAttribute("aria-label", label);
  return element("dd", {}, [meter]);
}

function formatByProtocol(protocols) {
  if (protocols.length < 2) return "";
  return protocols.map(({ name, responses }) =>
    `${PROTOCOLS[name]} ${formatRate(sum(responses, ({ rate }) => rate))}`
  ).join(", ");
}

function showRates({ protocols }) {
  const rows = protocols.flatMap(({ name, responses }) =>
    ["ipv4", "ipv6"].map((family) => {
      const of = (type) =>
        responses.find((cell) => cell.type === type && cell.family === family)?.rate;
      const rates = ["connect", "announce", "scrape"].map(of);
      return [PROTOCOLS[name], FAMILIES[family], ...rates.map((rate) => orNone(rate, formatRate))];
    })
  );
  showTable("rates", ["Protocol", "Family", "Connects", "Announces", "Scrapes"], rows, {
    texts: 2,
  });
  const latencies = protocols.flatMap(({ name, latencies }) =>
    latencies.map(({ type, p50, p99, p999 }) => [
      PROTOCOLS[name],
      type,
      ...[p50, p99, p999].map((seconds) => orNone(seconds, formatSeconds)),
    ])
  );
  showTable("latency", ["Protocol", "Request", "Half", "99 %", "99.9 %"], latencies, {
    texts: 2,
    empty: "Nothing was asked yet",
  });
}

function showTraffic({ protocols }) {
  const rows = protocols.map(({ name, receivedBytes, sentBytes, connections }) => [
    PROTOCOLS[name],
    `${formatBytes(receivedBytes)}/s`,
    `${formatBytes(sentBytes)}/s`,
    orNone(connections, formatCount),
  ]);
  showTable("traffic", ["Protocol", "Received", "Sent", "Connections"], rows, { texts: 1 });
}

function showSwarms(swarms) {
  const most = Math.max(1, ...swarms.map(({ count }) => count));
  const rows = swarms.map(({ least, count }) => {
    const last = least < 2 ? least : 2 * least - 1;
    const meter = element("meter", { min: 0, max: most, value: count });
    meter.setAttribute("aria-hidden", "true");
    const range = least === last ? String(least) : `${formatCount(least)}–${formatCount(last)}`;
    return [range, meter, formatCount(count)];
  });
  showTable("swarms", ["Peers", "", "Torrents"], rows, {
    texts: 1,
    empty: "Counted by the first sweep, within a minute",
  });
}

function showTroubles({ troubles, knowsKernelDrops, protocols }) {
  const rows = troubles
    .toSorted((one, other) => other.rate - one.rate || other.total - one.total)
    .map(({ what, protocol, type, rate, total }) => [
      PROTOCOLS[protocol],
      what,
      type.replaceAll("_", " "),
      formatRate(rate),
      formatCount(total),
    ]);
  if (!knowsKernelDrops && protocols.some(({ name }) => name === "udp")) {
    rows.push([PROTOCOLS.udp, "dropped", "kernel", "unknown", "unknown"]);
  }
  showTable("troubles", ["Protocol", "What", "Reason", "Per second", "In all"], rows, {
    texts: 3,
    empty: "None",
  });
}

function showWorkers({ workers, restarts }) {
  const rows = workers.map(({ index, role, beats, stalledSeconds }) => [
    String(index),
    PROTOCOLS[role] ?? role,
    formatRate(beats),
    stalledSeconds >= STALLED_SECONDS ? `stalled for ${stalledSeconds} s` : "moves",
  ]);
  if (restarts > 0) rows.push(["", "restarted", formatCount(restarts), ""]);
  showTable("workers", ["Worker", "Serves", "Batches per second", "State"], rows, { texts: 2 });
}

function showFiles({ lists, certificates, memory }) {
  const entries = [["Memory of the whole process", formatBytes(memory.resident)]];
  if (lists.torrents > 0) entries.push(["Torrents listed", formatCount(lists.torrents)]);
  if (lists.ranges > 0) entries.push(["Client ranges denied", formatCount(lists.ranges)]);
  if (lists.loadedAt > 0) entries.push(["Lists read", `${formatAge(lists.loadedAt)} ago`]);
  for (const [protocol, expiresAt] of certificates) {
    const days = Math.floor((expiresAt - Date.now() / 1000) / 86_400);
    const state = days < 0 ? "expired" : `valid for ${days} days`;
    entries.push([`Certificate, ${PROTOCOLS[protocol]}`, state]);
  }
  byId("files").replaceChildren(...entries.flatMap(([name, value]) => [
    element("dt", {}, [name]),
    element("dd", {}, [value]),
  ]));
}

/** Writes rows into a table, and leaves it alone where they are what it shows. */
function showTable(id, heads, rows, { texts, empty }) {
  const table = byId(id);
  const head = element(
    "tr",
    {},
    heads.map((text, column) => {
      const cell = element("th", { scope: "col", className: column < texts ? "text" : "" }, [text]);
      return cell;
    }),
  );
  const body = rows.map((cells) =>
    element(
      "tr",
      {},
      cells.map((content, column) => {
        const isBad = typeof content === "string" && content.startsWith("stalled");
        const className = column < texts
          ? "text"
          : isBad
          ? "bad"
          : content === "–"
          ? "none"
          : content instanceof Element
          ? "share"
          : "";
        if (column > 0) return element("td", { className }, [content]);
        return element("th", { scope: "row", className }, [content]);
      }),
    )
  );
  if (rows.length === 0 && empty !== undefined) {
    const cell = element("td", { className: "text", colSpan: heads.length }, [empty]);
    body.push(element("tr", {}, [cell]));
  }
  table.setAttribute("aria-labelledby", `${id}-title`);
  table.replaceChildren(
    element("thead", {}, [head]),
    element("tbody", {}, body),
  );
}

// Over time.

function drawPlots() {
  if (history === undefined) return;
  const ring = chosenRing();
  const points = history.points[ring];
  const step = history.rings[ring].stepSeconds;
  const spoken = new Set(latest?.protocols.map(({ name }) => name) ?? []);
  const figures = PLOTS.map(({ title, columns, format }) => {
    const shown = columns.filter((column) => !(column in PROTOCOLS) || spoken.has(column));
    const last = points.at(-1);
    const keys = shown.map((column) => {
      const value = last === undefined ? "" : format(last[history.columns.indexOf(column)]);
      if (!(column in PROTOCOLS)) return element("span", {}, [value]);
      const mark = element("i", { className: column });
      return element("span", {}, [mark, `${PROTOCOLS[column]} ${value}`]);
    });
    const svg = drawPlot({ points, step, columns: shown, format, ring });
    svg.setAttribute("aria-label", describePlot(title, points, shown, format));
    return element("figure", {}, [
      element("figcaption", {}, [element("b", {}, [title]), ...keys]),
      svg,
    ]);
  });
  byId("plots").replaceChildren(...figures);
  showHistory(points, spoken);
}

function drawPlot({ points, step, columns, format, ring }) {
  const width = Math.max(240, (byId("plots").clientWidth || 640) / plotsInARow() - 40);
  const [height, left, bottom, top] = [144, 52, 18, 10];
  const svg = shape("svg", { role: "img", viewBox: `0 0 ${width} ${height}` });
  const end = points.at(-1)?.[0] ?? Date.now() / 1000;
  // A tracker that is young has its few minutes drawn over the whole width.
  const age = end - (points[0]?.[0] ?? end);
  const span = Math.min(Math.max(age, 12 * step), history.rings[ring].points * step);
  const indexes = columns.map((column) => history.columns.indexOf(column));
  const most = Math.max(0, ...points.flatMap((point) => indexes.map((index) => point[index])));
  const { ceiling, tick } = niceScale(most, format === formatBytes);
  const x = (time) => left + (width - left - 4) * (1 - (end - time) / span);
  const y = (value) => top + (height - top - bottom) * (1 - value / ceiling);
  for (let value = 0; value <= ceiling * 1.001; value += tick) {
    svg.append(
      shape("line", { class: "grid", x1: left, x2: width - 4, y1: y(value), y2: y(value) }),
    );
    svg.append(label(format(value), { x: left - 8, y: y(value) + 4, anchor: "end" }));
  }
  for (let part = 0; part <= 3; ++part) {
    const time = end - span * (1 - part / 3);
    const anchor = part === 0 ? "start" : part === 3 ? "end" : "middle";
    svg.append(label(formatClock(time, span), { x: x(time), y: height - 2, anchor }));
  }
  columns.forEach((column, position) => {
    for (const run of splitRuns(points, step)) {
      const places = run.map((point) =>
        `${x(point[0]).toFixed(1)},${y(point[indexes[position]]).toFixed(1)}`
      );
      const kind = column in PROTOCOLS ? column : "plain";
      svg.append(shape("polyline", { class: kind, points: places.join(" ") }));
    }
  });
  return svg;
}

function plotsInARow() {
  return getComputedStyle(byId("plots")).gridTemplateColumns.split(" ").length;
}

/** Points without a gap between them. */
function splitRuns(points, step) {
  const runs = [];
  points.forEach((point, index) => {
    const before = points[index - 1];
    if (before === undefined || point[0] - before[0] > 2.5 * step) runs.push([]);
    runs.at(-1).push(point);
  });
  return runs;
}

function niceScale(most, isBinary) {
  if (most <= 0) return { ceiling: 1, tick: 1 };
  const unit = isBinary ? 1024 ** Math.floor(Math.log(most) / Math.log(1024)) : 1;
  const power = 10 ** Math.floor(Math.log10(most / unit / 2));
  const tick = unit * power * [1, 2, 2.5, 5, 10].find((step) => most / unit / step / power <= 4);
  return { ceiling: Math.ceil(most / tick) * tick, tick };
}

function describePlot(title, points, columns, format) {
  if (points.length === 0) return `${title}: nothing yet`;
  const parts = columns.map((column) => {
    const values = points.map((point) => point[history.columns.indexOf(column)]);
    const name = PROTOCOLS[column] === undefined ? "" : `${PROTOCOLS[column]} `;
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return `${name}now ${format(values.at(-1))}, least ${format(least)}, most ${format(most)}`;
  });
  return `${title}: ${parts.join("; ")}`;
}

function showHistory(points, spoken) {
  const every = Math.max(1, Math.ceil(points.length / TABLE_ROWS_MAX));
  const columns = PLOTS.flatMap(({ title, columns, format }) =>
    columns.filter((column) => !(column in PROTOCOLS) || spoken.has(column))
      .map((column) => ({ head: PROTOCOLS[column] ?? title, column, format }))
  );
  const rows = points.filter((_, index) => (points.length - 1 - index) % every === 0)
    .map((point) => [
      formatClock(point[0]),
      ...columns.map(({ column, format }) => format(point[history.columns.indexOf(column)])),
    ]);
  const heads = ["Time", ...columns.map(({ head }) => head)];
  showTable("history", heads, rows, { texts: 1, empty: "Nothing yet" });
  byId("history").setAttribute("aria-labelledby", "plots-title");
}
