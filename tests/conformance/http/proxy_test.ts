/** Rows H49–H54: whose address counts behind a proxy. (protocols.md B8.)
 *
 * The tests' own address, 127.0.0.1, is the proxy where it is trusted.
 */
import { strict as assert } from "node:assert";
import { latin1 } from "../../support/bencode.ts";
import { HAS_IPV6 } from "../../support/configuration.ts";
import type { HttpConnection } from "../../support/http_client.ts";
import { announceTarget, parseAnnounced, writeRequest } from "../../support/http_messages.ts";
import { HttpSuite } from "../../support/http_suite.ts";
import { ascii, fromHex, randomBytes } from "../../support/packets.ts";
import { proxyHeaderV2 } from "../../support/proxy_protocol.ts";

const TRUSTING = {
  network: { trusted_proxies: ["127.0.0.0/8", "10.9.0.0/16", "2001:db8:9::/48"] },
};

const suite = new HttpSuite("http", { configuration: TRUSTING });
const untrusting = new HttpSuite("http", {});

/** Header lines of a trusted proxy, and the address that must count. */
const FORWARDED: Record<string, { headers: string[]; address: string }> = {
  "H50 two addresses: the last": {
    headers: ["X-Forwarded-For: 6.6.6.6, 9.9.9.9"],
    address: "9.9.9.9",
  },
  "H50 one address": { headers: ["X-Forwarded-For: 9.9.9.9"], address: "9.9.9.9" },
  "H50 blanks and no blanks": {
    headers: ["x-forwarded-for:6.6.6.6,9.9.9.9 ,\t10.9.1.1"],
    address: "9.9.9.9",
  },
  "H51 two lines, the last address a trusted hop": {
    headers: ["X-Forwarded-For: 6.6.6.6, 7.7.7.7", "X-Forwarded-For: 9.9.9.9, 10.9.0.1"],
    address: "9.9.9.9",
  },
  "H51 two lines, the last one of trusted hops only": {
    headers: ["X-Forwarded-For: 6.6.6.6, 9.9.9.9", "X-Forwarded-For: 10.9.0.1, 127.0.0.1"],
    address: "9.9.9.9",
  },
  "H51 an IPv6 hop": {
    headers: ["X-Forwarded-For: 9.9.9.9, 2001:db8:9::1"],
    address: "9.9.9.9",
  },
  "H50 an IPv6 client": {
    headers: ["X-Forwarded-For: 2001:db8:1::2"],
    address: "2001:0db8:0001:0000:0000:0000:0000:0002",
  },
  "H54 an IPv4 address in IPv6 form": {
    headers: ["X-Forwarded-For: ::ffff:10.1.2.3"],
    address: "10.1.2.3",
  },
  "H54 the same in hexadecimal digits": {
    headers: ["X-Forwarded-For: ::FFFF:0a01:0203"],
    address: "10.1.2.3",
  },
  "B8 an address with a port": {
    headers: ["X-Forwarded-For: 9.9.9.9:4711"],
    address: "9.9.9.9",
  },
  "B8 Forwarded": {
    headers: ["Forwarded: for=6.6.6.6;proto=https, for=9.9.9.9"],
    address: "9.9.9.9",
  },
  "B8 Forwarded, quoted with a port, then a trusted hop": {
    headers: ['Forwarded: For="[2001:db8:1::2]:4711";by=x, for=10.9.0.1'],
    address: "2001:0db8:0001:0000:0000:0000:0000:0002",
  },
};

for (const [name, { headers, address }] of Object.entries(FORWARDED)) {
  suite.row(
    `${name}: ${address}`,
    ({ client, open }) => expectAddress(client, { headers, address, asking: open }),
  );
}

suite.row("B8 the port is that of port=, never the proxy's", async ({ client, open }) => {
  const headers = ["X-Forwarded-For: 9.9.9.9:4711", "X-Forwarded-Port: 4712"];
  await expectAddress(client, { headers, address: "9.9.9.9", port: 1234, asking: open });
});

suite.row("B8 each request of a connection has its own client", async ({ client, open }) => {
  for (const address of ["9.9.9.1", "9.9.9.2", "9.9.9.3"]) {
    const headers = [`X-Forwarded-For: ${address}`];
    await expectAddress(client, { headers, address, asking: open });
  }
});

const GARBAGE = [
  [],
  ["X-Forwarded-For:"],
  ["X-Forwarded-For: garbage"],
  ["X-Forwarded-For: , ,"],
  ["X-Forwarded-For: 256.1.1.1"],
  ["X-Forwarded-For: 1.2.3"],
  ["X-Forwarded-For: 9.9.9.9, unknown"],
  ["X-Forwarded-For: 1:2:3"],
  ["X-Forwarded-For: :::"],
  [`X-Forwarded-For: ${"9.9.9.9, ".repeat(200)}x`],
  ["X-Forwarded-For: 10.9.0.1, 127.0.0.1"],
  ["Forwarded: for=unknown"],
  ["Forwarded: for=_hidden, for=_other"],
  ['Forwarded: for="'],
  ["Forwarded: ;;;=,,"],
];
for (const headers of GARBAGE) {
  const name = headers[0]?.slice(0, 60) ?? "no header";
  suite.row(`H52 ${name}: 400 or the proxy's address`, async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const response = await client.request(announceTarget({ info_hash: infoHash }), { headers });
    const asking = await open();
    if (response.status === 400) {
      assert.equal((await asking.counts(infoHash)).incomplete, 0);
      return;
    }
    parseAnnounced(response);
    const { peers, peers6 } = await peersOf(asking, infoHash);
    assert.deepEqual(peers6, []);
    assert.equal(peers.length, 1);
    // A list of trusted hops only leaves one of them, or the proxy itself.
    assert.match(peers[0].address, /^(127\.0\.0\.1|10\.9\.0\.1)$/);
  });
}

untrusting.row("H49 headers of an untrusted peer are ignored", async ({ client, open }) => {
  for (
    const header of [
      "X-Forwarded-For: 1.2.3.4",
      "Forwarded: for=1.2.3.4",
      "X-Real-IP: 1.2.3.4",
      "X-Forwarded-For: garbage",
    ]
  ) {
    await expectAddress(client, { headers: [header], address: "127.0.0.1", asking: open });
  }
});

suite.row("H49 a peer of the other family is no trusted one", async ({ open }) => {
  const infoHash = randomBytes(20);
  const client = await open("::1");
  const headers = ["X-Forwarded-For: 1.2.3.4"];
  parseAnnounced(await client.request(announceTarget({ info_hash: infoHash }), { headers }));
  const { peers, peers6 } = await peersOf(await open(), infoHash);
  assert.deepEqual(peers, []);
  assert.deepEqual(peers6, [{ address: "::1", port: 6881 }]);
}, { ignore: !HAS_IPV6 });

/** Headers of the PROXY protocol, and the address that must count. */
const PROXY_HEADERS: Record<string, { header: string | Uint8Array; address: string }> = {
  "v1, IPv4": { header: "PROXY TCP4 9.9.9.9 127.0.0.1 5555 80\r\n", address: "9.9.9.9" },
  "v1, IPv6": {
    header: "PROXY TCP6 2001:db8:1::2 2001:db8::1 5555 80\r\n",
    address: "2001:0db8:0001:0000:0000:0000:0000:0002",
  },
  "v1, unknown": { header: "PROXY UNKNOWN\r\n", address: "127.0.0.1" },
  "v1, unknown with addresses": {
    header: "PROXY UNKNOWN ffff::1 ffff::2 5555 80\r\n",
    address: "127.0.0.1",
  },
  "v1, H54 IPv4 in IPv6 form": {
    header: "PROXY TCP6 ::ffff:10.1.2.3 ::1 5555 80\r\n",
    address: "10.1.2.3",
  },
  "v2, IPv4": { header: proxyHeaderV2({ source: "09090909" }), address: "9.9.9.9" },
  "v2, IPv6": {
    header: proxyHeaderV2({ source: "20010db8000100000000000000000002" }),
    address: "2001:0db8:0001:0000:0000:0000:0000:0002",
  },
  "v2, H54 IPv4 in IPv6 form": {
    header: proxyHeaderV2({ source: "00000000000000000000ffff0a010203" }),
    address: "10.1.2.3",
  },
  "v2 with extensions": {
    header: proxyHeaderV2({ source: "09090909", extensions: fromHex("04 0003 616263 ea 0000") }),
    address: "9.9.9.9",
  },
  "v2, local": {
    header: proxyHeaderV2({ source: "09090909", isLocal: true }),
    address: "127.0.0.1",
  },
};

const NOT_PROXY_HEADERS: Record<string, string | Uint8Array> = {
  "no header": "",
  "a line without end": "PROXY TCP4 9.9.9.9 127.0.0.1 5555 80" + " ".repeat(200),
  "an address of the other family": "PROXY TCP4 ::1 ::1 5555 80\r\n",
  "a bad address": "PROXY TCP4 9.9.9.256 127.0.0.1 5555 80\r\n",
  "a missing port": "PROXY TCP4 9.9.9.9 127.0.0.1 5555\r\n",
  "another protocol": "PROXY UDP4 9.9.9.9 127.0.0.1 5555 80\r\n",
  "lower case": "proxy TCP4 9.9.9.9 127.0.0.1 5555 80\r\n",
  "v2, another version": fromHex("0d0a0d0a000d0a515549540a 31 11 000c 09090909 7f000001 1111 0050"),
  "v2, too short for its family": fromHex("0d0a0d0a000d0a515549540a 21 11 0004 09090909"),
  "v2, another command": fromHex("0d0a0d0a000d0a515549540a 23 11 000c 09090909 7f000001 1111 0050"),
  "half a signature": fromHex("0d0a0d0a000d0a515549"),
};

const PROXIED = { configuration: { network: { ...TRUSTING.network, proxy_protocol: true } } };
const proxied = new HttpSuite("http", PROXIED);

for (const [name, { header, address }] of Object.entries(PROXY_HEADERS)) {
  const bytes = typeof header === "string" ? ascii(header) : header;
  proxied.row(`H53 PROXY ${name}: ${address}`, async ({ open }) => {
    for (const pieces of [[bytes], inPieces(bytes, 1), inPieces(bytes, 7)]) {
      const infoHash = randomBytes(20);
      const request = writeRequest(announceTarget({ info_hash: infoHash }));
      await using client = await open();
      for (const piece of pieces) {
        await client.send(piece);
        if (pieces.length > 1) await client.settle();
      }
      await client.send(request);
      parseAnnounced(await client.receive());
      await client.expectUsable();
      await expectPeerAt(await openProxied(open), { infoHash, address });
    }
    const infoHash = randomBytes(20);
    const client = await open();
    await client.send(bytes, writeRequest(announceTarget({ info_hash: infoHash })));
    parseAnnounced(await client.receive());
    await expectPeerAt(await openProxied(open), { infoHash, address });
  });
}

for (const [name, header] of Object.entries(NOT_PROXY_HEADERS)) {
  proxied.row(`H53 ${name}: a close`, async ({ open }) => {
    const infoHash = randomBytes(20);
    const client = await open();
    await client.send(header, writeRequest(announceTarget({ info_hash: infoHash })));
    assert.doesNotMatch(latin1(await client.readRest()), / 200 /);
    const asking = await openProxied(open);
    assert.equal((await asking.counts(infoHash)).incomplete, 0, "Nothing was announced");
  });
}

const FOREIGN = {
  configuration: { network: { trusted_proxies: ["10.9.0.0/16"], proxy_protocol: true } },
};
untrusting.ownRow("H53 a PROXY header of an untrusted peer never counts", FOREIGN, async (row) => {
  const infoHash = randomBytes(20);
  const { client, open } = row;
  const request = writeRequest(announceTarget({ info_hash: infoHash }));
  await client.send("PROXY TCP4 9.9.9.9 127.0.0.1 5555 80\r\n", request);
  await client.closeWrite();
  await client.readRest();
  const asking = await open();
  const response = await asking.request(announceTarget({ info_hash: infoHash, port: 1 }))
    .catch(() => undefined);
  for (const { address } of response?.status === 200 ? parseAnnounced(response).peers : []) {
    assert.equal(address, "127.0.0.1");
  }
});

/** Announces with these headers, and expects the peer to be stored at this address. */
async function expectAddress(
  client: HttpConnection,
  options: {
    headers: string[];
    address: string;
    port?: number;
    asking: () => Promise<HttpConnection>;
  },
): Promise<void> {
  const { headers, address, port = 6881 } = options;
  const infoHash = randomBytes(20);
  const target = announceTarget({ info_hash: infoHash, port });
  parseAnnounced(await client.request(target, { headers }));
  await using asking = await options.asking();
  await expectPeerAt(asking, { infoHash, address, port });
}

async function expectPeerAt(
  asking: HttpConnection,
  options: { infoHash: Uint8Array; address: string; port?: number },
): Promise<void> {
  const { infoHash, address, port = 6881 } = options;
  const { peers, peers6 } = await peersOf(asking, infoHash);
  const expected = [{ address, port }];
  assert.deepEqual({ peers, peers6 }, {
    peers: address.includes(":") ? [] : expected,
    peers6: address.includes(":") ? expected : [],
  });
}

/** Returns the peers of a torrent without becoming one of them for long. */
async function peersOf(asking: HttpConnection, infoHash: Uint8Array) {
  const answer = await asking.announce({ info_hash: infoHash, port: 9 });
  await asking.announce({ info_hash: infoHash, port: 9, event: "stopped" });
  return answer;
}

async function openProxied(open: () => Promise<HttpConnection>): Promise<HttpConnection> {
  const client = await open();
  await client.send("PROXY TCP4 9.8.7.6 127.0.0.1 5555 80\r\n");
  return client;
}

function inPieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const pieces = [];
  for (let offset = 0; offset < bytes.length; offset += size) {
    pieces.push(bytes.subarray(offset, offset + size));
  }
  return pieces;
}
