/** Runs curl. */
import { latin1 } from "../../support/bencode.ts";

/** Seconds that one run may take. */
const LIMIT_SECONDS = 20;

export interface CurlResult {
  /** Exit status, 0 if a response came, whatever it says. */
  code: number;
  /** Of the last transfer. */
  status: number;
  /** Its version: "1", "1.1", "2". */
  version: string;
  /** Connections that the last transfer opened: 0 if it went over one that was open. */
  connectCount: number;
  body: string;
  errors: string;
}

/** Tells whether this machine has curl. */
export async function hasCurl(): Promise<boolean> {
  try {
    return (await new Deno.Command("curl", { args: ["--version"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs curl once; bytes of bodies become Latin-1 characters. */
export async function curl(...args: string[]): Promise<CurlResult> {
  const command = new Deno.Command("curl", {
    args: [
      "--disable", // No configuration of the user's.
      "--silent",
      "--show-error",
      "--globoff",
      "--noproxy",
      "", // An environment's proxies are none of ours; --proxy still counts.
      "--max-time",
      String(LIMIT_SECONDS),
      "--write-out",
      "\n%{response_code} %{http_version} %{num_connects}",
      ...args,
    ],
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const text = latin1(stdout);
  const lastLine = text.lastIndexOf("\n");
  const [status, version, connectCount] = text.slice(lastLine + 1).split(" ");
  return {
    code,
    status: Number(status),
    version,
    connectCount: Number(connectCount),
    body: text.slice(0, lastLine),
    errors: new TextDecoder().decode(stderr),
  };
}
