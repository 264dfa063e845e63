/**
 * The command line: what an operator may type, and what is said about it.
 *
 * Each command is a file of commands/: what it takes, and what it runs, which imports the rest only
 * once the command was chosen.
 */

import { or } from "@optique/core/constructs";
import { lineBreak, type Message, message, text } from "@optique/core/message";
import { runSync } from "@optique/run";
import manifest from "../deno.json" with { type: "json" };
import { accessList } from "./commands/access_list.ts";
import { doctor } from "./commands/doctor.ts";
import { healthcheck } from "./commands/healthcheck.ts";
import { http } from "./commands/http.ts";
import { loadTest } from "./commands/load_test.ts";
import { tracker } from "./commands/tracker.ts";
import { udp } from "./commands/udp.ts";
import { ws } from "./commands/ws.ts";
import { nearest } from "./config/suggest.ts";
import { EXIT_USAGE } from "./exit_status.ts";
import { printError, printOut } from "./print.ts";

const PROGRAM = "riptide";

/** By name, in the order in which the help lists them. */
const COMMANDS = {
  ...{ udp, http, ws, tracker, doctor, healthcheck },
  ...{ "access-list": accessList, "load-test": loadTest },
};
export const COMMAND_NAMES = Object.keys(COMMANDS);
/** All options of all commands, to guess from. */
export const OPTIONS = [
  ...["--config", "--print-config", "--take-over", "--io", "--protocol", "--json"],
  ...["--server-pid", "--server-address", "--duration", "--rate", "--allow-remote", "--url"],
  ...["--reason", "--until", "--comment", "--help", "--version"],
];

const parser = or(...Object.values(COMMANDS), {
  errors: {
    noMatch: message`Expected a command.`,
    /** The library names no near option once a command has been read. */
    unexpectedInput: (token) => {
      const [word = ""] = token.split("=");
      const guess = nearest(
        word,
        word.startsWith("-") ? OPTIONS : [...COMMAND_NAMES, "completion"],
      );
      const unexpected = message`Unexpected ${token}`;
      return guess === undefined
        ? message`${unexpected}.`
        : message`${unexpected}; did you mean ${guess}?`;
    },
  },
});

/** Runs a command; resolves with the exit status. */
type Run = () => Promise<number>;

/**
 * Finds the command that the arguments name; help, version, completion and mistakes end the program
 * here.
 */
export function parseCommandLine(args: readonly string[]): Run {
  return runSync(parser, {
    programName: PROGRAM,
    args,
    brief: message`BitTorrent tracker.`,
    footer: exitStatuses(),
    help: { option: { names: ["-h", "--help"] } },
    version: { value: manifest.version, option: { names: ["-V", "--version"] } },
    completion: { command: true },
    aboveError: "none",
    errorExitCode: EXIT_USAGE,
    colors: Deno.stdout.isTerminal() && Deno.stderr.isTerminal() && !Deno.noColor,
    maxWidth: terminalWidth(),
    stdout: (line) => printOut(line + "\n"),
    stderr: (line) => printError(`${line}\nTry: ${PROGRAM} ${helpCommand(args[0])}-h`),
    onExit: (status) => Deno.exit(status),
  });
}

function helpCommand(word: string | undefined): string {
  return word !== undefined && COMMAND_NAMES.includes(word) ? `${word} ` : "";
}

function exitStatuses(): Message {
  const lines = [
    "Exit status: 0 stopped as asked, 1 failure while running, 64 bad usage,",
    "69 cannot bind, 77 permission missing, 78 bad configuration.",
  ];
  return [text(lines[0]!), lineBreak(), text(lines[1]!)];
}

/** Asks the terminal, not the environment, for which a permission would be needed. */
function terminalWidth(): number {
  try {
    return Math.min(100, Math.max(60, Deno.consoleSize().columns));
  } catch {
    return 100;
  }
}
