/** Starts a server on one core, drives it from another, and ends it. */

import type { LoadReport } from "../load/report.ts";
import { freeTcpPort, freeUdpPort, untilListens, untilUdpAnswers } from "../readiness.ts";
import type { Run } from "./raw.ts";
import type { Scenario } from "./scenarios.ts";
import type { Places, Server } from "./servers.ts";

const SERVER_CORE = "0";
const LOAD_CORE = "1";
/** After this long, a server that was asked to end is killed. */
const STOP_DEADLINE_MS = 5000;

export interface MeasureOptions {
  server: Server;
  scenario: Scenario;
  round: number;
  places: Places;
  /** Requests a second; 0: a closed loop. */
  rate: number;
}

/** Measures once; what fails is told in the result, and ends nothing else. */
export async function measure(options: MeasureOptions): Promise<Run> {
  const { server, scenario, round } = options;
  const key = { protocol: server.protocol, scenario: scenario.name, server: server.name, round };
  try {
    return { ...key, ...await withServer(options, (port, pid) => drive(options, port, pid)) };
  } catch (error) {
    const latencyMicroseconds = { p50: 0, p90: 0, p99: 0, p99_9: 0, max: 0 };
    return {
      ...key,
      failure: (error as Error).message,
      responsesPerSecond: 0,
      responsesPerCpuSecond: 0,
      latencyMicroseconds,
      timeouts: 0,
      testerIdleShare: 0,
      residentBytes: 0,
      coldStartMilliseconds: 0,
    };
  }
}

type Figures = Omit<Run, "protocol" | "scenario" | "server" | "round" | "failure">;

/** Runs something against a server of its own. */
export async function withServer(
  { server, scenario }: Pick<MeasureOptions, "server" | "scenario">,
  run: (port: number, pid: number) => Promise<Omit<Figures, "coldStartMilliseconds">>,
): Promise<Figures> {
  const port = server.protocol === "udp" ? freeUdpPort() : freeTcpPort();
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(configPath, server.config(scenario).replaceAll("PORT", `${port}`));
  const command = server.command(scenario).map((word) =>
    word === "PORT" ? `${port}` : word === "CONFIG" ? configPath : word
  );
  const cores = scenario.workers === 1 ? SERVER_CORE : `${SERVER_CORE},${LOAD_CORE}`;
  const startMs = performance.now();
  const child = new Deno.Command("taskset", {
    args: ["-c", cores, ...command],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const isReady = server.protocol === "udp" ? untilUdpAnswers(port) : untilListens(port);
    const ended = child.status.then(({ code }) => {
      throw new Error(`It ended with status ${code} before it answered`);
    });
    ended.catch(() => {}); // it ends at last
    await Promise.race([isReady, ended]);
    const coldStartMilliseconds = Math.round(performance.now() - startMs);
    return { ...await run(port, child.pid), coldStartMilliseconds };
  } finally {
    await stop(child);
    await Deno.remove(configPath);
  }
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  const timer = setTimeout(() => signal(child, "SIGKILL"), STOP_DEADLINE_MS);
  signal(child, "SIGTERM");
  await child.status;
  clearTimeout(timer);
}

function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // It has ended.
  }
}

async function drive(
  { server, scenario, places, rate }: MeasureOptions,
  port: number,
  pid: number,
): Promise<Omit<Figures, "coldStartMilliseconds">> {
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  const trusted = scenario.tls ? `tls_trusted_path = "${places.cache}/tls/ca.pem"\n` : "";
  await Deno.writeTextFile(
    configPath,
    `server_address = "127.0.0.1:${port}"\n` +
      `duration = ${scenario.warmUpSeconds + scenario.measuredSeconds}\n` +
      `summarize_last = ${scenario.measuredSeconds}\nrate = ${rate}\n${trusted}` +
      scenario.settings,
  );
  try {
    const { stdout, stderr } = await new Deno.Command("taskset", {
      args: [
        ...["-c", LOAD_CORE, Deno.execPath(), "run", "--allow-all", "--quiet"],
        ...[`${places.root}main.ts`, "load-test", server.protocol, "-c", configPath, "--json"],
        ...["--server-pid", `${pid}`],
      ],
    }).output();
    const text = new TextDecoder().decode(stdout);
    if (!text.startsWith("{")) throw new Error(new TextDecoder().decode(stderr).trim());
    return toFigures(JSON.parse(text));
  } finally {
    await Deno.remove(configPath);
  }
}

function toFigures(report: LoadReport): Omit<Figures, "coldStartMilliseconds"> {
  if (!report.valid) {
    throw new Error(`Its answers are wrong: ${JSON.stringify(report.invalid)}`);
  }
  return {
    responsesPerSecond: report.responses_per_second,
    responsesPerCpuSecond: report.responses_per_cpu_second ?? 0,
    latencyMicroseconds: report.latency_microseconds,
    timeouts: report.timeouts,
    testerIdleShare: report.tester_idle_share,
    residentBytes: report.server?.resident_bytes ?? 0,
  };
}
