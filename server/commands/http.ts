/** The command `http`. */

import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import type { HttpConfig } from "../config/mod.ts";
import type { Served } from "./serve.ts";
import {
  overridesOf,
  type ProtocolArguments,
  protocolOptions,
  SIGNALS,
} from "./tracker_options.ts";

export const http = command("http", map(protocolOptions, (args) => () => run(args)), {
  brief: message`Run an HTTP tracker (BEP 3), plain or over TLS.`,
  footer: SIGNALS,
});

/**
 * What the command serves; the doctor examines the same.
 * @param io Replaces the configuration's driver.
 */
export async function servedHttp(io?: string): Promise<Served<HttpConfig>> {
  const { HTTP_FILE } = await import("../config/mod.ts");
  const { tcpPermissions } = await import("../permissions.ts");
  return {
    kind: HTTP_FILE,
    overrides: overridesOf(io),
    permissions: tcpPermissions,
    start: async (config, options) =>
      (await import("../../protocols/http/mod.ts")).startHttp(config, options),
  };
}

async function run(args: ProtocolArguments): Promise<number> {
  const { serve } = await import("./serve.ts");
  return await serve(await servedHttp(args.io), args);
}
