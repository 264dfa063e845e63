/**
 * What Deno's own TCP sockets allow over WebSocket: a loop that upgrades connections, and answers
 * every read with a constant reply to an announce of its info hash. It keeps and relays nothing.
 *
 *     deno run --allow-net bench/limits/deno_ws_loop.ts PORT
 */
import { acceptOf } from "../../protocols/ws/client.ts";

const SLICE_SIZE = 1024; // an announce without offers is shorter, a reply too
const SLICE_COUNT_MAX = 32_768;
/** Of a client's frame of 126 bytes or more: two bytes, the length in two, the mask in four. */
const MASK_OFFSET = 4;
const PAYLOAD_OFFSET = 8;
const ID_BYTES = 20;

/** Requests and replies of the load test begin alike, up to the info hash. */
const BEGIN = '{"action":"announce","info_hash":"';
const END = '","interval":120,"complete":1,"incomplete":1}';
const encoder = new TextEncoder();
const payload = encoder.encode(`${BEGIN}${"h".repeat(ID_BYTES)}${END}`);
const frame = Uint8Array.of(0x81, payload.length, ...payload);
const replyHashOffset = 2 + BEGIN.length;

const memory = new Uint8Array(new SharedArrayBuffer(2 * SLICE_SIZE * SLICE_COUNT_MAX));
const free: number[] = Array.from({ length: SLICE_COUNT_MAX }, (_, index) => index);

async function serve(conn: Deno.Conn): Promise<void> {
  const slice = free.pop()!;
  const at = 2 * slice * SLICE_SIZE;
  const input = memory.subarray(at, at + SLICE_SIZE);
  const reply = memory.subarray(at + SLICE_SIZE, at + SLICE_SIZE + frame.length);
  reply.set(frame);
  try {
    const length = await conn.read(input) ?? 0;
    await conn.write(encoder.encode(await upgrade(input.slice(0, length))));
    while (await conn.read(input) !== null) {
      copyInfoHash(input, reply);
      await conn.write(reply);
    }
  } catch {
    // The client has gone.
  }
  free.push(slice);
  conn.close();
}

function copyInfoHash(input: Uint8Array, reply: Uint8Array): void {
  for (let index = 0; index < ID_BYTES; ++index) {
    const place = BEGIN.length + index;
    reply[replyHashOffset + index] = input[PAYLOAD_OFFSET + place]! ^
      input[MASK_OFFSET + (place & 3)]!;
  }
}

async function upgrade(head: Uint8Array): Promise<string> {
  const key = /^sec-websocket-key: *(\S+)/im.exec(new TextDecoder().decode(head))?.[1] ?? "";
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${await acceptOf(key)}\r\n\r\n`;
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0]) });
for await (const conn of listener) void serve(conn);
