/**
 * The files of UNIX sockets that dead processes have left.
 *
 * Unlike a port, such a file stays when its process is killed, and binding it fails then. Closing a
 * listener removes it (Deno 2.9.6), whoever has bound the path since: so a path is never taken from
 * a process that listens.
 */
import { StartError } from "./errors.ts";
import { EXIT_UNAVAILABLE } from "./exit_status.ts";

/**
 * Makes a path free to listen on.
 * @param options.key The key of the configuration that names it.
 * @throws StartError Something else is there, or somebody listens.
 */
export async function claimUnixSocket(path: string, { key }: { key: string }): Promise<void> {
  try {
    const { isSocket } = await Deno.lstat(path);
    if (!isSocket) throw new Error("there is a file that is no socket");
    if (await isServed(path)) throw new Error("another process holds it");
    await Deno.remove(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(
      `Cannot listen on unix:${path}: ${(error as Error).message}`,
      EXIT_UNAVAILABLE,
      { key },
    );
  }
}

/** Whether a process listens on a socket that is there. */
export async function isServed(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
