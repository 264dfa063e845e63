/**
 * How long a relay takes where many connections are open, against a bare echo loop: from when an
 * offer was due until the other peer has it, and until a message of the same length is back.
 *
 *     deno run -A bench/connections/relay_latency.ts [--connections 10000] [--load 30]
 *       [--rate 0] [--seconds 6] [--rounds 4] [--io deno] [--raw FILE]
 *
 * Both servers run on and are visited in turn, each at the rate at which it uses LOAD % of its
 * core, which is found out first; with a rate, at that many messages a second. All connections take
 * turns in speaking. Needs more open files than connections (`ulimit -n`).
 */
import { parseArgs } from "node:util";
import { defaultWsLoadConfig } from "../load/ws_config.ts";
import { Series } from "./series.ts";
import { bareLoop, riptide, type RunningServer, startServer, takeLoadCore } from "./servers.ts";
import { type Drive, runWindowedLoad } from "./windowed_load.ts";

/** Seconds in which all connect, and which do not count. */
const WARM_UP_SECONDS = 4;
const WINDOW_SECONDS = 0.5;
const PILOT_RATE = 3_000;
const SDP_BYTES = 1000;
/** An announce with one offer, its frame included. */
const MESSAGE_BYTES = 1_300;

const { values: args } = parseArgs({
  options: {
    connections: { type: "string", default: "10000" },
    load: { type: "string", default: "30" },
    rate: { type: "string", default: "0" },
    seconds: { type: "string", default: "6" },
    rounds: { type: "string", default: "4" },
    io: { type: "string", default: "deno" },
    raw: { type: "string" },
  },
});
const connections = Number(args.connections);

type Load = (port: number, rate: number) => Drive;

const relay: Load = (port, rate) => {
  const config = defaultWsLoadConfig();
  config.server_address = `127.0.0.1:${port}`;
  config.num_connections_per_worker = connections;
  config.rate = rate;
  config.torrents.number_of_torrents = 1000;
  config.torrents.number_of_peers = connections;
  config.torrents.offers_per_request = 1;
  config.torrents.sdp_bytes = SDP_BYTES;
  return { protocol: "ws", config };
};

const echo: Load = (port, rate) => {
  const server = { hostname: "127.0.0.1", port };
  return {
    protocol: "echo",
    config: { server, connections, rate, messageByteLength: MESSAGE_BYTES },
  };
};

function visit(load: Load, { port, processId }: RunningServer, rate: number) {
  return runWindowedLoad({
    drive: load(port, rate),
    processId,
    connections,
    warmUpSeconds: WARM_UP_SECONDS,
    windowSeconds: WINDOW_SECONDS,
    windows: Number(args.seconds) / WINDOW_SECONDS,
  });
}

const cases = [
  {
    kind: bareLoop({ name: "echo loop", script: "connections/echo_loop.ts", words: ["4096"] }),
    load: echo,
  },
  { kind: riptide({ protocol: "ws", io: args.io }), load: relay },
];

/** The rate at which a server uses so much of its core: its effort for a message varies with it. */
async function rateFor(load: Load, server: RunningServer): Promise<number> {
  if (args.rate !== "0") return Number(args.rate);
  let rate = PILOT_RATE;
  for (let pilot = 0; pilot < 2; ++pilot) {
    const { "server's load, %": share } = await visit(load, server, rate);
    rate = Math.round(rate * Number(args.load) / share!);
  }
  return rate;
}

await takeLoadCore();
const series = await Series.open(args.raw);
await using servers = new AsyncDisposableStack();
const targets = [];
for (const { kind, load } of cases) {
  const server = await startServer(kind);
  servers.defer(() => server.stop());
  targets.push({ name: kind.name, server, load, rate: await rateFor(load, server) });
}
const first = series.nextRound;
for (let round = first; round < first + Number(args.rounds); ++round) {
  for (const { name, server, load, rate } of round % 2 === 0 ? targets : targets.toReversed()) {
    await series.add({ name, round, values: { rate, ...await visit(load, server, rate) } });
  }
}
series.print();
for (const key of ["p99 of a window", "p99"]) {
  series.printRatio(key, targets[1]!.name, targets[0]!.name);
}
