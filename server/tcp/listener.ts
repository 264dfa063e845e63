/** Listening sockets of a worker; several workers, and an old and a new one, share an address. */
import type { TlsKeyPair } from "../certificate.ts";
import { formatListenAddress, type ListenAddress } from "../config/address.ts";
import { StartError } from "../errors.ts";
import { EXIT_UNAVAILABLE } from "../exit_status.ts";

const ALPN_PROTOCOLS = ["http/1.1", "http/1.0"];

/** Opens a listener. @throws StartError */
export function openListener(
  address: ListenAddress,
  tls: TlsKeyPair | undefined,
): Deno.Listener {
  const { hostname, port } = address;
  try {
    return tls === undefined
      ? Deno.listen({ hostname, port, reusePort: true })
      : Deno.listenTls({ hostname, port, reusePort: true, alpnProtocols: ALPN_PROTOCOLS, ...tls });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(
      `Cannot listen on ${formatListenAddress(address)}: ${(error as Error).message}`,
      EXIT_UNAVAILABLE,
    );
  }
}
