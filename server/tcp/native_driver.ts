/**
 * Connections through the C library of Linux: sockets that never block, watched by epoll.
 *
 * One turn waits for the first of many sockets and tells each what happened; then clients go on
 * with what they got, as jobs of the promises that were settled. So nothing is closed while sockets
 * are told, and a tag names the socket that it named when the system was asked.
 * Timers and messages have a turn of the worker's event loop from time to time: after each of ours
 * it would cost 16 µs, as much as a whole request.
 *
 * Descriptors belong to the process and would outlive a worker that dies: the kernel would go on
 * giving them clients. So a worker that fails closes them first.
 */
import { setImmediate } from "node:timers";
import type { HttpCore } from "../../wasm/http_core.ts";
import type { Wakes } from "../../wasm/wakes.ts";
import type { TlsKeyPair } from "../certificate.ts";
import type { SocketAddress } from "../config/address.ts";
import { Epoll } from "../native/epoll.ts";
import { LibcError, openLibc } from "../native/libc.ts";
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../native/linux.ts";
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from "../native/linux.ts";
import type { Driver, DriverOptions } from "./driver.ts";
import type { NativeConn } from "./native_conn.ts";
import { NativeListener } from "./native_listener.ts";

/** A socket that the driver watches. */
export interface Watched {
  readonly fd: number;
  /** @param events EPOLL* bits of what has happened since the last time. */
  happened(events: number): void;
  /** Its turn has come, which it had given up. */
  resume(): void;
  close(): void;
}

const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLET;
/** Sockets that one turn tells of. */
const EVENTS_MAX = 256;
/** What an eventfd takes: a u64 that it adds. */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);
/** Between two turns of the worker's event loop. */
const LOOP_MILLISECONDS = 25;
/**
 * Clients are done for this turn when so many jobs, one behind the other, had none of them read,
 * write or accept: from a read to its answer and the next read are five, and an acceptor that is
 * relieved waits for 16 to see whether anybody comes.
 */
const QUIET_JOBS = 20;
/** What takes more goes on in the next turn, which does not wait for events then. */
const JOBS_PER_TURN = 256;

export class NativeDriver implements Driver<NativeConn> {
  readonly libc = openLibc();
  /** Grows with each turn. */
  turn = 0;
  /** Whether a client has done something: each read, write and accept says so. */
  hasStirred = false;
  readonly #epoll = new Epoll(EVENTS_MAX);
  /** All that are open, by descriptor. */
  readonly #open: (Watched | undefined)[] = [];
  /** Those that go on in the next turn. */
  #waiting: Watched[] = [];
  readonly #endProcess: (error: unknown) => void;
  readonly #addresses: readonly SocketAddress[];
  #isStopped = false;
  #woken: { wakes: Wakes; fd: number; call(): void } | undefined;
  readonly #wake = (fd: number) => void this.libc.symbols.write(fd, ONE, 8n);

  constructor({ addresses, endProcess }: DriverOptions) {
    this.#addresses = addresses;
    this.#endProcess = endProcess;
    for (const fault of ["error", "unhandledrejection"]) {
      addEventListener(fault, () => this.stop());
    }
    this.#run();
  }

  listen(address: SocketAddress, tls: TlsKeyPair | undefined): NativeListener {
    return NativeListener.open(this, address, { served: this.#addresses, tls });
  }

  tellSender(core: HttpCore, conn: NativeConn): boolean {
    return conn.tellSender(core);
  }

  /** From now on what is open ends with the driver. */
  opened(socket: Watched): void {
    this.#open[socket.fd] = socket;
  }

  /**
   * Has a socket told that there is something to read, also if there is by now.
   * @throws LibcError
   */
  watch({ fd }: Watched): void {
    this.#epoll.add(fd, fd, READABLE);
  }

  /** Has one that is watched told that there is room to write as well. @throws LibcError */
  watchRoom({ fd }: Watched): void {
    this.#epoll.change(fd, fd, READABLE | EPOLLOUT);
  }

  /** Lets others go first. */
  resumeLater(socket: Watched): void {
    this.#waiting.push(socket);
  }

  /** To be called before the descriptor is closed. */
  closing(fd: number): void {
    this.#open[fd] = undefined;
  }

  /**
   * By an eventfd, which stays open for whoever takes this worker's place: another thread may be
   * about to write to its number.
   */
  whenWoken(wakes: Wakes, call: () => void): void {
    if (wakes.descriptor === 0) {
      const fd = this.libc.symbols.eventfd(0, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) throw new LibcError("create an eventfd", this.libc.errno());
      wakes.descriptor = fd;
    }
    const fd = wakes.descriptor;
    this.#woken = { wakes, fd, call };
    this.#epoll.add(fd, fd, EPOLLIN | EPOLLET);
    call();
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const socket of this.#open) socket?.close();
    this.#epoll.close();
  }

  async #run(): Promise<void> {
    try {
      for (let loopedAt = 0, quiet = 0; !this.#isStopped;) {
        const mayWait = quiet === QUIET_JOBS && this.#waiting.length === 0;
        this.#take(mayWait ? LOOP_MILLISECONDS : 0);
        quiet = 0;
        for (let job = 0; job < JOBS_PER_TURN && quiet < QUIET_JOBS; ++job) {
          this.hasStirred = false;
          await undefined;
          quiet = this.hasStirred ? 0 : quiet + 1;
        }
        if (performance.now() - loopedAt < LOOP_MILLISECONDS) continue;
        await new Promise((resolve) => setImmediate(resolve));
        loopedAt = performance.now();
      }
    } catch (error) {
      this.#endProcess(error);
    }
  }

  /** Waits for what happens, and tells those whom it concerns. */
  #take(timeoutMs: number): void {
    this.#woken?.wakes.takeWoken(this.#wake);
    const count = this.#epoll.wait(timeoutMs);
    ++this.turn;
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      this.#waiting = [];
      for (const socket of waiting) socket.resume();
    }
    let isWoken = false;
    for (let index = 0; index < count; ++index) {
      const tag = this.#epoll.tag(index);
      if (tag === this.#woken?.fd) isWoken = true;
      else this.#open[tag]?.happened(this.#epoll.events(index));
    }
    if (isWoken) this.#woken!.call(); // may close some
  }
}
