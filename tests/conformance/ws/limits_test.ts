/** Who is refused or disconnected, and that nobody else waits: W35 and the limits. (Issue 6.) */
import { strict as assert } from "node:assert";
import { toText } from "../../../protocols/ws/messages.ts";
import { elapse } from "../../support/deadline.ts";
import { HttpConnection } from "../../support/http_client.ts";
import { parseResponses } from "../../support/http_messages.ts";
import { randomBytes } from "../../support/packets.ts";
import { announceMessage, makeOffers, WsConnection } from "../../support/ws_client.ts";
import { forEachSuite, WsSuite } from "../../support/ws_suite.ts";

const REQUEST_TIMEOUT = 2;
/** Connections are looked at once a second; and machines are busy. */
const SLACK = 3;

forEachSuite((suite) => {
  const impatient = { configuration: { network: { request_timeout: REQUEST_TIMEOUT } } };

  suite.ownRow(
    "W35 a peer that never reads: bounded, gone, others go on",
    impatient,
    async (row) => {
      const { client, open } = row;
      const infoHash = randomBytes(20);
      const deaf = await open();
      await deaf.announce({ infoHash, peerId: randomBytes(20) });
      const peerId = randomBytes(20);
      const end = performance.now() + 30_000;
      const extra = { offers: makeOffers(1, 100_000) };
      for (let incomplete = 2; incomplete > 1;) {
        assert.ok(performance.now() < end, "It is gone within 30 seconds");
        ({ incomplete } = await client.announce({ infoHash, peerId, extra }));
      }
      await client.expectQuiet();
    },
  );

  suite.ownRow("an upgrade or a message that is not finished is gone", impatient, async (row) => {
    const deadlineMs = (REQUEST_TIMEOUT + SLACK) * 1000;
    await using half = await HttpConnection.open(row.server.endpoint());
    await half.send("GET / HTTP/1.1\r\nUpgrade: websocket\r\n");
    await using silent = await HttpConnection.open(row.server.endpoint());
    const begun = await row.open();
    await begun.send(Uint8Array.of(0x81));
    const patient = await row.open();
    const since = performance.now();
    await begun.untilEnded(deadlineMs);
    assert.ok(performance.now() - since > (REQUEST_TIMEOUT - 1) * 1000, "Not too early");
    for (const connection of [half, silent]) {
      const responses = parseResponses(await connection.readRest(deadlineMs));
      for (const { status } of responses) assert.equal(status, 408);
    }
    await patient.expectQuiet();
  });

  suite.ownRow("max_torrents_per_connection: more are refused", {
    configuration: { network: { max_torrents_per_connection: 3 } },
  }, async ({ client, open }) => {
    const peerId = randomBytes(20);
    const hashes = Array.from({ length: 3 }, () => randomBytes(20));
    for (const infoHash of hashes) await client.announce({ infoHash, peerId });
    const one = { infoHash: randomBytes(20), peerId };
    const refused = await client.refusal(announceMessage(one));
    assert.equal(refused.info_hash, toText(one.infoHash));
    for (const infoHash of hashes) await client.announce({ infoHash, peerId });
    await client.announce({ infoHash: hashes[0], peerId, extra: { event: "stopped" } });
    await client.announce(one);
    await (await open()).announce(one);
  });

  suite.ownRow("max_messages_per_second: a flood ends its connection", {
    configuration: { network: { max_messages_per_second: 20 } },
  }, async ({ client, open }) => {
    const flooding = await open();
    for (let count = 0; count < 100; count++) {
      await flooding.sendJson({ action: "scrape", info_hash: [] }).catch(() => {});
    }
    const code = await flooding.untilEnded();
    assert.ok(code === undefined || code === 1008, `${code}`);
    for (let count = 0; count < 8; count++) {
      await client.expectQuiet();
      await elapse(100);
    }
  });

  suite.ownRow("max_connections: the newest gets 503, others go on", {
    configuration: { network: { max_connections: 4 } },
  }, async ({ client, open, server }) => {
    const others = [await open(), await open(), await open()];
    for (let count = 0; count < 3; count++) {
      await assert.rejects(WsConnection.open(server.endpoint()), /503|ended|reset|Broken/);
    }
    for (const each of [client, ...others]) await each.expectQuiet();
    others[0].close();
    const end = performance.now() + 3000;
    while (true) {
      const next = await WsConnection.open(server.endpoint()).catch(() => undefined);
      if (next !== undefined) {
        await using _ = next;
        return await next.expectQuiet();
      }
      assert.ok(performance.now() < end, "There is room again");
      await elapse(50);
    }
  });
});

// Over TLS it is the same but for a thousand handshakes.
const suite = new WsSuite("http");

suite.row("a NAT of a thousand users meets no limit", async ({ open }) => {
  const infoHash = randomBytes(20);
  const clients = [];
  for (let count = 0; count < 1000; count++) clients.push(await open());
  for (const [index, client] of clients.entries()) {
    const counts = await client.announce({ infoHash, peerId: randomBytes(20) });
    assert.equal(counts.incomplete, index + 1);
  }
});
