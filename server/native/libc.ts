/**
 * The few functions of Linux's C library that the native drivers and the load generators call.
 *
 * Addresses in the process are bigints, and nothing here uses `Deno.UnsafePointer`: every function
 * of that wants the whole FFI permission, while `dlopen` and the calls are content with the one
 * path. Measured on Deno 2.9.6, an empty call with an address: a bigint as "usize" 10-14 ns, a
 * ready-made pointer object the same, a view as "buffer" 25-40 ns, a number as "usize" 140-160 ns
 * (it leaves the fast path), a pointer created for each call 90-140 ns. So: compute the addresses
 * once, keep them as bigints, and let every argument keep its type from call to call.
 *
 * Every call blocks its thread, so a thread that waits here must be a Worker.
 */

import { findLibrary } from "./library.ts";
import { LIBC_PATHS } from "./library_paths.ts";
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, ECONNREFUSED } from "./linux.ts";
import { EHOSTUNREACH, EINVAL, EMFILE, ENETUNREACH, ENOBUFS, EPERM } from "./linux.ts";
import { MADV_HUGEPAGE } from "./linux.ts";

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // What is received and sent at once is below 2 GiB: the lower half of the result is all of it.
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
  recvmmsg: { parameters: ["i32", "usize", "u32", "i32", "usize"], result: "i32" },
  sendmmsg: { parameters: ["i32", "usize", "u32", "i32"], result: "i32" },
  madvise: { parameters: ["usize", "usize", "i32"], result: "i32" },
  errnoAddress: { name: "__errno_location", parameters: [], result: "usize" },
  // memcpy() returns where it copied to: of 0 bytes, it tells the address of a view.
  addressOf: { name: "memcpy", parameters: ["buffer", "buffer", "usize"], result: "usize" },
  copyFrom: { name: "memcpy", parameters: ["buffer", "usize", "usize"], result: "usize" },
} as const;

/** The functions, as `Deno.dlopen` types them. */
export type LibcSymbols = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

/** A system call that failed. */
export class LibcError extends Error {
  override name = "LibcError";
  /** The number that errno held, such as `EADDRINUSE`. */
  readonly errno: number;

  /** @param what Completes "Cannot …", such as `bind 127.0.0.1:3000`. */
  constructor(what: string, errno: number) {
    super(`Cannot ${what}: ${describeErrno(errno)}`);
    this.errno = errno;
  }
}

/** The C library as one thread sees it: errno belongs to the thread. */
export class Libc {
  /** Where it was found, one of `LIBC_PATHS`. */
  readonly path: string;
  readonly symbols: LibcSymbols;
  readonly #errnoAddress: bigint;
  readonly #errno = new Int32Array(1);

  constructor(path: string) {
    this.path = path;
    this.symbols = Deno.dlopen(path, SYMBOLS).symbols;
    this.#errnoAddress = this.symbols.errnoAddress();
  }

  /**
   * Reads errno, 22-35 ns. Only right after a call that said it failed: nothing comes between the
   * two on this thread but the interpreter.
   */
  errno(): number {
    this.symbols.copyFrom(this.#errno, this.#errnoAddress, 4n);
    return this.#errno[0]!;
  }

  /** Sets an option of a socket. @throws LibcError */
  setOption(
    fd: number,
    option: readonly [level: number, name: number],
    value: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>,
  ): void {
    const [level, name] = option;
    if (this.symbols.setsockopt(fd, level, name, value, value.byteLength) !== 0) {
      throw new LibcError(`set option ${level}/${name} of a socket`, this.errno());
    }
  }

  /**
   * Tells where a buffer lies in this process. It never moves, but the caller must keep it
   * referenced for as long as the address is used: nothing else does.
   */
  addressOf(buffer: ArrayBufferLike): bigint {
    const view = new Uint8Array(buffer) as Uint8Array<ArrayBuffer>;
    return this.symbols.addressOf(view, view, 0n);
  }
}

/**
 * Asks for huge pages behind a buffer: fewer misses of the address translation in tables that are
 * read at random. A kernel without them refuses, and nothing is lost.
 * @returns Whether the kernel agreed.
 */
export function adviseHugePages(libc: Libc, buffer: ArrayBufferLike): boolean {
  const byteLength = BigInt(buffer.byteLength);
  return libc.symbols.madvise(libc.addressOf(buffer), byteLength, MADV_HUGEPAGE) === 0;
}

let opened: Libc | undefined;

/**
 * Opens the C library, once per thread.
 * @throws {Deno.errors.NotSupported} The system or architecture is not supported.
 * @throws {Deno.errors.NotCapable} It may be there, but Deno does not grant it.
 * @throws {Deno.errors.NotFound} Deno grants it, but it is in none of the usual places.
 */
export function openLibc(): Libc {
  opened ??= new Libc(findLibc());
  return opened;
}

/** Finds it in the first of the usual places that Deno grants. */
export function findLibc(): string {
  return findLibrary("the C library", LIBC_PATHS);
}

const ERRNO_TEXTS: Readonly<Record<number, string>> = {
  [EPERM]: "not permitted (EPERM)",
  [EAGAIN]: "nothing within the time allowed (EAGAIN)",
  [EACCES]: "permission denied (EACCES)",
  [EINVAL]: "invalid argument (EINVAL)",
  [EMFILE]: "too many open files (EMFILE)",
  [EAFNOSUPPORT]: "the system does not support this address family (EAFNOSUPPORT)",
  [EADDRINUSE]: "the address is in use (EADDRINUSE)",
  [EADDRNOTAVAIL]: "no interface of this machine has this address (EADDRNOTAVAIL)",
  [ENETUNREACH]: "the network is unreachable (ENETUNREACH)",
  [ENOBUFS]: "no buffer space (ENOBUFS)",
  [ECONNREFUSED]: "nobody listens there (ECONNREFUSED)",
  [EHOSTUNREACH]: "the host is unreachable (EHOSTUNREACH)",
};

/** Says what an errno means. */
export function describeErrno(errno: number): string {
  return ERRNO_TEXTS[errno] ?? `system error ${errno}`;
}
