/**
 * Oracle: WebTorrent's core agrees with a plain model on every count and relay, and with JSON.parse
 * on every broken text, whatever the frames and fragments (ws_round.ts).
 *
 * deno task fuzz:ws [--count=10000000] [--seed=N] [--short]
 */
import { parseArgs } from "node:util";
import { loadModule } from "../model/core_tracker.ts";
import { playBroken, playHistory } from "./ws_round.ts";

const ROUND_MESSAGES = 5_000;

const { values } = parseArgs({
  options: {
    count: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    short: { type: "boolean", default: false },
  },
});
const count = Number(values.count ?? (values.short ? 1_000_000 : 10_000_000));
const seed = Number(values.seed);
// Debug has assertions, and takes four times as long.
for (const [build, share] of [["debug", 0.1], ["release", 0.9]] as const) {
  const messages = count * share;
  console.log(`Fuzzing WebTorrent in the ${build} core: --count=${count} --seed=${seed}`);
  const module = await loadModule(build);
  const started = performance.now();
  for (let number = 0, done = 0; done < messages; ++number, done += 2 * ROUND_MESSAGES) {
    playHistory(module, seed + number, ROUND_MESSAGES);
    playBroken(module, seed + number, ROUND_MESSAGES);
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(`${messages} messages in ${seconds.toFixed(1)} s: nothing found`);
}
