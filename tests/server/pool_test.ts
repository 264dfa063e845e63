/** Workers that live and die: every death is noticed, every stop ends. */
import { strict as assert } from "node:assert";
import { StartError } from "../../server/errors.ts";
import { type Seat, WorkerPool } from "../../server/pool.ts";
import type { PoolWorkerStart, Question } from "../fixtures/pool_worker.ts";
import { elapse, within } from "../support/deadline.ts";

/** Above the pool's own limit of a second. */
const STOP_DEADLINE_MS = 1_900;
const DEADLINE_MS = 10_000;

async function start(
  pool: WorkerPool,
  options: PoolWorkerStart = {},
  name = "test",
): Promise<{ worker: Seat; result: string }> {
  const url = new URL("../fixtures/pool_worker.ts", import.meta.url);
  const starting = pool.start<string>({ name, url, permissions: "none", start: options });
  return await within(starting, { deadlineMs: DEADLINE_MS, what: "the worker's start" });
}

function stop(pool: WorkerPool): Promise<void> {
  return within(pool.stop(() => {}), { deadlineMs: STOP_DEADLINE_MS, what: "the pool's stop" });
}

/** The error that the pool fails with. */
function failure(pool: WorkerPool): Promise<Error> {
  return within(pool.failed, { deadlineMs: DEADLINE_MS, what: "the pool's failure" });
}

/** Whether the pool has failed by now. */
async function hasFailed(pool: WorkerPool): Promise<boolean> {
  return await Promise.race([pool.failed.then(() => true), elapse(100).then(() => false)]);
}

Deno.test("a worker starts, answers and stops", async () => {
  const pool = new WorkerPool();
  const { worker, result } = await start(pool);
  assert.equal(result, "started well");
  assert.equal(await worker.ask("what?"), "what?");
  assert.equal(await worker.ask("and?"), "and?");
  let woken = 0;
  await within(pool.stop(() => void ++woken), { deadlineMs: STOP_DEADLINE_MS, what: "the stop" });
  assert.equal(woken, 1);
  assert.equal(await hasFailed(pool), false, "A stop is no death");
});

Deno.test("a start that is refused says why, with the exit status", async () => {
  const pool = new WorkerPool();
  await assert.rejects(start(pool, { onStart: "refuse" }), (error) => {
    assert.ok(error instanceof StartError);
    assert.equal(error.message, "Cannot listen: it is in use");
    assert.equal(error.exitStatus, 69);
    return true;
  });
  await assert.rejects(start(pool, { onStart: "throw" }), /Not what I expected/);
  assert.equal(await hasFailed(pool), false, "Whoever started it has been told");
  await stop(pool);
});

Deno.test("a question that is refused rejects, and the worker goes on", async () => {
  const pool = new WorkerPool();
  const { worker } = await start(pool);
  await assert.rejects(worker.ask("refuse" satisfies Question), { exitStatus: 78 });
  assert.equal(await worker.ask("still there?"), "still there?");
  await stop(pool);
});

const DEATHS: [how: Question, message: RegExp][] = [
  ["throw", /Worker udp 1 died: .*Lost my way/],
  ["trap", /Worker udp 1 died: .*unreachable/],
  ["close", /Worker udp 1 died: it ended by itself$/],
  ["exit", /Worker udp 1 died: it ended by itself$/],
];

for (const [how, message] of DEATHS) {
  Deno.test(`a worker that ends by ${how} is noticed, and the others can be stopped`, async () => {
    const pool = new WorkerPool();
    await start(pool, {}, "udp 0");
    const { worker } = await start(pool, {}, "udp 1");
    assert.equal(await hasFailed(pool), false);
    await worker.ask(how);
    assert.match((await failure(pool)).message, message);
    await assert.rejects(worker.ask("still there?"), message, "The dead answer nothing");
    await stop(pool);
  });
}

Deno.test("a worker that ends while it starts is noticed", async () => {
  const pool = new WorkerPool();
  await assert.rejects(start(pool, { onStart: "close" }), /died: it ended by itself/);
  await stop(pool);
});

Deno.test("an error that a worker's promise loses is noticed", async () => {
  const pool = new WorkerPool();
  await start(pool, { onStart: "reject_later" });
  assert.match((await failure(pool)).message, /died: .*Later/);
  await stop(pool);
});

Deno.test("a worker whose file cannot be loaded is noticed", async () => {
  const pool = new WorkerPool();
  const url = new URL("../fixtures/no_such_worker.ts", import.meta.url);
  const starting = pool.start({ name: "none", url, permissions: "none", start: {} });
  const waiting = within(starting, { deadlineMs: DEADLINE_MS, what: "the failure" });
  await assert.rejects(waiting, /^Error: Worker none died: /);
  await stop(pool);
});

for (const onStop of ["throw", "hang"] as const) {
  Deno.test(`stopping ends in bounded time when a worker's stop would ${onStop}`, async () => {
    const pool = new WorkerPool();
    await start(pool, { onStop });
    await start(pool);
    await stop(pool);
    assert.equal(await hasFailed(pool), false);
  });
}

Deno.test("stopping ends in bounded time when a worker hangs in its start or loops", async () => {
  const pool = new WorkerPool();
  const url = new URL("../fixtures/pool_worker.ts", import.meta.url);
  pool.start({ name: "hung", url, permissions: "none", start: { onStart: "hang" } });
  const { worker } = await start(pool);
  await worker.ask("spin" satisfies Question);
  await stop(pool);
});

/** A pool whose workers start in these ways, one after the other. */
function startReplaced(
  starts: PoolWorkerStart[],
  options: { startMilliseconds?: number; onDeath?: () => void } = {},
) {
  const deaths: string[] = [];
  const { promise: restarted, resolve: onRestart } = Promise.withResolvers<void>();
  const pool = new WorkerPool({
    mayRestart(death) {
      deaths.push(death.message);
      options.onDeath?.();
      return deaths.length < 5;
    },
    onRestart,
    ...(options.startMilliseconds !== undefined && options),
  });
  const left = [...starts];
  const started = pool.start<string>({
    name: "udp 0",
    url: new URL("../fixtures/pool_worker.ts", import.meta.url),
    permissions: "none",
    get start() {
      return left.shift()!;
    },
  });
  return {
    pool,
    deaths,
    started: within(started, { deadlineMs: DEADLINE_MS, what: "the worker's start" }),
    restarted: within(restarted, { deadlineMs: DEADLINE_MS, what: "the restart" }),
  };
}

Deno.test("a worker takes a dead one's place, and a question meanwhile waits for it", async () => {
  let answer: Promise<unknown> | undefined;
  // Behind this turn, the next one is starting.
  const onDeath = () =>
    queueMicrotask(() => {
      answer = worker.ask("in between?");
    });
  const { pool, deaths, started, restarted } = startReplaced([{}, {}], { onDeath });
  const { worker } = await started;
  await worker.ask("throw" satisfies Question);
  await restarted;
  assert.equal(await answer, "in between?");
  assert.equal(await worker.ask("and now?"), "and now?");
  assert.equal(deaths.length, 1);
  assert.equal(await hasFailed(pool), false);
  await stop(pool);
});

Deno.test("one that cannot start in a dead one's place has died, and another does", async () => {
  const starts = [{}, { onStart: "throw" }, { onStart: "close" }, {}, {}] as const;
  const { pool, deaths, started, restarted } = startReplaced([...starts]);
  const { worker } = await started;
  await worker.ask("trap" satisfies Question);
  await restarted;
  assert.match(deaths[0]!, /^Worker udp 0 died: .*unreachable/);
  assert.equal(deaths[1], "Worker udp 0 died: it could not start: Not what I expected");
  assert.equal(deaths[2], "Worker udp 0 died: it ended by itself");
  assert.equal(await worker.ask("still there?"), "still there?");
  // It is watched as the first one was.
  await worker.ask("close" satisfies Question);
  await elapse(500);
  assert.equal(deaths.length, 4);
  await stop(pool);
});

Deno.test("one that hangs in its start in a dead one's place ends the service", async () => {
  const options = { startMilliseconds: 300 };
  const { pool, started } = startReplaced([{}, { onStart: "hang" }], options);
  const { worker } = await started;
  await worker.ask("throw" satisfies Question);
  assert.equal((await failure(pool)).message, "Worker udp 0 hangs: it does not start");
  await stop(pool);
});

Deno.test("a failure that the pool cannot see can be told, once", async () => {
  const pool = new WorkerPool();
  await start(pool);
  pool.fail(new Error("Worker 3 hangs"));
  pool.fail(new Error("Worker 4 hangs"));
  assert.equal((await failure(pool)).message, "Worker 3 hangs");
  await stop(pool);
});

Deno.test("failures during a stop are none", async () => {
  const pool = new WorkerPool();
  await start(pool);
  const stopping = stop(pool);
  pool.fail(new Error("Too late"));
  await stopping;
  assert.equal(await hasFailed(pool), false);
});
