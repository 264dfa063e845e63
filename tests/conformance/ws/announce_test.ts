/** Rows of announces: who is in a swarm, and what the answers count. (C2–C5.) */
import { strict as assert } from "node:assert";
import { toText } from "../../../protocols/ws/messages.ts";
import { HAS_IPV6 } from "../../support/configuration.ts";
import { elapse } from "../../support/deadline.ts";
import { randomBytes } from "../../support/packets.ts";
import { announceMessage, makeOffers } from "../../support/ws_client.ts";
import { forEachSuite } from "../../support/ws_suite.ts";

/** 20 bytes with everything that JSON spells in a way of its own. */
const AWKWARD = Uint8Array.of(...[0, 34, 92, 127, 255, 8, 9, 10, 12, 13, 31, 32, 47, 128, 160], ...[
  0xc3,
  0xa9,
  0xad,
  0xfe,
  1,
]);

/** Spells every character as an escape, with digits of either case. */
function escaped(bytes: Uint8Array): string {
  return Array.from(bytes, (byte, index) => {
    const digits = byte.toString(16).padStart(4, "0");
    return `\\u${index % 2 === 0 ? digits : digits.toUpperCase()}`;
  }).join("");
}

forEachSuite((suite) => {
  suite.row("W3 started: action, info hash, counts, integer interval, no peer id", async (row) => {
    const infoHash = randomBytes(20);
    await row.client.sendAnnounce({ infoHash, peerId: randomBytes(20) });
    const { interval, ...answer } = await row.client.receiveJson();
    assert.ok(Number.isInteger(interval) && Number(interval) >= 1);
    const expected = {
      action: "announce",
      info_hash: toText(infoHash),
      complete: 0,
      incomplete: 1,
    };
    for (const [key, value] of Object.entries(expected)) assert.equal(answer[key], value, key);
    assert.ok(!("peer_id" in answer));
  });

  suite.row("W4 a hash in raw UTF-8 and in escapes is one swarm", async ({ client, open }) => {
    const infoHash = AWKWARD.slice();
    infoHash.set(randomBytes(2), 18);
    const plain = { infoHash, peerId: randomBytes(20) };
    assert.deepEqual(await client.announce(plain), { complete: 0, incomplete: 1 });
    const other = await open();
    const text = JSON.stringify(announceMessage({ infoHash, peerId: randomBytes(20) }));
    const spelled = JSON.stringify(toText(infoHash));
    await other.sendText(text.replace(spelled, `"${escaped(infoHash)}"`));
    const answer = await other.receiveJson();
    assert.equal(answer.info_hash, toText(infoHash));
    assert.equal(answer.incomplete, 2);
  });

  suite.row("W5 an info hash of another length, or with U+0100, is refused", async (row) => {
    const { client } = row;
    for (const text of ["x".repeat(19), "x".repeat(21), "x".repeat(19) + "\u0100", ""]) {
      const message = announceMessage({ infoHash: randomBytes(20), peerId: randomBytes(20) });
      await client.refusal({ ...message, info_hash: text });
      await client.refusal({ ...message, peer_id: text });
    }
    await client.expectQuiet();
  });

  suite.row("W6 20 characters may be 40 bytes of UTF-8", async ({ client }) => {
    const infoHash = randomBytes(20).map((byte) => byte | 0x80);
    const peerId = randomBytes(20).map((byte) => byte | 0x80);
    assert.equal((await client.announce({ infoHash, peerId })).incomplete, 1);
  });

  suite.row("W16 left: null, missing, -1 or a text is a leecher's", async ({ client }) => {
    for (const left of [null, undefined, -1, "5", 1e300, 0.5]) {
      const infoHash = randomBytes(20);
      const counts = await client.announce({
        infoHash,
        peerId: randomBytes(20),
        extra: { left },
      });
      assert.deepEqual(counts, { complete: 0, incomplete: 1 }, String(left));
    }
    const seeder = { infoHash: randomBytes(20), peerId: randomBytes(20), extra: { left: 0 } };
    assert.deepEqual(await client.announce(seeder), { complete: 1, incomplete: 0 });
  });

  suite.row("W17 an unknown event is an update", async ({ client }) => {
    const infoHash = randomBytes(20);
    const peerId = randomBytes(20);
    for (const event of ["<regular>", "paused", "update", "", null, 5, undefined]) {
      const counts = await client.announce({ infoHash, peerId, extra: { event } });
      assert.deepEqual(counts, { complete: 0, incomplete: 1 }, String(event));
    }
  });

  suite.row("W18 completed: counted, answered, nothing relayed", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const other = await open();
    await other.announce({ infoHash, peerId: randomBytes(20) });
    const peer = { infoHash, peerId: randomBytes(20) };
    assert.deepEqual(await client.announce(peer), { complete: 0, incomplete: 2 });
    const counts = await client.announce({
      ...peer,
      extra: { event: "completed", left: 0, offers: undefined },
    });
    assert.deepEqual(counts, { complete: 1, incomplete: 1 });
    const scraped = await client.scrape(infoHash);
    assert.equal(scraped.downloaded, 1);
    await other.expectQuiet();
  });

  suite.row("W19 stopped: removed, answered, no offers any more", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const peer = { infoHash, peerId: randomBytes(20) };
    const other = await open();
    await client.announce(peer);
    const last = await client.announce({ ...peer, extra: { event: "stopped", offers: undefined } });
    assert.deepEqual(last, { complete: 0, incomplete: 0 });
    const extra = { offers: makeOffers(3) };
    await other.announce({ infoHash, peerId: randomBytes(20), extra });
    await client.expectQuiet();
  });

  suite.row("W20 offers of null, or an object: answered", async ({ client }) => {
    for (const offers of [null, {}, 5, "x", undefined]) {
      const announce = { infoHash: randomBytes(20), peerId: randomBytes(20), extra: { offers } };
      assert.equal((await client.announce(announce)).incomplete, 1);
    }
  });

  suite.row("W22 two torrents and two peer ids on a socket", async ({ client, open }) => {
    const [first, second] = [randomBytes(20), randomBytes(20)];
    const other = await open();
    await other.announce({ infoHash: first, peerId: randomBytes(20) });
    await other.announce({ infoHash: second, peerId: randomBytes(20) });
    assert.deepEqual(await client.scrape(first), { complete: 0, incomplete: 1, downloaded: 0 });
    await other.closeInOrder();
    for (const infoHash of [first, second]) {
      assert.equal((await client.scrape(infoHash)).incomplete, 0);
    }
  });

  suite.row("W23 a second peer id for a torrent replaces the first", async ({ client }) => {
    const infoHash = randomBytes(20);
    for (let count = 0; count < 3; count++) {
      const counts = await client.announce({ infoHash, peerId: randomBytes(20) });
      assert.deepEqual(counts, { complete: 0, incomplete: 1 });
    }
  });

  suite.row("W24 a new socket takes over, and the old one's end is not its", async (row) => {
    const peer = { infoHash: randomBytes(20), peerId: randomBytes(20) };
    const old = await row.open();
    await old.announce(peer);
    assert.deepEqual(await row.client.announce(peer), { complete: 0, incomplete: 1 });
    old.close();
    await elapse(200);
    const counts = await row.client.scrape(peer.infoHash);
    assert.equal(counts.incomplete, 1);
    const other = await row.open();
    const extra = { offers: makeOffers(1) };
    await other.announce({ infoHash: peer.infoHash, peerId: randomBytes(20), extra });
    assert.equal((await row.client.receive()).kind, "offer");
  });

  suite.row("W25 a socket that goes without a word: counted no more", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    for (let count = 0; count < 5; count++) {
      const other = await open();
      await other.announce({ infoHash, peerId: randomBytes(20) });
      other.close();
    }
    const end = performance.now() + 2000;
    while ((await client.scrape(infoHash)).incomplete !== 0) {
      assert.ok(performance.now() < end, "Gone at once");
    }
  });

  suite.row("W41 peers of both families are one swarm", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const sixth = await open({ hostname: "::1" });
    const fourth = await open();
    await client.announce({ infoHash, peerId: randomBytes(20) });
    await fourth.announce({ infoHash, peerId: randomBytes(20) });
    const extra = { offers: makeOffers(2) };
    const counts = await sixth.announce({ infoHash, peerId: randomBytes(20), extra });
    assert.deepEqual(counts, { complete: 0, incomplete: 3 });
    for (const peer of [client, fourth]) assert.equal((await peer.receive()).kind, "offer");
  }, { ignore: !HAS_IPV6 });

  suite.ownRow("W43 a silent peer stays as long as its socket answers pings", {
    configuration: {
      network: { websocket_ping_interval: 1 },
      cleaning: { max_peer_age: 2, torrent_cleaning_interval: 1 },
    },
  }, async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const silent = await open();
    await silent.announce({ infoHash, peerId: randomBytes(20) });
    const reading = silent.untilEnded(30_000); // Answers pings, and does nothing else.
    const end = performance.now() + 6000;
    while (performance.now() < end) {
      await elapse(500);
      assert.equal((await client.scrape(infoHash)).incomplete, 1);
    }
    silent.close();
    await reading;
  });
});
