/**
 * Which peers are returned: over many announces, each other peer about equally often.
 *
 * An answer is a run of neighbours, so its peers are not independent. Chi-square therefore takes
 * one peer of each answer, at a place chosen by the test; the bound on single peers takes all.
 */
import { strict as assert } from "node:assert";
import { Random } from "../fuzz/random.ts";
import { CoreTracker, loadModule } from "../model/core_tracker.ts";
import { writeAnnounce } from "../model/packets.ts";
import { Session } from "../model/session.ts";
import { DEFAULT_LIMITS, type Source } from "../model/tracker.ts";
import { EVENT_PAUSED, EVENT_STOPPED } from "../support/packets.ts";
import { chiSquare, chiSquareMax, unfairCell } from "./fairness.ts";
import { crowdIndex, crowdMember, type Family, INFO_HASHES } from "./world.ts";

const ASKING: Record<Family, Source> = {
  4: { address: Uint8Array.of(203, 0, 113, 5), port: 6881 },
  6: { address: new Uint8Array(16).fill(0xfd), port: 6881 },
};

const module = await loadModule("release");

/** A session with a swarm: the roles of its members by their index. */
function makeSwarm(
  family: Family,
  members: number,
  roleOf: (index: number) => { left: bigint; event?: number },
): Session {
  const limits = { ...DEFAULT_LIMITS, maxResponsePeers: 230 };
  const session = new Session(new CoreTracker(module, limits, { seed: 2n }), limits);
  for (let index = 0; index < members; ++index) {
    announceMember(session, { family, index }, roleOf(index));
  }
  return session;
}

function announceMember(
  session: Session,
  { family, index }: { family: Family; index: number },
  fields: { left: bigint; event?: number },
): void {
  const { source, port } = crowdMember(family, index);
  const connectionId = session.idOf(source);
  const infoHash = INFO_HASHES[2];
  session.send(writeAnnounce({ connectionId, infoHash, port, numWant: 0, ...fields }), source);
}

interface Draw {
  family: Family;
  /** Members that may be returned, by index. */
  eligible: number[];
  left: bigint;
  numWant: number;
  answers: number;
}

/** Asks many times, and holds against the bounds how often each eligible peer came. */
function assertFair(session: Session, { family, eligible, left, numWant, answers }: Draw): void {
  const source = ASKING[family];
  const stride = family === 4 ? 6 : 18;
  const packet = writeAnnounce({
    connectionId: session.idOf(source),
    infoHash: INFO_HASHES[2],
    port: 6881,
    left,
    numWant,
  });
  const cells = new Map(eligible.map((index, cell) => [index, cell]));
  const all = new Array<number>(eligible.length).fill(0);
  const single = new Array<number>(eligible.length).fill(0);
  const random = new Random(3);
  session.send(packet, source);
  let peersPerAnswer = 0;
  for (let turn = 0; turn < answers; ++turn) {
    const answer = session.tracker.handle(packet, source)!;
    peersPerAnswer = (answer.length - 20) / stride;
    const chosen = random.below(peersPerAnswer);
    for (let peer = 0; peer < peersPerAnswer; ++peer) {
      const cell = cells.get(crowdIndex(answer, 20 + stride * (peer + 1)));
      assert.ok(cell !== undefined, "A peer was returned that should not be");
      ++all[cell];
      if (peer === chosen) ++single[cell];
    }
  }
  const spread = chiSquare(single);
  const most = chiSquareMax(eligible.length);
  assert.ok(spread <= most, `Chi-square ${spread.toFixed(0)} is above ${most.toFixed(0)}`);
  const probability = peersPerAnswer / eligible.length;
  if (probability === 1) return;
  const unfair = unfairCell(all, answers, probability);
  assert.equal(
    unfair,
    -1,
    `Peer ${unfair} came ${all[unfair]} times, expected ${(answers * probability).toFixed(0)}`,
  );
}

const indices = (count: number, first = 0) =>
  Array.from({ length: count }, (_, index) => first + index);
const LEECHER = { left: 1n };
const SEEDER = { left: 0n };

Deno.test("sampling: a leecher gets each of 20 peers equally often", () => {
  const session = makeSwarm(4, 20, (index) => index % 3 === 0 ? SEEDER : LEECHER);
  for (const numWant of [1, 5, 19, 50]) {
    const answers = 100_000;
    assertFair(session, { family: 4, eligible: indices(20), left: 1n, numWant, answers });
  }
});

Deno.test("sampling: a leecher gets each of 5,000 peers equally often", () => {
  const session = makeSwarm(4, 5000, (index) => index % 5 === 0 ? LEECHER : SEEDER);
  for (const numWant of [1, 50]) {
    const answers = 100_000;
    assertFair(session, { family: 4, eligible: indices(5000), left: 1n, numWant, answers });
  }
});

Deno.test("sampling: the announcer's neighbours in a large swarm are no likelier", () => {
  const session = makeSwarm(4, 1000, () => LEECHER);
  assertFair(session, {
    family: 4,
    eligible: indices(1000),
    left: 1n,
    numWant: 1,
    answers: 400_000,
  });
});

Deno.test("sampling: the same over IPv6, few leechers among many seeders", () => {
  const session = makeSwarm(6, 5000, (index) => index < 100 ? LEECHER : SEEDER);
  assertFair(session, {
    family: 6,
    eligible: indices(5000),
    left: 1n,
    numWant: 50,
    answers: 100_000,
  });
});

Deno.test("sampling: a seeder gets each of the leechers equally often, in a small swarm", () => {
  const session = makeSwarm(4, 40, (index) => index < 10 ? LEECHER : SEEDER);
  for (const numWant of [1, 5]) {
    const answers = 100_000;
    assertFair(session, { family: 4, eligible: indices(10), left: 0n, numWant, answers });
  }
});

Deno.test("sampling: a seeder gets each of many leechers equally often, in a large swarm", () => {
  const session = makeSwarm(4, 5000, (index) => index < 2500 ? LEECHER : SEEDER);
  assertFair(session, {
    family: 4,
    eligible: indices(2500),
    left: 0n,
    numWant: 50,
    answers: 100_000,
  });
});

Deno.test("sampling: a seeder gets each of few leechers equally often, in a large swarm", () => {
  const session = makeSwarm(4, 5000, (index) => index < 150 ? LEECHER : SEEDER);
  for (const numWant of [1, 30]) {
    const answers = 100_000;
    assertFair(session, { family: 4, eligible: indices(150), left: 0n, numWant, answers });
  }
});

Deno.test("sampling: stays fair when most of a large swarm has left", () => {
  const session = makeSwarm(4, 5000, () => LEECHER);
  for (let index = 700; index < 5000; ++index) {
    announceMember(session, { family: 4, index }, { left: 1n, event: EVENT_STOPPED });
  }
  const draw = {
    family: 4 as const,
    eligible: indices(700),
    left: 1n,
    numWant: 50,
    answers: 60_000,
  };
  assertFair(session, draw);
  session.sweep();
  assertFair(session, draw);
});

Deno.test("sampling: a huge swarm that has shrunk still yields what it has", () => {
  const session = makeSwarm(4, 60_000, () => LEECHER);
  for (let index = 60; index < 60_000; ++index) {
    announceMember(session, { family: 4, index }, { left: 1n, event: EVENT_STOPPED });
  }
  // The model checks the number of peers; before a sweep and after it.
  ask(session, { left: 1n, numWant: 50 });
  session.sweep();
  ask(session, { left: 1n, numWant: 50 });
});

Deno.test("sampling: a seeder gets leechers first from a huge swarm that has few", () => {
  const session = makeSwarm(4, 60_000, (index) => index < 60 ? LEECHER : SEEDER);
  ask(session, { left: 0n, numWant: 50 });
});

Deno.test("sampling: a seeder is filled up with partial seeds and seeders", () => {
  const session = makeSwarm(
    4,
    60,
    (index) => index < 10 ? LEECHER : index < 20 ? { left: 1n, event: EVENT_PAUSED } : SEEDER,
  );
  // The model checks that the ten leechers are among them, or as many as there is room for.
  for (let turn = 0; turn < 1000; ++turn) ask(session, { left: 0n, numWant: 1 + turn % 70 });
});

function ask(session: Session, fields: { left: bigint; numWant: number }): void {
  const source = ASKING[4];
  const connectionId = session.idOf(source);
  session.send(
    writeAnnounce({ connectionId, infoHash: INFO_HASHES[2], port: 6881, ...fields }),
    source,
  );
}
