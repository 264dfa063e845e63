/** What WebTorrent in the core does beyond one worker's good days: lists, deaf peers, deaths. */
import { strict as assert } from "node:assert";
import {
  CONNECTION_INPUT,
  CONTROL_FAULT,
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  CONTROL_WS_PARCEL_BYTES,
  COUNT_CONNECTIONS_CLOSED,
  COUNT_CONNECTIONS_OPENED,
  COUNT_SHARDS_EMPTIED,
  FAULT_NONE,
  FRAME_MESSAGE,
  FRAME_TORRENTS,
  OUTBOX_NEXT_READY,
  SHARD_GROUPS,
  SHARD_SIZE,
  SHARD_TORRENTS,
  WORKER_SLICE_FREE,
  WORKER_SLOT_FREE,
  WORKERS,
} from "../../assembly/layout.ts";
import { readCounters } from "../../server/counters.ts";
import { WsCore } from "../../wasm/ws_core.ts";
import { HASH, offers, peerId, relaysOf, World } from "./ws_world.ts";
import { binaryString, maskedFrame } from "./ws_harness.ts";

const NOWHERE = 0xffff_0000; // beyond the memory's end

Deno.test("who does not read cannot have all memory, and what they had comes back", () => {
  const limitMib = 32;
  const world = new World({ limitMib, connections: 100 });
  const deaf = Array.from({ length: 80 }, () => world.connect());
  const words = new Uint32Array(world.harness.shared.memory.buffer);
  const taken = () => words[CONTROL_WS_PARCEL_BYTES >> 2]!;
  const ping = maskedFrame(new Uint8Array(125), { opcode: 9 });
  // Each may have 262,144 bytes wait: together that would be 20 of the 32 MiB.
  for (const { core, connection } of deaf) {
    for (let count = 0; count < 1_800; ++count) {
      core.idleInput(connection).set(ping);
      core.receive(connection, ping.length);
    }
  }
  assert.ok(taken() > 7 * 1024 * 1024 && taken() <= limitMib / 4 * 1024 * 1024, `${taken()}`);
  assert.ok(deaf.some(({ core, connection }) => core.isOverflowing(connection)));
  for (const peer of deaf) world.harness.close(peer);
  assert.equal(taken(), 0);
});

Deno.test("a worker that takes a dead one's place: its peers are gone, the others' stay", () => {
  const world = new World({ workers: 2 });
  const [lost, kept] = [world.connect(0), world.connect(1)];
  world.announce(lost, 1);
  world.announce(kept, 2);
  assert.equal(world.announce(kept, 2).incomplete, 2);
  // It dies with something to send.
  const relayed = { offers: offers(1), numwant: 1 };
  const { cores, shared } = world.harness;
  const input = maskedFrame(new TextEncoder().encode(JSON.stringify({
    action: "announce",
    info_hash: HASH,
    peer_id: peerId(2),
    left: 1,
    ...relayed,
  })));
  kept.core.inputOf(kept.connection).set(input.subarray(0, 500));
  kept.core.receive(kept.connection, 500);
  kept.core.inputOf(kept.connection).set(input.subarray(500));
  kept.core.receive(kept.connection, input.length - 500);
  assert.ok(lost.core.outboxSpan(lost.connection) > 0);
  cores[0] = new WsCore(shared, { workerIndex: 0, connections: 64, slices: 64, servesHttp: false });
  world.harness.forget(lost);
  assert.equal(cores[0].nextReady(), 0);
  world.harness.deliver();
  assert.equal(world.announce(kept, 2, relayed).incomplete, 1);
  const next = world.connect(0);
  assert.equal(world.announce(next, 3).incomplete, 2);
  assert.equal(next.received.length, 1, "Nothing of the one that had its slot");
});

Deno.test("a worker comes up at once whatever the dead one left", () => {
  const connections = 24;
  const world = new World({ workers: 2, connections });
  const { cores, shared } = world.harness;
  const words = new Uint32Array(shared.memory.buffer);
  const spoil = (address: number) => words[address >> 2] = NOWHERE;
  const lost = Array.from({ length: 20 }, () => world.connect(0));
  const kept = world.connect(1);
  for (const [index, peer] of lost.entries()) {
    for (let torrent = 0; torrent < 5; ++torrent) {
      world.announce(peer, index, { info_hash: binaryString(7 * index + torrent) });
    }
  }
  world.announce(kept, 99, { info_hash: binaryString(3) });
  // Every shard that its connections are in, and of its own what they and its lists lead to.
  const first = words[CONTROL_SHARDS >> 2]!;
  const inUse = Array.from(
    { length: 1 << words[CONTROL_SHARD_BITS >> 2]! },
    (_, index) => first + index * SHARD_SIZE,
  ).filter((shard) => words[(shard + SHARD_TORRENTS) >> 2]! > 0);
  assert.ok(inUse.length > 30);
  for (const shard of inUse) spoil(shard + SHARD_GROUPS);
  spoil(lost[3]!.connection + FRAME_TORRENTS);
  spoil(lost[5]!.connection + FRAME_MESSAGE);
  spoil(lost[7]!.connection + CONNECTION_INPUT);
  spoil(lost[9]!.connection + OUTBOX_NEXT_READY);
  spoil(WORKERS + WORKER_SLICE_FREE);
  spoil(WORKERS + WORKER_SLOT_FREE);
  cores[0] = new WsCore(shared, { workerIndex: 0, connections, slices: 64, servesHttp: false });
  for (const peer of lost) world.harness.forget(peer);

  const counters = readCounters(shared.memory);
  // But for those that only the connection with the spoilt list was in.
  assert.ok(counters[COUNT_SHARDS_EMPTIED]! >= inUse.length - 5);
  assert.equal(counters[COUNT_CONNECTIONS_OPENED]! - counters[COUNT_CONNECTIONS_CLOSED]!, 1);
  assert.equal(words[CONTROL_FAULT >> 2], FAULT_NONE);
  const fresh = Array.from({ length: connections }, () => world.connect(0));
  for (const [index, peer] of fresh.entries()) world.announce(peer, index);
  assert.equal(world.announce(kept, 99).incomplete, connections + 1);
  world.announce(kept, 99, { offers: offers(10), numwant: 10 });
  assert.equal(fresh.flatMap(relaysOf).length, 10);
});
