/**
 * Connections that have been served once and then wait. They are another process's, since a process
 * may have no more open files than the server that they go to.
 *
 *     deno run -A bench/connections/idle_connections.ts PORT COUNT http|ws|bytes [tls]
 *
 * It says that they are open by a line, and closes them when its input ends.
 */
import { announce } from "../limits/http_servers.ts";
import { createKey, writeUpgradeRequest } from "../../protocols/ws/client.ts";
import { writeFrame } from "../../protocols/ws/frames.ts";
import { writeAnnounce } from "../../protocols/ws/messages.ts";

/** What idle connections have spoken; `bytes`: anything, to a loop that reads and answers. */
export type Speech = "http" | "ws" | "bytes";

/** Connections that are opened at once: fewer than the system lets wait for their accept(). */
const AT_ONCE = 64;

/** Opens idle connections in a process of their own. */
export async function openIdle(
  { port, count, speech, isTls = false }: {
    port: number;
    count: number;
    speech: Speech;
    isTls?: boolean;
  },
): Promise<{ close(): Promise<void> }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-all"],
      ...(isTls ? ["--unsafely-ignore-certificate-errors"] : []),
      ...[import.meta.filename!, String(port), String(count), speech, ...(isTls ? ["tls"] : [])],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: isTls ? "null" : "inherit", // Deno warns that it trusts anybody
  }).spawn();
  const close = async () => {
    await child.stdin.close().catch(() => {}); // it has ended
    await child.stdout.cancel();
    await child.status;
  };
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  reader.releaseLock();
  if (!done) return { close };
  await close();
  throw new Error(`Cannot open ${count} connections`);
}

const encoder = new TextEncoder();

/** What a connection says, each when the one before has been answered. */
function wordsOf(speech: Speech): Uint8Array[] {
  if (speech !== "ws") return [encoder.encode(`GET ${announce(0)} HTTP/1.1\r\nHost: x\r\n\r\n`)];
  const infoHash = crypto.getRandomValues(new Uint8Array(20));
  const text = writeAnnounce({ infoHash, peerId: infoHash, left: 1, offers: [] });
  return [
    encoder.encode(writeUpgradeRequest(createKey(), { host: "x" })),
    writeFrame(encoder.encode(text)),
  ];
}

async function hold(
  { port, count, speech, isTls }: { port: number; count: number; speech: Speech; isTls: boolean },
): Promise<void> {
  const conns: Deno.Conn[] = [];
  const buffer = new Uint8Array(4096);
  let begun = 0;
  const openSome = async () => {
    while (begun++ < count) {
      const address = { hostname: "127.0.0.1", port };
      const conn = isTls ? await Deno.connectTls(address) : await Deno.connect(address);
      conns.push(conn);
      for (const word of wordsOf(speech)) {
        await conn.write(word);
        if (await conn.read(buffer) === null) throw new Error("A connection was turned away");
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, openSome));
  console.log(`${conns.length} connections`);
  while (await Deno.stdin.read(buffer) !== null);
  for (const conn of conns) conn.close();
}

if (import.meta.main) {
  const [port, count, speech, tls] = Deno.args as [string, string, Speech, string?];
  await hold({ port: Number(port), count: Number(count), speech, isTls: tls !== undefined });
  Deno.exit();
}
