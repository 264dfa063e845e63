/**
 * Swarms as they lie in memory, walked after random histories: splits, merges, directories.
 *
 * Answers and counts are for the model's histories; here it is the structure that must hold.
 */
import { strict as assert } from "node:assert";
import {
  BLOCK_CLASS,
  BLOCK_LEECHERS,
  BLOCK_PARTIAL_SEEDS,
  BLOCK_PEERS,
  BLOCK_SEEDERS,
  COUNT_MEMORY_FULL,
  COUNT_SWARM_FULL,
  DIRECTORY_DEPTH,
  DIRECTORY_DEPTH_MAX,
  DIRECTORY_ROLES,
  DIRECTORY_SLOTS,
  KIND_IPV4,
  KIND_IPV6,
  SPAN_MAX,
  TORRENT_SWARMS,
} from "../../assembly/layout.ts";
import { EVENT_PAUSED, toHex } from "../support/packets.ts";
import {
  compileCore,
  Harness,
  seededRandom,
  SETTINGS,
  type TestExports,
  torrentHash,
} from "./harness.ts";

type Role = 0 | 1 | 2;
/** What must be in a swarm: key, as hex, to role. */
type Swarm = Map<string, Role>;

const TORRENT = 5;
const HOSTS = 3;
const HOST_PORTS = 2_000;
const KEY_LENGTHS = { [KIND_IPV4]: 6, [KIND_IPV6]: 18 } as const;

/** Walks the swarms of one torrent. */
class Walker {
  readonly #harness: Harness;
  readonly #exports: TestExports;
  readonly #scratch: number;

  constructor(harness: Harness, exports: TestExports) {
    this.#harness = harness;
    this.#exports = exports;
    this.#scratch = exports.take(harness.worker, 64) >>> 0;
  }

  /** Holds a swarm against what must be in it; returns its directory's depth, -1 without one. */
  check(kind: 0 | 1, expected: Swarm): number {
    const { view } = this.#harness;
    this.#harness.bytes.set(torrentHash(TORRENT), this.#scratch);
    const torrent = this.#exports.torrentRecord(this.#scratch) >>> 0;
    const found: Swarm = new Map();
    const reference = torrent === 0 ? 0 : view.getUint32(torrent + TORRENT_SWARMS + 4 * kind, true);
    const directory = reference & 1 ? (reference & ~1) >>> 0 : 0;
    if (directory !== 0) this.#readDirectory(directory, kind, found);
    else if (reference !== 0) this.#readBlock(reference, { kind, prefix: 0n, bits: 0 }, found);
    assert.deepEqual(new Map([...found].sort()), new Map([...expected].sort()));
    return directory === 0 ? -1 : view.getUint32(directory + DIRECTORY_DEPTH, true);
  }

  #readDirectory(directory: number, kind: 0 | 1, found: Swarm): void {
    const { view } = this.#harness;
    const depth = view.getUint32(directory + DIRECTORY_DEPTH, true);
    assert.ok(depth >= 1 && depth <= DIRECTORY_DEPTH_MAX);
    const slotCount = 2 ** depth;
    const blocks = new Set<number>();
    const roles = [0, 0, 0];
    for (let slot = 0; slot < slotCount;) {
      const word = view.getUint32(directory + DIRECTORY_SLOTS + 4 * slot, true);
      const span = word & SPAN_MAX;
      const block = word - span;
      assert.ok(span <= depth);
      assert.equal(slot % 2 ** span, 0, "A block stands in whole halves");
      for (let index = slot; index < slot + 2 ** span; ++index) {
        const same = view.getUint32(directory + DIRECTORY_SLOTS + 4 * index, true);
        assert.equal(same, word, `Slot ${index} of ${slotCount}`);
      }
      assert.ok(!blocks.has(block), "A block stands in one place");
      blocks.add(block);
      const place = { kind, prefix: BigInt(slot >> span), bits: depth - span };
      this.#readBlock(block, place, found).forEach((count, role) => roles[role]! += count);
      slot += 2 ** span;
    }
    roles.forEach((count, role) => {
      assert.equal(view.getUint32(directory + DIRECTORY_ROLES + 4 * role, true), count);
    });
  }

  /** Reads a block's peers, whose hashes must all begin with the prefix; returns counts by role. */
  #readBlock(
    block: number,
    place: { kind: 0 | 1; prefix: bigint; bits: number },
    found: Swarm,
  ): number[] {
    const { bytes } = this.#harness;
    const { kind } = place;
    const counts = [BLOCK_LEECHERS, BLOCK_PARTIAL_SEEDS, BLOCK_SEEDERS]
      .map((offset) => bytes[block + offset]!);
    const peerCount = counts.reduce((sum, count) => sum + count);
    const capacity = this.#exports.blockCapacity(block, kind);
    assert.ok(peerCount <= capacity && peerCount <= this.#exports.blockCountMax(kind));
    const keyLength = KEY_LENGTHS[kind];
    const room = this.#exports.classByteLength(bytes[block + BLOCK_CLASS]!);
    assert.ok(BLOCK_PEERS + capacity * (keyLength + 3) <= room, "The columns fit the block");
    for (let index = 0; index < peerCount; ++index) {
      const key = block + BLOCK_PEERS + index * keyLength;
      const hash = this.#hashOf(key, kind);
      assert.equal(hash >> BigInt(64 - place.bits), place.bits === 0 ? hash >> 64n : place.prefix);
      const text = toHex(bytes.slice(key, key + keyLength));
      assert.ok(!found.has(text), "A peer is there once");
      found.set(text, index < counts[0]! ? 0 : index < counts[0]! + counts[1]! ? 1 : 2);
    }
    return counts;
  }

  /** The hash that places a peer of that address and port. */
  hashOfPeer(kind: 0 | 1, address: Uint8Array, port: number): bigint {
    this.#harness.bytes.set(address, this.#scratch);
    this.#harness.view.setUint16(this.#scratch + address.length, port);
    return this.#hashOf(this.#scratch, kind);
  }

  #hashOf(key: number, kind: number): bigint {
    const out = this.#scratch + 32;
    this.#exports.hashPeerKey(key, kind, out);
    return this.#harness.view.getBigUint64(out, true);
  }
}

/** A client of either family; its number is in its address. */
function addressOf(kind: 0 | 1, host: number): Uint8Array {
  const address = new Uint8Array(kind === KIND_IPV4 ? 4 : 16).fill(0x20);
  address[address.length - 1] = host;
  return address;
}

/** Nine in ten stop. */
function takeMostOut(
  harness: Harness,
  { kind, swarm, random }: { kind: 0 | 1; swarm: Swarm; random: (bound: number) => number },
): void {
  for (let host = 0; host < HOSTS; ++host) {
    const address = addressOf(kind, host);
    harness.become(address);
    for (let port = 1; port <= HOST_PORTS; ++port) {
      if (random(10) === 0) continue;
      harness.stopped(TORRENT, port);
      swarm.delete(keyText(address, port));
    }
  }
}

function keyText(address: Uint8Array, port: number): string {
  return toHex(address) + port.toString(16).padStart(4, "0");
}

for (const seed of [1, 2, 3]) {
  Deno.test(`swarms keep their structure while they grow and shrink, seed ${seed}`, async () => {
    const harness = new Harness(await compileCore("release"));
    const walker = new Walker(harness, await harness.testExports());
    const random = seededRandom(seed);
    const swarms: Record<0 | 1, Swarm> = { [KIND_IPV4]: new Map(), [KIND_IPV6]: new Map() };
    const seen: Record<string, number> = {};
    const depths = new Set<number>();
    let now = 1;
    harness.setNow(now);
    for (let phase = 0; phase < 16; ++phase) {
      const isGrowing = phase % 4 < 2;
      for (const kind of [KIND_IPV4, KIND_IPV6] as const) {
        const swarm = swarms[kind];
        const address = addressOf(kind, random(HOSTS));
        harness.become(address);
        for (let step = 0; step < 2_000; ++step) {
          const port = 1 + random(HOST_PORTS);
          const key = keyText(address, port);
          if (random(100) < (isGrowing ? 10 : 70)) {
            harness.stopped(TORRENT, port);
            swarm.delete(key);
            continue;
          }
          const role = random(3) as Role;
          const event = role === 1 ? EVENT_PAUSED : 0;
          harness.announce({ torrent: TORRENT, port, left: role === 2 ? 0 : 1, event });
          swarm.set(key, role);
          seen[key] = now;
        }
        if (phase % 4 === 3) takeMostOut(harness, { kind, swarm, random });
        depths.add(walker.check(kind, swarm));
      }
      // Time passes, some are too old, and a sweep merges what has become thin.
      now += random(2) === 0 ? 600 : 1_500;
      harness.setNow(now);
      harness.sweep();
      for (const kind of [KIND_IPV4, KIND_IPV6] as const) {
        for (const key of swarms[kind].keys()) {
          if (now - seen[key]! > SETTINGS.maxPeerAgeSeconds) swarms[kind].delete(key);
        }
        depths.add(walker.check(kind, swarms[kind]));
      }
    }
    assert.ok(depths.size > 3, `Directories of several depths: ${[...depths]}`);
    harness.setNow(now + SETTINGS.maxPeerAgeSeconds + 1);
    for (let sweep = 0; sweep < 12; ++sweep) harness.sweep();
    assert.equal(walker.check(KIND_IPV4, new Map()), -1);
    assert.equal(walker.check(KIND_IPV6, new Map()), -1);
  });
}

Deno.test("a block that cannot be split takes no peer, and memory is not full", async () => {
  const harness = new Harness(await compileCore("release"));
  const walker = new Walker(harness, await harness.testExports());
  const address = addressOf(KIND_IPV4, 0);
  harness.become(address);
  // All in one of the 2^SPAN_MAX halves of a half: every split leaves the other side empty.
  const swarm: Swarm = new Map();
  const left: number[] = [];
  for (let port = 1; port < 65_536; ++port) {
    if (walker.hashOfPeer(KIND_IPV4, address, port) >> BigInt(63 - SPAN_MAX) !== 0n) continue;
    if (swarm.size === 128) {
      left.push(port);
      continue;
    }
    harness.announce({ torrent: TORRENT, port, left: 1 });
    swarm.set(keyText(address, port), 0);
  }
  assert.ok(left.length > 10);
  walker.check(KIND_IPV4, swarm);
  for (const port of left) harness.announce({ torrent: TORRENT, port, left: 1 });
  assert.equal(harness.counter(COUNT_SWARM_FULL), left.length);
  assert.equal(harness.counter(COUNT_MEMORY_FULL), 0);
  assert.equal(walker.check(KIND_IPV4, swarm), SPAN_MAX + 1);
});
