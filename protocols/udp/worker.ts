/**
 * The sandboxed driver: one `Deno.listenDatagram` socket, one datagram at a time.
 *
 * Datagrams are received straight into the core's memory and answers are sent straight from it. The
 * worker may listen on its address and answer its clients; it may do nothing else.
 */
import { COUNT_DROP_SEND, WORKER_COUNTERS } from "../../assembly/layout.ts";
import { WORKER_SIZE, WORKERS } from "../../assembly/layout.ts";
import { type ListenAddress } from "../../server/config/address.ts";
import { StartError } from "../../server/errors.ts";
import { EXIT_UNAVAILABLE } from "../../server/exit_status.ts";
import { serveWorker } from "../../server/pool.ts";
import { Core } from "../../wasm/core.ts";
import type { SharedCore } from "../../wasm/memory.ts";
import { writeClientAddress } from "./client_address.ts";

export interface UdpWorkerStart {
  core: SharedCore;
  workerIndex: number;
  address: ListenAddress;
}

/** Errors in a row, without one datagram between them, that mean that the socket is of no use. */
const ERRORS_MAX = 1_000;

let socket: Deno.DatagramConn;
let serving: Promise<void>;
let isStopping = false;

function listen(address: ListenAddress): Deno.DatagramConn {
  const { hostname, port } = address;
  try {
    // Two sockets of one port, one a family, need the option on both; main.ts has tried without.
    return Deno.listenDatagram({ transport: "udp", hostname, port, reuseAddress: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(
      `Cannot listen on ${hostname} port ${port}: ${(error as Error).message}`,
      EXIT_UNAVAILABLE,
    );
  }
}

async function serve(core: Core): Promise<void> {
  const { input, output, senderBytes } = core;
  const sendDrops = new BigUint64Array(
    core.memory.buffer,
    WORKERS + core.workerIndex * WORKER_SIZE + WORKER_COUNTERS + 8 * COUNT_DROP_SEND,
    1,
  );
  const countSendDrop = () => {
    ++sendDrops[0]!;
  };
  let errorCount = 0;
  while (!isStopping) {
    let datagram: Uint8Array;
    let client: Deno.NetAddr;
    try {
      [datagram, client] = await socket.receive(input) as [Uint8Array, Deno.NetAddr];
    } catch (error) {
      if (isStopping) return;
      // An ICMP error that an earlier answer brought back, for instance: the next receive will do.
      if (++errorCount === ERRORS_MAX) throw error;
      continue;
    }
    errorCount = 0;
    core.setSender(writeClientAddress(senderBytes, client.hostname), client.port);
    const answerLength = core.answerOne(datagram.byteLength);
    if (answerLength === 0) continue;
    // Awaited: the answer's memory is the next one's, too.
    await socket.send(output.subarray(0, answerLength), client).catch(countSendDrop);
  }
}

serveWorker<UdpWorkerStart, never>({
  start({ core: shared, workerIndex, address }) {
    const core = new Core(shared, { workerIndex, batchSize: 1 });
    socket = listen(address);
    serving = serve(core);
    // A fault must end the process, not vanish in a promise.
    serving.catch((error) => queueMicrotask(() => reportError(error)));
  },
  async stop() {
    isStopping = true;
    socket.close();
    await serving.catch(() => {});
  },
});

