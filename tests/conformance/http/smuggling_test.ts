/**
 * Requests that two parsers may read differently, and what is no request at all (issue 5, "Bad
 * input and faults").
 *
 * Each case carries a second announce where a lax parser would find one. The tracker answers with
 * a status of the 400s, or 505, or closes, and never acts on what was smuggled.
 */
import { strict as assert } from "node:assert";
import { latin1 } from "../../support/bencode.ts";
import { announceTarget, writeRequest } from "../../support/http_messages.ts";
import { forEachWay, HttpSuite } from "../../support/http_suite.ts";
import { ascii, concat, randomBytes } from "../../support/packets.ts";

/** The line of the outer request, and a smuggled request; both announce. */
interface Parts {
  line: string;
  smuggled: string;
}

type Write = (parts: Parts) => string | Uint8Array;

/** Headers that leave it open where the request ends, with a body that is a request. */
const FRAMING: Record<string, string[]> = {
  "Content-Length with Transfer-Encoding": ["Content-Length: 5", "Transfer-Encoding: chunked"],
  "Transfer-Encoding with Content-Length": ["Transfer-Encoding: chunked", "Content-Length: 5"],
  "two different Content-Lengths": ["Content-Length: 0", "Content-Length: 5"],
  "two equal Content-Lengths": ["Content-Length: 0", "Content-Length: 0"],
  "a list of Content-Lengths": ["Content-Length: 0, 0"],
  "Content-Length: +0": ["Content-Length: +0"],
  "Content-Length: -1": ["Content-Length: -1"],
  "Content-Length: 0x0": ["Content-Length: 0x0"],
  "Content-Length: 0 0": ["Content-Length: 0 0"],
  "Content-Length: (empty)": ["Content-Length:"],
  "Content-Length: 2^64": ["Content-Length: 18446744073709551616"],
  "Content-Length: 2^32": ["Content-Length: 4294967296"],
  "Transfer-Encoding: chunked": ["Transfer-Encoding: chunked"],
  "Transfer-Encoding: identity": ["Transfer-Encoding: identity"],
  "Transfer-Encoding: xchunked": ["Transfer-Encoding: xchunked"],
  "a space before the colon": ["Content-Length : 5"],
  "a folded header": ["X: a", " Content-Length: 5"],
  "a folded header with a tab": ["X: a", "\tb"],
  "a first header that begins with a space": [" X: a"],
  "a bare CR in a header": ["X: a\rContent-Length: 5"],
  "a bare CR before a line end": ["X: a\r"],
  "a NUL in a header": ["X: a\0b"],
  "a NUL in a header's name": ["X\0: a"],
  "a header without a colon": ["Content-Length"],
  "a header without a name": [": a"],
  "a header's name with a bracket": ["X(): a"],
  "two Hosts": ["Host: other.test"],
};

const SMUGGLING: Record<string, Write> = Object.fromEntries(
  Object.entries(FRAMING).map(([name, headers]) => [
    name,
    ({ line, smuggled }: Parts) =>
      `${line}\r\nHost: tracker.test\r\n${headers.join("\r\n")}\r\n\r\n${smuggled}`,
  ]),
);

const NOT_REQUESTS: Record<string, Write> = {
  "no version": ({ line, smuggled }) => `${line.replace(" HTTP/1.1", "")}\r\n\r\n${smuggled}`,
  "version HTTP/2.0": ({ line, smuggled }) => `${line.replace("1.1", "2.0")}\r\n\r\n${smuggled}`,
  "version HTTP/1.": ({ line, smuggled }) => `${line.replace("1.1", "1.")}\r\n\r\n${smuggled}`,
  "version http/1.1": ({ line, smuggled }) => `${line.replace("HTTP", "http")}\r\n\r\n${smuggled}`,
  "version HTTP/1.1x": ({ line, smuggled }) => `${line}x\r\n\r\n${smuggled}`,
  "a second version": ({ line, smuggled }) => `${line} HTTP/1.1\r\n\r\n${smuggled}`,
  "a tab in the request line": ({ line, smuggled }) =>
    `${line.replace(" ", "\t")}\r\nHost: x\r\n\r\n${smuggled}`,
  "a NUL in the target": ({ line, smuggled }) =>
    `${line.replace("?", "?\0")}\r\nHost: x\r\n\r\n${smuggled}`,
  "a CR in the target": ({ line, smuggled }) =>
    `${line.replace("?", "?\r")}\r\nHost: x\r\n\r\n${smuggled}`,
  "a bare CR after the request line": ({ line, smuggled }) => `${line}\rHost: x\r\n\r\n${smuggled}`,
  "no target": ({ smuggled }) => `GET HTTP/1.1\r\nHost: x\r\n\r\n${smuggled}`,
  "no method": ({ smuggled }) => ` /announce HTTP/1.1\r\nHost: x\r\n\r\n${smuggled}`,
  "an HTTP/2 preface": ({ smuggled }) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${smuggled}`,
  "a PROXY header that is not expected": ({ line }) =>
    `PROXY TCP4 9.9.9.9 127.0.0.1 1 2\r\n${line}\r\nHost: x\r\n\r\n`,
  "a handshake of BitTorrent": () => concat(Uint8Array.of(19), ascii("BitTorrent protocol")),
  "random bytes": () => concat(randomBytes(3000), ascii("\r\n\r\n")),
  "zeros": () => new Uint8Array(3000),
  "a TLS ClientHello's beginning": () => Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3),
};

forEachWay((way) => {
  const suite = new HttpSuite(way);

  for (const [name, write] of Object.entries({ ...SMUGGLING, ...NOT_REQUESTS })) {
    suite.row(`${name}: refused, and nothing after it is a request`, async (context) => {
      const { client, open } = context;
      const [outer, inner] = [randomBytes(20), randomBytes(20)];
      const line = `GET ${announceTarget({ info_hash: outer })} HTTP/1.1`;
      const smuggled = writeRequest(announceTarget({ info_hash: inner }));
      const bystander = await open();
      await client.send(write({ line, smuggled }));
      // Whatever is not finished, such as a body, ends here.
      if (!way.startsWith("https")) await client.closeWrite();
      const answers = latin1(await client.readRest());
      assert.match(answers, /^(HTTP\/1\.[01] (4\d\d|505) [^]*)?$/, "Refused, or nothing");
      assert.equal(answers.match(/^HTTP\/1/gm)?.length ?? 0, answers === "" ? 0 : 1, answers);
      for (const infoHash of [outer, inner]) {
        assert.equal((await bystander.counts(infoHash)).incomplete, 0, "Nothing was announced");
      }
    });
  }

  for (const method of ["GET", "POST", "HEAD"]) {
    suite.row(`a body of ${method} is never a request`, async ({ client, open }) => {
      const inner = randomBytes(20);
      const smuggled = writeRequest(announceTarget({ info_hash: inner }));
      const headers = [`Content-Length: ${smuggled.length}`];
      await client.send(writeRequest(announceTarget(), { method, headers }), smuggled);
      const { status } = await client.receive({ toHead: method === "HEAD" });
      assert.ok(status === 200 || status >= 400, `Status ${status}`);
      // Either the body was passed over, or the connection is closed.
      await client.expectUsable().catch(() => client.readRest());
      assert.equal((await (await open()).counts(inner)).incomplete, 0);
    });
  }
});
