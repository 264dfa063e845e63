/**
 * Traps in a whole tracker under load: workers die, others take their places, all shards answer.
 *
 * The trackers run in this process, so that the test can spoil their memory as a fault would.
 */
import { strict as assert } from "node:assert";
import {
  CLASS_PARTIAL,
  CLASS_SIZE,
  CONTROL_CLASSES,
  COUNT_SHARDS_EMPTIED,
  SHARD_LOCK,
  SHARD_PEERS,
  SHARD_TORRENTS,
  SIZE_CLASS_COUNT,
} from "../../assembly/layout.ts";
import { parseConfig, TRACKER_FILE } from "../../server/config/mod.ts";
import { readCounters, readGauges } from "../../server/counters.ts";
import { nativeIsAvailable } from "../support/configuration.ts";
import { elapse, within } from "../support/deadline.ts";
import {
  FragileTracker,
  infoHashOf,
  type Protocol,
  PROTOCOLS,
} from "../support/fragile_tracker.ts";

const NOWHERE = 0xffff_0000;
const TORRENTS = 400;
const DEADLINE_MS = 20_000;
/** Sockets of workers that died are the system's. */
const SANITIZE = { sanitizeOps: false, sanitizeResources: false };

/** Asks all the time, over all protocols, until told to end; what gets no answer is asked again. */
class Load {
  answered = 0;
  lost = 0;
  #isEnding = false;
  readonly #done: Promise<unknown>;

  constructor(fragile: FragileTracker) {
    this.#done = Promise.all(
      PROTOCOLS.flatMap((protocol, index) =>
        [1, 2].map((seed) => this.#run(fragile, { protocol, seed: 2 * index + seed }))
      ),
    );
  }

  async #run(
    fragile: FragileTracker,
    { protocol, seed }: { protocol: Protocol; seed: number },
  ): Promise<void> {
    for (let turn = seed; !this.#isEnding; turn += 7) {
      try {
        await fragile.announce(protocol, infoHashOf(turn % TORRENTS));
        ++this.answered;
      } catch {
        ++this.lost;
        await elapse(5);
      }
    }
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await within(this.#done, { deadlineMs: DEADLINE_MS, what: "the load ends" });
  }
}

for (const io of ["deno", "native"] as const) {
  Deno.test({
    name: `workers that trap under load are replaced, and every shard answers [${io}]`,
    ignore: io === "native" && !nativeIsAvailable(),
    ...SANITIZE,
    async fn() {
      const fragile = await FragileTracker.start({ io, workers: 2 });
      const { tracker, memory, view, shards } = fragile;
      const load = new Load(fragile);
      for (let turn = 0; turn < TORRENTS; ++turn) {
        await fragile.announce("http", infoHashOf(turn));
      }
      for (const trap of [1, 2, 3, 4]) {
        // One that load or a sweep will look into.
        fragile.spoil(shards.find((shard) => fragile.torrentsOf(shard) > trap)!);
        await fragile.untilRestarted(trap);
        assert.equal(readCounters(memory)[COUNT_SHARDS_EMPTIED], trap);
      }
      const before = load.answered;
      while (load.answered < before + 200) await elapse(10);
      await load.end();
      for (let torrent = 0; torrent < TORRENTS; ++torrent) {
        await fragile.announce("http", infoHashOf(torrent), 9_000);
        if (torrent % 20 !== 0) continue;
        await fragile.announce("udp", infoHashOf(torrent));
        await fragile.announce("ws", infoHashOf(torrent));
      }
      // What the shards hold is what the counters say, and no lock is left behind.
      const sum = (offset: number) =>
        shards.reduce((total, shard) => total + view.getUint32(shard + offset, true), 0);
      const gauges = readGauges(memory, readCounters(memory));
      assert.equal(gauges.torrents, TORRENTS);
      assert.equal(sum(SHARD_TORRENTS), TORRENTS);
      assert.equal(sum(SHARD_PEERS), gauges.peersIpv4);
      assert.equal(sum(SHARD_LOCK), 0);
      // A list is reloaded although workers died in their batches.
      const { config } = await parseConfig(TRACKER_FILE, "[udp]\n[http]\n[ws]", { name: "test" });
      await within(tracker.reload(config), { deadlineMs: 5_000, what: "the reload" });
      await tracker.stop();
    },
  });
}

Deno.test({
  name: "a trap in the allocator ends the tracker, which says why",
  ...SANITIZE,
  async fn() {
    const fragile = await FragileTracker.start({ io: "deno", workers: 1 });
    const { tracker, view } = fragile;
    for (let sizeClass = 0; sizeClass < SIZE_CLASS_COUNT; ++sizeClass) {
      view.setUint32(CONTROL_CLASSES + sizeClass * CLASS_SIZE + CLASS_PARTIAL, NOWHERE, true);
    }
    await assert.rejects(fragile.announce("http", infoHashOf(1)));
    const failure = await within(tracker.failed, { deadlineMs: 5_000, what: "the failure" });
    assert.match(failure.message, /^Worker http 0 died: .*out of bounds/);
    await tracker.stop();
  },
});

const NAMES: Record<Protocol, RegExp> = {
  udp: /^Worker udp 127\.0\.0\.1:\d+ died: .*out of bounds/,
  http: /^Worker http 0 died: .*out of bounds/,
  ws: /^Worker ws 0 died: .*out of bounds/,
};

for (const protocol of PROTOCOLS) {
  Deno.test({
    name: `the fifth death within a minute ends the tracker [${protocol}]`,
    ...SANITIZE,
    async fn() {
      const fragile = await FragileTracker.start({ io: "deno", workers: 1 });
      const { tracker } = fragile;
      const lost: Promise<void>[] = [];
      for (let death = 1; death <= 5; ++death) {
        await fragile.announce(protocol, infoHashOf(1));
        fragile.spoil(fragile.shards.find((shard) => fragile.torrentsOf(shard) > 0)!);
        lost.push(fragile.announce(protocol, infoHashOf(1)).catch(() => {}));
        if (death < 5) await fragile.untilRestarted(death);
      }
      const failure = await within(tracker.failed, { deadlineMs: 5_000, what: "the failure" });
      assert.match(failure.message, NAMES[protocol]);
      assert.equal(fragile.restarts, 4);
      await Promise.all(lost);
      await tracker.stop();
    },
  });
}
