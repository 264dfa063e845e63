/**
 * Oracle: any stream of bytes gives the same answers, whole or in pieces, as well-formed HTTP with
 * strict bencode, and never a trap (http_round.ts).
 *
 * deno task fuzz:http [--count=10000000] [--seed=N] [--short]
 */
import { parseArgs } from "node:util";
import { loadModule } from "../model/core_tracker.ts";
import { playHttpRound } from "./http_round.ts";

const ROUND_REQUESTS = 5_000;

const { values } = parseArgs({
  options: {
    count: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    short: { type: "boolean", default: false },
  },
});
const count = Number(values.count ?? (values.short ? 500_000 : 10_000_000));
const seed = Number(values.seed);
for (const build of values.short ? ["debug", "release"] as const : ["release"] as const) {
  console.log(`Fuzzing HTTP in the ${build} core: --count=${count} --seed=${seed}`);
  const module = await loadModule(build);
  const started = performance.now();
  for (let number = 0, done = 0; done < count; ++number, done += ROUND_REQUESTS) {
    playHttpRound(module, { seed, number, requests: Math.min(ROUND_REQUESTS, count - done) });
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(`${count} requests in ${seconds.toFixed(1)} s: nothing found`);
}
