/** Starts servers on one core, drives them from another, and ends them. */

import type { LoadReport } from "../load/report.ts";
import { createPopulation } from "../load/population.ts";
import { tcpPopulation } from "../load/tcp_config.ts";
import { parseHttpLoadConfig } from "../load/http_config.ts";
import { parseUdpLoadConfig, udpPopulation } from "../load/udp_config.ts";
import { freeTcpPort, freeUdpPort, untilListens, untilUdpAnswers } from "../readiness.ts";
import type { Run } from "./raw.ts";
import type { Scenario } from "./scenarios.ts";
import type { Places, Server } from "./servers.ts";

const SERVER_CORE = "0";
export const LOAD_CORE = "1";
/** After this long, a server that was asked to end is killed. */
const STOP_DEADLINE_MS = 5000;
const INFO_HASH_BYTES = 20;

/** A server that runs. */
export interface RunningServer {
  server: Server;
  port: number;
  pid: number;
  coldStartMilliseconds: number;
  stop(): Promise<void>;
}

/**
 * Starts a server, and waits until it answers.
 * @throws {Error} It ends, or does not answer.
 */
export async function startServer(server: Server, scenario: Scenario): Promise<RunningServer> {
  const port = server.protocol === "udp" ? freeUdpPort() : freeTcpPort();
  const directory = await Deno.makeTempDir();
  const [configPath, listPath] = [`${directory}/config`, `${directory}/list`];
  if (server.isListed) {
    await Deno.chmod(directory, 0o755); // it reads its list as nobody
    await Deno.writeTextFile(listPath, listOf(scenario));
  }
  const fill = (text: string) => text.replaceAll("PORT", `${port}`).replaceAll("LIST", listPath);
  await Deno.writeTextFile(configPath, fill(server.config(scenario)));
  const command = server.command(scenario).map((word) =>
    word === "CONFIG" ? configPath : fill(word)
  );
  const cores = scenario.workers === 1 ? SERVER_CORE : `${SERVER_CORE},${LOAD_CORE}`;
  const startMs = performance.now();
  const child = new Deno.Command("taskset", {
    args: ["-c", cores, ...command],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    await end(child);
    await Deno.remove(directory, { recursive: true });
  };
  try {
    const isReady = server.protocol === "udp" ? untilUdpAnswers(port) : untilListens(port);
    const ended = child.status.then(({ code }) => {
      throw new Error(`It ended with status ${code} before it answered`);
    });
    ended.catch(() => {}); // it ends at last
    await Promise.race([isReady, ended]);
  } catch (error) {
    await stop();
    throw error;
  }
  const coldStartMilliseconds = Math.round(performance.now() - startMs);
  return { server, port, pid: child.pid, coldStartMilliseconds, stop };
}

/** The info hashes of a scenario's load, one a line. */
function listOf({ protocol, settings }: Scenario): string {
  const population = createPopulation(
    protocol === "udp"
      ? udpPopulation(parseUdpLoadConfig(settings))
      : tcpPopulation(parseHttpLoadConfig(settings)),
  );
  const bytes = new Uint8Array(population.infoHashes.buffer);
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += INFO_HASH_BYTES) {
    lines.push(bytes.subarray(start, start + INFO_HASH_BYTES).toHex());
  }
  return `${lines.join("\n")}\n`;
}

async function end(child: Deno.ChildProcess): Promise<void> {
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

/** Sends everything that a scenario fills a server with. */
export async function fill(
  running: RunningServer,
  { scenario, places }: { scenario: Scenario; places: Places },
): Promise<void> {
  if (scenario.fillRequests === 0) return;
  await runTester(running, {
    scenario,
    places,
    lines: `duration = ${scenario.fillSeconds}\nmax_requests = ${scenario.fillRequests}\n`,
  });
}

export interface DriveOptions {
  scenario: Scenario;
  round: number;
  places: Places;
  /** Requests a second; 0: a closed loop. */
  rate: number;
}

/** Measures once; what fails is told in the result, and ends nothing else. */
export async function measure(running: RunningServer, options: DriveOptions): Promise<Run> {
  const { scenario, round, places, rate } = options;
  const { server, coldStartMilliseconds } = running;
  try {
    const report = await runTester(running, {
      scenario,
      places,
      lines: `duration = ${scenario.warmUpSeconds + scenario.measuredSeconds}\n` +
        `summarize_last = ${scenario.measuredSeconds}\nrate = ${rate}\n`,
    });
    return {
      protocol: server.protocol,
      scenario: scenario.name,
      server: server.name,
      round,
      requestsPerSecond: Math.round(report.requests / report.duration_seconds),
      responsesPerSecond: report.responses_per_second,
      responsesPerCpuSecond: report.responses_per_cpu_second ?? 0,
      rates: report.rates,
      latencyMicroseconds: report.latency_microseconds,
      timeouts: report.timeouts,
      testerIdleShare: report.tester_idle_share,
      residentBytes: report.server?.resident_bytes ?? 0,
      coldStartMilliseconds,
    };
  } catch (error) {
    return failedRun(server, { scenario, round, reason: (error as Error).message });
  }
}

/** What is kept of a run that gave no figures. */
export function failedRun(
  { name, protocol }: Server,
  { scenario, round, reason }: { scenario: Scenario; round: number; reason: string },
): Run {
  return {
    protocol,
    scenario: scenario.name,
    server: name,
    round,
    failure: reason,
    requestsPerSecond: 0,
    responsesPerSecond: 0,
    responsesPerCpuSecond: 0,
    rates: {},
    latencyMicroseconds: { p50: 0, p90: 0, p99: 0, p99_9: 0, max: 0 },
    timeouts: 0,
    testerIdleShare: 0,
    residentBytes: 0,
    coldStartMilliseconds: 0,
  };
}

/**
 * Runs our load test once, in a process of its own.
 * @throws {Error} It does not run, or the answers are wrong.
 */
async function runTester(
  { server, port, pid }: RunningServer,
  { scenario, places, lines }: { scenario: Scenario; places: Places; lines: string },
): Promise<LoadReport> {
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  const trusted = scenario.tls ? `tls_trusted_path = "${places.cache}/tls/ca.pem"\n` : "";
  await Deno.writeTextFile(
    configPath,
    `server_address = "127.0.0.1:${port}"\n${lines}${trusted}${scenario.settings}`,
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
    const report: LoadReport = JSON.parse(text);
    if (report.valid) return report;
    throw new Error(`Its answers are wrong: ${JSON.stringify(report.invalid)}`);
  } finally {
    await Deno.remove(configPath);
  }
}
