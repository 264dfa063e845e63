/** A short fuzz of both builds, and the fuzzer's own tools: repeatable, and able to cut down. */
import { strict as assert } from "node:assert";
import { type Build, CoreTracker, loadModule } from "../model/core_tracker.ts";
import { MUTANTS } from "../model/mutants.ts";
import { writeAnnounce, writeConnect } from "../model/packets.ts";
import { Session } from "../model/session.ts";
import { DEFAULT_LIMITS } from "../model/tracker.ts";
import { parseUrlData } from "../model/codec.ts";
import { formatEvents, playText } from "./corpus.ts";
import type { FuzzEvent } from "./events.ts";
import { FUZZ_LIMITS, playRound } from "./round.ts";
import { Random } from "./random.ts";
import { shrink } from "./shrink.ts";

const SOURCE = { address: Uint8Array.of(192, 0, 2, 1), port: 6881 };

for (const build of ["debug", "release"] satisfies Build[]) {
  Deno.test(`fuzz: 50,000 packets (${build})`, async () => {
    const module = await loadModule(build);
    for (let number = 0; number < 5; ++number) {
      playRound(new CoreTracker(module, FUZZ_LIMITS), { seed: 1, number, packets: 10_000 });
    }
  });
}

Deno.test("fuzz: valid requests cut at every byte are judged legal", async () => {
  const tracker = new CoreTracker(await loadModule("debug"), DEFAULT_LIMITS);
  const session = new Session(tracker, DEFAULT_LIMITS);
  const connectionId = session.connect(SOURCE);
  const options = new Uint8Array(300).fill(2);
  const announce = writeAnnounce({ connectionId, infoHash: new Uint8Array(20), port: 1, options });
  const scrape = announce.slice();
  scrape[11] = 2;
  for (const whole of [announce, scrape, writeConnect(7)]) {
    for (let length = 0; length <= whole.length; ++length) {
      session.send(whole.subarray(0, length), SOURCE);
    }
  }
});

Deno.test("fuzz: URLData is read as the model reads it", async () => {
  const tracker = new CoreTracker(await loadModule("debug"), DEFAULT_LIMITS);
  const session = new Session(tracker, DEFAULT_LIMITS);
  const connectionId = session.connect(SOURCE);
  const infoHash = new Uint8Array(20);
  const random = new Random(1);
  for (let turn = 0; turn < 20_000; ++turn) {
    const options = Uint8Array.from(
      { length: random.below(random.oneIn(50) ? 1950 : 40) },
      () => random.below(random.oneIn(8) ? 256 : 6),
    );
    const packet = writeAnnounce({ connectionId, infoHash, port: 1, options });
    session.send(packet, SOURCE);
    assert.deepEqual(tracker.urlData, parseUrlData(packet));
  }
});

Deno.test("fuzz: a failure is cut down to what causes it, and its text fails again", () => {
  const mutant = MUTANTS.find(({ name }) => name === "takes num_want 0 for the default")!;
  const newSession = () => new Session(mutant.make(DEFAULT_LIMITS), DEFAULT_LIMITS);
  const events: FuzzEvent[] = [];
  const connectionId = newSession().connect(SOURCE).slice();
  const infoHash = new Uint8Array(20).fill(5);
  for (let turn = 0; turn < 100; ++turn) {
    const numWant = turn === 90 ? 0 : 1;
    const packet = writeAnnounce({ connectionId, infoHash, port: 1 + turn % 20, numWant });
    if (turn === 0) events.push({ do: "packet", packet: writeConnect(), source: SOURCE });
    events.push({ do: "packet", packet, source: SOURCE }, { do: "sweep" });
  }
  const shortest = shrink(newSession, events);
  assert.equal(shortest.length, 3);
  const text = formatEvents(newSession(), shortest);
  assert.match(text, /^from 192\.0\.2\.1 6881\nconnect\nCID 00000001 /);
  assert.throws(() => playText(newSession(), text), { name: "Disagreement" });
});
