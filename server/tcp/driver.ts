/**
 * How a worker's connections are opened and moved: by Deno's own sockets (`deno_driver.ts`) or
 * through the C library of Linux (`native_driver.ts`). Whoever serves a connection need not know.
 */
import type { HttpCore } from "../../wasm/http_core.ts";
import type { Wakes } from "../../wasm/wakes.ts";
import type { TlsKeyPair } from "../certificate.ts";
import type { SocketAddress } from "../config/address.ts";

/** A client's connection; Deno's own are such. One read and one write at a time. */
export interface Connected {
  /** Receives some bytes; null once the client has sent its last. */
  read(into: Uint8Array): number | null | Promise<number | null>;
  /** Sends some of the bytes, one at least. */
  write(bytes: Uint8Array): number | Promise<number>;
  /** Sends no more. */
  closeWrite(): void | Promise<void>;
  /** What waits on it rejects. */
  close(): void;
  /** With TLS only: agrees on keys. */
  handshake?(): Promise<unknown>;
  /** Whether `close()` is heeded within the handshake. */
  isClosedAtOnce?: boolean;
}

/** Where clients connect. */
export interface Listening<T extends Connected = Connected> {
  /** @param mayPause Whether others may get their turn before it looks who waits. */
  accept(mayPause: boolean): Promise<T>;
  close(): void;
}

export interface DriverOptions {
  /** All that the worker listens on. */
  addresses: readonly SocketAddress[];
  /** Hears of a fault. */
  endProcess(error: unknown): void;
}

export interface Driver<T extends Connected = Connected> {
  /** Several workers, and an old and a new one, share an address. @throws StartError */
  listen(address: SocketAddress, tls: TlsKeyPair | undefined): Listening<T>;
  /** Makes who has connected the core's sender; returns whether that is an IPv6 address. */
  tellSender(core: HttpCore, conn: T): boolean;
  /** Calls once, and whenever another worker has woken this one. */
  whenWoken(wakes: Wakes, call: () => void): void;
  /** Ends with everything that is open. */
  stop(): void;
}
