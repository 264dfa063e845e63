/** The model itself: rows of protocols.md E with the expected bytes worked out by hand. */
import { strict as assert } from "node:assert";
import { EVENT_COMPLETED, EVENT_PAUSED, EVENT_STOPPED } from "../support/packets.ts";
import { fromHex, keyOf } from "./bytes.ts";
import { parseUrlData } from "./codec.ts";
import { type Expectation, Model } from "./model.ts";
import { type AnnounceFields, writeAnnounce, writeConnect, writeScrape } from "./packets.ts";
import { DEFAULT_LIMITS } from "./tracker.ts";

const INFO_HASH = new Uint8Array(20).fill(7);
const ID = fromHex("0102030405060708");
const CONNECT_ANSWER = fromHex("00000000 12345678 0102030405060708");

/** A model and two clients that have the connection id ID. */
function connectedModel() {
  const model = new Model(DEFAULT_LIMITS);
  const a = { address: Uint8Array.of(192, 0, 2, 1), port: 9 };
  const b = { address: Uint8Array.of(192, 0, 2, 2), port: 9 };
  for (const source of [a, b]) {
    const expectation = model.receive(writeConnect(0x12345678), source);
    assert.equal(model.check(expectation, CONNECT_ANSWER), null);
  }
  const announce = (source: typeof a, fields: Partial<AnnounceFields> = {}) =>
    model.receive(
      writeAnnounce({ connectionId: ID, infoHash: INFO_HASH, port: 6881, ...fields }),
      source,
    );
  return { model, a, b, announce };
}

function triples(model: Model, source: { address: Uint8Array; port: number }) {
  const expectation = model.receive(writeScrape(ID, [INFO_HASH]), source);
  assert.equal(expectation.kind, "scrape");
  return (expectation as Extract<Expectation, { kind: "scrape" }>).triples;
}

Deno.test("model: U1, U4 to U6 connect is judged by its bytes", () => {
  const model = new Model(DEFAULT_LIMITS);
  const source = { address: Uint8Array.of(192, 0, 2, 1), port: 9 };
  const connect = model.receive(fromHex("0000041727101980 00000000 12345678"), source);
  assert.equal(model.check(connect, CONNECT_ANSWER), null);
  assert.match(model.check(connect, null)!, /No answer/);
  assert.match(model.check(connect, fromHex("00000000 12345678 0000000000000000"))!, /id 0/);
  assert.match(model.check(connect, fromHex("00000000 12345679 0102030405060708"))!, /Transaction/);
  assert.match(model.check(connect, fromHex("00000000 12345678 010203040506070809"))!, /17 bytes/);
  const wrong = model.receive(fromHex("0000041727101981 00000000 12345678"), source);
  assert.equal(model.check(wrong, null), null);
  assert.match(model.check(wrong, CONNECT_ANSWER)!, /magic/);
});

Deno.test("model: U15 to U17 the first and the second peer", () => {
  const { model, a, b, announce } = connectedModel();
  const first = announce(a, { transactionId: 5 });
  const alone = fromHex("00000001 00000005 00000384 00000001 00000000");
  assert.equal(model.check(first, alone), null);
  const second = announce(b, { left: 0n, port: 51413 });
  const onePeer = fromHex("00000001 00000000 00000384 00000001 00000001 c0000201 1ae1");
  assert.equal(model.check(second, onePeer), null);
  assert.match(model.check(second, onePeer.subarray(0, 20))!, /0 peers/);
  const self = fromHex("00000001 00000000 00000384 00000001 00000001 c0000202 c8d5");
  assert.match(model.check(second, self)!, /itself/);
  const stranger = fromHex("00000001 00000000 00000384 00000001 00000001 c0000203 c8d5");
  assert.match(model.check(second, stranger)!, /192.0.2.3:51413 is not in the swarm/);
  assert.equal(
    model.check(announce(a, { transactionId: 5, numWant: 0 }), alone),
    "Leechers 1, " +
      "seeders 0 instead of 1, 1",
  );
});

Deno.test("model: U18 to U22 completed is counted once, stopped removes and never creates", () => {
  const { model, a, b, announce } = connectedModel();
  announce(a, { event: EVENT_STOPPED });
  assert.equal(model.torrents.byInfoHash.size, 0);
  announce(a, { left: 5n });
  announce(a, { left: 0n });
  assert.deepEqual(triples(model, b), [[1, 0, 0]]);
  announce(a, { left: 0n, event: EVENT_COMPLETED });
  announce(a, { left: 0n, event: EVENT_COMPLETED });
  assert.deepEqual(triples(model, b), [[1, 1, 0]]);
  announce(b, { left: 7n, event: EVENT_COMPLETED });
  assert.deepEqual(triples(model, b), [[1, 1, 1]]);
  const stopped = announce(a, { left: 0n, event: EVENT_STOPPED });
  const oneLeecher = fromHex("00000001 00000000 00000384 00000001 00000000");
  assert.equal(model.check(stopped, oneLeecher), null);
  assert.deepEqual(triples(model, b), [[0, 1, 1]]);
});

Deno.test("model: U23 a partial seed counts as leecher and is not handed to seeders first", () => {
  const { model, a, b, announce } = connectedModel();
  announce(a, { event: EVENT_PAUSED, port: 1 });
  announce(a, { port: 2 });
  const seeder = announce(b, { left: 0n, numWant: 1 });
  const answer = (port: string) =>
    fromHex(`00000001 00000000 00000384 00000002 00000001 c0000201 ${port}`);
  assert.equal(model.check(seeder, answer("0002")), null);
  assert.match(model.check(seeder, answer("0001"))!, /0 leechers, 1 were there/);
});

Deno.test("model: U7 to U13 connection ids are bound to address and age", () => {
  const { model, a, b, announce } = connectedModel();
  const stranger = { address: Uint8Array.of(192, 0, 2, 77), port: 9 };
  assert.equal(announce(stranger).kind, "silence");
  assert.equal(announce({ ...b, port: 1234 }).kind, "announce");
  model.setNow(120);
  assert.equal(announce(a).kind, "announce");
  model.setNow(121);
  assert.equal(announce(a).kind, "error");
  model.setNow(65536);
  assert.equal(announce(a).kind, "silence");
});

Deno.test("model: U34 to U38 URLData is joined, and what is malformed ends it", () => {
  const urlData = (options: string) => {
    const packet = writeAnnounce({
      connectionId: ID,
      infoHash: INFO_HASH,
      port: 1,
      options: fromHex(options),
    });
    return new TextDecoder("latin1").decode(parseUrlData(packet));
  };
  assert.equal(urlData("02 0c 2f6469723f613d6226633d64 01 01 00 ffff"), "/dir?a=b&c=d");
  assert.equal(urlData("02 01 41 09 02 ffff 02 02 4243"), "ABC");
  assert.equal(urlData("02 01 41 02 ff 41"), "A");
  assert.equal(urlData("76 00 00"), "");
  assert.equal(urlData("02 00"), "");
  assert.equal(urlData("02"), "");
});

Deno.test("model: U52 the access list decides by its mode", () => {
  const { model, a, announce } = connectedModel();
  model.loadAccessList("black", [INFO_HASH]);
  assert.equal(announce(a).kind, "error");
  model.loadAccessList("white", [INFO_HASH]);
  assert.equal(announce(a).kind, "announce");
  model.loadAccessList("white", []);
  assert.equal(announce(a).kind, "error");
});

Deno.test("model: U56 a silent peer goes with the first sweep past its age", () => {
  const { model, a, announce } = connectedModel();
  announce(a, { left: 0n, event: EVENT_COMPLETED });
  model.setNow(1800);
  model.sweep();
  assert.equal(model.totals().ipv4Peers, 1);
  model.setNow(1801);
  assert.equal(model.totals().ipv4Peers, 1);
  model.sweep();
  assert.deepEqual(model.totals(), { torrents: 0, ipv4Peers: 0, ipv6Peers: 0, completed: 1 });
  assert.equal(model.torrents.get(keyOf(INFO_HASH)), undefined);
});
