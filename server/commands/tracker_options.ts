/** What every command that runs a tracker takes on its command line. */

import { message, optionName } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
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

/** The values of these options. */
export interface TrackerArguments {
  configPath?: string;
  printConfig: boolean;
  takeOver: boolean;
}

export const SIGNALS = message`Signals: SIGTERM and SIGINT stop, SIGHUP reloads.`;
