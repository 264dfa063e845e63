/** Runs the real doctor on a configuration. */
import type { Finding } from "../../../server/doctor/finding.ts";
import { REPOSITORY } from "../../support/configuration.ts";

/** What it prints with --json. */
export interface Report {
  exitStatus: number;
  command: string | null;
  findings: Finding[];
}

/** Writes the configuration to a file of its own, which the caller removes. */
export async function examine(toml: string, args: string[] = []) {
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(configPath, toml);
  const run = ["run", "--quiet", "--no-prompt", "--allow-all", "main.ts", "doctor"];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...run, "-c", configPath, ...args],
    cwd: REPOSITORY,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { configPath, code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
