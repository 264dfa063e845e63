/** Memory: what a torrent and a peer take, what happens when it is full, and that it comes back. */
import { strict as assert } from "node:assert";
import {
  CONTROL_PAGE_COUNT,
  COUNT_MEMORY_FULL,
  COUNT_TORRENTS_ADDED,
  COUNT_TORRENTS_REMOVED,
} from "../../assembly/layout.ts";
import { compileCore, Harness, type HarnessOptions, SETTINGS } from "./harness.ts";

const MODULE = await compileCore("release");
/** design.md, section 2. */
const TORRENT_BYTES_MAX = 128;
const IPV4_PEER_BYTES_MAX = 18;
/** Below that, part of a page for each size of block weighs more than the peers. */
const LARGE_SWARM_PEERS = 30_000;

/** IPv4 address of a number, or IPv6. */
function addressOf(index: number, byteLength = 4): Uint8Array {
  const address = new Uint8Array(byteLength).fill(1);
  new DataView(address.buffer).setUint32(byteLength - 4, 0x0a000000 + index);
  return address;
}

/** Fills one swarm and returns the bytes a peer at each of many sizes. */
function measurePeers(byteLength: number, options: HarnessOptions = {}): Map<number, number> {
  const harness = new Harness(MODULE, { limitMib: 64, ...options });
  const before = harness.bytesUsed;
  const sizes = new Map<number, number>();
  let peers = 0;
  for (let host = 0; host < 8; ++host) {
    harness.become(addressOf(host, byteLength));
    for (let port = 1; port <= 50_000; ++port) {
      harness.announce({ torrent: 1, port });
      if (++peers % 2_500 === 0) sizes.set(peers, (harness.bytesUsed - before) / peers);
    }
  }
  assert.equal(harness.counts.leechers, peers);
  return sizes;
}

Deno.test("a torrent with one peer takes at most 128 bytes, tables and slack counted", () => {
  const harness = new Harness(MODULE, { limitMib: 64 });
  const before = harness.pagesUsed * 16_384;
  harness.become(addressOf(1));
  let most = 0;
  for (let torrent = 1; torrent <= 400_000; ++torrent) {
    harness.announce({ torrent, port: 1 });
    // The shards grow one after the other: look often, once there are enough to speak of a mean.
    if (torrent >= 50_000 && torrent % 5_000 === 0) {
      most = Math.max(most, (harness.bytesUsed - before) / torrent);
    }
  }
  assert.equal(harness.counter(COUNT_MEMORY_FULL), 0);
  assert.ok(most <= TORRENT_BYTES_MAX, `${most} bytes`);
});

Deno.test("an IPv4 peer of a large swarm takes at most 18 bytes", () => {
  for (const [peers, bytes] of measurePeers(4)) {
    if (peers < LARGE_SWARM_PEERS) continue;
    assert.ok(bytes <= IPV4_PEER_BYTES_MAX, `${bytes} bytes each of ${peers}`);
  }
});

Deno.test("an IPv6 peer takes 12 bytes more, a peer id 20, and their part of the slack", () => {
  const mean = (sizes: Map<number, number>) =>
    [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0) / sizes.size;
  const ipv4 = mean(measurePeers(4));
  assert.ok(mean(measurePeers(16)) <= ipv4 * (9 + 12) / 9);
  assert.ok(mean(measurePeers(4, { peerIds: true })) <= ipv4 * (9 + 20) / 9);
});

Deno.test("full memory: what is new is answered and not stored, what is known is served", () => {
  const harness = new Harness(MODULE, { limitMib: 4 });
  harness.become(addressOf(1));
  for (let port = 1; port <= 200; ++port) harness.announce({ torrent: 0, port });
  let torrents = 0;
  while (harness.counter(COUNT_MEMORY_FULL) === 0) {
    harness.announce({ torrent: 1 + torrents++, port: 1 });
    assert.ok(torrents < 100_000);
  }
  assert.ok(torrents > 10_000, `${torrents} torrents in 4 MiB`);
  assert.equal(harness.pagesUsed, harness.word(CONTROL_PAGE_COUNT), "Every page is in use");

  const refused = harness.counter(COUNT_MEMORY_FULL);
  for (let index = 0; index < 1_000; ++index) {
    const length = harness.announce({ torrent: 1_000_000 + index, port: 1, numWant: 50 });
    assert.equal(length, 20, "An answer without peers");
  }
  const stored = harness.counter(COUNT_TORRENTS_ADDED) - harness.counter(COUNT_TORRENTS_REMOVED);
  assert.ok(harness.counter(COUNT_MEMORY_FULL) - refused > 900, "Nearly all were refused");

  // Known ones: counted, updated, completed, returned, and they may leave.
  assert.equal(harness.announce({ torrent: 0, port: 7, left: 0, numWant: 50 }), 20 + 6 * 50);
  assert.deepEqual(harness.counts, { leechers: 199, seeders: 1 });
  harness.completed(0, 8);
  assert.deepEqual(harness.counts, { leechers: 198, seeders: 2 });
  harness.stopped(0, 9);
  assert.deepEqual(harness.counts, { leechers: 197, seeders: 2 });
  harness.announce({ torrent: 5, port: 1 });
  assert.deepEqual(harness.counts, { leechers: 1, seeders: 0 });
  // A swarm that cannot grow answers all the same.
  const before = harness.counter(COUNT_MEMORY_FULL);
  let length = 0;
  for (let port = 201; port < 2_000; ++port) {
    length = harness.announce({ torrent: 0, port, numWant: 50 });
  }
  assert.equal(length, 20 + 6 * 50);
  assert.ok(harness.counter(COUNT_MEMORY_FULL) > before);
  assert.equal(
    harness.counter(COUNT_TORRENTS_ADDED) - harness.counter(COUNT_TORRENTS_REMOVED),
    stored,
  );
});

Deno.test("all memory is given back when all peers are too old, and can be used again", () => {
  for (const peerIds of [false, true]) {
    const harness = new Harness(MODULE, { limitMib: 4, peerIds });
    const before = harness.pagesUsed;
    for (let round = 0; round < 3; ++round) {
      const now = 1 + round * 10_000;
      harness.setNow(now);
      for (let host = 0; host < 2; ++host) {
        // Large swarms of both families, and as many torrents as there is room for.
        for (const byteLength of [4, 16]) {
          harness.become(addressOf(host, byteLength));
          for (let port = 1; port <= 10_000; ++port) harness.announce({ torrent: 0, port });
        }
        for (let torrent = 1; torrent <= 40_000; ++torrent) harness.announce({ torrent, port: 1 });
      }
      assert.ok(harness.counter(COUNT_MEMORY_FULL) > 0, "It was full");
      harness.setNow(now + SETTINGS.maxPeerAgeSeconds);
      harness.sweep();
      assert.ok(harness.pagesUsed > before + 100, "They are just not too old");
      harness.setNow(now + SETTINGS.maxPeerAgeSeconds + 1);
      // A large swarm's directory is folded up by half a sweep, then its torrent goes.
      for (let sweep = 0; sweep < 12; ++sweep) harness.sweep();
      assert.equal(
        harness.counter(COUNT_TORRENTS_ADDED) - harness.counter(COUNT_TORRENTS_REMOVED),
        0,
      );
      assert.equal(harness.pagesUsed, before, `Pages after round ${round}`);
    }
  }
});
