/** Workers that hang in a whole tracker: it ends, and says which of them it was and how it hung. */
import { strict as assert } from "node:assert";
import {
  SERVES_WEBSOCKET,
  SHARD_LOCK,
  WORKER_READY_LOCK,
  WORKER_SERVES,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import { nativeIsAvailable } from "../support/configuration.ts";
import { within } from "../support/deadline.ts";
import {
  FragileTracker,
  infoHashOf,
  type Protocol,
  PROTOCOLS,
} from "../support/fragile_tracker.ts";

/** No worker has this number. */
const NOBODY = 0x7f;
/** Sockets of workers that hang are the system's, and so are their clients'. */
const SANITIZE = { sanitizeOps: false, sanitizeResources: false };
const WS_INDEX = 2;
const DEADLINE_MS = 60_000;

/** Takes locks that nobody will give back; gives them back when the test is over. */
class Locks implements Disposable {
  readonly #words: Int32Array;
  readonly #locks: number[];

  constructor(memory: WebAssembly.Memory, locks: number[]) {
    this.#words = new Int32Array(memory.buffer);
    this.#locks = locks;
    for (const lock of locks) Atomics.store(this.#words, lock >> 2, NOBODY);
  }

  [Symbol.dispose](): void {
    for (const lock of this.#locks) Atomics.store(this.#words, lock >> 2, 0);
  }
}

/** Starts a tracker, has it ask for a lock that is never given back, and waits for its end. */
async function assertEnds(
  { protocol, io, message, locksOf }: {
    protocol: Protocol;
    io: "deno" | "native";
    message: string;
    locksOf(fragile: FragileTracker): number[];
  },
): Promise<void> {
  const fragile = await FragileTracker.start({ io, workers: 1, sweepsOnce: true });
  await fragile.announce(protocol, infoHashOf(1));
  await fragile.untilSwept();
  // That client's end wants locks as well, outside of any batch.
  await fragile.untilLeft();
  {
    using _ = new Locks(fragile.memory, locksOf(fragile));
    fragile.announce(protocol, infoHashOf(1)).catch(() => {});
    const what = { deadlineMs: DEADLINE_MS, what: message };
    assert.equal((await within(fragile.tracker.failed, what)).message, message);
  }
  await fragile.tracker.stop();
}

function assertEndsForBatch(protocol: Protocol, io: "deno" | "native" = "deno"): Promise<void> {
  return assertEnds({
    protocol,
    io,
    message: `Worker ${protocol} 0 hangs: it has been busy with one batch for 5 seconds`,
    locksOf: ({ shards }) => shards.map((shard) => shard + SHARD_LOCK),
  });
}

// All at once: they do nothing but wait.
Deno.test({
  name: "a worker that hangs ends the tracker, which says which one and how",
  ...SANITIZE,
  async fn() {
    await Promise.all([
      ...PROTOCOLS.map((protocol) => assertEndsForBatch(protocol)),
      ...(nativeIsAvailable() ? [assertEndsForBatch("udp", "native")] : []),
      assertEnds({
        protocol: "ws",
        io: "deno",
        message: "Worker ws 0 hangs: its event loop has not turned for 15 seconds",
        locksOf({ view }) {
          const worker = WORKERS + WS_INDEX * WORKER_SIZE;
          assert.equal(view.getUint32(worker + WORKER_SERVES, true), SERVES_WEBSOCKET);
          // It is what a connection's upgrade looks at first, outside of any batch.
          return [worker + WORKER_READY_LOCK];
        },
      }),
    ]);
  },
});
