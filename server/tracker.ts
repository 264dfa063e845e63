/**
 * What every tracker process has, whatever it speaks: memory, housekeeping, clock, lists,
 * statistics, and workers on its addresses.
 *
 * Runs on the main thread, which holds every permission that a worker gets and touches no client's
 * bytes.
 */
import { HOUSEKEEPER_INDEX } from "../assembly/layout.ts";
import {
  type CoreOptions,
  type CoreSettings,
  createSharedCore,
  type SharedCore,
  writeStop,
} from "../wasm/memory.ts";
import trackerModule from "../wasm/module.js";
import { Clock } from "./clock.ts";
import { formatListenAddress, type ListenAddress, parseListenAddress } from "./config/address.ts";
import { StartError } from "./errors.ts";
import { EXIT_CONFIG, EXIT_UNAVAILABLE } from "./exit_status.ts";
import type { HousekeeperStart, LoadedRules, LoadRules } from "./housekeeper.ts";
import type { Tracker } from "./lifecycle.ts";
import { getLogger } from "./log.ts";
import { type PoolWorker, WorkerPool } from "./pool.ts";
import { startStatistics } from "./statistics.ts";

/** The part of a configuration that all trackers share. */
export interface TrackerConfig {
  network: { address: string[]; trusted_proxies?: string[] };
  access_list: {
    mode: LoadRules["mode"];
    path: string;
    deny_clients: string[];
    deny_clients_path: string;
  };
  memory: { limit_mib: number };
  statistics: { interval: number };
}

/** How one protocol serves. */
export interface Service<TConfig> {
  /** In the log, such as `udp`. */
  name: string;
  transport: "udp" | "tcp";
  settings: CoreSettings;
  peerIds?: boolean;
  workerCount: number;
  /** Whether it is told what the kernel drops. */
  knowsKernelDrops: boolean;
  /** Bind even if another process has the address. */
  takeOver: boolean;
  /** Writes what its workers are to find in memory before they start. */
  prepare?(core: SharedCore): void;
  /** Starts its workers; resolves once they serve. */
  startWorkers(pool: WorkerPool, core: SharedCore, addresses: ListenAddress[]): Promise<void>;
  /** Takes over what may change; the access list is reloaded before. */
  reload?(config: TConfig): Promise<void>;
}

/**
 * Starts a tracker; resolves once every address is served.
 * @throws StartError naming what cannot be had: a list, an address, memory.
 */
export async function startTracker<TConfig extends TrackerConfig>(
  config: TConfig,
  service: Service<TConfig>,
): Promise<Tracker<TConfig>> {
  const core = createCore(config, service);
  service.prepare?.(core);
  const pool = new WorkerPool();
  const clock = new Clock(core.memory, service.workerCount, (index) => {
    pool.fail(new Error(`Worker ${index} hangs: it has not finished a batch for five seconds`));
  });
  const stopPool = () => pool.stop(() => writeStop(core.memory));
  try {
    const housekeeper = await startHousekeeper(pool, core, config);
    await loadRules(housekeeper, config);
    const addresses = config.network.address.map((text) => {
      const address = parseListenAddress(text);
      return service.takeOver ? address : { ...address, port: probe(address, service.transport) };
    });
    await service.startWorkers(pool, core, addresses);
    const stopStatistics = startStatistics(core.memory, {
      log: getLogger("statistics"),
      intervalSeconds: config.statistics.interval,
      knowsKernelDrops: service.knowsKernelDrops,
    });
    const listening = addresses.map(formatListenAddress);
    const log = getLogger(service.name);
    for (const address of listening) log.info("Listening on {address}", { address });
    return {
      addresses: listening,
      failed: pool.failed,
      async reload(fresh) {
        refuseNewPaths(config, fresh);
        await loadRules(housekeeper, fresh);
        await service.reload?.(fresh);
      },
      async stop() {
        stopStatistics();
        await stopPool();
        clock.stop();
      },
    };
  } catch (error) {
    await stopPool();
    clock.stop();
    throw error;
  }
}

function createCore(
  config: TrackerConfig,
  { settings, peerIds }: Pick<CoreOptions, "peerIds"> & { settings: CoreSettings },
): SharedCore {
  const { limit_mib } = config.memory;
  try {
    return createSharedCore(trackerModule, { limitMib: limit_mib, peerIds }, settings);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new StartError(
      `Cannot reserve memory for "memory.limit_mib" = ${limit_mib}: the system refuses so much ` +
        "address space",
      EXIT_CONFIG,
    );
  }
}

async function startHousekeeper(
  pool: WorkerPool,
  core: SharedCore,
  config: TrackerConfig,
): Promise<PoolWorker> {
  const { path, deny_clients_path } = config.access_list;
  const files = [path, deny_clients_path].filter((file) => file !== "");
  const { worker } = await pool.start<void>({
    name: "housekeeper",
    url: new URL("./housekeeper.ts", import.meta.url),
    permissions: files.length === 0 ? "none" : { read: files },
    start: { core, workerIndex: HOUSEKEEPER_INDEX } satisfies HousekeeperStart,
  });
  return worker;
}

/** The housekeeper was granted the files that were named at the start, and can read no others. */
function refuseNewPaths(config: TrackerConfig, fresh: TrackerConfig): void {
  for (const key of ["path", "deny_clients_path"] as const) {
    if (fresh.access_list[key] === config.access_list[key]) continue;
    throw new StartError(
      `Cannot read a new "access_list.${key}" while running: permission was given for the old ` +
        "one at the start; start again",
      EXIT_CONFIG,
    );
  }
}

async function loadRules(housekeeper: PoolWorker, config: TrackerConfig): Promise<void> {
  const { access_list, network } = config;
  const question: LoadRules = {
    mode: access_list.mode,
    path: access_list.path,
    denyClients: access_list.deny_clients,
    denyClientsPath: access_list.deny_clients_path,
    trustedProxies: network.trusted_proxies ?? [],
  };
  const loaded = await housekeeper.ask(question) as LoadedRules;
  if (question.mode === "off" && loaded.denyRanges === 0) return;
  getLogger("access").info(
    "Access list is {mode} with {infoHashes} torrents; {denyRanges} ranges of clients are denied",
    { mode: question.mode, ...loaded },
  );
}

/**
 * Binds an address without sharing it and lets go of it again: with the options that the workers
 * need, a second process would bind it silently and take clients away.
 * @returns The port: the system's choice where it was 0.
 */
function probe(address: ListenAddress, transport: "udp" | "tcp"): number {
  const { hostname, port } = address;
  try {
    const socket = transport === "udp"
      ? Deno.listenDatagram({ transport, hostname, port })
      : Deno.listen({ transport, hostname, port });
    const bound = socket.addr as Deno.NetAddr;
    socket.close();
    return bound.port;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const reason = error instanceof Deno.errors.AddrInUse
      ? "another process holds it (--take-over shares it)"
      : (error as Error).message;
    throw new StartError(
      `Cannot listen on ${formatListenAddress(address)}: ${reason}`,
      EXIT_UNAVAILABLE,
      { key: "network.address" },
    );
  }
}
