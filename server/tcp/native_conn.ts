/**
 * One client's connection through the C library.
 *
 * A read or a write is tried at once, and waits for epoll only where the system has nothing, or no
 * room. Epoll tells of changes alone (EPOLLET), so what is known of the socket is kept: whether
 * there may be more to read, and whether its end has been seen, which is read behind the last byte.
 * One read a turn: who sends faster than it is answered does not keep the others waiting.
 */
import type { HttpCore } from "../../wasm/http_core.ts";
import * as linux from "../native/linux.ts";
import type { Connected } from "./driver.ts";
import type { NativeDriver, Watched } from "./native_driver.ts";

const { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } = linux;
const ENDED = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** Made once: nobody looks where it was thrown. */
export const RESET = new Deno.errors.ConnectionReset("The client has broken the connection off");
export const CLOSED = new Deno.errors.BadResource("The connection is closed");

/** What waits for the system. */
interface Wait<T> {
  bytes: Uint8Array<ArrayBuffer>;
  resolve(result: T): void;
  reject(error: Error): void;
}

export class NativeConn implements Connected, Watched {
  readonly fd: number;
  readonly #driver: NativeDriver;
  /** struct sockaddr of the client; another's soon. */
  readonly #name: Uint8Array;
  #isWatched = false;
  #isRoomWatched = false;
  #mayRead = true;
  #hasEnded = false;
  /** The turn of the last read. */
  #readIn = -1;
  #reading: Wait<number | null> | undefined;
  #writing: Wait<number> | undefined;
  #isClosed = false;

  constructor(driver: NativeDriver, fd: number, name: Uint8Array) {
    this.#driver = driver;
    this.fd = fd;
    this.#name = name;
    driver.opened(this);
  }

  /** Makes the client the core's sender, when it has just come; returns whether it is IPv6. */
  tellSender(core: HttpCore): boolean {
    const name = this.#name;
    const family = name[0]! | name[1]! << 8;
    if (family === linux.AF_UNIX) {
      core.setLocalSender();
      return false;
    }
    const port = name[linux.SOCKADDR_PORT]! << 8 | name[linux.SOCKADDR_PORT + 1]!;
    const isIpv6 = family === linux.AF_INET6 && !isMapped(name);
    const bytes = core.senderBytes;
    const start = family === linux.AF_INET
      ? linux.SOCKADDR_IN_ADDRESS
      : linux.SOCKADDR_IN6_ADDRESS + (isIpv6 ? 0 : MAPPED_PREFIX.length);
    for (let index = 0; index < (isIpv6 ? 16 : 4); ++index) {
      bytes[index] = name[start + index]!;
    }
    core.setSender(isIpv6, port);
    return isIpv6;
  }

  read(into: Uint8Array): number | null | Promise<number | null> {
    this.#assertOpen();
    this.#driver.hasStirred = true;
    const bytes = into as Uint8Array<ArrayBuffer>; // The C library may write into shared memory.
    if (this.#mayRead && this.#readIn !== this.#driver.turn) {
      const received = this.#receive(bytes);
      if (received !== undefined) return received;
    }
    this.#waitToRead();
    return new Promise((resolve, reject) => {
      this.#reading = { bytes, resolve, reject };
    });
  }

  write(from: Uint8Array): number | Promise<number> {
    this.#assertOpen();
    this.#driver.hasStirred = true;
    const bytes = from as Uint8Array<ArrayBuffer>;
    const sent = this.send(bytes);
    if (sent !== undefined) return sent;
    this.watchRoom();
    return new Promise((resolve, reject) => {
      this.#writing = { bytes, resolve, reject };
    });
  }

  closeWrite(): void {
    this.#assertOpen();
    this.#driver.libc.symbols.shutdown(this.fd, linux.SHUT_WR);
  }

  close(): void {
    this.#assertOpen();
    this.#isClosed = true;
    this.closing();
    this.#driver.closing(this.fd);
    this.#driver.libc.symbols.close(this.fd);
    this.#reading?.reject(CLOSED);
    this.#writing?.reject(CLOSED);
  }

  happened(events: number): void {
    if ((events & ENDED) !== 0) this.#hasEnded = true;
    if ((events & (EPOLLIN | ENDED)) !== 0) {
      this.#mayRead = true;
      if (this.#reading !== undefined) this.#readNow(this.#reading);
    }
    if ((events & (EPOLLOUT | ENDED)) !== 0 && this.#writing !== undefined) {
      this.#writeNow(this.#writing);
    }
  }

  resume(): void {
    if (this.#reading !== undefined && !this.#isClosed) this.#readNow(this.#reading);
  }

  #readNow({ bytes, resolve, reject }: Wait<number | null>): void {
    try {
      const received = this.#receive(bytes);
      if (received === undefined) return this.#waitToRead();
      this.#reading = undefined;
      resolve(received);
    } catch (error) {
      this.#reading = undefined;
      reject(error as Error);
    }
  }

  #writeNow({ bytes, resolve, reject }: Wait<number>): void {
    try {
      const sent = this.send(bytes);
      if (sent === undefined) return;
      this.#writing = undefined;
      resolve(sent);
    } catch (error) {
      this.#writing = undefined;
      reject(error as Error);
    }
  }

  #waitToRead(): void {
    if (this.#mayRead) this.#driver.resumeLater(this);
    else this.watch();
  }

  #receive(bytes: Uint8Array<ArrayBuffer>): number | null | undefined {
    this.#readIn = this.#driver.turn;
    const received = this.receive(bytes);
    if (received !== null) this.#mayRead = this.#hasEnded || this.mayHaveMore(bytes, received);
    return received;
  }

  /** Returns null at the end, undefined where nothing is there yet; throws where it is broken. */
  protected receive(bytes: Uint8Array<ArrayBuffer>): number | null | undefined {
    const { symbols } = this.#driver.libc;
    const received = symbols.recv(this.fd, bytes, BigInt(bytes.length), 0);
    if (received > 0) return received;
    if (received === 0) return null;
    if (this.#driver.libc.errno() !== linux.EAGAIN) throw RESET;
    return undefined;
  }

  /** Whether there may be more behind what `receive` returned; a stream gives all that it has. */
  protected mayHaveMore(bytes: Uint8Array, received: number | undefined): boolean {
    return received === bytes.length;
  }

  /** Returns undefined where there is no room; throws where it is broken. */
  protected send(bytes: Uint8Array<ArrayBuffer>): number | undefined {
    const { symbols } = this.#driver.libc;
    const sent = symbols.send(this.fd, bytes, BigInt(bytes.length), linux.MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (this.#driver.libc.errno() !== linux.EAGAIN) throw RESET;
    return undefined;
  }

  /** Is called once, before the socket is closed. */
  protected closing(): void {}

  /** Most connections of one request are answered before anything has to be waited for. */
  protected watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.#driver.watch(this);
  }

  /** Few clients ever leave no room. */
  protected watchRoom(): void {
    this.watch();
    if (this.#isRoomWatched) return;
    this.#isRoomWatched = true;
    this.#driver.watchRoom(this);
  }

  /** The number may be another's by now. */
  #assertOpen(): void {
    if (this.#isClosed) throw CLOSED;
  }
}

/** Before an IPv4 address in an IPv6 one (RFC 4291, section 2.5.5.2). */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

function isMapped(name: Uint8Array): boolean {
  return MAPPED_PREFIX.every((byte, index) => name[linux.SOCKADDR_IN6_ADDRESS + index] === byte);
}
