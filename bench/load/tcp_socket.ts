/**
 * TCP sockets and epoll of Linux, as the load tests need them: nothing blocks, failure is a
 * negative errno, and nothing is allocated for a call.
 */

import { findLibc, openLibc } from "../../protocols/udp/libc.ts";
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOL_IP } from "../../protocols/udp/linux.ts";
import { writeSocketAddress } from "../../protocols/udp/udp_socket.ts";
import type { SocketAddress } from "./common_config.ts";

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
/** bind() leaves the choice of a port to connect(): a port then serves one for every other side. */
const IP_BIND_ADDRESS_NO_PORT = 24;
const MSG_NOSIGNAL = 0x4000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EINPROGRESS = 115;

/** struct epoll_event is packed on x86-64 only: u32 events, then u64 data. */
const EVENT_WORDS = Deno.build.arch === "x86_64" ? 3 : 4;
const EVENT_DATA_WORD = Deno.build.arch === "x86_64" ? 1 : 2;

const library = Deno.dlopen(findLibc(), {
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
}).symbols;
const libc = openLibc();
const ON = new Uint8Array([1, 0, 0, 0]);

/**
 * Begins to connect.
 * @returns The descriptor, and whether the connection stands; or a negative errno.
 */
export function connect(
  server: SocketAddress,
  sourceHostname: string,
): { fd: number; isOpen: boolean } {
  const name = writeSocketAddress(server);
  const family = server.hostname.includes(":") ? AF_INET6 : AF_INET;
  const fd = libc.symbols.socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return { fd: -libc.errno(), isOpen: false };
  libc.symbols.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ON, ON.length);
  const source = writeSocketAddress({ hostname: sourceHostname, port: 0 });
  libc.symbols.setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, ON, ON.length);
  if (libc.symbols.bind(fd, source, source.length) !== 0) return failed(fd);
  if (libc.symbols.connect(fd, name, name.length) === 0) return { fd, isOpen: true };
  const errno = libc.errno();
  if (errno === EINPROGRESS) return { fd, isOpen: false };
  close(fd);
  return { fd: -errno, isOpen: false };
}

function failed(fd: number): { fd: number; isOpen: false } {
  const errno = libc.errno();
  close(fd);
  return { fd: -errno, isOpen: false };
}

export function close(fd: number): void {
  libc.symbols.close(fd);
}

/** @returns Bytes, 0 at the end, or a negative errno. */
export function receive(fd: number, room: Uint8Array<ArrayBuffer>): number {
  const received = Number(library.recv(fd, room, BigInt(room.length), 0));
  return received >= 0 ? received : -libc.errno();
}

/** @returns Bytes, or a negative errno. */
export function send(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  const sent = Number(library.send(fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL));
  return sent >= 0 ? sent : -libc.errno();
}

/** Tells which of many sockets have something to do. A closed socket leaves by itself. */
export class Epoll {
  readonly #fd: number;
  readonly #countMax: number;
  readonly #events: Uint32Array;
  readonly #eventBytes: Uint8Array<ArrayBuffer>;
  readonly #change = new Uint32Array(EVENT_WORDS);
  readonly #changeBytes = new Uint8Array(this.#change.buffer as ArrayBuffer);

  /** @param countMax Sockets that one `wait()` tells of, at most. */
  constructor(countMax: number) {
    this.#fd = library.epoll_create1(0);
    if (this.#fd < 0) throw new Error("Cannot create an epoll instance");
    this.#countMax = countMax;
    const events = new ArrayBuffer(countMax * EVENT_WORDS * 4);
    this.#events = new Uint32Array(events);
    this.#eventBytes = new Uint8Array(events);
  }

  add(fd: number, tag: number, interest: number): void {
    this.#control(EPOLL_CTL_ADD, fd, tag, interest);
  }

  change(fd: number, tag: number, interest: number): void {
    this.#control(EPOLL_CTL_MOD, fd, tag, interest);
  }

  #control(operation: number, fd: number, tag: number, interest: number): void {
    this.#change[0] = interest;
    this.#change[EVENT_DATA_WORD] = tag;
    library.epoll_ctl(this.#fd, operation, fd, this.#changeBytes);
  }

  /** Waits for the first. @returns How many there are. */
  wait(timeoutMs: number): number {
    return Math.max(0, library.epoll_wait(this.#fd, this.#eventBytes, this.#countMax, timeoutMs));
  }

  /** The tag of an event of the last `wait()`. */
  tag(index: number): number {
    return this.#events[index * EVENT_WORDS + EVENT_DATA_WORD]!;
  }

  close(): void {
    close(this.#fd);
  }
}
