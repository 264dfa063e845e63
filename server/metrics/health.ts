/** Asks a running tracker whether it is alive. */
import { parse } from "smol-toml";
import { formatListenAddress, parseListenAddress } from "../config/address.ts";
import { toStartError } from "../errors.ts";
import { EXIT_FAILURE, EXIT_OK } from "../exit_status.ts";
import { printError, printOut } from "../print.ts";

const TIMEOUT_MILLISECONDS = 3_000;

/** Says what the tracker answers; returns the exit status. */
export async function checkHealth(
  { configPath, url }: { configPath?: string; url?: string },
): Promise<number> {
  try {
    const asked = url ?? healthUrl(configPath === undefined ? "" : await readAddress(configPath));
    const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
    const response = await fetch(asked, { signal, redirect: "error" });
    const text = (await response.text()).slice(0, 200).trim();
    if (response.ok) printOut(text + "\n");
    else printError(`${asked}: ${text}`);
    return response.ok ? EXIT_OK : EXIT_FAILURE;
  } catch (error) {
    printError(explain(error));
    return EXIT_FAILURE;
  }
}

function explain(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return toStartError(error).message;
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `No answer in ${TIMEOUT_MILLISECONDS / 1000} seconds`;
  // Of a connection that failed, only the cause says why.
  const { message } = error.cause instanceof Error ? error.cause : error;
  return `Cannot ask the tracker: ${message}`;
}

/** The address of [metrics], the same in every kind of configuration. */
async function readAddress(path: string): Promise<string> {
  const { metrics } = parse(await Deno.readTextFile(path)) as { metrics?: { address?: unknown } };
  return String(metrics?.address ?? "");
}

/** Where to ask whoever listens on an address: a wildcard is reached on the loopback. */
export function healthUrl(address: string): string {
  if (address === "") throw new Error("there is no [metrics] address; give one with -c or --url");
  const { hostname, port } = parseListenAddress(address);
  const loopback: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const asked = formatListenAddress({ hostname: loopback[hostname] ?? hostname, port });
  return `http://${asked}/health`;
}
