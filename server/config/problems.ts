/**
 * Finds what is wrong with the contents of a configuration and says it in one sentence each:
 * key, value, what is expected, and the nearest thing that would have been right.
 */

import * as v from "valibot";
import type { FileKind } from "./file_kind.ts";
import type { KeyPath } from "./positions.ts";
import { describe, type KeyInfo, type Node } from "./schema.ts";
import { nearest } from "./suggest.ts";

/** One mistake, and where it stands. */
export interface Problem {
  path: KeyPath;
  sentence: string;
}

/** A table as the TOML parser gives it. */
export type RawTable = Record<string, unknown>;
type TableNode = Node & { kind: "table" };

const VALUE_LENGTH_MAX = 80;
const KNOWN_KEYS_MAX = 12;

/**
 * Validates a parsed file.
 * @returns All problems, and the configuration with defaults in the place of what is wrong.
 */
export function validate<TConfig>(
  kind: FileKind<TConfig>,
  raw: RawTable,
): { config: TConfig; problems: Problem[]; warnings: Problem[] } {
  const root = describe(kind.schema);
  const problems = [...findUnknownKeys(kind, root, { node: root, table: raw, path: [] })];
  for (const issue of v.safeParse(kind.schema, raw).issues ?? []) {
    const path = (issue.path ?? []).map(({ key }) => key as string | number);
    if (problems.some((problem) => isWithin(path, problem.path))) continue;
    problems.push({ path, sentence: explainValue(root, path, valueAt(raw, path), issue.message) });
  }
  const repaired = structuredCloneWithout(raw, problems.map(({ path }) => path));
  const config = v.parse(kind.schema, repaired);
  kind.complete?.(config, (key) => valueAt(repaired, key.split(".")) !== undefined);

  const warnings: Problem[] = [];
  const isWrong = (key: string) => problems.some(({ path }) => isAbout(path, key.split(".")));
  for (const finding of kind.check(config)) {
    if (finding.keys.some(isWrong)) continue;
    const [first, ...others] = finding.keys.map((key) => formatSetting(config, key.split(".")));
    const settings = others.length === 0 ? first : `${first} with ${others.join(" and ")}`;
    const given = finding.keys.find((key) => valueAt(raw, key.split(".")) !== undefined);
    const path = (given ?? finding.keys[0]).split(".");
    if (finding.severity === "error") {
      problems.push({ path, sentence: `Cannot use ${settings}: ${finding.message}` });
    } else {
      warnings.push({ path, sentence: `With ${settings} ${finding.message}` });
    }
  }
  return { config, problems, warnings };
}

interface Place {
  node: TableNode;
  table: RawTable;
  path: string[];
}

function* findUnknownKeys(
  kind: Pick<FileKind<unknown>, "needless">,
  root: TableNode,
  place: Place,
): Generator<Problem> {
  for (const [key, value] of Object.entries(place.table)) {
    const path = [...place.path, key];
    const child = place.node.children.get(key);
    if (child?.kind === "table") {
      if (isTable(value)) yield* findUnknownKeys(kind, root, { node: child, table: value, path });
      else yield { path, sentence: explainValue(root, path, value, "a table") };
    } else if (child === undefined) {
      const needless = Object.hasOwn(kind.needless, path.join("."))
        ? kind.needless[path.join(".")]
        : undefined;
      const reason = needless === undefined
        ? explainUnknown(root, place, key)
        : `Riptide does not need it: ${needless}`;
      yield { path, sentence: `Cannot use ${formatSetting(place.table, [key], path)}: ${reason}` };
    }
  }
}

function explainUnknown(root: TableNode, place: Place, key: string): string {
  const siblings = [...place.node.children.keys()];
  const everywhere = [...keyPaths(root)];
  const sameName = everywhere.find((path) => path.at(-1) === key);
  const sibling = nearest(key, siblings);
  const cousinName = nearest(key, everywhere.map((path) => path.at(-1)!));
  const guess = sameName ??
    (sibling !== undefined ? [...place.path, sibling] : undefined) ??
    everywhere.find((path) => path.at(-1) === cousinName);
  if (guess !== undefined) {
    const where = guess.length === 1 && place.path.length > 0 ? ", above the first table" : "";
    return `expected a known key; did you mean "${guess.join(".")}"${where}`;
  }
  const shown = siblings.slice(0, KNOWN_KEYS_MAX).join(", ");
  return `expected a known key: ${shown}${siblings.length > KNOWN_KEYS_MAX ? ", …" : ""}`;
}

function explainValue(root: TableNode, path: KeyPath, value: unknown, expected: string): string {
  const node = nodeAt(root, path);
  const setting = `"${keyName(path)}" = ${formatValue(value)}`;
  if (node?.kind === "table") return `Cannot use ${setting}: expected a table, [${keyName(path)}]`;
  const guess = node === undefined ? undefined : guessValue(node.info, value);
  const hint = guess === undefined ? "" : `; did you mean ${guess}`;
  return `Cannot use ${setting}: expected ${expected}${hint}`;
}

function guessValue(info: KeyInfo, value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  if (info.choices !== undefined) {
    const lower = value.toLowerCase();
    const alias = info.aliases !== undefined && Object.hasOwn(info.aliases, lower)
      ? info.aliases[lower]
      : undefined;
    const guess = alias ?? nearest(value, info.choices);
    return guess === undefined ? undefined : JSON.stringify(guess);
  }
  const isBare = /^(\d{1,15}|true|false)$/.test(value);
  const wantsBare = /^(a whole number|true or false)/.test(info.expected);
  return isBare && wantsBare ? value : undefined;
}

function* keyPaths(node: TableNode, path: string[] = []): Generator<string[]> {
  for (const [key, child] of node.children) {
    yield [...path, key];
    if (child.kind === "table") yield* keyPaths(child, [...path, key]);
  }
}

function nodeAt(root: TableNode, path: KeyPath): Node | undefined {
  let node: Node | undefined = root;
  for (const key of path) {
    if (typeof key === "number") break;
    node = node?.kind === "table" ? node.children.get(key) : undefined;
  }
  return node;
}

function valueAt(table: unknown, path: KeyPath): unknown {
  let value = table;
  for (const [depth, key] of path.entries()) {
    // One text stands for a list of one.
    if (key === 0 && depth === path.length - 1 && typeof value === "string") return value;
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

function formatSetting(table: unknown, path: KeyPath, name: KeyPath = path): string {
  const value = valueAt(table, path);
  if (isTable(value)) return `table "${keyName(name)}"`;
  return `"${keyName(name)}" = ${formatValue(value)}`;
}

/** Names the key; which item of a list is meant shows in the value. */
function keyName(path: KeyPath): string {
  return path.filter((key) => typeof key === "string").join(".");
}

function formatValue(value: unknown): string {
  const text = isTable(value)
    ? "a table"
    : JSON.stringify(value, (_, it) => typeof it === "bigint" ? String(it) : it) ?? "nothing";
  const bare = /^(bigint|number)$/.test(typeof value) ? String(value) : text;
  return bare.length > VALUE_LENGTH_MAX ? bare.slice(0, VALUE_LENGTH_MAX) + "…" : bare;
}

function isTable(value: unknown): value is RawTable {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

function isWithin(path: KeyPath, outer: KeyPath): boolean {
  return outer.every((key, index) => key === path[index]);
}

/** Says whether a problem at `path` leaves the value of `key` unknown. */
function isAbout(path: KeyPath, key: KeyPath): boolean {
  return path.slice(0, key.length).every((part, index) => part === key[index]);
}

/** Copies tables without the keys at these paths; a bad item takes its whole list with it. */
function structuredCloneWithout(table: RawTable, paths: KeyPath[]): RawTable {
  const copy: RawTable = {};
  for (const [key, value] of Object.entries(table)) {
    const inner = paths.filter((path) => path[0] === key).map((path) => path.slice(1));
    if (inner.some((path) => path.length === 0 || typeof path[0] === "number")) continue;
    copy[key] = isTable(value) ? structuredCloneWithout(value, inner) : value;
  }
  return copy;
}
