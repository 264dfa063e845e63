/** What the loader has to know about one kind of configuration file. */

import type * as v from "valibot";
import type { Reloads } from "./reload.ts";

/** A mistake, or something odd, that only shows when several keys are seen together. */
export interface Finding {
  severity: "error" | "warning";
  /** Dotted names of the keys that do not fit; the message names them all in this order. */
  keys: readonly [string, ...string[]];
  /** Of an error: what is expected; of a warning: what will come of it. */
  message: string;
}

/** @param message What is expected. */
export function mistake(keys: Finding["keys"], message: string): Finding {
  return { severity: "error", keys, message };
}

/** @param message What will come of it. */
export function warning(keys: Finding["keys"], message: string): Finding {
  return { severity: "warning", keys, message };
}

export interface FileKind<TConfig> {
  /** The command that reads it, such as `udp`. */
  command: string;
  schema: v.GenericSchema<unknown, TConfig>;
  /** What counts as the file where none is named; nothing, unless tables mean something. */
  withoutFile?: Readonly<Record<string, unknown>>;
  /** Keys and tables that other trackers have, by dotted name, and why they are not needed here. */
  needless: Readonly<Record<string, string>>;
  /** Derives defaults that follow from other keys. */
  complete?(config: TConfig, isGiven: (key: string) => boolean): void;
  /** How a key of this file's own takes effect at a reload; nothing for a shared one. */
  reloads?(key: string): Reloads | undefined;
  /** Compares keys with each other; all values are valid by themselves. */
  check(config: TConfig): Finding[];
}

/** Finds what is listed twice, such as an address; `isRepeatable` excepts some. */
export function findDuplicate(
  items: readonly string[],
  isRepeatable: (item: string) => boolean = () => false,
): string | undefined {
  return items.find((item, index) => !isRepeatable(item) && items.indexOf(item) !== index);
}
