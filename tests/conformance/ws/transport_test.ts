/** Rows of RFC 6455: the upgrade, frames, and how connections end. (C1.) */
import { strict as assert } from "node:assert";
import {
  OPCODE_CONTINUATION,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
  writeFrame,
} from "../../../protocols/ws/frames.ts";
import { latin1 } from "../../support/bencode.ts";
import { elapse } from "../../support/deadline.ts";
import { HttpConnection } from "../../support/http_client.ts";
import { parseResponses, writeRequest } from "../../support/http_messages.ts";
import { ascii, concat, randomBytes } from "../../support/packets.ts";
import { announceMessage, makeOffers } from "../../support/ws_client.ts";
import { forEachSuite } from "../../support/ws_suite.ts";

/** A frame with these bits in its first byte, in its second byte, and a mask where it says so. */
function oddFrame(first: number, payload: Uint8Array, options: { unmasked?: boolean } = {}) {
  const frame = writeFrame(payload, { mask: new Uint8Array(4) });
  frame[0] = first;
  if (!options.unmasked) return frame;
  const headLength = frame.length - payload.length - 4;
  frame[1]! &= 0x7f;
  return concat(frame.subarray(0, headLength), frame.subarray(headLength + 4));
}

const PING = Uint8Array.of(1, 2, 3);

function newAnnounce(extra?: Record<string, unknown>): Uint8Array {
  const message = announceMessage({ infoHash: randomBytes(20), peerId: randomBytes(20), extra });
  return new TextEncoder().encode(JSON.stringify(message));
}

forEachSuite((suite) => {
  suite.row("W1 upgrade on any path, nothing that was not asked for", async ({ open }) => {
    for (const path of ["/", "/announce", "/x?y", "/a/b/c", "/scrape?info_hash=x"]) {
      const { head } = await open({ path });
      assert.doesNotMatch(head, /^sec-websocket-(protocol|extensions):/im);
    }
    const { head } = await open({ headers: ["Origin: https://page.test", "Cookie: a=b"] });
    assert.doesNotMatch(head, /^sec-websocket-(protocol|extensions):/im);
  });

  suite.row("W1 an upgrade that is none is refused as a request", async ({ server }) => {
    const right = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const wrong = [
      right,
      [...right, "Sec-WebSocket-Key: short"],
      ["Connection: Upgrade", "Sec-WebSocket-Version: 13", key],
      ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8", key],
    ];
    for (const headers of wrong) {
      await using client = await HttpConnection.open(server.endpoint());
      const { status } = await client.request("/", { headers });
      assert.ok([400, 426].includes(status), `${status} for ${headers}`);
    }
    await using client = await HttpConnection.open(server.endpoint());
    const { status } = await client.request("/", { method: "POST", headers: [...right, key] });
    assert.ok([400, 405, 426].includes(status), `${status}`);
  });

  suite.row("W2 permessage-deflate offered: not taken, and RSV1 is an error", async ({ open }) => {
    const headers = ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"];
    const client = await open({ headers });
    assert.doesNotMatch(client.head, /^sec-websocket-extensions:/im);
    await client.send(oddFrame(0xc1, newAnnounce()));
    await client.expectClose(1002);
  });

  suite.row("W31 3 fragments with a ping between: pong, then the answer", async ({ client }) => {
    const bytes = newAnnounce();
    await client.send(
      writeFrame(bytes.subarray(0, 50), { isFinal: false }),
      writeFrame(PING, { opcode: OPCODE_PING }),
      writeFrame(bytes.subarray(50, 51), { opcode: OPCODE_CONTINUATION, isFinal: false }),
      writeFrame(bytes.subarray(51), { opcode: OPCODE_CONTINUATION }),
    );
    const { opcode, payload } = await client.receiveFrame();
    assert.equal(opcode, OPCODE_PONG);
    assert.deepEqual(payload, PING);
    assert.equal((await client.receive()).kind, "announce");
  });

  suite.row("W31 fragments of one byte", async ({ client }) => {
    const bytes = newAnnounce();
    const frames = Array.from(bytes, (byte, index) =>
      writeFrame(Uint8Array.of(byte), {
        opcode: index === 0 ? OPCODE_TEXT : OPCODE_CONTINUATION,
        isFinal: index === bytes.length - 1,
      }));
    await client.send(...frames);
    assert.equal((await client.receive()).kind, "announce");
  });

  suite.row("W31 a message within a message, or the rest of none", async ({ client, open }) => {
    await client.send(
      writeFrame(newAnnounce(), { isFinal: false }),
      writeFrame(newAnnounce(), { isFinal: true }),
    );
    await client.expectClose(1002);
    const other = await open();
    await other.send(writeFrame(newAnnounce(), { opcode: OPCODE_CONTINUATION }));
    await other.expectClose(1002);
  });

  suite.row("W32 100 KiB with 10 offers: accepted", async ({ client }) => {
    const bytes = newAnnounce({ offers: makeOffers(10, 10_000) });
    assert.ok(bytes.length > 100_000);
    await client.send(writeFrame(bytes));
    assert.equal((await client.receive()).kind, "announce");
  });

  suite.row("W32 10 MiB: closed with 1009", async ({ open }) => {
    const client = await open();
    const sending = client.send(writeFrame(new Uint8Array(10 * 1024 * 1024).fill(0x20)))
      .catch(() => {}); // Not all of it is taken.
    await client.expectClose(1009);
    client.close();
    await sending;
    const other = await open();
    const piece = new Uint8Array(60_000).fill(0x20);
    const first = other.send(writeFrame(piece, { isFinal: false }));
    for (let count = 0; count < 3; count++) {
      const frame = writeFrame(piece, { opcode: OPCODE_CONTINUATION, isFinal: false });
      await other.send(frame).catch(() => {});
    }
    await first;
    await other.expectClose(1009);
  });

  suite.row("W33 frames that are none: 1002, bad UTF-8: 1007", async ({ open }) => {
    const text = newAnnounce();
    const cases: [name: string, code: number, frame: Uint8Array][] = [
      ["unmasked", 1002, oddFrame(0x81, text, { unmasked: true })],
      ["reserved opcode", 1002, oddFrame(0x83, text)],
      ["reserved control opcode", 1002, oddFrame(0x8b, PING)],
      ["RSV2", 1002, oddFrame(0xa1, text)],
      ["126-byte ping", 1002, writeFrame(new Uint8Array(126), { opcode: OPCODE_PING })],
      ["fragmented ping", 1002, writeFrame(PING, { opcode: OPCODE_PING, isFinal: false })],
      ["close of one byte", 1002, writeFrame(Uint8Array.of(3), { opcode: 8 })],
      ["close with code 1005", 1002, writeFrame(Uint8Array.of(3, 0xed), { opcode: 8 })],
      ["bad UTF-8", 1007, writeFrame(Uint8Array.of(0x22, 0xff, 0x22))],
      ["overlong UTF-8", 1007, writeFrame(Uint8Array.of(0x22, 0xc0, 0x80, 0x22))],
      ["a surrogate in UTF-8", 1007, writeFrame(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))],
      ["UTF-8 that is cut", 1007, writeFrame(Uint8Array.of(0x22, 0xc3))],
    ];
    for (const [name, code, frame] of cases) {
      const client = await open();
      await client.send(frame);
      await assert.doesNotReject(client.expectClose(code), name);
    }
  });

  suite.row("W34 a close is echoed, and everything forgotten", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const other = await open();
    await other.announce({ infoHash, peerId: randomBytes(20) });
    await other.closeInOrder(1000);
    assert.equal((await client.scrape(infoHash)).incomplete, 0);
    const third = await open();
    await third.send(writeFrame(new Uint8Array(), { opcode: 8 }));
    await third.untilEnded();
  });

  suite.ownRow("W36 the time to take an answer is no time to answer a ping", {
    configuration: { network: { websocket_ping_interval: 4, request_timeout: 1 } },
  }, async ({ open }) => {
    await using idle = await open({ showsPings: true });
    const begun = performance.now();
    await idle.announce({ infoHash: randomBytes(20), peerId: randomBytes(20) });
    assert.equal((await idle.receiveFrame(10_000)).opcode, OPCODE_PING);
    assert.ok(performance.now() - begun > 2_500, "Not before it is due");
    await assert.rejects(idle.untilEnded(2_500), "It has until the next one");
    await idle.untilEnded(10_000);
  });

  suite.ownRow("W36 who does not answer pings is gone by the next", {
    configuration: { network: { websocket_ping_interval: 1 } },
  }, async ({ open }) => {
    const infoHash = randomBytes(20);
    const dead = await open({ showsPings: true });
    await dead.announce({ infoHash, peerId: randomBytes(20) });
    assert.equal((await dead.receiveFrame()).opcode, OPCODE_PING);
    await dead.untilEnded();
    const other = await open();
    assert.equal((await other.scrape(infoHash)).incomplete, 0);
  });

  suite.row("W38 a plain GET gets a plain answer", async ({ server }) => {
    await using client = await HttpConnection.open(server.endpoint());
    for (const target of ["/announce", "/", "/announce?info_hash=x"]) {
      const { status, headers } = await client.request(target);
      assert.ok([400, 404, 426].includes(status), `${status}`);
      if (status === 426) assert.match(headers.get("upgrade") ?? "", /^websocket$/i);
    }
    await using other = await HttpConnection.open(server.endpoint());
    await other.send("no request at all\r\n\r\n");
    assert.equal(parseResponses(await other.readRest())[0].status, 400);
  });

  suite.row("W39 two messages in a segment, and a length of 64 bits", async ({ client }) => {
    await client.send(concat(writeFrame(newAnnounce()), writeFrame(newAnnounce())));
    for (let count = 0; count < 2; count++) assert.equal((await client.receive()).kind, "announce");
    await client.send(writeFrame(newAnnounce({ padding: "x".repeat(70_000) })));
    assert.equal((await client.receive()).kind, "announce");
    // The same length, spelled with more bytes than it needs.
    const payload = newAnnounce();
    const head = new Uint8Array(14);
    head.set([0x81, 0xff]);
    new DataView(head.buffer).setBigUint64(2, BigInt(payload.length));
    await client.send(concat(head, payload));
    const next = await client.receiveFrame();
    assert.ok([OPCODE_TEXT, 8].includes(next.opcode));
  });

  suite.row("W39 a message right behind the upgrade, and byte by byte", async ({ server }) => {
    await using client = await HttpConnection.open(server.endpoint());
    const head = writeRequest("/", {
      headers: [
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ],
    });
    const bytes = concat(ascii(head), writeFrame(newAnnounce()));
    const frameStart = head.length;
    await client.send(bytes.subarray(0, frameStart + 20));
    for (const byte of bytes.subarray(frameStart + 20)) await client.send(Uint8Array.of(byte));
    await elapse(200);
    await client.closeWrite();
    const rest = latin1(await client.readRest());
    assert.match(rest, /^HTTP\/1\.1 101 /);
    assert.match(rest, /s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/);
    assert.match(rest, /"action":\s*"announce"/);
  });
});
