/** The command `load-test`: drives a tracker, ours or another's, and reports what it answered. */

import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, constant, option } from "@optique/core/primitives";
import { float, integer, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { StartError } from "../errors.ts";
import { EXIT_CONFIG, EXIT_FAILURE } from "../exit_status.ts";

const options = {
  configPath: optional(option("-c", "--config", path({ metavar: "FILE", type: "file" }), {
    description: message`Load these settings (TOML).`,
  })),
  printConfig: option("-p", "--print-config", {
    description: message`Print the default settings with comments.`,
  }),
  json: option("--json", { description: message`Report as one JSON object.` }),
  serverPid: optional(option("--server-pid", integer({ metavar: "PID", min: 1 }), {
    description: message`Report CPU time and memory of this process.`,
  })),
  serverAddress: optional(option("--server-address", string({ metavar: "ADDRESS" }), {
    description: message`Replaces server_address in the settings.`,
  })),
  duration: optional(option("--duration", float({ metavar: "SECONDS" }), {
    description: message`Replaces duration.`,
  })),
  rate: optional(option("--rate", integer({ metavar: "RATE", min: 0 }), {
    description: message`Replaces rate: requests a second, 0 for as many as are answered.`,
  })),
  allowRemote: option("--allow-remote", {
    description: message`Drive a tracker on another machine, at a rate.`,
  }),
};

/** One protocol, with its brief. */
function protocolCommand<Name extends "udp" | "http" | "ws">(name: Name) {
  return command(name, object({ protocol: constant(name), ...options }), {
    brief: message`Drive this kind of tracker.`,
    footer: message`Ctrl-C ends a run early, with a report of what was measured.`,
  });
}

export const loadTest = command(
  "load-test",
  map(
    or(protocolCommand("udp"), protocolCommand("http"), protocolCommand("ws")),
    ({ protocol, ...args }) => async () => {
      const { runLoadTest } = await import("../../bench/load/command.ts");
      try {
        return await runLoadTest(protocol, args);
      } catch (error) {
        const exitStatus = error instanceof SyntaxError ? EXIT_CONFIG : EXIT_FAILURE;
        throw new StartError((error as Error).message, exitStatus, { cause: error });
      }
    },
  ),
  { brief: message`Drive a tracker with load, and report what it answered.` },
);
