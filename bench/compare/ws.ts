/**
 * Riptide's WebTorrent tracker against aquatic_ws (TLS) or bittorrent-tracker (plain): answered and
 * relayed messages per server CPU-second, interleaved.
 *
 *     deno run -A bench/compare/ws.ts --aquatic PATH --certificate PEM --key PEM --authority PEM
 *     deno run -A bench/compare/ws.ts --reference "node server.mjs" [--rounds 5] [--seconds 6]
 *
 * PATH is aquatic_ws 0.9 (`cargo install aquatic_ws --version 0.9.0`); the reference is a command
 * that serves ws:// on the port behind it. The server has core 0, the load core 1. Each round runs
 * every server once, fresh; medians over the rounds are printed, and the spread.
 */
import { parseArgs } from "node:util";
import { freeTcpPort, untilListens } from "../readiness.ts";
import type { LoadReport } from "../load/report.ts";

const SERVER_CORE = "0";
const LOAD_CORE = "1";
const MAIN = new URL("../../main.ts", import.meta.url).pathname;

interface Server {
  name: string;
  /** The program and its arguments; `configPath` holds `config`. */
  command(options: { port: number; configPath: string }): string[];
  config(port: number): string;
}

const { values: args } = parseArgs({
  options: {
    aquatic: { type: "string" },
    reference: { type: "string" },
    certificate: { type: "string" },
    key: { type: "string" },
    authority: { type: "string" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "6" },
    connections: { type: "string", default: "64" },
    out: { type: "string" },
  },
});
const isTls = args.certificate !== undefined;

function tlsKeys(): string {
  return isTls
    ? `enable_tls = true\ntls_certificate_path = "${args.certificate}"\n` +
      `tls_private_key_path = "${args.key}"\n`
    : "";
}

const riptide: Server = {
  name: "riptide",
  command: ({ configPath }) => [
    ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--allow-read", "--allow-net"],
    ...["--allow-sys", MAIN, "ws", "-c", configPath],
  ],
  config: (port) =>
    `log_level = "error"\n[network]\naddress = "127.0.0.1:${port}"\n${tlsKeys()}` +
    "max_torrents_per_connection = 65535\n",
};

const aquatic = (path: string): Server => ({
  name: "aquatic_ws 0.9",
  command: ({ configPath }) => [path, "-c", configPath],
  config: (port) => `log_level = "error"\n[network]\naddress = "127.0.0.1:${port}"\n${tlsKeys()}`,
});

const reference = (command: string): Server => ({
  name: "bittorrent-tracker",
  command: ({ port }) => [...command.split(" "), String(port)],
  config: () => "",
});

/** Starts a server on its core, drives it from the other, ends it. */
async function measure(server: Server): Promise<LoadReport> {
  const port = freeTcpPort();
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(configPath, server.config(port));
  const command = server.command({ port, configPath });
  const child = new Deno.Command("taskset", {
    args: ["-c", SERVER_CORE, ...command],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await untilListens(port);
    return await drive(port, child.pid);
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await Deno.remove(configPath);
  }
}

async function drive(port: number, serverPid: number): Promise<LoadReport> {
  const seconds = Number(args.seconds);
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(
    configPath,
    `server_address = "127.0.0.1:${port}"\nduration = ${seconds}\n` +
      `summarize_last = ${Math.ceil(seconds * 2 / 3)}\nmultiple_client_ipv4s = false\n` +
      `num_connections_per_worker = ${args.connections}\n` +
      (isTls ? `enable_tls = true\ntls_trusted_path = "${args.authority}"\n` : "") +
      "[torrents]\nnumber_of_torrents = 100\nnumber_of_peers = 2000\n",
  );
  try {
    const { success, stdout, stderr } = await new Deno.Command("taskset", {
      args: [
        ...["-c", LOAD_CORE, Deno.execPath(), "run", "-A", "--quiet", MAIN, "load-test", "ws"],
        ...["-c", configPath, "--json", "--server-pid", String(serverPid)],
      ],
    }).output();
    const text = new TextDecoder().decode(stdout);
    if (!success) throw new Error(`${text.slice(0, 2000)}${new TextDecoder().decode(stderr)}`);
    return JSON.parse(text);
  } finally {
    await Deno.remove(configPath);
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const servers = [
  ...args.aquatic === undefined ? [] : [aquatic(args.aquatic)],
  ...args.reference === undefined ? [] : [reference(args.reference)],
  riptide,
];
const results = new Map<string, LoadReport[]>(servers.map(({ name }) => [name, []]));
for (let round = 0; round < Number(args.rounds); ++round) {
  for (const server of servers) {
    const report = await measure(server);
    results.get(server.name)!.push(report);
    console.error(`${server.name}: ${Math.round(report.responses_per_cpu_second ?? 0)}`);
  }
}

const [first] = servers;
const perCpu = (name: string) =>
  results.get(name)!.map((report) => report.responses_per_cpu_second ?? 0);
const rows = servers.map(({ name }) => {
  const runs = results.get(name)!;
  const values = perCpu(name);
  // The ratio of each round, then the median of them: neighbours in time share the machine's mood.
  const ratios = values.map((value, round) => value / perCpu(first!.name)[round]!);
  return {
    server: name,
    perCpuSecond: Math.round(median(values)),
    spread: [Math.round(Math.min(...values)), Math.round(Math.max(...values))],
    perSecond: Math.round(median(runs.map((run) => run.responses_per_second))),
    p99Microseconds: Math.round(median(runs.map((run) => run.latency_microseconds.p99))),
    testerIdle: Math.round(100 * median(runs.map((run) => run.tester_idle_share))) / 100,
    residentMib: Math.round(median(runs.map((run) => run.server!.resident_bytes)) / 2 ** 20),
    ratio: Math.round(median(ratios) * 100) / 100,
  };
});
console.table(rows);
if (args.out !== undefined) {
  await Deno.writeTextFile(args.out, `${JSON.stringify({ args, rows }, null, 2)}\n`);
}
