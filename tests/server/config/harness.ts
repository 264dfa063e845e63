/** Configurations as text, and what is said about them. */

import assert from "node:assert/strict";
import {
  type FileKind,
  parseConfig,
  UDP_FILE,
  type UdpConfig,
} from "../../../server/config/mod.ts";
import type { Node } from "../../../server/config/schema.ts";
import { ConfigError } from "../../../server/errors.ts";

export const NAME = "riptide.toml";

/** Loads a UDP configuration. */
export async function load(text: string): Promise<UdpConfig> {
  return await loadAs(UDP_FILE, text);
}

export async function loadAs<TConfig>(kind: FileKind<TConfig>, text: string): Promise<TConfig> {
  return (await parseConfig(kind, text, { name: NAME })).config;
}

export async function warningsOf(
  text: string,
  // deno-lint-ignore no-explicit-any -- a file of any kind
  kind: FileKind<any> = UDP_FILE,
): Promise<string[]> {
  return (await parseConfig(kind, text, { name: NAME })).warnings;
}

export async function problemsOf(
  text: string,
  // deno-lint-ignore no-explicit-any -- a file of any kind
  kind: FileKind<any> = UDP_FILE,
): Promise<readonly string[]> {
  try {
    await loadAs(kind, text);
    return [];
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    assert.equal(error.exitStatus, 78);
    return error.problems;
  }
}

/** Every key of a schema, by its path. */
export function keysOf(node: Node & { kind: "table" }, path: string[] = []): [string, Node][] {
  return [...node.children].flatMap(([key, child]): [string, Node][] =>
    child.kind === "table" ? keysOf(child, [...path, key]) : [[[...path, key].join("."), child]]
  );
}

/** Tries the ends of every whole number's range, and one beyond; returns how many keys have one. */
export async function tryLimits(
  schema: Node & { kind: "table" },
  // deno-lint-ignore no-explicit-any -- a file of any kind
  kind: FileKind<any> = UDP_FILE,
): Promise<number> {
  let keyCount = 0;
  for (const [key, node] of keysOf(schema)) {
    const limits = node.kind === "key"
      ? / from (\d+) to (\d+)(?:, or "auto")?$/.exec(node.info.expected)
      : null;
    if (limits === null) continue;
    keyCount++;
    const [min, max] = [Number(limits[1]), Number(limits[2])];
    const isRefused = async (value: number) =>
      (await problemsOf(`${key} = ${value}`, kind))
        .some((problem) => problem.includes("a whole number"));
    assert.equal(await isRefused(min), false, key);
    assert.equal(await isRefused(max), false, key);
    assert.equal(await isRefused(min - 1), true, key);
    assert.equal(await isRefused(max + 1), true, key);
  }
  return keyCount;
}
