/** The client's half of WebTorrent: frames, messages, and the whole of it against Deno's server. */
import { strict as assert } from "node:assert";
import { WsClient } from "../../../protocols/ws/client.ts";
import {
  FrameError,
  FrameReader,
  OPCODE_CONTINUATION,
  OPCODE_PING,
  OPCODE_TEXT,
  writeFrame,
} from "../../../protocols/ws/frames.ts";
import {
  MessageError,
  parseMessage,
  toText,
  writeAnnounce,
  writeAnswer,
} from "../../../protocols/ws/messages.ts";

const INFO_HASH = Uint8Array.from({ length: 20 }, (_, index) => 255 - 13 * index);
const PEER_ID = new Uint8Array(20).fill(0x2d);

/** A frame as a server writes it: without a mask. */
function serverFrame(payload: Uint8Array, opcode = OPCODE_TEXT): Uint8Array {
  const masked = writeFrame(payload, { opcode, mask: new Uint8Array(4) });
  const headLength = masked.length - payload.length - 4;
  const frame = Uint8Array.of(...masked.subarray(0, headLength), ...payload);
  frame[1]! &= 0x7f;
  return frame;
}

Deno.test("frames of every length are read, however they are cut", () => {
  for (const length of [0, 1, 125, 126, 127, 4000, 65535, 65536, 70000]) {
    const payload = new Uint8Array(length).map((_, index) => index * 7);
    const frame = serverFrame(payload);
    for (const pieceLength of [1, 3, 1000, frame.length]) {
      const reader = new FrameReader(70000);
      for (let offset = 0; offset < frame.length;) {
        assert.equal(reader.next(), undefined);
        const room = reader.room();
        const piece = frame.subarray(offset, offset + Math.min(pieceLength, room.length));
        room.set(piece);
        reader.filled(piece.length);
        offset += piece.length;
      }
      assert.deepEqual(reader.next(), { opcode: OPCODE_TEXT, isFinal: true, payload });
      assert.equal(reader.next(), undefined);
    }
  }
});

Deno.test("what no server may send is an error", () => {
  const bad = {
    masked: writeFrame(Uint8Array.of(1)),
    reserved: Uint8Array.of(0xc1, 0),
    long: Uint8Array.of(0x81, 126, 0xff, 0xff),
  };
  for (const [name, bytes] of Object.entries(bad)) {
    const reader = new FrameReader(1000);
    reader.room().set(bytes);
    reader.filled(bytes.length);
    assert.throws(() => reader.next(), FrameError, name);
  }
});

Deno.test("messages are read by their kind, and others are errors", () => {
  const text = JSON.stringify({
    action: "announce",
    info_hash: toText(INFO_HASH),
    complete: 1,
    incomplete: 2,
    interval: 120,
  });
  assert.deepEqual(parseMessage(text), {
    kind: "announce",
    infoHash: INFO_HASH,
    seeders: 1,
    leechers: 2,
    interval: 120,
  });
  const failure = parseMessage('{"failure reason":"no"}');
  assert.deepEqual(failure, { kind: "failure", reason: "no", infoHash: undefined });
  for (const bad of ["", "[]", "5", "{}", '{"action":"announce","info_hash":"x"}', text.slice(1)]) {
    assert.throws(() => parseMessage(bad), MessageError, bad);
  }
  assert.throws(() => parseMessage(text.replace("120", "1.5")), MessageError);
});

Deno.test("a client upgrades, sends, and reads fragments with a ping between", async () => {
  const heard: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => {
      heard.push(data);
      socket.send(writeAnswer({
        infoHash: INFO_HASH,
        peerId: PEER_ID,
        toPeerId: PEER_ID,
        offerId: PEER_ID,
        sdp: "v=0\r\n".repeat(30_000),
      }));
    };
    return response;
  });
  const { port } = server.addr;
  using client = await WsClient.open({ hostname: "127.0.0.1", port, path: "/announce" });
  const announce = writeAnnounce({ infoHash: INFO_HASH, peerId: PEER_ID, left: null });
  const bytes = new TextEncoder().encode(announce);
  await client.send(writeFrame(bytes.subarray(0, 9), { isFinal: false }));
  await client.send(writeFrame(new Uint8Array(), { opcode: OPCODE_PING }));
  await client.send(writeFrame(bytes.subarray(9), { opcode: OPCODE_CONTINUATION }));
  const message = await client.receive();
  assert.ok(message?.kind === "answer");
  assert.deepEqual(message.offerId, PEER_ID);
  assert.equal(message.sdp.length, 150_000);
  assert.deepEqual(heard, [announce]);
  await client.close();
  assert.equal(await client.receive(), undefined);
  await server.shutdown();
});
