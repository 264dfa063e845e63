/**
 * Riptide's HTTP tracker against bare loops of Deno and against aquatic_http, interleaved.
 *
 *     deno run -A bench/compare/http.ts --row keep-alive|close|tls [--rival PATH]
 *       [--rounds 5] [--seconds 3] [--root DIRECTORY] [--out FILE.json]
 *
 * PATH is aquatic_http 0.9 (`cargo install aquatic_http --version 0.9.0`); `wrk` is the client. The
 * server has core 0, wrk core 1; aquatic has both, as its two threads starve each other on one.
 * Each round runs every server once, fresh, with a swarm of 61 peers; every request is an announce
 * that is answered with 50 of them. Responses are counted per CPU-second of the server. DIRECTORY
 * is another checkout of Riptide, measured beside this one.
 */
import { parseArgs } from "node:util";
import { median, ratios, type Row } from "./rounds.ts";
import { announce, type HttpTarget, inServer, makeCertificate } from "./http_servers.ts";
import { aquatic, bareLoop, type HttpServer, riptide } from "./http_servers.ts";
import { readProcessUsage } from "../load/process_usage.ts";

const PEERS = 61;
const CONNECTIONS = 64;
const LOAD_CORE = "1";

const { values: args } = parseArgs({
  options: {
    row: { type: "string", default: "keep-alive" },
    rival: { type: "string" },
    root: { type: "string" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    out: { type: "string" },
  },
});

interface Result {
  perCpuSecond: number;
  responsesPerSecond: number;
  p99: string;
}

const isClosing = args.row === "close";
const certificate = args.row === "tls" ? await makeCertificate() : undefined;
const HERE = new URL("../..", import.meta.url).pathname;

/** The floor first: the others are compared with it. */
const servers: HttpServer[] = [
  bareLoop({ isClosing, certificate }),
  riptide(HERE, { certificate }),
  ...(args.root === undefined ? [] : [riptide(args.root, { certificate })]),
  ...(args.rival === undefined || args.row === "tls" ? [] : [aquatic(args.rival, { isClosing })]),
];

async function measure(server: HttpServer): Promise<Result> {
  return await inServer(server, async (target) => {
    for (let peer = 0; peer < PEERS; ++peer) await target.ask(announce(peer));
    await load(target, 1);
    const before = await readProcessUsage(target.processId);
    const { responses, responsesPerSecond, p99 } = await load(target, Number(args.seconds));
    const after = await readProcessUsage(target.processId);
    return {
      perCpuSecond: responses / (after.cpuSeconds - before.cpuSeconds),
      responsesPerSecond,
      p99,
    };
  });
}

/** Has wrk repeat one announce. */
async function load(target: HttpTarget, seconds: number) {
  const { stdout, success } = await new Deno.Command("taskset", {
    args: [
      ...["-c", LOAD_CORE, "wrk", "-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, "--latency"],
      ...(isClosing ? ["-H", "Connection: close"] : []),
      `${target.origin}${announce(0)}`,
    ],
  }).output();
  const text = new TextDecoder().decode(stdout);
  const responses = /^\s*(\d+) requests in/m.exec(text);
  if (!success || responses === null) throw new Error(`Cannot read what wrk says: ${text}`);
  if (/Non-2xx/.test(text)) throw new Error(`Not every answer has status 200: ${text}`);
  return {
    responses: Number(responses[1]),
    responsesPerSecond: Number(/^Requests\/sec:\s+([\d.]+)/m.exec(text)?.[1]),
    p99: /^\s+99%\s+(\S+)/m.exec(text)?.[1] ?? "",
  };
}

const results = new Map<string, Result[]>(servers.map(({ name }) => [name, []]));
for (let round = 0; round < Number(args.rounds); ++round) {
  for (const server of servers) {
    const result = await measure(server);
    results.get(server.name)!.push(result);
    console.error(`${server.name}: ${Math.round(result.perCpuSecond)} per CPU-second`);
  }
}
await certificate?.remove();

const perCpu = (name: string) => results.get(name)!.map((run) => run.perCpuSecond);
const rows: Row[] = servers.map(({ name }) => ({
  server: name,
  perCpuSecond: Math.round(median(perCpu(name))),
  spread: [Math.round(Math.min(...perCpu(name))), Math.round(Math.max(...perCpu(name)))],
  responsesPerSecond: Math.round(
    median(results.get(name)!.map((run) => run.responsesPerSecond)),
  ),
  p99: results.get(name)!.map((run) => run.p99).join(" "),
  ratios: Object.fromEntries(
    servers.map((other) => [other.name, ratios(perCpu(name), perCpu(other.name))]),
  ),
}));
for (const { ratios: _, ...row } of rows) console.log(JSON.stringify(row));
console.log("Ratios, median of the rounds':");
console.table(Object.fromEntries(rows.map((row) => [row.server, row.ratios])));
if (args.out !== undefined) {
  await Deno.writeTextFile(args.out, `${JSON.stringify({ args, rows }, null, 2)}\n`);
}
