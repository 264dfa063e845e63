/**
 * Two workers against one, core alone, 1 M torrents drawn uniformly: does sharing the map cost?
 *
 *     deno run --allow-read bench/core_scaling.ts [rounds]
 *
 * Interleaved rounds of one and of two workers on the same memory; prints announces a second of
 * each and the ratio of the medians. Meant for a machine with two quiet cores.
 */
import trackerModule from "../wasm/module.js";
import { CoreLoad, createBenchCore } from "./core_load.ts";
import type { ScalingStart } from "./core_scaling_worker.ts";

const TORRENTS = 1_000_000;
const PEERS_PER_TORRENT = 2;
const LIMIT_MIB = 256;
const WORKERS = 2;
const SECONDS = 1;

const shared = createBenchCore(trackerModule, LIMIT_MIB);
const options = { torrents: TORRENTS, peersPerTorrent: PEERS_PER_TORRENT };
new CoreLoad(shared, { ...options, workerIndex: 0 }).fill();

const workers = Array.from({ length: WORKERS }, (_, index) => {
  const worker = new Worker(new URL("./core_scaling_worker.ts", import.meta.url), {
    type: "module",
  });
  worker.postMessage(
    { shared, options: { ...options, workerIndex: 1 + index } } satisfies ScalingStart,
  );
  return worker;
});

/** Announces a second of the first `count` workers, run at the same time. */
async function measure(count: number): Promise<number> {
  const counts = await Promise.all(
    workers.slice(0, count).map((worker) => {
      const done = Promise.withResolvers<number>();
      worker.onmessage = (event) => done.resolve(event.data);
      worker.postMessage({ seconds: SECONDS });
      return done.promise;
    }),
  );
  return counts.reduce((sum, announces) => sum + announces, 0) / SECONDS;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const rounds = Number(Deno.args[0] ?? 5);
await measure(WORKERS); // warm
const single: number[] = [];
const both: number[] = [];
for (let round = 0; round < rounds; ++round) {
  single.push(await measure(1));
  both.push(await measure(WORKERS));
}
console.log(`one worker:  ${Math.round(median(single)).toLocaleString("en")} announces/s`);
console.log(`two workers: ${Math.round(median(both)).toLocaleString("en")} announces/s`);
console.log(`ratio: ${(median(both) / median(single)).toFixed(2)}`);
workers.forEach((worker) => worker.terminate());
