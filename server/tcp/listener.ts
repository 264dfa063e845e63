/**
 * Listening sockets of a worker; several workers, and an old and a new one, share an address. UNIX
 * sockets cannot be shared.
 */
import type { TlsKeyPair } from "../certificate.ts";
import { formatSocketAddress, type SocketAddress } from "../config/address.ts";
import { StartError } from "../errors.ts";
import { EXIT_UNAVAILABLE } from "../exit_status.ts";

const ALPN_PROTOCOLS = ["http/1.1", "http/1.0"];

/** Opens a listener. @throws StartError */
export function openListener(
  address: SocketAddress,
  tls: TlsKeyPair | undefined,
): Deno.Listener {
  try {
    if ("path" in address) return Deno.listen({ transport: "unix", path: address.path });
    const { hostname, port } = address;
    return tls === undefined
      ? Deno.listen({ hostname, port, reusePort: true })
      : Deno.listenTls({ hostname, port, reusePort: true, alpnProtocols: ALPN_PROTOCOLS, ...tls });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(
      `Cannot listen on ${formatSocketAddress(address)}: ${(error as Error).message}`,
      EXIT_UNAVAILABLE,
    );
  }
}
