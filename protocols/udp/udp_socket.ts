/**
 * UDP sockets of Linux that receive and send in batches, from memory that the caller lays out.
 *
 * `receive()` and `send()` take the address of an array of struct mmsghdr (linux.ts has the layout;
 * `Libc.addressOf()` tells where a memory lies) and report failure as a number, so that the data
 * plane never throws. Everything else throws `LibcError`. A socket belongs to the thread that
 * opened it.
 */

import { type Libc, LibcError, openLibc } from "../../server/native/libc.ts";
import * as linux from "../../server/native/linux.ts";
import {
  formatAddress,
  readSocketAddress,
  type SocketAddress,
  writeSocketAddress,
} from "../../server/native/socket_address.ts";

export interface UdpSocketOptions {
  /** Lets other sockets of the same user bind the same address; the kernel spreads what arrives. */
  reusePort?: boolean;
  /** An IPv6 socket takes no IPv4 traffic. Default: true. */
  v6Only?: boolean;
  /** Each datagram comes with a control message that names the address it was sent to. */
  packetInfo?: boolean;
  /** Datagrams come with the count of those that the kernel has dropped, once there are any. */
  dropCounter?: boolean;
  /** Bytes, 0 or absent leaves the system's default; `receiveBufferBytes` says what was given. */
  receiveBufferBytes?: number;
  /** Bytes, as above. */
  sendBufferBytes?: number;
  /** How long `receive()` and `send()` may block, 0 or absent: for ever. */
  timeoutMs?: number;
}

/** One bound UDP socket. */
export class UdpSocket {
  /** Descriptor, -1 once closed. */
  #fd: number;
  readonly #libc: Libc;

  private constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** Opens a socket and binds it; port 0 lets the system choose. */
  static open(address: SocketAddress, options: UdpSocketOptions = {}): UdpSocket {
    const libc = openLibc();
    const where = formatAddress(address);
    const name = writeSocketAddress(address);
    const isIpv6 = name.byteLength === linux.SOCKADDR_IN6_SIZE;
    const family = isIpv6 ? linux.AF_INET6 : linux.AF_INET;
    const fd = libc.symbols.socket(family, linux.SOCK_DGRAM | linux.SOCK_CLOEXEC, 0);
    if (fd < 0) throw new LibcError(`open a socket for ${where}`, libc.errno());
    const socket = new UdpSocket(libc, fd);
    try {
      socket.#configure(isIpv6, options);
      if (libc.symbols.bind(fd, name, name.byteLength) !== 0) {
        throw new LibcError(`bind ${where}`, libc.errno());
      }
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  }

  get fd(): number {
    return this.#fd;
  }

  /** Sends to and receives from one address only; the headers then need no names. */
  connect(address: SocketAddress): void {
    const name = writeSocketAddress(address);
    if (this.#libc.symbols.connect(this.#fd, name, name.byteLength) !== 0) {
      throw new LibcError(`connect to ${formatAddress(address)}`, this.#libc.errno());
    }
  }

  /**
   * Receives up to `count` datagrams into the headers at `headers`, and blocks for the first one
   * unless `flags` is MSG_DONTWAIT. The kernel overwrites the lengths of names and control messages
   * with what it filled: set them again before the next call.
   * @returns Datagrams received, 0 when none came in time, or a negative errno.
   */
  receive(headers: bigint, count: number, flags: number = linux.MSG_WAITFORONE): number {
    const received = this.#libc.symbols.recvmmsg(this.#fd, headers, count, flags, 0n);
    return received >= 0 ? received : this.#failure();
  }

  /**
   * Sends up to `count` datagrams from the headers at `headers`. When one cannot be sent, those
   * before it are, and the next call, beginning with it, reports the reason.
   * @returns Datagrams sent, 0 when none went in time, or a negative errno.
   */
  send(headers: bigint, count: number): number {
    const sent = this.#libc.symbols.sendmmsg(this.#fd, headers, count, 0);
    return sent >= 0 ? sent : this.#failure();
  }

  /**
   * Sends all `count` datagrams but those that cannot be sent: each is tried once, and with
   * MSG_DONTWAIT in `flags` none is waited for.
   * @returns How many were not sent.
   */
  sendAll(headers: bigint, count: number, flags = 0): number {
    let done = this.#libc.symbols.sendmmsg(this.#fd, headers, count, flags);
    if (done === count) return 0;
    let failed = 0;
    while (true) {
      if (done < 0) {
        ++failed;
        done = 1;
      }
      headers += BigInt(done * linux.MMSGHDR_SIZE);
      count -= done;
      if (count === 0) return failed;
      done = this.#libc.symbols.sendmmsg(this.#fd, headers, count, flags);
    }
  }

  /** The address it is bound to, with the port that the system chose. */
  localAddress(): SocketAddress {
    const name = new Uint8Array(linux.SOCKADDR_IN6_SIZE);
    const length = new Uint32Array([name.byteLength]);
    if (this.#libc.symbols.getsockname(this.#fd, name, length) !== 0) {
      throw new LibcError("read the address of a socket", this.#libc.errno());
    }
    return readSocketAddress(name);
  }

  /**
   * What the kernel has granted, in the unit of the option (it keeps twice that for its own
   * overhead). Less than was asked for means that net.core.rmem_max is lower and that the process
   * has no CAP_NET_ADMIN: the caller should say so.
   */
  get receiveBufferBytes(): number {
    return this.#option(linux.SOL_SOCKET, linux.SO_RCVBUF) / 2;
  }

  /** As `receiveBufferBytes`; the limit is net.core.wmem_max. */
  get sendBufferBytes(): number {
    return this.#option(linux.SOL_SOCKET, linux.SO_SNDBUF) / 2;
  }

  /** Closes it; closing twice is harmless. */
  close(): void {
    if (this.#fd >= 0) this.#libc.symbols.close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #configure(isIpv6: boolean, options: UdpSocketOptions): void {
    if (options.reusePort) this.#setOption(linux.SOL_SOCKET, linux.SO_REUSEPORT, 1);
    if (isIpv6) {
      this.#setOption(linux.SOL_IPV6, linux.IPV6_V6ONLY, options.v6Only === false ? 0 : 1);
    }
    if (options.packetInfo) {
      if (isIpv6) this.#setOption(linux.SOL_IPV6, linux.IPV6_RECVPKTINFO, 1);
      else this.#setOption(linux.SOL_IP, linux.IP_PKTINFO, 1);
    }
    if (options.dropCounter) this.#setOption(linux.SOL_SOCKET, linux.SO_RXQ_OVFL, 1);
    this.#setBuffer(options.receiveBufferBytes ?? 0, linux.SO_RCVBUFFORCE, linux.SO_RCVBUF);
    this.#setBuffer(options.sendBufferBytes ?? 0, linux.SO_SNDBUFFORCE, linux.SO_SNDBUF);
    const timeoutMs = options.timeoutMs ?? 0;
    if (timeoutMs > 0) {
      const timeval = new BigInt64Array([
        BigInt(Math.floor(timeoutMs / 1000)),
        BigInt(Math.round((timeoutMs % 1000) * 1000)),
      ]);
      this.#set(linux.SOL_SOCKET, linux.SO_RCVTIMEO, timeval);
      this.#set(linux.SOL_SOCKET, linux.SO_SNDTIMEO, timeval);
    }
  }

  /**
   * `force` may exceed the system's limit and needs CAP_NET_ADMIN; the other is cut to the limit.
   */
  #setBuffer(byteLength: number, force: number, ordinary: number): void {
    if (byteLength === 0) return;
    const value = new Int32Array([byteLength]);
    if (this.#libc.symbols.setsockopt(this.#fd, linux.SOL_SOCKET, force, value, 4) !== 0) {
      this.#set(linux.SOL_SOCKET, ordinary, value);
    }
  }

  #setOption(level: number, option: number, value: number): void {
    this.#set(level, option, new Int32Array([value]));
  }

  #set(level: number, option: number, value: Int32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>) {
    this.#libc.setOption(this.#fd, [level, option], value);
  }

  #option(level: number, option: number): number {
    const value = new Int32Array(1);
    const length = new Uint32Array([4]);
    if (this.#libc.symbols.getsockopt(this.#fd, level, option, value, length) !== 0) {
      throw new LibcError(`read option ${level}/${option} of a socket`, this.#libc.errno());
    }
    return value[0]!;
  }

  #failure(): number {
    const errno = this.#libc.errno();
    return errno === linux.EAGAIN || errno === linux.EINTR ? 0 : -errno;
  }
}

/** Waits for any of some sockets; it allocates nothing after it was made. */
export class SocketPoll {
  readonly #libc = openLibc();
  readonly #entries: Uint8Array<ArrayBuffer>;
  readonly #seen: Int16Array;
  readonly #count: bigint;

  constructor(sockets: readonly UdpSocket[]) {
    const entries = new ArrayBuffer(sockets.length * linux.POLLFD_SIZE);
    const descriptors = new Int32Array(entries);
    this.#seen = new Int16Array(entries);
    sockets.forEach((socket, index) => {
      descriptors[index * 2] = socket.fd;
      this.#seen[index * 4 + 2] = linux.POLLIN;
    });
    this.#entries = new Uint8Array(entries);
    this.#count = BigInt(sockets.length);
  }

  /**
   * Blocks until a socket has something to receive or the time is up.
   * @returns How many have, 0 when the time is up, or a negative errno.
   */
  wait(timeoutMs: number): number {
    const ready = this.#libc.symbols.poll(this.#entries, this.#count, timeoutMs);
    if (ready >= 0) return ready;
    const errno = this.#libc.errno();
    return errno === linux.EINTR ? 0 : -errno;
  }

  /** Says whether the last `wait()` found something at the socket of this index. */
  isReadable(index: number): boolean {
    return this.#seen[index * 4 + 3] !== 0;
  }
}
