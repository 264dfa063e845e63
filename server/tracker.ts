/**
 * What every tracker process has, whatever it speaks: memory, housekeeping, clock, lists,
 * statistics, and the workers of its services.
 *
 * Runs on the main thread, which holds every permission that a worker gets and touches no client's
 * bytes.
 */
import { HOUSEKEEPER_INDEX } from "../assembly/layout.ts";
import {
  BOARD_READY,
  BOARD_RELOADS,
  BOARD_RELOADS_FAILED,
  BOARD_STARTED_AT,
  BOARD_WORKER_RESTARTS,
  countOnBoard,
  writeBoard,
} from "../wasm/board.ts";
import { createSharedCore, type SharedCore, writeSettings, writeStop } from "../wasm/memory.ts";
import trackerModule from "../wasm/module.js";
import { claim, probe } from "./claim.ts";
import { Clock } from "./clock.ts";
import { formatListenAddress, formatSocketAddress } from "./config/address.ts";
import { parseListenAddress, parseSocketAddress, type SocketAddress } from "./config/address.ts";
import { WORKERS_MAX } from "./config/sections.ts";
import { Deaths } from "./deaths.ts";
import { StartError } from "./errors.ts";
import { EXIT_CONFIG } from "./exit_status.ts";
import type { HousekeeperStart, LoadedRules, LoadRules } from "./housekeeper.ts";
import type { Tracker } from "./lifecycle.ts";
import { getLogger } from "./log.ts";
import { PROTOCOLS } from "./metrics/snapshot.ts";
import { startMetrics } from "./metrics/start.ts";
import { plural } from "./plural.ts";
import { type Seat, WorkerPool } from "./pool.ts";
import type { Reload, Service } from "./service.ts";
import { startStatistics } from "./statistics.ts";

/** The part of a configuration that all services share. */
export interface SharedConfig {
  access_list: {
    mode: LoadRules["mode"];
    path: string;
    deny_clients: string[];
    deny_clients_path: string;
  };
  cleaning: { max_peer_age: number; torrent_cleaning_interval: number };
  memory: { limit_mib: number };
  statistics: { interval: number };
  metrics: { address: string; token: string };
}

/**
 * Starts a tracker of one or several services on one memory; resolves once every address of every
 * service is served.
 * @throws StartError naming what cannot be had: a list, an address, memory.
 */
export async function startTracker<TConfig extends SharedConfig>(
  config: TConfig,
  services: readonly Service<TConfig>[],
): Promise<Tracker<TConfig>> {
  const workerCount = services.reduce((sum, service) => sum + service.workerCount, 0);
  refuseTooMany(workerCount);
  const core = createCore(config, services);
  const deaths = new Deaths(core.memory);
  const pool = new WorkerPool({
    mayRestart: (death) => deaths.mayRestart(death),
    onRestart: () => countOnBoard(core.board, BOARD_WORKER_RESTARTS),
  });
  const clock = new Clock(core.memory, workerCount, (index, what) => {
    pool.fail(new Error(`Worker ${nameOf(index, services)} hangs: ${what}`));
  });
  const stopPool = () => pool.stop(() => writeStop(core.memory));
  try {
    const housekeeper = await startHousekeeper(pool, core, config);
    // Early, so that who asks can see that it is alive and not ready yet.
    await showMetrics(config, { pool, core, services });
    await prepareRules(housekeeper, rulesOf(config, services));
    await enforceRules(housekeeper, config);
    const listening = await startServices(services, { pool, core });
    writeBoard(core.board, BOARD_READY, 1);
    const knowsKernelDrops = services.some((service) => service.knowsKernelDrops);
    const protocols = PROTOCOLS.filter((name) => services.some((service) => service.name === name));
    const startLines = ({ statistics }: TConfig) =>
      startStatistics(core.memory, {
        log: getLogger("statistics"),
        intervalSeconds: statistics.interval,
        protocols,
        knowsKernelDrops,
      });
    let stopStatistics = startLines(config);
    let statisticsInterval = config.statistics.interval;
    return {
      addresses: listening.map(({ address }) => address),
      failed: pool.failed,
      async reload(fresh, wanted = fresh) {
        refuseNewPaths(config, wanted);
        await reloadAll(fresh, { housekeeper, services });
        writeAllSettings(core.memory, fresh, services);
        if (fresh.statistics.interval === statisticsInterval) return;
        statisticsInterval = fresh.statistics.interval;
        stopStatistics();
        stopStatistics = startLines(fresh);
      },
      countReload(isDone) {
        countOnBoard(core.board, isDone ? BOARD_RELOADS : BOARD_RELOADS_FAILED);
      },
      async stop() {
        writeBoard(core.board, BOARD_READY, 0);
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

/** Reads and judges everything, then takes everything over; a failure leaves all as it was. */
async function reloadAll<TConfig extends SharedConfig>(
  config: TConfig,
  { housekeeper, services }: { housekeeper: Seat; services: readonly Service<TConfig>[] },
): Promise<void> {
  await prepareRules(housekeeper, rulesOf(config, services));
  const applied: Reload[] = [];
  try {
    const reloads: Reload[] = [];
    for (const service of services) {
      const reload = await service.prepareReload?.(config);
      if (reload !== undefined) reloads.push(reload);
    }
    for (const reload of reloads) {
      await reload.apply();
      applied.push(reload);
    }
  } catch (error) {
    for (const reload of applied) await reload.undo();
    await housekeeper.ask("drop");
    throw error;
  }
  await enforceRules(housekeeper, config);
}

/** What a worker is called that has this index. */
function nameOf<TConfig>(index: number, services: readonly Service<TConfig>[]): string {
  if (index === HOUSEKEEPER_INDEX) return "housekeeper";
  const names = services.flatMap(({ name, workerCount }) =>
    Array.from({ length: workerCount }, (_, worker) => `${name} ${worker}`)
  );
  return names[index]!;
}

function refuseTooMany(workerCount: number): void {
  if (workerCount <= WORKERS_MAX) return;
  throw new StartError(
    `Cannot start ${workerCount} workers: the core has room for ${WORKERS_MAX}; give ` +
      'the services a number of "socket_workers" instead of "auto"',
    EXIT_CONFIG,
  );
}

async function showMetrics<TConfig extends SharedConfig>(
  { metrics }: TConfig,
  { pool, core, services }: {
    pool: WorkerPool;
    core: SharedCore;
    services: readonly Service<TConfig>[];
  },
): Promise<void> {
  if (metrics.address === "") return;
  const address = parseListenAddress(metrics.address);
  const isShared = services.some(({ takeOver }) => takeOver);
  const port = isShared
    ? address.port
    : probe(address, { transport: "tcp", keyOf: () => "metrics.address" });
  const bound = { ...address, port };
  await startMetrics(pool, core, { address: bound, token: metrics.token });
  getLogger("metrics").info("Metrics are on http://{address}/", {
    address: formatListenAddress(bound),
  });
}

/** Starts the services one after the other, each on the worker indexes behind the one before. */
async function startServices<TConfig>(
  services: readonly Service<TConfig>[],
  { pool, core }: { pool: WorkerPool; core: SharedCore },
): Promise<{ name: string; address: string }[]> {
  const listening: { name: string; address: string }[] = [];
  let firstWorker = 0;
  for (const service of services) {
    const addresses: SocketAddress[] = [];
    for (const text of service.addresses) {
      const address = parseSocketAddress(text);
      addresses.push(service.isServedElsewhere ? address : await claim(address, service));
    }
    await service.startWorkers({ pool, core, firstWorker, addresses });
    firstWorker += service.workerCount;
    for (const address of addresses.map(formatSocketAddress)) {
      listening.push({ name: service.name, address });
    }
  }
  // Only once all of them serve: who reads the log may begin to ask.
  for (const { name, address } of listening) {
    getLogger(name).info("Listening on {address}", { address });
  }
  return listening;
}

function createCore<TConfig extends SharedConfig>(
  config: TConfig,
  services: readonly Service<TConfig>[],
): SharedCore {
  const { limit_mib } = config.memory;
  const peerIds = services.some((service) => service.peerIds);
  try {
    const core = createSharedCore(trackerModule, { limitMib: limit_mib, peerIds }, {});
    writeAllSettings(core.memory, config, services);
    writeBoard(core.board, BOARD_STARTED_AT, Date.now() / 1000);
    return core;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new StartError(
      `Cannot reserve memory for "memory.limit_mib" = ${limit_mib}: the system refuses so much ` +
        "address space",
      EXIT_CONFIG,
    );
  }
}

function writeAllSettings<TConfig extends SharedConfig>(
  memory: WebAssembly.Memory,
  config: TConfig,
  services: readonly Service<TConfig>[],
): void {
  writeSettings(memory, {
    maxPeerAgeSeconds: config.cleaning.max_peer_age,
    sweepIntervalSeconds: config.cleaning.torrent_cleaning_interval,
  });
  for (const service of services) service.writeSettings(memory, config);
}

async function startHousekeeper(
  pool: WorkerPool,
  core: SharedCore,
  config: SharedConfig,
): Promise<Seat> {
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
function refuseNewPaths(config: SharedConfig, fresh: SharedConfig): void {
  for (const key of ["path", "deny_clients_path"] as const) {
    if (fresh.access_list[key] === config.access_list[key]) continue;
    throw new StartError(
      `Cannot read a new "access_list.${key}" while running: permission was given for the old ` +
        "one at the start; start again",
      EXIT_CONFIG,
    );
  }
}

function rulesOf<TConfig extends SharedConfig>(
  config: TConfig,
  services: readonly Service<TConfig>[],
): LoadRules {
  const { access_list } = config;
  return {
    mode: access_list.mode,
    path: access_list.path,
    denyClients: access_list.deny_clients,
    denyClientsPath: access_list.deny_clients_path,
    trustedProxies: services.flatMap((service) => service.trustedProxies?.(config) ?? []),
  };
}

/** Has the list read and kept beside the one in force. */
async function prepareRules(housekeeper: Seat, question: LoadRules): Promise<void> {
  await housekeeper.ask(question);
}

/** Puts the list that was prepared in force. */
async function enforceRules(housekeeper: Seat, config: SharedConfig): Promise<void> {
  const loaded = await housekeeper.ask("enforce") as LoadedRules;
  const { mode } = config.access_list;
  if (mode === "off" && loaded.denyRanges === 0) return;
  const { infoHashes, expired, denyRanges } = loaded;
  getLogger("access").info(
    `Access list is {mode} with {infoHashes} ${plural(infoHashes, "torrent")}` +
      (expired === 0 ? "" : ", and {expired} whose time is over") +
      `; {denyRanges} ${plural(denyRanges, "range")} of clients ` +
      `${plural(denyRanges, "is", "are")} denied`,
    { mode, ...loaded },
  );
}
