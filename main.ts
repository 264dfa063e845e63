/** Riptide: arguments → configuration → listeners → wait for a signal → exit status. */

import {
  changedKeys,
  type FileKind,
  HTTP_FILE,
  type HttpConfig,
  loadConfig,
  printConfig,
  UDP_FILE,
  type UdpConfig,
} from "./server/config/mod.ts";
import { type Arguments, parseArguments } from "./server/cli.ts";
import { StartError } from "./server/errors.ts";
import { EXIT_OK } from "./server/exit_status.ts";
import { catchStrayErrors, endWithError, runTracker, type Tracker } from "./server/lifecycle.ts";
import { configureLog, flushLog, getLogger, type Logger } from "./server/log.ts";
import type { LogFormat, LogLevel } from "./server/log.ts";
import {
  httpPermissions,
  type PermissionNeed,
  requirePermissions,
  udpPermissions,
} from "./server/permissions.ts";
import { printError, printOut } from "./server/print.ts";

/** Keys that take effect at a reload; the others wait for the next start. */
const RELOADED_KEYS = /^(log_level|log_format|access_list\..*|network\.trusted_proxies)$/;

let log: Logger | undefined;
let isDebugging = false;

/** What the commands that run a tracker differ in. */
interface Command<TConfig> {
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

function udpCommand({ io }: { io?: string }): Command<UdpConfig> {
  return {
    kind: UDP_FILE,
    overrides: io === undefined ? {} : { "network.io": io },
    permissions: udpPermissions,
    start: async (config, options) =>
      (await import("./protocols/udp/mod.ts")).startUdp(config, options),
  };
}

function httpCommand(): Command<HttpConfig> {
  return {
    kind: HTTP_FILE,
    overrides: {},
    permissions: httpPermissions,
    start: async (config, options) =>
      (await import("./protocols/http/mod.ts")).startHttp(config, options),
  };
}

/** Runs a tracker, or prints its configuration. */
async function run<TConfig extends LogSettings>(
  command: Command<TConfig>,
  args: Arguments,
): Promise<number> {
  const { kind, overrides } = command;
  const load = () => loadConfig(kind, args.configPath, { overrides });
  const { config, warnings, locate } = await load();
  if (args.printConfig) {
    warnings.forEach(printError);
    printOut(printConfig(kind, config));
    return EXIT_OK;
  }
  requirePermissions(command.permissions(config));
  log = applyLogSettings(config, warnings);
  const reload = async (tracker: Tracker<TConfig>) => {
    const fresh = await load();
    await tracker.reload(fresh.config);
    applyLogSettings(fresh.config, fresh.warnings);
    for (const key of changedKeys(config, fresh.config)) {
      if (!RELOADED_KEYS.test(key)) {
        log?.warn("A new {key} takes effect at the next start", { key });
      }
    }
  };
  const start = async () => {
    try {
      return await command.start(config, { takeOver: args.takeOver });
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
  isDebugging = config.log_level === "debug";
  const logger = getLogger();
  for (const warning of warnings) logger.warn`${warning}`;
  return logger;
}

if (import.meta.main) {
  const endOptions = () => ({ log, isDebugging });
  catchStrayErrors(endOptions);
  try {
    const args = parseArguments(Deno.args);
    const status = args.command === "udp"
      ? await run(udpCommand(args), args)
      : await run(httpCommand(), args);
    await flushLog();
    Deno.exit(status);
  } catch (error) {
    await endWithError(error, endOptions());
  }
}
