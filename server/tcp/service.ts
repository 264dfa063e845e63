/** What the trackers over TCP have in common: certificates, and workers (main thread). */
import { BOARD_CERTIFICATES, PROTOCOL_HTTP, PROTOCOL_WS, writeBoard } from "../../wasm/board.ts";
import type { TlsKeyPair } from "../certificate.ts";
import { formatSocketAddress, type SocketAddress } from "../config/address.ts";
import type { TcpNetwork } from "../config/tcp.ts";
import { getLogger } from "../log.ts";
import { LIBC_PATHS, LIBSSL_PATHS } from "../native/library_paths.ts";
import { grantedPaths } from "../permissions.ts";
import type { Seat } from "../pool.ts";
import { countWorkers, type Place, type Service } from "../service.ts";
import type { TimeLimits } from "./client_connection.ts";
import type { Limits } from "./connection_limits.ts";
import type { TcpWorkerChange, TcpWorkerStart } from "./worker.ts";

/** The part of a configuration that they share. */
export interface TcpConfig {
  socket_workers: number | "auto";
  network: TcpNetwork & { address: string[]; request_timeout: number };
}

/** What one of them adds. */
export interface TcpServiceOptions<TConfig> {
  name: string;
  /** Bind even if another process has the address. */
  takeOver: boolean;
  peerIds?: boolean;
  writeSettings(memory: WebAssembly.Memory, config: TConfig): void;
  /** The file of its workers. */
  workerUrl: URL;
  idleSeconds: number | ((config: TConfig) => number);
  /** What its workers are told besides. */
  also?: Record<string, number | boolean>;
}

/**
 * How such a tracker is served, alone or beside other protocols.
 * @throws StartError where the certificate cannot be had.
 */
export async function tcpService<TConfig extends TcpConfig>(
  config: TConfig,
  options: TcpServiceOptions<TConfig>,
): Promise<Service<TConfig>> {
  const { name, takeOver, peerIds, writeSettings } = options;
  const workerCount = countWorkers(config.socket_workers);
  const workers: Seat[] = [];
  const current: Current<TConfig> = { config, tls: await loadTls(config) };
  let board: SharedArrayBuffer;
  return {
    name,
    transport: "tcp",
    addresses: config.network.address,
    workerCount,
    peerIds,
    knowsKernelDrops: false,
    takeOver,
    trustedProxies: ({ network }) => network.trusted_proxies,
    writeSettings,
    async startWorkers(place) {
      board = place.core.board;
      tellExpiry(board, name, current.tls);
      workers.push(...await startWorkers(place, { workerCount, current, options }));
    },
    prepareReload: async (fresh) => {
      const before = { ...current };
      // The files that the start named: other paths take effect at the next start.
      const tls = await loadTls(fresh);
      const next = { config: fresh, tls };
      return {
        apply: () => tellWorkers(before, next),
        undo: () => tellWorkers(next, before),
      };
    },
  };

  /** All of them or none: who has changed when another cannot changes back. */
  async function tellWorkers(from: Current<TConfig>, to: Current<TConfig>): Promise<void> {
    const hasNewTls = from.tls?.cert !== to.tls?.cert || from.tls?.key !== to.tls?.key;
    const message = (state: Current<TConfig>): TcpWorkerChange => ({
      limits: limitsOf(state.config, { workerCount, options }),
      tls: hasNewTls ? state.tls : undefined,
    });
    Object.assign(current, to);
    const outcomes = await Promise.allSettled(workers.map((worker) => worker.ask(message(to))));
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) {
      Object.assign(current, from);
      const changed = workers.filter((_, index) => outcomes[index]!.status === "fulfilled");
      await Promise.allSettled(changed.map((worker) => worker.ask(message(from))));
      throw failure.reason;
    }
    if (!hasNewTls) return;
    tellExpiry(board, name, to.tls);
    getLogger(name).info("New connections get the new certificate");
  }
}

/** What is in force: also for a worker that takes a dead one's place. */
interface Current<TConfig> {
  config: TConfig;
  tls: TlsKeyPair | undefined;
}

/** A worker's part of the limits: the kernel spreads connections evenly. */
function limitsOf<TConfig extends TcpConfig>(
  config: TConfig,
  about: { workerCount: number; options: TcpServiceOptions<TConfig> },
): Limits & TimeLimits {
  const { network } = config;
  const { idleSeconds } = about.options;
  const share = (limit: number) => Math.ceil(limit / about.workerCount);
  return {
    maxConnections: share(network.max_connections),
    maxConnectionsPerAddress: share(network.max_connections_per_address),
    proxyProtocol: network.proxy_protocol,
    idleSeconds: typeof idleSeconds === "number" ? idleSeconds : idleSeconds(config),
    requestSeconds: network.request_timeout,
  };
}

async function loadTls(
  { network }: Pick<TcpConfig, "network">,
): Promise<TlsKeyPair | undefined> {
  if (!network.enable_tls) return undefined;
  const { loadKeyPair } = await import("../certificate.ts");
  return await loadKeyPair(network.tls_certificate_path, network.tls_private_key_path);
}

/** Tells those who watch when the certificate expires. */
function tellExpiry(board: SharedArrayBuffer, name: string, tls: TlsKeyPair | undefined): void {
  const protocol = name === "ws" ? PROTOCOL_WS : PROTOCOL_HTTP;
  writeBoard(board, BOARD_CERTIFICATES + protocol, tls?.expiresAt ?? 0);
}

async function startWorkers<TConfig extends TcpConfig>(
  { pool, core, firstWorker, addresses }: Place,
  about: {
    workerCount: number;
    current: Current<TConfig>;
    options: TcpServiceOptions<TConfig>;
  },
): Promise<Seat[]> {
  const { workerCount, current, options } = about;
  const started = Array.from({ length: workerCount }, (_, index) => {
    const served = addresses.filter((address, addressIndex) =>
      !("path" in address) || addressIndex % workerCount === index
    );
    return pool.start<void>({
      name: `${options.name} ${index}`,
      url: options.workerUrl,
      permissions: permissionsFor(served, current.config.network),
      get start() {
        return {
          core,
          workerIndex: firstWorker + index,
          io: current.config.network.io,
          addresses: served,
          tls: current.tls, // one that takes a dead one's place begins with the certificate of then
          ...limitsOf(current.config, { workerCount, options }),
          ...options.also,
        } satisfies TcpWorkerStart;
      },
    });
  });
  return (await Promise.all(started)).map(({ worker }) => worker);
}

/** To listen there and nothing else; for a UNIX socket Deno wants its file as well. */
function permissionsFor(
  addresses: SocketAddress[],
  { io, enable_tls }: TcpNetwork,
): Deno.PermissionOptionsObject {
  if (io === "native") {
    return { ffi: grantedPaths(LIBC_PATHS, ...enable_tls ? [LIBSSL_PATHS] : []) };
  }
  const paths = addresses.flatMap((address) => "path" in address ? [address.path] : []);
  return {
    net: addresses.map(formatSocketAddress),
    ...(paths.length === 0 ? {} : { read: paths, write: paths }),
  };
}
