/** WebTorrent under an access list (W40), at once and after a list has been replaced. */
import { strict as assert } from "node:assert";
import { ACCESS_BLACK, ACCESS_OFF, ACCESS_WHITE } from "../../assembly/layout.ts";
import { Core, type Rules } from "../../wasm/core.ts";
import { ascii } from "../support/packets.ts";
import { HASH, offers, peerId, relaysOf, World } from "./ws_world.ts";
import { binaryString, jsonOf } from "./ws_harness.ts";

const NOBODY = { ipv4: new Uint32Array(), ipv6: new Uint8Array() };

/** Rules of that mode with these torrents listed, not yet in force. */
function rulesOf(core: Core, mode: number, hashes: string[]): Rules {
  const rules = core.beginRules(mode, hashes.length, NOBODY);
  for (const hash of hashes) {
    const hex = Array.from(
      hash,
      (character) => character.charCodeAt(0).toString(16).padStart(2, "0"),
    );
    const line = ascii(`${hex.join("")}\n`);
    core.input.set(line);
    assert.ok(core.readRules(rules, line.length));
  }
  assert.ok(core.readRules(rules, 0));
  return rules;
}

/** A world, and a core beside its worker that loads lists and sweeps, as the housekeeper does. */
function worldWithKeeper(): { world: World; keeper: Core } {
  const world = new World({ connections: 400 });
  return { world, keeper: new Core(world.harness.shared, { workerIndex: 1, batchSize: 1 }) };
}

Deno.test("W40: a torrent that is not allowed", () => {
  const world = new World();
  const peer = world.connect();
  const { core } = peer;
  core.swapRules(rulesOf(core, ACCESS_WHITE, []));
  const answer = world.announce(peer, 1);
  assert.deepEqual(answer, {
    action: "announce",
    info_hash: HASH,
    "failure reason": "torrent not allowed",
  });
  assert.ok(!core.isEnding(peer.connection));
});

Deno.test("W40: an answer for a torrent that is refused, and the list's own reason", () => {
  const world = new World();
  const [target, peer] = [world.connect(), world.connect()];
  world.announce(target, 1);
  world.announce(peer, 2);
  const core = new Core(world.harness.shared, { workerIndex: 1, batchSize: 1 });
  const rules = rulesOf(core, ACCESS_BLACK, [HASH]);
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

Deno.test("a torrent that a new list refuses: its sockets leave it with the next sweep", () => {
  const { world, keeper } = worldWithKeeper();
  const other = binaryString(2);
  const peers = Array.from({ length: 300 }, (_, id) => {
    const peer = world.connect();
    world.announce(peer, id);
    if (id < 3) world.announce(peer, id, { info_hash: other });
    return peer;
  });
  const sweep = () => {
    for (let shard = 0; shard < keeper.shardCount; ++shard) while (keeper.sweepStep(shard));
  };
  const open = rulesOf(keeper, ACCESS_OFF, []);
  keeper.swapRules(rulesOf(keeper, ACCESS_BLACK, [HASH]));
  assert.equal(world.announce(peers[0]!, 0)["failure reason"], "torrent not allowed");
  sweep();
  keeper.swapRules(open);
  assert.deepEqual(world.counts(), { complete: 0, incomplete: 0, downloaded: 0 });
  assert.equal(world.counts(other).incomplete, 3, "The other torrent keeps its own");
  // Whoever is still connected may come back, is counted once, and leaves with its socket.
  for (const id of [0, 1, 1]) world.announce(peers[id]!, id, { offers: offers(1), numwant: 1 });
  assert.equal(world.counts().incomplete, 2);
  assert.equal(relaysOf(peers[0]!).filter(({ offer }) => offer !== undefined).length, 2);
  peers.forEach((peer) => world.harness.close(peer));
  assert.equal(world.counts().incomplete, 0);
  assert.equal(world.counts(other).incomplete, 0);
});

Deno.test("a scrape tells nothing of a torrent that is refused", () => {
  const { world, keeper } = worldWithKeeper();
  const peer = world.connect();
  const allowed = binaryString(2);
  world.announce(peer, 1);
  world.announce(peer, 1, { info_hash: allowed });
  const scrape = (hashes: string | string[]) =>
    jsonOf(world.harness.say(peer, { action: "scrape", info_hash: hashes })[0]!);
  const none = { complete: 0, incomplete: 0, downloaded: 0 };
  const one = { ...none, incomplete: 1 };
  assert.deepEqual(scrape([HASH, allowed]).files, { [HASH]: one, [allowed]: one });
  keeper.swapRules(rulesOf(keeper, ACCESS_BLACK, [HASH]));
  assert.deepEqual(scrape([HASH, allowed]).files, { [HASH]: none, [allowed]: one });
  assert.deepEqual(scrape([]).files, {});
  for (const hashes of [HASH, [HASH]]) {
    assert.deepEqual(scrape(hashes), {
      action: "scrape",
      "failure reason": "torrent not allowed",
    });
  }
  keeper.swapRules(rulesOf(keeper, ACCESS_WHITE, [HASH]));
  assert.deepEqual(scrape([HASH, allowed]).files, { [HASH]: one, [allowed]: none });
});
