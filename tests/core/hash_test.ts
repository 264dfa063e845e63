/** SipHash against the authors' vectors (2-4) and a plain implementation (1-3). */
import { strict as assert } from "node:assert";
import { toHex } from "../support/packets.ts";
import { compileCore, Harness, seededRandom } from "./harness.ts";

/** vectors_sip64 of the reference implementation: key 00…0f, message 00 01 02 …, by its length. */
const OFFICIAL_2_4 = [
  "310e0edd47db6f72",
  "fd67dc93c539f874",
  "5a4fa9d909806c0d",
  "2d7efbd796666785",
  "b7877127e09427cf",
  "8da699cd64557618",
  "cee3fe586e46c9cb",
  "37d1018bf50002ab",
  "6224939a79f5f593",
  "b0e4a90bdf82009e",
  "f3b9dd94c5bb5d7a",
  "a7ad6b22462fb3f4",
  "fbe50e86bc8f1e75",
  "903d84c02756ea14",
  "eef27a8e90ca23f7",
  "e545be4961ca29a1",
];

/** SipHash as its paper writes it, on big integers. */
function sipHash(key: Uint8Array, message: Uint8Array, c: number, d: number): Uint8Array {
  const keys = new DataView(key.buffer, key.byteOffset);
  const [k0, k1] = [keys.getBigUint64(0, true), keys.getBigUint64(8, true)];
  let v0 = k0 ^ 0x736f6d6570736575n;
  let v1 = k1 ^ 0x646f72616e646f6dn;
  let v2 = k0 ^ 0x6c7967656e657261n;
  let v3 = k1 ^ 0x7465646279746573n;
  const rounds = (count: number) => {
    for (; count > 0; --count) {
      v0 = cut(v0 + v1);
      v2 = cut(v2 + v3);
      v1 = rotate(v1, 13n) ^ v0;
      v3 = rotate(v3, 16n) ^ v2;
      v0 = rotate(v0, 32n);
      v2 = cut(v2 + v1);
      v0 = cut(v0 + v3);
      v1 = rotate(v1, 17n) ^ v2;
      v3 = rotate(v3, 21n) ^ v0;
      v2 = rotate(v2, 32n);
    }
  };
  const padded = new Uint8Array((message.length >> 3) * 8 + 8);
  padded.set(message);
  padded[padded.length - 1] = message.length;
  const words = new DataView(padded.buffer);
  for (let offset = 0; offset < padded.length; offset += 8) {
    const word = words.getBigUint64(offset, true);
    v3 ^= word;
    rounds(c);
    v0 ^= word;
  }
  v2 ^= 0xffn;
  rounds(d);
  const hash = new Uint8Array(8);
  new DataView(hash.buffer).setBigUint64(0, v0 ^ v1 ^ v2 ^ v3, true);
  return hash;
}

function cut(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

function rotate(value: bigint, bits: bigint): bigint {
  return cut(value << bits) | value >> (64n - bits);
}

/**
 * The core's SipHash of bytes that it finds in memory, with rubbish behind them.
 * @param options.of20 The one of 20 bytes, whose rounds are always 1 and 3.
 */
async function coreHash({ of20 = false } = {}) {
  const harness = new Harness(await compileCore("release"));
  const exports = await harness.testExports();
  const key = exports.take(harness.worker, 16) >>> 0;
  const data = exports.take(harness.worker, 128) >>> 0;
  const out = exports.take(harness.worker, 8) >>> 0;
  return (keyBytes: Uint8Array, message: Uint8Array, c: number, d: number) => {
    harness.bytes.fill(0xa5, data, data + 128);
    harness.bytes.set(keyBytes, key);
    harness.bytes.set(message, data);
    if (of20) exports.hash20(key, data, out);
    else exports.hashBytes(key, data, message.length, c, d, out);
    return harness.bytes.slice(out, out + 8);
  };
}

const counting = (length: number) => Uint8Array.from({ length }, (_, index) => index);

Deno.test("SipHash-2-4 gives the authors' vectors", async () => {
  const hash = await coreHash();
  OFFICIAL_2_4.forEach((expected, length) => {
    assert.equal(toHex(sipHash(counting(16), counting(length), 2, 4)), expected, "The reference");
    assert.equal(toHex(hash(counting(16), counting(length), 2, 4)), expected, `${length} bytes`);
  });
});

Deno.test("SipHash of any length up to 64 is that of a plain implementation", async () => {
  const hash = await coreHash();
  const random = seededRandom(1);
  for (const [c, d] of [[1, 3], [2, 4]] as const) {
    for (let length = 0; length <= 64; ++length) {
      const key = Uint8Array.from({ length: 16 }, () => random(256));
      const message = Uint8Array.from({ length }, () => random(256));
      assert.equal(
        toHex(hash(key, message, c, d)),
        toHex(sipHash(key, message, c, d)),
        `SipHash-${c}-${d} of ${length} bytes`,
      );
    }
  }
});

Deno.test("SipHash-1-3 of 20 bytes is that of a plain implementation", async () => {
  const hash = await coreHash({ of20: true });
  const random = seededRandom(2);
  for (let turn = 0; turn < 100; ++turn) {
    const key = Uint8Array.from({ length: 16 }, () => random(256));
    const message = Uint8Array.from({ length: 20 }, () => random(256));
    assert.equal(toHex(hash(key, message, 1, 3)), toHex(sipHash(key, message, 1, 3)));
  }
});
