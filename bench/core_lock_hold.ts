/**
 * The longest time that any lock is held, with a million torrents: `deno run -A
 * bench/core_lock_hold.ts`.
 *
 * Every call below holds at most one shard's lock and the allocator's; its duration bounds theirs.
 * The same run is repeated, and of each call the shortest duration counts: what remains is its own
 * work, without whatever else the machine did meanwhile.
 */
import {
  ACCESS_BLACK,
  CONTROL_PAGE_BITS,
  CONTROL_PAGE_COUNT,
  DATAGRAM_IN_SIZE,
  PAGE_SIZE,
} from "../assembly/layout.ts";
import { compileCore, Harness, SETTINGS, type TestExports } from "../tests/core/harness.ts";

const TORRENT_COUNT = Number(Deno.args[0] ?? 1_000_000);
const REPETITIONS = Number(Deno.args[1] ?? 5);
const LIMIT_MIB = Number(Deno.args[2] ?? 512);
const SWARM_PEERS = 1_000_000;
const LIST_SIZE = 1_000_000;

/** Durations of the same calls over all repetitions, the shortest of each. */
class Durations {
  readonly #shortest: Float32Array;
  #index = 0;
  #length = 0;

  constructor(readonly name: string, countMax: number) {
    this.#shortest = new Float32Array(countMax).fill(Infinity);
  }

  rewind(): void {
    this.#index = 0;
  }

  /** Measures one call and returns what it returned. */
  time<T>(call: () => T): T {
    const start = performance.now();
    const result = call();
    const duration = performance.now() - start;
    if (this.#index < this.#shortest.length) {
      if (duration < this.#shortest[this.#index]!) this.#shortest[this.#index] = duration;
      this.#length = Math.max(this.#length, ++this.#index);
    }
    return result;
  }

  report(): string {
    const sorted = this.#shortest.slice(0, this.#length).sort();
    const at = (share: number) =>
      (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 1000).toFixed(1)
        .padStart(9);
    return `${this.name.padEnd(44)} ${String(sorted.length).padStart(9)} ${at(0.5)} ${at(0.999)} ${
      at(1)
    }`;
  }
}

const durations = {
  announce: new Durations("announce of a new torrent (rehash)", 2 * TORRENT_COUNT),
  join: new Durations("announce of a new peer (split, directory)", SWARM_PEERS),
  sweep: new Durations("sweep step, nothing expires", 2_000_000),
  expire: new Durations("sweep step, half expires", 2_000_000),
  empty: new Durations("sweep step, everything expires (trim)", 2_000_000),
  take: new Durations("list: take its pages", 100),
  swap: new Durations("list: swap", 10),
  drop: new Durations("list: drop (gives pages)", 10),
  run: new Durations("allocator: run of pages, memory in shreds", 100),
};

function addressOf(host: number): Uint8Array {
  return Uint8Array.of(10, host >> 16, host >> 8, host);
}

function fill(harness: Harness): void {
  const half = TORRENT_COUNT >> 1;
  harness.setNow(1);
  harness.become(addressOf(1));
  for (let torrent = 0; torrent < TORRENT_COUNT; ++torrent) {
    if (torrent === half) harness.setNow(1_000);
    durations.announce.time(() => harness.announce({ torrent: 1 + torrent, port: 1 }));
  }
  harness.setNow(1);
  for (let peers = 0; peers < SWARM_PEERS; ++peers) {
    if (peers % 50_000 === 0) harness.become(addressOf(100 + peers / 50_000));
    if (peers === SWARM_PEERS >> 1) harness.setNow(1_000);
    durations.join.time(() => harness.announce({ torrent: 0, port: 1 + peers % 50_000 }));
  }
}

function sweep(harness: Harness, steps: Durations): void {
  for (let shard = 0; shard < harness.core.shardCount; ++shard) {
    while (steps.time(() => harness.core.sweepStep(shard)));
  }
}

function reload(harness: Harness): void {
  const { core } = harness;
  const denied = { ipv4: new Uint32Array(0), ipv6: new Uint8Array(0) };
  const line = new TextEncoder();
  const rules = core.beginRules(ACCESS_BLACK, LIST_SIZE, denied);
  const perPiece = Math.floor(DATAGRAM_IN_SIZE / 41);
  for (let first = 0; first < LIST_SIZE; first += perPiece) {
    let text = "";
    for (let index = first; index < Math.min(first + perPiece, LIST_SIZE); ++index) {
      text += Math.imul(index + 1, 0x9e3779b1).toString(16).replace("-", "f").padStart(40, "0") +
        "\n";
    }
    core.readRules(rules, line.encodeInto(text, core.input).written);
  }
  const old = durations.swap.time(() => core.swapRules(rules));
  durations.drop.time(() => core.dropRules(old));
  durations.drop.time(() => core.dropRules(core.swapRules(old)));
}

/** The part of beginning a list that holds the allocator's lock; the rest holds none. */
async function takeListPages(harness: Harness): Promise<void> {
  const exports = await harness.testExports();
  const pageCount = Math.ceil(LIST_SIZE * 4 / 3 * 20 / PAGE_SIZE);
  for (let turn = 0; turn < 100; ++turn) {
    const ptr = durations.take.time(() => exports.takePages(harness.worker, pageCount));
    if (ptr === 0) throw new Error("There is no room for the list");
    exports.givePages(harness.worker, ptr, pageCount);
  }
}

/** The allocator's worst: 4 GiB with every second page taken, and somebody wants two in a row. */
async function shred(): Promise<void> {
  const harness = new Harness(await compileCore("release"), { limitMib: 4096 });
  const exports: TestExports = await harness.testExports();
  const bits = harness.word(CONTROL_PAGE_BITS);
  harness.bytes.fill(0x55, bits, bits + (harness.word(CONTROL_PAGE_COUNT) >> 3) + 1);
  for (let repetition = 0; repetition < REPETITIONS; ++repetition) {
    durations.run.rewind();
    for (let index = 0; index < 100; ++index) {
      if (durations.run.time(() => exports.takePages(harness.worker, 2)) !== 0) throw new Error();
    }
  }
}

const module = await compileCore("release");
for (let repetition = 0; repetition < REPETITIONS; ++repetition) {
  Object.values(durations).forEach((each) => each.rewind());
  const harness = new Harness(module, { limitMib: LIMIT_MIB });
  fill(harness);
  harness.setNow(1_001);
  sweep(harness, durations.sweep);
  await takeListPages(harness);
  reload(harness);
  harness.setNow(2 + SETTINGS.maxPeerAgeSeconds);
  sweep(harness, durations.expire);
  harness.setNow(1_001 + SETTINGS.maxPeerAgeSeconds);
  sweep(harness, durations.empty);
  console.error(`Repetition ${repetition + 1} of ${REPETITIONS}`);
}
await shred();
console.log(`${TORRENT_COUNT} torrents, one swarm of ${SWARM_PEERS} peers, ${LIMIT_MIB} MiB`);
console.log(`Microseconds, shortest of ${REPETITIONS} runs of each call`);
console.log(
  `${"".padEnd(44)} ${"calls".padStart(9)} ${"median".padStart(9)} ${"p99.9".padStart(9)} ${
    "longest".padStart(9)
  }`,
);
for (const each of Object.values(durations)) console.log(each.report());
