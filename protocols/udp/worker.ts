/**
 * The sandboxed driver: one `Deno.listenDatagram` socket, a few datagrams under way.
 *
 * Datagrams are received straight into the core's memory and answers are sent straight from it. The
 * worker may listen on its address and answer its clients; it may do nothing else.
 */
import { DATAGRAM_IN_SIZE, DATAGRAM_OUT_SIZE } from "../../assembly/layout.ts";
import type { ListenAddress } from "../../server/config/address.ts";
import { StartError } from "../../server/errors.ts";
import { EXIT_UNAVAILABLE } from "../../server/exit_status.ts";
import { startHeartbeat } from "../../server/heartbeat.ts";
import { serveWorker } from "../../server/pool.ts";
import { PROTOCOL_UDP } from "../../wasm/board.ts";
import { Core } from "../../wasm/core.ts";
import { LatencyRecorder, NO_REQUESTS } from "../../wasm/latency.ts";
import type { SharedCore } from "../../wasm/memory.ts";
import { writeClientAddress } from "../../server/client_address.ts";

export interface UdpWorkerStart {
  core: SharedCore;
  workerIndex: number;
  address: ListenAddress;
}

/** Datagrams under way at once (docs/BENCHMARKS.md). */
const SLOT_COUNT = 8;
/** One datagram in so many is measured: two looks at the clock cost 3 % of one. */
const SAMPLE = 8;
/** Errors in a row, without one datagram between them, that mean that the socket is of no use. */
const ERRORS_MAX = 1_000;

let socket: Deno.DatagramConn;
let latency: LatencyRecorder;
let datagramCount = 0;
let serving: Promise<unknown>;
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

/**
 * Receives, answers and sends in one slot. Several such loops share the socket: their turns
 * overlap, so that a turn of the event loop carries many datagrams.
 */
async function serve(core: Core, slot: number): Promise<void> {
  const { senderBytes } = core;
  const input = core.input.subarray(slot * DATAGRAM_IN_SIZE, (slot + 1) * DATAGRAM_IN_SIZE);
  const output = core.output.subarray(slot * DATAGRAM_OUT_SIZE, (slot + 1) * DATAGRAM_OUT_SIZE);
  let errorCount = 0;
  while (!isStopping) {
    let answerLength: number;
    let client: Deno.NetAddr;
    let begun = 0;
    let requests = NO_REQUESTS;
    try {
      const [datagram, sender] = await socket.receive(input);
      const isSampled = ++datagramCount % SAMPLE === 0;
      if (isSampled) {
        latency.take();
        begun = performance.now();
      }
      client = sender as Deno.NetAddr;
      core.setSender(writeClientAddress(senderBytes, client.hostname), client.port);
      answerLength = core.answerOne(slot, datagram.byteLength);
      if (isSampled) requests = latency.take();
    } catch (error) {
      if (isStopping) return;
      // An ICMP error that an earlier answer brought back, for instance: the next receive will do.
      if (error instanceof WebAssembly.RuntimeError || ++errorCount === ERRORS_MAX) throw error;
      continue;
    }
    errorCount = 0;
    if (answerLength === 0) continue;
    try {
      await socket.send(output.subarray(0, answerLength), client);
      latency.record(requests, begun, SAMPLE);
    } catch {
      core.countSendDrop();
    }
  }
}

serveWorker<UdpWorkerStart, never>({
  start({ core: shared, workerIndex, address }) {
    const core = new Core(shared, { workerIndex, batchSize: SLOT_COUNT });
    latency = new LatencyRecorder(shared, { workerIndex, protocol: PROTOCOL_UDP });
    socket = listen(address);
    startHeartbeat(shared.memory, workerIndex);
    serving = Promise.all(Array.from({ length: SLOT_COUNT }, (_, slot) => serve(core, slot)));
    // A fault must end the process, not vanish in a promise.
    serving.catch((error) => queueMicrotask(() => reportError(error)));
  },
  async stop() {
    isStopping = true;
    socket.close();
    await serving.catch(() => {});
  },
});
