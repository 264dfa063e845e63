/** The announces of core_latency.ts, one at a time. */
import { createHistogram } from "node:perf_hooks";
import process from "node:process";
import type { SharedCore } from "../wasm/memory.ts";
import { CoreLoad } from "./core_load.ts";

/** The first message; each further one asks for `seconds` of announces and gets `Latencies`. */
export interface LatencyStart {
  shared: SharedCore;
  torrents: number;
}

/** Nanoseconds. */
export interface Latencies {
  p50: number;
  p99: number;
  p999: number;
}

const ANNOUNCES_PER_LOOK = 1024;

const scope = self as unknown as {
  onmessage: (event: MessageEvent<LatencyStart | { seconds: number }>) => void;
  postMessage(latencies: Latencies): void;
};
let load: CoreLoad;

scope.onmessage = ({ data }) => {
  if ("shared" in data) {
    const { shared, torrents } = data;
    load = new CoreLoad(shared, { torrents, peersPerTorrent: 2, workerIndex: 1, batchSize: 1 });
    return;
  }
  const histogram = createHistogram();
  const end = performance.now() + data.seconds * 1000;
  while (performance.now() < end) {
    for (let announce = 0; announce < ANNOUNCES_PER_LOOK; ++announce) {
      const start = process.hrtime();
      load.batch();
      const [seconds, nanoseconds] = process.hrtime(start);
      histogram.record(Math.max(1, seconds * 1e9 + nanoseconds));
    }
  }
  scope.postMessage({
    p50: histogram.percentile(50),
    p99: histogram.percentile(99),
    p999: histogram.percentile(99.9),
  });
};
