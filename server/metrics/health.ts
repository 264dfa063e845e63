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
    printError(error instanceof Deno.errors.NotCapable ? toStartError(error).message : `${error}`);
    return EXIT_FAILURE;
  }
}

/** The address of [metrics], the same in every kind of configuration. */
async function readAddress(path: string): Promise<string> {
  const { metrics } = parse(await Deno.readTextFile(path)) as { metrics?: { address?: unknown } };
  return String(metrics?.address ?? "");
}

/** Where to ask whoever listens on an address: a wildcard is reached on the loopback. */
export function healthUrl(address: string): string {
  if (address === "") throw new Error("No [metrics] address to ask: give one with -c or --url");
  const { hostname, port } = parseListenAddress(address);
  const loopback: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const asked = formatListenAddress({ hostname: loopback[hostname] ?? hostname, port });
  return `http://${asked}/health`;
}
