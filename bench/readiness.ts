/** Ports for servers under test, and waiting until they answer. */
import { writeConnectRequest } from "../protocols/udp/client.ts";

const ASK_EVERY_MILLISECONDS = 50;
const GIVE_UP_MILLISECONDS = 20_000;

/** A UDP port of 127.0.0.1 that was free a moment ago. */
export function freeUdpPort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return port;
}

/**
 * Asks a UDP tracker for a connection id until it answers.
 * @throws {Error} It has not answered in 20 seconds.
 */
export async function untilUdpAnswers(port: number): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const request = new Uint8Array(16);
  writeConnectRequest(new DataView(request.buffer), 1);
  const ask = () => {
    socket.send(request, { transport: "udp", hostname: "127.0.0.1", port }).catch(() => {});
  };
  const asking = setInterval(ask, ASK_EVERY_MILLISECONDS);
  const givingUp = setTimeout(() => socket.close(), GIVE_UP_MILLISECONDS);
  try {
    while (!await isAnswered(socket));
  } catch (cause) {
    throw new Error(`Nobody answers on port ${port}`, { cause });
  } finally {
    clearInterval(asking);
    clearTimeout(givingUp);
    try {
      socket.close();
    } catch {
      // Closed when the time was up.
    }
  }
}

/** False when what came was the system's word that nobody listens yet. */
async function isAnswered(socket: Deno.DatagramConn): Promise<boolean> {
  try {
    await socket.receive();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freeTcpPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/**
 * Connects to a TCP port until somebody listens there.
 * @throws {Error} Nobody has in 20 seconds.
 */
export async function untilListens(port: number): Promise<void> {
  const endMs = performance.now() + GIVE_UP_MILLISECONDS;
  while (performance.now() < endMs) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MILLISECONDS));
    }
  }
  throw new Error(`Nobody listens on port ${port}`);
}
