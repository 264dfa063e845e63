/**
 * Spoofed floods against a small memory: new info hashes, new ports, forged connection ids.
 *
 * The limit holds, whoever is known is served on, whoever is new is answered without being stored,
 * and all memory is back when the flood has aged out.
 */
import { strict as assert } from "node:assert";
import { COUNT_DROP_CONNECTION_ID, COUNT_MEMORY_FULL } from "../../assembly/layout.ts";
import { OutOfMemoryError } from "../../wasm/errors.ts";
import { CoreTracker, loadModule } from "../model/core_tracker.ts";
import { writeAnnounce, writeConnect } from "../model/packets.ts";
import { DEFAULT_LIMITS, type Source } from "../model/tracker.ts";
import { parseReply, type ReplyOf } from "../support/packets.ts";
import { Random } from "./random.ts";

const KNOWN_HASH = new Uint8Array(20).fill(1);
const IPV4_FLOODER: Source = { address: Uint8Array.of(198, 18, 0, 1), port: 4000 };
const IPV6_FLOODER: Source = { address: new Uint8Array(16).fill(0xfd), port: 4000 };
const KNOWN: Source[] = [1, 2, 3].map((host) => ({
  address: Uint8Array.of(192, 0, 2, host),
  port: 6881,
}));

const module = await loadModule("release");

/** A tracker of 16 MiB with three known peers on one torrent. */
class Scene {
  readonly tracker = new CoreTracker(module, DEFAULT_LIMITS, { limitMib: 16 });
  #now = 1;

  constructor() {
    for (const source of KNOWN) this.announce(source);
  }

  announce(
    source: Source,
    fields: { infoHash?: Uint8Array; port?: number; event?: number; left?: bigint } = {},
  ): ReplyOf<"announce"> {
    const connectionId = this.id(source);
    const packet = writeAnnounce({ connectionId, infoHash: KNOWN_HASH, port: 6881, ...fields });
    const answer = this.tracker.handle(packet, source);
    assert.ok(answer, "An announce with a valid id is answered");
    const reply = parseReply(answer, source.address.length === 4 ? "IPv4" : "IPv6");
    assert.equal(reply.kind, "announce");
    return reply as ReplyOf<"announce">;
  }

  id(source: Source): Uint8Array {
    return this.tracker.handle(writeConnect(), source)!.slice(8);
  }

  pass(seconds: number): void {
    this.tracker.setNow(this.#now += seconds);
    this.tracker.sweep();
  }

  /** The known peers change their roles, leave and come back, and see each other. */
  assertKnownServed(): void {
    for (const left of [0n, 1n]) {
      for (const source of KNOWN) {
        const { peers } = this.announce(source, { left });
        const others = KNOWN.filter((other) => other !== source);
        const addresses = peers.map(({ address }) => address);
        for (const { address } of others) assert.ok(addresses.includes(address.join(".")));
      }
    }
    assert.ok(this.tracker.pages.used <= this.tracker.pages.all);
  }

  /** Announces with ever new info hashes until memory is full, and as often again. */
  floodHashes(seed: number): number {
    const random = new Random(seed);
    const connectionId = this.id(IPV4_FLOODER);
    const infoHash = new Uint8Array(20);
    const packet = writeAnnounce({ connectionId, infoHash, port: 6881 });
    let sent = 0;
    for (let stop = Infinity; sent < stop; ++sent) {
      random.fill(packet.subarray(16, 36));
      const answer = this.tracker.handle(packet, IPV4_FLOODER)!;
      assert.equal(answer.length, 20);
      if (stop === Infinity && this.tracker.counter(COUNT_MEMORY_FULL) > 0) stop = 2 * sent;
      if (sent % 10_000 === 0) this.assertKnownServed();
    }
    return sent;
  }

  /** Announces every port of an IPv6 address on ever new torrents until memory is full. */
  floodPorts(): void {
    const connectionId = this.id(IPV6_FLOODER);
    const packet = writeAnnounce({ connectionId, infoHash: KNOWN_HASH, port: 1, numWant: 3 });
    const view = new DataView(packet.buffer);
    for (let torrent = 0; this.tracker.counter(COUNT_MEMORY_FULL) < 100_000; ++torrent) {
      packet[35] = torrent + 1;
      for (let port = 1; port < 65536; ++port) {
        view.setUint16(96, port);
        assert.ok(this.tracker.handle(packet, IPV6_FLOODER)!.length <= 20 + 3 * 18);
      }
      this.assertKnownServed();
    }
  }
}

Deno.test("flood: new info hashes stop at the limit, and age out", () => {
  const scene = new Scene();
  const sent = scene.floodHashes(1);
  assert.ok(sent > 100_000, `Memory was full after ${sent / 2} torrents`);
  assert.ok(scene.tracker.counter(COUNT_MEMORY_FULL) > sent / 3);
  scene.assertKnownServed();
  // A stranger to the known torrent is answered, stored or not.
  const stranger = { address: Uint8Array.of(192, 0, 2, 99), port: 1 };
  assert.equal(scene.announce(stranger).peers.length, 3);

  scene.pass(DEFAULT_LIMITS.maxPeerAgeSeconds);
  scene.assertKnownServed();
  scene.pass(1);
  assert.equal(scene.tracker.totals().torrents, 1);
  scene.assertKnownServed();
  scene.announce(IPV4_FLOODER, { infoHash: new Uint8Array(20).fill(9) });
  assert.equal(scene.tracker.totals().torrents, 2);
});

Deno.test("flood: new ports of one address stop at the limit, and age out", () => {
  const scene = new Scene();
  scene.floodPorts();
  assert.ok(scene.tracker.totals().ipv6Peers > 100_000);
  scene.pass(DEFAULT_LIMITS.maxPeerAgeSeconds);
  scene.assertKnownServed();
  scene.pass(1);
  assert.equal(scene.tracker.totals().ipv6Peers, 0);
  scene.assertKnownServed();
});

Deno.test("flood: the same flood leaves the same memory behind every time", () => {
  const scene = new Scene();
  const used: number[] = [];
  for (let turn = 0; turn < 3; ++turn) {
    scene.floodHashes(1);
    scene.floodPorts();
    for (let sweep = 0; sweep < 22; ++sweep) {
      scene.assertKnownServed();
      scene.pass(DEFAULT_LIMITS.maxPeerAgeSeconds / 2);
    }
    assert.equal(scene.tracker.totals().torrents, 1);
    used.push(scene.tracker.pages.used);
  }
  assert.equal(used[1], used[2], `Pages in use after each flood: ${used}`);
});

Deno.test("flood: forged connection ids cost no byte of memory or answer", () => {
  const scene = new Scene();
  const before = scene.tracker.pages.used;
  const random = new Random(1);
  const packet = writeAnnounce({ connectionId: new Uint8Array(8), infoHash: KNOWN_HASH, port: 1 });
  const address = new Uint8Array(4);
  for (let sent = 0; sent < 300_000; ++sent) {
    random.fill(packet.subarray(0, 8));
    if (sent % 2 === 0) packet[0] = packet[1] = 0;
    random.fill(packet.subarray(16, 36));
    random.fill(address);
    packet[11] = 1 + sent % 2;
    assert.equal(scene.tracker.handle(packet, { address, port: 1 + random.below(65535) }), null);
  }
  assert.equal(scene.tracker.counter(COUNT_DROP_CONNECTION_ID), 300_000);
  assert.equal(scene.tracker.pages.used, before);
  scene.assertKnownServed();
});

Deno.test("flood: an access list can be replaced when memory is full", () => {
  const scene = new Scene();
  const infoHashes = Array.from({ length: 20_000 }, (_, index) => {
    const infoHash = new Uint8Array(20);
    new DataView(infoHash.buffer).setUint32(0, index);
    return infoHash;
  });
  scene.tracker.loadAccessList("black", infoHashes);
  scene.floodHashes(2);
  for (let turn = 0; turn < 3; ++turn) {
    scene.tracker.loadAccessList("black", infoHashes);
    scene.floodHashes(1);
  }
  scene.assertKnownServed();
});

Deno.test("flood: an access list that does not fit leaves the old one in force", () => {
  const scene = new Scene();
  scene.tracker.loadAccessList("black", [new Uint8Array(20).fill(7)]);
  scene.floodHashes(2);
  const infoHashes = Array.from({ length: 20_000 }, (_, index) => {
    const infoHash = new Uint8Array(20);
    new DataView(infoHash.buffer).setUint32(0, index);
    return infoHash;
  });
  assert.throws(() => scene.tracker.loadAccessList("white", infoHashes), OutOfMemoryError);
  scene.assertKnownServed();
  scene.pass(DEFAULT_LIMITS.maxPeerAgeSeconds + 1);
  for (const source of KNOWN) scene.announce(source);
  scene.tracker.loadAccessList("white", [...infoHashes, KNOWN_HASH]);
  scene.assertKnownServed();
});
