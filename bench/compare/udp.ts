/**
 * Riptide's two UDP drivers against aquatic_udp: responses per server CPU-second, interleaved.
 *
 *     deno run -A bench/compare/udp.ts --rival PATH [--rounds 5] [--seconds 6] [--out FILE.json]
 *
 * PATH is aquatic_udp 0.9 (`cargo install aquatic_udp --version 0.9.0`). The server has core 0, the
 * load core 1. Each round runs every server once, fresh; medians over the rounds are printed, and
 * the spread. Every server has the same limits: 30 peers an answer, and the receive buffer that it
 * can be given (the sandboxed driver can be given none, so less is kept in flight for all).
 */
import { parseArgs } from "node:util";
import type { LoadReport } from "../load/report.ts";
import { freeUdpPort, untilUdpAnswers } from "../readiness.ts";

const SERVER_CORE = "0";
const LOAD_CORE = "1";
const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";
const REQUESTS_IN_FLIGHT = 128;

interface Server {
  name: string;
  /** Command without its configuration. */
  command: string[];
  config: (port: number) => string;
}

interface Result {
  responsesPerSecond: number;
  perCpuSecond: number;
  p99Microseconds: number;
  residentMib: number;
}

const { values: args } = parseArgs({
  options: {
    rival: { type: "string" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "6" },
    torrents: { type: "string", default: "100000" },
    out: { type: "string" },
  },
});

const riptide = (io: "deno" | "native"): Server => ({
  name: `riptide (${io})`,
  command: [
    Deno.execPath(),
    ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-net", "--allow-sys"],
    ...(io === "native" ? [`--allow-ffi=${LIBC}`] : []),
    new URL("../../main.ts", import.meta.url).pathname,
    ...["udp", "-c"],
  ],
  config: (port) =>
    `[network]\naddress = "127.0.0.1:${port}"\nio = "${io}"\n` +
    (io === "native" ? "socket_recv_buffer_size = 8000000\n" : "") +
    "[protocol]\nmax_response_peers = 30\n",
});

const aquatic = (path: string): Server => ({
  name: "aquatic_udp 0.9",
  command: [path, "-c"],
  config: (port) =>
    `log_level = "error"\n[network]\naddress = "127.0.0.1:${port}"\n` +
    "socket_recv_buffer_size = 8000000\n[statistics]\ninterval = 0\n",
});

/** The floor: constant answers from the same socket (bench/limits/deno_udp.ts). */
const bareDeno: Server = {
  name: "bare Deno.listenDatagram loop",
  command: [
    Deno.execPath(),
    ...["run", "--quiet", "--allow-read", "--allow-net"],
    new URL("../limits/deno_udp.ts", import.meta.url).pathname,
    "-c",
  ],
  config: (port) => `[network]\naddress = "127.0.0.1:${port}"\n`,
};

/** Starts a server on its core, drives it from the other, ends it. */
async function measure(server: Server): Promise<Result> {
  const port = freeUdpPort();
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(configPath, server.config(port));
  const [program, ...programArgs] = ["-c", SERVER_CORE, ...server.command, configPath];
  const child = new Deno.Command("taskset", {
    args: [program!, ...programArgs],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await untilUdpAnswers(port);
    return await drive(port, child.pid);
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await Deno.remove(configPath);
  }
}

async function drive(port: number, serverPid: number): Promise<Result> {
  const seconds = Number(args.seconds);
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(
    configPath,
    `server_address = "127.0.0.1:${port}"\nduration = ${seconds}\n` +
      `summarize_last = ${Math.ceil(seconds * 2 / 3)}\n` +
      `[network]\nrequests_in_flight = ${REQUESTS_IN_FLIGHT}\n` +
      `[requests]\nnumber_of_torrents = ${args.torrents}\n` +
      `number_of_peers = ${2 * Number(args.torrents)}\n`,
  );
  try {
    const { success, stdout, stderr } = await runLoad(configPath, serverPid);
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return toResult(JSON.parse(new TextDecoder().decode(stdout)));
  } finally {
    await Deno.remove(configPath);
  }
}

function runLoad(configPath: string, serverPid: number): Promise<Deno.CommandOutput> {
  const load = new URL("../../main.ts", import.meta.url).pathname;
  return new Deno.Command("taskset", {
    args: [
      ...["-c", LOAD_CORE, Deno.execPath(), "run", "-A", "--quiet", load, "load-test", "udp"],
      ...["-c", configPath, "--json", "--server-pid", String(serverPid)],
    ],
  }).output();
}

function toResult(report: LoadReport): Result {
  return {
    responsesPerSecond: report.responses_per_second,
    perCpuSecond: report.responses_per_cpu_second ?? 0,
    p99Microseconds: report.latency_microseconds.p99,
    residentMib: (report.server?.resident_bytes ?? 0) / 2 ** 20,
  };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

if (args.rival === undefined) {
  console.error("Cannot compare without --rival PATH, aquatic_udp 0.9");
  Deno.exit(64);
}
const servers = [aquatic(args.rival), riptide("native"), riptide("deno"), bareDeno];
const results = new Map<string, Result[]>(servers.map(({ name }) => [name, []]));
for (let round = 0; round < Number(args.rounds); ++round) {
  for (const server of servers) {
    const result = await measure(server);
    results.get(server.name)!.push(result);
    console.error(`${server.name}: ${Math.round(result.perCpuSecond)} per CPU-second`);
  }
}

const rows = servers.map(({ name }) => {
  const runs = results.get(name)!;
  const perCpu = runs.map((run) => run.perCpuSecond);
  return {
    server: name,
    perCpuSecond: Math.round(median(perCpu)),
    spread: [Math.round(Math.min(...perCpu)), Math.round(Math.max(...perCpu))],
    responsesPerSecond: Math.round(median(runs.map((run) => run.responsesPerSecond))),
    p99Microseconds: Math.round(median(runs.map((run) => run.p99Microseconds))),
    residentMib: Math.round(median(runs.map((run) => run.residentMib))),
    ratio: 0,
  };
});
for (const row of rows) {
  // The ratio of each round, then the median of them: neighbours in time share the machine's mood.
  const rival = results.get(rows[0]!.server)!;
  const ratios = results.get(row.server)!.map((run, round) =>
    run.perCpuSecond / rival[round]!.perCpuSecond
  );
  row.ratio = Math.round(median(ratios) * 100) / 100;
}
console.table(rows);
if (args.out !== undefined) {
  await Deno.writeTextFile(args.out, `${JSON.stringify({ args, rows }, null, 2)}\n`);
}
