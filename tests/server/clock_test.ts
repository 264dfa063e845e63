/** The clock and its watchdog, with timers that the test turns. */
import { strict as assert } from "node:assert";
import {
  CONTROL_NOW,
  HOUSEKEEPER_INDEX,
  WORKER_BATCH,
  WORKER_BEATS,
  WORKER_HEARTBEAT,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import { Clock } from "../../server/clock.ts";
import { elapse } from "../support/deadline.ts";

const TICK_MILLISECONDS = 200;

/** A clock whose ticks come when the test says so. */
class ManualClock {
  readonly memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  readonly words = new Uint32Array(this.memory.buffer);
  readonly hung: number[] = [];
  readonly #clock: Clock;
  #tick: () => void = () => {};
  #now = 5_000_000;

  constructor(workerCount: number) {
    const realSetInterval = globalThis.setInterval;
    const realNow = performance.now;
    globalThis.setInterval = ((tick: () => void, milliseconds: number) => {
      assert.equal(milliseconds, TICK_MILLISECONDS);
      this.#tick = tick;
      return realSetInterval(() => {}, 2 ** 30);
    }) as typeof setInterval;
    performance.now = () => this.#now;
    try {
      this.#clock = new Clock(this.memory, workerCount, (index) => this.hung.push(index));
    } finally {
      globalThis.setInterval = realSetInterval;
      performance.now = realNow;
    }
  }

  /** Lets time pass and the timer fire once. */
  tick(milliseconds = TICK_MILLISECONDS): void {
    const realNow = performance.now;
    this.#now += milliseconds;
    performance.now = () => this.#now;
    try {
      this.#tick();
    } finally {
      performance.now = realNow;
    }
  }

  ticks(count: number): void {
    for (let index = 0; index < count; ++index) this.tick();
  }

  get now(): number {
    return this.words[CONTROL_NOW >> 2]!;
  }

  setWorker(index: number, state: { batch: number; heartbeat: number }): void {
    const worker = WORKERS + index * WORKER_SIZE;
    this.words[(worker + WORKER_BATCH) >> 2] = state.batch;
    this.words[(worker + WORKER_HEARTBEAT) >> 2] = state.heartbeat;
  }

  [Symbol.dispose](): void {
    this.#clock.stop();
  }
}

Deno.test("the clock tells whole seconds since the start, beginning with 1", () => {
  using clock = new ManualClock(0);
  clock.tick(0);
  assert.equal(clock.now, 1);
  clock.tick(999);
  assert.equal(clock.now, 1);
  clock.tick(1);
  assert.equal(clock.now, 2);
  // A process that was stopped for a day.
  clock.tick(86_400_000);
  assert.equal(clock.now, 86_402);
});

Deno.test("a change of the system's time means nothing", () => {
  using clock = new ManualClock(0);
  const realNow = Date.now;
  try {
    Date.now = () => 0;
    clock.tick(1_000);
    Date.now = () => 1e15;
    clock.tick(1_000);
  } finally {
    Date.now = realNow;
  }
  assert.equal(clock.now, 3);
});

Deno.test("a worker that stays in one batch for five seconds hangs, told once", () => {
  using clock = new ManualClock(3);
  clock.setWorker(1, { batch: 7, heartbeat: 4 });
  clock.ticks(25);
  assert.deepEqual(clock.hung, []);
  clock.tick();
  assert.deepEqual(clock.hung, [1]);
  clock.ticks(100);
  assert.deepEqual(clock.hung, [1]);
});

Deno.test("a worker that waits for packets does not hang", () => {
  using clock = new ManualClock(2);
  clock.setWorker(0, { batch: 8, heartbeat: 4 });
  clock.ticks(200);
  assert.deepEqual(clock.hung, []);
});

Deno.test("a worker with a pulse whose event loop does not turn hangs after 15 seconds", () => {
  using clock = new ManualClock(2);
  clock.setWorker(0, { batch: 8, heartbeat: 4 });
  clock.words[(WORKERS + WORKER_BEATS) >> 2] = 1;
  clock.ticks(75);
  assert.deepEqual(clock.hung, []);
  clock.tick();
  assert.deepEqual(clock.hung, [0]);
});

Deno.test("a worker that is busy, always in a batch when looked at, does not hang", () => {
  using clock = new ManualClock(1);
  for (let turn = 0; turn < 200; ++turn) {
    clock.setWorker(0, { batch: 1 + 2 * turn, heartbeat: turn });
    clock.tick();
  }
  assert.deepEqual(clock.hung, []);
});

Deno.test("a heartbeat that wraps, or a batch left and entered, begins the count anew", () => {
  using clock = new ManualClock(1);
  clock.setWorker(0, { batch: 1, heartbeat: 0xffff_ffff });
  clock.ticks(24);
  clock.setWorker(0, { batch: 3, heartbeat: 0 });
  clock.ticks(25);
  clock.setWorker(0, { batch: 4, heartbeat: 0 });
  clock.tick();
  clock.setWorker(0, { batch: 5, heartbeat: 1 });
  clock.ticks(25);
  assert.deepEqual(clock.hung, []);
  clock.tick();
  assert.deepEqual(clock.hung, [0]);
});

Deno.test("a process that was stopped in the middle of a batch is not taken for a hang", () => {
  using clock = new ManualClock(1);
  clock.setWorker(0, { batch: 1, heartbeat: 1 });
  clock.ticks(2);
  clock.tick(3_600_000);
  assert.deepEqual(clock.hung, []);
});

Deno.test("workers beyond the count are not watched", () => {
  using clock = new ManualClock(1);
  clock.setWorker(1, { batch: 1, heartbeat: 1 });
  clock.ticks(100);
  assert.deepEqual(clock.hung, []);
});

Deno.test("the housekeeper is watched too", () => {
  using clock = new ManualClock(1);
  clock.setWorker(HOUSEKEEPER_INDEX, { batch: 1, heartbeat: 1 });
  clock.ticks(100);
  assert.deepEqual(clock.hung, [HOUSEKEEPER_INDEX]);
});

Deno.test("the real timer moves the clock, and stops", async () => {
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  const words = new Uint32Array(memory.buffer);
  const clock = new Clock(memory, 0, () => {});
  const deadline = performance.now() + 10_000;
  while (words[CONTROL_NOW >> 2] === 0 && performance.now() < deadline) await elapse(10);
  assert.equal(words[CONTROL_NOW >> 2], 1);
  clock.stop();
  words[CONTROL_NOW >> 2] = 0;
  await elapse(2 * TICK_MILLISECONDS);
  assert.equal(words[CONTROL_NOW >> 2], 0);
});
