/**
 * UDP packets with a source port of one's choice, 0 too, by a raw socket of Python's (needs root).
 */
import { strict as assert } from "node:assert";
import { toHex } from "./packets.ts";

const PROGRAM = `
import socket, struct, sys
source, destination, payload = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.bind(("127.0.0.1", 0))
if destination:
    header = struct.pack("!HHHH", source, destination, 8 + len(payload), 0)
    raw.sendto(header + payload, ("127.0.0.1", 0))
`;

/** Tells whether this user may open a raw socket, and has Python. */
export async function canSendRaw(): Promise<boolean> {
  try {
    return (await run(0, 0, new Uint8Array())).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Sends one datagram from 127.0.0.1 to 127.0.0.1; it has been delivered when this returns. */
export async function sendRaw(
  payload: Uint8Array,
  ports: { sourcePort: number; destinationPort: number },
): Promise<void> {
  const { success, stderr } = await run(ports.sourcePort, ports.destinationPort, payload);
  assert.ok(success, new TextDecoder().decode(stderr));
}

function run(source: number, destination: number, payload: Uint8Array) {
  const args = ["-c", PROGRAM, String(source), String(destination), toHex(payload)];
  return new Deno.Command("python3", { args, stdin: "null" }).output();
}
