/**
 * Many open connections: what an idle one costs in memory, and what a crowd of them does to the
 * latency of those that ask.
 *
 *     deno run -A bench/limits/http_connections.ts [--connections 15000] [--seconds 5]
 *
 * Needs more open files than connections (`ulimit -n`), for server and client each. The server has
 * core 0, this client core 1 (it pins itself). Riptide and the bare loop take turns. The same
 * number of requests a second goes to 100 open connections, and to 1 % of all of them.
 */
import { parseArgs } from "node:util";
import { announce, bareLoop, type HttpServer } from "./http_servers.ts";
import { type HttpTarget, inServer, riptide } from "./http_servers.ts";
import { readProcessUsage } from "../load/process_usage.ts";

const FEW = 100;
const REQUESTS_PER_SECOND = 4_000;
/** Connections that are opened at once: fewer than the system lets wait for their accept(). */
const OPENING = 64;

const { values: args } = parseArgs({
  options: {
    connections: { type: "string", default: "15000" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
  },
});
const many = Number(args.connections);
const request = new TextEncoder().encode(`GET ${announce(0)} HTTP/1.1\r\nHost: x\r\n\r\n`);

interface Result {
  server: string;
  bytesPerIdleConnection: number;
  p99OfFew: number;
  p99OfMany: number;
}

async function measure(server: HttpServer): Promise<Result> {
  return await inServer(server, async (target) => {
    const few = await openAll(target, FEW);
    await drive(few, 1); // warm
    const p99OfFew = await drive(few, Number(args.seconds));
    const before = await readProcessUsage(target.processId);
    const all = [...few, ...await openAll(target, many - FEW)];
    const after = await readProcessUsage(target.processId);
    const active = all.filter((_, index) => index % 100 === 0);
    await drive(active, 1);
    const p99OfMany = await drive(active, Number(args.seconds));
    for (const conn of all) conn.close();
    return {
      server: server.name,
      bytesPerIdleConnection: (after.residentBytes - before.residentBytes) / (many - FEW),
      p99OfFew,
      p99OfMany,
    };
  });
}

/** Opens connections that have asked once and then wait. */
async function openAll({ port }: HttpTarget, count: number): Promise<Deno.Conn[]> {
  const conns: Deno.Conn[] = [];
  const buffer = new Uint8Array(4096);
  const open = async () => {
    while (conns.length < count) {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      conns.push(conn);
      await conn.write(request);
      await conn.read(buffer);
    }
  };
  await Promise.all(Array.from({ length: OPENING }, open));
  for (const extra of conns.splice(count)) extra.close();
  return conns;
}

/** Sends requests at a steady rate over these connections; returns the p99 in microseconds. */
async function drive(conns: Deno.Conn[], seconds: number): Promise<number> {
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1000;
  const pause = conns.length / REQUESTS_PER_SECOND * 1000;
  await Promise.all(conns.map(async (conn, index) => {
    const buffer = new Uint8Array(4096);
    let next = performance.now() + pause * index / conns.length;
    while (next < end) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
      const begun = performance.now();
      await conn.write(request);
      await conn.read(buffer);
      latencies.push(performance.now() - begun);
      next += pause;
    }
  }));
  latencies.sort((a, b) => a - b);
  return latencies[Math.floor(latencies.length * 0.99)]! * 1000;
}

const pinned = await new Deno.Command("taskset", {
  args: ["-a", "-p", "-c", "1", String(Deno.pid)],
  stdout: "null",
}).output();
if (!pinned.success) throw new Error("taskset cannot pin this process");

const root = new URL("../..", import.meta.url).pathname;
const results: Result[] = [];
for (let round = 0; round < Number(args.rounds); ++round) {
  for (const server of [bareLoop({ isClosing: false }), riptide(root, {})]) {
    results.push(await measure(server));
    console.log(JSON.stringify(results.at(-1)));
  }
}
