/**
 * How many new connections a reload of the certificate loses under full load.
 *
 *     deno run -A bench/limits/http_reloads.ts [--reloads 20] [--clients 64] [--root DIRECTORY]
 *
 * Each client connects, sends a ClientHello, waits for the server's first bytes and goes: the
 * server signs for each of them, the client computes nothing, so that the server is the bottleneck
 * and its accept queue is full. The server has core 0, this client core 1 (it pins itself). Lost is
 * whoever is reset or left without an answer. DIRECTORY is another checkout of Riptide.
 */
import { parseArgs } from "node:util";
import { inServer, makeCertificate, riptide } from "./http_servers.ts";

const RELOAD_EVERY_MILLISECONDS = 1_000;

const { values: args } = parseArgs({
  options: {
    reloads: { type: "string", default: "20" },
    clients: { type: "string", default: "64" },
    root: { type: "string", default: new URL("../..", import.meta.url).pathname },
  },
});

/** What a TLS client of Deno sends first. */
async function recordHello(): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const connecting = Deno.connectTls({ hostname: "127.0.0.1", port })
    .then((conn) => conn.handshake()).catch(() => {}); // nobody answers it
  using conn = await listener.accept();
  const bytes = new Uint8Array(16 * 1024);
  const length = await conn.read(bytes);
  queueMicrotask(() => conn.close());
  await Promise.race([connecting, new Promise((resolve) => setTimeout(resolve, 100))]);
  if (length === null) throw new Error("No ClientHello was sent");
  return bytes.slice(0, length);
}

/** What became of connections. */
class Tally {
  served = 0;
  lost = new Map<string, number>();

  count(kind: string): void {
    this.lost.set(kind, (this.lost.get(kind) ?? 0) + 1);
  }

  toString(): string {
    const lost = [...this.lost].map(([kind, count]) => `${count} ${kind}`).join(", ");
    return `${this.served} served, lost: ${lost || "none"}`;
  }
}

async function connectAgainAndAgain(
  { port, hello, tally, signal }: {
    port: number;
    hello: Uint8Array;
    tally: Tally;
    signal: AbortSignal;
  },
): Promise<void> {
  const bytes = new Uint8Array(16 * 1024);
  while (!signal.aborted) {
    try {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      await conn.write(hello);
      if (await conn.read(bytes) === null) tally.count("without an answer");
      else ++tally.served;
    } catch (error) {
      tally.count((error as Error).name);
    }
  }
}

const pinned = await new Deno.Command("taskset", {
  args: ["-a", "-p", "-c", "1", String(Deno.pid)],
  stdout: "null",
}).output();
if (!pinned.success) throw new Error("taskset cannot pin this process");

const hello = await recordHello();
const certificate = await makeCertificate();
await inServer(riptide(args.root, { certificate }), async ({ port, processId }) => {
  for (const reloads of [0, Number(args.reloads)]) {
    const end = new AbortController();
    const tally = new Tally();
    const begun = performance.now();
    const clients = Array.from(
      { length: Number(args.clients) },
      () => connectAgainAndAgain({ port, hello, tally, signal: end.signal }),
    );
    for (let turn = 0; turn < Math.max(reloads, 3); ++turn) {
      await new Promise((resolve) => setTimeout(resolve, RELOAD_EVERY_MILLISECONDS));
      if (turn >= reloads) continue;
      const fresh = await makeCertificate();
      await Deno.copyFile(fresh.certificatePath, certificate.certificatePath);
      await Deno.copyFile(fresh.keyPath, certificate.keyPath);
      await fresh.remove();
      Deno.kill(processId, "SIGHUP");
    }
    await new Promise((resolve) => setTimeout(resolve, RELOAD_EVERY_MILLISECONDS));
    end.abort();
    await Promise.all(clients);
    const rate = Math.round(tally.served / (performance.now() - begun) * 1000);
    console.log(`${reloads} reloads at ${rate} connections/s: ${tally}`);
  }
});
await certificate.remove();
