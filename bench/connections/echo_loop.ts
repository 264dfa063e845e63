/**
 * What Deno's own TCP sockets allow a relay: a loop that sends back whatever it reads. What is read
 * at once is one message, so long as it fits the buffer.
 *
 *     deno run --allow-net bench/connections/echo_loop.ts PORT
 */

const BUFFER_SIZE = 4096;

async function serve(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_SIZE);
  try {
    for (let length = await conn.read(buffer); length !== null; length = await conn.read(buffer)) {
      for (let sent = 0; sent < length;) sent += await conn.write(buffer.subarray(sent, length));
    }
  } catch {
    // The client has gone.
  }
  conn.close();
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0]) });
for await (const conn of listener) void serve(conn);
