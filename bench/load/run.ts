/** Runs the workers of a load test, and reads what they count while they do. */

import process from "node:process";
import { type CommonConfig, isLoopback, serverAddresses } from "./common_config.ts";
import { COUNTER_COUNT, readCounters, REQUESTS, responseCount } from "./counters.ts";
import { createPopulation, type PopulationOptions } from "./population.ts";
import { readProcessUsage } from "./process_usage.ts";
import { createReport, type LoadReport, type Reading } from "./report.ts";
import type { Protocol, WorkerMessage, WorkerStart } from "./worker.ts";

/** Longer than a worker takes to give up connecting. */
const CONNECT_DEADLINE_MS = 60_000;
/** Longer than a worker takes to see that it has to stop, and to close what it has open. */
const STOP_DEADLINE_MS = 10_000;
const LIVE_INTERVAL_MS = 1000;
/** How often a run of so many requests is asked whether they have all been answered. */
const COUNT_INTERVAL_MS = 100;

export interface LoadOptions {
  /** Process of the server: its CPU time and memory are reported. */
  serverPid?: number;
  /** Allows addresses that are not this machine's, at a fixed rate. */
  allowRemote?: boolean;
  /** Called about once a second with the responses per second since the last call. */
  onProgress?: (responsesPerSecond: number) => void;
  /** Ends the run early: what was measured until then is reported. */
  signal?: AbortSignal;
}

export interface LoadTest<Config extends CommonConfig> {
  protocol: Protocol;
  config: Config;
  workerCount: number;
  population: PopulationOptions;
}

/**
 * Runs a load test whose settings have been checked.
 * @throws {Error} The tracker does not answer, or sockets cannot be opened.
 */
export async function runLoad<Config extends CommonConfig>(
  test: LoadTest<Config>,
  options: LoadOptions = {},
): Promise<LoadReport<Config>> {
  const { config, protocol } = test;
  requireAllowed(config, options);
  const population = createPopulation(test.population);
  const control = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from({ length: test.workerCount }, (_, workerIndex) => {
    const counters = new Float64Array(new SharedArrayBuffer(COUNTER_COUNT * 8));
    return startWorker({ protocol, config, population, workerIndex, counters, control });
  });
  try {
    await Promise.all(workers.map((worker) => worker.next(CONNECT_DEADLINE_MS)));
    const ended = Promise.all(workers.map((worker) => worker.next()));
    for (const worker of workers) worker.go();
    const measured = await Promise.race([measure(), ended]);
    Atomics.store(control, 0, 1);
    if (Array.isArray(measured)) throw new Error("The workers ended early");
    await within(ended, STOP_DEADLINE_MS);
    return createReport({ protocol, config, workerCount: test.workerCount, ...measured });
  } finally {
    Atomics.store(control, 0, 1);
    for (const worker of workers) worker.terminate();
  }

  async function measure(): Promise<{ from: Reading; to: Reading }> {
    const startMs = performance.now();
    const skippedSeconds = config.summarize_last > 0 ? config.duration - config.summarize_last : 0;
    const intervalMs = config.max_requests > 0 ? COUNT_INTERVAL_MS : LIVE_INTERVAL_MS;
    let last = await read();
    let shown = last;
    if (skippedSeconds > 0) await watchUntil(startMs + skippedSeconds * 1000);
    const from = await read();
    await watchUntil(startMs + config.duration * 1000);
    return { from, to: await read() };

    async function watchUntil(endMs: number): Promise<void> {
      while (!options.signal?.aborted) {
        const leftMs = endMs - performance.now();
        if (leftMs <= 0) return;
        await elapse(Math.min(leftMs, intervalMs), options.signal);
        const now = await read();
        if (config.max_requests > 0 && isAnswered(last.counters, now.counters)) return;
        last = now;
        const sinceMs = now.atMs - shown.atMs;
        if (sinceMs < LIVE_INTERVAL_MS || options.onProgress === undefined) continue;
        const count = responseCount(now.counters) - responseCount(shown.counters);
        options.onProgress(count * 1000 / sinceMs);
        shown = now;
      }
    }
  }

  /** Says whether all requests have been sent, and nothing comes any more. */
  function isAnswered(before: Float64Array, now: Float64Array): boolean {
    return before[REQUESTS]! >= config.max_requests && responseCount(before) === responseCount(now);
  }

  async function read(): Promise<Reading> {
    const server = options.serverPid === undefined
      ? null
      : await readProcessUsage(options.serverPid);
    const counters = readCounters(workers.map((worker) => worker.counters));
    const { user, system } = process.cpuUsage();
    return { atMs: performance.now(), counters, server, testerCpuSeconds: (user + system) / 1e6 };
  }
}

/** Other machines are driven only by whoever says so, and no faster than they say. */
function requireAllowed(config: CommonConfig, { allowRemote }: LoadOptions): void {
  for (const address of serverAddresses(config)) {
    if (isLoopback(address)) continue;
    if (!allowRemote) {
      throw new Error(`${address.hostname} is not this machine: say --allow-remote if it is yours`);
    }
    if (config.rate === 0) {
      throw new Error(`${address.hostname} is not this machine: give a rate`);
    }
  }
}

/** A worker, and what it says next. */
function startWorker(start: WorkerStart) {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  worker.postMessage(start);
  return {
    counters: start.counters,
    go: () => worker.postMessage("go"),
    terminate: () => worker.terminate(),
    /** Resolves when it is connected, and then when it is done; rejects when it failed. */
    next: (deadlineMs?: number) =>
      new Promise<void>((resolve, reject) => {
        const timer = deadlineMs === undefined
          ? undefined
          : setTimeout(() => reject(new Error("A worker does not start")), deadlineMs);
        worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
          clearTimeout(timer);
          if (data.kind === "failed") reject(new Error(data.reason));
          else resolve();
        };
        worker.onerror = (event) => {
          event.preventDefault();
          clearTimeout(timer);
          reject(new Error(event.message));
        };
      }),
  };
}

/** Waits for a promise, but not for ever. */
async function within(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  const stop = new AbortController();
  await Promise.race([promise, elapse(milliseconds, stop.signal)]);
  stop.abort();
}

/** Waits, but not beyond an abort. */
function elapse(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}
