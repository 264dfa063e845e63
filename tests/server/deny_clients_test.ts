/**
 * Denied clients: prefixes merged into ranges, judged as ipaddr.js judges each prefix by itself.
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { StartError } from "../../server/errors.ts";
import { EXIT_CONFIG } from "../../server/exit_status.ts";
import { type DenyRanges, readDenyFile, toRanges } from "../../server/deny_clients.ts";
import { ADDRESS_BYTES, ADDRESS_KIND, KIND_IPV4, KIND_IPV6 } from "../../assembly/layout.ts";
import { compileCore, Harness, type TestExports } from "../core/harness.ts";

const RUNS = 300;
const SEED = 20_261_124;

/** A prefix that `parseCidr` takes: no bits set behind its length. */
function cidr(byteLength: 4 | 16): fc.Arbitrary<string> {
  // Few leading bits, so that prefixes often lie within, beside and upon one another.
  return fc.tuple(
    fc.array(fc.constantFrom(0, 1, 127, 128, 255), {
      minLength: byteLength,
      maxLength: byteLength,
    }),
    fc.oneof(fc.integer({ min: 0, max: 8 * byteLength }), fc.constantFrom(0, 8 * byteLength)),
  ).filter(([bytes, length]) => byteLength === 4 || length > 96 || !isMapped(bytes))
    .map(([bytes, length]) => {
      const masked = bytes.map((byte, index) => {
        const kept = Math.min(8, Math.max(0, length - 8 * index));
        return byte & (0xff << (8 - kept)) & 0xff;
      });
      return `${format(masked)}/${length}`;
    }).filter((text) => !text.startsWith("::ffff:"));
}

function isMapped(bytes: number[]): boolean {
  return bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
}

function format(bytes: number[]): string {
  const address = ipaddr.fromByteArray(bytes);
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}

/** Addresses at the edges of the prefixes, and elsewhere. */
function addressesAround(cidrs: string[], byteLength: 4 | 16): number[][] {
  const edges = cidrs.flatMap((text) => {
    const [host, digits] = text.split("/");
    const first = toNumber(ipaddr.parse(host!).toByteArray());
    const last = first + (1n << BigInt(8 * byteLength - Number(digits))) - 1n;
    return [first - 1n, first, first + 1n, last - 1n, last, last + 1n];
  });
  const most = 1n << BigInt(8 * byteLength);
  return [0n, 1n, most / 2n, most - 1n, ...edges]
    .filter((address) => address >= 0n && address < most)
    .map((address) => toBytes(address, byteLength))
    .filter((bytes) => byteLength === 4 || !isMapped(bytes));
}

function toNumber(bytes: number[]): bigint {
  return bytes.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
}

function toBytes(address: bigint, byteLength: number): number[] {
  return Array.from(
    { length: byteLength },
    (_, index) => Number(address >> BigInt(8 * (byteLength - 1 - index)) & 0xffn),
  );
}

function isInRanges(ranges: DenyRanges, bytes: number[]): boolean {
  const address = toNumber(bytes);
  return boundsOf(ranges, bytes.length).some(([first, last]) =>
    first <= address && address <= last
  );
}

function boundsOf(ranges: DenyRanges, byteLength: number): [first: bigint, last: bigint][] {
  const numbers = byteLength === 4 ? Array.from(ranges.ipv4, BigInt) : Array.from(
    { length: ranges.ipv6.length / 16 },
    (_, index) => toNumber([...ranges.ipv6.subarray(16 * index, 16 * index + 16)]),
  );
  return Array.from(
    { length: numbers.length / 2 },
    (_, i) => [numbers[2 * i]!, numbers[2 * i + 1]!],
  );
}

for (const byteLength of [4, 16] as const) {
  const kind = byteLength === 4 ? "IPv4" : "IPv6";

  Deno.test(`${kind} prefixes become ranges that hold just what they hold`, () => {
    fc.assert(
      fc.property(fc.array(cidr(byteLength), { maxLength: 12 }), (cidrs) => {
        const ranges = toRanges(cidrs);
        const prefixes = cidrs.map((text) => ipaddr.parseCIDR(text));
        for (const bytes of addressesAround(cidrs, byteLength)) {
          const address = ipaddr.fromByteArray(bytes);
          const isDenied = prefixes.some((prefix) => address.match(prefix));
          assert.equal(isInRanges(ranges, bytes), isDenied, `${format(bytes)} of ${cidrs}`);
        }
        const bounds = boundsOf(ranges, byteLength);
        for (let index = 1; index < bounds.length; ++index) {
          assert.ok(bounds[index]![0] > bounds[index - 1]![1] + 1n, "Neither overlap nor touch");
        }
        assert.equal(ranges.count, bounds.length);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  Deno.test(`the core denies just the ${kind} clients that the prefixes hold`, async () => {
    const harness = new Harness(await compileCore("release"));
    const exports = await harness.testExports();
    fc.assert(
      fc.property(fc.array(cidr(byteLength), { maxLength: 12 }), (cidrs) => {
        const rules = harness.core.beginRules(0, 0, toRanges(cidrs));
        const prefixes = cidrs.map((text) => ipaddr.parseCIDR(text));
        for (const bytes of addressesAround(cidrs, byteLength)) {
          const address = ipaddr.fromByteArray(bytes);
          const isDenied = prefixes.some((prefix) => address.match(prefix));
          assert.equal(asksCore(harness, exports, rules, bytes), isDenied, format(bytes));
        }
        harness.core.dropRules(rules);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
}

/** Whether the core denies an address, written where a test may write. */
function asksCore(harness: Harness, exports: TestExports, rules: number, bytes: number[]): boolean {
  const record = exports.take(harness.worker, 64) >>> 0;
  harness.view.setUint32(record + ADDRESS_KIND, bytes.length === 4 ? KIND_IPV4 : KIND_IPV6, true);
  harness.bytes.set(bytes, record + ADDRESS_BYTES);
  const isDenied = exports.isDenied(rules, record) !== 0;
  exports.give(harness.worker, record, 64);
  return isDenied;
}

Deno.test("both families in one list keep apart", () => {
  const ranges = toRanges(["10.0.0.0/8", "::/0", "11.0.0.0/8", "2001:db8::/32", "10.1.0.0/16"]);
  assert.deepEqual([...ranges.ipv4], [0x0a000000, 0x0bffffff]);
  assert.deepEqual(
    [...ranges.ipv6],
    [...new Array(16).fill(0), ...new Array(16).fill(255)],
  );
  assert.equal(ranges.count, 2);
});

Deno.test("a hundred thousand prefixes become ranges in no time to speak of", () => {
  const cidrs = Array.from(
    { length: 100_000 },
    (_, index) => `10.${index >> 14}.${(index >> 6) & 255}.${(index & 63) * 4}/31`,
  );
  const ranges = toRanges(cidrs);
  assert.equal(ranges.count, 100_000);
});

async function withFile(text: string, judge: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    await judge(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("a file of prefixes: comments, blank lines and CRLF are let through", async () => {
  const text = "# Bad ones\r\n\r\n  192.0.2.0/24 # a net\r\n2001:db8::/32\n\t198.51.100.7\n#";
  await withFile(text, async (path) => {
    assert.deepEqual(await readDenyFile(path), ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]);
  });
});

Deno.test("a bad prefix in a file is named with its line", async () => {
  for (const bad of ["192.0.2.0/33", "192.0.2.1/24", "::ffff:192.0.2.0/120", "example.org"]) {
    await withFile(`10.0.0.0/8\n\n${bad} # not that\n`, async (path) => {
      await assert.rejects(readDenyFile(path), (error) => {
        assert.ok(error instanceof StartError);
        assert.equal(error.exitStatus, EXIT_CONFIG);
        assert.ok(error.message.startsWith(`${path}:3: Cannot read "${bad}": expected `));
        return true;
      });
    });
  }
});

Deno.test("a file that is not there is named", async () => {
  const path = "no_such_directory/denied.txt";
  await assert.rejects(
    readDenyFile(path),
    /"no_such_directory\/denied.txt": there is no such file/,
  );
});
