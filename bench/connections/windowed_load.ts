/**
 * A load in an open loop whose latencies are read by windows of time, in a process of its own: its
 * driver never returns to the event loop.
 *
 * Whatever else runs on a machine keeps the server or the load from their cores for milliseconds at
 * a time, which is the p99 of a run of seconds. It is not that of most of its windows; so besides
 * the percentiles of the whole run there is the median of the windows' p99.
 *
 *     deno run -A bench/connections/windowed_load.ts OPTIONS_AS_JSON
 */
import { median } from "../compare/statistics.ts";
import * as counter from "../load/counters.ts";
import type { HttpLoadConfig } from "../load/http_config.ts";
import { createHttpLoop } from "../load/http_loop.ts";
import { LATENCY_BUCKET_COUNT, percentile } from "../load/latency.ts";
import { createPopulation } from "../load/population.ts";
import { readProcessUsage } from "../load/process_usage.ts";
import { tcpPopulation } from "../load/tcp_config.ts";
import type { LoadLoop } from "../load/worker.ts";
import type { WsLoadConfig } from "../load/ws_config.ts";
import { createWsLoop } from "../load/ws_loop.ts";
import { createEchoLoop, type EchoConfig } from "./echo_session.ts";

/** What is driven, and what its latency is: to an answer over HTTP, else to the receipt. */
export type Drive =
  | { protocol: "http"; config: HttpLoadConfig }
  | { protocol: "ws"; config: WsLoadConfig }
  | { protocol: "echo"; config: EchoConfig };

export interface WindowedLoad {
  drive: Drive;
  /** The server's. */
  processId: number;
  /** Connections that must be open when measuring begins. */
  connections: number;
  warmUpSeconds: number;
  windowSeconds: number;
  windows: number;
}

/** Runs a load, in another process; latencies are in microseconds. */
export async function runWindowedLoad(load: WindowedLoad): Promise<Record<string, number>> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", import.meta.filename!, JSON.stringify(load)],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("The load failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function createLoop(drive: Drive, counters: Float64Array): Promise<LoadLoop> {
  if (drive.protocol === "echo") return createEchoLoop(drive.config, counters);
  const isText = drive.protocol === "ws";
  const population = createPopulation({ ...tcpPopulation(drive.config), isText });
  const given = { population, workerIndex: 0, counters };
  return drive.protocol === "http"
    ? await createHttpLoop({ ...given, config: drive.config })
    : await createWsLoop({ ...given, config: drive.config });
}

async function run(load: WindowedLoad): Promise<Record<string, number>> {
  const { drive, processId, connections, windowSeconds, windows } = load;
  const counters = new Float64Array(counter.COUNTER_COUNT);
  const loop = await createLoop(drive, counters);
  const runFor = async (seconds: number) => {
    const endMs = performance.now() + seconds * 1000;
    await loop.run(() => performance.now() >= endMs);
  };
  await runFor(load.warmUpSeconds);
  const { [counter.CONNECTIONS]: opened, [counter.CLOSED]: closed } = counters;
  if (opened! - closed! < connections) throw new Error(`Only ${opened} are connected`);
  counters.fill(0);
  const first = drive.protocol === "http" ? counter.LATENCIES : counter.RELAYS;
  const latencies = counters.subarray(first, first + LATENCY_BUCKET_COUNT);
  let seen = latencies.slice();
  const p99s: number[] = [];
  const before = await readProcessUsage(processId);
  const startMs = performance.now();
  for (let window = 0; window < windows; ++window) {
    await runFor(windowSeconds);
    p99s.push(percentile(latencies.map((count, index) => count - seen[index]!), 0.99));
    seen = latencies.slice();
  }
  const seconds = (performance.now() - startMs) / 1000;
  const cpuSeconds = (await readProcessUsage(processId)).cpuSeconds - before.cpuSeconds;
  loop.close();
  requireValid(counters);
  const answers = counter.responseCount(counters);
  return {
    p50: percentile(latencies, 0.5),
    "p99 of a window": median(p99s),
    p99: percentile(latencies, 0.99),
    "p99.9": percentile(latencies, 0.999),
    samples: latencies.reduce((sum, count) => sum + count, 0),
    "answers/s": answers / seconds,
    "answers/CPU-s": answers / cpuSeconds,
    "server's load, %": cpuSeconds / seconds * 100,
    "tester's idle turns, %": counters[counter.IDLE_TURNS]! / counters[counter.TURNS]! * 100,
  };
}

function requireValid(counters: Float64Array): void {
  const broken = [
    counter.MALFORMED,
    counter.UNKNOWN_TRANSACTION,
    counter.WRONG_KIND,
    counter.IMPOSSIBLE,
    counter.CLOSED,
    counter.TIMEOUTS,
  ].map((index) => counters[index]!);
  if (broken.some((count) => count > 0)) throw new Error(`Wrong answers: ${broken}`);
}

if (import.meta.main) {
  console.log(JSON.stringify(await run(JSON.parse(Deno.args[0]!))));
}
