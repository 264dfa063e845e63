/**
 * A worker of locks_test.ts: does its task, synchronously, and reports what must now be in memory.
 */
import {
  ACCESS_BLACK,
  CONTROL_RULES,
  CONTROL_STOP,
  PAGE_SIZE,
  RULES_PAGES,
  WORKER_BATCH,
  WORKER_COUNT_MAX,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import type { Core, Rules } from "../../wasm/core.ts";
import { ANNOUNCE_BYTE_LENGTH, EVENT_COMPLETED, EVENT_STOPPED, toHex } from "../support/packets.ts";
import {
  type AnnounceTask,
  type CountTask,
  FORBIDDEN_TORRENT,
  type HammerPlan,
  type HammerReport,
  PORT_COUNT,
  TORRENT_COUNT,
} from "./hammer.ts";
import { Harness, type QuickAnnounce, seededRandom, torrentHash } from "./harness.ts";
import { NativeBatch } from "./native_batch.ts";

const ACTION_OFFSET = 3;
const EVENT_NONE = 0;

/** The announcing worker's own account of its peers. */
class Account {
  readonly #roles = new Map<number, boolean>();
  readonly completed = new Map<number, number>();
  readonly #everCompleted = new Set<number>();

  /** The next announce of a history that grows and shrinks in turns. */
  next(random: (bound: number) => number, step: number): QuickAnnounce {
    const torrent = random(3) > 0 ? 0 : random(TORRENT_COUNT);
    const port = 1 + random(PORT_COUNT);
    const key = torrent * 65_536 + port;
    const isShrinking = step % 20_000 >= 12_000;
    if (random(100) < (isShrinking ? 80 : 15)) {
      this.#roles.delete(key);
      return { torrent, port, event: EVENT_STOPPED };
    }
    const isSeeder = random(2) === 0;
    this.#roles.set(key, isSeeder);
    // A peer that comes back is a new one: once for ever, so that the number is known.
    const isCompleted = isSeeder && random(4) === 0 && !this.#everCompleted.has(key);
    if (isCompleted) {
      this.#everCompleted.add(key);
      this.completed.set(torrent, (this.completed.get(torrent) ?? 0) + 1);
    }
    const event = isCompleted ? EVENT_COMPLETED : EVENT_NONE;
    return { torrent, port, left: isSeeder ? 0 : 1, event, numWant: random(30) };
  }

  get peers(): HammerReport["peers"] {
    return Array.from(
      this.#roles,
      ([key, isSeeder]) => [key >>> 16, key & 65_535, isSeeder],
    );
  }
}

function announce(harness: Harness, task: AnnounceTask, seed: number): HammerReport {
  const account = new Account();
  const random = seededRandom(seed);
  harness.become(task.address);
  const { batchSize } = task;
  const batch = batchSize > 1 ? new NativeBatch(harness) : undefined;
  const from = { address: task.address, port: 1024 };
  const { output } = harness.core;
  const expected: number[] = [];
  for (let step = 0; step < task.steps; step += batchSize) {
    for (let index = 0; index < batchSize; ++index) {
      const isForbidden = random(16) === 0;
      expected[index] = isForbidden ? 3 : 1;
      harness.fillAnnounce(
        index,
        isForbidden ? { torrent: FORBIDDEN_TORRENT, port: 1 } : account.next(random, step + index),
      );
      batch?.receive(index, from, { byteLength: ANNOUNCE_BYTE_LENGTH });
    }
    if (batch === undefined) {
      expectAction(
        output.subarray(0, harness.core.answerOne(0, ANNOUNCE_BYTE_LENGTH)),
        expected[0]!,
      );
    } else {
      if (batch.answer(batchSize) !== batchSize) throw new Error("An announce went unanswered");
      expected.forEach((action, index) => expectAction(batch.answerBytes(index), action));
    }
  }
  return { peers: account.peers, completed: account.completed, turns: task.steps };
}

function expectAction(answer: Uint8Array, action: number): void {
  if (answer[ACTION_OFFSET] === action) return;
  const words = new Uint32Array(answer.buffer);
  const rules = words[CONTROL_RULES >> 2]! >> 2;
  throw new Error(
    `Action ${action} expected, not ${answer.length} bytes: ${toHex(answer.slice(0, 40))}; ` +
      `the rules in force begin with ${words.slice(rules, rules + 8)}`,
  );
}

/** Repeats until the main thread raises the stop flag; returns how often. */
function untilStopped(harness: Harness, turn: (index: number) => void): HammerReport {
  const words = new Int32Array(harness.shared.memory.buffer);
  let turns = 0;
  while (Atomics.load(words, CONTROL_STOP >> 2) === 0) turn(turns++);
  return { peers: [], completed: new Map(), turns };
}

/** Swaps lists of changing length, and spoils the old one once nobody may hold it. */
function swapRules(harness: Harness, turn: number): void {
  const { core } = harness;
  const rules = buildRules(core, turn);
  const old = core.swapRules(rules);
  waitUntilMovedOn(harness.shared.memory);
  // The empty rules of the beginning lie outside of the pages.
  if (old >= WORKERS) {
    harness.bytes.fill(0xff, old + RULES_PAGES + 4, old + PAGE_SIZE);
    core.dropRules(old);
  }
}

/** A black list with the forbidden torrent somewhere in it. */
function buildRules(core: Core, turn: number): Rules {
  const hashCount = 1 + (turn * 97) % 700;
  const denied = { ipv4: new Uint32Array([0xcb007100, 0xcb0071ff]), ipv6: new Uint8Array(0) };
  const rules = core.beginRules(ACCESS_BLACK, hashCount, denied);
  for (let index = 0; index < hashCount; ++index) {
    const torrent = FORBIDDEN_TORRENT + (index === turn % hashCount ? 0 : 1 + index);
    const line = new TextEncoder().encode(toHex(torrentHash(torrent)) + "\n");
    core.input.set(line);
    if (!core.readRules(rules, line.length)) throw new Error("A good list was refused");
  }
  return rules;
}

const pause = new Int32Array(new SharedArrayBuffer(4));

function waitUntilMovedOn(memory: WebAssembly.Memory): void {
  const words = new Int32Array(memory.buffer);
  for (let index = 0; index < WORKER_COUNT_MAX; ++index) {
    const address = (WORKERS + index * WORKER_SIZE + WORKER_BATCH) >> 2;
    const batch = Atomics.load(words, address);
    while ((batch & 1) === 1 && Atomics.load(words, address) === batch) {
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

async function allocate(harness: Harness, seed: number): Promise<HammerReport> {
  const exports = await harness.testExports();
  const random = seededRandom(seed);
  const taken: { ptr: number; byteLength: number; stamp: number }[] = [];
  const check = ({ ptr, byteLength, stamp }: typeof taken[number]) => {
    for (const offset of [0, byteLength >> 1, byteLength - 1]) {
      if (harness.bytes[ptr + offset] !== stamp) throw new Error(`Overwritten at ${ptr + offset}`);
    }
  };
  const giveOne = () => {
    const index = random(taken.length);
    const block = taken[index]!;
    taken[index] = taken.at(-1)!;
    taken.pop();
    check(block);
    exports.give(harness.worker, block.ptr, block.byteLength);
  };
  const report = untilStopped(harness, (turn) => {
    if (taken.length > 300 || (taken.length > 0 && random(2) === 0)) return giveOne();
    const byteLength = 1 + random(random(30) === 0 ? 70_000 : 600);
    const ptr = exports.take(harness.worker, byteLength) >>> 0;
    if (ptr === 0) return;
    const stamp = turn & 255;
    harness.bytes.fill(stamp, ptr, ptr + byteLength);
    taken.push({ ptr, byteLength, stamp });
  });
  while (taken.length > 0) giveOne();
  return report;
}

async function count(harness: Harness, task: CountTask): Promise<HammerReport> {
  const exports = await harness.testExports();
  const words = new Uint32Array(harness.shared.memory.buffer);
  for (let step = 0; step < task.steps; ++step) {
    exports.lock(harness.worker, task.lock);
    words[task.word >> 2]! += 1;
    exports.unlock(task.lock);
  }
  return { peers: [], completed: new Map(), turns: task.steps };
}

function run({ core, workerIndex, seed, task }: HammerPlan): HammerReport | Promise<HammerReport> {
  const batchSize = task.kind === "announce" ? task.batchSize : 1;
  const harness = new Harness(core, { workerIndex, batchSize, seed: BigInt(seed) });
  switch (task.kind) {
    case "announce":
      return announce(harness, task, seed);
    case "sweep":
      return untilStopped(harness, () => harness.sweep());
    case "rules":
      return untilStopped(harness, (turn) => swapRules(harness, turn));
    case "allocate":
      return allocate(harness, seed);
    case "count":
      return count(harness, task);
  }
}

// The main thread imports this file for its functions only.
if ("WorkerGlobalScope" in globalThis) {
  const scope = self as unknown as {
    onmessage: (event: MessageEvent<HammerPlan>) => void;
    postMessage(report: HammerReport): void;
  };
  scope.onmessage = async ({ data }) => scope.postMessage(await run(data));
}
