/** Rows H38–H48: requests as messages, and how long a connection lives. (protocols.md B5, B7.) */
import { strict as assert } from "node:assert";
import { latin1 } from "../../support/bencode.ts";
import type { HttpConnection } from "../../support/http_client.ts";
import { announceTarget, parseAnnounced, parseScraped } from "../../support/http_messages.ts";
import { scrapeTarget, writeRequest } from "../../support/http_messages.ts";
import { forEachWay, HttpSuite } from "../../support/http_suite.ts";
import { ascii, concat, randomBytes } from "../../support/packets.ts";

const HTTP_1_0 = { version: "HTTP/1.0", host: null };

forEachWay((way) => {
  const suite = new HttpSuite(way);

  suite.row("H38 a target of 8 KiB works, one of 20 KiB: 414 and a close", async (context) => {
    const { client } = context;
    const infoHash = randomBytes(20);
    const long = announceTarget({ info_hash: infoHash, key: "k".repeat(7900) });
    assert.equal(parseAnnounced(await client.request(long)).incomplete, 1);
    const tooLong = announceTarget({ key: "k".repeat(20_000) });
    assert.equal((await client.request(tooLong)).status, 414);
    assert.equal(await client.untilClosed(), "closed", "The answer must not be lost by a reset");
  });

  suite.row("H38 a target without end: 414 and a close", async ({ client }) => {
    await client.send("GET /announce?key=" + "k".repeat(40_000));
    assert.equal((await client.receive()).status, 414);
    await client.untilClosed();
  });

  suite.row("H39 headers of 8 KiB work, beyond the limit: 431 and a close", async (context) => {
    const { client } = context;
    const lines = (count: number) => Array.from({ length: count }, (_, it) => `X-${it}: ${FILL}`);
    parseAnnounced(await client.request(announceTarget(), { headers: lines(8) }));
    assert.equal((await client.request(announceTarget(), { headers: lines(60) })).status, 431);
    await client.untilClosed();
    const other = await context.open();
    const oneLine = { headers: [`X: ${FILL.repeat(60)}`] };
    assert.equal((await other.request(announceTarget(), oneLine)).status, 431);
    await other.untilClosed();
  });

  suite.row("H39 headers that browsers send do no harm", async ({ client }) => {
    const headers = ["Accept-Encoding: gzip, deflate, br", "Cookie: a=b; c=d", "X-Empty:", "TE: x"];
    const response = await client.request(announceTarget(), { headers });
    assert.ok(!response.headers.has("content-encoding"), "Never compressed");
    parseAnnounced(response);
  });

  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X-Y"]) {
    suite.row(`H40 ${method}: 405 with Allow`, async ({ client, open }) => {
      const infoHash = randomBytes(20);
      const target = announceTarget({ info_hash: infoHash });
      const response = await client.request(target, { method, headers: ["Content-Length: 0"] });
      // An option may allow it.
      const isPreflight = method === "OPTIONS" && response.status === 204;
      if (!isPreflight) assert.equal(response.status, 405);
      const allowed = response.headers.get("allow")?.split(/,\s*/) ?? [];
      assert.ok(allowed.includes("GET") && allowed.includes("HEAD"), `Allow: ${allowed}`);
      const { incomplete } = await (await open()).counts(infoHash);
      assert.equal(incomplete, 0, "Nothing was announced");
    });
  }

  suite.row("H40 methods have capital letters: get is none", async ({ client }) => {
    const { status } = await client.request(announceTarget(), { method: "get" });
    assert.ok([400, 405, 501].includes(status), `Status ${status}`);
  });

  suite.row("H40 HEAD: the head that GET gets, and no body", async ({ client }) => {
    const hashes = [randomBytes(20), randomBytes(20)];
    await client.announce({ info_hash: hashes[0] });
    for (const target of [scrapeTarget(hashes), "/announce", "/foo"]) {
      const get = await client.request(target);
      const head = await client.request(target, { method: "HEAD" });
      assert.equal(head.status, get.status);
      assert.equal(head.body.length, 0);
      assert.deepEqual(head.headers, get.headers, "Content-Length too");
    }
    await client.expectUsable();
  });

  suite.row("H41 HTTP/1.0 without Host: an answer with its length, then a close", async (row) => {
    const response = await row.client.request(announceTarget(), HTTP_1_0);
    parseAnnounced(response);
    assert.doesNotMatch(response.headers.get("connection") ?? "close", /keep-alive/i);
    assert.equal(await row.client.untilClosed(), "closed");
  });

  suite.row("H41 HTTP/1.1 without Host: 400 (RFC 9112, 3.2)", async ({ client }) => {
    assert.equal((await client.request(announceTarget(), { host: null })).status, 400);
  });

  suite.row("H42 HTTP/1.0 with Connection: Keep-Alive stays open and says so", async (row) => {
    for (const value of ["Keep-Alive", "keep-alive", "x, KEEP-ALIVE"]) {
      const options = { ...HTTP_1_0, headers: [`connection: ${value}`] };
      const response = await row.client.request(announceTarget(), options);
      parseAnnounced(response);
      assert.match(response.headers.get("connection") ?? "", /^keep-alive$/i);
    }
    await row.client.expectUsable();
  });

  for (const value of ["close", "Close", "keep-alive, CLOSE", "foo,close ,bar"]) {
    suite.row(`H43 HTTP/1.1 with Connection: ${value}: one answer, then a close`, async (row) => {
      const { client } = row;
      const response = await client.request(announceTarget(), {
        headers: [`Connection: ${value}`],
      });
      parseAnnounced(response);
      assert.match(response.headers.get("connection") ?? "", /^close$/i);
      assert.equal(await client.untilClosed(), "closed");
    });
  }

  suite.row("H43 what follows a request with Connection: close is not answered", async (row) => {
    const infoHash = randomBytes(20);
    await row.client.send(
      writeRequest(announceTarget(), { headers: ["Connection: close"] }),
      writeRequest(announceTarget({ info_hash: infoHash })),
    );
    parseAnnounced(await row.client.receive());
    await row.client.untilClosed();
    assert.equal((await (await row.open()).counts(infoHash)).incomplete, 0);
  });

  suite.row("H44 two announces in one segment: two answers in order", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.send(
      writeRequest(announceTarget({ info_hash: infoHash, port: 6881 })),
      writeRequest(announceTarget({ info_hash: infoHash, port: 6882 })),
    );
    assert.deepEqual(parseAnnounced(await client.receive()).peers, []);
    const { peers } = parseAnnounced(await client.receive());
    assert.deepEqual(peers, [{ address: "127.0.0.1", port: 6881 }]);
    await client.expectUsable();
  });

  suite.row("H44 500 pipelined scrapes, read when all are sent: all in order", async (context) => {
    const { client } = context;
    const hashes = Array.from({ length: 500 }, () => randomBytes(20));
    await client.send(...hashes.map((infoHash) => writeRequest(scrapeTarget([infoHash]))));
    for (const infoHash of hashes) {
      assert.deepEqual([...parseScraped(await client.receive()).keys()], [latin1(infoHash)]);
    }
    await client.expectUsable();
  });

  suite.row(
    "H44 a bad request among pipelined ones: answers up to it, a 400, a close",
    async (row) => {
      const infoHash = randomBytes(20);
      const good = writeRequest(scrapeTarget([infoHash]));
      await row.client.send(good, good, "GET\r\n\r\n", writeRequest(announceTarget()));
      for (let count = 0; count < 2; count++) parseScraped(await row.client.receive());
      assert.equal((await row.client.receive()).status, 400);
      await row.client.untilClosed();
    },
  );

  suite.row("H45 byte by byte", async ({ client }) => {
    const infoHash = randomBytes(20);
    for (const byte of ascii(writeRequest(announceTarget({ info_hash: infoHash })))) {
      await client.send(Uint8Array.of(byte));
    }
    assert.equal(parseAnnounced(await client.receive()).incomplete, 1);
    await client.expectUsable();
  });

  suite.row("H45 cut in two at every byte: the same answer", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash });
    const request = ascii(writeRequest(scrapeTarget([infoHash])));
    await client.send(request);
    const whole = withoutDate(await client.receive());
    for (let cut = 1; cut < request.length; cut++) {
      await client.send(request.subarray(0, cut));
      await client.settle();
      await client.send(request.subarray(cut));
      assert.deepEqual(withoutDate(await client.receive()), whole, `Cut at byte ${cut}`);
    }
  });

  suite.row("H45 pipelined requests cut anywhere: the same answers", async ({ client }) => {
    const infoHash = randomBytes(20);
    const request = ascii(writeRequest(scrapeTarget([infoHash])));
    await client.send(request);
    const whole = withoutDate(await client.receive());
    for (let size = 1; size <= 3 * request.length; size += 17) {
      const bytes = concat(...Array.from({ length: 6 }, () => request));
      const sending = (async () => {
        for (let offset = 0; offset < bytes.length; offset += size) {
          await client.send(bytes.subarray(offset, offset + size));
        }
      })();
      for (let count = 0; count < 6; count++) {
        assert.deepEqual(withoutDate(await client.receive()), whole, `In pieces of ${size} bytes`);
      }
      await sending;
    }
  });

  suite.row("H45 lines that end with LF only: they work, or 400", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const target = announceTarget({ info_hash: infoHash });
    await client.send(writeRequest(target).replaceAll("\r\n", "\n"));
    const response = await client.receive();
    if (response.status !== 400) parseAnnounced(response);
    const { incomplete } = await (await open()).counts(infoHash);
    assert.equal(incomplete, response.status === 400 ? 0 : 1);
  });

  suite.row("H46 100 announces on one connection: all independent", async ({ client }) => {
    const torrents = Array.from({ length: 100 }, (_, index) => ({
      info_hash: randomBytes(20),
      peer_id: randomBytes(20),
      port: 1000 + index,
      left: index % 2,
    }));
    for (const torrent of torrents) {
      const { complete, incomplete, peers } = await client.announce(torrent);
      assert.deepEqual([complete, incomplete], [1 - torrent.left, torrent.left]);
      assert.deepEqual(peers, []);
    }
    for (const { info_hash, port } of torrents) {
      const { peers } = await client.announce({ info_hash, port: 9 });
      assert.deepEqual(peers, [{ address: "127.0.0.1", port }]);
    }
  });

  suite.row("H47 an absolute-form target", async ({ client }) => {
    for (const base of ["http://tracker.test", "https://tracker.test:443", "HTTP://[::1]:3000"]) {
      const infoHash = randomBytes(20);
      const target = announceTarget({ info_hash: infoHash });
      assert.equal(parseAnnounced(await client.request(base + target)).incomplete, 1);
      assert.equal((await client.counts(infoHash)).incomplete, 1);
    }
    assert.equal((await client.request("http://tracker.test")).status, 404);
    await client.expectUsable();
  });

  suite.row("H47 a target without a slash: 400 or 404", async ({ client }) => {
    const { status } = await client.request(announceTarget().slice(1));
    assert.ok([400, 404].includes(status), `Status ${status}`);
  });

  suite.row("empty lines before a request are skipped (RFC 9112, 2.2)", async ({ client }) => {
    await client.send("\r\n", writeRequest(announceTarget()));
    parseAnnounced(await client.receive());
    await client.expectUsable();
  });

  suite.row("a client that has closed its half still gets its answers", async ({ client }) => {
    const request = writeRequest(announceTarget());
    await client.send(request, request);
    await client.closeWrite();
    parseAnnounced(await client.receive());
    parseAnnounced(await client.receive());
    assert.equal(await client.untilClosed(), "closed");
  });

  const oneEach = { configuration: { network: { keep_alive: false } } };
  suite.ownRow("keep_alive = false: one answer for each connection", oneEach, async (context) => {
    for (const options of [{}, { ...HTTP_1_0, headers: ["Connection: keep-alive"] }]) {
      const client = await context.open();
      const response = await client.request(announceTarget(), options);
      parseAnnounced(response);
      assert.match(response.headers.get("connection") ?? "", /^close$/i);
      assert.equal(await client.untilClosed(), "closed");
    }
  });
});

const FILL = "f".repeat(1000);

function withoutDate(response: Awaited<ReturnType<HttpConnection["receive"]>>) {
  const headers = new Map(response.headers);
  headers.delete("date");
  return { ...response, headers };
}
