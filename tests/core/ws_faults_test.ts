/** What WebTorrent in the core does beyond one worker's good days: lists, deaf peers, deaths. */
import { strict as assert } from "node:assert";
import { CONTROL_WS_PARCEL_BYTES } from "../../assembly/layout.ts";
import { Core } from "../../wasm/core.ts";
import { WsCore } from "../../wasm/ws_core.ts";
import { ascii } from "../support/packets.ts";
import { HASH, offers, peerId, relaysOf, World } from "./ws_world.ts";
import { jsonOf, maskedFrame } from "./ws_harness.ts";

Deno.test("W40: an answer for a torrent that is refused, and the list's own reason", () => {
  const world = new World();
  const [target, peer] = [world.connect(), world.connect()];
  world.announce(target, 1);
  world.announce(peer, 2);
  const core = new Core(world.harness.shared, { workerIndex: 1, batchSize: 1 });
  const ACCESS_BLACK = 1;
  const nobody = { ipv4: new Uint32Array(), ipv6: new Uint8Array() };
  const rules = core.beginRules(ACCESS_BLACK, 1, nobody);
  const hex = [...HASH].map((character) => character.charCodeAt(0).toString(16).padStart(2, "0"));
  const list = ascii(`${hex.join("")}\n`);
  core.input.set(list);
  assert.ok(core.readRules(rules, list.length) && core.readRules(rules, 0));
  const infoHash = Uint8Array.from(HASH, (character) => character.charCodeAt(0));
  core.writeDetails(rules, [{ infoHash, reason: 0 }], [ascii('gone: "why\\not"')]);
  core.swapRules(rules);
  const [answer, ...others] = world.harness.say(peer, {
    action: "announce",
    info_hash: HASH,
    peer_id: peerId(2),
    to_peer_id: peerId(1),
    offer_id: "o",
    answer: { type: "answer", sdp: "x" },
  }).map(jsonOf);
  assert.deepEqual(answer, {
    action: "announce",
    info_hash: HASH,
    "failure reason": 'gone: "why\\not"',
  });
  assert.deepEqual(others, []);
  assert.deepEqual(relaysOf(target), []);
});

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
