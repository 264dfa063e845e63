/**
 * A worker of the WebTorrent tracker, and of HTTP where the two share their addresses: then a
 * request that asks for no upgrade is HTTP's.
 *
 * Any worker may put bytes into the outbox of any connection; the worker whose connection it is
 * sends them. It is woken by a word in the shared memory, once for a burst.
 */
import { serveTcp, SLICES_MAX, type TcpWorkerStart } from "../../server/tcp/worker.ts";
import { PROTOCOL_HTTP, PROTOCOL_WS } from "../../wasm/board.ts";
import { WsCore } from "../../wasm/ws_core.ts";
import { sendReady, SocketClient } from "./socket_client.ts";

export interface WsWorkerStart extends TcpWorkerStart {
  pingSeconds: number;
  servesHttp: boolean;
}

serveTcp<WsWorkerStart, WsCore>({
  // One worker's counters are those of one protocol, and HTTP's metrics have all of WebTorrent's.
  protocolOf: ({ servesHttp }) => servesHttp ? PROTOCOL_HTTP : PROTOCOL_WS,
  createCore: ({ core, workerIndex, maxConnections, servesHttp }) =>
    new WsCore(core, {
      workerIndex,
      connections: maxConnections,
      slices: SLICES_MAX,
      servesHttp,
    }),
  createClient: (core, conn, { admission, start }) =>
    new SocketClient(core, conn, admission, start),
  begin(core, driver) {
    driver.whenWoken(core.wakes, () => sendReady(core));
  },
});
