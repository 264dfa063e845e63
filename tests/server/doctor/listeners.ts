/** Listeners that the doctor is asked about. */
import { type Demand, type Listener, toListener } from "../../../server/doctor/demand.ts";

export const UDP: Listener = toListener("udp", {
  socket_workers: 2,
  network: {
    address: ["0.0.0.0:3000", "[::]:3000"],
    io: "native",
    socket_recv_buffer_size: 4_000_000,
  },
});
export const HTTPS: Listener = toListener("http", {
  socket_workers: 2,
  network: {
    address: ["0.0.0.0:443", "[::]:443"],
    max_connections: 16_384,
    enable_tls: true,
    tls_certificate_path: "cert.pem",
    tls_private_key_path: "key.pem",
  },
});

/** What a configuration of these listeners demands. */
export function demand(listeners: Listener[], limitMib = 1024): Demand {
  return { command: "udp", configPath: "riptide.toml", limitMib, listeners, permissions: [] };
}
