/** What the commands that run a tracker do: configuration → listeners → wait for a signal. */

import { changedKeys, type FileKind, loadConfig, printConfig } from "../config/mod.ts";
import { StartError } from "../errors.ts";
import { EXIT_OK } from "../exit_status.ts";
import { runTracker, type Tracker } from "../lifecycle.ts";
import { configureLog, getLogger, type LogFormat, type Logger, type LogLevel } from "../log.ts";
import { type PermissionNeed, requirePermissions } from "../permissions.ts";
import { printError, printOut } from "../print.ts";
import type { TrackerArguments } from "./tracker_options.ts";

/** Keys that take effect at a reload; the others wait for the next start. */
const RELOADED_KEYS = /^(log_level|log_format|access_list\..*|(http\.)?network\.trusted_proxies)$/;

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
  const reload = async (tracker: Tracker<TConfig>) => {
    const fresh = await load();
    await tracker.reload(fresh.config);
    applyLogSettings(fresh.config, fresh.warnings);
    for (const key of changedKeys(config, fresh.config)) {
      if (!RELOADED_KEYS.test(key)) {
        log.warn("A new {key} takes effect at the next start", { key });
      }
    }
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

function applyLogSettings(config: LogSettings, warnings: string[]): Logger {
  configureLog({ level: config.log_level, format: config.log_format });
  const logger = getLogger();
  for (const warning of warnings) logger.warn`${warning}`;
  return logger;
}
