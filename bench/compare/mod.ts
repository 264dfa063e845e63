/**
 * Compares Riptide with other trackers and with what the machine allows.
 *
 *     deno task compare [udp] [http] [ws] [--quick] [--rounds 5] [--seconds 6] [--only TEXT,TEXT]
 *       [--minutes N] [--cache DIRECTORY] [--out DIRECTORY] [--date YYYY-MM-DD] [--list]
 *
 * Rivals are installed into the cache directory. Every run is written to the raw data at once; the
 * same command goes on where it stopped. `--minutes` begins nothing that would end later. Needs
 * Linux, two cores with nothing else to do, taskset, cc, cargo, npm and openssl.
 */

import { parseArgs } from "node:util";
import { crossCheck, crossCheckSeconds } from "./cross_check.ts";
import { ABSENT, install } from "./install.ts";
import { LOAD_CORE } from "./measure.ts";
import { drawPlot } from "./plot.ts";
import { createRaw, type Raw, readRaw, type Run, writeRaw } from "./raw.ts";
import { REASONS } from "./reasons.ts";
import { createRows, formatReport } from "./report.ts";
import { pendingServers, runRounds, type Step } from "./rounds.ts";
import { expectedSeconds, type Protocol, PROTOCOLS, scenariosOf } from "./scenarios.ts";
import { allServers, type Places, type Server } from "./servers.ts";

const root = new URL("../../", import.meta.url).pathname;

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    minutes: { type: "string" },
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
  seconds: Number(args.seconds ?? (args.quick ? 1 : 6)),
  isQuick: args.quick,
};
const endMs = performance.now() + Number(args.minutes ?? Infinity) * 60_000;
const places: Places = { root, cache: args.cache };
const base = `${args.out}/${args.date}-compare${args.quick ? "-quick" : ""}`;
const rawPath = `${base}.json`;
const raw = await readRaw(rawPath) ?? createRaw(args.date, options);

if (!args.list) await prepare();
const servers: Server[] = [];
for (const server of allServers(places)) if (await isThere(server)) servers.push(server);
const steps = plan();
const seconds = steps.map((step) =>
  expectedSeconds(step.scenario, pendingServers(raw, step).length)
);
const total = seconds.reduce((sum, each) => sum + each, 0);
console.error(`About ${Math.ceil(total / 60)} minutes, and half a minute for each cross-check`);
if (args.list) {
  for (const [index, { scenario, servers }] of steps.entries()) {
    console.log(
      `${scenario.protocol} ${scenario.name}: ${scenario.rounds} rounds of ${servers.length} ` +
        `servers, ${Math.ceil(seconds[index]!)} s`,
    );
  }
  Deno.exit(0);
}

for (const [index, step] of steps.entries()) {
  if (performance.now() + seconds[index]! * 1000 > endMs) {
    console.error(`No time for ${step.scenario.protocol} ${step.scenario.name}`);
    continue;
  }
  await runRounds(step, { raw, places, onRun });
}
if (args.only === undefined) { for (const protocol of protocols) await checkTester(protocol); }
await writeReport(raw);

/** What is to run, what matters most first. */
function plan(): Step[] {
  const only = args.only?.split(",");
  return protocols.flatMap((protocol) =>
    scenariosOf(protocol, options)
      .filter(({ name }) => only?.some((text) => name.includes(text)) ?? true)
      .map((scenario) => ({
        scenario,
        servers: servers.filter((server) =>
          server.protocol === protocol && server.canServe(scenario)
        ),
      }))
  ).toSorted((a, b) => a.scenario.rank - b.scenario.rank);
}

/** Whether what a server is run from has been installed. */
async function isThere(server: Server): Promise<boolean> {
  const [scenario] = scenariosOf(server.protocol, options);
  const paths = server.command(scenario!).filter((word) => word.startsWith(`${places.cache}/`));
  try {
    await Promise.all(paths.map((path) => Deno.stat(path)));
    return true;
  } catch {
    return false;
  }
}

/** Installs what is missing, and notes what this machine is. */
async function prepare(): Promise<void> {
  await Deno.mkdir(args.out, { recursive: true });
  // What this process does between the runs is the load's part, not the server's.
  await outputOf("taskset", ["-a", "-p", "-c", LOAD_CORE, `${Deno.pid}`]);
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
}

async function onRun(run: Run, server: Server): Promise<void> {
  const scenario = scenariosOf(run.protocol, options).find(({ name }) => name === run.scenario)!;
  const shorten = (text: string) => text.replaceAll(root, "").replaceAll(`${places.cache}/`, "");
  raw.servers[server.name] ??= {
    role: server.role,
    command: shorten(server.command(scenario).join(" ")).replace(Deno.execPath(), "deno"),
    config: shorten(server.config(scenario)),
  };
  await writeRaw(rawPath, raw);
  const what = run.failure ?? `${Math.round(run.responsesPerCpuSecond)} per CPU-second, ` +
      `p99 ${run.latencyMicroseconds.p99} µs`;
  console.error(
    `${run.protocol} ${run.scenario} ${run.round + 1}/${scenario.rounds} ${server.name}: ${what}`,
  );
}

async function checkTester(protocol: Protocol): Promise<void> {
  const server = servers.find((server) => server.name === `aquatic_${protocol} 0.9.0`);
  if (server === undefined || raw.crossChecks.some((check) => check.protocol === protocol)) return;
  if (performance.now() + crossCheckSeconds(options.seconds) * 1000 > endMs) {
    console.error(`No time for the cross-check of ${protocol}`);
    return;
  }
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
