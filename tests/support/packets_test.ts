import { strict as assert } from "node:assert";
import { fromHex, parseReply, toHex, writeAnnounce, writeConnect, writeScrape } from "./packets.ts";

const infoHash = fromHex("00112233445566778899aabbccddeeff01234567");
const peerId = fromHex("2d5249303130302d303132333435363738396162");

Deno.test("writeConnect() writes the vector of BEP 15", () => {
  assert.equal(toHex(writeConnect(0x12345678)), "00000417271019800000000012345678");
});

Deno.test("writeAnnounce() writes the vector of BEP 15", () => {
  const packet = writeAnnounce({
    connectionId: fromHex("1122334455667788"),
    transactionId: 0x12345678,
    infoHash,
    peerId,
    downloaded: 1n,
    left: 2n,
    uploaded: 3n,
    event: 2,
    ipAddress: 0,
    key: 0xdeadbeef,
    numWant: -1,
    port: 6881,
    options: new Uint8Array(),
  });
  assert.equal(
    toHex(packet),
    `11223344556677880000000112345678${toHex(infoHash)}${toHex(peerId)}` +
      "000000000000000100000000000000020000000000000003" +
      "0000000200000000deadbeefffffffff1ae1",
  );
});

Deno.test("writeScrape() writes the header and the hashes", () => {
  const packet = writeScrape({
    connectionId: fromHex("1122334455667788"),
    transactionId: 0x12345678,
    infoHashes: [infoHash, peerId],
  });
  assert.equal(
    toHex(packet),
    `11223344556677880000000212345678${toHex(infoHash)}${toHex(peerId)}`,
  );
});

Deno.test("parseReply() reads every kind of reply", () => {
  const header = "12345678 00000384 00000001 00000002";
  assert.deepEqual(parseReply(fromHex(`00000001 ${header} 7f000001 1ae1`), "IPv4"), {
    kind: "announce",
    transactionId: 0x12345678,
    interval: 900,
    leechers: 1,
    seeders: 2,
    peers: [{ address: "127.0.0.1", port: 6881 }],
    byteLength: 26,
  });
  assert.deepEqual(parseReply(fromHex("00000002 12345678 00000001 00000002 00000003"), "IPv4"), {
    kind: "scrape",
    transactionId: 0x12345678,
    torrents: [{ seeders: 1, completed: 2, leechers: 3 }],
  });
  assert.deepEqual(parseReply(fromHex("00000003 12345678 6f6f7073"), "IPv4"), {
    kind: "error",
    transactionId: 0x12345678,
    message: "oops",
  });
});

Deno.test("parseReply() refuses lengths that do not fit", () => {
  const header = "12345678 00000384 00000001 00000002";
  assert.throws(() => parseReply(fromHex("00000000 12345678 11223344556677"), "IPv4"));
  assert.throws(() => parseReply(fromHex(`00000001 ${header} 7f000001 1ae1`), "IPv6"));
  assert.throws(() => parseReply(fromHex(`00000001 ${header} 7f000001 1a`), "IPv4"));
  assert.throws(() => parseReply(fromHex("00000002 12345678 00000001 00000002"), "IPv4"));
  assert.throws(() => parseReply(fromHex("00000003 12345678 6f6f707300"), "IPv4"));
  assert.throws(() => parseReply(fromHex("00000003 12345678"), "IPv4"));
});
