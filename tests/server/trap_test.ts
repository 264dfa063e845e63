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
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  COUNT_SHARDS_EMPTIED,
  SHARD_GROUPS,
  SHARD_LOCK,
  SHARD_PEERS,
  SHARD_SIZE,
  SHARD_TORRENTS,
  SIZE_CLASS_COUNT,
} from "../../assembly/layout.ts";
import { httpService } from "../../protocols/http/mod.ts";
import { udpService } from "../../protocols/udp/mod.ts";
import { httpOf, keyOf, parseConfig, TRACKER_FILE, udpOf } from "../../server/config/mod.ts";
import type { TrackerConfig } from "../../server/config/mod.ts";
import { readCounters, readGauges } from "../../server/counters.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import { partOf, type Service } from "../../server/service.ts";
import { startTracker } from "../../server/tracker.ts";
import { BOARD_WORKER_RESTARTS } from "../../wasm/board.ts";
import type { SharedCore } from "../../wasm/memory.ts";
import { nativeIsAvailable } from "../support/configuration.ts";
import { elapse, within } from "../support/deadline.ts";
import { announceHttp } from "../support/http_announce.ts";
import { UdpClient } from "../support/udp_client.ts";

const NOWHERE = 0xffff_0000;
const TORRENTS = 400;
const DEADLINE_MS = 20_000;

interface Running {
  tracker: Tracker<TrackerConfig>;
  memory: WebAssembly.Memory;
  board: Float64Array;
  udp: string;
  http: string;
}

/** Starts a tracker and gets hold of its memory. */
async function start(io: "deno" | "native"): Promise<Running> {
  const text = `
    memory = { limit_mib = 64 }
    statistics = { interval = 0 }
    [udp]
    socket_workers = ${io === "native" ? 2 : 1}
    network = { address = "127.0.0.1:0", io = "${io}" }
    [http]
    socket_workers = 2
    network = { address = "127.0.0.1:0" }`;
  const { config } = await parseConfig(TRACKER_FILE, text, { name: "test" });
  const options = { takeOver: false };
  let core: SharedCore | undefined;
  const udp: Service<TrackerConfig> = partOf(udpService(udpOf(config)!, options), {
    select: udpOf,
    keyOf: (key) => keyOf("udp", key),
  });
  const http: Service<TrackerConfig> = partOf(await httpService(httpOf(config)!, options), {
    select: httpOf,
    keyOf: (key) => keyOf("http", key),
  });
  const tracker = await startTracker(config, [
    {
      ...udp,
      async startWorkers(place) {
        core = place.core;
        await udp.startWorkers(place);
      },
    },
    http,
  ]);
  const [udpAddress, httpAddress] = tracker.addresses as [string, string];
  const { memory, board } = core!;
  return { tracker, memory, board: new Float64Array(board), udp: udpAddress, http: httpAddress };
}

function infoHashOf(torrent: number): Uint8Array {
  const infoHash = new Uint8Array(20);
  new DataView(infoHash.buffer).setUint32(0, torrent * 2_654_435_761);
  return infoHash;
}

function shardsOf(memory: WebAssembly.Memory): number[] {
  const view = new DataView(memory.buffer);
  const count = 1 << view.getUint32(CONTROL_SHARD_BITS, true);
  const first = view.getUint32(CONTROL_SHARDS, true);
  return Array.from({ length: count }, (_, index) => first + index * SHARD_SIZE);
}

/** Asks all the time, over UDP and HTTP, until told to end; what gets no answer is asked again. */
class Load {
  answered = 0;
  lost = 0;
  #isEnding = false;
  readonly #done: Promise<unknown>;

  constructor({ udp, http }: Running) {
    this.#done = Promise.all([
      ...[1, 2].map((seed) => this.#run(seed, (infoHash) => announceUdp(udp, infoHash))),
      ...[3, 4].map((seed) => this.#run(seed, (infoHash) => announceHttp(http, { infoHash }))),
    ]);
  }

  async #run(seed: number, ask: (infoHash: Uint8Array) => Promise<unknown>): Promise<void> {
    for (let turn = seed; !this.#isEnding; turn += 7) {
      try {
        await ask(infoHashOf(turn % TORRENTS));
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

async function announceUdp(tracker: string, infoHash: Uint8Array): Promise<void> {
  await using client = new UdpClient("127.0.0.1", tracker);
  await client.connect();
  await client.announce({ infoHash, port: 7000 });
}

/** Until so many workers have taken dead ones' places. */
async function untilRestarted({ board }: Running, count: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (board[BOARD_WORKER_RESTARTS]! < count) {
    assert(performance.now() < deadline, `there were never ${count} restarts`);
    await elapse(5);
  }
}

for (const io of ["deno", "native"] as const) {
  Deno.test({
    name: `workers that trap under load are replaced, and every shard answers [${io}]`,
    ignore: io === "native" && !nativeIsAvailable(),
    sanitizeOps: false, // sockets of workers that died
    sanitizeResources: false,
    async fn() {
      const running = await start(io);
      const { tracker, memory } = running;
      const view = new DataView(memory.buffer);
      const load = new Load(running);
      for (let turn = 0; turn < TORRENTS; ++turn) {
        await announceHttp(running.http, { infoHash: infoHashOf(turn) });
      }
      const shards = shardsOf(memory);
      for (const trap of [1, 2, 3, 4]) {
        // One that load or a sweep will look into.
        const shard = shards.find((it) => view.getUint32(it + SHARD_TORRENTS, true) > trap)!;
        view.setUint32(shard + SHARD_GROUPS, NOWHERE, true);
        await untilRestarted(running, trap);
        assert.equal(readCounters(memory)[COUNT_SHARDS_EMPTIED], trap);
      }
      const before = load.answered;
      while (load.answered < before + 200) await elapse(10);
      await load.end();
      for (let torrent = 0; torrent < TORRENTS; ++torrent) {
        await announceHttp(running.http, { infoHash: infoHashOf(torrent), port: 9000 });
        if (torrent % 20 === 0) await announceUdp(running.udp, infoHashOf(torrent));
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
      const { config } = await parseConfig(TRACKER_FILE, "[udp]\n[http]", { name: "test" });
      await within(tracker.reload(config), { deadlineMs: 5_000, what: "the reload" });
      await tracker.stop();
    },
  });
}

Deno.test({
  name: "a trap in the allocator ends the tracker, which says why",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const { tracker, memory, http } = await start("deno");
    const view = new DataView(memory.buffer);
    for (let sizeClass = 0; sizeClass < SIZE_CLASS_COUNT; ++sizeClass) {
      view.setUint32(CONTROL_CLASSES + sizeClass * CLASS_SIZE + CLASS_PARTIAL, NOWHERE, true);
    }
    await assert.rejects(announceHttp(http, {}));
    const failure = await within(tracker.failed, { deadlineMs: 5_000, what: "the failure" });
    assert.match(failure.message, /^Worker http \d died: .*out of bounds/);
    await tracker.stop();
  },
});

Deno.test({
  name: "the fifth death within a minute ends the tracker",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const running = await start("deno");
    const { tracker, memory, http } = running;
    const view = new DataView(memory.buffer);
    for (let death = 1; death <= 5; ++death) {
      await announceHttp(http, { infoHash: infoHashOf(1) });
      const shard = shardsOf(memory).find((it) => view.getUint32(it + SHARD_TORRENTS, true) > 0)!;
      view.setUint32(shard + SHARD_GROUPS, NOWHERE, true);
      await announceHttp(http, { infoHash: infoHashOf(1) }).catch(() => {});
      if (death < 5) await untilRestarted(running, death);
    }
    const failure = await within(tracker.failed, { deadlineMs: 5_000, what: "the failure" });
    assert.match(failure.message, /^Worker .* died: /);
    await tracker.stop();
  },
});
