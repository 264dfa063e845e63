/**
 * Two WebTorrent workers against one, by what a CPU-second of the server's relays: of two workers'
 * connections, half of the relays go from one to the other.
 *
 *     deno run -A bench/connections/relay_workers.ts [--cores 0,1] [--rate 0] [--seconds 4]
 *       [--rounds 6] [--io deno] [--raw FILE]
 *
 * Both servers run on, with the same cores, and are visited in turn. The load has core 1; with
 * cores 0 the workers share the other one, with 0,1 the second worker shares the load's.
 */
import { parseArgs } from "node:util";
import { runWsLoad } from "../load/ws.ts";
import { defaultWsLoadConfig } from "../load/ws_config.ts";
import { effortOf, Series } from "./series.ts";
import { riptide, type RunningServer, startServer, takeLoadCore } from "./servers.ts";

const WARM_UP_SECONDS = 1;
const CONNECTIONS = 256;

const { values: args } = parseArgs({
  options: {
    cores: { type: "string", default: "0,1" },
    rate: { type: "string", default: "0" },
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "6" },
    io: { type: "string", default: "deno" },
    raw: { type: "string" },
  },
});

async function visit({ port, processId }: RunningServer): Promise<Record<string, number>> {
  const config = defaultWsLoadConfig();
  config.server_address = `127.0.0.1:${port}`;
  config.num_connections_per_worker = CONNECTIONS;
  config.rate = Number(args.rate);
  config.summarize_last = Number(args.seconds);
  config.duration = config.summarize_last + WARM_UP_SECONDS;
  config.torrents.number_of_torrents = 1000;
  config.torrents.number_of_peers = 4000;
  const report = await runWsLoad(config, { serverPid: processId });
  if (!report.valid) throw new Error(`Wrong answers: ${JSON.stringify(report.invalid)}`);
  const perSecond = (kind: "offer" | "answer") => report.rates[kind]!;
  return { ...effortOf(report), "relays/s": perSecond("offer") + perSecond("answer") };
}

await takeLoadCore();
const series = await Series.open(args.raw);
await using servers = new AsyncDisposableStack();
const targets: { name: string; server: RunningServer }[] = [];
for (const workers of [1, 2]) {
  const kind = riptide({ protocol: "ws", io: args.io, workers, cores: args.cores });
  const server = await startServer(kind);
  servers.defer(() => server.stop());
  targets.push({ name: kind.name, server });
  await visit(server);
}
const first = series.nextRound;
for (let round = first; round < first + Number(args.rounds); ++round) {
  for (const { name, server } of round % 2 === 0 ? targets : targets.toReversed()) {
    await series.add({ name, round, values: await visit(server) });
  }
}
series.print();
series.printRatio("answers/CPU-s", targets[1]!.name, targets[0]!.name);
