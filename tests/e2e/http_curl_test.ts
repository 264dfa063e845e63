/** curl asks the HTTP tracker in all the ways that programs with libcurl do, and in odd ones. */
import { strict as assert } from "node:assert";
import { parseDictionary } from "../support/bencode.ts";
import { HAS_IPV6 } from "../support/configuration.ts";
import { announceTarget, scrapeTarget } from "../support/http_messages.ts";
import { forEachScheme, HttpServer } from "../support/http_suite.ts";
import type { HttpServerOptions } from "../support/http_suite.ts";
import { randomBytes } from "../support/packets.ts";
import { curl, type CurlResult, hasCurl } from "./clients/curl.ts";

const CURL = await hasCurl();
/** curl's exit status for a certificate that it does not trust. */
const UNTRUSTED = 60;

interface Context {
  server: HttpServer;
  /** Options that make curl trust the tracker, and its address. */
  base: string;
  trust: string[];
  ask(target: string, ...args: string[]): Promise<CurlResult>;
}

forEachScheme((scheme) => {
  const test = (
    name: string,
    judge: (context: Context) => Promise<void>,
    options: HttpServerOptions & { ignore?: boolean } = {},
  ) =>
    Deno.test({
      name: `curl: ${name} [${scheme}]`,
      ignore: !CURL || (options.ignore ?? false),
      fn: async () => {
        const { ignore: _, ...own } = options;
        await using server = await HttpServer.start(scheme, own);
        const base = `${scheme}://${server.server.addressFor("127.0.0.1")}`;
        const trust = server.authority ? ["--cacert", server.authority.certificatePath] : [];
        const ask = (target: string, ...args: string[]) => curl(...trust, ...args, base + target);
        await judge({ server, base, trust, ask });
      },
    });

  test("announce and scrape, also over IPv6", async ({ server, trust, ask }) => {
    const infoHash = randomBytes(20);
    assertAnnounced(await ask(announceTarget({ info_hash: infoHash })), { version: "1.1" });
    const { status, body } = await ask(scrapeTarget([infoHash]));
    assert.equal(status, 200);
    assert.match(body, /10:incompletei1e/);
    if (!HAS_IPV6) return;
    const address = server.server.addressFor("::1");
    const target = announceTarget({ info_hash: infoHash });
    const sixth = await curl(...trust, `${scheme}://${address}${target}`);
    assertAnnounced(sixth, { version: "1.1" });
    assert.match(sixth.body, /10:incompletei2e/);
  });

  test("several requests go over one connection", async ({ base, ask }) => {
    const urls = Array.from({ length: 5 }, () => base + announceTarget());
    const { connectCount, status } = await ask(announceTarget(), ...urls);
    assert.equal(status, 200);
    assert.equal(connectCount, 0, "The last one needed no connection of its own");
  });

  test("Connection: close, HTTP/1.0 and HTTP/1.0 with keep-alive", async ({ base, ask }) => {
    for (const args of [["--header", "Connection: close"], ["--http1.0"]]) {
      const { status, connectCount } = await ask(announceTarget(), ...args, base + "/announce");
      assert.equal(status, 200);
      assert.equal(connectCount, 1);
    }
    const keepAlive = ["--http1.0", "--header", "Connection: keep-alive"];
    const kept = await ask(announceTarget(), ...keepAlive, base + announceTarget());
    assert.equal(kept.connectCount, 0);
  });

  test("HTTP/2 is asked for: HTTP/1.1 is spoken", async ({ ask }) => {
    assertAnnounced(await ask(announceTarget(), "--http2"), { version: "1.1" });
  });

  test("HEAD: a head whose length no body follows", async ({ base, ask }) => {
    const { code, status, connectCount } = await ask(announceTarget(), "--head", base + "/scrape");
    assert.deepEqual([code, status, connectCount], [0, 200, 0]);
  });

  test("POST in all forms: 405, and the program goes on", async ({ ask }) => {
    const forms = [
      ["--data", "x=y"],
      ["--data", "x".repeat(100_000)],
      ["--data", "x", "--header", "Expect: 100-continue"],
      ["--data", "x", "--header", "Transfer-Encoding: chunked"],
      ["--form", "a=b"],
      ["--request", "DELETE"],
      ["--upload-file", "deno.json"],
    ];
    for (const form of forms) {
      const { status, errors } = await ask("/announce", ...form);
      // A body whose length is open is refused as such.
      const expected = form.some((each) => each.includes("chunked")) ? [400, 405, 411] : [405];
      assert.ok(
        expected.includes(status),
        `${form[0]} ${form[1].slice(0, 30)}: ${status} ${errors}`,
      );
    }
  });

  test("as a proxy it is asked in absolute form", async ({ base }) => {
    const url = `http://tracker.test${announceTarget()}`;
    assertAnnounced(await curl("--proxy", base, url), { version: "1.1" });
  }, { ignore: scheme === "https" });

  test("--haproxy-protocol", async ({ ask }) => {
    assertAnnounced(await ask(announceTarget(), "--haproxy-protocol"), { version: "1.1" });
    const { status } = await ask(announceTarget());
    assert.notEqual(status, 200, "Without the header it is no client");
  }, {
    ignore: scheme === "https",
    configuration: { network: { trusted_proxies: ["127.0.0.1"], proxy_protocol: true } },
  });

  test("gzip is not forced on those who offer to take it", async ({ ask }) => {
    assertAnnounced(await ask(announceTarget(), "--compressed"), { version: "1.1" });
  });

  test("20 KiB of target: 414; 100 KiB of headers: 431", async ({ ask }) => {
    const long = await ask(announceTarget({ key: "k".repeat(20_000) }));
    assert.deepEqual([long.code, long.status], [0, 414]);
    const headers = Array.from({ length: 100 }, (_, it) => ["--header", `X-${it}: ${FILL}`]).flat();
    const wide = await ask(announceTarget(), ...headers);
    assert.equal(wide.status, 431, wide.errors);
  });

  const forTls = { ignore: scheme === "http" };
  test("TLS 1.2 and 1.3, and no older ones", async ({ ask }) => {
    for (const version of ["1.2", "1.3"]) {
      const exactly = [`--tlsv${version}`, "--tls-max", version];
      assertAnnounced(await ask(announceTarget(), ...exactly), { version: "1.1" });
    }
    const old = await ask(announceTarget(), "--tlsv1.0", "--tls-max", "1.1");
    assert.notEqual(old.code, 0);
  }, forTls);

  test("an authority that is not trusted: refused by the client", async ({ base }) => {
    const { code } = await curl(base + announceTarget());
    assert.equal(code, UNTRUSTED);
  }, forTls);

  test("100 at once", async ({ base, ask }) => {
    const urls = Array.from({ length: 100 }, () => base + announceTarget());
    const { code, body } = await ask(
      announceTarget(),
      "--parallel",
      "--parallel-max",
      "50",
      ...urls,
    );
    assert.equal(code, 0);
    assert.ok(body.split("5:peers0:e").length > 100);
  });
});

const FILL = "f".repeat(1000);

function assertAnnounced(result: CurlResult, expected: { version: string }): void {
  const { code, status, version, body, errors } = result;
  assert.deepEqual([code, status, version], [0, 200, expected.version], errors);
  const bytes = Uint8Array.from(body, (character) => character.charCodeAt(0));
  assert.ok(parseDictionary(bytes).has("peers"));
}
