/** Rows of scrapes, refusals, and messages that are none. (C3.) */
import { strict as assert } from "node:assert";
import { OPCODE_BINARY, OPCODE_TEXT, writeFrame } from "../../../protocols/ws/frames.ts";
import { toText } from "../../../protocols/ws/messages.ts";
import { randomBytes, toHex } from "../../support/packets.ts";
import {
  announceMessage,
  type Json,
  textFrame,
  type WsConnection,
} from "../../support/ws_client.ts";
import { forEachSuite } from "../../support/ws_suite.ts";

const ZERO = { complete: 0, incomplete: 0, downloaded: 0 };

async function scrapeFiles(client: WsConnection, infoHash: unknown): Promise<Json> {
  await client.sendJson({ action: "scrape", info_hash: infoHash });
  const { action, files } = await client.receiveJson();
  assert.equal(action, "scrape");
  return files as Json;
}

forEachSuite((suite) => {
  suite.row("W26 scrape of one, of several, with an unknown one", async ({ client }) => {
    const [known, unknown] = [randomBytes(20), randomBytes(20)];
    await client.announce({ infoHash: known, peerId: randomBytes(20), extra: { left: 0 } });
    const counts = { complete: 1, incomplete: 0, downloaded: 0 };
    assert.deepEqual(await scrapeFiles(client, toText(known)), { [toText(known)]: counts });
    assert.deepEqual(await scrapeFiles(client, [toText(known)]), { [toText(known)]: counts });
    assert.deepEqual(await scrapeFiles(client, [toText(known), toText(unknown)]), {
      [toText(known)]: counts,
      [toText(unknown)]: ZERO,
    });
  });

  suite.row("W27 scrape without info_hash: refused as a scrape", async ({ client }) => {
    assert.equal((await client.refusal({ action: "scrape" })).action, "scrape");
    await client.expectQuiet();
  });

  suite.row("W28 no action or an unknown one: refused without an action", async ({ client }) => {
    const message = announceMessage({ infoHash: randomBytes(20), peerId: randomBytes(20) });
    for (const action of [undefined, "foo", 5, null]) {
      const answer = await client.refusal({ ...message, action });
      assert.ok(!("action" in answer));
    }
    await client.expectQuiet();
  });

  suite.row("W29 what is no message: refused, or closed in order", async ({ open }) => {
    const deep = "[".repeat(5000);
    for (const text of ["{", "[]", "5", '"x"', "", "{}", "null", deep, '{"action":"announce"']) {
      const client = await open();
      await client.sendText(text);
      const frame = await client.receiveFrame();
      if (frame.opcode === OPCODE_TEXT) {
        const answer = JSON.parse(new TextDecoder().decode(frame.payload));
        assert.equal(typeof answer["failure reason"], "string", text.slice(0, 20));
        await client.expectQuiet();
      } else {
        const code = frame.payload[0] << 8 | frame.payload[1];
        assert.ok(code === 1007 || code === 1008, `${code}`);
      }
    }
  });

  suite.row("W30 a binary frame with JSON is handled, the answer is a text", async ({ client }) => {
    const message = announceMessage({ infoHash: randomBytes(20), peerId: randomBytes(20) });
    const payload = new TextEncoder().encode(JSON.stringify(message));
    await client.send(writeFrame(payload, { opcode: OPCODE_BINARY }));
    assert.equal((await client.receive()).kind, "announce");
  });

  suite.row("W42 scrape of an empty list: no files", async ({ client }) => {
    assert.deepEqual(await scrapeFiles(client, []), {});
  });

  const listed = randomBytes(20);
  suite.ownRow("W40 a torrent that is not allowed: refused with action and info_hash", {
    files: { "list.txt": toHex(listed) + "\n" },
    configuration: (directory) => ({
      access_list: { mode: "black", path: `${directory}/list.txt` },
    }),
  }, async ({ client }) => {
    const answer = await client.refusal(
      announceMessage({ infoHash: listed, peerId: randomBytes(20) }),
    );
    assert.equal(answer.action, "announce");
    assert.equal(answer.info_hash, toText(listed));
    const scraped = await client.refusal({ action: "scrape", info_hash: toText(listed) });
    assert.equal(scraped.action, "scrape");
    await client.announce({ infoHash: randomBytes(20), peerId: randomBytes(20) });
  });

  suite.row("messages behind one another are answered in order", async ({ client }) => {
    const hashes = Array.from({ length: 50 }, () => randomBytes(20));
    const peerId = randomBytes(20);
    const frames = hashes.map((infoHash) =>
      textFrame(JSON.stringify(announceMessage({ infoHash, peerId })))
    );
    await client.send(...frames);
    for (const infoHash of hashes) {
      assert.equal((await client.receiveJson()).info_hash, toText(infoHash));
    }
  });
});
