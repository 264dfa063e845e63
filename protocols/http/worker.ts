/** A worker of the HTTP tracker. */
import { Client } from "../../server/tcp/client_connection.ts";
import { serveTcp, SLICES_MAX, type TcpWorkerStart } from "../../server/tcp/worker.ts";
import { PROTOCOL_HTTP } from "../../wasm/board.ts";
import { HttpCore } from "../../wasm/http_core.ts";

serveTcp<TcpWorkerStart, HttpCore>({
  protocolOf: () => PROTOCOL_HTTP,
  createCore: ({ core, workerIndex, maxConnections }) =>
    new HttpCore(core, { workerIndex, connections: maxConnections, slices: SLICES_MAX }),
  createClient: (core, conn, { admission, start }) => new Client(core, conn, admission, start),
});
