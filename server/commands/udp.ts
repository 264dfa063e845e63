/** The command `udp`. */

import { object } from "@optique/core/constructs";
import { message, value as choiceName } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import type { UdpConfig } from "../config/mod.ts";
import type { Served } from "./serve.ts";
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

/**
 * What the command serves; the doctor examines the same.
 * @param io Replaces the configuration's driver.
 */
export async function servedUdp(io?: string): Promise<Served<UdpConfig>> {
  const { UDP_FILE } = await import("../config/mod.ts");
  const { udpPermissions } = await import("../permissions.ts");
  return {
    kind: UDP_FILE,
    overrides: io === undefined ? {} : { "network.io": io },
    permissions: udpPermissions,
    start: async (config, options) =>
      (await import("../../protocols/udp/mod.ts")).startUdp(config, options),
  };
}

async function run(args: TrackerArguments & { io?: string }): Promise<number> {
  const { serve } = await import("./serve.ts");
  return await serve(await servedUdp(args.io), args);
}
