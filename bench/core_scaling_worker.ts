/** One worker of core_scaling.ts: answers batches for as long as it is told. */
import type { SharedCore } from "../wasm/memory.ts";
import { CoreLoad, type CoreLoadOptions } from "./core_load.ts";

/** The first message; each further one asks for `seconds` of announces and gets their number. */
export interface ScalingStart {
  shared: SharedCore;
  options: CoreLoadOptions;
}

const BATCHES_PER_LOOK = 256;

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ScalingStart | { seconds: number }>) => void;
  postMessage(announces: number): void;
};
let load: CoreLoad;

scope.onmessage = ({ data }) => {
  if ("shared" in data) {
    load = new CoreLoad(data.shared, data.options);
    return;
  }
  const end = performance.now() + data.seconds * 1000;
  let announces = 0;
  while (performance.now() < end) {
    for (let batch = 0; batch < BATCHES_PER_LOOK; ++batch) load.batch();
    announces += BATCHES_PER_LOOK * load.batchSize;
  }
  scope.postMessage(announces);
};
