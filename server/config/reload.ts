/**
 * What a reload may change: which keys take effect while the tracker runs, and the configuration
 * that holds once they have.
 */
import { changedKeys } from "./diff.ts";
import type { FileKind } from "./file_kind.ts";

/** Whether a key takes effect at a reload: always, up to the value of the start, or not. */
export type Reloads = "yes" | "up to the start's" | "no";

/** A key whose value differs from the one in force. */
export interface Change {
  key: string;
  from: unknown;
  to: unknown;
  isApplied: boolean;
}

/** Keys that every kind of file has. */
const SHARED = new RegExp(
  "^(log_level|log_format|access_list\\..+|cleaning\\..+|statistics\\.interval|" +
    "network\\.trusted_proxies)$",
);

/** Says how a key of a kind of file reloads. */
export function howReloads(kind: FileKind<unknown>, key: string): Reloads {
  return kind.reloads?.(key) ?? (SHARED.test(key) ? "yes" : "no");
}

/**
 * Puts those values of a fresh configuration in the place of the ones in force that may change.
 * @param options.started What the tracker was started with.
 * @param options.current What is in force.
 */
export function applyReload<TConfig>(
  kind: FileKind<TConfig>,
  options: { started: TConfig; current: TConfig; fresh: TConfig },
): { config: TConfig; changes: Change[] } {
  const { started, current, fresh } = options;
  const config = structuredClone(current);
  const changes: Change[] = [];
  for (const key of changedKeys(current, fresh)) {
    const [from, to] = [valueOf(current, key), valueOf(fresh, key)];
    const how = howReloads(kind as FileKind<unknown>, key);
    const isApplied = how === "yes" ||
      how === "up to the start's" && Number(to) <= Number(valueOf(started, key));
    if (isApplied) setValue(config, key, to);
    changes.push({ key, from, to, isApplied });
  }
  return { config, changes };
}

type Table = Record<string, unknown>;

function valueOf(config: unknown, key: string): unknown {
  return key.split(".").reduce((table, part) => (table as Table | undefined)?.[part], config);
}

function setValue(config: unknown, key: string, value: unknown): void {
  const path = key.split(".");
  const last = path.pop()!;
  const table = path.reduce((outer, part) => outer[part] as Table, config as Table);
  table[last] = value;
}
