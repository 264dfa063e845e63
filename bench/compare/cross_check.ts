/** Drives a server with aquatic's load test and with ours: either checks the other. */

import type { CrossCheck } from "./raw.ts";
import type { Scenario } from "./scenarios.ts";
import { readProcessUsage } from "../load/process_usage.ts";
import { LOAD_CORE, measure, type RunningServer, startServer } from "./measure.ts";
import type { Places, Server } from "./servers.ts";

/** Runs of each; the larger is taken, as what disturbs only slows down. */
const RUNS = 2;
/** How often aquatic's load tests print the rate since they printed the last. */
const THEIR_INTERVAL_SECONDS = 5;

export async function crossCheck(
  { server, scenario, places }: { server: Server; scenario: Scenario; places: Places },
): Promise<CrossCheck> {
  const { protocol } = server;
  const alike = { ...scenario, settings: settingsAlike(scenario) };
  let ours = NOTHING;
  let theirs = NOTHING;
  for (let round = 0; round < RUNS; ++round) {
    const running = await startServer(server, scenario);
    try {
      const run = await measure(running, { scenario: alike, round, places, rate: 0 });
      ours = faster(ours, {
        second: run.responsesPerSecond,
        cpuSecond: run.responsesPerCpuSecond,
        kinds: run.rates,
      });
      theirs = faster(theirs, await driveWithTheirs(running, { scenario, places }));
    } finally {
      await running.stop();
    }
  }
  return {
    protocol,
    server: server.name,
    ours: ours.second,
    theirs: theirs.second,
    oursPerCpuSecond: ours.cpuSecond,
    theirsPerCpuSecond: theirs.cpuSecond,
    oursByKind: ours.kinds,
    theirsByKind: theirs.kinds,
  };
}

/** How long a cross-check takes. */
export function crossCheckSeconds(measuredSeconds: number): number {
  return RUNS * (2 * measuredSeconds + 2 * THEIR_INTERVAL_SECONDS + 3);
}

/** Responses per second, and per CPU-second of the server. */
interface Rate {
  second: number;
  cpuSecond: number;
  kinds: Record<string, number>;
}

const NOTHING: Rate = { second: 0, cpuSecond: 0, kinds: {} };

function faster(a: Rate, b: Rate): Rate {
  return b.second > a.second ? b : a;
}

/** What aquatic's load tests do: their numbers of connections, torrents and peers. */
function settingsAlike({ protocol, torrents }: Scenario): string {
  if (protocol === "udp") {
    return `[requests]\nnumber_of_torrents = ${torrents}\nnumber_of_peers = ${2 * torrents}\n`;
  }
  if (protocol === "http") return `[torrents]\nnumber_of_torrents = ${torrents}\n`;
  return `enable_tls = true\nnum_connections_per_worker = 64\n[torrents]\nsdp_bytes = 47\n` +
    `number_of_torrents = ${torrents}\n`;
}

/** The server's CPU time is of their whole run, and so are the responses that it is set against. */
async function driveWithTheirs(
  { server, port, pid }: RunningServer,
  { scenario, places }: { scenario: Scenario; places: Places },
): Promise<Rate> {
  const { protocol } = server;
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(path, theirSettings(scenario, port));
  const before = await readProcessUsage(pid);
  const { stdout } = await new Deno.Command("taskset", {
    args: ["-c", LOAD_CORE, `${places.cache}/bin/aquatic_${protocol}_load_test`, "-c", path],
    stderr: "null",
  }).output();
  const { cpuSeconds } = await readProcessUsage(pid);
  await Deno.remove(path);
  const text = new TextDecoder().decode(stdout);
  const responses = sumTheirRates(text) * THEIR_INTERVAL_SECONDS;
  return {
    second: parseTheirRate(text),
    cpuSecond: Math.round(responses / (cpuSeconds - before.cpuSeconds)),
    kinds: parseTheirKinds(text),
  };
}

/** Of two intervals the second counts: in the first they open their connections. */
function theirSettings({ protocol, torrents }: Scenario, port: number): string {
  const address = `server_address = "127.0.0.1:${port}"\n`;
  if (protocol === "udp") {
    return `${address}duration = ${2 * THEIR_INTERVAL_SECONDS}\n` +
      `summarize_last = ${THEIR_INTERVAL_SECONDS}\n[requests]\n` +
      `number_of_torrents = ${torrents}\nnumber_of_peers = ${2 * torrents}\n`;
  }
  if (protocol === "http") {
    return `${address}duration = ${2 * THEIR_INTERVAL_SECONDS}\nenable_tls = false\n` +
      `[torrents]\nnumber_of_torrents = ${torrents}\n`;
  }
  return `${address}duration = ${THEIR_INTERVAL_SECONDS - 1}\nnum_connections_per_worker = 64\n` +
    `[torrents]\nnumber_of_torrents = ${torrents}\n`;
}

/** The mean responses per second of the summary that aquatic's load tests end with. */
export function parseTheirRate(text: string): number {
  const rates = [...text.matchAll(/responses(?:\/s| per second)\D*?:?\s*([\d.]+)/gi)];
  return Math.round(Number(rates.at(-1)?.[1] ?? 0));
}

/** The sum of the rates that they print as they run. */
function sumTheirRates(text: string): number {
  const rates = [...text.matchAll(/^Responses in: ([\d.]+)\/second/gm)];
  return rates.reduce((sum, [, rate]) => sum + Number(rate), 0);
}

/** Responses a second by kind, in the last interval that they print. */
export function parseTheirKinds(text: string): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const [, kind, rate] of text.matchAll(/^ +- (\w+) responses: +([\d.]+)/gm)) {
    kinds[kind!.toLowerCase()] = Math.round(Number(rate));
  }
  return kinds;
}
