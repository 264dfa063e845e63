/**
 * Moves bytes for many sessions through epoll, on one thread that never returns to its event loop.
 * A fifth of what Deno's own sockets cost, so that the load test is not the bottleneck.
 */

import { Epoll } from "../../server/native/epoll.ts";
import { EAGAIN, EINTR, EPOLLIN, EPOLLOUT } from "../../server/native/linux.ts";
import * as counter from "./counters.ts";
import { type DriverOptions, SEND_ROOM, type Session } from "./tcp_session.ts";
import * as tcp from "./tcp_socket.ts";
import type { LoadLoop } from "./worker.ts";

const EVENTS_MAX = 256;
const RECEIVE_ROOM = 256 * 1024;
const WAIT_MS = 10;
/** How often waiting requests are looked at. */
const SWEEP_MS = 100;
/** Connections begun before the others are looked after, at most. */
const CONNECTS_PER_TURN = 64;

const CLOSED = 0;
const CONNECTING = 1;
const OPEN = 2;

/** One connection. */
interface Link {
  readonly tag: number;
  readonly session: Session;
  fd: number;
  state: number;
  /** What the system did not take yet. */
  unsent: Uint8Array<ArrayBuffer> | undefined;
  /** It is in the list of those that have nothing to send for now. */
  isIdle: boolean;
}

/** Runs sessions over plain TCP. */
export class NativeDriver implements LoadLoop {
  readonly #options: DriverOptions;
  readonly #counters: Float64Array;
  readonly #links: Link[];
  readonly #epoll = new Epoll(EVENTS_MAX);
  readonly #room = new Uint8Array(RECEIVE_ROOM);
  readonly #output = new Uint8Array(SEND_ROOM);
  /** Tags of links to open, and of those that had nothing due. */
  readonly #closed: number[];
  readonly #idle: number[] = [];
  #startMs = 0;
  #connectionCount = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#links = options.sessions.map((session, tag) => (
      { tag, session, fd: -1, state: CLOSED, unsent: undefined, isIdle: false }
    ));
    this.#closed = this.#links.map(({ tag }) => tag).reverse();
  }

  connect(): void {}

  run(isStopped: () => boolean): void {
    const { pacer } = this.#options;
    this.#startMs = performance.now();
    let sweepMs = this.#startMs;
    pacer.start(this.#startMs);
    while (!isStopped()) {
      const nowMs = performance.now();
      this.#connectMore(nowMs);
      this.#sendDue(nowMs);
      const count = this.#epoll.wait(this.#patienceMs(nowMs));
      for (let index = 0; index < count; ++index) {
        this.#handle(this.#links[this.#epoll.tag(index)]!);
      }
      if (nowMs - sweepMs > SWEEP_MS) {
        sweepMs = nowMs;
        this.#sweep(nowMs);
      }
    }
  }

  close(): void {
    for (const link of this.#links) if (link.state !== CLOSED) tcp.close(link.fd);
    this.#epoll.close();
  }

  /** How long nothing but the network can bring work. */
  #patienceMs(nowMs: number): number {
    if (this.#mayConnect(nowMs) > 0) return 0;
    const { pacer } = this.#options;
    if (!pacer.isOpen || this.#idle.length === 0) return WAIT_MS;
    return Math.floor(Math.min(WAIT_MS, pacer.waitMs(nowMs)));
  }

  /** How many connections may be begun now. */
  #mayConnect(nowMs: number): number {
    const { connectionsPerSecond } = this.#options;
    const allowed = connectionsPerSecond === 0
      ? CONNECTS_PER_TURN
      : 1 + Math.floor((nowMs - this.#startMs) / 1000 * connectionsPerSecond) -
        this.#connectionCount;
    return Math.min(CONNECTS_PER_TURN, allowed, this.#closed.length);
  }

  #connectMore(nowMs: number): void {
    for (let left = this.#mayConnect(nowMs); left > 0; --left) {
      this.#connect(this.#links[this.#closed.pop()!]!, nowMs);
    }
  }

  #connect(link: Link, nowMs: number): void {
    ++this.#connectionCount;
    const { fd, isOpen } = tcp.connect(link.session.server, link.session.sourceHostname);
    if (fd < 0) {
      ++this.#counters[counter.CONNECT_FAILURES]!;
      this.#closed.unshift(link.tag);
      return;
    }
    link.fd = fd;
    link.state = isOpen ? OPEN : CONNECTING;
    this.#epoll.add(fd, link.tag, isOpen ? EPOLLIN : EPOLLOUT);
    if (isOpen) this.#begin(link, nowMs);
  }

  #begin(link: Link, nowMs: number): void {
    link.state = OPEN;
    ++this.#counters[counter.CONNECTIONS]!;
    link.session.open(nowMs);
    this.#send(link, nowMs);
  }

  /** Something came, there is room to send, or the connection stands or has ended. */
  #handle(link: Link): void {
    if (link.state === CLOSED) return;
    if (link.state === CONNECTING) {
      this.#epoll.change(link.fd, link.tag, EPOLLIN);
      this.#begin(link, performance.now());
      return;
    }
    if (link.unsent !== undefined) this.#sendRest(link);
    const received = tcp.receive(link.fd, this.#room);
    if (received === -EAGAIN || received === -EINTR) return;
    if (received <= 0) return this.#end(link, { wasAsked: false });
    const nowMs = performance.now();
    if (!link.session.read(this.#room.subarray(0, received), nowMs)) {
      return this.#end(link, { wasAsked: true });
    }
    this.#send(link, nowMs);
  }

  /** Sends what a session has, unless something is still in the way. */
  #send(link: Link, nowMs: number): void {
    if (link.unsent !== undefined) return;
    const byteLength = link.session.write(this.#output, nowMs);
    if (byteLength === 0) {
      if (!link.isIdle && this.#options.pacer.isOpen) {
        link.isIdle = true;
        this.#idle.push(link.tag);
      }
      return;
    }
    this.#pass(link, this.#output.subarray(0, byteLength));
  }

  /** Gives bytes to the system, and keeps those that it does not take. */
  #pass(link: Link, bytes: Uint8Array<ArrayBuffer>): void {
    const sent = tcp.send(link.fd, bytes);
    if (sent < 0 && sent !== -EAGAIN) return this.#end(link, { wasAsked: false });
    this.#counters[counter.BYTES_SENT]! += Math.max(0, sent);
    const rest = sent < 0 ? bytes : bytes.subarray(sent);
    const hadRest = link.unsent !== undefined;
    link.unsent = rest.length === 0 ? undefined : rest.slice();
    if (hadRest === (link.unsent !== undefined)) return;
    this.#epoll.change(link.fd, link.tag, EPOLLIN | (hadRest ? 0 : EPOLLOUT));
  }

  #sendRest(link: Link): void {
    this.#pass(link, link.unsent!);
    if (link.state === OPEN) this.#send(link, performance.now());
  }

  /** Gives due requests to sessions that wait for one, the one that has waited longest first. */
  #sendDue(nowMs: number): void {
    const { pacer } = this.#options;
    if (!pacer.isOpen) return;
    for (let left = this.#idle.length; left > 0 && pacer.dueCount(nowMs) > 0; --left) {
      const link = this.#links[this.#idle.shift()!]!;
      link.isIdle = false;
      if (link.state === OPEN) this.#send(link, nowMs);
    }
  }

  #end(link: Link, { wasAsked }: { wasAsked: boolean }): void {
    if (link.state === CLOSED) return;
    tcp.close(link.fd);
    link.session.end();
    link.state = CLOSED;
    link.unsent = undefined;
    if (!wasAsked) ++this.#counters[counter.CLOSED]!;
    this.#closed.push(link.tag);
  }

  #sweep(nowMs: number): void {
    for (const link of this.#links) {
      if (link.state === OPEN && link.session.hasTimedOut(nowMs)) {
        this.#end(link, { wasAsked: true });
      }
    }
  }
}
