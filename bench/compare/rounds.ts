/**
 * The interleaved rounds of a scenario: all its servers are started and filled, and then visited in
 * turn. They run on while others are measured, and have nothing to do then.
 */

import { failedRun, fill, measure, type RunningServer, startServer } from "./measure.ts";
import { hasRun, type Raw, type Run } from "./raw.ts";
import type { Scenario } from "./scenarios.ts";
import type { Places, Server } from "./servers.ts";
import { median } from "./statistics.ts";

/** A scenario, and the servers that can serve it. */
export interface Step {
  scenario: Scenario;
  servers: readonly Server[];
}

export interface RoundsOptions {
  raw: Raw;
  places: Places;
  /** Called with each run; `raw` has it already. */
  onRun(run: Run, server: Server): Promise<void>;
}

/** The servers of a step with rounds that are still to be run. */
export function pendingServers(raw: Raw, { scenario, servers }: Step): Server[] {
  return servers.filter((server) => pendingRounds(raw, scenario, server).length > 0);
}

function pendingRounds(raw: Raw, { protocol, name, rounds }: Scenario, server: Server): number[] {
  return Array.from({ length: rounds }, (_, round) => round).filter((round) =>
    !hasRun(raw, { protocol, scenario: name, server: server.name, round })
  );
}

/** Runs what is not there yet. */
export async function runRounds(step: Step, options: RoundsOptions): Promise<void> {
  const { scenario } = step;
  const { raw, places } = options;
  const running: RunningServer[] = [];
  const keep = async (run: Run, server: Server) => {
    raw.runs.push(run);
    await options.onRun(run, server);
  };
  try {
    for (const server of pendingServers(raw, step)) {
      if (Number.isNaN(rateOf(raw, server, scenario))) continue; // it has no closed loop to go by
      try {
        const started = await startServer(server, scenario);
        running.push(started);
        await fill(started, { scenario, places });
      } catch (error) {
        const reason = (error as Error).message;
        for (const round of pendingRounds(raw, scenario, server)) {
          await keep(failedRun(server, { scenario, round, reason }), server);
        }
      }
    }
    for (let round = 0; round < scenario.rounds; ++round) {
      for (const started of running) {
        const { server } = started;
        if (!pendingRounds(raw, scenario, server).includes(round)) continue;
        const rate = rateOf(raw, server, scenario);
        await keep(await measure(started, { scenario, round, places, rate }), server);
      }
    }
  } finally {
    await Promise.all(running.map((started) => started.stop()));
  }
}

/** An open loop's rate: a share of what this server's closed loop took; NaN if it took nothing. */
export function rateOf(raw: Raw, { name }: Server, { shareOfMost }: Scenario): number {
  if (shareOfMost === undefined) return 0;
  const most = raw.runs.filter((run) =>
    run.server === name && run.scenario === "most" && run.failure === undefined
  ).map((run) => run.requestsPerSecond);
  return Math.round(median(most) * shareOfMost);
}
