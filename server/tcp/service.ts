/** What the trackers over TCP have in common: certificates, and workers (main thread). */
import { BOARD_CERTIFICATES, PROTOCOL_HTTP, PROTOCOL_WS, writeBoard } from "../../wasm/board.ts";
import type { TlsKeyPair } from "../certificate.ts";
import { formatSocketAddress, type SocketAddress } from "../config/address.ts";
import { getLogger } from "../log.ts";
import type { Seat } from "../pool.ts";
import { countWorkers, type Place, type Service } from "../service.ts";
import type { TcpWorkerStart } from "./worker.ts";

/** The part of a configuration that they share. */
export interface TcpConfig {
  socket_workers: number | "auto";
  network: {
    address: string[];
    enable_tls: boolean;
    tls_certificate_path: string;
    tls_private_key_path: string;
    max_connections: number;
    max_connections_per_address: number;
    trusted_proxies: string[];
    proxy_protocol: boolean;
    request_timeout: number;
  };
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
  idleSeconds: number;
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
  const current = { tls: await loadTls(config) };
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
      workers.push(...await startWorkers(place, { config, workerCount, current, options }));
    },
    async reload() {
      if (current.tls === undefined) return;
      // The files that the start named: other paths take effect at the next start.
      const loaded = await loadTls(config);
      if (loaded!.cert === current.tls.cert && loaded!.key === current.tls.key) return;
      current.tls = loaded;
      tellExpiry(board, name, loaded);
      await Promise.all(workers.map((worker) => worker.ask(loaded)));
      getLogger(name).info("New connections get the new certificate");
    },
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
    config: TConfig;
    workerCount: number;
    current: { tls: TlsKeyPair | undefined };
    options: TcpServiceOptions<TConfig>;
  },
): Promise<Seat[]> {
  const { config, workerCount, current, options } = about;
  const { network } = config;
  // The kernel spreads connections evenly, so each worker has its part of the limits.
  const share = (limit: number) => Math.ceil(limit / workerCount);
  const started = Array.from({ length: workerCount }, (_, index) => {
    const served = addresses.filter((address, addressIndex) =>
      !("path" in address) || addressIndex % workerCount === index
    );
    return pool.start<void>({
      name: `${options.name} ${index}`,
      url: options.workerUrl,
      permissions: permissionsFor(served),
      get start() {
        return {
          core,
          workerIndex: firstWorker + index,
          addresses: served,
          tls: current.tls, // one that takes a dead one's place begins with the certificate of then
          maxConnections: share(network.max_connections),
          maxConnectionsPerAddress: share(network.max_connections_per_address),
          proxyProtocol: network.proxy_protocol,
          idleSeconds: options.idleSeconds,
          requestSeconds: network.request_timeout,
          ...options.also,
        } satisfies TcpWorkerStart;
      },
    });
  });
  return (await Promise.all(started)).map(({ worker }) => worker);
}

/** To listen there and nothing else; for a UNIX socket Deno wants its file as well. */
function permissionsFor(addresses: SocketAddress[]): Deno.PermissionOptionsObject {
  const paths = addresses.flatMap((address) => "path" in address ? [address.path] : []);
  return {
    net: addresses.map(formatSocketAddress),
    ...(paths.length === 0 ? {} : { read: paths, write: paths }),
  };
}
