/**
 * Errors that an operator can do something about. They end the program with their message and their
 * exit status, and never with a stack trace; any other error is a fault of ours.
 */

import { EXIT_CONFIG, EXIT_FAILURE, EXIT_NO_PERMISSION } from "./exit_status.ts";

/** Why the program cannot start, or cannot go on, in a sentence for the operator. */
export class StartError extends Error {
  /** Tells it from other errors where it was copied between threads. */
  override name = "StartError";
  /** What the process ends with: one of exit_status.ts. */
  readonly exitStatus: number;
  /** Key of the configuration whose value is at fault; the message is then told with its place. */
  readonly key: string | undefined;

  /** An error with one sentence for each line of its message. */
  constructor(
    message: string,
    exitStatus: number = EXIT_FAILURE,
    options: ErrorOptions & { key?: string } = {},
  ) {
    super(message, options);
    this.exitStatus = exitStatus;
    this.key = options.key;
  }
}

/** Every mistake of one configuration, one sentence each, in the order of the file. */
export class ConfigError extends StartError {
  override name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"), EXIT_CONFIG);
    this.problems = problems;
  }
}

/** Makes one error of several, so that all are told at once; a fault of ours goes before. */
export function joinErrors(thrown: readonly unknown[]): unknown {
  const foreign = thrown.find((error) => !(error instanceof StartError));
  if (foreign !== undefined) return foreign;
  const errors = thrown as StartError[];
  return new StartError(errors.map(({ message }) => message).join("\n"), errors[0]!.exitStatus);
}

/**
 * Says why a file cannot be read, to end a sentence with.
 * @throws The error itself where Deno wants a flag: `toStartError` names it.
 */
export function whyUnreadable(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) throw error;
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "the system does not permit it";
  const message = error instanceof Error ? error.message : String(error);
  const reason = message.replace(/ \(os error \d+\).*$/, "");
  return reason.charAt(0).toLowerCase() + reason.slice(1);
}

/** Turns whatever was thrown into an error with a message for the operator and an exit status. */
export function toStartError(thrown: unknown): StartError {
  if (thrown instanceof StartError) return thrown;
  if (thrown instanceof Deno.errors.NotCapable) {
    const flag = /--allow-[a-z-]+(=[^\s"]+)?/.exec(thrown.message)?.[0] ??
      "the permission it names";
    const what = /^Requires (.+?), run again/.exec(thrown.message)?.[1];
    const message = what === undefined
      ? `Cannot go on without permission: ${thrown.message}`
      : `Cannot go on without ${what}: start Deno with ${flag}`;
    return new StartError(message, EXIT_NO_PERMISSION, { cause: thrown });
  }
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return new StartError(`Cannot go on after a fault in Riptide: ${message}`, EXIT_FAILURE, {
    cause: thrown,
  });
}
