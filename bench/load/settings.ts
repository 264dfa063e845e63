/** Settings of a load test: a tree of defaults with a sentence each, read and printed as TOML. */

import { parse } from "smol-toml";

/** A default, and what the key means. */
export type Setting = readonly [unknown, string] | [unknown, string];
export interface Settings {
  [key: string]: Setting | Settings;
}

/** A condition, and what is wrong where it does not hold. */
export type Rule = readonly [holds: boolean, problem: string];

type Table = Record<string, unknown>;

/** Returns the defaults. */
export function defaultsOf<Config>(settings: Settings): Config {
  return defaults(settings) as Config;
}

/** Returns the defaults as commented TOML. */
export function printSettings(settings: Settings, path = ""): string {
  let text = path === "" ? "" : `\n[${path}]\n`;
  for (const [key, value] of Object.entries(settings)) {
    if (!isSetting(value)) text += printSettings(value, key);
    else text += `# ${value[1].replaceAll("\n", "\n# ")}\n${key} = ${JSON.stringify(value[0])}\n`;
  }
  return text;
}

/**
 * Reads settings from TOML; what is absent has its default.
 * @throws {SyntaxError} The text is not TOML, or a setting is wrong: the message says which.
 */
export function parseSettings<Config>(settings: Settings, text: string): Config {
  let table: Table;
  try {
    table = parse(text);
  } catch (error) {
    throw new SyntaxError(`Not TOML: ${(error as Error).message}`);
  }
  const config = defaults(settings);
  merge(config, table, "");
  return config as Config;
}

/** Throws a SyntaxError for the first rule that does not hold. */
export function requireRules(rules: readonly Rule[]): void {
  for (const [holds, problem] of rules) if (!holds) throw new SyntaxError(problem);
}

/** A rule: a whole number between two bounds. */
export function isInteger(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/** A rule: a number from 0 to 1. */
export function isShare(value: number): boolean {
  return value >= 0 && value <= 1;
}

function isSetting(value: Setting | Settings): value is Setting {
  return Array.isArray(value);
}

function defaults(settings: Settings): Table {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [
      key,
      isSetting(value) ? value[0] : defaults(value),
    ]),
  );
}

function merge(into: Table, table: Table, path: string): void {
  for (const [key, value] of Object.entries(table)) {
    const known = into[key];
    const name = path + key;
    if (known === undefined) throw new SyntaxError(`There is no setting "${name}"`);
    if (typeof known === "object" && !Array.isArray(known)) {
      if (typeof value !== "object") throw new SyntaxError(`"${name}" is not a table`);
      merge(known as Table, value as Table, `${name}.`);
    } else if (name === "server_address" && isTextList(value)) {
      into[key] = value;
    } else if (typeof value !== typeof known) {
      throw new SyntaxError(`"${name}" is not a ${typeof known}: ${JSON.stringify(value)}`);
    } else {
      into[key] = value;
    }
  }
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
