/** The command `http`. */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import type { HttpConfig } from "../config/mod.ts";
import type { Served } from "./serve.ts";
import { SIGNALS, type TrackerArguments, trackerOptions } from "./tracker_options.ts";

export const http = command("http", map(object(trackerOptions), (args) => () => run(args)), {
  brief: message`Run an HTTP tracker (BEP 3), plain or over TLS.`,
  footer: SIGNALS,
});

/** What the command serves; the doctor examines the same. */
export async function servedHttp(): Promise<Served<HttpConfig>> {
  const { HTTP_FILE } = await import("../config/mod.ts");
  const { tcpPermissions } = await import("../permissions.ts");
  return {
    kind: HTTP_FILE,
    overrides: {},
    permissions: tcpPermissions,
    start: async (config, options) =>
      (await import("../../protocols/http/mod.ts")).startHttp(config, options),
  };
}

async function run(args: TrackerArguments): Promise<number> {
  const { serve } = await import("./serve.ts");
  return await serve(await servedHttp(), args);
}
