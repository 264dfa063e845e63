/**
 * What the documentation says and the code can confirm: records, regions and sizes in
 * docs/MEMORY.md, the rows of docs/PROTOCOLS.md, and every file that a page names.
 */
import { strict as assert } from "node:assert";
import * as layout from "../assembly/layout.ts";
import { documentOptions } from "../tools/document_options.ts";
import { bytesFor, Filler, fillSwarm, fillTorrents, loadCore } from "../tools/measure_memory.ts";

const ROOT = new URL("../", import.meta.url);
const LAYOUT: Readonly<Record<string, number>> = { ...layout };
const PAGES = [
  "README.md",
  ...["ARCHITECTURE", "CONFIGURATION", "MEMORY", "OPERATING", "PROTOCOLS"]
    .map((name) => `docs/${name}.md`),
];
/** Records whose every constant has a row. */
const WHOLE_RECORDS = /^(TORRENT|GROUP|SHARD|PAGE|CLASS|BLOCK|DIRECTORY|RULES)_/;
const UDP_ROW_COUNT = 56;
const HTTP_ROW_COUNT = 56;
const WEBTORRENT_ROW_COUNT = 43;

const memoryPage = await read("docs/MEMORY.md");

Deno.test("MEMORY.md: offsets of records are those of layout.ts, and fields do not overlap", () => {
  const fields = tables(memoryPage).filter(({ head }) => head[0] === "offset");
  assert.ok(fields.length >= 12);
  for (const { rows } of fields) {
    let end = 0;
    for (const { line, cells } of rows) {
      const [offset, size, field] = cells;
      const name = /`([A-Z0-9_]+)`/.exec(field!)?.[1];
      assert.ok(name !== undefined && name in LAYOUT, `docs/MEMORY.md:${line}: no such constant`);
      assert.equal(number(offset!), LAYOUT[name], `docs/MEMORY.md:${line}: ${name} in layout.ts`);
      assert.ok(number(offset!) >= end, `docs/MEMORY.md:${line}: ${name} begins within a field`);
      end = number(offset!) + number(size!);
    }
  }
});

Deno.test("MEMORY.md: sizes and limits are those of layout.ts", () => {
  const stated = [...memoryPage.matchAll(/`([A-Z0-9_]+)` = (\d+)/g)];
  assert.ok(stated.length >= 20);
  for (const [, name, value] of stated) assert.equal(Number(value), LAYOUT[name!], name);
  for (const { cells } of rowsOf("limit")) {
    const name = cells[0]!.replaceAll("`", "");
    assert.equal(number(cells[1]!), LAYOUT[name], name);
  }
});

Deno.test("MEMORY.md: every constant of the finished records is named", () => {
  const missing = Object.keys(LAYOUT).filter((name) =>
    WHOLE_RECORDS.test(name) && !memoryPage.includes(`\`${name}\``)
  );
  assert.deepEqual(missing, []);
});

Deno.test("MEMORY.md: shards and pages of a limit", async () => {
  const core = await loadCore();
  for (const { line, cells } of rowsOf("limit_mib").filter(({ cells }) => cells.length === 3)) {
    const [limitMib, shards, pages] = cells.map(number);
    const filler = new Filler(core, limitMib!);
    assert.deepEqual([filler.shardCount, filler.pageCount], [shards, pages], `line ${line}`);
  }
});

Deno.test("MEMORY.md: bytes of a block", async () => {
  const path = new URL("wasm/tracker.test.wasm", ROOT);
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  const { instance } = await WebAssembly.instantiate(await Deno.readFile(path), {
    env: { memory },
  });
  const { sizeClass, classByteLength } = instance.exports as Record<string, (_: number) => number>;
  for (const { cells } of rowsOf("peers")) {
    const [peers, ...stated] = cells.map(number);
    const blocks = [9, 21].map((peerByteLength) =>
      classByteLength!(sizeClass!(layout.BLOCK_PEERS + peers! * peerByteLength))
    );
    assert.deepEqual(stated, blocks, `${peers} peers`);
  }
});

Deno.test("MEMORY.md: what swarms take and 16 MiB hold, to one part in a hundred", async () => {
  const core = await loadCore();
  const hundredThousand = rowsOf("what").find(({ cells }) =>
    cells[0]!.includes("of 100,000 IPv4")
  )!;
  assertNear(bytesFor(core, 1, 100_000), number(hundredThousand.cells[1]!));
  const smallest = rowsOf("limit_mib").find(({ cells }) =>
    cells.length === 7 && number(cells[0]!) === 16
  )!;
  const million = (index: number) => 1e6 * number(smallest.cells[index]!);
  for (const [index, peersEach] of [[1, 1], [2, 2], [3, 10]] as const) {
    assertNear(fillTorrents(new Filler(core, 16), peersEach), million(index));
  }
  assertNear(fillTorrents(new Filler(core, 16), 2, true), million(4));
  assertNear(fillSwarm(new Filler(core, 16)), million(5));
  assertNear(fillSwarm(new Filler(core, 16), true), million(6));
});

Deno.test("PROTOCOLS.md: each of U1 to U56 names a test that there is", async () => {
  const rows = tables(await read("docs/PROTOCOLS.md")).find(({ head }) => head[0] === "row")!.rows;
  const numbers = rows.map(({ cells }) => Number(/^U(\d+)$/.exec(cells[0]!)?.[1]));
  assert.deepEqual(numbers, Array.from({ length: UDP_ROW_COUNT }, (_, index) => index + 1));
  for (const { line, cells } of rows) {
    const text = await read(`tests/conformance/udp/${cells[2]!.replaceAll("`", "")}_test.ts`);
    const name = cells[3]!.replaceAll('"', '\\"');
    const isThere = text.includes(cells[3]!) || text.includes(name);
    assert.ok(isThere, `docs/PROTOCOLS.md:${line}: there is no test "${cells[3]}"`);
    assert.match(cells[3]!, new RegExp(`\\b${cells[0]}\\b`));
  }
});

Deno.test("PROTOCOLS.md: each of H1 to H56 names a test that there is", async () => {
  const rows = tables(await read("docs/PROTOCOLS.md")).filter(({ head }) => head[0] === "row")[1]!
    .rows;
  const numbers = rows.map(({ cells }) => Number(/^H(\d+)$/.exec(cells[0]!)?.[1]));
  assert.deepEqual(numbers, Array.from({ length: HTTP_ROW_COUNT }, (_, index) => index + 1));
  for (const { line, cells } of rows) {
    const text = await read(`tests/conformance/http/${cells[1]!.replaceAll("`", "")}_test.ts`);
    assert.ok(text.includes(cells[2]!), `docs/PROTOCOLS.md:${line}: no test "${cells[2]}"`);
    assert.match(cells[2]!, new RegExp(`^${cells[0]}\\b`));
  }
});

Deno.test("PROTOCOLS.md: each of W1 to W43 names a test that there is", async () => {
  const rows = tables(await read("docs/PROTOCOLS.md")).flatMap(({ head, rows }) =>
    head[0] === "row" ? rows : []
  ).filter(({ cells }) => cells[0]!.startsWith("W"));
  // A row may name several tests.
  const numbers = [...new Set(rows.map(({ cells }) => Number(/^W(\d+)$/.exec(cells[0]!)?.[1])))];
  assert.deepEqual(
    numbers,
    Array.from({ length: WEBTORRENT_ROW_COUNT }, (_, index) => index + 1),
  );
  for (const { line, cells } of rows) {
    const file = `${cells[1]!.replaceAll("`", "")}_test.ts`;
    const folder = await exists(`tests/conformance/ws/${file}`) ? "ws" : "tracker";
    const text = await read(`tests/conformance/${folder}/${file}`);
    assert.ok(text.includes(cells[2]!), `docs/PROTOCOLS.md:${line}: no test "${cells[2]}"`);
    assert.match(cells[2]!, new RegExp(`^${cells[0]}\\b`));
  }
});

Deno.test("every file that a page names is there", async () => {
  for (const page of PAGES) {
    const text = await read(page);
    for (const [, path] of text.matchAll(/`((?:[a-z_.]+\/)+[a-z0-9_.]+\.(?:ts|js|wasm|toml))`/g)) {
      assert.ok(await exists(path!), `${page} names ${path}`);
    }
    for (const [, link] of text.matchAll(/\]\(((?![a-z]+:)[^)#]+)\)/g)) {
      assert.ok(await exists(new URL(link!, new URL(page, ROOT))), `${page} links to ${link}`);
    }
  }
});

Deno.test("CONFIGURATION.md is what `deno task document` writes", async () => {
  assert.equal(await read("docs/CONFIGURATION.md"), await documentOptions());
});

interface Row {
  line: number;
  cells: string[];
}

interface Table {
  head: string[];
  rows: Row[];
}

/** The tables of a page: rows that begin with a bar, the second of them dashes. */
function tables(page: string): Table[] {
  const found: Table[] = [];
  let table: Table | undefined;
  for (const [index, text] of page.split("\n").entries()) {
    if (!text.startsWith("|")) {
      table = undefined;
      continue;
    }
    const cells = text.split("|").slice(1, -1).map((cell) => cell.trim());
    if (table === undefined) found.push(table = { head: cells, rows: [] });
    else if (!/^-+$/.test(cells[0]!)) table.rows.push({ line: index + 1, cells });
  }
  return found;
}

/** The rows of all tables whose first column is headed so. */
function rowsOf(head: string): Row[] {
  const rows = tables(memoryPage).filter((table) => table.head[0] === head)
    .flatMap((table) => table.rows);
  assert.ok(rows.length > 0, `docs/MEMORY.md has no table headed "${head}"`);
  return rows;
}

/** The number that a cell begins with. */
function number(cell: string): number {
  return Number(/^[\d.,]+/.exec(cell)?.[0].replaceAll(",", ""));
}

function assertNear(measured: number, stated: number): void {
  assert.ok(Math.abs(measured - stated) < stated / 100, `${measured} measured, ${stated} stated`);
}

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

async function exists(path: string | URL): Promise<boolean> {
  return await Deno.stat(new URL(path, ROOT)).then(() => true, () => false);
}
