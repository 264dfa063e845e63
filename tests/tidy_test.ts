/**
 * The style of the source that no other tool judges: who imports whom, and what the core never
 * does.
 */
import { strict as assert } from "node:assert";

const ROOT = new URL("..", import.meta.url);
const SKIPPED_DIRECTORIES = new Set([".git", "node_modules", "dist", "results"]);
const LINE_MAX = 100;
const FILE_LINES_MAX = 400;
/** A test file may list many cases of one noun. */
const TEST_LINES_MAX = 550;

interface File {
  path: string;
  text: string;
  lines: string[];
}

const FILES: File[] = [];
await readAll("");
const SOURCES = FILES.filter(({ path }) => /\.(ts|js)$/.test(path));
const BY_PATH = new Map(FILES.map((file) => [file.path, file]));

async function readAll(directory: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(directory || ".", ROOT))) {
    const path = directory + name;
    if (isDirectory) {
      if (!SKIPPED_DIRECTORIES.has(name)) await readAll(`${path}/`);
    } else if (/\.(ts|js|json|md|toml|py|awk|hex)$|^\.ci\/|^LICENSE|^\.gitignore/.test(path)) {
      const text = await Deno.readTextFile(new URL(path, ROOT));
      FILES.push({ path, text, lines: text.split("\n") });
    }
  }
}

/** Throws one error that names every violation. */
function assertNone(violations: string[], rule: string): void {
  assert.ok(violations.length === 0, `${rule}:\n  ${violations.join("\n  ")}`);
}

/** Lines of the files, judged one by one. */
function judgeLines(files: File[], judge: (line: string, path: string) => boolean): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      judge(line, path) ? [`${path}:${index + 1}: ${line.trim().slice(0, 80)}`] : []
    )
  );
}

/** What a file imports as code: as paths from the root, or as names of packages. */
function importsOf({ path, text }: File, kinds: { dynamic: boolean }): string[] {
  const code = withoutComments(text);
  const static_ = /^(?:import|export)\s(?!type\b)[^;"']*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gm;
  const found = [...code.matchAll(static_)].map(([, from, bare]) => from ?? bare!);
  if (kinds.dynamic) {
    found.push(...[...code.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, target]) => target!));
  }
  return found.map((target) => target.startsWith(".") ? resolve(path, target) : target);
}

function resolve(path: string, target: string): string {
  const resolved = new URL(target, new URL(path, "file:///")).pathname.slice(1);
  return path.startsWith("assembly/") ? `${resolved}.ts`.replace(".ts.ts", ".ts") : resolved;
}

/** All that a file's code brings along. */
function graphOf(path: string, kinds: { dynamic: boolean }): Set<string> {
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    const file = BY_PATH.get(name);
    if (file !== undefined && /\.(ts|js)$/.test(name)) importsOf(file, kinds).forEach(visit);
  };
  visit(path);
  return seen;
}

/** Strings keep their place, comments become blanks. */
function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/.*/g,
    (match, string) => string ?? match.replace(/[^\n]/g, " "),
  );
}

// Imports point one way (style.md, section 2).

/** What the files of a directory may import; the first that fits decides. */
const DIRECTIONS: [from: RegExp, mayImport: RegExp][] = [
  [/^assembly\//, /^assembly\//],
  [/^wasm\//, /^wasm\/|^assembly\/layout\.ts$/],
  [/^server\/config\//, /^server\/|^(valibot|smol-toml|toml-eslint-parser|ipaddr\.js)$/],
  [/^server\/native\//, /^server\/native\/|^ipaddr\.js$/],
  [/^server\/metrics\/health\.ts$/, /^server\/|^smol-toml$/],
  [
    /^server\//,
    /^server\/|^wasm\/|^assembly\/layout\.ts$|^@logtape\/|^@optique\/|^node:|^deno\.json$/,
  ],
  [/^protocols\/udp\//, /^protocols\/udp\/|^server\/|^wasm\/|^assembly\/layout\.ts$|^ipaddr\.js$/],
  [/^protocols\/http\//, /^protocols\/http\/|^server\/|^wasm\/|^assembly\/layout\.ts$/],
  [/^protocols\/ws\//, /^protocols\/ws\/|^server\/|^wasm\/|^assembly\/layout\.ts$/],
  [/^main\.ts$/, /^server\//],
  [/^mod\.ts$/, /^server\//],
  [/^client\//, /^client\/|^protocols\/\w+\/(client|messages)\.ts$|^node:/],
  [
    /^tools\//,
    /^assemblyscript\/|^tools\/|^server\/|^wasm\/|^assembly\/layout\.ts$|^tests\/|^bench\//,
  ],
];

Deno.test("imports point one way, and protocols never import each other", () => {
  const violations = SOURCES.flatMap((file) => {
    const rule = DIRECTIONS.find(([from]) => from.test(file.path));
    if (rule === undefined) return [];
    return importsOf(file, { dynamic: false })
      .filter((target) => !rule[1].test(target))
      .map((target) => `${file.path} imports ${target}`);
  });
  assertNone(violations, "An import against the direction");
});

Deno.test("main.ts brings along no test, no tool and no package that only those need", () => {
  const graph = [...graphOf("main.ts", { dynamic: true })];
  assert.ok(graph.includes("protocols/udp/mod.ts"), "Dynamic imports are seen");
  const foreign = graph.filter((name) =>
    /^(tests|tools)\/|^(assemblyscript|bencode|fast-check)\b/.test(name)
  );
  assertNone(foreign, "Only for development");
});

for (
  const worker of [
    "protocols/udp/worker.ts",
    "protocols/udp/native_worker.ts",
    "protocols/http/worker.ts",
    "protocols/ws/worker.ts",
    "server/housekeeper.ts",
  ]
) {
  Deno.test(`${worker} brings along no schema, no command line and no log`, () => {
    const graph = [...graphOf(worker, { dynamic: true })];
    assert.ok(graph.includes("wasm/core.ts"));
    const heavy = graph.filter((name) =>
      /^server\/(cli|log|lifecycle|statistics|signals)\.ts$/.test(name) ||
      /^server\/config\/(?!address\.ts)/.test(name) ||
      (!/\.(ts|js)$/.test(name) && !name.startsWith("node:") && name !== "ipaddr.js") ||
      name === "wasm/module.js"
    );
    assertNone(heavy, "A worker is small");
  });
}

Deno.test("the metrics worker brings along no schema, no command line, no log and no core", () => {
  const graph = [...graphOf("server/metrics/worker.ts", { dynamic: true })];
  assert.ok(graph.includes("server/metrics/exposition.ts"));
  const heavy = graph.filter((name) =>
    /^server\/(cli|log|lifecycle|statistics|signals)\.ts$|^wasm\/(core|module)\./.test(name) ||
    /^server\/config\/(?!address\.ts)/.test(name) ||
    (!/\.(ts|js|html|css)$/.test(name) && name !== "ipaddr.js")
  );
  assertNone(heavy, "A worker is small");
});

// The core (style.md, sections 6 and 11).

const CORE = FILES.filter(({ path }) => path.startsWith("assembly/"));

/** The code of the core without comments and imports. */
function coreLines(): File[] {
  return CORE.map(({ path, text }) => {
    const code = withoutComments(text).replace(
      /^(import|export) [^;]*? from "[^"]*";/gm,
      (match) => match.replace(/[^\n]/g, " "),
    );
    return { path, text: code, lines: code.split("\n") };
  });
}

const BANS: [what: string, pattern: RegExp][] = [
  ["allocation", /\bnew\b|\b(Array|Map|Set|String|ArrayBuffer|StaticArray|Uint8Array)\b/],
  ["exception", /\b(throw|try|catch|abort|assert)\b/],
  ["string", /["'`]/],
  ["decorator", /^\s*@/],
  ["array", /\[/],
  ["closure", /=>/],
  ["import of the host", /@external|\bdeclare\b/],
];

for (const [what, pattern] of BANS) {
  Deno.test(`the core has no ${what}`, () => {
    assert.ok(CORE.length > 15);
    // A string may only be what the compiler says when a layout is wrong.
    assertNone(
      judgeLines(coreLines(), (line) => pattern.test(line.replace(/\bERROR\("[^"]*"\)/, ""))),
      `In the core: ${what}`,
    );
  });
}

Deno.test("nothing imports a file of the core but layout.ts, which imports its parts", () => {
  const violations = SOURCES.filter(({ path }) => !path.startsWith("assembly/")).flatMap((file) =>
    importsOf(file, { dynamic: true })
      .filter((target) => target.startsWith("assembly/") && target !== "assembly/layout.ts")
      .map((target) => `${file.path} imports ${target}`)
  );
  assertNone(violations, "Not for Deno");
  const layouts = SOURCES.filter(({ path }) => /^assembly\/(\w+_)?layout\.ts$/.test(path));
  const parts = layouts.map(({ path }) => path).filter((path) => path !== "assembly/layout.ts");
  for (const file of layouts) {
    const imports = importsOf(file, { dynamic: true });
    assert.deepEqual(imports.sort(), file.path === "assembly/layout.ts" ? parts.sort() : []);
  }
});

// All files.

Deno.test(`no line is longer than ${LINE_MAX} characters`, () => {
  assertNone(judgeLines(SOURCES, (line) => [...line].length > LINE_MAX), "Too long");
});

Deno.test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
  const violations = SOURCES.flatMap(({ path, lines }) => {
    const most = path.startsWith("tests/") ? TEST_LINES_MAX : FILE_LINES_MAX;
    return lines.length - 1 > most ? [`${path} has ${lines.length - 1} lines`] : [];
  });
  assertNone(violations, "A second noun");
});

Deno.test("nothing is left to do, and no test runs alone", () => {
  const pattern = new RegExp(
    ["TO" + "DO", "FIX" + "ME", "XX" + "X"].map((word) => `\\b${word}\\b`).join("|") +
      `|\\.on${"ly"}\\(|\\bon${"ly"}: true|\\bdebugg${"er"};`,
  );
  assertNone(judgeLines(SOURCES, (line) => pattern.test(line)), "Unfinished");
});

Deno.test("no file names a path of one machine, or a host of a registry", () => {
  const pattern = new RegExp(
    ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/Us" + "ers/"].join("|") +
      "|registry\\.(npm" + "js|yarn" + "pkg)|js" + "r\\.io|deno\\.la" + "nd/(x|std)|proxy\\.gol" +
      "ang",
  );
  assertNone(judgeLines(FILES, (line) => pattern.test(line)), "Only here");
});

Deno.test("file names are in snake_case", () => {
  const violations = SOURCES.map(({ path }) => path)
    .filter((path) => !/^[a-z0-9_/]+(\.d)?\.(ts|js)$/.test(path));
  assertNone(violations, "Another case");
});

Deno.test("every source file says at its top what it is", () => {
  const violations = SOURCES
    .filter(({ path, text }) => !path.endsWith("_test.ts") && !/^(#!.*\n)?\/\*\*/.test(text))
    .map(({ path }) => path);
  assertNone(violations, "No header");
});
