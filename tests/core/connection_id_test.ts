/** Connection ids (BEP 15; protocols.md A3) with a clock that the test sets. */
import { strict as assert } from "node:assert";
import { COUNT_DROP_CONNECTION_ID, COUNT_ERROR_EXPIRED_ID } from "../../assembly/layout.ts";
import { parseReply, toHex } from "../support/packets.ts";
import { writeAnnounce, writeConnect } from "../model/packets.ts";
import { compileCore, Harness, type HarnessOptions, torrentHash } from "./harness.ts";

const MODULE = await compileCore("release");
const HERE = Uint8Array.of(192, 0, 2, 1);
const THERE = Uint8Array.of(192, 0, 2, 2);
const HERE_IPV6 = Uint8Array.from(
  { length: 16 },
  (_, index) => [0x20, 1, 0xd, 0xb8][index] ?? index,
);
const WRAP_SECONDS = 65_536;

function startCore(options: HarnessOptions = {}): Harness {
  return new Harness(MODULE, options);
}

function connect(harness: Harness, address: Uint8Array): Uint8Array {
  return harness.send(writeConnect(), { address })!.slice(8);
}

/** What an announce with this id brings: its kind, the message of an error, or silence. */
function tryId(harness: Harness, connectionId: Uint8Array, address: Uint8Array): string {
  const packet = writeAnnounce({
    connectionId,
    transactionId: 0x12345678,
    infoHash: torrentHash(1),
    port: 6881,
  });
  const answer = harness.send(packet, { address });
  if (answer === null) return "silence";
  const reply = parseReply(answer, address.length === 4 ? "IPv4" : "IPv6");
  assert.equal(reply.transactionId, 0x12345678);
  return reply.kind === "error" ? reply.message : reply.kind;
}

Deno.test("U8 an id obtained from another source IP: drop", () => {
  const harness = startCore();
  const dropped = harness.counter(COUNT_DROP_CONNECTION_ID);
  for (const [from, to] of [[HERE, THERE], [HERE, HERE_IPV6], [HERE_IPV6, HERE]]) {
    assert.equal(tryId(harness, connect(harness, from!), to!), "silence");
  }
  // Addresses that differ in one bit only, wherever it is.
  const id = connect(harness, HERE_IPV6);
  for (let bit = 0; bit < 128; ++bit) {
    const address = HERE_IPV6.slice();
    address[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(tryId(harness, id, address), "silence", `Bit ${bit}`);
  }
  assert.equal(harness.counter(COUNT_DROP_CONNECTION_ID), dropped + 3 + 128);
  assert.equal(tryId(harness, id, HERE_IPV6), "announce");
});

Deno.test("U10 an id aged 90 s: accepted", () => {
  for (const address of [HERE, HERE_IPV6]) {
    const harness = startCore();
    harness.setNow(1_000);
    const id = connect(harness, address);
    harness.setNow(1_090);
    assert.equal(tryId(harness, id, address), "announce");
  }
});

Deno.test("U11 an id beyond the limit: error 3 with the same transaction id, to the second", () => {
  const maxConnectionAgeSeconds = 600;
  const harness = startCore({ settings: { maxConnectionAgeSeconds } });
  for (const issued of [1, 999, WRAP_SECONDS - 1, WRAP_SECONDS, 3 * WRAP_SECONDS + 65_000]) {
    harness.setNow(issued);
    const id = connect(harness, HERE);
    for (let age = 0; age <= 2 * maxConnectionAgeSeconds; ++age) {
      harness.setNow(issued + age);
      const expected = age <= maxConnectionAgeSeconds ? "announce" : "connection id expired";
      assert.equal(tryId(harness, id, HERE), expected, `Issued at ${issued}, ${age} s old`);
    }
  }
  assert.equal(harness.counter(COUNT_ERROR_EXPIRED_ID), 5 * maxConnectionAgeSeconds);
  assert.equal(harness.counter(COUNT_DROP_CONNECTION_ID), 0);
});

Deno.test("U12 an id whose time part is in the future: drop", () => {
  // The same keys: what the other one issues later is what a forger would need to foresee.
  const [harness, later] = [startCore(), startCore()];
  for (const now of [1, 500, WRAP_SECONDS + 7]) {
    harness.setNow(now);
    for (const ahead of [1, 2, 60, 120, 32_768, 65_000]) {
      later.setNow(now + ahead);
      assert.equal(tryId(harness, connect(later, HERE), HERE), "silence", `${now} + ${ahead}`);
    }
  }
  // An authentic id with another time part.
  const id = connect(harness, HERE);
  for (let time = 0; time < WRAP_SECONDS; time += 17) {
    const forged = id.slice();
    new DataView(forged.buffer).setUint16(0, time);
    const expected = toHex(forged) === toHex(id) ? "announce" : "silence";
    assert.equal(tryId(harness, forged, HERE), expected, `Time part ${time}`);
  }
});

Deno.test("an id is known as expired for 65,535 s, and is a forgery from then on", () => {
  const harness = startCore();
  for (const issued of [1, 40_000, 5 * WRAP_SECONDS]) {
    harness.setNow(issued);
    const id = connect(harness, HERE);
    harness.setNow(issued + WRAP_SECONDS - 1);
    assert.equal(tryId(harness, id, HERE), "connection id expired");
    // Its 16 bits of time look fresh again; the MAC is over the full time.
    for (const age of [WRAP_SECONDS, WRAP_SECONDS + 1, WRAP_SECONDS + 120, 2 * WRAP_SECONDS]) {
      harness.setNow(issued + age);
      assert.equal(tryId(harness, id, HERE), "silence", `Issued at ${issued}, ${age} s old`);
    }
  }
});

Deno.test("an id with any bit flipped is a forgery", () => {
  const harness = startCore();
  harness.setNow(77);
  const id = connect(harness, HERE);
  for (let bit = 0; bit < 64; ++bit) {
    const forged = id.slice();
    forged[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(tryId(harness, forged, HERE), "silence", `Bit ${bit}`);
  }
});

Deno.test("ids are never 0, one for each address and second", () => {
  const harness = startCore();
  const seen = new Set<string>();
  const address = Uint8Array.of(10, 0, 0, 0);
  // Seconds whose 16 bits are 0 leave 48 bits to keep an id from being 0.
  for (const now of [1, 2, WRAP_SECONDS, 2 * WRAP_SECONDS]) {
    harness.setNow(now);
    for (let host = 0; host < 10_000; ++host) {
      address[2] = host >> 8;
      address[3] = host;
      seen.add(toHex(connect(harness, address)));
    }
  }
  assert.ok(!seen.has("0".repeat(16)));
  assert.equal(seen.size, 40_000);
});

Deno.test("one secret for all workers, another for another process", () => {
  const first = startCore();
  const second = new Harness(first.shared, { workerIndex: 5 });
  assert.equal(tryId(second, connect(first, HERE), HERE), "announce");
  assert.equal(tryId(first, connect(second, HERE_IPV6), HERE_IPV6), "announce");
});
