/**
 * Oracle: any bytes from anywhere give silence or an answer that the model calls legal, never a
 * trap, never a byte to a sender that has not proved its address beyond the 16 of a connect answer,
 * with memory within its limit and counters that add up to what went in and out.
 *
 * deno task fuzz [--count=10000000] [--seed=N] [--wasm=release|debug|both]
 * deno task fuzz --short    a million packets on both builds, for CI
 */
import { parseArgs } from "node:util";
import { type Build, CoreTracker, loadModule } from "../model/core_tracker.ts";
import { Disagreement } from "../model/session.ts";
import { FUZZ_LIMITS, playRound, ROUND_PACKETS } from "./round.ts";
import { shortestHistory } from "./shrink.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    wasm: { type: "string" },
    short: { type: "boolean", default: false },
  },
});
const count = readNumber("count", values.count ?? (values.short ? "1000000" : "10000000"));
const seed = readNumber("seed", values.seed);
for (const build of readBuilds(values.wasm ?? "both")) {
  await fuzz(build);
}

async function fuzz(build: Build): Promise<void> {
  console.log(`Fuzzing the ${build} core: --count=${count} --seed=${seed} --wasm=${build}`);
  const module = await loadModule(build);
  const makeTracker = () => new CoreTracker(module, FUZZ_LIMITS);
  const started = performance.now();
  for (let number = 0, done = 0; done < count; ++number, done += ROUND_PACKETS) {
    const packets = Math.min(ROUND_PACKETS, count - done);
    try {
      playRound(makeTracker(), { seed, number, packets });
    } catch (error) {
      if (!(error instanceof Disagreement)) throw error;
      console.error(`Round ${number} of seed ${seed}: ${error.message}`);
      const history = shortestHistory(makeTracker, { seed, number, packets });
      console.error(`The shortest history found; add it to tests/fuzz/corpus/:\n\n${history}`);
      Deno.exit(1);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const rate = (count / seconds / 1000).toFixed(0);
  console.log(`${count} packets in ${seconds.toFixed(1)} s, ${rate} k/s: nothing found`);
}

function readBuilds(text: string): Build[] {
  if (text === "both") return ["debug", "release"];
  if (text === "debug" || text === "release") return [text];
  throw new RangeError(`Cannot read --wasm=${text}: it is neither release, debug nor both`);
}

function readNumber(name: string, text: string): number {
  const number = Number(text);
  if (text !== "" && Number.isSafeInteger(number) && number >= 0) return number;
  throw new RangeError(`Cannot read --${name}=${text}: it is not a whole number`);
}
