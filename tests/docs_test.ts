/**
 * What the documentation says and the code can confirm: records, regions and sizes in
 * docs/MEMORY.md, the rows of docs/PROTOCOLS.md, and on every page files, links, commands, their
 * options, and configurations.
 */
import { strict as assert } from "node:assert";
import * as layout from "../assembly/layout.ts";
import manifest from "../deno.json" with { type: "json" };
import { COMMAND_NAMES, OPTIONS } from "../server/cli.ts";
import { type FileKind, HTTP_FILE, loadConfig, TRACKER_FILE } from "../server/config/mod.ts";
import { UDP_FILE, WS_FILE } from "../server/config/mod.ts";
import { describe as describeSchema, type Node } from "../server/config/schema.ts";
import { documentOptions } from "../tools/document_options.ts";
import { bytesFor, Filler, fillSwarm, fillTorrents, loadCore } from "../tools/measure_memory.ts";

const ROOT = new URL("../", import.meta.url);
const LAYOUT: Readonly<Record<string, number>> = { ...layout };
const PAGES = [
  "README.md",
  "CHANGELOG.md",
  ...await pagesOf("docs/"),
  ...await pagesOf("docs/decisions/"),
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
  assert.ok(PAGES.length >= 20);
  const file = /(?:[a-z_.]+\/)+[a-z0-9_-]+\.(?:ts|js|wasm|toml|conf|cfg|service|json|yml|c)/.source;
  const folder = /(?:[a-z_.]+\/){2,}/.source;
  const named = new RegExp(`\`(${file}|${folder})\``, "g");
  for (const page of PAGES) {
    const text = await read(page);
    for (const [, path] of text.matchAll(named)) {
      // A page may speak of what a file beside it holds.
      const beside = new URL(path!, new URL(page, ROOT));
      assert.ok(await exists(path!) || await exists(beside), `${page} names ${path}`);
    }
  }
});

Deno.test("every link of a page leads to a file, and to a heading of it", async () => {
  for (const page of PAGES) {
    const text = await read(page);
    for (const [, path, anchor] of text.matchAll(/\]\((?![a-z]+:)([^)#]*)(?:#([^)]+))?\)/g)) {
      const target = path === "" ? new URL(page, ROOT) : new URL(path!, new URL(page, ROOT));
      assert.ok(await exists(target), `${page} links to ${path}`);
      if (anchor === undefined) continue;
      const headings = [...(await Deno.readTextFile(target)).matchAll(/^#+ (.*)$/gm)]
        .map(([, heading]) => toAnchor(heading!));
      assert.ok(headings.includes(anchor), `${page} links to ${path}#${anchor}`);
    }
  }
});

/** As the usual viewers make it of a heading. */
function toAnchor(heading: string): string {
  return heading.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-");
}

const TASKS: Readonly<Record<string, { command: string }>> = manifest.tasks as never;
/** Of Deno's own, where a page shows a command in full. */
const DENO_OPTION = /^--(allow|quiet|no-prompt|v8-flags|config)/;

Deno.test("every command that a page names is there, and has the options behind it", async () => {
  let commandCount = 0;
  for (const page of PAGES) {
    for (const line of codeOf(await read(page))) {
      for (const [whole, task, main] of line.matchAll(COMMAND)) {
        if (main !== undefined && main.startsWith("-")) continue;
        ++commandCount;
        if (task !== undefined) assert.ok(task in TASKS, `${page}: deno task ${task}`);
        else assert.ok(COMMAND_NAMES.includes(main!) || main === "completion", `${page}: ${whole}`);
        const command = task === undefined ? "main.ts" : TASKS[task]!.command;
        const script = /\S+\.ts/.exec(command)?.[0];
        const own = script === "main.ts" ? OPTIONS : [];
        const source = script === undefined || script === "main.ts" ? "" : await readAll(script);
        for (const [option] of line.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)) {
          const isThere = own.includes(option) || DENO_OPTION.test(option) ||
            source.includes(option.slice(2));
          assert.ok(isThere, `${page}: ${line} has an option ${option}`);
        }
      }
    }
  }
  assert.ok(commandCount >= 50, String(commandCount));
});

/** `deno task NAME` in any spelling, `main.ts NAME` or `riptide NAME`. */
const COMMAND =
  /deno(?:@[\d.]+)? task ([a-z][a-z0-9:-]*)|(?:main\.ts|(?:^|[;&] |\.\/)riptide) ([a-z][a-z-]*)/g;

/** A script and what lies beside it: its settings may be read there. */
async function readAll(script: string): Promise<string> {
  const folder = script.slice(0, script.lastIndexOf("/") + 1);
  const texts = [];
  for await (const { name } of Deno.readDir(new URL(folder, ROOT))) {
    if (name.endsWith(".ts")) texts.push(await read(folder + name));
  }
  return texts.join("\n");
}

/** What stands in back quotes, and the lines of blocks of code. */
function codeOf(page: string): string[] {
  const blocks = [...page.matchAll(/^```\w*\n([^]*?)^```$/gm)].map(([, block]) => block!);
  const prose = page.replace(/^```\w*\n[^]*?^```$/gm, "");
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, span]) => span!.replaceAll("\n", " "));
  const joined = blocks.flatMap((block) => block.replaceAll("\\\n", " ").split("\n"));
  return [...spans, ...joined.map((line) => line.replace(/#.*$/, ""))];
}

Deno.test("every configuration that a page shows is one, and every key that it names", async () => {
  const kinds = [TRACKER_FILE, UDP_FILE, HTTP_FILE, WS_FILE] as unknown as FileKind<never>[];
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  let blockCount = 0;
  try {
    for (const page of PAGES) {
      const text = await read(page);
      for (const [, toml] of text.matchAll(/^```toml\n([^]*?)^```$/gm)) {
        ++blockCount;
        // A part of a tracker's file may leave out the protocols.
        const whole = /^\[(udp|http|ws|network)/m.test(toml!) ? toml! : `udp = {}\n${toml}`;
        await Deno.writeTextFile(path, whole);
        const outcomes = await Promise.allSettled(kinds.map((kind) => loadConfig(kind, path)));
        const reasons = outcomes.map((it) => it.status === "rejected" ? it.reason.message : "");
        assert.ok(outcomes.some(({ status }) => status === "fulfilled"), `${page}:\n${reasons[0]}`);
      }
      for (const [, table, key] of text.matchAll(/`\[([a-z_.]+)\] ([a-z_]+)/g)) {
        const isThere = kinds.some(({ schema }) => hasKey(schema, [...table!.split("."), key!]));
        assert.ok(isThere, `${page} names [${table}] ${key}`);
      }
    }
  } finally {
    await Deno.remove(path);
  }
  assert.ok(blockCount >= 5);
});

function hasKey(schema: FileKind<never>["schema"], path: readonly string[]): boolean {
  let node: Node | undefined = describeSchema(schema);
  for (const name of path) {
    node = node?.kind === "table" ? new Map(node.children).get(name) : undefined;
  }
  return node !== undefined;
}

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

/** The pages of a folder. */
async function pagesOf(folder: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(new URL(folder, ROOT)), ({ name }) => name);
  return names.filter((name) => name.endsWith(".md")).sort().map((name) => folder + name);
}

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

async function exists(path: string | URL): Promise<boolean> {
  return await Deno.stat(new URL(path, ROOT)).then(() => true, () => false);
}
