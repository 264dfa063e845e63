/**
 * Compares Riptide with other trackers and with what the machine allows.
 *
 *     deno task compare [udp] [http] [ws] [--quick] [--rounds 5] [--seconds 6] [--only TEXT]
 *       [--cache DIRECTORY] [--out DIRECTORY] [--date YYYY-MM-DD] [--list]
 *
 * Rivals are installed into the cache directory. Every run is written to the raw data at once; the
 * same command goes on where it stopped, and protocols may be compared one after the other. Needs
 * Linux, two cores with nothing else to do, taskset, cc, cargo, npm and openssl.
 */

import { parseArgs } from "node:util";
import { crossCheck } from "./cross_check.ts";
import { ABSENT, install } from "./install.ts";
import { measure } from "./measure.ts";
import { drawPlot } from "./plot.ts";
import { createRaw, hasRun, type Raw, readRaw, writeRaw } from "./raw.ts";
import { REASONS } from "./reasons.ts";
import { createRows, formatReport } from "./report.ts";
import {
  expectedSeconds,
  type Protocol,
  PROTOCOLS,
  type Scenario,
  scenariosOf,
} from "./scenarios.ts";
import { allServers, type Places, type Server } from "./servers.ts";
import { median } from "./statistics.ts";

const root = new URL("../../", import.meta.url).pathname;

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    only: { type: "string" },
    cache: { type: "string", default: `${Deno.env.get("HOME") ?? "/tmp"}/.cache/riptide-compare` },
    out: { type: "string", default: `${root}bench/results` },
    date: { type: "string", default: new Date().toISOString().slice(0, 10) },
    list: { type: "boolean", default: false },
  },
});

const protocols = positionals.length === 0 ? PROTOCOLS : positionals as Protocol[];
if (!protocols.every((protocol) => PROTOCOLS.includes(protocol))) {
  console.error(`Expected udp, http or ws: ${positionals.join(" ")}`);
  Deno.exit(64);
}
const options = {
  rounds: Number(args.rounds ?? (args.quick ? 1 : 5)),
  seconds: Number(args.seconds ?? (args.quick ? 2 : 6)),
  isQuick: args.quick,
};
const places: Places = { root, cache: args.cache };
const base = `${args.out}/${args.date}-compare${args.quick ? "-quick" : ""}`;
const rawPath = `${base}.json`;
const servers = allServers(places);

/** What is to run, server by server within a round. */
function plan(protocol: Protocol): { scenario: Scenario; servers: Server[] }[] {
  return scenariosOf(protocol, options)
    .filter(({ name }) => args.only === undefined || name.includes(args.only))
    .map((scenario) => ({
      scenario,
      servers: servers.filter((server) =>
        server.protocol === protocol && server.canServe(scenario)
      ),
    }));
}

for (const protocol of protocols) {
  const scenarios = plan(protocol);
  const seconds = scenarios.reduce(
    (sum, { scenario, servers }) => sum + expectedSeconds([scenario], servers.length),
    0,
  );
  console.error(`${protocol}: about ${Math.ceil(seconds / 60)} minutes`);
  if (args.list) scenarios.forEach(({ scenario }) => console.log(`${protocol} ${scenario.name}`));
}
if (args.list) Deno.exit(0);

await Deno.mkdir(args.out, { recursive: true });
const raw = await readRaw(rawPath) ?? createRaw(args.date, options);
raw.machine = await describeMachine();
raw.commit = await outputOf("git", ["-C", root, "rev-parse", "--short", "HEAD"]);
raw.versions = {
  deno: Deno.version.deno,
  node: await outputOf("node", ["--version"]),
  cc: (await outputOf("cc", ["--version"])).split("\n")[0]!,
  rustc: await outputOf("rustc", ["--version"]),
};
console.error("Installing what is missing …");
const failures = await install(places);
for (const [name, reason] of failures) console.error(`Not installed: ${name}: ${reason}`);
raw.absent = { ...ABSENT, ...Object.fromEntries(failures) };

for (const protocol of protocols) {
  for (const { scenario, servers } of plan(protocol)) {
    for (let round = 0; round < scenario.rounds; ++round) {
      for (const server of servers) await runOnce(server, scenario, round);
    }
  }
  if (args.only === undefined) await checkTester(protocol);
}
await writeReport(raw);

async function runOnce(server: Server, scenario: Scenario, round: number): Promise<void> {
  const { protocol } = server;
  if (hasRun(raw, { protocol, scenario: scenario.name, server: server.name, round })) return;
  const rate = rateOf(raw, server, scenario);
  if (Number.isNaN(rate)) { // its closed loop failed, or was left out by --only
    console.error(`${protocol} ${scenario.name} ${server.name}: it has no closed loop to go by`);
    return;
  }
  const run = await measure({ server, scenario, round, places, rate });
  raw.runs.push(run);
  raw.servers[server.name] ??= {
    role: server.role,
    command: server.command(scenario).join(" ").replaceAll(root, "").replaceAll(
      `${places.cache}/`,
      "",
    ).replace(Deno.execPath(), "deno"),
    config: server.config(scenario).replaceAll(`${places.cache}/`, ""),
  };
  await writeRaw(rawPath, raw);
  const what = run.failure ?? `${Math.round(run.responsesPerCpuSecond)} per CPU-second, ` +
      `p99 ${run.latencyMicroseconds.p99} µs`;
  console.error(
    `${protocol} ${scenario.name} ${round + 1}/${scenario.rounds} ${server.name}: ${what}`,
  );
}

/** An open loop's rate: a share of what this server's closed loop gave; NaN if it gave none. */
function rateOf(raw: Raw, { name }: Server, scenario: Scenario): number {
  if (scenario.shareOfMost === undefined) return 0;
  const most = raw.runs.filter((run) =>
    run.server === name && run.scenario === "most" && run.failure === undefined
  ).map((run) => run.responsesPerSecond);
  return Math.round(median(most) * scenario.shareOfMost);
}

async function checkTester(protocol: Protocol): Promise<void> {
  const server = servers.find((server) => server.name === `aquatic_${protocol} 0.9.0`)!;
  if (raw.crossChecks.some((check) => check.protocol === protocol)) return;
  const [scenario] = scenariosOf(protocol, options);
  try {
    const isTls = protocol === "ws"; // aquatic's tester speaks nothing else
    raw.crossChecks.push(
      await crossCheck({ server, scenario: { ...scenario!, tls: isTls }, places }),
    );
    await writeRaw(rawPath, raw);
  } catch (error) {
    console.error(`${protocol}: no cross-check: ${(error as Error).message}`);
  }
}

async function writeReport(raw: Raw): Promise<void> {
  const rows = createRows(raw);
  const plots: Record<string, string> = {};
  for (const protocol of PROTOCOLS) {
    if (!rows.some((row) => row.protocol === protocol)) continue;
    const path = `${base}-${protocol}.svg`;
    await Deno.writeTextFile(path, `${await drawPlot(protocol, rows)}\n`);
    plots[protocol] = path.slice(path.lastIndexOf("/") + 1);
  }
  await Deno.writeTextFile(`${base}.md`, formatReport(raw, { reasons: REASONS, plots }));
  console.log(`${base}.md`);
}

async function describeMachine(): Promise<string> {
  const model = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  const { total } = Deno.systemMemoryInfo();
  const cores = navigator.hardwareConcurrency;
  return `${cores} cores of ${model ?? Deno.build.arch}, ${Math.round(total / 2 ** 30)} GiB, ` +
    `Linux ${Deno.osRelease()}`;
}

async function outputOf(program: string, args: string[]): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return new TextDecoder().decode(stdout).trim();
  } catch {
    return "absent";
  }
}
