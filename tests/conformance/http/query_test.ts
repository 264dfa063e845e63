/** Rows H5–H12, H22–H27 and H48: what a query may hold, and which paths there are. (B1–B3.) */
import { strict as assert } from "node:assert";
import { latin1 } from "../../support/bencode.ts";
import type { HttpConnection } from "../../support/http_client.ts";
import { announceTarget, parseAnnounced, parseFailure } from "../../support/http_messages.ts";
import { percentEncode, scrapeTarget, writeQuery } from "../../support/http_messages.ts";
import { parseScraped, writeRequest } from "../../support/http_messages.ts";
import { HttpSuite } from "../../support/http_suite.ts";
import { ascii, concat, fromHex, randomBytes } from "../../support/packets.ts";

const suite = new HttpSuite("http");
const NOBODY = { complete: 0, downloaded: 0, incomplete: 0 };
const ONE_LEECHER = { complete: 0, downloaded: 0, incomplete: 1 };

/** Bytes that mean something in a query, and those of both ends of the range. */
const AWKWARD = fromHex("00 26 3d 25 2b ff 0a 0d 20 23 2f 3f 7f 80 c3 28 01 fe 3b 5c");

suite.row("H5 escaped bytes decode to themselves, in digits of either case", async ({ client }) => {
  for (const upper of [true, false]) {
    const infoHash = concat(AWKWARD.subarray(0, 18), randomBytes(2));
    await client.announce({ info_hash: percentEncode(infoHash, { upper }) });
    await client.announce({ info_hash: percentEncode(infoHash, { upper: !upper }), port: 6882 });
    assert.deepEqual(await client.counts(infoHash), { ...ONE_LEECHER, incomplete: 2 });
  }
});

suite.row("H5 each of the 256 bytes decodes to itself", async ({ client }) => {
  for (let byte = 0; byte < 256; byte++) {
    const infoHash = concat(randomBytes(10), Uint8Array.of(byte), randomBytes(9));
    await client.announce({ info_hash: infoHash });
    const digits = percentEncode(infoHash).toUpperCase();
    const answer = parseScraped(await client.request(`/scrape?info_hash=${digits}`));
    assert.deepEqual([...answer], [[latin1(infoHash), ONE_LEECHER]]);
  }
});

suite.row("H5 characters that clients leave unescaped stand for themselves", async ({ client }) => {
  const text = "-_!.~*()'ABCxyz0129:";
  await client.announce({ info_hash: text });
  const counts = await client.counts(ascii(text));
  assert.ok(counts.incomplete >= 1);
});

suite.row('H6 a literal "+" is the byte 2b', async ({ client }) => {
  const tail = randomBytes(17);
  await client.announce({ info_hash: `a+b${percentEncode(tail)}` });
  assert.deepEqual(await client.counts(concat(ascii("a+b"), tail)), ONE_LEECHER);
  assert.deepEqual(await client.counts(concat(ascii("a b"), tail)), NOBODY);
});

suite.row("H7 a peer id without escapes", async ({ client }) => {
  await client.announce({ peer_id: "-TR4100-abcdefghijkl" });
});

const LENGTHS: Record<string, string> = {
  "19 bytes": percentEncode(randomBytes(19)),
  "21 bytes": percentEncode(randomBytes(21)),
  "40 hexadecimal digits": randomBytes(20).toHex(),
  "32 bytes": percentEncode(randomBytes(32)),
  "no bytes": "",
};
for (const [length, infoHash] of Object.entries(LENGTHS)) {
  suite.row(`H8 an info hash of ${length}: a failure`, async ({ client }) => {
    await client.refusal({ info_hash: infoHash });
    await client.expectUsable();
  });
}

suite.row("H9 no info hash: a failure", async ({ client }) => {
  await client.refusal({ info_hash: undefined });
  parseFailure(await client.request("/announce"));
  parseFailure(await client.request("/announce?"));
  await client.expectUsable();
});

suite.row("H9 two info hashes: a failure, and neither is stored", async ({ client }) => {
  const [first, second] = [randomBytes(20), randomBytes(20)];
  const target = announceTarget({ info_hash: first });
  parseFailure(await client.request(`${target}&info_hash=${percentEncode(second)}`));
  parseFailure(await client.request(`${target}&info_hash=${percentEncode(first)}`));
  for (const infoHash of [first, second]) assert.deepEqual(await client.counts(infoHash), NOBODY);
  await client.expectUsable();
});

const NINETEEN = percentEncode(randomBytes(19));
const MALFORMED: Record<string, string> = {
  "%zz": `%zz${NINETEEN}`,
  "%4z": `${NINETEEN}%4z`,
  "% 1": `%-1${NINETEEN}`,
  "a % at the end": `${NINETEEN}%`,
  "one digit at the end": `${NINETEEN}%4`,
  "20 bytes and a %": `${percentEncode(randomBytes(20))}%`,
};
for (const [what, value] of Object.entries(MALFORMED)) {
  suite.row(`H10 ${what} in an info hash or peer id: a failure`, async ({ client }) => {
    // Last in the target, so that the escape is cut short by its end.
    const { info_hash: _, ...others } = { info_hash: "", peer_id: "-TR4100-abcdefghijkl" };
    const target = `/announce?port=6881&left=1&${writeQuery(others)}&info_hash=${value}`;
    parseFailure(await client.request(target));
    await client.refusal({ info_hash: value });
    await client.refusal({ peer_id: value });
    await client.expectUsable();
  });
}

suite.row("H10 malformed escapes elsewhere void only their parameter", async ({ client }) => {
  const infoHash = randomBytes(20);
  const { incomplete } = await client.announce({ info_hash: infoHash, key: "%zz", event: "%4" });
  assert.equal(incomplete, 1);
  await client.announce({ info_hash: infoHash, "%zz": "1", "x%": "" });
});

const PEER_IDS: Record<string, string | undefined> = {
  "no peer id": undefined,
  "a peer id of 19 bytes": "a".repeat(19),
  "a peer id of 21 bytes": "a".repeat(21),
  "an empty peer id": "",
};
for (const [what, peerId] of Object.entries(PEER_IDS)) {
  suite.row(`H11 ${what}: a failure`, async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.refusal({ info_hash: infoHash, peer_id: peerId });
    assert.deepEqual(await client.counts(infoHash), NOBODY);
    await client.expectUsable();
  });
}

for (const port of [undefined, "", "0", "000", "65536", "70417", "4294974177", "-1", "abc"]) {
  suite.row(`H12 port ${port ?? "missing"}: a failure`, async ({ client }) => {
    const infoHash = randomBytes(20);
    assert.match(await client.refusal({ info_hash: infoHash, port }), /port/i);
    assert.deepEqual(await client.counts(infoHash), NOBODY);
    await client.expectUsable();
  });
}

for (const port of ["6881x", "6881 ", "+6881", "0x1ae1", "6881.0", "99999999999999999999"]) {
  suite.row(`H12 port "${port}" is no port: a failure`, async ({ client }) => {
    await client.refusal({ port: port.replace(" ", "%20") });
    await client.expectUsable();
  });
}

suite.row("H12 ports 1 and 65535 are ports", async ({ client }) => {
  const infoHash = randomBytes(20);
  await client.announce({ info_hash: infoHash, port: 1 });
  await client.announce({ info_hash: infoHash, port: 65535 });
  const { peers } = await client.announce({ info_hash: infoHash });
  assert.deepEqual(peers.map(({ port }) => port).sort((a, b) => a - b), [1, 65535]);
});

suite.row("H22 ip, ipv4 and ipv6 are ignored", async ({ client }) => {
  const infoHash = randomBytes(20);
  const target = announceTarget({ info_hash: infoHash, ip: "8.8.8.8", ipv4: "9.9.9.9:1" }) +
    "&ipv6=2001:db8::1&ipv6=%5B2001%3Adb8%3A%3A2%5D%3A6881&ip=example.org";
  assert.equal(parseAnnounced(await client.request(target)).incomplete, 1);
  const { peers, peers6 } = await client.announce({ info_hash: infoHash, port: 6882 });
  assert.deepEqual(peers, [{ address: "127.0.0.1", port: 6881 }]);
  assert.deepEqual(peers6, []);
});

suite.row("H23 keys of 8 raw bytes and of 300 characters are ignored", async ({ client }) => {
  await client.announce({ key: randomBytes(8) });
  await client.announce({ key: "k".repeat(300) });
  await client.announce({ key: "-1234567890", trackerid: randomBytes(30) });
});

suite.row("H24 unknown and odd parameters are ignored", async ({ client }) => {
  for (const odd of ["&&", "&=x", "&a=b=c", "&flag", "&=", "&", "&info=1&peer=2&info_hashes=3"]) {
    const infoHash = randomBytes(20);
    const target = announceTarget({ info_hash: infoHash });
    await expectAnnounced(client, target + odd, infoHash);
    await expectAnnounced(client, target.replace("?", `?${odd.slice(1)}&`), infoHash);
    await expectAnnounced(client, target.replace("&port", `${odd}&port`), infoHash);
  }
});

suite.row("H24 duplicates of other parameters do not fail", async ({ client }) => {
  const infoHash = randomBytes(20);
  const target = announceTarget({ info_hash: infoHash });
  await expectAnnounced(client, `${target}&uploaded=1&uploaded=2&key=a&key=b&compact=1`, infoHash);
});

suite.row("H24 informational parameters are ignored", async ({ client }) => {
  await client.announce({ supportcrypto: 1, requirecrypto: 1, corrupt: 0, redundant: "x" });
});

suite.row("H25 parameters before info_hash, and info_hash first or last", async ({ client }) => {
  const infoHash = randomBytes(20);
  const hash = `info_hash=${percentEncode(infoHash)}`;
  const rest = writeQuery({ peer_id: "-TR4100-abcdefghijkl", port: 6881, left: 1 });
  for (const query of [`passkey=x&${hash}&${rest}`, `${hash}&${rest}`, `${rest}&${hash}`]) {
    await expectAnnounced(client, `/announce?${query}`, infoHash);
  }
});

for (const path of ["/PASSKEY/announce", "/announce/PASSKEY", "/announce.php", "/announce/"]) {
  suite.row(`H26 ${path} is an announce, and its scrape form a scrape`, async ({ client }) => {
    const infoHash = randomBytes(20);
    parseAnnounced(await client.request(announceTarget({ info_hash: infoHash }, path)));
    const scrape = scrapeTarget([infoHash], path.replace("announce", "scrape"));
    const counts = parseScraped(await client.request(scrape));
    assert.deepEqual(counts.get(latin1(infoHash)), ONE_LEECHER);
  });
}

suite.row("H27 other paths: 404", async ({ client }) => {
  for (const path of ["/", "/foo", "/announcefoo", "/scrapefoo", "/favicon.ico", "/xannounce"]) {
    for (const target of [path, announceTarget({}, path)]) {
      assert.equal((await client.request(target)).status, 404, target);
    }
  }
  await client.expectUsable();
});

suite.row("H27 / tells a browser what this is", async ({ client }) => {
  const { status, headers, body } = await client.request("/", { headers: ["Accept: text/html"] });
  assert.equal(status, 404);
  assert.match(headers.get("content-type") ?? "", /^text\/plain/);
  assert.match(latin1(body), /BitTorrent tracker/i);
});

suite.row("H48 raw bytes from 80 to ff: they work, or 400", async ({ open }) => {
  for (let first = 0x80; first < 0x100; first += 16) {
    await using client = await open();
    const raw = Uint8Array.from({ length: 16 }, (_, index) => first + index);
    const tail = randomBytes(4);
    const infoHash = concat(raw, tail);
    const [head, rest] = writeRequest(announceTarget({ info_hash: "HERE" })).split("HERE");
    await client.send(head, raw, percentEncode(tail), rest);
    const response = await client.receive();
    if (response.status !== 400) assert.equal(parseAnnounced(response).incomplete, 1);
    await using other = await open();
    const { incomplete } = await other.counts(infoHash);
    assert.equal(incomplete, response.status === 400 ? 0 : 1, "Never a wrong hash");
  }
});

async function expectAnnounced(
  client: HttpConnection,
  target: string,
  infoHash: Uint8Array,
): Promise<void> {
  parseAnnounced(await client.request(target));
  assert.deepEqual(await client.counts(infoHash), ONE_LEECHER, target);
}
