/** The UDP tracker: its settings, and the workers of one of the two drivers (main thread). */
import { formatListenAddress, type ListenAddress, parseCidr } from "../../server/config/address.ts";
import type { UdpConfig } from "../../server/config/mod.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import { getLogger } from "../../server/log.ts";
import { LIBC_PATHS } from "../../server/native/library_paths.ts";
import { grantedPaths } from "../../server/permissions.ts";
import { countWorkers, type Place, type Service } from "../../server/service.ts";
import { startTracker } from "../../server/tracker.ts";
import { writeSettings } from "../../wasm/memory.ts";
import type { NativeWorkerStart, NativeWorkerStarted } from "./native_worker.ts";
import type { UdpWorkerStart } from "./worker.ts";

/** How to start the tracker. */
export interface UdpOptions {
  /** Binds although another process holds the address, to take over from it. */
  takeOver: boolean;
}

/**
 * Starts the UDP tracker; resolves once every address is served.
 * @throws StartError naming what cannot be had: a list, an address, memory.
 */
export function startUdp(config: UdpConfig, options: UdpOptions): Promise<Tracker<UdpConfig>> {
  return startTracker(config, [udpService(config, options)]);
}

/** How UDP is served, alone or beside other protocols. */
export function udpService(config: UdpConfig, options: UdpOptions): Service<UdpConfig> {
  const { network } = config;
  const isNative = network.io === "native";
  const workerCount = isNative ? countWorkers(config.socket_workers) : network.address.length;
  return {
    name: "udp",
    transport: "udp",
    addresses: network.address,
    workerCount,
    knowsKernelDrops: isNative,
    takeOver: options.takeOver,
    writeSettings: writeUdpSettings,
    // UDP has no UNIX sockets: its configuration takes none.
    startWorkers: (place: Place<ListenAddress>) =>
      isNative
        ? startNativeWorkers(place, config, workerCount)
        : startSandboxedWorkers(place, config),
  };
}

function writeUdpSettings(memory: WebAssembly.Memory, { protocol, cleaning }: UdpConfig): void {
  writeSettings(memory, {
    maxConnectionAgeSeconds: cleaning.max_connection_age,
    announceIntervalSeconds: protocol.peer_announce_interval,
    maxScrapeTorrents: protocol.max_scrape_torrents,
    maxResponsePeers: protocol.max_response_peers,
    defaultResponsePeers: protocol.default_response_peers,
  });
}

async function startSandboxedWorkers(
  place: Place<ListenAddress>,
  config: UdpConfig,
): Promise<void> {
  const { pool, core, firstWorker, addresses } = place;
  await Promise.all(addresses.map((address, index) =>
    pool.start({
      name: `udp ${formatListenAddress(address)}`,
      url: new URL("./worker.ts", import.meta.url),
      permissions: { net: netGrant(address, config.network.client_subnets) },
      start: { core, workerIndex: firstWorker + index, address } satisfies UdpWorkerStart,
    })
  ));
}

/**
 * The listening address and the subnets of its family's clients. Deno 2.9 cannot name an IPv6
 * subnet, so a worker on an IPv6 address may reach any network (docs/decisions/0001-ipv6-grant.md).
 */
export function netGrant(
  address: ListenAddress,
  clientSubnets: readonly string[],
): true | string[] {
  if (address.family === 6) return true;
  const subnets = clientSubnets.filter((subnet) => parseCidr(subnet).family === 4);
  return [formatListenAddress(address), ...subnets];
}

async function startNativeWorkers(
  place: Place<ListenAddress>,
  config: UdpConfig,
  workerCount: number,
): Promise<void> {
  const { pool, core, firstWorker, addresses } = place;
  const wanted = config.network.socket_recv_buffer_size;
  for (let index = 0; index < workerCount; ++index) {
    const { result } = await pool.start<NativeWorkerStarted>({
      name: `udp ${index}`,
      url: new URL("./native_worker.ts", import.meta.url),
      permissions: { ffi: grantedPaths(LIBC_PATHS) },
      start: {
        core,
        workerIndex: firstWorker + index,
        addresses,
        receiveBufferBytes: wanted,
      } satisfies NativeWorkerStart,
    });
    if (result.receiveBufferBytes < wanted && index === 0) {
      getLogger("udp").warn(
        "The system gives sockets a buffer of {given} bytes only; set net.core.rmem_max to " +
          "{wanted} for what socket_recv_buffer_size asks",
        { given: result.receiveBufferBytes, wanted },
      );
    }
  }
}
