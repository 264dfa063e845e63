/**
 * What Deno's own TCP sockets allow: loops that answer every read with constant bytes and parse
 * nothing. No tracker on `Deno.listen` can be faster than these on the same machine.
 *
 *     deno run -A bench/limits/deno_http.ts --port N [--close] [--certificate FILE --key FILE]
 *
 * A connection reads into a slice of shared memory of its own, as Riptide's do, and the answer is
 * as long as Riptide's with 50 peers. `--close` ends every connection after its first answer.
 */
import { parseArgs } from "node:util";

const BODY_LENGTH = 394;
const SLICE_SIZE = 512;
const SLICE_COUNT_MAX = 32_768;

const { values: args } = parseArgs({
  options: {
    port: { type: "string" },
    close: { type: "boolean", default: false },
    certificate: { type: "string" },
    key: { type: "string" },
  },
});

const answer = new TextEncoder().encode(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY_LENGTH}\r\n` +
    `${args.close ? "Connection: close\r\n" : ""}\r\n${"x".repeat(BODY_LENGTH)}`,
);
const memory = new Uint8Array(new SharedArrayBuffer(SLICE_SIZE * SLICE_COUNT_MAX));
const free: number[] = Array.from({ length: SLICE_COUNT_MAX }, (_, index) => index);

async function serve(conn: Deno.Conn): Promise<void> {
  const slice = free.pop()!;
  const input = memory.subarray(slice * SLICE_SIZE, (slice + 1) * SLICE_SIZE);
  try {
    while (await conn.read(input) !== null) {
      await conn.write(answer);
      if (args.close) break;
    }
  } catch { // the client has gone
  }
  free.push(slice);
  conn.close();
}

const address = { hostname: "127.0.0.1", port: Number(args.port), reusePort: true };
const listener = args.certificate === undefined ? Deno.listen(address) : Deno.listenTls({
  ...address,
  cert: await Deno.readTextFile(args.certificate),
  key: await Deno.readTextFile(args.key!),
});
while (true) serve(await listener.accept());
