/** The command `doctor`. */

import { object } from "@optique/core/constructs";
import { lineBreak, message, text } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import type { Served } from "./serve.ts";

/** What may be examined, and who describes it. */
// deno-lint-ignore no-explicit-any -- each kind has a configuration of its own
const KINDS: Record<string, () => Promise<Served<any>>> = {
  udp: async () => await (await import("./udp.ts")).servedUdp(),
  http: async () => await (await import("./http.ts")).servedHttp(),
  ws: async () => await (await import("./ws.ts")).servedWs(),
  tracker: async () => await (await import("./tracker.ts")).servedTracker(),
};

const options = object({
  configPath: option("-c", "--config", path({ metavar: "FILE", type: "file" }), {
    description: message`Examine this configuration (TOML).`,
  }),
  protocol: optional(option("--protocol", choice(Object.keys(KINDS), { metavar: "COMMAND" }), {
    description: message`The command that the file is for, where the file does not tell.`,
  })),
  takeOver: option("--take-over", {
    description: message`Another process may have the addresses, as at an upgrade.`,
  }),
  json: option("--json", { description: message`Print JSON.` }),
});

export const doctor = command("doctor", map(options, (args) => () => run(args)), {
  brief: message`Examine a configuration and this machine before a start.`,
  footer: [
    text("Exit status: 0 nothing to mend, 1 warnings, or else what a start would end with."),
    lineBreak(),
    text("Run it with all permissions (deno task doctor), as the user that the tracker runs as."),
  ],
});

interface DoctorArguments {
  configPath: string;
  protocol?: string;
  takeOver: boolean;
  json: boolean;
}

async function run(args: DoctorArguments): Promise<number> {
  const { examine } = await import("../doctor/mod.ts");
  const { exitStatusOf, formatFindings, sortFindings } = await import("../doctor/finding.ts");
  const { printOut } = await import("../print.ts");
  const served = await KINDS[args.protocol ?? await findKind(args.configPath)]!();
  const { findings, command } = await examine(served, args);
  const exitStatus = exitStatusOf(findings);
  if (args.json) {
    const report = { exitStatus, command: command ?? null, findings: sortFindings(findings) };
    printOut(JSON.stringify(report, undefined, 2) + "\n");
  } else {
    printOut(formatFindings(findings, command === undefined ? [] : [command]));
  }
  return exitStatus;
}

/**
 * Finds out what a file configures: the one kind that takes it; of a file with mistakes a tracker,
 * where it has a protocol's table, or the kind that has the least against it.
 */
async function findKind(configPath: string): Promise<string> {
  const { loadConfig } = await import("../config/mod.ts");
  const { ConfigError, StartError } = await import("../errors.ts");
  const { EXIT_USAGE } = await import("../exit_status.ts");
  const problems: [name: string, count: number][] = [];
  for (const [name, served] of Object.entries(KINDS)) {
    try {
      await loadConfig((await served()).kind, configPath);
      problems.push([name, 0]);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push([name, error.problems.length]);
    }
  }
  const fitting = problems.filter(([, count]) => count === 0).map(([name]) => name);
  if (fitting.length > 1) {
    const kinds = new Intl.ListFormat("en", { type: "disjunction" }).format(fitting);
    throw new StartError(
      `Cannot tell whether "${configPath}" is for ${kinds}: say --protocol ${fitting[0]}`,
      EXIT_USAGE,
    );
  }
  if (fitting.length === 0 && await hasProtocolTable(configPath)) return "tracker";
  return fitting[0] ?? problems.sort(([, one], [, other]) => one - other)[0]![0];
}

/** Whether a file has a table that only a tracker's may have, and the tracker's mistakes count. */
async function hasProtocolTable(configPath: string): Promise<boolean> {
  const { parse } = await import("smol-toml");
  try {
    const names = Object.keys(parse(await Deno.readTextFile(configPath)));
    return names.some((name) => name in KINDS);
  } catch { // whoever loads it says why
    return false;
  }
}
