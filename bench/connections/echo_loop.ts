/**
 * What Deno's own TCP sockets allow a relay, and what one of them takes when it is idle: a loop
 * that sends back whatever it reads.
 *
 *     deno run --allow-net --allow-read bench/connections/echo_loop.ts PORT BUFFER_SIZE
 *       [CERTIFICATE KEY]
 *
 * A connection reads into a slice of shared memory of its own, as Riptide's do.
 */

const SLICE_COUNT_MAX = 32_768;

const [port, bufferSize, certificate, key] = Deno.args as [string, string, string?, string?];
const size = Number(bufferSize);
const address = { hostname: "127.0.0.1", port: Number(port) };
const listener = certificate === undefined || key === undefined
  ? Deno.listen(address)
  : Deno.listenTls({
    ...address,
    cert: await Deno.readTextFile(certificate),
    key: await Deno.readTextFile(key),
  });
const memory = new Uint8Array(new SharedArrayBuffer(size * SLICE_COUNT_MAX));
const free: number[] = Array.from({ length: SLICE_COUNT_MAX }, (_, index) => index);

async function serve(conn: Deno.Conn): Promise<void> {
  const slice = free.pop()!;
  const buffer = memory.subarray(slice * size, (slice + 1) * size);
  try {
    for (let length = await conn.read(buffer); length !== null; length = await conn.read(buffer)) {
      for (let sent = 0; sent < length;) sent += await conn.write(buffer.subarray(sent, length));
    }
  } catch {
    // The client has gone.
  }
  free.push(slice);
  conn.close();
}

for await (const conn of listener) void serve(conn);
