/** Drives a server with aquatic's load test and with ours: either checks the other. */

import type { CrossCheck } from "./raw.ts";
import type { Scenario } from "./scenarios.ts";
import { measure, withServer } from "./measure.ts";
import type { Places, Server } from "./servers.ts";

/** Runs of each; the larger is taken, as what disturbs only slows down. */
const RUNS = 3;

export async function crossCheck(
  { server, scenario, places }: { server: Server; scenario: Scenario; places: Places },
): Promise<CrossCheck> {
  const { protocol } = server;
  let [ours, theirs] = [0, 0];
  for (let round = 0; round < RUNS; ++round) {
    const alike = { ...scenario, settings: settingsAlike(scenario) };
    const run = await measure({ server, scenario: alike, round, places, rate: 0 });
    ours = Math.max(ours, run.responsesPerSecond);
    theirs = Math.max(theirs, await driveWithTheirs({ server, scenario, places }));
  }
  return { protocol, server: server.name, ours, theirs };
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

/** Responses per second as aquatic's load test prints them. */
async function driveWithTheirs(
  { server, scenario, places }: { server: Server; scenario: Scenario; places: Places },
): Promise<number> {
  const { protocol } = server;
  let rate = 0;
  await withServer({ server, scenario }, async (port) => {
    const path = await Deno.makeTempFile({ suffix: ".toml" });
    await Deno.writeTextFile(path, theirSettings(scenario, port));
    const { stdout } = await new Deno.Command("taskset", {
      args: ["-c", "1", `${places.cache}/bin/aquatic_${protocol}_load_test`, "-c", path],
      stderr: "null",
    }).output();
    await Deno.remove(path);
    rate = parseTheirRate(new TextDecoder().decode(stdout));
    return NO_FIGURES;
  });
  return rate;
}

const NO_FIGURES = {
  responsesPerSecond: 0,
  responsesPerCpuSecond: 0,
  latencyMicroseconds: { p50: 0, p90: 0, p99: 0, p99_9: 0, max: 0 },
  timeouts: 0,
  testerIdleShare: 0,
  residentBytes: 0,
};

function theirSettings({ protocol, torrents, measuredSeconds }: Scenario, port: number): string {
  const address = `server_address = "127.0.0.1:${port}"\nduration = ${measuredSeconds + 2}\n`;
  if (protocol === "udp") {
    return `${address}summarize_last = ${measuredSeconds}\n[requests]\n` +
      `number_of_torrents = ${torrents}\nnumber_of_peers = ${2 * torrents}\n`;
  }
  if (protocol === "http") {
    return `${address}enable_tls = false\n[torrents]\nnumber_of_torrents = ${torrents}\n`;
  }
  return `${address}num_connections_per_worker = 64\n[torrents]\n` +
    `number_of_torrents = ${torrents}\n`;
}

/** The mean responses per second of the summary that aquatic's load tests end with. */
export function parseTheirRate(text: string): number {
  const rates = [...text.matchAll(/responses(?:\/s| per second)\D*?:?\s*([\d.]+)/gi)];
  return Math.round(Number(rates.at(-1)?.[1] ?? 0));
}
