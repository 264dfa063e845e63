/**
 * TCP sockets of Linux, as the load tests need them: nothing blocks, failure is a
 * negative errno, and nothing is allocated for a call.
 */

import { openLibc } from "../../server/native/libc.ts";
import * as linux from "../../server/native/linux.ts";
import { writeSocketAddress } from "../../server/native/socket_address.ts";
import type { SocketAddress } from "./common_config.ts";

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
  const family = server.hostname.includes(":") ? linux.AF_INET6 : linux.AF_INET;
  const fd = libc.symbols.socket(
    family,
    linux.SOCK_STREAM | linux.SOCK_CLOEXEC | linux.SOCK_NONBLOCK,
    0,
  );
  if (fd < 0) return { fd: -libc.errno(), isOpen: false };
  libc.symbols.setsockopt(fd, linux.SOL_TCP, linux.TCP_NODELAY, ON, ON.length);
  const source = writeSocketAddress({ hostname: sourceHostname, port: 0 });
  libc.symbols.setsockopt(fd, linux.SOL_IP, linux.IP_BIND_ADDRESS_NO_PORT, ON, ON.length);
  if (libc.symbols.bind(fd, source, source.length) !== 0) return failed(fd);
  if (libc.symbols.connect(fd, name, name.length) === 0) return { fd, isOpen: true };
  const errno = libc.errno();
  if (errno === linux.EINPROGRESS) return { fd, isOpen: false };
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
  const received = libc.symbols.recv(fd, room, BigInt(room.length), 0);
  return received >= 0 ? received : -libc.errno();
}

/** @returns Bytes, or a negative errno. */
export function send(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  const sent = libc.symbols.send(fd, bytes, BigInt(bytes.length), linux.MSG_NOSIGNAL);
  return sent >= 0 ? sent : -libc.errno();
}
