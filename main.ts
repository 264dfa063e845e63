/** Riptide: arguments → configuration → listeners → wait for a signal → exit status. */

import {
  changedKeys,
  loadConfig,
  printConfig,
  UDP_FILE,
  type UdpConfig,
} from "./server/config/mod.ts";
import { type Arguments, parseArguments } from "./server/cli.ts";
import { EXIT_OK } from "./server/exit_status.ts";
import { catchStrayErrors, endWithError, runTracker, type Tracker } from "./server/lifecycle.ts";
import { configureLog, flushLog, getLogger, type Logger } from "./server/log.ts";
import { requirePermissions, udpPermissions } from "./server/permissions.ts";
import { printError, printOut } from "./server/print.ts";

/** Keys that take effect at a reload; the others wait for the next start. */
const RELOADED_KEYS = /^(log_level|log_format|access_list\..*)$/;

let log: Logger | undefined;
let isDebugging = false;

/** Runs a UDP tracker, or prints its configuration. */
async function runUdp(args: Arguments): Promise<number> {
  const { configPath, takeOver } = args;
  const overrides = args.io === undefined ? {} : { "network.io": args.io };
  const load = () => loadConfig(UDP_FILE, configPath, { overrides });
  const { config, warnings } = await load();
  if (args.printConfig) {
    warnings.forEach(printError);
    printOut(printConfig(UDP_FILE, config));
    return EXIT_OK;
  }
  requirePermissions(udpPermissions(config));
  log = applyLogSettings(config, warnings);

  const start = async () => {
    const { startUdp } = await import("./protocols/udp/mod.ts");
    return await startUdp(config, { takeOver });
  };
  const reload = async (tracker: Tracker<UdpConfig>) => {
    const fresh = await load();
    await tracker.reload(fresh.config);
    applyLogSettings(fresh.config, fresh.warnings);
    for (const key of changedKeys(config, fresh.config)) {
      if (!RELOADED_KEYS.test(key)) {
        log?.warn("A new {key} takes effect at the next start", { key });
      }
    }
  };
  return await runTracker({ log, start, reload });
}

function applyLogSettings(config: UdpConfig, warnings: string[]): Logger {
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
    const status = await runUdp(parseArguments(Deno.args));
    await flushLog();
    Deno.exit(status);
  } catch (error) {
    await endWithError(error, endOptions());
  }
}
