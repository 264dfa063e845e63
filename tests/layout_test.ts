/**
 * The map of the memory, and the compiled core: what layout.ts says adds up and is what was built.
 */
import { strict as assert } from "node:assert";
import * as layout from "../assembly/layout.ts";
import { compileCore, Harness } from "./core/harness.ts";

type Layout = Readonly<Record<string, number>>;
const LAYOUT = layout as unknown as Layout;
const ROOT = new URL("..", import.meta.url);

/** Each record: the beginning of its fields' names, and its size. */
const RECORDS: [prefix: string, byteLength: number][] = [
  ["CONTROL", layout.WORKERS],
  ["CLASS", layout.CLASS_SIZE],
  ["PAGE", layout.PAGE_BLOCKS],
  ["WORKER", layout.WORKER_SIZE],
  ["ADDRESS", layout.ADDRESS_SIZE],
  ["ANNOUNCE", layout.ANNOUNCE_SIZE],
  ["SHARD", layout.SHARD_SIZE],
  ["GROUP", layout.GROUP_SIZE],
  ["TORRENT", layout.TORRENT_SIZE],
  ["BLOCK", layout.BLOCK_PEERS],
  ["DIRECTORY", layout.DIRECTORY_SLOTS],
  ["RULES", layout.RULES_HEADER_SIZE],
  ["CONNECTION", layout.SLOT_SIZE],
  ["QUERY", layout.QUERY_SIZE],
  ["FRAME", layout.CONNECTION_KEY],
  ["OUTBOX", layout.CONNECTION_OWN_INPUT],
  ["BEGUN", layout.CONNECTION_OWN_INPUT],
  ["PARCEL", layout.PARCEL_BYTES],
  ["MESSAGE", layout.MESSAGE_SIZE],
  ["OFFER", layout.OFFER_SIZE],
  ["IO", layout.IO_SLOT_SIZE],
];

/**
 * Numbers that begin like a record's fields and are none: sizes, counts, limits, where others
 * begin.
 */
const NO_FIELD =
  /_SIZE$|_MAX$|^(GROUP_LANES|PAGE_BLOCKS|BLOCK_PEERS|PARCEL_BYTES|DIRECTORY_SLOTS|WORKERS)$/;
const FIELDS_DESPITE_THEIR_NAME = new Set([
  "WORKER_BATCH_SIZE",
  "WORKER_SLICE_COUNT_MAX",
  "WORKER_MESSAGE_BYTES_MAX",
  "CONTROL_HTTP_ANSWER_MAX",
  "CONTROL_HTTP_SLICE_SIZE",
]);

/** Bytes that a comment does not tell in its own words. */
const BYTE_LENGTHS: Readonly<Record<string, number>> = {
  CONTROL_EMPTY_RULES: layout.RULES_HEADER_SIZE,
  CONTROL_CLASSES: layout.SIZE_CLASS_COUNT * layout.CLASS_SIZE,
  WORKER_INFO_HASHES: 20 * layout.INFO_HASHES_MAX,
  TORRENT_SWARMS: 3 * 4,
  ADDRESS_BYTES: 16,
  IO_RECEIVE_IOVEC: 16,
  IO_SEND_IOVEC: 16,
  IO_NAME: layout.IO_NAME_SIZE,
  IO_RECEIVE_CONTROL: layout.IO_RECEIVE_CONTROL_SIZE,
};

/** A worker serves UDP or HTTP: one has the URLData, the other the info hashes of a query. */
const SHARED_PLACES = new Set(["WORKER_INFO_HASHES"]);

interface Field {
  name: string;
  offset: number;
  byteLength: number;
  /** What its address must be a multiple of. */
  alignment: number;
}

/** layout.ts and the files that it is made of. */
const PARTS = ["layout.ts", "counter_layout.ts", "http_layout.ts", "ws_layout.ts"];
const SOURCE = (await Promise.all(
  PARTS.map((name) => Deno.readTextFile(new URL(`assembly/${name}`, ROOT))),
)).join("");
const LINES = [...SOURCE.matchAll(/^export const ([A-Z0-9_]+) = (-?\d+);(?: \/\/ (.*))?$/gm)]
  .map(([, name, value, comment]) => ({
    name: name!,
    value: Number(value),
    comment: comment ?? "",
  }));

/** The bytes of a field, as its comment says. */
function describe({ name, value, comment }: typeof LINES[number]): Field {
  const field = (byteLength: number, alignment: number): Field => ({
    name,
    offset: value,
    byteLength,
    alignment,
  });
  if (name in BYTE_LENGTHS) return field(BYTE_LENGTHS[name]!, 1);
  const [, count, item] = /(\w+) × (\w+)/.exec(comment) ?? [];
  if (count !== undefined) {
    return field(numberOf(count) * widthOf(item!), Math.min(8, widthOf(item!)));
  }
  const [, record] = /^([A-Z]+) record/.exec(comment) ?? [];
  if (record !== undefined) return field(LAYOUT[`${record}_SIZE`]!, 8);
  const [, words] = /^([A-Z_]+) u64$/.exec(comment) ?? [];
  if (words !== undefined) return field(LAYOUT[words]! * 8, 8);
  const [, bytes] = /(?:^|, )(\w+) bytes(?!.* it )/.exec(comment) ?? [];
  if (bytes !== undefined && !/^(u32|address)/.test(comment)) return field(numberOf(bytes), 1);
  const [, width] = /^[ui](8|16|32|64)\b/.exec(comment) ?? [];
  return width === undefined ? field(4, 4) : field(Number(width) / 8, Number(width) / 8);
}

function numberOf(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : LAYOUT[text];
  assert.ok(value !== undefined, `${text} is a number`);
  return value;
}

function widthOf(item: string): number {
  const [, bits] = /^u(8|16|32|64)$/.exec(item) ?? [];
  if (bits !== undefined) return Number(bits) / 8;
  return item === "address" ? 4 : numberOf(item);
}

function fieldsOf(prefix: string): Field[] {
  return LINES
    .filter(({ name }) => name.startsWith(`${prefix}_`))
    .filter(({ name }) => !NO_FIELD.test(name) || FIELDS_DESPITE_THEIR_NAME.has(name))
    .map(describe)
    .sort((a, b) => a.offset - b.offset);
}

Deno.test("layout.ts holds bare literals, each name once", () => {
  const parts = [...SOURCE.matchAll(/^export \* from "\.\/(.*)";$/gm)].map(([, name]) => name);
  assert.deepEqual(parts, PARTS.slice(1), "It is made of these files");
  const exports = SOURCE.match(/^export (?!\*).*/gm) ?? [];
  assert.equal(exports.length, LINES.length, "Every export is a number on a line");
  assert.equal(Object.keys(LAYOUT).length, LINES.length);
  assert.equal(new Set(LINES.map(({ name }) => name)).size, LINES.length);
  for (const { name, value } of LINES) assert.equal(LAYOUT[name], value, name);
  assert.doesNotMatch(SOURCE, /^import/m);
});

for (const [prefix, byteLength] of RECORDS) {
  Deno.test(`the fields of ${prefix} add up, lie aligned and do not overlap`, () => {
    const fields = fieldsOf(prefix);
    assert.ok(fields.length > 1, "It has fields");
    let end = 0;
    let last = "the beginning";
    for (const field of fields) {
      assert.equal(field.offset % field.alignment, 0, `${field.name} lies aligned`);
      if (SHARED_PLACES.has(field.name)) continue;
      assert.ok(
        field.offset >= end,
        `${field.name} at ${field.offset} overlaps ${last}, to ${end}`,
      );
      end = field.offset + field.byteLength;
      last = field.name;
    }
    assert.ok(end <= byteLength, `${last} ends at ${end}, the record at ${byteLength}`);
  });
}

Deno.test("the regions follow one another, and every structure fits its place", () => {
  const workersEnd = layout.WORKERS + layout.WORKER_COUNT_MAX * layout.WORKER_SIZE;
  assert.ok(layout.HTTP_TEXTS >= workersEnd);
  assert.equal(layout.SLOT_SIZE, layout.CONNECTION_OWN_INPUT + layout.CONNECTION_INPUT_SIZE);
  assert.ok(layout.DATAGRAM_OUT_SIZE >= layout.DATAGRAM_OUT_MAX + 15, "Copies overrun by 15 bytes");
  assert.ok(layout.DATAGRAM_IN_SIZE >= 2048, "Requests of 2 KiB are accepted");
  assert.equal(layout.PAGE_SIZE & (layout.PAGE_SIZE - 1), 0);
  assert.ok(layout.SMALL_BLOCK_MAX <= layout.PAGE_SIZE - layout.PAGE_BLOCKS);
  assert.ok(layout.BLOCK_COUNT_MAX < 256, "Counts of a block are bytes");
  assert.ok(layout.WORKER_COUNT_MAX < 0x80, "A worker's number leaves a lock's top bit alone");
  assert.ok(layout.SPAN_MAX < 8, "A span fits the bits that alignment leaves free");
  for (const limitMib of [1, 16, 1024]) {
    const harness = new Harness(RELEASE, { limitMib });
    const [shards, bits, arena] = [
      layout.CONTROL_SHARDS,
      layout.CONTROL_PAGE_BITS,
      layout.CONTROL_ARENA,
    ].map((address) => harness.word(address));
    const shardBytes = layout.SHARD_SIZE << harness.word(layout.CONTROL_SHARD_BITS);
    const pageCount = harness.word(layout.CONTROL_PAGE_COUNT);
    assert.ok(shards! >= workersEnd && shards! % layout.SHARD_SIZE === 0);
    assert.ok(bits! >= shards! + shardBytes);
    assert.ok(arena! >= bits! + pageCount / 8 && arena! % layout.PAGE_SIZE === 0);
    const end = harness.shared.memory.buffer.byteLength;
    assert.ok(arena! + pageCount * layout.PAGE_SIZE <= end - 65536, "The end is a guard");
  }
});

Deno.test("every counter has a number of its own", () => {
  const taken = new Map<number, string>();
  for (const { name, value, comment } of LINES.filter(({ name }) => name.startsWith("COUNT_"))) {
    const [, count] = /(\w+) × by kind/.exec(comment) ?? [];
    for (let number = value; number < value + (count ? numberOf(count) : 1); ++number) {
      assert.equal(taken.get(number), undefined, `${name} and ${taken.get(number)} are ${number}`);
      taken.set(number, name);
      assert.ok(number < layout.COUNTER_COUNT, name);
    }
  }
});

const RELEASE = await compileCore("release");
const WASM = {
  release: await Deno.readFile(new URL("wasm/tracker.wasm", ROOT)),
  debug: await Deno.readFile(new URL("wasm/tracker.debug.wasm", ROOT)),
};
/** Bytes; all three protocols, inlined as far as it pays (tools/build.ts), have 105,000. */
const RELEASE_SIZE_MAX = 128 * 1024;

const SECTION_CUSTOM = 0;
const SECTION_START = 8;
const SECTION_DATA = 11;
const SECTION_DATA_COUNT = 12;

/** The ids of a module's sections. */
function sectionsOf(bytes: Uint8Array): number[] {
  const ids: number[] = [];
  for (let offset = 8; offset < bytes.length;) {
    ids.push(bytes[offset++]!);
    let byteLength = 0;
    for (let shift = 0;; shift += 7) {
      const byte = bytes[offset++]!;
      byteLength |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    offset += byteLength;
  }
  return ids;
}

/** The functions that the `interface Exports` of a file promises, with their parameters' number. */
async function readInterface(path: string): Promise<Map<string, number>> {
  const source = await Deno.readTextFile(new URL(path, ROOT));
  const [, body] = /^interface Exports \{\n([^}]*)\n\}/m.exec(source) ?? [];
  assert.ok(body !== undefined, `${path} has an interface Exports`);
  return new Map(
    [...body.matchAll(/^ {2}(\w+)\(([^)]*)\): \w+;/gm)].map(([, name, parameters]) => [
      name!,
      parameters!.split(":").length - 1,
    ]),
  );
}

for (const build of ["release", "debug"] as const) {
  Deno.test(`the ${build} build imports memory only, and has no data and no start`, () => {
    const module = new WebAssembly.Module(WASM[build]);
    assert.deepEqual(WebAssembly.Module.imports(module), [
      { module: "env", name: "memory", kind: "memory" },
    ]);
    const sections = sectionsOf(WASM[build]);
    for (const id of [SECTION_START, SECTION_DATA, SECTION_DATA_COUNT]) {
      assert.ok(!sections.includes(id), `Section ${id}`);
    }
    if (build === "release") assert.ok(!sections.includes(SECTION_CUSTOM), "Nothing but code");
  });

  Deno.test(`the ${build} build exports what wasm/*_core.ts say`, async () => {
    const expected = new Map([
      ...await readInterface("wasm/core.ts"),
      ...await readInterface("wasm/http_core.ts"),
      ...await readInterface("wasm/ws_core.ts"),
      ["init", 1],
      ["_start", 0],
    ] as [string, number][]);
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(WASM[build]), {
      env: { memory },
    });
    const found = new Map(
      Object.entries(exports).map(([name, value]) => [name, (value as () => void).length]),
    );
    assert.deepEqual([...found].sort(), [...expected].sort());
    // Nobody calls the start function: it must have nothing to do.
    (exports._start as () => void)();
    assert.ok(new Uint8Array(memory.buffer).every((byte) => byte === 0));
  });

  Deno.test(`the ${build} build serves`, async () => {
    const harness = new Harness(await compileCore(build));
    harness.become(Uint8Array.of(192, 0, 2, 1));
    harness.announce({ torrent: 1, port: 1 });
    assert.equal(harness.announce({ torrent: 1, port: 2, left: 0, numWant: -1 }), 26);
    assert.deepEqual(harness.counts, { leechers: 1, seeders: 1 });
  });
}

Deno.test("the release build stays within its budget", () => {
  assert.ok(WASM.release.length <= RELEASE_SIZE_MAX, `It has ${WASM.release.length} bytes`);
});

Deno.test("a million requests in a steady state allocate nothing", () => {
  const harness = new Harness(RELEASE);
  const [torrents, ports, requests] = [100, 50, 1_000_000];
  harness.become(Uint8Array.of(192, 0, 2, 1));
  const round = (count: number) => {
    for (let index = 0; index < count; ++index) {
      const port = 1 + index % ports;
      harness.announce({
        torrent: index % torrents,
        port,
        left: (index >> 8) & 1,
        event: 0,
        numWant: 50,
      });
    }
  };
  round(100_000);
  const pages = harness.pagesUsed;
  const peak = harness.word(layout.CONTROL_PAGES_PEAK);
  const heap = Deno.memoryUsage().heapUsed;
  round(requests);
  assert.equal(harness.pagesUsed, pages);
  assert.equal(harness.word(layout.CONTROL_PAGES_PEAK), peak);
  // The harness passes an object a request, which is collected; anything kept would be megabytes.
  const growth = Deno.memoryUsage().heapUsed - heap;
  assert.ok(growth < 8 * requests, `The heap has grown by ${growth} bytes`);
});
