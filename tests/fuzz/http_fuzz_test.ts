/** A short fuzz of the HTTP codec on both builds. */
import { loadModule } from "../model/core_tracker.ts";
import { playHttpRound } from "./http_round.ts";

for (const build of ["debug", "release"] as const) {
  Deno.test(`fuzz: 10,000 HTTP requests, whole and in pieces (${build})`, async () => {
    const module = await loadModule(build);
    for (let number = 0; number < 10; ++number) {
      playHttpRound(module, { seed: 1, number, requests: 1_000 });
    }
  });
}
