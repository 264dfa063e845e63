/**
 * What a crowd of idle connections does to the latency of those that ask, over HTTP.
 *
 *     deno run -A bench/connections/http_latency.ts [--idle 14850] [--active 150] [--rate 4000]
 *       [--seconds 4] [--rounds 4] [--io deno] [--raw FILE]
 *
 * Four servers run on: Riptide and a bare loop of Deno, each once with the idle connections and
 * once without. The load visits them in turn: the same connections that ask, at the same rate, in
 * an open loop, so that the idle ones are all that differs. Needs more open files than connections
 * (`ulimit -n`).
 */
import { parseArgs } from "node:util";
import { defaultHttpLoadConfig } from "../load/http_config.ts";
import { openIdle } from "./idle_connections.ts";
import { Series } from "./series.ts";
import {
  bareLoop,
  riptide,
  type RunningServer,
  type ServerKind,
  startServer,
  takeLoadCore,
} from "./servers.ts";
import { runWindowedLoad } from "./windowed_load.ts";

/** Seconds of a visit that do not count. */
const WARM_UP_SECONDS = 1;
const WINDOW_SECONDS = 0.5;

const { values: args } = parseArgs({
  options: {
    idle: { type: "string", default: "14850" },
    active: { type: "string", default: "150" },
    rate: { type: "string", default: "4000" },
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "4" },
    io: { type: "string", default: "deno" },
    raw: { type: "string" },
  },
});

function visit({ port, processId }: RunningServer): Promise<Record<string, number>> {
  const config = defaultHttpLoadConfig();
  config.server_address = `127.0.0.1:${port}`;
  config.num_connections = Number(args.active);
  config.rate = Number(args.rate);
  config.torrents.number_of_torrents = 1000;
  config.torrents.number_of_peers = 10_000;
  return runWindowedLoad({
    drive: { protocol: "http", config },
    processId,
    connections: config.num_connections,
    warmUpSeconds: WARM_UP_SECONDS,
    windowSeconds: WINDOW_SECONDS,
    windows: Number(args.seconds) / WINDOW_SECONDS,
  });
}

const kinds: ServerKind[] = [
  bareLoop({ name: "bare loop", script: "limits/deno_http_loop.ts" }),
  riptide({ protocol: "http", io: args.io }),
];
await takeLoadCore();
const series = await Series.open(args.raw);
await using cases = new AsyncDisposableStack();
const targets: { name: string; server: RunningServer }[] = [];
const crowd = `${args.idle} idle`;
for (const kind of kinds) {
  for (const isCrowded of [false, true]) {
    const server = await startServer(kind);
    cases.defer(() => server.stop());
    targets.push({ name: `${kind.name}, ${isCrowded ? crowd : "none idle"}`, server });
    if (!isCrowded) continue;
    const idle = await openIdle({ port: server.port, count: Number(args.idle), speech: "http" });
    cases.defer(() => idle.close());
  }
}
for (const { server } of targets) await visit(server);
const first = series.nextRound;
for (let round = first; round < first + Number(args.rounds); ++round) {
  const inTurn = round % 2 === 0 ? targets : targets.toReversed();
  for (const { name, server } of inTurn) {
    await series.add({ name, round, values: await visit(server) });
  }
}
series.print();
const [bare, own] = kinds as [ServerKind, ServerKind];
for (const key of ["p99 of a window", "p99"]) {
  for (const { name } of kinds) series.printRatio(key, `${name}, ${crowd}`, `${name}, none idle`);
  for (const what of ["none idle", crowd]) {
    series.printRatio(key, `${own.name}, ${what}`, `${bare.name}, ${what}`);
  }
}
