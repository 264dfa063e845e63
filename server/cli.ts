/** The command line: what an operator may type, and what is said about it. */

import { object, or } from "@optique/core/constructs";
import {
  lineBreak,
  type Message,
  message,
  optionName,
  text,
  value as choiceName,
} from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { runSync } from "@optique/run";
import { path } from "@optique/run/valueparser";
import manifest from "../deno.json" with { type: "json" };
import { nearest } from "./config/suggest.ts";
import { EXIT_USAGE } from "./exit_status.ts";
import { printError, printOut } from "./print.ts";

const PROGRAM = "riptide";

/** What every command that runs a tracker takes. */
const trackerOptions = {
  configPath: optional(option("-c", "--config", path({ metavar: "FILE", type: "file" }), {
    description: message`Load this configuration (TOML).`,
  })),
  printConfig: option("-p", "--print-config", {
    description: message`Print the default configuration with comments. With ${
      optionName("-c")
    }, that configuration with everything it leaves out.`,
  }),
  takeOver: option("--take-over", {
    description: message`Bind even if another process has the address, for upgrades.`,
  }),
};

const SIGNALS = message`Signals: SIGTERM and SIGINT stop, SIGHUP reloads.`;

const udp = command(
  "udp",
  object({
    command: constant("udp"),
    ...trackerOptions,
    io: optional(option("--io", choice(["deno", "native"], { metavar: "DRIVER" }), {
      description: message`Driver: ${choiceName("deno")} or ${
        choiceName("native")
      }; replaces io in the configuration.`,
    })),
  }),
  {
    brief: message`Run a UDP tracker (BEP 15).`,
    footer: SIGNALS,
  },
);

const http = command(
  "http",
  object({ command: constant("http"), ...trackerOptions }),
  {
    brief: message`Run an HTTP tracker (BEP 3), plain or over TLS.`,
    footer: SIGNALS,
  },
);

const COMMANDS = ["udp", "http", "completion"];
const OPTIONS = ["--config", "--print-config", "--take-over", "--io", "--help", "--version"];

const parser = or(udp, http, {
  errors: {
    noMatch: message`Expected a command.`,
    /** The library names no near option once a command has been read. */
    unexpectedInput: (token) => {
      const [word = ""] = token.split("=");
      const guess = nearest(word, word.startsWith("-") ? OPTIONS : COMMANDS);
      const unexpected = message`Unexpected ${token}`;
      return guess === undefined
        ? message`${unexpected}.`
        : message`${unexpected}; did you mean ${guess}?`;
    },
  },
});

/** A command line that was understood. */
export type Arguments = ReturnType<typeof parseArguments>;

/** Parses the arguments; help, version, completion and mistakes end the program here. */
export function parseArguments(args: readonly string[]) {
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
  return word === "udp" || word === "http" ? `${word} ` : "";
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
