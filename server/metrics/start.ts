/** Starts the metrics worker (main thread). */
import manifest from "../../deno.json" with { type: "json" };
import type { SharedCore } from "../../wasm/memory.ts";
import { formatListenAddress, type ListenAddress } from "../config/address.ts";
import type { WorkerPool } from "../pool.ts";
import type { MetricsStart } from "./worker.ts";

/** Starts it with the grant to listen on its address, and no other. */
export async function startMetrics(
  pool: WorkerPool,
  { memory, board }: SharedCore,
  options: { address: ListenAddress; token: string },
): Promise<void> {
  const { address, token } = options;
  await pool.start<void>({
    name: `metrics ${formatListenAddress(address)}`,
    url: new URL("./worker.ts", import.meta.url),
    permissions: { net: [formatListenAddress(address)] },
    start: {
      observed: { memory, board, version: manifest.version },
      address,
      token,
    } satisfies MetricsStart,
  });
}
