/** Access lists as text and denied address ranges: the core against a few lines of TypeScript. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { CoreTracker, loadModule } from "../model/core_tracker.ts";
import { writeAnnounce, writeConnect } from "../model/packets.ts";
import { DEFAULT_LIMITS } from "../model/tracker.ts";
import { fromHex } from "../support/packets.ts";

const SEED = Number(Deno.env.get("RIPTIDE_SEED") ?? Date.now() % 2 ** 31);
const RUNS = Number(Deno.env.get("RIPTIDE_RUNS") ?? 100);
const SOURCE = { address: Uint8Array.of(192, 0, 2, 1), port: 6881 };

const module = await loadModule("release");

/** The info hashes of a list as lower-case hex, or the number of its first bad line. */
function readList(text: string): Set<string> | number {
  const listed = new Set<string>();
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    const content = line.replace(/#.*/s, "").replaceAll(/^[ \t\r]+|[ \t\r]+$/g, "");
    if (content === "") continue;
    if (!/^[0-9a-f]{40}$/i.test(content)) return index + 1;
    listed.add(content.toLowerCase());
  }
  return listed;
}

const HASHES = ["00".repeat(20), "ff".repeat(20), "0123456789abcdef".repeat(2) + "01234567"];

const anyBlank = fc.oneof(
  { weight: 5, arbitrary: fc.constant("") },
  fc.constantFrom(" ", "\t", " \t ", " ".repeat(60)),
);
const anyHashText = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...HASHES) },
  { weight: 2, arbitrary: fc.constantFrom(...HASHES).map((hash) => hash.toUpperCase()) },
  { weight: 4, arbitrary: fc.constant("") },
  fc.constantFrom(
    "0".repeat(39),
    "0".repeat(41),
    "g".repeat(40),
    "0".repeat(20) + " " + "0".repeat(19),
  ),
  fc.string({ unit: "grapheme-ascii", maxLength: 50 }),
);
const anyComment = fc.oneof(
  { weight: 5, arbitrary: fc.constant("") },
  fc.string({ unit: "grapheme-ascii", maxLength: 20 }).map((text) => "#" + text),
  fc.constant("#" + "x".repeat(400)),
);
const anyLine = fc.tuple(anyBlank, anyHashText, anyBlank, anyComment)
  .map((parts) => parts.join("").replaceAll("\n", ""));
const anyList = fc.record({
  lines: fc.array(anyLine, { maxLength: 12 }),
  newLine: fc.constantFrom("\n", "\r\n"),
  isEnded: fc.boolean(),
  pieceMax: fc.integer({ min: 1, max: 100 }),
});

Deno.test("access rules: lists as text", () => {
  console.log(`access rules: seed ${SEED}`);
  const tracker = new CoreTracker(module, DEFAULT_LIMITS);
  fc.assert(
    fc.property(anyList, ({ lines, newLine, isEnded, pieceMax }) => {
      const text = lines.join(newLine) + (isEnded ? newLine : "");
      const expected = readList(text);
      const load = () =>
        tracker.loadRules({
          mode: "white",
          text: new TextEncoder().encode(text),
          hashCountMax: lines.length + 1,
          pieceMax,
        });
      if (typeof expected === "number") {
        assert.throws(load, (error: Error) => error.message.startsWith(`Line ${expected}: `));
        return;
      }
      load();
      for (const hash of HASHES) assert.equal(isServed(tracker, hash), expected.has(hash), hash);
    }),
    { seed: SEED, numRuns: RUNS * 5 },
  );
});

Deno.test("access rules: a hash behind 200 blanks is listed or refused, never skipped", () => {
  const tracker = new CoreTracker(module, DEFAULT_LIMITS);
  const text = new TextEncoder().encode(" ".repeat(200) + HASHES[1] + "\n");
  try {
    tracker.loadRules({ mode: "black", text, hashCountMax: 1 });
  } catch (error) {
    assert.ok(error instanceof SyntaxError);
    return;
  }
  assert.equal(isServed(tracker, HASHES[1]), false);
});

function isServed(tracker: CoreTracker, hash: string): boolean {
  const connectionId = tracker.handle(writeConnect(), SOURCE)!.slice(8);
  const packet = writeAnnounce({ connectionId, infoHash: fromHex(hash), port: 1 });
  return tracker.handle(packet, SOURCE)![3] === 1;
}

Deno.test("access rules: a list of 100,000 hashes lists them and no others", () => {
  const tracker = new CoreTracker(module, DEFAULT_LIMITS);
  const hashOf = (index: number) => index.toString(16).padStart(40, "0");
  const text = Array.from({ length: 100_000 }, (_, index) => hashOf(2 * index) + "\n").join("");
  tracker.loadRules({
    mode: "black",
    text: new TextEncoder().encode(text),
    hashCountMax: 100_000,
  });
  for (let index = 0; index < 20_000; ++index) {
    assert.equal(isServed(tracker, hashOf(index * 7)), index % 2 === 1, hashOf(index * 7));
  }
});

/** Bounds of ranges that do not touch, from any numbers. */
function toRanges(bounds: readonly bigint[]): [bigint, bigint][] {
  const sorted = [...new Set(bounds)].sort((a, b) => a < b ? -1 : 1);
  const ranges: [bigint, bigint][] = [];
  for (let index = 0; index + 1 < sorted.length; index += 2) {
    ranges.push([sorted[index], sorted[index + 1]]);
  }
  return ranges;
}

function toBytes(address: bigint, byteLength: number): Uint8Array {
  return fromHex(address.toString(16).padStart(2 * byteLength, "0"));
}

for (const byteLength of [4, 16]) {
  Deno.test(`access rules: denied ranges of ${byteLength}-byte addresses`, () => {
    const most = (1n << BigInt(8 * byteLength)) - 1n;
    const anyAddress = fc.oneof(
      fc.bigInt({ min: 0n, max: most }),
      fc.bigInt({ min: most >> 1n, max: (most >> 1n) + 20n }),
      fc.constantFrom(0n, 1n, most - 1n, most),
    );
    const tracker = new CoreTracker(module, DEFAULT_LIMITS);
    fc.assert(
      fc.property(fc.array(anyAddress, { maxLength: 20 }), (bounds) => {
        const ranges = toRanges(bounds);
        const ipv4 = byteLength === 4
          ? Uint32Array.from(ranges.flat(), Number)
          : new Uint32Array(0);
        const ipv6 = byteLength === 16
          ? Uint8Array.from(ranges.flat().flatMap((address) => [...toBytes(address, 16)]))
          : new Uint8Array(0);
        const denied = { ipv4, ipv6 };
        tracker.loadRules({ mode: "off", text: new Uint8Array(0), hashCountMax: 0, denied });
        const probes = bounds.flatMap((bound) => [bound, bound - 1n, bound + 1n]);
        for (const probe of [0n, most, ...probes]) {
          if (probe < 0n || probe > most || probe >> 32n === 0xffffn) continue;
          const isDenied = ranges.some(([first, last]) => first <= probe && probe <= last);
          const address = toBytes(probe, byteLength);
          const answer = tracker.handle(writeConnect(), { address, port: 1 });
          assert.equal(answer === null, isDenied, `${probe.toString(16)} of ${bounds}`);
        }
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
}
