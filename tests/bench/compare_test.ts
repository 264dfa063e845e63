import { strict as assert } from "node:assert";
import { parseTheirKinds, parseTheirRate } from "../../bench/compare/cross_check.ts";
import {
  createRaw,
  hasRun,
  type Raw,
  readRaw,
  type Run,
  writeRaw,
} from "../../bench/compare/raw.ts";
import {
  expectedSection,
  NOTHING,
  readmeSection,
  renderReadme,
} from "../../bench/compare/readme.ts";
import { createRows, formatReport, formatTable, lostRows } from "../../bench/compare/report.ts";
import { expectedSeconds, PROTOCOLS, scenariosOf } from "../../bench/compare/scenarios.ts";
import { pendingServers, rateOf } from "../../bench/compare/rounds.ts";
import { allServers, type Server } from "../../bench/compare/servers.ts";
import { median, ratioOf, summarize } from "../../bench/compare/statistics.ts";

Deno.test("median() and summarize() of odd, even and no values", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
  assert.deepEqual(summarize([2, 8, 5]), { median: 5, min: 2, max: 8, rounds: 3 });
});

Deno.test("ratioOf() is the median of each round's ratio, not the ratio of medians", () => {
  const own = new Map([[0, 10], [1, 200], [2, 33]]);
  const other = new Map([[0, 10], [1, 100], [2, 30]]);
  assert.equal(ratioOf(own, other), 1.1);
  assert.ok(Number.isNaN(ratioOf(own, new Map([[7, 1]]))));
});

/** Five rounds as they were recorded on 2026-11-24, responses per CPU-second. */
const RECORDED: Record<string, number[]> = {
  "aquatic_udp 0.9.0": [137017, 121942, 159437, 128000, 140100],
  "riptide udp, native": [171874, 149660, 182695, 171000, 172000],
  "riptide udp, sandboxed": [50767, 46272, 71054, 50000, 51000],
  "Deno.listenDatagram loop": [75604, 57142, 84891, 70000, 76000],
};

function recorded(): Raw {
  const raw = createRaw("2026-11-24", { rounds: 5, seconds: 6, isQuick: false });
  for (const [server, values] of Object.entries(RECORDED)) {
    const role = server.startsWith("riptide")
      ? "own"
      : server.startsWith("aquatic")
      ? "rival"
      : "limit";
    raw.servers[server] = { role, command: `run ${server}`, config: "a = 1\n" };
    values.forEach((value, round) => raw.runs.push(createRun(server, round, value)));
  }
  return raw;
}

function createRun(server: string, round: number, value: number): Run {
  return {
    protocol: "udp",
    scenario: "most",
    server,
    round,
    requestsPerSecond: value / 4,
    responsesPerSecond: value / 2,
    responsesPerCpuSecond: value,
    rates: { announce: value / 2 },
    latencyMicroseconds: { p50: 1, p90: 2, p99: 300 + round, p99_9: 4, max: 5 },
    timeouts: 1,
    testerIdleShare: 0.25,
    residentBytes: 2 ** 20 * 100,
    coldStartMilliseconds: 40,
  };
}

Deno.test("createRows() gives medians, spreads and ratios to the best rival", () => {
  const rows = createRows(recorded());
  const row = (name: string) => rows.find(({ server }) => server === name)!;
  const native = row("riptide udp, native");
  assert.deepEqual(native.perCpuSecond, { median: 171874, min: 149660, max: 182695, rounds: 5 });
  assert.equal(native.ratio.toFixed(2), "1.23");
  assert.equal(native.bestRival, "aquatic_udp 0.9.0");
  assert.equal(native.p99, 302);
  assert.equal(native.residentMib, 100);
  assert.equal(native.timeouts, 5);
  assert.equal(native.serverBusyShare, 0.5);
  assert.ok(Number.isNaN(row("aquatic_udp 0.9.0").ratio));
  assert.deepEqual(lostRows(rows).map(({ server }) => server), ["riptide udp, sandboxed"]);
});

Deno.test("createRows() leaves failed runs out, and names a server that always fails", () => {
  const raw = recorded();
  raw.runs.push({ ...createRun("aquatic_udp 0.9.0", 5, 0), failure: "It ended" });
  raw.servers["broken"] = { role: "rival", command: "", config: "" };
  raw.runs.push({ ...createRun("broken", 0, 0), failure: "It ended with status 1" });
  const rows = createRows(raw);
  assert.equal(rows.find(({ server }) => server === "broken")!.failure, "It ended with status 1");
  assert.equal(rows[0]!.perCpuSecond.rounds, 5);
  assert.equal(lostRows(rows).length, 1);
});

Deno.test("formatReport() puts the lost rows first, with their reason", () => {
  const text = formatReport(recorded(), {
    reasons: { "riptide udp, sandboxed": "because", "riptide udp, native": "no" },
    plots: { udp: "a.svg" },
  });
  const lost = text.indexOf("## Lost");
  assert.ok(lost > 0 && lost < text.indexOf("## UDP"));
  assert.match(text.slice(lost, text.indexOf("## UDP")), /sandboxed .*\| 0\.38 +\| because/);
  assert.match(text, /171,874 \(149,660 – 182,695\) +\| 1\.23/);
  assert.match(text, /One worker, closed loop \(5 rounds\)/);
  assert.match(text, /\| 50 % +\| 75 % +\|\n/); // server, load test
  assert.match(text, /!\[[^\]]+\]\(a\.svg\)/);
  assert.match(text, /### aquatic_udp 0\.9\.0\n\n```\nrun aquatic_udp 0\.9\.0\na = 1\n```/);
});

Deno.test("formatReport() prefers the reason of a scenario, and says where it has none", () => {
  const of = (reasons: Record<string, string>) =>
    formatReport(recorded(), { reasons, plots: {} }).split("## UDP")[0]!;
  const name = "riptide udp, sandboxed";
  assert.match(of({ [`most ${name}`]: "special", [name]: "general" }), /special/);
  assert.match(of({ [`tls ${name}`]: "special", [name]: "general" }), /general/);
  assert.match(of({ "riptide udp, native": "other" }), /not examined yet/);
});

Deno.test("formatTable() pads its columns", () => {
  assert.equal(
    formatTable(["a", "long"], [["12345", "b"]]),
    [
      "| a     | long |\n| ----- | ---- |\n| 12345 | b    |\n",
    ].join(""),
  );
});

Deno.test("writeRaw() and hasRun() let an interrupted comparison go on", async () => {
  const path = await Deno.makeTempFile();
  const raw = recorded();
  await writeRaw(path, raw);
  const read = (await readRaw(path))!;
  assert.deepEqual(read, raw);
  const key = { protocol: "udp", scenario: "most", server: "aquatic_udp 0.9.0" } as const;
  assert.ok(hasRun(read, { ...key, round: 4 }) && !hasRun(read, { ...key, round: 5 }));
  await Deno.remove(path);
  assert.equal(await readRaw(path), undefined);
});

Deno.test("scenariosOf() has names of their own, and a server of ours for each", () => {
  const servers = allServers({
    root: new URL("../../", import.meta.url).pathname,
    cache: "/cache",
  });
  for (const protocol of PROTOCOLS) {
    const scenarios = scenariosOf(protocol, { rounds: 5, seconds: 6, isQuick: false });
    assert.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length);
    for (const scenario of scenarios) {
      const own = servers.filter((server) =>
        server.protocol === protocol && server.role === "own" && server.canServe(scenario)
      );
      assert.ok(own.length > 0, `${protocol} ${scenario.name}`);
    }
  }
});

Deno.test("parseTheirRate() reads the summary of aquatic's load tests", () => {
  assert.equal(
    parseTheirRate("x\n- Average responses per second: 26124.31\n  - connect: 3"),
    26124,
  );
  assert.equal(parseTheirRate("nothing"), 0);
});

Deno.test("parseTheirKinds() reads the last of the rates that aquatic's load tests print", () => {
  const text = (offers: number) =>
    `Responses in: 30.5/second\n  - Announce responses: 10.50\n  - Offer responses:    ${offers}\n`;
  assert.deepEqual(parseTheirKinds(text(7) + text(20)), { announce: 11, offer: 20 });
});

Deno.test("expectedSeconds() counts servers, their filling and every round", () => {
  const [scenario] = scenariosOf("udp", { rounds: 5, seconds: 2, isQuick: false });
  const one = expectedSeconds(scenario!, 1);
  assert.equal(expectedSeconds(scenario!, 3), 3 * one);
  const round = expectedSeconds({ ...scenario!, rounds: 6 }, 1) - one;
  assert.ok(round > 2.5 && round < 5);
  assert.ok(one - 5 * round > scenario!.fillRequests / 200_000);
  const empty = expectedSeconds({ ...scenario!, fillRequests: 0 }, 1);
  assert.ok(one - empty > 2 && one - empty < 10);
});

Deno.test("rateOf() is a share of the requests of the server's own closed loop", () => {
  const raw = recorded();
  const scenarios = scenariosOf("udp", { rounds: 5, seconds: 2, isQuick: false });
  const scenario = scenarios.find(({ name }) => name === "latency-80")!;
  const server = (name: string) => ({ name }) as Server;
  assert.equal(rateOf(raw, server("riptide udp, native"), scenario), Math.round(171874 / 4 * 0.8));
  assert.ok(Number.isNaN(rateOf(raw, server("absent"), scenario)));
  assert.equal(rateOf(raw, server("absent"), scenarios[0]!), 0);
});

Deno.test("pendingServers() leaves out those whose rounds are all there", () => {
  const raw = recorded();
  const [scenario] = scenariosOf("udp", { rounds: 5, seconds: 2, isQuick: false });
  const servers = [...Object.keys(RECORDED), "new"].map((name) => ({ name }) as Server);
  const names = (rounds: number) =>
    pendingServers(raw, { scenario: { ...scenario!, rounds }, servers }).map(({ name }) => name);
  assert.deepEqual(names(5), ["new"]);
  assert.deepEqual(names(6), [...Object.keys(RECORDED), "new"]);
});

Deno.test("README shows the latest committed comparison, and nothing else", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  // `deno fmt` breaks README's lines where it likes.
  const words = (text: string | undefined) => text?.split(/\s+/);
  assert.deepEqual(
    words(readmeSection(readme)),
    words(await expectedSection()),
    "Run: deno task compare:readme",
  );
});

Deno.test("renderReadme() tells a changed figure apart", () => {
  const raw = recorded();
  const text = renderReadme(raw, "2026-11-24-compare");
  assert.match(text, /riptide udp, native +\| 171,874 +\| 302 +\| 1\.23/);
  assert.match(text, /2026-11-24-compare-udp\.svg/);
  assert.notEqual(text, NOTHING);
  raw.runs.forEach((run) => run.responsesPerCpuSecond += 1000);
  assert.notEqual(renderReadme(raw, "2026-11-24-compare"), text);
});
