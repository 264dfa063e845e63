/** The command `udp`. */

import { object } from "@optique/core/constructs";
import { message, value as choiceName } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { SIGNALS, type TrackerArguments, trackerOptions } from "./tracker_options.ts";

const options = object({
  ...trackerOptions,
  io: optional(option("--io", choice(["deno", "native"], { metavar: "DRIVER" }), {
    description: message`Driver: ${choiceName("deno")} or ${
      choiceName("native")
    }; replaces io in the configuration.`,
  })),
});

export const udp = command("udp", map(options, (args) => () => run(args)), {
  brief: message`Run a UDP tracker (BEP 15).`,
  footer: SIGNALS,
});

async function run(args: TrackerArguments & { io?: string }): Promise<number> {
  const { serve } = await import("./serve.ts");
  const { UDP_FILE } = await import("../config/mod.ts");
  const { udpPermissions } = await import("../permissions.ts");
  return await serve({
    kind: UDP_FILE,
    overrides: args.io === undefined ? {} : { "network.io": args.io },
    permissions: udpPermissions,
    start: async (config, options) =>
      (await import("../../protocols/udp/mod.ts")).startUdp(config, options),
  }, args);
}
