/** Every history in corpus/ is played against both builds of the core, and judged by the model. */
import { type Build, CoreTracker, loadModule } from "../model/core_tracker.ts";
import { Session } from "../model/session.ts";
import { DEFAULT_LIMITS } from "../model/tracker.ts";
import { playText } from "./corpus.ts";

const CORPUS = new URL("corpus/", import.meta.url);

for (const { name } of [...Deno.readDirSync(CORPUS)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  for (const build of ["debug", "release"] satisfies Build[]) {
    Deno.test(`corpus: ${name} (${build})`, async () => {
      const tracker = new CoreTracker(await loadModule(build), DEFAULT_LIMITS);
      playText(
        new Session(tracker, DEFAULT_LIMITS),
        await Deno.readTextFile(new URL(name, CORPUS)),
      );
    });
  }
}
