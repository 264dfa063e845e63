/**
 * What a request waits for housekeeping: the latency of single announces, quiet and while the real
 * housekeeper sweeps 1 M torrents once a second and reloads an access list all the time.
 *
 *     deno run --allow-read --allow-write bench/core_latency.ts [rounds]
 *
 * Interleaved rounds; prints p50, p99 and p99.9 of each and the ratio of the medians of p99. Run it
 * with one core for the announces and one for the housekeeper, and on one core (`taskset -c 0`).
 */
import { HOUSEKEEPER_INDEX } from "../assembly/layout.ts";
import type { HousekeeperStart, LoadRules } from "../server/housekeeper.ts";
import { WorkerPool } from "../server/pool.ts";
import { writeSettings } from "../wasm/memory.ts";
import trackerModule from "../wasm/module.js";
import { CoreLoad, createBenchCore, SETTINGS } from "./core_load.ts";
import type { Latencies, LatencyStart } from "./core_latency_worker.ts";

const TORRENTS = 1_000_000;
const LIST_LENGTH = 200_000;
const LIMIT_MIB = 512;
const SECONDS = 2;

const shared = createBenchCore(trackerModule, LIMIT_MIB);
new CoreLoad(shared, { torrents: TORRENTS, peersPerTorrent: 2 }).fill();

const worker = new Worker(new URL("./core_latency_worker.ts", import.meta.url), { type: "module" });
worker.postMessage({ shared, torrents: TORRENTS } satisfies LatencyStart);

/** Seconds between sweeps: one, or so many that there is none while it is quiet. */
function sweepEvery(seconds: number): void {
  writeSettings(shared.memory, { ...SETTINGS, sweepIntervalSeconds: seconds });
}

function measure(): Promise<Latencies> {
  const done = Promise.withResolvers<Latencies>();
  worker.onmessage = (event) => done.resolve(event.data);
  worker.postMessage({ seconds: SECONDS });
  return done.promise;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function describe(name: string, runs: Latencies[]): number {
  const p99 = median(runs.map((run) => run.p99));
  const p50 = median(runs.map((run) => run.p50));
  const p999 = median(runs.map((run) => run.p999));
  console.log(`${name}: p50 ${p50} ns, p99 ${p99} ns, p99.9 ${p999} ns`);
  return p99;
}

const path = await Deno.makeTempFile();
const lines = Array.from({ length: LIST_LENGTH }, (_, i) => i.toString(16).padStart(40, "f"));
await Deno.writeTextFile(path, lines.join("\n"));
const question: LoadRules = { mode: "black", path, denyClients: [], denyClientsPath: "" };

sweepEvery(1_000_000);
const pool = new WorkerPool();
const { worker: housekeeper } = await pool.start({
  name: "housekeeper",
  url: new URL("../server/housekeeper.ts", import.meta.url),
  permissions: { read: [path] },
  start: { core: shared, workerIndex: HOUSEKEEPER_INDEX } satisfies HousekeeperStart,
});

const quiet: Latencies[] = [];
const busy: Latencies[] = [];
for (let round = 0; round < Number(Deno.args[0] ?? 5); ++round) {
  quiet.push(await measure());
  let isBusy = true;
  const reloading = (async () => {
    while (isBusy) await housekeeper.ask(question);
  })();
  busy.push(await measure());
  isBusy = false;
  await reloading;
}
const ratio = describe("reloading", busy) / describe("quiet", quiet);
console.log(`ratio of p99: ${ratio.toFixed(2)}`);
worker.terminate();
await pool.stop(() => {});
await Deno.remove(path);
