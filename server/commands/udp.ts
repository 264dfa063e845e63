/** The command `udp`. */

import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import type { UdpConfig } from "../config/mod.ts";
import type { Served } from "./serve.ts";
import {
  overridesOf,
  type ProtocolArguments,
  protocolOptions,
  SIGNALS,
} from "./tracker_options.ts";

export const udp = command("udp", map(protocolOptions, (args) => () => run(args)), {
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
    overrides: overridesOf(io),
    permissions: udpPermissions,
    start: async (config, options) =>
      (await import("../../protocols/udp/mod.ts")).startUdp(config, options),
  };
}

async function run(args: ProtocolArguments): Promise<number> {
  const { serve } = await import("./serve.ts");
  return await serve(await servedUdp(args.io), args);
}
