/**
 * The HTTP codec against vectors: each whole, cut at every byte, byte by byte and among others on
 * one connection; on the release and the debug build.
 */
import { strict as assert } from "node:assert";
import { ascii, concat } from "../support/packets.ts";
import { type Build, compileCore } from "./harness.ts";
import { cuts, HttpHarness } from "./http_harness.ts";

const HASH = "info_hash=%00%26%3D%25%2b%FF%ffabcdefghijklm";
const ANNOUNCE = `/announce?${HASH}&peer_id=-TR4100-abcdefghijkl&port=6881&left=1`;
const HOST = "Host: tracker.test\r\n";
const ALONE =
  "d8:completei0e10:downloadedi0e10:incompletei1e8:intervali9e12:min intervali5e5:peers0:e";
const UNKNOWN =
  "d8:completei0e10:downloadedi0e10:incompletei0e8:intervali9e12:min intervali5e5:peers0:e";

interface Vector {
  request: string | Uint8Array;
  status: number;
  /** The body, or a part of it. */
  body?: string | RegExp;
  headers?: RegExp;
  /** Whether the connection ends with it. */
  ends?: boolean;
}

function get(target: string, headers = ""): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}${headers}\r\n`;
}

function failure(reason: string, rest = "8:retry in5:never"): string {
  return `d14:failure reason${reason.length}:${reason}8:intervali9e12:min intervali5e${rest}e`;
}

const INFO_HASH = failure("invalid info_hash: expected 20 bytes, percent-encoded");
const PEER_ID = failure("invalid peer_id: expected 20 bytes, percent-encoded");
const PORT = failure("invalid port");

const VECTORS: Record<string, Vector> = {
  "an announce": { request: get(ANNOUNCE), status: 200, body: ALONE },
  "an empty line before": { request: "\r\n\r\n" + get(ANNOUNCE), status: 200, body: ALONE },
  "HTTP/1.0": {
    request: `GET ${ANNOUNCE} HTTP/1.0\r\n\r\n`,
    status: 200,
    body: ALONE,
    headers: /^Connection: close\r$/m,
    ends: true,
  },
  "HTTP/1.0 kept alive": {
    request: `GET ${ANNOUNCE} HTTP/1.0\r\nconnection:\tKeep-Alive \r\n\r\n`,
    status: 200,
    headers: /^Connection: keep-alive\r$/m,
  },
  "Connection: close among others": {
    request: get(ANNOUNCE, "CONNECTION: TE , CLOSE\r\n"),
    status: 200,
    headers: /^Connection: close\r$/m,
    ends: true,
  },
  "HEAD": { request: get(ANNOUNCE).replace("GET", "HEAD"), status: 200, body: "" },
  "an absolute target": { request: get(`http://x:1${ANNOUNCE}`), status: 200, body: ALONE },
  "a key before": { request: get(`/key${ANNOUNCE}`), status: 200, body: ALONE },
  "a key behind": { request: get(ANNOUNCE.replace("?", "/key?")), status: 200, body: ALONE },
  "announce.php": { request: get(ANNOUNCE.replace("?", ".php?")), status: 200, body: ALONE },
  "a key before announce.php": {
    request: get("/k" + ANNOUNCE.replace("?", ".php?")),
    status: 200,
    body: ALONE,
  },
  "three parts": { request: get(`/a/b${ANNOUNCE}`), status: 404 },
  "the root": { request: get("/"), status: 404, body: /BitTorrent tracker/ },
  "no path": { request: get("http://tracker.test"), status: 404 },
  "announcefoo": { request: get(ANNOUNCE.replace("?", "foo?")), status: 404 },
  "stopped": { request: get(`${ANNOUNCE.replace("6881", "1")}&event=stopped`), status: 200 },
  "no query": { request: get("/announce"), status: 200, body: INFO_HASH },
  "no peer id": { request: get(`/announce?${HASH}&port=1`), status: 200, body: PEER_ID },
  "a peer id too long": {
    request: get(ANNOUNCE.replace("peer_id=", "peer_id=x")),
    status: 200,
    body: PEER_ID,
  },
  "port 0": { request: get(ANNOUNCE.replace("6881", "0")), status: 200, body: PORT },
  "port 65536": { request: get(ANNOUNCE.replace("6881", "65536")), status: 200, body: PORT },
  "port 4294967297": {
    request: get(ANNOUNCE.replace("6881", "4294967297")),
    status: 200,
    body: PORT,
  },
  "two info hashes": { request: get(`${ANNOUNCE}&${HASH}`), status: 200, body: INFO_HASH },
  "a bad escape": { request: get(ANNOUNCE.replace("%00", "%0g")), status: 200, body: INFO_HASH },
  "an escape cut off": { request: get(`${ANNOUNCE}&info_hash=%4`), status: 200, body: INFO_HASH },
  "a full scrape": {
    request: get("/scrape"),
    status: 200,
    body: failure("full scrape not allowed"),
  },
  "a scrape": {
    request: get(`/scrape?info_hash=zbcdefghijklmnopqrst&${HASH}&info_hash=zbcdefghijklmnopqrst`),
    status: 200,
    body: "d5:filesd20:\0&=%+ÿÿabcdefghijklm" +
      "d8:completei0e10:downloadedi0e11:downloadersi1e10:incompletei1ee20:zbcdefghijklmnopqrst" +
      "d8:completei0e10:downloadedi0e11:downloadersi0e10:incompletei0eeee",
  },
  "POST": {
    request: `POST ${ANNOUNCE} HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`,
    status: 405,
    headers: /^Allow: GET, HEAD\r$/m,
  },
  "POST with a body": {
    request: `POST ${ANNOUNCE} HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\n`,
    status: 405,
    ends: true,
  },
  "a target too long": { request: get("/" + "a".repeat(8_192)), status: 414, ends: true },
  "a target too long, and a bad byte behind": {
    request: get("/" + "a".repeat(9_000) + "\0"),
    status: 414,
    ends: true,
  },
  "a bad byte, and a target too long behind": {
    request: get("/a\0" + "a".repeat(9_000)),
    status: 400,
    ends: true,
  },
  "no method, and a target too long": {
    request: `G=T /${"a".repeat(9_000)} HTTP/1.1\r\n${HOST}\r\n`,
    status: 400,
    ends: true,
  },
  "a line without a blank": { request: "a".repeat(9_000) + "\r\n", status: 400, ends: true },
  "the longest target": {
    request: get(`${ANNOUNCE}&x=`.padEnd(8_192, "x")),
    status: 200,
    body: ALONE,
  },
  "headers too long": {
    request: get(ANNOUNCE, `X: ${"x".repeat(1_000)}\r\n`.repeat(17)),
    status: 431,
    ends: true,
  },
  "headers too long, and a bad byte behind": {
    request: get(ANNOUNCE, `X: ${"x".repeat(17_000)}\0\r\n`),
    status: 431,
    ends: true,
  },
  "a bad header, and headers too long behind": {
    request: get(ANNOUNCE, `X : y\r\nX: ${"x".repeat(17_000)}\r\n`),
    status: 400,
    ends: true,
  },
  "many headers": {
    request: get(ANNOUNCE, `X: ${"x".repeat(1_000)}\r\n`.repeat(16)),
    status: 200,
    body: ALONE,
  },
  "a line feed alone": { request: "GET / HTTP/1.1\n\n", status: 400, ends: true },
  "a carriage return alone": { request: get("/", "X: a\rb\r\n"), status: 400, ends: true },
  "a NUL": { request: get("/", "X: a\0b\r\n"), status: 400, ends: true },
  "a folded line": { request: get("/", "X: a\r\n b\r\n"), status: 400, ends: true },
  "a blank before a colon": { request: get("/", "X : a\r\n"), status: 400, ends: true },
  "two lengths": {
    request: get("/", "Content-Length: 0\r\ncontent-length: 0\r\n"),
    status: 400,
    ends: true,
  },
  "a signed length": { request: get("/", "Content-Length: +0\r\n"), status: 400, ends: true },
  "a length and chunks": {
    request: get("/", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
    status: 400,
    ends: true,
  },
  "chunks": { request: get("/", "transfer-encoding: chunked\r\n"), status: 400, ends: true },
  "a body": { request: get(ANNOUNCE, "Content-Length: 1\r\n"), status: 400, ends: true },
  "HTTP/2.0": { request: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: 400, ends: true },
  "no version": { request: "GET /announce\r\n\r\n", status: 400, ends: true },
  "no Host": { request: `GET ${ANNOUNCE} HTTP/1.1\r\n\r\n`, status: 400, ends: true },
  "TLS": { request: Uint8Array.of(0x16, 3, 1, 2, 0), status: 400, ends: true },
};

for (const build of ["release", "debug"] satisfies Build[]) {
  const module = await compileCore(build);
  const harness = new HttpHarness(module);
  harness.exchange([get(ANNOUNCE)]);

  for (const [name, vector] of Object.entries(VECTORS)) {
    Deno.test(`HTTP answers ${name}, however it is cut [${build}]`, () => {
      const bytes = typeof vector.request === "string" ? ascii(vector.request) : vector.request;
      const whole = harness.exchange([bytes]);
      judge(vector, whole.text);
      assert.equal(whole.isEnding, vector.ends ?? false);
      if (bytes.length > 2_000) {
        assert.equal(harness.exchange([...chunks(bytes, 97)]).text, whole.text);
        return;
      }
      for (const pieces of cuts(bytes)) {
        const { text, isEnding } = harness.exchange(pieces);
        assert.equal(text, whole.text, `Cut at ${pieces[0].length}`);
        assert.equal(isEnding, whole.isEnding);
      }
    });
  }

  Deno.test(`HTTP answers what is pipelined in its order [${build}]`, () => {
    const kept = Object.values(VECTORS).filter(({ ends, request }) =>
      !ends && typeof request === "string" && request.length < 2_000
    ).map(({ request }) => ascii(request as string));
    const expected = kept.map((request) => harness.exchange([request]).text).join("");
    const all = concat(...kept);
    assert.equal(harness.exchange([all]).text, expected);
    for (const size of [1, 7, 511, 512, 513, 1_400]) {
      assert.equal(harness.exchange([...chunks(all, size)]).text, expected, `Pieces of ${size}`);
    }
    const many = concat(...Array.from({ length: 40 }, () => all));
    assert.equal(harness.exchange([many]).text, expected.repeat(40));
  });

  Deno.test(`HTTP answers have room, whoever else wrote the settings [${build}]`, () => {
    const settingsBefore = { maxPeers: 0, maxScrapeTorrents: 1 }; // as WebTorrent's service does
    for (const maxPeers of [200, 1_000]) {
      const tracker = new HttpHarness(module, { settingsBefore, settings: { maxPeers } });
      for (let port = 1; port <= maxPeers; port++) {
        tracker.exchange([get(ANNOUNCE.replace("6881", `${port}`))], `2001:db8:${port}:1:1:1:1:1`);
      }
      const asking = get(`${ANNOUNCE}&compact=0&numwant=${maxPeers}`);
      const answer = tracker.exchange([asking], "2001:db8::1").text;
      assert.equal(answer.match(/d2:ip/g)?.length, maxPeers);
      const three = tracker.exchange([asking.repeat(3)], "2001:db8::1").text;
      assert.equal(three.length, 3 * answer.length);
    }
  });

  Deno.test(`HTTP says nothing after a request that ends its connection [${build}]`, () => {
    const next = get(ANNOUNCE.replace("6881", "6999"));
    for (const { request, ends } of Object.values(VECTORS)) {
      if (!ends || typeof request !== "string") continue;
      assert.equal(
        harness.exchange([request + next]).text,
        harness.exchange([request]).text,
        request,
      );
    }
    const asking = get(`/scrape?${HASH}`);
    assert.match(harness.exchange([asking]).text, /10:incompletei1ee/);
  });

  Deno.test(`HTTP gives back all memory of a connection [${build}]`, () => {
    const small = new HttpHarness(module, { connections: 2, slices: 9 });
    for (let round = 0; round < 2_000; round++) {
      const connection = small.open();
      small.receive(connection, ascii(get("/" + "a".repeat(round * 3 % 6_000)).slice(0, -2)));
      small.core.close(connection);
    }
    assert.match(small.exchange([get("/" + "a".repeat(8_000))]).text, / 404 /);
  });

  Deno.test(`HTTP turns away who needs a slice when there is none [${build}]`, () => {
    const small = new HttpHarness(module, { connections: 40, slices: 12 });
    const long = ascii(get("/" + "a".repeat(4_000)).slice(0, -2));
    const texts = Array.from({ length: 20 }, (_, index) => {
      const connection = small.open(`192.0.2.${index}`);
      return new TextDecoder().decode(small.receive(connection, long));
    });
    const refused = texts.filter((text) =>
      /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 60\r\n/.test(text)
    );
    assert.equal(refused.length, 20 - 9);
    assert.equal(texts.filter((text) => text === "").length, 9);
    assert.match(small.exchange([get("/")]).text, / 404 /, "Others are served");
  });

  Deno.test(`HTTP answers a late client, and none that has asked nothing [${build}]`, () => {
    const idle = harness.open();
    assert.equal(harness.core.timeOut(idle), 0);
    assert.ok(harness.core.isEnding(idle));
    const late = harness.open();
    harness.receive(late, ascii("GET / HT"));
    const byteLength = harness.core.timeOut(late);
    const text = new TextDecoder().decode(harness.core.outputOf(late, byteLength).slice());
    assert.match(text, /^HTTP\/1\.1 408 /);
    harness.core.close(idle);
    harness.core.close(late);
  });

  Deno.test(`HTTP announces write nothing that is not there: unknown torrents [${build}]`, () => {
    const stopped = get(`${ANNOUNCE.replace("abcdefghijklm", "nopqrstuvwxyz")}&event=stopped`);
    assert.ok(harness.exchange([stopped]).text.endsWith(`\r\n\r\n${UNKNOWN}`));
  });
}

function* chunks(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function judge(vector: Vector, text: string): void {
  const headEnd = text.indexOf("\r\n\r\n");
  assert.ok(headEnd > 0, `There is an answer: ${text}`);
  const head = text.slice(0, headEnd + 2);
  const body = text.slice(headEnd + 4);
  assert.match(head, new RegExp(`^HTTP/1\\.1 ${vector.status} `));
  assert.match(head, vector.headers ?? /^/);
  if (typeof vector.body === "string") assert.equal(body, vector.body);
  else assert.match(body, vector.body ?? /^/);
  const isHead = typeof vector.request === "string" && vector.request.startsWith("HEAD");
  const contentLength = Number(/^Content-Length: (\d+)\r$/m.exec(head)?.[1]);
  assert.equal(contentLength, isHead ? ALONE.length : body.length);
}
