/** Connections through Deno's own sockets. UNIX sockets cannot be shared between workers. */
import type { HttpCore } from "../../wasm/http_core.ts";
import type { Wakes } from "../../wasm/wakes.ts";
import type { TlsKeyPair } from "../certificate.ts";
import { writeClientAddress } from "../client_address.ts";
import { formatSocketAddress, type SocketAddress } from "../config/address.ts";
import { StartError } from "../errors.ts";
import { EXIT_UNAVAILABLE } from "../exit_status.ts";
import type { Driver, DriverOptions } from "./driver.ts";

const ALPN_PROTOCOLS = ["http/1.1", "http/1.0"];

export class DenoDriver implements Driver<Deno.Conn> {
  readonly #endProcess: (error: unknown) => void;

  constructor({ endProcess }: Pick<DriverOptions, "endProcess">) {
    this.#endProcess = endProcess;
  }

  listen(address: SocketAddress, tls: TlsKeyPair | undefined): Deno.Listener {
    try {
      if ("path" in address) return Deno.listen({ transport: "unix", path: address.path });
      const { hostname, port } = address;
      const shared = { hostname, port, reusePort: true };
      return tls === undefined
        ? Deno.listen(shared)
        : Deno.listenTls({ ...shared, alpnProtocols: ALPN_PROTOCOLS, ...tls });
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      throw new StartError(
        `Cannot listen on ${formatSocketAddress(address)}: ${(error as Error).message}`,
        EXIT_UNAVAILABLE,
      );
    }
  }

  tellSender(core: HttpCore, { remoteAddr }: Deno.Conn): boolean {
    if (remoteAddr.transport !== "tcp") {
      core.setLocalSender();
      return false;
    }
    const isIpv6 = writeClientAddress(core.senderBytes, remoteAddr.hostname);
    core.setSender(isIpv6, remoteAddr.port);
    return isIpv6;
  }

  whenWoken(wakes: Wakes, call: () => void): void {
    const run = async () => {
      while (true) {
        const { count } = wakes;
        call();
        await wakes.changed(count);
      }
    };
    run().catch(this.#endProcess);
  }

  stop(): void {} // They end with the worker.
}
