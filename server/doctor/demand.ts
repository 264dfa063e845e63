/** What a configuration demands of the machine, whatever the protocol. */
import type { PermissionNeed } from "../permissions.ts";
import { countWorkers } from "../service.ts";

/** What one protocol of a configuration demands. */
export interface Listener {
  protocol: string;
  transport: "udp" | "tcp";
  addresses: readonly string[];
  workers: number;
  /** Open files for clients: TCP connections. */
  connections: number;
  /** Asked for each UDP socket; 0 is the system's default. */
  receiveBufferBytes: number;
  /** Whether it calls the C library, which can tell what the kernel drops. */
  isNative: boolean;
  certificatePath?: string;
  keyPath?: string;
}

/** What a whole configuration demands. */
export interface Demand {
  /** The command that runs it. */
  command: string;
  configPath: string;
  limitMib: number;
  listeners: readonly Listener[];
  permissions: readonly PermissionNeed[];
}

interface ListenerConfig {
  socket_workers: number | "auto";
  network: {
    address: string[];
    io?: "deno" | "native";
    socket_recv_buffer_size?: number;
    max_connections?: number;
    enable_tls?: boolean;
    tls_certificate_path?: string;
    tls_private_key_path?: string;
  };
}

/**
 * Reads what a protocol's configuration, or its table in a tracker's, demands.
 * @param options.isServedElsewhere Whether the workers of another protocol serve its addresses:
 * threads and connections are then counted there.
 */
export function toListener(
  protocol: string,
  config: ListenerConfig,
  { isServedElsewhere = false }: { isServedElsewhere?: boolean } = {},
): Listener {
  const { network, socket_workers } = config;
  const isUdp = protocol === "udp";
  const isNative = network.io === "native";
  const workers = isUdp && !isNative ? network.address.length : countWorkers(socket_workers);
  return {
    protocol,
    transport: isUdp ? "udp" : "tcp",
    addresses: network.address,
    workers: isServedElsewhere ? 0 : workers,
    connections: isServedElsewhere ? 0 : network.max_connections ?? 0,
    receiveBufferBytes: network.socket_recv_buffer_size ?? 0,
    isNative,
    ...network.enable_tls
      ? { certificatePath: network.tls_certificate_path, keyPath: network.tls_private_key_path }
      : {},
  };
}
