/** What the commands that run a tracker do: configuration → listeners → wait for a signal. */

import { applyReload, type Change, type FileKind, loadConfig, printConfig } from "../config/mod.ts";
import { StartError } from "../errors.ts";
import { EXIT_OK } from "../exit_status.ts";
import { runTracker, type Tracker } from "../lifecycle.ts";
import { configureLog, getLogger, type LogFormat, type Logger, type LogLevel } from "../log.ts";
import { type PermissionNeed, requirePermissions } from "../permissions.ts";
import { printError, printOut } from "../print.ts";
import type { TrackerArguments } from "./tracker_options.ts";

/** What the commands that run a tracker differ in. */
export interface Served<TConfig> {
  kind: FileKind<TConfig>;
  /** Values of the command line, by the key that they replace. */
  overrides: Record<string, unknown>;
  permissions(config: TConfig): PermissionNeed[];
  start(config: TConfig, options: { takeOver: boolean }): Promise<Tracker<TConfig>>;
}

interface LogSettings {
  log_level: LogLevel;
  log_format: LogFormat;
}

/** Runs a tracker, or prints its configuration; returns the exit status. */
export async function serve<TConfig extends LogSettings>(
  served: Served<TConfig>,
  args: TrackerArguments,
): Promise<number> {
  const { kind, overrides } = served;
  const load = () => loadConfig(kind, args.configPath, { overrides });
  const { config, warnings, locate } = await load();
  if (args.printConfig) {
    warnings.forEach(printError);
    printOut(printConfig(kind, config));
    return EXIT_OK;
  }
  requirePermissions(served.permissions(config));
  const log = applyLogSettings(config, warnings);
  let current = config;
  const reload = async (tracker: Tracker<TConfig>) => {
    const { config: fresh, warnings } = await load();
    const { config: next, changes } = applyReload(kind, { started: config, current, fresh });
    await tracker.reload(next, fresh);
    current = next;
    applyLogSettings(next, warnings);
    tellChanges(changes);
  };
  const start = async () => {
    try {
      return await served.start(config, { takeOver: args.takeOver });
    } catch (error) {
      if (!(error instanceof StartError) || error.key === undefined) throw error;
      const message = `${await locate(error.key)}: "${error.key}": ${error.message}`;
      throw new StartError(message, error.exitStatus, { cause: error });
    }
  };
  return await runTracker({ log, start, reload });
}

/** Says of every key that differs whether it is in force now, or will be. */
function tellChanges(changes: Change[]): void {
  const log = getLogger();
  for (const { key, from, to, isApplied } of changes) {
    const values = { key, from: inspect(key, from), to: inspect(key, to) };
    if (isApplied) log.info("{key} is now {to}, no longer {from}", values);
    else log.warn("A new {key} takes effect at the next start: {to} instead of {from}", values);
  }
}

const SECRET = /token|secret|password/;
const VALUE_LENGTH_MAX = 200;

/** The value as the file has it; a secret stays one. */
function inspect(key: string, value: unknown): string {
  if (SECRET.test(key)) return "(not shown)";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > VALUE_LENGTH_MAX ? text.slice(0, VALUE_LENGTH_MAX) + "…" : text;
}

function applyLogSettings(config: LogSettings, warnings: string[]): Logger {
  configureLog({ level: config.log_level, format: config.log_format });
  const logger = getLogger();
  for (const warning of warnings) logger.warn`${warning}`;
  return logger;
}
