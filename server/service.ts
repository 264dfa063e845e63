/** What a protocol tells the tracker about how it serves; the tracker does the rest. */

import type { SharedCore } from "../wasm/memory.ts";
import type { SocketAddress } from "./config/address.ts";
import { WORKERS_MAX } from "./config/sections.ts";
import type { WorkerPool } from "./pool.ts";

/** Where a service's workers find themselves. */
export interface Place<TAddress extends SocketAddress = SocketAddress> {
  pool: WorkerPool;
  core: SharedCore;
  /** Its workers have the indexes from here on, `workerCount` of them. */
  firstWorker: number;
  /** With the ports that the system chose. */
  addresses: TAddress[];
}

/** A reload that was found good. */
export interface Reload {
  /** Takes it over; whoever cannot after all has changed nothing. */
  apply(): void | Promise<void>;
  /** Goes back to what was in force, because another could not. */
  undo(): void | Promise<void>;
}

/** How one protocol serves. */
export interface Service<TConfig> {
  /** In the log, such as `udp`. */
  name: string;
  transport: "udp" | "tcp";
  /** Where it listens, as in the configuration. */
  addresses: readonly string[];
  workerCount: number;
  /** Whether the workers of a service before it serve its addresses. */
  isServedElsewhere?: boolean;
  peerIds?: boolean;
  /** Whether it is told what the kernel drops. */
  knowsKernelDrops: boolean;
  /** Bind even if another process has the address. */
  takeOver: boolean;
  /** Prefixes of proxies that may say for whom they ask. */
  trustedProxies?(config: TConfig): string[];
  /** Writes what its workers are to find in memory. */
  writeSettings(memory: WebAssembly.Memory, config: TConfig): void;
  /** Starts its workers; resolves once they serve. */
  startWorkers(place: Place): Promise<void>;
  /** Looks whether it can take over what may change, and changes nothing; rejects if not. */
  prepareReload?(config: TConfig): Promise<Reload>;
  /** How a key of its own configuration is called in the file that was loaded. */
  keyOf?(key: string): string;
}

/** A service of a protocol's own configuration as one of a larger configuration. */
export function partOf<TWhole, TPart>(
  service: Service<TPart>,
  options: { select(whole: TWhole): TPart | undefined; keyOf(key: string): string },
): Service<TWhole> {
  // A reload that leaves the table out changes nothing: the service goes on until the next start.
  const { select, keyOf } = options;
  return {
    ...service,
    keyOf,
    trustedProxies: (whole) => {
      const part = select(whole);
      return part === undefined ? [] : service.trustedProxies?.(part) ?? [];
    },
    writeSettings(memory, whole) {
      const part = select(whole);
      if (part !== undefined) service.writeSettings(memory, part);
    },
    async prepareReload(whole) {
      const part = select(whole);
      const nothing: Reload = { apply: () => {}, undo: () => {} };
      return part === undefined ? nothing : await service.prepareReload?.(part) ?? nothing;
    },
  };
}

/** A service whose clients are served by another's workers: its settings are all that it adds. */
export function withoutWorkers<TConfig>(service: Service<TConfig>): Service<TConfig> {
  const { prepareReload: _, ...rest } = service;
  return { ...rest, isServedElsewhere: true, workerCount: 0, startWorkers: async () => {} };
}

/** How many workers `socket_workers` asks for; "auto" is one for each processor core. */
export function countWorkers(setting: number | "auto"): number {
  if (setting !== "auto") return setting;
  return Math.min(navigator.hardwareConcurrency, WORKERS_MAX);
}
