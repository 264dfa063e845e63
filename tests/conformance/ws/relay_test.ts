/** Rows of offers and answers: who gets them, and that they are the bytes that came. (C3, C4.) */
import { strict as assert } from "node:assert";
import { toText } from "../../../protocols/ws/messages.ts";
import { randomBytes } from "../../support/packets.ts";
import { announceMessage, type Json, makeOffers } from "../../support/ws_client.ts";
import { forEachSuite } from "../../support/ws_suite.ts";
import { makeSwarm, receiveAll } from "../../support/ws_swarm.ts";

/** An object with spaces, escapes and an order that a parser would not keep. */
const ODD_SDP =
  '{ "type":"offer",  "sdp":"v=0\\r\\n\\u00e9\\ud83d\\ude00 é\\/", "a":{"10":1,"2":[]} }';

forEachSuite((suite) => {
  suite.row("W7 3 offers and 1 other peer: 1 offer, byte for byte", async (context) => {
    const { client } = context;
    const swarm = await makeSwarm(context, 1);
    const peerId = randomBytes(20);
    const offers = [ODD_SDP, ODD_SDP, ODD_SDP].map((offer) =>
      `{"offer_id":${JSON.stringify(toText(randomBytes(20)))},"offer":${offer}}`
    );
    const message = announceMessage({ infoHash: swarm.infoHash, peerId });
    const text = JSON.stringify(message).replace('"offers":[]', `"offers":[${offers}]`);
    await client.sendText(text);
    assert.equal((await client.receiveJson()).action, "announce");
    const relayed = await swarm.peers[0].client.receiveText();
    assert.ok(relayed.includes(`"offer":${ODD_SDP}`), relayed);
    const { action, info_hash, peer_id, offer_id } = JSON.parse(relayed);
    assert.equal(action, "announce");
    assert.equal(info_hash, toText(swarm.infoHash));
    assert.equal(peer_id, toText(peerId));
    assert.ok(offers.some((offer) => JSON.parse(offer).offer_id === offer_id));
    for (const key of ["interval", "complete"]) assert.ok(!(key in JSON.parse(relayed)), key);
    await swarm.peers[0].client.expectQuiet();
    await client.expectQuiet();
  });

  suite.row("W8 3 offers and 5 other peers: 3 receivers", async (context) => {
    const swarm = await makeSwarm(context, 5);
    const offers = makeOffers(3);
    const sender = { infoHash: swarm.infoHash, peerId: randomBytes(20), extra: { offers } };
    await context.client.announce(sender);
    const received = await receiveAll(swarm);
    assert.ok(received.every(({ length }) => length <= 1), "One offer to one receiver");
    assert.deepEqual(
      received.flat().map(({ offer_id }) => offer_id).sort(),
      offers.map(({ offer_id }) => offer_id).sort(),
    );
    await context.client.expectQuiet();
  });

  suite.row("W9 2 offers, numwant 50: at most 2 relays", async (context) => {
    const swarm = await makeSwarm(context, 4);
    const extra = { offers: makeOffers(2), numwant: 50 };
    await context.client.announce({ infoHash: swarm.infoHash, peerId: randomBytes(20), extra });
    assert.equal((await receiveAll(swarm)).flat().length, 2);
  });

  suite.row("W10 numwant missing, a text or negative: up to 5 relays", async (context) => {
    const swarm = await makeSwarm(context, 6);
    const peerId = randomBytes(20);
    for (const numwant of [undefined, "x", -1]) {
      const extra = { offers: makeOffers(5), numwant };
      await context.client.announce({ infoHash: swarm.infoHash, peerId, extra });
      assert.equal((await receiveAll(swarm)).flat().length, 5, String(numwant));
    }
    const extra = { offers: makeOffers(5), numwant: 2 };
    await context.client.announce({ infoHash: swarm.infoHash, peerId, extra });
    assert.equal((await receiveAll(swarm)).flat().length, 2);
  });

  suite.row("W11 30 offers: capped", async (context) => {
    const swarm = await makeSwarm(context, 12);
    const extra = { offers: makeOffers(30) };
    await context.client.announce({ infoHash: swarm.infoHash, peerId: randomBytes(20), extra });
    assert.equal((await receiveAll(swarm)).flat().length, 10);
  });

  suite.row("W12 an answer reaches its peer, and nobody else", async (context) => {
    const swarm = await makeSwarm(context, 4);
    const [target] = swarm.peers;
    const [answerId, offerId] = [randomBytes(20), randomBytes(20)];
    await context.client.announce({ infoHash: swarm.infoHash, peerId: answerId });
    const answer = `{"type":"answer", "sdp":"v=0\\u000d\\n"}`;
    const text = JSON.stringify({
      action: "announce",
      info_hash: toText(swarm.infoHash),
      peer_id: toText(answerId),
      to_peer_id: toText(target.peerId),
      offer_id: toText(offerId),
      answer: 0,
    }).replace('"answer":0', `"answer":${answer}`);
    await context.client.sendText(text);
    const relayed = await target.client.receiveText();
    assert.ok(relayed.includes(`"answer":${answer}`), relayed);
    assert.deepEqual(JSON.parse(relayed), {
      action: "announce",
      info_hash: toText(swarm.infoHash),
      peer_id: toText(answerId),
      offer_id: toText(offerId),
      answer: JSON.parse(answer),
    });
    await context.client.expectQuiet();
    assert.deepEqual((await receiveAll(swarm)).flat(), []);
  });

  suite.row("W13 an answer to nobody is ignored", async (context) => {
    const swarm = await makeSwarm(context, 1);
    const { client } = context;
    for (const infoHash of [swarm.infoHash, randomBytes(20)]) {
      await client.sendJson(answerMessage({ infoHash, toPeerId: randomBytes(20) }));
    }
    // To a peer of another torrent.
    const toPeerId = swarm.peers[0].peerId;
    await client.sendJson(answerMessage({ infoHash: randomBytes(20), toPeerId }));
    await client.expectQuiet();
    await swarm.peers[0].client.expectQuiet();
  });

  suite.row("W14 a seeder that answers is still a seeder", async (context) => {
    const { client } = context;
    const swarm = await makeSwarm(context, 1);
    const peerId = randomBytes(20);
    const { infoHash } = swarm;
    const counts = await client.announce({ infoHash, peerId, extra: { left: 0 } });
    assert.deepEqual(counts, { complete: 1, incomplete: 1 });
    const toPeerId = swarm.peers[0].peerId;
    await client.sendJson({ ...answerMessage({ infoHash, toPeerId }), peer_id: toText(peerId) });
    assert.equal((await swarm.peers[0].client.receive()).kind, "answer");
    assert.deepEqual(await client.scrape(infoHash), { complete: 1, incomplete: 1, downloaded: 0 });
  });

  suite.row("W15 an answer without to_peer_id or offer_id is not relayed", async (context) => {
    const { client } = context;
    const swarm = await makeSwarm(context, 1);
    const { infoHash, peers: [{ client: target, peerId: toPeerId }] } = swarm;
    for (const key of ["to_peer_id", "offer_id"]) {
      const { [key]: _, ...message } = answerMessage({ infoHash, toPeerId });
      await client.sendJson(message);
      const marker = randomBytes(20);
      await client.sendJson({ action: "scrape", info_hash: toText(marker) });
      const next = await client.receiveJson();
      if (next.action !== "scrape") {
        assert.equal(typeof next["failure reason"], "string", JSON.stringify(next));
        assert.equal((await client.receiveJson()).action, "scrape");
      }
      await target.expectQuiet();
    }
  });

  suite.row("W21 an element without offer_id or offer is passed over", async (context) => {
    const swarm = await makeSwarm(context, 5);
    const [good] = makeOffers(1);
    const offers = [
      { offer: good.offer },
      { offer_id: toText(randomBytes(20)) },
      5,
      null,
      [],
      good,
    ];
    const sender = { infoHash: swarm.infoHash, peerId: randomBytes(20), extra: { offers } };
    await context.client.announce(sender);
    const received = (await receiveAll(swarm)).flat();
    assert.deepEqual(received.map(({ offer_id }) => offer_id), [good.offer_id]);
  });
});

function answerMessage(ids: { infoHash: Uint8Array; toPeerId: Uint8Array }): Json {
  return {
    action: "announce",
    info_hash: toText(ids.infoHash),
    peer_id: toText(randomBytes(20)),
    to_peer_id: toText(ids.toPeerId),
    offer_id: toText(randomBytes(20)),
    answer: { type: "answer", sdp: "v=0" },
  };
}
