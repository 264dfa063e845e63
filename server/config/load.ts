/**
 * Reads configuration files. All mistakes of a file are reported together, each with its line, and
 * before anything else happens.
 */

import { parse as parseToml, TomlError } from "smol-toml";
import { ConfigError, whyUnreadable } from "../errors.ts";
import { readPermission, requirePermissions } from "../permissions.ts";
import type { FileKind } from "./file_kind.ts";
import type { Positions } from "./positions.ts";
import { type Problem, type RawTable, validate } from "./problems.ts";

/** More is no configuration but a mistaken path, such as a disk image. */
const FILE_BYTE_LENGTH_MAX = 16 * 1024 * 1024;

/** A configuration in which every key has its value. */
export interface Loaded<TConfig> {
  config: TConfig;
  /** What the operator may not have meant, one sentence each. */
  warnings: string[];
  /** Names the file and the line where a dotted key stands. */
  locate(key: string): Promise<string>;
}

export interface LoadOptions {
  /** Values from the command line by dotted key; they replace what the file says. */
  overrides?: Readonly<Record<string, unknown>>;
}

/** Loads a file, or the defaults where there is none; throws a ConfigError. */
export async function loadConfig<TConfig>(
  kind: FileKind<TConfig>,
  path: string | undefined,
  options: LoadOptions = {},
): Promise<Loaded<TConfig>> {
  if (path !== undefined) {
    return await parseConfig(kind, await readConfigFile(kind, path), { ...options, name: path });
  }
  const overrides = { ...structuredClone(kind.withoutFile), ...options.overrides };
  return await parseConfig(kind, "", { overrides, name: "default configuration" });
}

/** Loads the text of a file; `name` stands for it in messages. */
export async function parseConfig<TConfig>(
  kind: FileKind<TConfig>,
  text: string,
  options: LoadOptions & { name: string },
): Promise<Loaded<TConfig>> {
  const raw = parseText(text, options.name);
  for (const [key, value] of Object.entries(options.overrides ?? {})) override(raw, key, value);
  const { config, problems, warnings } = validate(kind, raw);
  const locate = async (key: string) => {
    const { Positions } = await import("./positions.ts");
    const line = new Positions(text).lineOf(key.split("."));
    return line === undefined ? options.name : `${options.name}:${line}`;
  };
  if (problems.length === 0 && warnings.length === 0) return { config, warnings: [], locate };
  // Only now, as a configuration without mistakes should start fast.
  const { Positions } = await import("./positions.ts");
  const positions = new Positions(text);
  if (problems.length > 0) throw new ConfigError(sortByLine(problems, positions, options.name));
  return { config, warnings: sortByLine(warnings, positions, options.name), locate };
}

function sortByLine(problems: Problem[], positions: Positions, name: string): string[] {
  return problems
    .map(({ path, sentence }) => ({ line: positions.lineOf(path) ?? 0, sentence }))
    .sort((one, other) => one.line - other.line)
    .map(({ line, sentence }) => `${name}${line === 0 ? "" : `:${line}`}: ${sentence}`);
}

async function readConfigFile(kind: FileKind<unknown>, path: string): Promise<string> {
  requirePermissions([readPermission(path, `read the configuration "${path}"`)]);
  try {
    using file = await Deno.open(path);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let byteLength = 0;
    for await (const chunk of file.readable) {
      byteLength += chunk.byteLength;
      if (byteLength > FILE_BYTE_LENGTH_MAX) throw new Error("it is larger than 16 MiB");
      chunks.push(chunk);
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(await new Blob(chunks).bytes());
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error; // /proc and /dev want more than read
    throw new ConfigError([
      `Cannot read the configuration "${path}": ${explain(kind, path, error)}`,
    ]);
  }
}

function explain(kind: FileKind<unknown>, path: string, error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    const place = path.startsWith("/") ? "" : ` in ${Deno.cwd()}`; // deno task may change it
    return `there is no such file${place}; \`main.ts ${kind.command} -p\` prints one to begin with`;
  }
  return error instanceof TypeError ? "it is not UTF-8 text" : whyUnreadable(error);
}

function parseText(text: string, name: string): RawTable {
  try {
    return parseToml(text, { integersAsBigInt: "asNeeded" }) as RawTable;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const line = (text.split(/\r?\n/)[error.line - 1] ?? "").trim();
    const reason = /^Invalid TOML document: (.*)/.exec(error.message)?.[1] ?? "bad TOML";
    const quoted = line === "" ? "this line" : JSON.stringify(line.slice(0, 80));
    throw new ConfigError([
      `${name}:${error.line}: Cannot read ${quoted} as TOML: ${reason} ` +
      `at column ${error.column}${hintAt(line)}`,
    ]);
  }
}

/** Guesses at the two slips that TOML parsers explain worst. */
function hintAt(line: string): string {
  const value = /^[\w."'-]+\s*=\s*([^#]*)/.exec(line)?.[1]?.trim() ?? "";
  if (/^(true|false)$/i.test(value)) return `; did you mean ${value.toLowerCase()}`;
  if (/^[\w.:/-]+$/.test(value) && !/^\d+$/.test(value)) return `; did you mean "${value}"`;
  return "";
}

function override(raw: RawTable, key: string, value: unknown): void {
  const path = key.split(".");
  const last = path.pop()!;
  let table = raw;
  for (const part of path) {
    table[part] ??= {};
    const next = table[part];
    if (typeof next !== "object" || next === null) return; // a mistake that validation reports
    table = next as RawTable;
  }
  table[last] = value;
}
