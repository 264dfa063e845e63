/** Rows U15–U31 and U55: announces. (BEP 15, "announce"; protocols.md A5 and D.) */
import { strict as assert } from "node:assert";
import {
  EVENT_COMPLETED,
  EVENT_NONE,
  EVENT_PAUSED,
  EVENT_STARTED,
  EVENT_STOPPED,
  type Peer,
  randomBytes,
} from "../../support/packets.ts";
import { forEachDriver, Suite } from "../../support/suite.ts";
import type { UdpClient } from "../../support/udp_client.ts";

const NOBODY = { seeders: 0, completed: 0, leechers: 0 };

forEachDriver((driver, ignore) => {
  const suite = new Suite({ driver, ignore });

  suite.row("U15 first announce: one leecher, no peers, an interval", async ({ client }) => {
    const reply = await client.announce({ left: 100n, event: EVENT_STARTED, numWant: -1 });
    assert.equal(reply.leechers, 1);
    assert.equal(reply.seeders, 0);
    assert.deepEqual(reply.peers, []);
    assert.equal(reply.byteLength, 20);
    assert.ok(reply.interval >= 810 && reply.interval <= 990, `Interval ${reply.interval}`);
  });

  suite.row("U16 a second peer gets the first", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, event: EVENT_STARTED, port: 6881 });
    const seeder = await open("127.0.0.2");
    const reply = await seeder.announce({ infoHash, left: 0n, event: EVENT_STARTED, port: 6881 });
    assert.equal(reply.leechers, 1);
    assert.equal(reply.seeders, 1);
    assert.deepEqual(reply.peers, [{ address: "127.0.0.1", port: 6881 }]);
    const again = await client.announce({ infoHash });
    assert.deepEqual(again.peers, [{ address: "127.0.0.2", port: 6881 }]);
  });

  suite.row("U17 a repeated announce counts once and never returns itself", async ({ client }) => {
    const packet = client.announcePacket({ event: EVENT_STARTED });
    for (let repeat = 0; repeat < 3; repeat++) {
      const reply = await client.exchange(packet, "announce");
      assert.equal(reply.leechers, 1);
      assert.equal(reply.seeders, 0);
      assert.deepEqual(reply.peers, []);
    }
  });

  suite.row("U18 left 5, then left 0 without event: a seeder", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, left: 5n });
    const reply = await client.announce({ infoHash, left: 0n, event: EVENT_NONE });
    assert.equal(reply.leechers, 0);
    assert.equal(reply.seeders, 1);
    assert.deepEqual(await client.counts(infoHash), { seeders: 1, completed: 0, leechers: 0 });
    const back = await client.announce({ infoHash, left: 7n, event: EVENT_NONE });
    assert.equal(back.leechers, 1, "left > 0 after seeding is a leecher again");
    assert.equal(back.seeders, 0);
  });

  suite.row("U19 completed twice counts once", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, left: 5n, event: EVENT_STARTED });
    for (let repeat = 0; repeat < 2; repeat++) {
      await client.announce({ infoHash, left: 0n, event: EVENT_COMPLETED });
      assert.deepEqual(await client.counts(infoHash), { seeders: 1, completed: 1, leechers: 0 });
    }
  });

  suite.row("U20 completed with left 7 stays a leecher", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, left: 9n, event: EVENT_STARTED });
    await client.announce({ infoHash, left: 7n, event: EVENT_COMPLETED });
    assert.deepEqual(await client.counts(infoHash), { seeders: 0, completed: 0, leechers: 1 });
  });

  suite.row("U21 a peer that stopped is gone", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, port: 1001 });
    await client.announce({ infoHash, port: 1002, left: 0n });
    const reply = await client.announce({ infoHash, port: 1001, event: EVENT_STOPPED });
    assert.equal(reply.byteLength, 20, "No peers for one who leaves");
    assert.equal(reply.leechers, 0);
    assert.equal(reply.seeders, 1);
    assert.deepEqual((await client.announce({ infoHash, port: 1002, left: 0n })).peers, []);
    await client.announce({ infoHash, port: 1002, left: 0n, event: EVENT_STOPPED });
    assert.deepEqual(await client.counts(infoHash), NOBODY);
  });

  suite.row("U22 stopped by an unknown peer creates nothing", async ({ client }) => {
    const infoHash = randomBytes(20);
    const unknownTorrent = await client.announce({ infoHash, event: EVENT_STOPPED });
    assert.equal(unknownTorrent.byteLength, 20);
    assert.equal(unknownTorrent.leechers + unknownTorrent.seeders, 0);
    assert.deepEqual(await client.counts(infoHash), NOBODY);
    await client.announce({ infoHash, port: 1001 });
    const unknownPeer = await client.announce({ infoHash, port: 1002, event: EVENT_STOPPED });
    assert.equal(unknownPeer.byteLength, 20);
    assert.equal(unknownPeer.leechers, 1);
    assert.equal(unknownPeer.seeders, 0);
  });

  suite.row("U23 event 4 (paused) is answered, the peer a leecher", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, left: 5n, event: EVENT_STARTED });
    const reply = await client.announce({ infoHash, left: 5n, event: EVENT_PAUSED });
    assert.equal(reply.leechers, 1);
    assert.equal(reply.seeders, 0);
    const other = await client.announce({ infoHash, port: 1002 });
    assert.equal(other.leechers, 2);
  });

  suite.row("U24 event ffffffff is none", async ({ client }) => {
    for (const event of [5, 0x80000003, 0xffffffff]) {
      const infoHash = randomBytes(20);
      assert.equal((await client.announce({ infoHash, left: 5n, event })).leechers, 1);
      assert.equal((await client.announce({ infoHash, left: 0n, event })).seeders, 1);
      assert.deepEqual(await client.counts(infoHash), { seeders: 1, completed: 0, leechers: 0 });
    }
  });

  suite.row("U25 huge values of left are leechers", async ({ client }) => {
    for (const left of [0xffffffffffffffffn, 0x8000000000000000n, 0x0000000100000000n]) {
      const reply = await client.announce({ left });
      assert.equal(reply.leechers, 1, `left ${left}`);
      assert.equal(reply.seeders, 0, `left ${left}`);
    }
  });

  suite.row("U26 num_want 0: no peers, right counts", async ({ client }) => {
    const infoHash = randomBytes(20);
    await announceMany(client, { infoHash, count: 5 });
    const reply = await client.announce({ infoHash, numWant: 0 });
    assert.deepEqual(reply.peers, []);
    assert.equal(reply.leechers, 6);
  });

  suite.row("U27 num_want 1: one peer, not always the same", async ({ client }) => {
    const infoHash = randomBytes(20);
    const ports = await announceMany(client, { infoHash, count: 5 });
    const seen = new Set<number>();
    for (let repeat = 0; repeat < 60; repeat++) {
      const { peers } = await client.announce({ infoHash, numWant: 1 });
      assert.equal(peers.length, 1);
      assert.equal(peers[0].address, "127.0.0.1");
      assert.ok(ports.includes(peers[0].port));
      seen.add(peers[0].port);
    }
    assert.equal(seen.size, 5, "Peers are chosen at random");
  });

  suite.row("U28 num_want 2147483647 with 300 peers is capped", async ({ client }) => {
    const infoHash = randomBytes(20);
    const ports = await announceMany(client, { infoHash, count: 300 });
    const reply = await client.announce({ infoHash, numWant: 2147483647 });
    assert.equal(reply.leechers, 301);
    assert.equal(reply.peers.length, 200, "The default of max_response_peers");
    assert.ok(reply.byteLength <= 1400);
    assertDistinct(reply.peers, ports);
    const byDefault = await client.announce({ infoHash, numWant: -1 });
    assert.equal(byDefault.peers.length, 50, "The default of default_response_peers");
    assertDistinct(byDefault.peers, ports);
    const negative = await client.announce({ infoHash, numWant: -2147483648 });
    assert.equal(negative.peers.length, 50);
  });

  suite.row("U29 the address field is ignored", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, ipAddress: 0x08080808 });
    const other = await open("127.0.0.2");
    const { peers } = await other.announce({ infoHash });
    assert.deepEqual(peers, [{ address: "127.0.0.1", port: 6881 }]);
  });

  suite.row('U30 port 0: error "invalid port"', async ({ client }) => {
    const infoHash = randomBytes(20);
    const packet = client.announcePacket({ infoHash, port: 0 });
    const reply = await client.exchange(packet, "error");
    assert.match(reply.message, /invalid port/i);
    assert.deepEqual(await client.counts(infoHash), NOBODY);
  });

  suite.row("U31 an announce of 97 bytes stores nothing", async ({ client }) => {
    const infoHash = randomBytes(20);
    const packet = client.announcePacket({ infoHash });
    await client.expectDrops(...[97, 96, 36, 17, 16].map((length) => packet.slice(0, length)));
    assert.deepEqual(await client.counts(infoHash), NOBODY);
  });

  suite.row("U55 200 ports of one address are 200 peers", async ({ client }) => {
    const infoHash = randomBytes(20);
    const peerId = randomBytes(20);
    const ports = await announceMany(client, { infoHash, peerId, count: 200 });
    assert.deepEqual(await client.counts(infoHash), { seeders: 0, completed: 0, leechers: 200 });
    const { peers } = await client.announce({ infoHash, peerId, port: ports[0], numWant: 230 });
    assert.equal(peers.length, 199);
    assertDistinct(peers, ports.slice(1));
  });

  suite.row("a seeder gets leechers and no seeders", async ({ client }) => {
    const infoHash = randomBytes(20);
    await announceMany(client, { infoHash, count: 3 });
    for (const port of [7001, 7002, 7003]) await client.announce({ infoHash, port, left: 0n });
    const { peers } = await client.announce({ infoHash, port: 7001, left: 0n, numWant: 3 });
    assert.deepEqual(peers.map(({ port }) => port).sort(), [2000, 2001, 2002]);
  });

  suite.row("a leecher gets seeders as well", async ({ client }) => {
    const infoHash = randomBytes(20);
    await announceMany(client, { infoHash, count: 2 });
    for (const port of [7001, 7002]) await client.announce({ infoHash, port, left: 0n });
    const { peers } = await client.announce({ infoHash });
    assert.deepEqual(peers.map(({ port }) => port).sort(), [2000, 2001, 7001, 7002]);
  });

  suite.row("another peer id at the same address and port is the same peer", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, peerId: randomBytes(20) });
    const reply = await client.announce({ infoHash, peerId: randomBytes(20) });
    assert.equal(reply.leechers, 1);
    assert.deepEqual(reply.peers, []);
  });

  suite.row("intervals are jittered", async ({ client }) => {
    const infoHash = randomBytes(20);
    const intervals = new Set<number>();
    for (let repeat = 0; repeat < 40; repeat++) {
      const { interval } = await client.announce({ infoHash });
      assert.ok(interval >= 810 && interval <= 990, `Interval ${interval}`);
      intervals.add(interval);
    }
    assert.ok(intervals.size > 4, `Intervals: ${[...intervals]}`);
  });
});

/** Announces leechers on the ports from 2000 on, and returns the ports. */
async function announceMany(
  client: UdpClient,
  request: { infoHash: Uint8Array; peerId?: Uint8Array; count: number },
): Promise<number[]> {
  const { count, infoHash, peerId = client.peerId } = request;
  const ports = Array.from({ length: count }, (_, index) => 2000 + index);
  for (const port of ports) await client.announce({ infoHash, peerId, port, numWant: 0 });
  return ports;
}

/** Asserts that the peers are different ones, all at 127.0.0.1 and on some of these ports. */
function assertDistinct(peers: Peer[], ports: number[]): void {
  assert.equal(new Set(peers.map(({ port }) => port)).size, peers.length, "No peer twice");
  for (const { address, port } of peers) {
    assert.equal(address, "127.0.0.1");
    assert.ok(ports.includes(port), `A peer on port ${port}, which nobody announced`);
  }
}
