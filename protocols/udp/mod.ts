/**
 * The UDP tracker: memory, housekeeping, and the workers of one of the two drivers.
 *
 * Runs on the main thread, which holds every permission that a worker gets and touches no client's
 * bytes.
 */
import { WORKER_COUNT_MAX } from "../../assembly/layout.ts";
import { Clock } from "../../server/clock.ts";
import {
  formatListenAddress,
  type ListenAddress,
  parseCidr,
  parseListenAddress,
} from "../../server/config/address.ts";
import type { UdpConfig } from "../../server/config/mod.ts";
import { StartError } from "../../server/errors.ts";
import { EXIT_CONFIG, EXIT_UNAVAILABLE } from "../../server/exit_status.ts";
import type { HousekeeperStart, LoadedRules, LoadRules } from "../../server/housekeeper.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import { getLogger } from "../../server/log.ts";
import { type PoolWorker, WorkerPool } from "../../server/pool.ts";
import { startStatistics } from "../../server/statistics.ts";
import {
  type CoreSettings,
  createSharedCore,
  type SharedCore,
  writeStop,
} from "../../wasm/memory.ts";
import trackerModule from "../../wasm/module.js";
import type { NativeWorkerStart, NativeWorkerStarted } from "./native_worker.ts";
import type { UdpWorkerStart } from "./worker.ts";

const HOUSEKEEPER_INDEX = WORKER_COUNT_MAX - 1;

/** How to start the tracker. */
export interface UdpOptions {
  /** Binds although another process holds the address, to take over from it. */
  takeOver: boolean;
}

/**
 * Starts the UDP tracker; resolves once every address is served.
 * @throws StartError naming what cannot be had: a list, an address, memory.
 */
export async function startUdp(
  config: UdpConfig,
  options: UdpOptions,
): Promise<Tracker<UdpConfig>> {
  const log = getLogger("udp");
  const core = createCore(config);
  const pool = new WorkerPool();
  const workerCount = config.network.io === "native"
    ? config.socket_workers
    : config.network.address.length;
  const clock = new Clock(core.memory, workerCount, (index) => {
    pool.fail(new Error(`Worker ${index} hangs: it has not finished a batch for five seconds`));
  });
  const stopPool = () => pool.stop(() => writeStop(core.memory));
  try {
    const housekeeper = await startHousekeeper(pool, core, config);
    await loadRules(housekeeper, config);
    const addresses = config.network.address.map((text) => {
      const address = parseListenAddress(text);
      return options.takeOver ? address : { ...address, port: probe(address) };
    });
    if (config.network.io === "native") await startNativeWorkers(pool, core, config, addresses);
    else await startSandboxedWorkers(pool, core, config, addresses);
    const stopStatistics = startStatistics(core.memory, {
      log: getLogger("statistics"),
      intervalSeconds: config.statistics.interval,
      knowsKernelDrops: config.network.io === "native",
    });
    const listening = addresses.map(formatListenAddress);
    for (const address of listening) log.info("Listening on {address}", { address });
    return {
      addresses: listening,
      failed: pool.failed,
      reload: (fresh: UdpConfig) => loadRules(housekeeper, fresh),
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

function createCore(config: UdpConfig): SharedCore {
  const settings: CoreSettings = {
    maxPeerAgeSeconds: config.cleaning.max_peer_age,
    maxConnectionAgeSeconds: config.cleaning.max_connection_age,
    announceIntervalSeconds: config.protocol.peer_announce_interval,
    sweepIntervalSeconds: config.cleaning.torrent_cleaning_interval,
    maxScrapeTorrents: config.protocol.max_scrape_torrents,
    maxResponsePeers: config.protocol.max_response_peers,
    defaultResponsePeers: config.protocol.default_response_peers,
  };
  const { limit_mib } = config.memory;
  try {
    return createSharedCore(trackerModule, { limitMib: limit_mib }, settings);
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
  config: UdpConfig,
): Promise<PoolWorker> {
  const { path, deny_clients_path } = config.access_list;
  const files = [path, deny_clients_path].filter((file) => file !== "");
  const { worker } = await pool.start<void>({
    name: "housekeeper",
    url: new URL("../../server/housekeeper.ts", import.meta.url),
    permissions: files.length === 0 ? "none" : { read: files },
    start: { core, workerIndex: HOUSEKEEPER_INDEX } satisfies HousekeeperStart,
  });
  return worker;
}

async function loadRules(housekeeper: PoolWorker, { access_list }: UdpConfig): Promise<void> {
  const question: LoadRules = {
    mode: access_list.mode,
    path: access_list.path,
    denyClients: access_list.deny_clients,
    denyClientsPath: access_list.deny_clients_path,
  };
  const loaded = await housekeeper.request({ kind: "ask", question }) as LoadedRules;
  if (question.mode === "off" && loaded.denyRanges === 0) return;
  getLogger("access").info(
    "Access list is {mode} with {infoHashes} torrents; {denyRanges} ranges of clients are denied",
    { mode: question.mode, ...loaded },
  );
}

/**
 * Binds an address without sharing it and lets go of it again: with the options that the workers
 * need, a second process would bind it silently and take all packets.
 * @returns The port: the system's choice where it was 0.
 */
function probe(address: ListenAddress): number {
  const { hostname, port } = address;
  try {
    const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
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
    );
  }
}

async function startSandboxedWorkers(
  pool: WorkerPool,
  core: SharedCore,
  config: UdpConfig,
  addresses: ListenAddress[],
): Promise<void> {
  await Promise.all(addresses.map((address, workerIndex) =>
    pool.start({
      name: `udp ${formatListenAddress(address)}`,
      url: new URL("./worker.ts", import.meta.url),
      permissions: { net: netGrant(address, config.network.client_subnets) },
      start: { core, workerIndex, address } satisfies UdpWorkerStart,
    })
  ));
}

/**
 * The listening address and the subnets of its family's clients. Deno 2.9 cannot name an IPv6 subnet,
 * so a worker on an IPv6 address may reach any network (docs/decisions/0001-ipv6-grant.md).
 */
function netGrant(address: ListenAddress, clientSubnets: readonly string[]): true | string[] {
  if (address.family === 6) return true;
  const subnets = clientSubnets.filter((subnet) => parseCidr(subnet).family === 4);
  return [formatListenAddress(address), ...subnets];
}

async function startNativeWorkers(
  pool: WorkerPool,
  core: SharedCore,
  config: UdpConfig,
  addresses: ListenAddress[],
): Promise<void> {
  const { LIBC_PATHS } = await import("./libc.ts");
  const libcPaths = LIBC_PATHS[Deno.build.arch as keyof typeof LIBC_PATHS] ?? [];
  const granted = libcPaths.filter((path) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted"
  );
  const wanted = config.network.socket_recv_buffer_size;
  for (let workerIndex = 0; workerIndex < config.socket_workers; ++workerIndex) {
    const { result } = await pool.start<NativeWorkerStarted>({
      name: `udp ${workerIndex}`,
      url: new URL("./native_worker.ts", import.meta.url),
      permissions: { ffi: [...granted] },
      start: {
        core,
        workerIndex,
        addresses,
        receiveBufferBytes: wanted,
      } satisfies NativeWorkerStart,
    });
    if (result.receiveBufferBytes < wanted && workerIndex === 0) {
      getLogger("udp").warn(
        "The system gives sockets a buffer of {given} bytes only; set net.core.rmem_max to " +
          "{wanted} for what socket_recv_buffer_size asks",
        { given: result.receiveBufferBytes, wanted },
      );
    }
  }
}
