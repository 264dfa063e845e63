/**
 * The UDP load test: drives any BEP 15 tracker in a closed loop and reports what it answered.
 *
 *     deno run --allow-all bench/load/udp.ts [-c FILE] [--json] [--server-pid PID]
 *
 * It needs Linux: datagrams go through recvmmsg() and sendmmsg(), which a thread of its own calls.
 */

import { parseArgs } from "node:util";
import { readProcessUsage } from "./process_usage.ts";
import {
  checkUdpLoadConfig,
  defaultUdpLoadConfig,
  isLoopback,
  parseUdpLoadConfig,
  printUdpLoadConfig,
  serverAddresses,
  type UdpLoadConfig,
} from "./udp_config.ts";
import { COUNTER_COUNT, readCounters, RESPONSES } from "./udp_counters.ts";
import { createReport, formatReport, type Reading, type UdpLoadReport } from "./udp_report.ts";
import { createWorkload } from "./udp_workload.ts";
import type { UdpWorkerMessage, UdpWorkerStart } from "./udp_worker.ts";

/** Longer than a worker takes to give up connecting. */
const CONNECT_DEADLINE_MS = 60_000;
const LIVE_INTERVAL_MS = 1000;

export interface UdpLoadOptions {
  /** Process of the server: its CPU time and memory are reported. */
  serverPid?: number;
  /** Allows addresses that are not this machine's. */
  allowRemote?: boolean;
  /** Called about once a second with the responses per second since the last call. */
  onProgress?: (responsesPerSecond: number) => void;
  /** Ends the run early: what was measured until then is reported. */
  signal?: AbortSignal;
}

/**
 * Runs the load test.
 * @throws {Error} The tracker does not answer, or sockets cannot be opened.
 */
export async function runUdpLoad(
  config: UdpLoadConfig,
  options: UdpLoadOptions = {},
): Promise<UdpLoadReport> {
  checkUdpLoadConfig(config);
  for (const address of serverAddresses(config)) {
    if (isLoopback(address) || options.allowRemote) continue;
    throw new Error(`${address.hostname} is not this machine: say --allow-remote if it is yours`);
  }
  const workload = createWorkload(config);
  const control = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from({ length: config.workers }, (_, workerIndex) => {
    const counters = new Float64Array(new SharedArrayBuffer(COUNTER_COUNT * 8));
    return startWorker({ config, workload, workerIndex, counters, control });
  });
  try {
    await Promise.all(workers.map((worker) => worker.next(CONNECT_DEADLINE_MS)));
    const failed = Promise.all(workers.map((worker) => worker.next()));
    for (const worker of workers) worker.go();
    const measured = await Promise.race([measure(), failed]);
    Atomics.store(control, 0, 1);
    await failed;
    if (Array.isArray(measured)) throw new Error("The workers ended early");
    return createReport(config, measured.from, measured.to);
  } finally {
    Atomics.store(control, 0, 1);
    for (const worker of workers) worker.terminate();
  }

  async function measure(): Promise<{ from: Reading; to: Reading }> {
    const startMs = performance.now();
    const skippedSeconds = config.summarize_last > 0 ? config.duration - config.summarize_last : 0;
    let last = await read();
    if (skippedSeconds > 0) await watchUntil(startMs + skippedSeconds * 1000);
    const from = await read();
    await watchUntil(startMs + config.duration * 1000);
    return { from, to: await read() };

    async function watchUntil(endMs: number): Promise<void> {
      while (!options.signal?.aborted) {
        const leftMs = endMs - performance.now();
        if (leftMs <= 0) return;
        await elapse(Math.min(leftMs, LIVE_INTERVAL_MS), options.signal);
        if (options.onProgress === undefined) continue;
        const now = await read();
        options.onProgress(
          (responseCount(now) - responseCount(last)) * 1000 / (now.atMs - last.atMs),
        );
        last = now;
      }
    }
  }

  async function read(): Promise<Reading> {
    const server = options.serverPid === undefined
      ? null
      : await readProcessUsage(options.serverPid);
    const counters = readCounters(workers.map((worker) => worker.counters));
    return { atMs: performance.now(), counters, server };
  }
}

/** A worker, and what it says next. */
function startWorker(start: UdpWorkerStart) {
  const worker = new Worker(new URL("./udp_worker.ts", import.meta.url), { type: "module" });
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
        worker.onmessage = ({ data }: MessageEvent<UdpWorkerMessage>) => {
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

function responseCount({ counters }: Reading): number {
  return counters.subarray(RESPONSES, RESPONSES + 4).reduce((sum, count) => sum + count, 0);
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

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c" },
      print: { type: "boolean", short: "p" },
      json: { type: "boolean" },
      "server-pid": { type: "string" },
      "server-address": { type: "string" },
      duration: { type: "string" },
      "allow-remote": { type: "boolean" },
    },
  });
  if (values.print) {
    console.log(printUdpLoadConfig().trimEnd());
    return 0;
  }
  const config = values.config === undefined
    ? defaultUdpLoadConfig()
    : parseUdpLoadConfig(await Deno.readTextFile(values.config));
  if (values["server-address"] !== undefined) config.server_address = values["server-address"];
  if (values.duration !== undefined) config.duration = Number(values.duration);
  const interrupt = new AbortController();
  Deno.addSignalListener("SIGINT", () => interrupt.abort());
  const report = await runUdpLoad(config, {
    serverPid: values["server-pid"] === undefined ? undefined : Number(values["server-pid"]),
    allowRemote: values["allow-remote"] ?? false,
    signal: interrupt.signal,
    onProgress: values.json
      ? undefined
      : (rate) => console.error(`${Math.round(rate)} responses per second`),
  });
  console.log(values.json ? JSON.stringify(report) : formatReport(report));
  return report.valid ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}
