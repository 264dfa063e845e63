/**
 * What Deno's own TCP sockets allow: a loop that answers every read with constant bytes, parses
 * nothing and keeps nothing. No tracker on `Deno.listen` can be faster on the same machine.
 *
 *     deno run --allow-net --allow-read bench/limits/deno_http_loop.ts PORT [--close]
 *       [CERTIFICATE KEY]
 *
 * `--close` ends every connection after its first answer. A connection reads into a slice of shared
 * memory of its own, as Riptide's do.
 */
import { parseArgs } from "node:util";

const PEERS = 25; // what a swarm of the comparison is answered with, in the mean
/** Longer than any request of the load test, which sends each by one write. */
const SLICE_SIZE = 1024;
const SLICE_COUNT_MAX = 32_768;

const { values: { close: isClosing }, positionals } = parseArgs({
  allowPositionals: true,
  options: { close: { type: "boolean", default: false } },
});
const [port, certificate, key] = positionals as [string, string?, string?];
const address = { hostname: "127.0.0.1", port: Number(port) };
const listener = certificate === undefined || key === undefined
  ? Deno.listen(address)
  : Deno.listenTls({
    ...address,
    cert: await Deno.readTextFile(certificate),
    key: await Deno.readTextFile(key),
  });

const body = `d8:completei1000e10:incompletei1000e8:intervali900e5:peers${6 * PEERS}:` +
  `${"\x01".repeat(6 * PEERS)}e`;
const answer = new TextEncoder().encode(
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n` +
    `${isClosing ? "Connection: close\r\n" : ""}\r\n${body}`,
);
const memory = new Uint8Array(new SharedArrayBuffer(SLICE_SIZE * SLICE_COUNT_MAX));
const free: number[] = Array.from({ length: SLICE_COUNT_MAX }, (_, index) => index);

async function serve(conn: Deno.Conn): Promise<void> {
  const slice = free.pop()!;
  const input = memory.subarray(slice * SLICE_SIZE, (slice + 1) * SLICE_SIZE);
  try {
    while (await conn.read(input) !== null) {
      await conn.write(answer);
      if (isClosing) break;
    }
  } catch {
    // The client has gone.
  }
  free.push(slice);
  conn.close();
}

for await (const conn of listener) void serve(conn);
