/** Tells which of many sockets have something to do. A socket that is closed leaves by itself. */

import { type Libc, LibcError, openLibc } from "./libc.ts";
import * as linux from "./linux.ts";

export class Epoll {
  readonly #libc: Libc = openLibc();
  readonly #fd: number;
  readonly #countMax: number;
  readonly #events: Uint32Array;
  readonly #eventBytes: Uint8Array<ArrayBuffer>;
  readonly #change = new Uint32Array(linux.EPOLL_EVENT_WORDS);
  readonly #changeBytes = new Uint8Array(this.#change.buffer as ArrayBuffer);

  /**
   * @param countMax Sockets that one `wait()` tells of, at most.
   * @throws LibcError
   */
  constructor(countMax: number) {
    this.#fd = this.#libc.symbols.epoll_create1(linux.SOCK_CLOEXEC);
    if (this.#fd < 0) throw new LibcError("create an epoll instance", this.#libc.errno());
    this.#countMax = countMax;
    const events = new ArrayBuffer(countMax * linux.EPOLL_EVENT_WORDS * 4);
    this.#events = new Uint32Array(events);
    this.#eventBytes = new Uint8Array(events);
  }

  /**
   * @param tag A u32 that its events carry.
   * @param interest EPOLL* bits.
   */
  add(fd: number, tag: number, interest: number): void {
    this.#control(linux.EPOLL_CTL_ADD, fd, tag, interest);
  }

  change(fd: number, tag: number, interest: number): void {
    this.#control(linux.EPOLL_CTL_MOD, fd, tag, interest);
  }

  /** @throws LibcError The system allows no more of them, or has no memory. */
  #control(operation: number, fd: number, tag: number, interest: number): void {
    this.#change[0] = interest;
    this.#change[linux.EPOLL_EVENT_DATA_WORD] = tag;
    if (this.#libc.symbols.epoll_ctl(this.#fd, operation, fd, this.#changeBytes) !== 0) {
      throw new LibcError("watch a socket", this.#libc.errno());
    }
  }

  /**
   * Waits for the first.
   * @returns How many there are, 0 when the time is up.
   * @throws LibcError It is no epoll instance, and would be asked again without a pause.
   */
  wait(timeoutMs: number): number {
    const { symbols } = this.#libc;
    const count = symbols.epoll_wait(this.#fd, this.#eventBytes, this.#countMax, timeoutMs);
    if (count >= 0) return count;
    const errno = this.#libc.errno();
    if (errno === linux.EINTR) return 0;
    throw new LibcError("wait for sockets", errno);
  }

  /** What happened, as EPOLL* bits, in an event of the last `wait()`. */
  events(index: number): number {
    return this.#events[index * linux.EPOLL_EVENT_WORDS]!;
  }

  /** The tag of an event of the last `wait()`. */
  tag(index: number): number {
    return this.#events[index * linux.EPOLL_EVENT_WORDS + linux.EPOLL_EVENT_DATA_WORD]!;
  }

  close(): void {
    this.#libc.symbols.close(this.#fd);
  }
}
