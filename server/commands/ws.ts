/** The command `ws`. */

import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import type { WsConfig } from "../config/mod.ts";
import type { Served } from "./serve.ts";
import {
  overridesOf,
  type ProtocolArguments,
  protocolOptions,
  SIGNALS,
} from "./tracker_options.ts";

export const ws = command("ws", map(protocolOptions, (args) => () => run(args)), {
  brief: message`Run a WebTorrent tracker (WebSocket), plain or over TLS.`,
  footer: SIGNALS,
});

/**
 * What the command serves; the doctor examines the same.
 * @param io Replaces the configuration's driver.
 */
export async function servedWs(io?: string): Promise<Served<WsConfig>> {
  const { WS_FILE } = await import("../config/mod.ts");
  const { tcpPermissions } = await import("../permissions.ts");
  return {
    kind: WS_FILE,
    overrides: overridesOf(io),
    permissions: tcpPermissions,
    start: async (config, options) =>
      (await import("../../protocols/ws/mod.ts")).startWs(config, options),
  };
}

async function run(args: ProtocolArguments): Promise<number> {
  const { serve } = await import("./serve.ts");
  return await serve(await servedWs(args.io), args);
}
