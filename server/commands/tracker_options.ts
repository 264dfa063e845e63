/** What every command that runs a tracker takes on its command line. */

import { object } from "@optique/core/constructs";
import { message, optionName, value as choiceName } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";

export const trackerOptions = {
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

/** The same for a tracker of one protocol. */
export const protocolOptions = object({
  ...trackerOptions,
  io: optional(option("--io", choice(["deno", "native"], { metavar: "DRIVER" }), {
    description: message`Driver: ${choiceName("deno")} or ${
      choiceName("native")
    }; replaces io in the configuration.`,
  })),
});

/** The values of these options. */
export interface TrackerArguments {
  configPath?: string;
  printConfig: boolean;
  takeOver: boolean;
}

/** The values of a protocol's options. */
export interface ProtocolArguments extends TrackerArguments {
  io?: string;
}

/** What the command line replaces in the configuration. */
export function overridesOf(io: string | undefined): Record<string, unknown> {
  return io === undefined ? {} : { "network.io": io };
}

export const SIGNALS = message`Signals: SIGTERM and SIGINT stop, SIGHUP reloads.`;
