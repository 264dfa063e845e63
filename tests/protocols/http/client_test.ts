/** The client's half of HTTP against the core, which answers what it writes. */
import { strict as assert } from "node:assert";
import {
  findFrame,
  parseBody,
  ResponseError,
  writeAnnounceRequest,
  writeScrapeRequest,
} from "../../../protocols/http/client.ts";
import { compileCore } from "../../core/harness.ts";
import { HttpHarness } from "../../core/http_harness.ts";

const INFO_HASH = Uint8Array.from({ length: 20 }, (_, index) => 255 - 13 * index);
const PEER_ID = new Uint8Array(20).fill(0x2d);
const OPTIONS = { host: "tracker.test" };
const module = await compileCore("release");

function ask(harness: HttpHarness, request: string, hostname?: string) {
  const { bytes } = harness.exchange([request], hostname);
  const frame = findFrame(bytes)!;
  assert.equal(frame.byteLength, bytes.length);
  assert.equal(frame.status, 200);
  for (let length = 0; length < frame.bodyStart; length++) {
    assert.equal(findFrame(bytes.subarray(0, length)), undefined);
  }
  return {
    frame,
    body: bytes.subarray(frame.bodyStart),
    answer: parseBody(bytes.subarray(frame.bodyStart)),
  };
}

Deno.test("an announce and a scrape are written and their answers read", () => {
  const harness = new HttpHarness(module);
  const announce = { infoHash: INFO_HASH, peerId: PEER_ID, left: 1, port: 6881 };
  ask(harness, writeAnnounceRequest(announce, OPTIONS));
  ask(harness, writeAnnounceRequest({ ...announce, port: 6882 }, OPTIONS), "2001:db8::2");
  const seeder = { ...announce, left: 0n, event: "completed" as const, port: 6883, numWant: 9 };
  for (const compact of [true, false]) {
    const request = writeAnnounceRequest({ ...seeder, compact }, { ...OPTIONS, close: true });
    const { frame, answer } = ask(harness, request);
    assert.ok(frame.isLast);
    assert.ok(answer.kind === "announce");
    assert.deepEqual({ ...answer, interval: 0 }, {
      kind: "announce",
      interval: 0,
      minInterval: 5,
      seeders: 1,
      leechers: 2,
      peers: [
        { address: "192.0.2.1", port: 6881 },
        {
          address: compact ? "2001:0db8:0000:0000:0000:0000:0000:0002" : "2001:db8::2",
          port: 6882,
        },
      ],
    });
  }
  const { answer } = ask(harness, writeScrapeRequest([INFO_HASH], OPTIONS));
  assert.deepEqual(answer, {
    kind: "scrape",
    torrents: new Map([[INFO_HASH.toHex(), { seeders: 1, completed: 1, leechers: 2 }]]),
  });
});

Deno.test("a failure is read, and what is none is an error wherever it is cut", () => {
  const harness = new HttpHarness(module);
  const { answer, body } = ask(harness, writeScrapeRequest([], OPTIONS));
  assert.deepEqual(answer, { kind: "failure", reason: "full scrape not allowed", interval: 9 });
  for (let length = 0; length < body.length; length++) {
    assert.throws(() => parseBody(body.subarray(0, length)), ResponseError);
  }
  assert.throws(() => parseBody(Uint8Array.of(...body, 10)), ResponseError);
  assert.throws(
    () => findFrame(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n")),
    ResponseError,
  );
});
