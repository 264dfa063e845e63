/**
 * The life of a serving process: start, reload as asked, and one orderly end with an exit status.
 * It knows no protocol; whatever serves hands over a `Tracker`.
 */

import { type StartError, toStartError } from "./errors.ts";
import { EXIT_FAILURE, EXIT_OK } from "./exit_status.ts";
import { flushLog, getLogger, type Logger, logLevel } from "./log.ts";
import { printError } from "./print.ts";
import { handleSignals } from "./signals.ts";

/** Stopping has to be over within two seconds, the last log lines included. */
const STOP_MILLISECONDS = 1_500;

/** Something that serves, as a configuration says. */
export interface Tracker<TConfig = void> {
  /** Where it listens, as `127.0.0.1:3000` or `[::1]:3000`. */
  addresses: string[];
  /**
   * Takes over what may change while it serves, and reads lists and certificates again; rejects,
   * and changes nothing, when they are wrong.
   * @param config What is to be in force: what cannot change is as it was.
   * @param wanted What the file says, where that is more.
   */
  reload(config: TConfig, wanted?: TConfig): Promise<void>;
  /** Is told how a reload went, whoever failed at it. */
  countReload?(isDone: boolean): void;
  /** Answers what it has begun to, and lets go of its sockets. */
  stop(): Promise<void>;
  /** Resolves when it can no longer serve, for instance because a worker died. */
  failed: Promise<Error>;
}

export interface RunOptions<TConfig> {
  log: Logger;
  start(): Promise<Tracker<TConfig>>;
  /** Reads the configuration again, and has the tracker reload. */
  reload(tracker: Tracker<TConfig>): Promise<void>;
}

/** Serves until a signal or a failure; returns the exit status, rejects when it cannot start. */
export async function runTracker<TConfig>(options: RunOptions<TConfig>): Promise<number> {
  const { log } = options;
  const stopAsked = Promise.withResolvers<Deno.Signal>();
  const started = Promise.withResolvers<Tracker<TConfig>>();
  handleSignals({
    stop: (signal) => stopAsked.resolve(signal),
    reload: async (signal) => {
      // One that comes during the start is kept: the list may have been read before it changed.
      const tracker = await started.promise;
      try {
        await options.reload(tracker);
        tracker.countReload?.(true);
        log.info("Reloaded after {signal}", { signal });
      } catch (error) {
        tracker.countReload?.(false);
        for (const line of toStartError(error).message.split("\n")) {
          log.error("Cannot reload, going on as before: {reason}", { reason: line });
        }
      }
    },
  }, { log });

  // Signal handlers alone do not keep Deno running.
  const keepAlive = setInterval(() => {}, 2 ** 30);
  try {
    const tracker = await Promise.race([
      options.start(),
      stopAsked.promise.then(() => undefined),
    ]);
    if (tracker === undefined) return EXIT_OK;
    started.resolve(tracker);
    const ending = await Promise.race([tracker.failed, stopAsked.promise]);
    const isFailure = ending instanceof Error;
    if (isFailure) log.error("Stopping after a failure: {error}", { error: ending });
    else log.info("Stopping after {signal}", { signal: ending });
    const isStopped = await isDoneWithin(tracker.stop(), STOP_MILLISECONDS);
    if (!isStopped) log.error("Ending without waiting for workers that do not stop");
    else if (!isFailure) log.info("Stopped");
    return isStopped && !isFailure ? EXIT_OK : EXIT_FAILURE;
  } finally {
    clearInterval(keepAlive);
  }
}

/** Tells why the program ends, on the log once there is one and plainly before, and ends it. */
export async function endWithError(thrown: unknown): Promise<never> {
  const error = toStartError(thrown);
  tell(error);
  await flushLog();
  Deno.exit(error.exitStatus);
}

/** Ends the program with one clear line when an error reaches nobody. */
export function catchStrayErrors(): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    endWithError(event.error ?? event.message);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    endWithError(event.reason);
  });
}

function tell(error: StartError): void {
  const level = logLevel();
  const log = getLogger();
  for (const line of error.message.split("\n")) {
    if (level === undefined) printError(line);
    else log.error`${line}`;
  }
  // Stack traces are for those who develop Riptide.
  const stack = level === "debug" && error.cause instanceof Error ? error.cause.stack : undefined;
  if (stack !== undefined) printError(stack);
}

async function isDoneWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  const timeout = Promise.withResolvers<false>();
  const timer = setTimeout(() => timeout.resolve(false), milliseconds);
  try {
    return await Promise.race([work.then(() => true as const), timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
