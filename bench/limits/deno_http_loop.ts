/**
 * What Deno's own TCP sockets allow: a loop that answers every head with constant bytes and keeps
 * nothing. No tracker on `Deno.listen` can be faster than this on the same machine.
 *
 *     deno run --allow-net --allow-read bench/limits/deno_http_loop.ts PORT [CERTIFICATE KEY]
 */

const PEERS = 25; // what a swarm of the comparison is answered with, in the mean
const BLANK_LINE = [13, 10, 13, 10];

const [port, certificate, key] = Deno.args as [string, string?, string?];
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
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
);
const decoder = new TextDecoder();

async function serve(conn: Deno.Conn): Promise<void> {
  const input = new Uint8Array(4096);
  try {
    for (let length = await conn.read(input); length !== null; length = await conn.read(input)) {
      const isWhole = BLANK_LINE.every((byte, index) => input[length! - 4 + index] === byte);
      if (!isWhole) continue;
      await conn.write(answer);
      if (decoder.decode(input.subarray(0, length)).includes("Connection: close")) break;
    }
  } catch {
    // The client has gone.
  }
  conn.close();
}

for await (const conn of listener) void serve(conn);
