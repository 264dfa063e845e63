/** The command `ws`. */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import type { WsConfig } from "../config/mod.ts";
import type { Served } from "./serve.ts";
import { SIGNALS, type TrackerArguments, trackerOptions } from "./tracker_options.ts";

export const ws = command("ws", map(object(trackerOptions), (args) => () => run(args)), {
  brief: message`Run a WebTorrent tracker (WebSocket), plain or over TLS.`,
  footer: SIGNALS,
});

/** What the command serves; the doctor examines the same. */
export async function servedWs(): Promise<Served<WsConfig>> {
  const { WS_FILE } = await import("../config/mod.ts");
  const { tcpPermissions } = await import("../permissions.ts");
  return {
    kind: WS_FILE,
    overrides: {},
    permissions: tcpPermissions,
    start: async (config, options) =>
      (await import("../../protocols/ws/mod.ts")).startWs(config, options),
  };
}

async function run(args: TrackerArguments): Promise<number> {
  const { serve } = await import("./serve.ts");
  return await serve(await servedWs(), args);
}
