/** WebTorrent's rules in the core (protocols.md C3 to C5), rows W3 to W42. */
import { strict as assert } from "node:assert";
import { type Fields, HASH, offers, peerId, relaysOf, World } from "./ws_world.ts";
import { binaryString, description, jsonOf, textOf } from "./ws_harness.ts";

Deno.test("W3: the first announce is told of itself alone", () => {
  const world = new World();
  assert.deepEqual(world.announce(world.connect(), 1, { event: "started", offers: [] }), {
    action: "announce",
    info_hash: HASH,
    complete: 0,
    incomplete: 1,
    interval: 120,
  });
});

Deno.test("W4: a hash in every spelling of JSON is the same swarm, and echoed as it came", () => {
  const world = new World();
  const escaped = [...HASH].map((character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  }).join("");
  const spellings = [
    JSON.stringify(HASH),
    `"${escaped}"`,
    `"${escaped.toUpperCase()}"`
      .replaceAll("\\U", "\\u"),
  ];
  const peers = spellings.map(() => world.connect());
  spellings.forEach((text, index) => {
    const [sent] = world.harness.say(
      peers[index]!,
      `{"action":"announce","info_hash":${text},"peer_id":${JSON.stringify(peerId(index))}}`,
    );
    assert.ok(textOf(sent!).includes(text), "Echoed as it came");
    assert.deepEqual(jsonOf(sent!).info_hash, HASH);
    assert.equal(jsonOf(sent!).incomplete, index + 1);
  });
});

Deno.test("W5, W6: 20 characters of one byte each, and nothing else", () => {
  const world = new World();
  const peer = world.connect();
  for (
    const hash of [
      "a".repeat(19),
      "a".repeat(21),
      `${"a".repeat(19)}\u0100`,
      "\u00e9".repeat(19),
      "",
      `${"a".repeat(18)}\u{1d11e}`,
      5,
      null,
      {},
      [],
      [HASH],
    ]
  ) {
    const [answer] = world.harness.say(peer, {
      action: "announce",
      info_hash: hash,
      peer_id: peerId(1),
    }).map(jsonOf);
    assert.match(answer["failure reason"], /info_hash/, String(hash));
  }
  assert.equal(world.announce(peer, 1, { info_hash: "\u00e9".repeat(20) }).incomplete, 1);
  assert.ok(!peer.core.isEnding(peer.connection));
});

for (
  const [count, others, fields, expected] of [
    [3, 1, {}, 1],
    [3, 5, {}, 3],
    [2, 5, { numwant: 50 }, 2],
    [5, 8, {}, 5],
    [5, 8, { numwant: "x" }, 5],
    [5, 8, { numwant: -1 }, 5],
    [5, 8, { numwant: 2 }, 2],
    [5, 8, { numwant: 0 }, 0],
    [30, 20, {}, 10],
    [5, 8, { event: "completed", left: 0 }, 0],
    [5, 8, { event: "stopped" }, 0],
  ] as [number, number, Fields, number][]
) {
  const text = JSON.stringify(fields);
  Deno.test(`W7–W11: ${count} offers, ${others} others, ${text}: ${expected}`, () => {
    const world = new World({ workers: 2 });
    const receivers = Array.from({ length: others }, (_, index) => {
      const peer = world.connect(index % 2);
      world.announce(peer, index);
      return peer;
    });
    const sender = world.connect();
    const sent = offers(count);
    world.announce(sender, 100, { ...fields, offers: sent });
    assert.equal(sender.received.length, 1, "None to the sender");
    const got = receivers.flatMap((peer) => {
      const relays = relaysOf(peer);
      assert.ok(relays.length <= 1, "One offer to one receiver");
      return relays;
    });
    assert.equal(got.length, expected);
    for (const relay of got) {
      const offer = sent.find(({ offer_id }) => offer_id === relay.offer_id);
      assert.deepEqual(relay, {
        action: "announce",
        info_hash: HASH,
        peer_id: peerId(100),
        ...offer,
      });
    }
    assert.equal(new Set(got.map(({ offer_id }) => offer_id)).size, got.length);
  });
}

Deno.test("W7: an offer is relayed byte for byte", () => {
  const world = new World();
  const receiver = world.connect();
  world.announce(receiver, 1);
  const offer =
    '{ "sdp" :"\\u0041\\r\\n\\ud834é€","x":[1e5,-0.0,true,null,{"y":{}}],\t"type":"offer"}';
  world.harness.say(
    world.connect(),
    `{"offers":[{"offer":${offer},"offer_id":"\\u0061b"}],"peer_id":${
      JSON.stringify(peerId(2))
    },"info_hash":${JSON.stringify(HASH)},"action":"announce"}`,
  );
  const text = textOf(receiver.received[1]!);
  assert.equal(
    text,
    `{"action":"announce","info_hash":${JSON.stringify(HASH)},"peer_id":${
      JSON.stringify(peerId(2))
    },"offer_id":"\\u0061b","offer":${offer}}`,
  );
});

Deno.test("W12, W14: an answer reaches its target alone, and changes nothing", () => {
  const world = new World({ workers: 2 });
  const [target, answerer, other] = [world.connect(0), world.connect(1), world.connect(1)];
  world.announce(target, 1);
  world.announce(answerer, 2, { left: 0 });
  world.announce(other, 3);
  const answer = {
    action: "announce",
    info_hash: HASH,
    peer_id: peerId(2),
    to_peer_id: peerId(1),
    offer_id: binaryString(9, "o"),
    answer: description("answer", 900),
  };
  assert.deepEqual(world.harness.say(answerer, answer), []);
  const { to_peer_id: _, ...relayed } = answer;
  assert.deepEqual(relaysOf(target), [relayed]);
  assert.deepEqual(relaysOf(other), []);
  assert.deepEqual(world.counts(), { complete: 1, incomplete: 2, downloaded: 0 });
});

Deno.test("W13, W15: answers to nobody, from nobody, or without what they need", () => {
  const world = new World();
  const [target, answerer] = [world.connect(), world.connect()];
  world.announce(target, 1);
  world.announce(answerer, 2);
  const whole: Fields = {
    action: "announce",
    info_hash: HASH,
    peer_id: peerId(2),
    to_peer_id: peerId(1),
    offer_id: binaryString(9, "o"),
    answer: description("answer", 300),
  };
  for (
    const change of [{ to_peer_id: peerId(77) }, { peer_id: peerId(3) }, {
      info_hash: binaryString(8),
    }]
  ) {
    assert.deepEqual(world.harness.say(answerer, { ...whole, ...change }), []);
  }
  for (const name of ["to_peer_id", "offer_id", "answer"]) {
    const [answer] = world.harness.say(answerer, { ...whole, [name]: undefined }).map(jsonOf);
    assert.match(answer["failure reason"], /answer/, name);
    assert.equal(answer.info_hash, HASH);
  }
  assert.deepEqual(relaysOf(target), []);
  assert.ok(!answerer.core.isEnding(answerer.connection));
  assert.deepEqual(world.counts(), { complete: 0, incomplete: 2, downloaded: 0 });
});

Deno.test("W16: only the number 0 is a seeder", () => {
  const world = new World();
  const lefts: [string, number][] = [
    ["null", 0],
    ["-1", 0],
    ['"5"', 0],
    ['"0"', 0],
    ["[]", 0],
    ["0.5", 0],
    ["9223372036854775807", 0],
    ["1e400", 0],
    ["0", 1],
    ["-0", 1],
    ["0.000", 1],
    ["0e5", 1],
    ["0E-1", 1],
  ];
  for (const [left, complete] of lefts) {
    const peer = world.connect();
    const [answer] = world.harness.say(
      peer,
      `{"action":"announce","info_hash":${JSON.stringify(HASH)},"peer_id":${
        JSON.stringify(peerId(1))
      },"left":${left}}`,
    ).map(jsonOf);
    assert.equal(answer.complete, complete, left);
    assert.equal(answer.incomplete, 1 - complete, left);
    world.harness.close(peer);
  }
  assert.equal(world.announce(world.connect(), 5, { left: undefined }).incomplete, 1);
});

Deno.test("W17: whatever event it is, it is an announce", () => {
  const world = new World();
  const peer = world.connect();
  for (const event of ["<regular>", "paused", "update", "", null, "empty", 7, {}]) {
    assert.equal(world.announce(peer, 1, { event }).incomplete, 1, String(event));
  }
});

Deno.test("W18, W19: completed is counted once, stopped removes", () => {
  const world = new World();
  const [one, two] = [world.connect(), world.connect()];
  world.announce(one, 1);
  world.announce(two, 2);
  const done = { event: "completed", left: 0, offers: offers(3) };
  for (let time = 0; time < 2; ++time) {
    const answer = world.announce(two, 2, done);
    assert.deepEqual([answer.complete, answer.incomplete], [1, 1]);
  }
  assert.deepEqual(relaysOf(one), []);
  assert.deepEqual(world.counts(), { complete: 1, incomplete: 1, downloaded: 1 });
  const answer = world.announce(two, 2, { event: "stopped", left: 0 });
  assert.deepEqual([answer.complete, answer.incomplete], [0, 1]);
  world.announce(one, 1, { offers: offers(2) });
  assert.deepEqual(relaysOf(two), []);
  assert.equal(two.core.torrentsOf(two.connection), 0);
});

Deno.test("W20, W21: offers that are none", () => {
  const world = new World();
  const [receiver, sender] = [world.connect(), world.connect()];
  world.announce(receiver, 1);
  const good = offers(1)[0]!;
  for (const list of [null, {}, 5, "x", [null, 5, [], {}, [good]]]) {
    world.announce(sender, 2, { offers: list });
  }
  world.announce(sender, 2, { offers: [{ offer: good.offer }] });
  world.announce(sender, 2, { offers: [{ offer_id: 5, offer: good.offer }] });
  world.announce(sender, 2, { offers: [{ offer_id: good.offer_id }] });
  world.announce(sender, 2, { offers: [{ ...good, offer: { type: "offer" } }] });
  world.announce(sender, 2, { offers: [{ ...good, offer: "sdp" }] });
  assert.deepEqual(relaysOf(receiver), []);
  world.announce(sender, 2, { offers: [{ offer_id: good.offer_id }, good] });
  assert.equal(relaysOf(receiver).length, 1);
});

Deno.test("W22, W25: one socket, two torrents, two peer ids; its end removes both", () => {
  const world = new World();
  const peer = world.connect();
  const other = binaryString(2);
  world.announce(peer, 1);
  world.announce(peer, 2, { info_hash: other, left: 0 });
  assert.equal(peer.core.torrentsOf(peer.connection), 2);
  assert.equal(world.counts().incomplete, 1);
  assert.equal(world.counts(other).complete, 1);
  world.harness.close(peer);
  assert.deepEqual(world.counts(), { complete: 0, incomplete: 0, downloaded: 0 });
  assert.equal(world.counts(other).complete, 0);
});

Deno.test("W23: a second peer id in one torrent takes the place of the first", () => {
  const world = new World();
  const peer = world.connect();
  world.announce(peer, 1);
  assert.equal(world.announce(peer, 2).incomplete, 1);
  world.announce(world.connect(), 3, { offers: offers(3) });
  assert.equal(relaysOf(peer).length, 1);
  assert.equal(world.announce(peer, 4, { event: "stopped" }).incomplete, 1);
});

Deno.test("W24: a new socket takes a peer over, and the old one's end leaves it", () => {
  const world = new World({ workers: 2 });
  const [before, after] = [world.connect(0), world.connect(1)];
  world.announce(before, 1);
  assert.equal(world.announce(after, 1).incomplete, 1);
  assert.equal(world.announce(before, 1, { event: "stopped", peer_id: peerId(9) }).incomplete, 1);
  world.harness.close(before);
  assert.equal(world.counts().incomplete, 1);
  world.announce(world.connect(), 2, { offers: offers(1) });
  assert.equal(relaysOf(after).length, 1);
  world.harness.close(after);
  assert.equal(world.counts().incomplete, 1, "The one that offered");
});

Deno.test("a relay to a connection whose slot is another's now reaches nobody", () => {
  const world = new World({ connections: 3 });
  const [target, sender] = [world.connect(), world.connect()];
  world.announce(target, 1);
  world.announce(sender, 2);
  world.harness.close(target);
  const next = world.connect();
  assert.equal(next.connection, target.connection, "The same slot");
  world.announce(sender, 2, { offers: offers(2) });
  assert.deepEqual(next.received, []);
});

Deno.test("W26, W27, W42: scrapes", () => {
  const world = new World();
  const peer = world.connect();
  world.announce(peer, 1);
  const scrape = (info_hash: unknown) =>
    jsonOf(world.harness.say(peer, { action: "scrape", info_hash })[0]!);
  const one = { complete: 0, incomplete: 1, downloaded: 0 };
  const none = { complete: 0, incomplete: 0, downloaded: 0 };
  const unknown = binaryString(9);
  assert.deepEqual(scrape(HASH), { action: "scrape", files: { [HASH]: one } });
  assert.deepEqual(scrape([HASH, unknown, HASH]).files, { [HASH]: one, [unknown]: none });
  assert.deepEqual(scrape([]).files, {});
  const many = Array.from({ length: 150 }, (_, index) => binaryString(index));
  assert.equal(Object.keys(scrape(many).files).length, 100);
  for (const hash of [undefined, null, 5, [HASH, 5], "x"]) {
    const answer = scrape(hash);
    assert.equal(answer.action, "scrape");
    assert.ok(answer["failure reason"]);
  }
});

Deno.test("W28, W29: what is no message is told so, and the socket stays", () => {
  const world = new World();
  const peer = world.connect();
  const bad = [
    "",
    " ",
    "[]",
    "5",
    '"x"',
    "{",
    "{}",
    '{"action":"foo"}',
    '{"action":5}',
    '{"action":"announce"}',
    '{"action":"announce"}x',
    '{"action":"scrape","info_hash":[],}',
    '{"action":"scrape","info_hash":[],"x":01}',
    '{"action":"scrape","info_hash":[],"x":"\\x"}',
    '{"action":"scrape","info_hash":[],"x":"\n"}',
    '{"action":"scrape","info_hash":[],"x":"\\u12g4"}',
    '{"action":"scrape","info_hash":[],"x":tru}',
    '{"action":"scrape","info_hash":[],"x":[1,]}',
    '{"action":"scrape","info_hash":[],"x":[1}',
    '{"action":"scrape","info_hash":[],"x":{"a"}}',
    '{"action":"scrape","info_hash":[],"x":-}',
    '{"action":"scrape","info_hash":[],"x":1.}',
    '{"action":"scrape","info_hash":[],"x":1e}',
    '{"action":"scrape","info_hash":[] "x":1}',
    `{"x":${"[".repeat(40)}${"]".repeat(40)},"action":"scrape","info_hash":[]}`,
  ];
  for (const text of bad) {
    const [answer] = world.harness.say(peer, text).map(jsonOf);
    assert.deepEqual(Object.keys(answer), ["failure reason"], text);
  }
  const good = [
    '{"\\u0061ction":"scr\\u0061pe","info_hash":[]}',
    '{"action":"announce","action":"scrape","info_hash":5,"info_hash":[]}',
    ' {\t"action"\r\n: "scrape" , "info_hash" : [ ] , "x" : [ { } , -1.5e+7 , "\\ud800" ] } \n',
    `{"x":${"[".repeat(31)}${"]".repeat(31)},"action":"scrape","info_hash":[]}`,
    `{"x":${"9".repeat(1000)},"action":"scrape","info_hash":[]}`,
  ];
  for (const text of good) {
    assert.deepEqual(world.harness.say(peer, text).map(jsonOf), [{ action: "scrape", files: {} }]);
  }
  assert.ok(!peer.core.isEnding(peer.connection));
});
