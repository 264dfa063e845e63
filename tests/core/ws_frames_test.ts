/** RFC 6455 in the core: the upgrade and frames, whole, cut at every byte, and pipelined. */
import { strict as assert } from "node:assert";
import { ascii, concat } from "../support/packets.ts";
import { CONTROL_PAGES_USED } from "../../assembly/layout.ts";
import { compileCore } from "./harness.ts";
import { cuts } from "./http_harness.ts";
import {
  ACCEPT,
  codeOf,
  KEY,
  maskedFrame,
  type Peer,
  type Sent,
  textOf,
  UPGRADE,
  WsHarness,
} from "./ws_harness.ts";

const RELEASE = await compileCore("release");
const DEBUG = await compileCore("debug");
const SCRAPE = ascii('{"action":"scrape","info_hash":[]}');
const SCRAPED = '{"action":"scrape","files":{}}';

/** What a connection says to the bytes, after its upgrade. */
function exchange(harness: WsHarness, pieces: Uint8Array[]): { sent: Sent[]; isEnding: boolean } {
  const peer = harness.connect();
  for (const piece of pieces) harness.receive(peer, piece);
  const isEnding = peer.core.isEnding(peer.connection);
  harness.close(peer);
  return { sent: peer.received, isEnding };
}

/** Frames in their order as a short text: opcode and payload, or the code of a close. */
function describe(sent: Sent[]): string[] {
  return sent.map((frame) => frame.opcode === 8 ? `close ${codeOf(frame)}` : textOf(frame));
}

const UTF8_SPLIT = new TextEncoder().encode('{"action":"scrape","info_hash":[],"x":"é€𝄞"}');

const VECTORS: [name: string, frames: Uint8Array[], expected: string[]][] = [
  ["a text message", [maskedFrame(SCRAPE)], [SCRAPED]],
  ["W30: a binary message is answered with text", [maskedFrame(SCRAPE, { opcode: 2 })], [SCRAPED]],
  ["W39: two messages", [maskedFrame(SCRAPE), maskedFrame(SCRAPE)], [SCRAPED, SCRAPED]],
  ["other masks", [maskedFrame(SCRAPE, { mask: [0, 0, 0, 0] })], [SCRAPED]],
  ["a ping", [maskedFrame(ascii("hello"), { opcode: 9 })], ["hello"]],
  ["a ping of 125 bytes", [maskedFrame(new Uint8Array(125).fill(65), { opcode: 9 })], [
    "A".repeat(125),
  ]],
  ["a pong", [maskedFrame(ascii("hello"), { opcode: 10 })], []],
  ["W31: three fragments and pings between", [
    maskedFrame(SCRAPE.slice(0, 5), { final: false }),
    maskedFrame(ascii("1"), { opcode: 9 }),
    maskedFrame(SCRAPE.slice(5, 9), { opcode: 0, final: false }),
    maskedFrame(ascii("2"), { opcode: 9 }),
    maskedFrame(SCRAPE.slice(9), { opcode: 0 }),
  ], ["1", "2", SCRAPED]],
  ["empty fragments", [
    maskedFrame(new Uint8Array(), { final: false }),
    maskedFrame(SCRAPE, { opcode: 0, final: false }),
    maskedFrame(new Uint8Array(), { opcode: 0 }),
  ], [SCRAPED]],
  ["fragments within a character", [
    ...Array.from(
      UTF8_SPLIT,
      (byte, index) => maskedFrame(Uint8Array.of(byte), { opcode: index ? 0 : 1, final: false }),
    ),
    maskedFrame(new Uint8Array(), { opcode: 0 }),
  ], [SCRAPED]],
  ["W34: close 1000", [maskedFrame(Uint8Array.of(3, 232), { opcode: 8 })], ["close 1000"]],
  ["a close without a code", [maskedFrame(new Uint8Array(), { opcode: 8 })], ["close undefined"]],
  ["a close with a reason", [
    maskedFrame(concat(Uint8Array.of(15, 160), ascii("bye")), { opcode: 8 }),
  ], ["close 4000"]],
  ["a close of one byte", [maskedFrame(Uint8Array.of(3), { opcode: 8 })], ["close 1002"]],
  ...[0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535].map((
    code,
  ): [string, Uint8Array[], string[]] => [
    `a close with code ${code}`,
    [maskedFrame(Uint8Array.of(code >> 8, code & 255), { opcode: 8 })],
    ["close 1002"],
  ]),
  ["a close whose reason is no UTF-8", [
    maskedFrame(Uint8Array.of(3, 232, 0xff), { opcode: 8 }),
  ], ["close 1007"]],
  ["nothing follows a close", [
    maskedFrame(Uint8Array.of(3, 232), { opcode: 8 }),
    maskedFrame(SCRAPE),
  ], ["close 1000"]],
  ["W33: a frame that is not masked", [concat(Uint8Array.of(0x81, 34), SCRAPE)], ["close 1002"]],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Uint8Array[], string[]] => [
    `W33: reserved opcode ${opcode}`,
    [maskedFrame(SCRAPE, { opcode })],
    ["close 1002"],
  ]),
  ...[0x40, 0x20, 0x10].map((reserved): [string, Uint8Array[], string[]] => [
    `W2: reserved bit ${reserved}`,
    [maskedFrame(SCRAPE, { reserved })],
    ["close 1002"],
  ]),
  ["W33: a ping of 126 bytes", [maskedFrame(new Uint8Array(126), { opcode: 9 })], ["close 1002"]],
  ["a ping in fragments", [maskedFrame(ascii("a"), { opcode: 9, final: false })], ["close 1002"]],
  ["a continuation of nothing", [maskedFrame(SCRAPE, { opcode: 0 })], ["close 1002"]],
  ["a message within a message", [
    maskedFrame(SCRAPE, { final: false }),
    maskedFrame(SCRAPE),
  ], ["close 1002"]],
  ["a length of 16 bits for a few bytes", [maskedFrame(SCRAPE, { lengthBytes: 2 })], [
    "close 1002",
  ]],
  ["a length of 64 bits for a few bytes", [maskedFrame(SCRAPE, { lengthBytes: 8 })], [
    "close 1002",
  ]],
  ["W33: text that is no UTF-8", [maskedFrame(Uint8Array.of(0x22, 0xff, 0x22))], ["close 1007"]],
  ["text that ends within a character", [maskedFrame(Uint8Array.of(0x22, 0xe2, 0x82))], [
    "close 1007",
  ]],
  ["a fragment that is no UTF-8 is told at once", [
    maskedFrame(Uint8Array.of(0xc0, 0x80), { final: false }),
  ], ["close 1007"]],
];

for (const [name, frames, expected] of VECTORS) {
  Deno.test(`frames: ${name}`, () => {
    const harness = new WsHarness(RELEASE);
    const bytes = concat(...frames);
    const pages = harness.cores[0]!;
    assert.deepEqual(describe(exchange(harness, [bytes]).sent), expected, "in one piece");
    for (const pieces of cuts(bytes)) {
      const { sent, isEnding } = exchange(harness, pieces);
      assert.deepEqual(describe(sent), expected, `in ${pieces.map((piece) => piece.length)}`);
      assert.equal(isEnding, expected.at(-1)?.startsWith("close") ?? false);
    }
    assert.equal(pages.nextReady(), 0);
  });
}

const UTF8: [bytes: number[], isGood: boolean][] = [
  [[0xc2, 0x80], true],
  [[0xc1, 0xbf], false],
  [[0xdf, 0xbf], true],
  [[0xe0, 0xa0, 0x80], true],
  [[0xe0, 0x9f, 0xbf], false],
  [[0xed, 0x9f, 0xbf], true],
  [[0xed, 0xa0, 0x80], false],
  [[0xee, 0x80, 0x80], true],
  [[0xf0, 0x90, 0x80, 0x80], true],
  [[0xf0, 0x8f, 0xbf, 0xbf], false],
  [[0xf4, 0x8f, 0xbf, 0xbf], true],
  [[0xf4, 0x90, 0x80, 0x80], false],
  [[0xf5, 0x80, 0x80, 0x80], false],
  [[0x80], false],
  [[0xe2, 0x28, 0xa1], false],
];

Deno.test("frames: UTF-8 is judged as TextDecoder does, at every place of a stride", () => {
  const harness = new WsHarness(DEBUG);
  for (const [bytes, isGood] of UTF8) {
    for (let before = 0; before < 34; ++before) {
      const text = concat(ascii("a".repeat(before)), Uint8Array.from(bytes), ascii("b".repeat(20)));
      const { sent } = exchange(harness, [maskedFrame(text)]);
      assert.equal(codeOf(sent[0]) === 1007, !isGood, `${bytes} behind ${before}`);
    }
  }
});

Deno.test("W32: a message of 100 KiB is taken in, however it comes; one of 10 MiB is not", () => {
  const harness = new WsHarness(RELEASE, { settings: { maxMessageBytes: 131_072 } });
  const text = ascii(`{"action":"scrape","info_hash":[],"x":"${"y".repeat(102_400)}"}`);
  const used = new Uint32Array(harness.shared.memory.buffer);
  const pages = used[CONTROL_PAGES_USED >> 2];
  for (const size of [1, 100, 511, 512, 513, 20_000, 1_000_000]) {
    const frame = maskedFrame(text);
    const pieces = [];
    for (let at = 0; at < frame.length; at += size) pieces.push(frame.subarray(at, at + size));
    assert.deepEqual(describe(exchange(harness, pieces).sent), [SCRAPED], `in ${size}`);
    const parts = [];
    for (let at = 0; at < text.length; at += Math.max(size, 100)) {
      const part = text.subarray(at, at + Math.max(size, 100));
      const final = at + part.length === text.length;
      parts.push(maskedFrame(part, { opcode: at === 0 ? 1 : 0, final }));
    }
    assert.deepEqual(describe(exchange(harness, parts).sent), [SCRAPED], `fragments of ${size}`);
  }
  const head = maskedFrame(new Uint8Array(), { lengthBytes: 8 });
  new DataView(head.buffer).setBigUint64(2, 10_485_760n);
  assert.deepEqual(describe(exchange(harness, [head]).sent), ["close 1009"]);
  new DataView(head.buffer).setBigUint64(2, 0x100000000n);
  assert.deepEqual(describe(exchange(harness, [head]).sent), ["close 1009"]);
  new DataView(head.buffer).setBigUint64(2, 0x8000000000000000n);
  assert.deepEqual(describe(exchange(harness, [head]).sent), ["close 1002"]);
  const fragment = maskedFrame(new Uint8Array(70_000), { final: false });
  const next = maskedFrame(new Uint8Array(70_000), { opcode: 0 });
  assert.deepEqual(describe(exchange(harness, [fragment, next]).sent), ["close 1009"]);
  const slices = used[CONTROL_PAGES_USED >> 2]! - pages!;
  assert.ok(slices <= 8, `Of all that, ${slices} pages stay`);
});

Deno.test("without slices, messages come in pieces; without memory the oldest gives way", () => {
  const harness = new WsHarness(RELEASE, { slices: 8, messageBytesMax: 33_000 });
  const text = ascii(`{"action":"scrape","info_hash":[],"x":"${"y".repeat(20_000)}"}`);
  const frame = maskedFrame(text);
  const waiting: Peer[] = [];
  for (let count = 0; count < 8; ++count) {
    const peer = harness.connect();
    harness.receive(peer, frame.subarray(0, 17_000));
    waiting.push(peer);
  }
  // One address gets two of eight slices, and there is memory for one more message.
  const codes = waiting.map((peer) => codeOf(peer.received[0]));
  const given = [1013, 1013, 1013, 1013, 1013];
  assert.deepEqual(codes, [undefined, undefined, ...given, undefined]);
  for (const peer of waiting) {
    if (!peer.core.isEnding(peer.connection)) harness.receive(peer, frame.subarray(17_000));
  }
  assert.equal(
    waiting.filter(({ received }) => received[0]!.opcode === 1 && textOf(received[0]!) === SCRAPED)
      .length,
    3,
  );
  waiting.forEach((peer) => harness.close(peer));
});

Deno.test("whoever was given up for not reading gives way like all others", () => {
  const settings = { outboxBytesMax: 20_000 };
  const harness = new WsHarness(RELEASE, { messageBytesMax: 33_000, settings });
  const [deaf, next] = [harness.connect(), harness.connect()];
  const { core } = deaf;
  const fragment = maskedFrame(new Uint8Array(20_000).fill(0x20), { final: false });
  harness.receive(deaf, fragment);
  const ping = maskedFrame(new Uint8Array(120), { opcode: 9 });
  for (let count = 0; count < 300; ++count) {
    core.inputOf(deaf.connection).set(ping);
    core.receive(deaf.connection, ping.length);
  }
  // Its worker has seen that, and has not closed it yet.
  assert.equal(core.nextReady(), deaf.connection);
  assert.ok(core.isOverflowing(deaf.connection) && core.isEnding(deaf.connection));
  harness.receive(next, fragment);
  harness.receive(next, maskedFrame(new Uint8Array(), { opcode: 0 }));
  assert.deepEqual(next.received.map(({ opcode }) => opcode), [1], "It is taken in and answered");
  harness.close(deaf);
  harness.close(next);
});

Deno.test("a crowd that finishes no message keeps nobody out", () => {
  const harness = new WsHarness(RELEASE, {
    slices: 16,
    connections: 700,
    limitMib: 64,
    messageBytesMax: 4 * 1024 * 1024,
  });
  const text = ascii(`{"action":"scrape","info_hash":[],"x":"${"y".repeat(100_000)}"}`);
  const frame = maskedFrame(text);
  const crowd = Array.from({ length: 600 }, () => {
    const peer = harness.connect();
    harness.receive(peer, frame.subarray(0, 700));
    return peer;
  });
  for (const peer of crowd) harness.receive(peer, frame.subarray(700, 60_000));
  const isGiven = crowd.map(({ received }) => codeOf(received[0]) === 1013);
  assert.ok(isGiven.filter((is) => is).length > 500, "They push each other out");
  // An upgrade that needs a slice, and a message that needs memory.
  const peer = harness.open(0, "198.51.100.7");
  const cookie = `Cookie: ${"c".repeat(2_000)}\r\n\r\n`;
  harness.receive(peer, ascii(UPGRADE.replace("\r\n\r\n", `\r\n${cookie}`)));
  assert.ok(peer.core.isWebSocket(peer.connection), peer.head);
  for (let at = 0; at < frame.length; at += 1_400) {
    harness.receive(peer, frame.subarray(at, at + 1_400));
    crowd.slice(0, 2).forEach((other) => harness.receive(other, frame.subarray(0, 10)));
  }
  assert.deepEqual(describe(peer.received), [SCRAPED]);
  [...crowd, peer].forEach((each) => harness.close(each));
  const again = harness.connect();
  harness.receive(again, frame);
  assert.deepEqual(describe(again.received), [SCRAPED]);
});

Deno.test("one address that finishes no request keeps others from no slice", () => {
  const harness = new WsHarness(RELEASE, { slices: 64, connections: 200 });
  const head = ascii(UPGRADE.replace("\r\n\r\n", `\r\nCookie: ${"c".repeat(2_000)}\r\n\r\n`));
  const crowd = Array.from({ length: 100 }, () => {
    const peer = harness.open();
    harness.receive(peer, head.subarray(0, 600));
    return peer;
  });
  // Eight of 64 are anybody's, and two of the others.
  assert.equal(crowd.filter(({ head }) => head === "").length, 10);
  assert.ok(crowd.every(({ head }) => head === "" || head.startsWith("HTTP/1.1 503 ")));
  for (const hostname of ["198.51.100.7", "2001:db8::7"]) {
    const others = Array.from({ length: 3 }, () => harness.open(0, hostname));
    for (const other of others) harness.receive(other, head.subarray(0, 600));
    assert.deepEqual(others.map(({ head }) => head.slice(0, 12)), ["", "", "HTTP/1.1 503"]);
    harness.receive(others[0]!, head.subarray(600));
    assert.ok(others[0]!.core.isWebSocket(others[0]!.connection), "It is upgraded");
    for (const other of others) harness.close(other);
  }
  // What was counted is given back.
  for (const peer of crowd) harness.close(peer);
  for (let round = 0; round < 50; ++round) {
    const peer = harness.open();
    harness.receive(peer, head);
    assert.ok(peer.core.isWebSocket(peer.connection));
    harness.close(peer);
  }
});

Deno.test("W1, W2: the upgrade, on any path, cut anywhere", () => {
  const harness = new WsHarness(RELEASE);
  const offer = "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: x\r\n\r\n";
  for (
    const head of [
      UPGRADE,
      UPGRADE.replace("/announce", "/"),
      UPGRADE.replace("/announce", "/x?y"),
      UPGRADE.replace("\r\n\r\n", `\r\n${offer}`),
      UPGRADE.replace("websocket\r", "h2c , WebSocket\r").replace("keep-alive, Upgrade", "UPGRADE"),
    ]
  ) {
    for (const pieces of [[ascii(head)], ...cuts(ascii(head))]) {
      const peer = harness.open();
      for (const piece of pieces) harness.receive(peer, piece);
      const expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
        `Connection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;
      assert.equal(peer.head, expected, head);
      harness.receive(peer, maskedFrame(SCRAPE));
      assert.deepEqual(describe(peer.received), [SCRAPED]);
      harness.close(peer);
    }
  }
});

Deno.test("frames that come right behind the upgrade wait for its answer", () => {
  const harness = new WsHarness(RELEASE);
  const peer = harness.open();
  harness.receive(peer, concat(ascii(UPGRADE), maskedFrame(SCRAPE), maskedFrame(SCRAPE)));
  assert.ok(peer.head.startsWith("HTTP/1.1 101 "));
  assert.deepEqual(describe(peer.received), [SCRAPED, SCRAPED]);
  harness.close(peer);
});

const REFUSED: [name: string, head: string, status: string][] = [
  ["W38: a plain GET", "GET /announce HTTP/1.1\r\nHost: a\r\n\r\n", "426"],
  ["another version", UPGRADE.replace("13\r", "8\r"), "426"],
  ["no version", UPGRADE.replace("Sec-WebSocket-Version: 13\r\n", ""), "426"],
  ["no key", UPGRADE.replace(`Sec-WebSocket-Key: ${KEY}\r\n`, ""), "400"],
  ["a short key", UPGRADE.replace(KEY, KEY.slice(4)), "400"],
  ["a key that is no base64", UPGRADE.replace(KEY, `*${KEY.slice(1)}`), "400"],
  ["two keys", UPGRADE.replace("Upgrade: w", `Sec-WebSocket-Key: ${KEY}\r\nUpgrade: w`), "400"],
  ["HTTP/1.0", UPGRADE.replace("HTTP/1.1", "HTTP/1.0"), "426"],
  ["POST", UPGRADE.replace("GET", "POST"), "426"],
  ["no connection option", UPGRADE.replace("keep-alive, Upgrade", "keep-alive"), "426"],
  ["another protocol", UPGRADE.replace("websocket", "h2c"), "426"],
];

for (const [name, head, status] of REFUSED) {
  Deno.test(`upgrade: ${name} gets ${status}`, () => {
    const harness = new WsHarness(RELEASE);
    for (const pieces of [[ascii(head)], ...cuts(ascii(head))]) {
      const peer = harness.open();
      for (const piece of pieces) harness.receive(peer, piece);
      assert.ok(peer.head.startsWith(`HTTP/1.1 ${status} `), peer.head);
      assert.ok(!peer.core.isWebSocket(peer.connection));
      if (status === "426") {
        assert.match(peer.head, /\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n/);
      }
      harness.close(peer);
    }
  });
}

Deno.test("HTTP and WebTorrent share a connection's parser where both are served", () => {
  const harness = new WsHarness(RELEASE, { servesHttp: true });
  const peer = harness.open();
  harness.receive(peer, ascii(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${UPGRADE}`));
  assert.ok(peer.head.startsWith("HTTP/1.1 404 "));
  assert.match(peer.head, /HTTP\/1\.1 101 /);
  harness.receive(peer, maskedFrame(SCRAPE));
  assert.deepEqual(describe(peer.received), [SCRAPED]);
});

Deno.test("W36: a ping goes unanswered, and the next one is not sent", () => {
  const harness = new WsHarness(RELEASE);
  const peer = harness.connect();
  const { core, connection } = peer;
  assert.ok(core.ping(connection));
  assert.ok(!core.isAlive(connection));
  assert.ok(!core.ping(connection));
  harness.receive(peer, maskedFrame(new Uint8Array(), { opcode: 10 }));
  assert.ok(core.isAlive(connection));
  assert.ok(core.ping(connection));
  harness.deliver();
  assert.deepEqual(peer.received.map(({ opcode }) => opcode), [9, 9]);
});

Deno.test("a flood of messages is told 1008", () => {
  const harness = new WsHarness(RELEASE, { settings: { messagesPerSecond: 3 } });
  const frames = Array.from({ length: 5 }, () => maskedFrame(ascii("x"), { opcode: 9 }));
  assert.deepEqual(describe(exchange(harness, frames).sent), ["x", "x", "x", "close 1008"]);
});
