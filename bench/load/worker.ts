/** A thread of a load test. It may never return to its event loop while it runs. */

import type { Population } from "./population.ts";

/** What a worker does: one of `udp_loop.ts`, `http_loop.ts` and `ws_loop.ts`. */
export interface LoadLoop {
  /** @throws {Error} The tracker does not answer. */
  connect(): void | Promise<void>;
  /** Sends requests and checks answers until it is told to stop. */
  run(isStopped: () => boolean): void | Promise<void>;
  close(): void;
}

export interface LoopOptions<Config> {
  config: Config;
  population: Population;
  /** 0-based number of this worker. */
  workerIndex: number;
  /** COUNTER_COUNT numbers, written here only. */
  counters: Float64Array;
}

export type Protocol = "udp" | "http" | "ws";

export interface WorkerStart extends LoopOptions<unknown> {
  protocol: Protocol;
  /** Not 0 at index 0: stop. */
  control: Int32Array<SharedArrayBuffer>;
}

/** Told to the main thread when connected, and when done. */
export type WorkerMessage = { kind: "connected" | "done" } | { kind: "failed"; reason: string };

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<WorkerStart | "go">) => void;
  postMessage(message: WorkerMessage): void;
};

let loop: LoadLoop;
let control: Int32Array<SharedArrayBuffer>;

scope.onmessage = async ({ data }) => {
  try {
    if (data === "go") {
      await loop.run(() => Atomics.load(control, 0) !== 0);
      loop.close();
      scope.postMessage({ kind: "done" });
    } else {
      control = data.control;
      loop = await createLoop(data);
      await loop.connect();
      scope.postMessage({ kind: "connected" });
    }
  } catch (error) {
    scope.postMessage({ kind: "failed", reason: (error as Error).message });
  }
};

/** Imports the one loop that is asked for: those that call the C library run on Linux only. */
async function createLoop(start: WorkerStart): Promise<LoadLoop> {
  const options = start as unknown as LoopOptions<never>;
  switch (start.protocol) {
    case "udp":
      return new (await import("./udp_loop.ts")).UdpLoop(options);
    case "http":
      return (await import("./http_loop.ts")).createHttpLoop(options);
    case "ws":
      return (await import("./ws_loop.ts")).createWsLoop(options);
  }
}
