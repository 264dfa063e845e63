/**
 * Memory of an idle connection: Riptide's, and beyond that of a bare loop of Deno's sockets that
 * reads into 512 bytes of shared memory.
 *
 *     deno run -A bench/connections/memory.ts [--protocol http|ws] [--tls] [--connections 15000]
 *       [--rounds 3] [--settled] [--io deno] [--raw FILE]
 *
 * Each server is fresh. Resident memory is read behind a first few connections, which bring in what
 * every connection uses, and when all are idle; each has been served once. Garbage that no
 * collection has had reason to look for is resident, too: `--settled` has V8 collect all of it
 * whenever it collects any, and lets a megabyte of it gather, with both servers alike.
 */
import { parseArgs } from "node:util";
import { makeCertificate } from "../limits/http_servers.ts";
import { readProcessUsage } from "../load/process_usage.ts";
import { openIdle } from "./idle_connections.ts";
import { Series } from "./series.ts";
import { bareLoop, riptide, type ServerKind, startServer, takeLoadCore } from "./servers.ts";

const FIRST_CONNECTIONS = 500;
/** What an idle connection of Riptide's reads into. */
const IDLE_INPUT_BYTES = 512;
const SETTLE_MILLISECONDS = 3_000;
const SETTLED_FLAGS = ["--v8-flags=--gc-global,--max-semi-space-size=1,--single-threaded-gc"];

const { values: args } = parseArgs({
  options: {
    protocol: { type: "string", default: "http" },
    tls: { type: "boolean", default: false },
    connections: { type: "string", default: "15000" },
    rounds: { type: "string", default: "3" },
    settled: { type: "boolean", default: false },
    io: { type: "string", default: "deno" },
    raw: { type: "string" },
  },
});
const protocol = args.protocol === "ws" ? "ws" : "http";

async function measure(kind: ServerKind, isOwn: boolean): Promise<Record<string, number>> {
  await using closing = new AsyncDisposableStack();
  const server = await startServer(kind, { flags: args.settled ? SETTLED_FLAGS : [] });
  closing.defer(() => server.stop());
  const residentBytes = async () => {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLISECONDS));
    return (await readProcessUsage(server.processId)).residentBytes;
  };
  const open = async (count: number) => {
    const speech = isOwn ? protocol : "bytes";
    const idle = await openIdle({ port: server.port, count, speech, isTls: args.tls });
    closing.defer(() => idle.close());
  };
  await open(FIRST_CONNECTIONS);
  const before = await residentBytes();
  const count = Number(args.connections) - FIRST_CONNECTIONS;
  await open(count);
  const after = await residentBytes();
  return {
    "bytes a connection": (after - before) / count,
    "MiB before": before / 2 ** 20,
    "MiB after": after / 2 ** 20,
    // As many as there are connections, and a few: nobody was turned away or has gone.
    "open files": [...Deno.readDirSync(`/proc/${server.processId}/fd`)].length,
  };
}

await takeLoadCore();
const series = await Series.open(args.raw);
const certificate = args.tls ? await makeCertificate() : undefined;
const bare = bareLoop({
  name: "bare loop",
  script: "connections/echo_loop.ts",
  words: [String(IDLE_INPUT_BYTES)],
  certificate,
});
const own = riptide({ protocol, io: args.io, certificate });
const first = series.nextRound;
for (let round = first; round < first + Number(args.rounds); ++round) {
  for (const kind of round % 2 === 0 ? [bare, own] : [own, bare]) {
    await series.add({ name: kind.name, round, values: await measure(kind, kind === own) });
  }
}
await certificate?.remove();
series.print();
series.printDifference("bytes a connection", own.name, bare.name);
