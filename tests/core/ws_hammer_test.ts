/**
 * Two threads hammer the same swarms of WebTorrent peers: announces, offers, answers, take-overs
 * and ends of sockets at once. What every socket receives is judged where it comes (every byte, and
 * whether it was meant for that socket); what is left in the swarms is what a plain account says.
 */
import { strict as assert } from "node:assert";
import {
  CONTROL_WS_PARCEL_BYTES,
  COUNT_WS_ANSWERS,
  COUNT_WS_OFFERS,
  COUNT_WS_OVERFLOWS,
} from "../../assembly/layout.ts";
import { readCounters } from "../../server/counters.ts";
import { within } from "../support/deadline.ts";
import {
  CONTESTED_TORRENTS,
  torrentHash,
  TORRENTS,
  WORKERS,
  type WsHammerOrder,
  type WsHammerReport,
  type WsMembership,
} from "./ws_hammer.ts";
import { World } from "./ws_world.ts";

const STEPS = 12_000;
/** Far above what it takes: a deadlock must fail the test, not hang it. */
const DEADLINE_MS = 120_000;

class HammerWorker implements Disposable {
  readonly #worker = new Worker(new URL("./ws_hammer_worker.ts", import.meta.url), {
    type: "module",
  });

  ask(order: WsHammerOrder): Promise<WsHammerReport> {
    const { promise, resolve, reject } = Promise.withResolvers<WsHammerReport>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    this.#worker.postMessage(order);
    return within(promise, { deadlineMs: DEADLINE_MS, what: "a hammering worker" });
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

/** Seeders and others of each torrent; of those who have the same peer id, the last one counts. */
function addUp(members: WsMembership[]) {
  const roles = Array.from({ length: TORRENTS }, () => new Map<number, boolean>());
  for (const { torrent, id, isSeeder } of members) roles[torrent]!.set(id, isSeeder);
  return roles.map((peers) => {
    const complete = [...peers.values()].filter((isSeeder) => isSeeder).length;
    return { complete, incomplete: peers.size - complete, downloaded: 0 };
  });
}

Deno.test("two threads of WebTorrent: every byte, receiver and count is right", async () => {
  const world = new World();
  const { shared } = world.harness;
  const counts = () =>
    Array.from({ length: TORRENTS }, (_, torrent) => world.counts(torrentHash(torrent)));
  using stack = new DisposableStack();
  const workers = Array.from({ length: WORKERS }, () => stack.use(new HammerWorker()));
  const progress = new SharedArrayBuffer(4 * WORKERS);
  const reports = await Promise.all(
    workers.map((worker, index) =>
      worker.ask({ core: shared, workerIndex: index + 1, seed: 7 + index, steps: STEPS, progress })
    ),
  );
  const before = addUp(reports.flatMap(({ members }) => members));
  assert.deepEqual(counts().slice(CONTESTED_TORRENTS), before.slice(CONTESTED_TORRENTS));
  const settled: WsHammerReport[] = [];
  for (const worker of workers) settled.push(await worker.ask("settle"));
  assert.deepEqual(counts(), addUp(settled.flatMap(({ members }) => members)));
  const ended: WsHammerReport[] = [];
  for (const worker of workers) ended.push(await worker.ask("close"));
  const nobody = { complete: 0, incomplete: 0, downloaded: 0 };
  assert.deepEqual(counts(), Array.from({ length: TORRENTS }, () => nobody));
  assert.equal(new Uint32Array(shared.memory.buffer)[CONTROL_WS_PARCEL_BYTES >> 2], 0);

  const offers = ended.flatMap(({ offersReceived }) => offersReceived);
  assert.equal(new Set(offers).size, offers.length, "No offer comes twice");
  const sum = (field: "offersSent" | "answersSent" | "answersReceived") =>
    ended.reduce((total, report) => total + report[field], 0);
  const counters = readCounters(shared.memory);
  // What waited for a socket when it ended was sent and not received.
  const assertNearly = (received: number, relayed: number, sent: number) =>
    assert.ok(
      received > 0.9 * relayed && received <= relayed && relayed <= sent,
      `${received} received of ${relayed} relayed of ${sent} sent`,
    );
  assertNearly(offers.length, counters[COUNT_WS_OFFERS]!, sum("offersSent"));
  assertNearly(sum("answersReceived"), counters[COUNT_WS_ANSWERS]!, sum("answersSent"));
  assert.ok(offers.length > STEPS && sum("answersReceived") > STEPS / 10);
  assert.equal(counters[COUNT_WS_OVERFLOWS], 0);
});
