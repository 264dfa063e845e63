/**
 * Signals of the process: SIGTERM and SIGINT stop, SIGHUP and SIGUSR1 reload.
 *
 * `deno task` passes the signal of a process group on, so that one Ctrl-C may arrive twice within a
 * millisecond: a repeat within 500 ms is the same one, a later one ends the program at once.
 */

import inspector from "node:inspector";
import { EXIT_FAILURE } from "./exit_status.ts";
import { flushLog, type Logger } from "./log.ts";
import { isGranted } from "./permissions.ts";

const SAME_SIGNAL_MILLISECONDS = 500;
/** Deno opens its inspector a moment after the handler ran (2.9.6). */
const INSPECTOR_WATCH_MILLISECONDS = 900;
const INSPECTOR_POLL_MILLISECONDS = 5;

export interface SignalHandlers {
  /** Begins an orderly stop; called once. */
  stop(signal: Deno.Signal): void;
  /** Reads what can be reloaded; never called again before it has resolved. */
  reload(signal: Deno.Signal): Promise<void>;
}

/** Installs the handlers until the process ends. */
export function handleSignals(handlers: SignalHandlers, options: { log: Logger }): void {
  const { log } = options;
  onStop(handlers, log);
  if (Deno.build.os === "windows") return; // knows SIGINT only
  const reload = oneAtATime(handlers.reload);
  const canCloseInspector = isGranted({ name: "sys" });
  const isDebugged = canCloseInspector && inspector.url() !== undefined; // deno run --inspect
  if (!canCloseInspector) {
    log.warn(
      "Reload with SIGHUP, not SIGUSR1: without --allow-sys Riptide cannot close the debugger " +
        "that Deno opens on 127.0.0.1:9229 when it gets a SIGUSR1",
    );
  }
  Deno.addSignalListener("SIGHUP", () => reload("SIGHUP"));
  Deno.addSignalListener("SIGUSR1", () => {
    if (canCloseInspector && !isDebugged) closeInspector(log);
    else if (!canCloseInspector) {
      log.error("SIGUSR1 has opened Deno's debugger on 127.0.0.1:9229; reload with SIGHUP");
    }
    reload("SIGUSR1");
  });
}

function onStop(handlers: SignalHandlers, log: Logger): void {
  let firstAt: number | undefined;
  const onSignal = async (signal: Deno.Signal) => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      handlers.stop(signal);
    } else if (now - firstAt >= SAME_SIGNAL_MILLISECONDS) {
      log.warn("Ending at once after a second {signal}", { signal });
      await flushLog(100);
      Deno.exit(EXIT_FAILURE);
    }
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, () => onSignal(signal));
}

/** Signals that come during a reload ask for one more, not for one each. */
function oneAtATime(reload: SignalHandlers["reload"]): (signal: Deno.Signal) => Promise<void> {
  let isRunning = false;
  let isAskedAgain = false;
  return async (signal) => {
    if (isRunning) {
      isAskedAgain = true;
      return;
    }
    isRunning = true;
    do {
      isAskedAgain = false;
      await reload(signal);
    } while (isAskedAgain);
    isRunning = false;
  };
}

/** Closes the inspector as soon as Deno has opened it, and whenever it opens it within a second. */
function closeInspector(log: Logger): void {
  const startedAt = performance.now();
  const timer = setInterval(() => {
    try {
      if (inspector.url() !== undefined) inspector.close();
    } catch (error) {
      log.error("Cannot close Deno's debugger on 127.0.0.1:9229: {error}", { error });
      clearInterval(timer);
    }
    if (performance.now() - startedAt > INSPECTOR_WATCH_MILLISECONDS) clearInterval(timer);
  }, INSPECTOR_POLL_MILLISECONDS);
}
