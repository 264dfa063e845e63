/**
 * A worker of the WebTorrent tracker.
 *
 * Any worker may put bytes into the outbox of any connection; the worker whose connection it is
 * sends them. It is woken by a word in the shared memory, once for a burst.
 */
import { endProcess, serveTcp, SLICES_MAX, type TcpWorkerStart } from "../../server/tcp/worker.ts";
import { PROTOCOL_WS } from "../../wasm/board.ts";
import { WsCore } from "../../wasm/ws_core.ts";
import { sendReady, SocketClient } from "./socket_client.ts";

export interface WsWorkerStart extends TcpWorkerStart {
  pingSeconds: number;
}

serveTcp<WsWorkerStart, WsCore>({
  protocol: PROTOCOL_WS,
  createCore: ({ core, workerIndex, maxConnections }) =>
    new WsCore(core, {
      workerIndex,
      connections: maxConnections,
      slices: SLICES_MAX,
      servesHttp: false,
    }),
  createClient: (core, conn, { admission, start }) =>
    new SocketClient(core, conn, admission, start),
  begin(core) {
    sendWhenWoken(core).catch(endProcess);
  },
});

async function sendWhenWoken(core: WsCore): Promise<never> {
  const { wakeWords, wakeIndex } = core;
  while (true) {
    const seen = Atomics.load(wakeWords, wakeIndex);
    sendReady(core);
    const { value } = Atomics.waitAsync(wakeWords, wakeIndex, seen);
    await value;
  }
}
