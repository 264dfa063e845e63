/** The command `healthcheck`: asks a running tracker whether it is alive, for containers. */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";

const options = object({
  configPath: optional(option("-c", "--config", path({ metavar: "FILE", type: "file" }), {
    description: message`Ask the [metrics] address of this configuration.`,
  })),
  url: optional(option("--url", string({ metavar: "URL" }), {
    description: message`Ask this instead, such as http://127.0.0.1:9100/ready.`,
  })),
});

export const healthcheck = command(
  "healthcheck",
  map(options, (args) => () => run(args)),
  { brief: message`Ask a running tracker whether it is alive: exit status 0 or 1.` },
);

async function run(args: { configPath?: string; url?: string }): Promise<number> {
  const { checkHealth } = await import("../metrics/health.ts");
  return await checkHealth(args);
}
