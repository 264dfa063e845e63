/**
 * What the load tests over TCP share: a session is one connection's half of a protocol without a
 * socket, a driver moves bytes for many of them. `tcp_native.ts` and `tcp_deno.ts` are drivers.
 */

import type { SocketAddress } from "./common_config.ts";
import type { Pacer } from "./pacer.ts";

/** Bytes that `Session.write()` may fill at once. */
export const SEND_ROOM = 256 * 1024;

/** One connection's half of a protocol. */
export interface Session {
  /** The address that it connects from, where the system lets it choose. */
  readonly sourceHostname: string;
  readonly server: SocketAddress;
  /** A connection stands, with nothing sent or received. */
  open(nowMs: number): void;
  /**
   * Writes the requests that are due and that there is room for.
   * @returns Bytes in `output`; 0: nothing to send now.
   */
  write(output: Uint8Array, nowMs: number): number;
  /**
   * Takes bytes that came; they are the driver's again when it returns.
   * @returns false: the connection has served, and is to be closed.
   */
  read(bytes: Uint8Array, nowMs: number): boolean;
  /** The connection has ended: what still waits for an answer is lost. */
  end(): void;
  /** Says whether a request has waited longer than the settings allow; it is then given up. */
  hasTimedOut(nowMs: number): boolean;
}

/** What a driver runs. */
export interface DriverOptions {
  sessions: readonly Session[];
  pacer: Pacer;
  /** COUNTER_COUNT numbers. */
  counters: Float64Array;
  /** Connections opened in a second, at most; 0: as fast as they can be. */
  connectionsPerSecond: number;
  /** Certificates to trust, PEM; undefined: no TLS. */
  tls: { trusted: string[] } | undefined;
}

/** Bytes of a message that has not come whole. */
export class Remainder {
  #bytes = new Uint8Array(4096);
  #length = 0;
  readonly #lengthMax: number;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Puts what came behind what was there; the result is valid until the next call. */
  join(bytes: Uint8Array): Uint8Array {
    if (this.#length === 0) return bytes;
    this.#append(bytes);
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * Keeps the end of what `join()` gave.
   * @returns false: it is longer than any message may be.
   */
  keep(rest: Uint8Array): boolean {
    if (rest.length > this.#lengthMax) return false;
    if (rest.buffer === this.#bytes.buffer) {
      this.#bytes.copyWithin(0, rest.byteOffset, rest.byteOffset + rest.length);
      this.#length = rest.length;
    } else {
      this.#length = 0;
      this.#append(rest);
    }
    return true;
  }

  #append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }
}

/**
 * Opens a connection to every tracker, to say early that nobody listens.
 * @throws {Error} One cannot be opened.
 */
export async function requireListeners(servers: readonly SocketAddress[]): Promise<void> {
  for (const { hostname, port } of servers) {
    try {
      (await Deno.connect({ hostname, port })).close();
    } catch (error) {
      throw new Error(`Cannot connect to ${hostname}:${port}: ${(error as Error).message}`);
    }
  }
}
