/** The histories and the judge are good only if they find bugs: here each of them is found. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { MUTANTS } from "../model/mutants.ts";
import { Reference } from "../model/reference.ts";
import { Session } from "../model/session.ts";
import { DEFAULT_LIMITS } from "../model/tracker.ts";
import { anyHistory, play } from "./history.ts";

const SHAPE = { stepsMax: 120, crowdMax: 0, clockMax: 4000, limits: DEFAULT_LIMITS };

Deno.test("mutants: a tracker made of the model passes", () => {
  fc.assert(
    fc.property(anyHistory({ ...SHAPE, crowdMax: 200 }), (history) => {
      play(new Session(new Reference(DEFAULT_LIMITS), DEFAULT_LIMITS), history);
    }),
    { seed: 1, numRuns: 100 },
  );
});

for (const { name, make } of MUTANTS) {
  Deno.test(`mutants: a tracker that ${name} is found`, () => {
    const result = fc.check(
      fc.property(anyHistory(SHAPE), (history) => {
        play(new Session(make(DEFAULT_LIMITS), DEFAULT_LIMITS), history);
      }),
      { seed: 1, numRuns: 300, endOnFailure: true },
    );
    assert.ok(result.failed, "300 histories found nothing wrong");
  });
}
