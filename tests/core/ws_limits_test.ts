/** What WebTorrent's peers may take of the core, and how long: W35, W43, limits, full memory. */
import { strict as assert } from "node:assert";
import {
  CONTROL_MAX_PEER_AGE,
  COUNT_PEERS_ADDED,
  COUNT_PEERS_REMOVED,
  KIND_WEBTORRENT,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import { writeNow } from "../../wasm/memory.ts";
import { ascii } from "../support/packets.ts";
import { offers, peerId, relaysOf, World } from "./ws_world.ts";
import { binaryString, jsonOf, maskedFrame, type Peer } from "./ws_harness.ts";

Deno.test("W35: who does not read is given up, and nobody else waits", () => {
  const world = new World({ settings: { outboxBytesMax: 20_000 } });
  const [slow, sender] = [world.connect(), world.connect()];
  world.announce(slow, 1);
  const { core } = slow;
  const input = (bytes: Uint8Array) => {
    const place = core.inputOf(sender.connection);
    place.set(bytes);
    core.receive(sender.connection, bytes.length);
  };
  const message = ascii(JSON.stringify({
    action: "announce",
    info_hash: "x".repeat(20),
    peer_id: "y".repeat(20),
    offers: [],
  }));
  assert.ok(message.length < 400);
  // Pings of somebody who reads no pongs.
  for (let count = 0; count < 300; ++count) {
    const place = core.inputOf(slow.connection);
    const ping = maskedFrame(new Uint8Array(120), { opcode: 9 });
    place.set(ping);
    core.receive(slow.connection, ping.length);
  }
  input(maskedFrame(message));
  const ready = [core.nextReady(), core.nextReady(), core.nextReady()];
  assert.deepEqual(
    ready.filter((connection) => connection !== 0).sort(),
    [
      slow.connection,
      sender.connection,
    ].sort(),
  );
  assert.ok(core.isOverflowing(slow.connection) && core.isEnding(slow.connection));
  assert.equal(core.outboxSpan(slow.connection), 0);
  assert.ok(core.outboxSpan(sender.connection) > 0);
  world.harness.close(slow);
});

Deno.test("torrents of one connection are limited", () => {
  const world = new World({ settings: { maxTorrentsPerConnection: 3 } });
  const peer = world.connect();
  for (let torrent = 0; torrent < 5; ++torrent) {
    const answer = world.announce(peer, 1, { info_hash: binaryString(torrent) });
    assert.equal(answer["failure reason"] !== undefined, torrent >= 3);
  }
  world.announce(peer, 1, { info_hash: binaryString(0), event: "stopped" });
  assert.equal(world.announce(peer, 1, { info_hash: binaryString(7) }).incomplete, 1);
});

Deno.test("W43: a peer stays as long as its socket; an emptied swarm gives its memory back", () => {
  const world = new World({ connections: 600, limitMib: 64 });
  const { core } = world.connect();
  const peers = Array.from({ length: 500 }, (_, index) => {
    const peer = world.connect();
    world.announce(peer, index);
    return peer;
  });
  const sweep = () => {
    for (let shard = 0; shard < core.shardCount; ++shard) while (core.sweepStep(shard));
  };
  writeNow(world.harness.shared.memory, 100_000);
  sweep();
  assert.equal(world.counts().incomplete, 500);
  const words = new Uint32Array(world.harness.shared.memory.buffer);
  assert.ok(words[CONTROL_MAX_PEER_AGE >> 2]! < 100_000);
  for (const peer of peers) world.harness.close(peer);
  assert.deepEqual(world.counts(), { complete: 0, incomplete: 0, downloaded: 0 });
  sweep();
  writeNow(world.harness.shared.memory, 200_000);
  sweep();
  const counters = new BigUint64Array(world.harness.shared.memory.buffer);
  const counter = (number: number) => counters[(WORKERS + WORKER_COUNTERS) / 8 + number];
  assert.equal(counter(COUNT_PEERS_ADDED + KIND_WEBTORRENT), 500n);
  assert.equal(counter(COUNT_PEERS_REMOVED + KIND_WEBTORRENT), 500n);
  assert.equal(WORKER_SIZE, 4096);
});

Deno.test("memory that is full: answered, not stored; later it is", () => {
  const world = new World({ limitMib: 2, connections: 300, slices: 16 });
  const peers: Peer[] = [];
  let refused = 0;
  for (let torrent = 0; torrent < 20_000 && refused === 0; ++torrent) {
    if (torrent % 200 === 0) peers.push(world.connect());
    const peer = peers.at(-1)!;
    const sent = world.harness.say(peer, {
      action: "announce",
      info_hash: binaryString(torrent),
      peer_id: peerId(1),
    });
    if (sent.length === 0 || jsonOf(sent[0]!).incomplete === 0) ++refused;
  }
  assert.equal(refused, 1, "It fills up");
  for (const peer of peers) world.harness.close(peer);
  assert.equal(world.announce(world.connect(), 1).incomplete, 1);
});

Deno.test("memory that swarms have filled: who was there is answered, and hears of others", () => {
  const world = new World({ limitMib: 2, connections: 300, slices: 16 });
  const [one, other] = [world.connect(), world.connect()];
  world.announce(one, 1);
  world.announce(other, 2);
  let flooder = world.connect();
  let refused = 0;
  for (let torrent = 10; torrent < 20_000 && refused < 2_000; ++torrent) {
    if (torrent % 200 === 199) flooder = world.connect();
    const sent = world.harness.say(flooder, {
      action: "announce",
      info_hash: binaryString(torrent),
      peer_id: peerId(3),
    });
    assert.equal(sent.length, 1, "Nobody goes without an answer");
    if (jsonOf(sent[0]!).incomplete === 0) ++refused;
  }
  assert.equal(refused, 2_000, "It is full");
  for (let turn = 0; turn < 10; ++turn) {
    assert.equal(world.announce(one, 1, { offers: offers(1), numwant: 1 }).incomplete, 2);
    assert.equal(relaysOf(other).length, turn + 1);
  }
});
