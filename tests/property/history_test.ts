/**
 * Random histories: the core and the model must agree on every answer, count and expiry.
 *
 * RIPTIDE_SEED repeats a run, RIPTIDE_RUNS lengthens it; a failure prints the shrunk history, which
 * can be pasted into regressions_test.ts.
 */
import fc from "fast-check";
import { type Build, CoreTracker, loadModule } from "../model/core_tracker.ts";
import { DEFAULT_LIMITS, type Limits } from "../model/tracker.ts";
import { Session } from "../model/session.ts";
import { anyHistory, type HistoryShape, play } from "./history.ts";

const SEED = Number(Deno.env.get("RIPTIDE_SEED") ?? Date.now() % 2 ** 31);
const RUNS = Number(Deno.env.get("RIPTIDE_RUNS") ?? 100);

/** Few peers an answer and short ages, so that limits are met often. */
const TIGHT_LIMITS: Limits = {
  maxScrapeTorrents: 4,
  maxResponsePeers: 3,
  defaultResponsePeers: 2,
  announceIntervalSeconds: 7,
  maxPeerAgeSeconds: 20,
  maxConnectionAgeSeconds: 5,
};

/** Answers as long as a datagram allows, and the longest ages that the configuration accepts. */
const WIDE_LIMITS: Limits = {
  maxScrapeTorrents: 100,
  maxResponsePeers: 230,
  defaultResponsePeers: 230,
  announceIntervalSeconds: 0x7fffffff,
  maxPeerAgeSeconds: 65475,
  maxConnectionAgeSeconds: 65535,
};

interface Variant {
  name: string;
  limits: Limits;
  shape: Omit<HistoryShape, "limits">;
  runs: number;
  peerIds?: boolean;
  highAddresses?: boolean;
}

const SMALL = { stepsMax: 120, crowdMax: 0, clockMax: 4000 };
const CROWDED = { stepsMax: 40, crowdMax: 3000, clockMax: 4000 };
/** Steps of the clock beyond 65,536 s: the 16 bits of last-seen times and ids wrap. */
const WRAPPING = { stepsMax: 60, crowdMax: 200, clockMax: 70000 };

const VARIANTS: Variant[] = [
  { name: "small swarms", limits: DEFAULT_LIMITS, shape: SMALL, runs: RUNS },
  { name: "tight limits", limits: TIGHT_LIMITS, shape: { ...SMALL, clockMax: 60 }, runs: RUNS },
  { name: "wide limits", limits: WIDE_LIMITS, shape: WRAPPING, runs: RUNS / 4 },
  { name: "wrapping clock", limits: DEFAULT_LIMITS, shape: WRAPPING, runs: RUNS / 2 },
  { name: "crowds", limits: DEFAULT_LIMITS, shape: CROWDED, runs: RUNS / 4 },
  {
    name: "crowds with peer ids",
    limits: DEFAULT_LIMITS,
    shape: CROWDED,
    runs: RUNS / 8,
    peerIds: true,
  },
  {
    name: "addresses above 2 GiB",
    limits: DEFAULT_LIMITS,
    shape: CROWDED,
    runs: Math.min(RUNS / 20, 8),
    highAddresses: true,
  },
];

for (const build of ["debug", "release"] satisfies Build[]) {
  for (const { name, limits, shape, runs, ...options } of VARIANTS) {
    Deno.test(`histories (${build}): ${name}`, async () => {
      const module = await loadModule(build);
      console.log(`histories (${build}): ${name}: seed ${SEED}, ${Math.ceil(runs)} runs`);
      fc.assert(
        fc.property(anyHistory({ ...shape, limits }), (history) => {
          play(new Session(new CoreTracker(module, limits, options), limits), history);
        }),
        { seed: SEED, numRuns: Math.ceil(runs) },
      );
    });
  }
}
