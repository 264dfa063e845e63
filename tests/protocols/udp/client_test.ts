import { strict as assert } from "node:assert";
import * as client from "../../../protocols/udp/client.ts";
import { type Family, parseResponse, ResponseError } from "../../../protocols/udp/client.ts";

const CONNECTION_ID = hex("1122334455667788");
const INFO_HASH = hex("a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4");
const OTHER_HASH = hex("c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4");
const PEER_ID = new TextEncoder().encode("-RT0001-abcdefghijkl");
const HEADER = "1122334455667788";

/** The announce that protocols.md A1 spells out; `urlData` follows A7. */
const ANNOUNCE: client.AnnounceRequest = {
  connectionId: CONNECTION_ID,
  transactionId: 0x12345678,
  infoHash: INFO_HASH,
  peerId: PEER_ID,
  downloaded: 1n,
  left: 2n,
  uploaded: 3n,
  event: client.EVENT_STARTED,
  key: 0xdeadbeef,
  port: 6881,
};
const ANNOUNCE_HEX = `${HEADER} 00000001 12345678 ${INFO_HASH.toHex()} ${PEER_ID.toHex()}
  0000000000000001 0000000000000002 0000000000000003 00000002 00000000 deadbeef ffffffff 1ae1`;

const REQUESTS: { name: string; write: (view: DataView) => number; expected: string }[] = [
  {
    name: "connect (A1)",
    write: (view) => client.writeConnectRequest(view, 0x12345678),
    expected: "0000041727101980 00000000 12345678",
  },
  {
    name: "connect, highest transaction id (U6)",
    write: (view) => client.writeConnectRequest(view, 0xffffffff),
    expected: "0000041727101980 00000000 ffffffff",
  },
  {
    name: "announce (A1)",
    write: (view) => client.writeAnnounceRequest(view, ANNOUNCE),
    expected: ANNOUNCE_HEX,
  },
  {
    name: "announce, least that is said",
    write: (view) =>
      client.writeAnnounceRequest(view, {
        connectionId: CONNECTION_ID,
        transactionId: 0,
        infoHash: INFO_HASH,
        peerId: PEER_ID,
        left: 0xffffffffffffffffn,
        port: 65535,
        numWant: 0,
      }),
    expected: `${HEADER} 00000001 00000000 ${INFO_HASH.toHex()} ${PEER_ID.toHex()}
      0000000000000000 ffffffffffffffff 0000000000000000 00000000 00000000 00000000 00000000 ffff`,
  },
  {
    name: "announce with a URL (A7)",
    write: (view) => client.writeAnnounceRequest(view, { ...ANNOUNCE, urlData: "/dir?a=b&c=d" }),
    expected: `${ANNOUNCE_HEX} 020c2f6469723f613d6226633d64`,
  },
  {
    name: "announce with an empty URL (A7)",
    write: (view) => client.writeAnnounceRequest(view, { ...ANNOUNCE, urlData: "" }),
    expected: `${ANNOUNCE_HEX} 0200`,
  },
  {
    name: "announce with a URL in two pieces (A7, U35)",
    write: (view) => client.writeAnnounceRequest(view, { ...ANNOUNCE, urlData: "a".repeat(265) }),
    expected: `${ANNOUNCE_HEX} 02ff ${"61".repeat(255)} 020a ${"61".repeat(10)}`,
  },
  {
    name: "scrape of two (A1)",
    write: (view) =>
      client.writeScrapeRequest(view, {
        connectionId: CONNECTION_ID,
        transactionId: 0x12345678,
        infoHashes: [INFO_HASH, OTHER_HASH],
      }),
    expected: `${HEADER} 00000002 12345678 ${INFO_HASH.toHex()} ${OTHER_HASH.toHex()}`,
  },
];

/**
 * `whole` says of a prefix of the response whether it is a response too: fewer items, less text.
 */
const RESPONSES: {
  name: string;
  packet: string;
  family: Family;
  expected: client.UdpResponse;
  whole: (byteLength: number) => boolean;
}[] = [
  {
    name: "connect (A1)",
    packet: "00000000 12345678 1122334455667788",
    family: 4,
    expected: { kind: "connect", transactionId: 0x12345678, connectionId: CONNECTION_ID },
    whole: () => false,
  },
  {
    name: "announce, IPv4: leechers before seeders (A1)",
    packet: "00000001 12345678 00000384 00000002 00000005 7f000001 1ae1 7f000002 0001",
    family: 4,
    expected: {
      kind: "announce",
      transactionId: 0x12345678,
      interval: 900,
      leechers: 2,
      seeders: 5,
      peers: [{ address: "127.0.0.1", port: 6881 }, { address: "127.0.0.2", port: 1 }],
    },
    whole: (byteLength) => byteLength === 20 || byteLength === 26,
  },
  {
    name: "announce, IPv6 (A2)",
    packet: `00000001 12345678 00000384 00000001 00000000
      20010db8000000000000000000000001 1ae1`,
    family: 6,
    expected: {
      kind: "announce",
      transactionId: 0x12345678,
      interval: 900,
      leechers: 1,
      seeders: 0,
      peers: [{ address: "2001:0db8:0000:0000:0000:0000:0000:0001", port: 6881 }],
    },
    whole: (byteLength) => byteLength === 20,
  },
  {
    name: "scrape: seeders, completed, leechers (A1)",
    packet: "00000002 ffffffff 00000003 00000007 00000004 00000000 00000000 00000000",
    family: 4,
    expected: {
      kind: "scrape",
      transactionId: 0xffffffff,
      torrents: [
        { seeders: 3, completed: 7, leechers: 4 },
        { seeders: 0, completed: 0, leechers: 0 },
      ],
    },
    whole: (byteLength) => byteLength === 8 || byteLength === 20,
  },
  {
    name: "error (A1)",
    packet: "00000003 12345678 696e76616c696420706f7274",
    family: 4,
    expected: { kind: "error", transactionId: 0x12345678, message: "invalid port" },
    whole: (byteLength) => byteLength >= 8,
  },
  {
    name: "error that ends with a NUL, as opentracker's",
    packet: "00000003 12345678 6e6f00",
    family: 6,
    expected: { kind: "error", transactionId: 0x12345678, message: "no" },
    whole: (byteLength) => byteLength >= 8,
  },
];

for (const { name, write, expected } of REQUESTS) {
  Deno.test(`A request is written as BEP 15 has it: ${name}`, () => {
    const buffer = new Uint8Array(600).fill(0xee);
    const byteLength = write(new DataView(buffer.buffer, 8));
    assert.equal(buffer.subarray(8, 8 + byteLength).toHex(), expected.replaceAll(/\s/g, ""));
    assert.ok(buffer.subarray(0, 8).every((byte) => byte === 0xee), "bytes before it");
    assert.ok(buffer.subarray(8 + byteLength).every((byte) => byte === 0xee), "bytes after it");
  });
}

for (const { name, packet, family, expected, whole } of RESPONSES) {
  Deno.test(`parseResponse() reads what BEP 15 has: ${name}`, () => {
    assert.deepEqual(parseResponse(hex(packet), family), expected);
  });

  Deno.test(`parseResponse() refuses it cut at any byte: ${name}`, () => {
    const bytes = hex(packet);
    for (let byteLength = 0; byteLength < bytes.byteLength; ++byteLength) {
      const cut = bytes.subarray(0, byteLength);
      if (whole(byteLength)) {
        assert.equal(parseResponse(cut, family).kind, expected.kind);
      } else {
        assert.throws(() => parseResponse(cut, family), ResponseError, `${byteLength} bytes`);
      }
    }
  });

  Deno.test(`parseResponse() refuses it with a byte too many: ${name}`, () => {
    if (expected.kind === "error") return; // its text goes to the end
    const longer = hex(`${packet} 00`);
    assert.throws(() => parseResponse(longer, family), { reason: client.BAD_LENGTH });
  });
}

Deno.test("parseResponse() refuses peers of the other family (A2)", () => {
  const header = "00000001 12345678 00000384 00000001 00000000";
  const ipv4 = hex(`${header} 7f000001 1ae1`);
  assert.throws(() => parseResponse(ipv4, 6), { reason: client.BAD_LENGTH });
});

Deno.test("parseResponse() refuses actions that no response has", () => {
  for (const action of ["00000004", "000000ff", "01000000", "ffffffff"]) {
    const packet = hex(`${action} 12345678 1122334455667788`);
    assert.throws(() => parseResponse(packet, 4), { reason: client.BAD_ACTION });
  }
  assert.throws(
    () => parseResponse(hex("00000000 123456"), 4),
    new ResponseError(client.BAD_SHORT, 7),
  );
});

Deno.test("checkResponse() judges a response within a larger buffer", () => {
  const packet = hex(RESPONSES[1]!.packet);
  const buffer = new Uint8Array(64).fill(0xff);
  buffer.set(packet, 13);
  const view = new DataView(buffer.buffer);
  assert.equal(client.checkResponse(view, 13, packet.byteLength, 4), client.ACTION_ANNOUNCE);
  assert.equal(client.checkResponse(view, 13, packet.byteLength - 1, 4), client.BAD_LENGTH);
});

Deno.test("A request with an info hash of another length is refused", () => {
  const view = new DataView(new ArrayBuffer(128));
  const infoHash = new Uint8Array(32);
  assert.throws(() => client.writeAnnounceRequest(view, { ...ANNOUNCE, infoHash }), RangeError);
});

function hex(digits: string): Uint8Array {
  return Uint8Array.fromHex(digits.replaceAll(/\s/g, ""));
}
