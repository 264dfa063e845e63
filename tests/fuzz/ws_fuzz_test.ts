/** A short fuzz of WebTorrent on both builds, and a history against the model. */
import { loadModule } from "../model/core_tracker.ts";
import { playBroken, playHistory } from "./ws_round.ts";

for (const build of ["debug", "release"] as const) {
  Deno.test(`model: histories of 50 sockets on two workers (${build})`, async () => {
    const module = await loadModule(build);
    for (let seed = 1; seed <= 3; ++seed) playHistory(module, seed, 1_500);
  });

  Deno.test(`fuzz: broken messages are judged as JSON.parse does (${build})`, async () => {
    const module = await loadModule(build);
    for (let seed = 1; seed <= 3; ++seed) playBroken(module, seed, 2_000);
  });
}
