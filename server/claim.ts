/**
 * Claims addresses before workers bind them: whoever has one already is found now, with a message
 * that names the key of the configuration, and not by a worker.
 */
import { formatListenAddress, type ListenAddress, type SocketAddress } from "./config/address.ts";
import { StartError } from "./errors.ts";
import { EXIT_UNAVAILABLE } from "./exit_status.ts";
import type { Service } from "./service.ts";
import { claimUnixSocket } from "./unix_socket.ts";

/** For whom an address is claimed. */
type Claimant = Pick<Service<never>, "transport" | "keyOf">;

/**
 * Makes sure that nobody else has an address, or, of a port, that it may be shared; returns it with
 * the port that it has.
 */
export async function claim(
  address: SocketAddress,
  service: Claimant & Pick<Service<never>, "takeOver">,
): Promise<SocketAddress> {
  if ("path" in address) {
    await claimUnixSocket(address.path, { key: addressKey(service) });
    return address;
  }
  return service.takeOver ? address : { ...address, port: probe(address, service) };
}

/**
 * Binds an address without sharing it and lets go of it again: with the options that the workers
 * need, a second process would bind it silently and take clients away.
 * @returns The port: the system's choice where it was 0.
 */
export function probe(
  address: ListenAddress,
  claimant: Claimant,
): number {
  const { transport } = claimant;
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
      { key: addressKey(claimant) },
    );
  }
}

/** The key of the configuration that names a service's addresses. */
function addressKey({ keyOf }: Claimant): string {
  return keyOf?.("network.address") ?? "network.address";
}
