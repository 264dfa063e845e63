/**
 * One client's HTTP connection: read, answer, write, until one side has enough. A protocol that a
 * connection is upgraded to goes on from here.
 *
 * There is one promise at a time, so the input and the output of a connection are never in use at
 * once but for a late answer to a client that is too slow. Deadlines are counted in ticks of the
 * worker's timer.
 */
import {
  COUNT_BYTES_SENT,
  COUNT_CONNECTIONS_BROKEN,
  COUNT_CONNECTIONS_CLOSED,
  COUNT_CONNECTIONS_OPENED,
  COUNT_CONNECTIONS_TIMED_OUT,
  COUNT_HTTP_REFUSED,
  REFUSAL_BUSY,
} from "../../assembly/layout.ts";
import type { Connection, HttpCore } from "../../wasm/http_core.ts";
import { type LatencyRecorder, NO_REQUESTS } from "../../wasm/latency.ts";
import { type Admission, REFUSED } from "./connection_limits.ts";
import type { Connected } from "./driver.ts";

/** Seconds that a connection has. */
export interface TimeLimits {
  /** For its next request, once it has been answered. */
  idleSeconds: number;
  /**
   * For a whole request, the TLS handshake before the first one included; and to take an answer.
   */
  requestSeconds: number;
}

/** What clients need of the worker that they are in. */
export interface ClientWorker {
  latency: LatencyRecorder;
  /** Its connection has ended. */
  leave(client: Client): void;
  /** There was a fault of the core's. */
  endProcess(error: unknown): void;
}

/** Every so many reads' requests are timed, and stand for the others: timing costs a tenth. */
export const TIMED_READ = 8;
/** Seconds for a client to take note of its last answer before its connection is closed. */
export const LINGER_SECONDS = 2;
export const NO_CONNECTION = 0 as Connection;

export class Client<TCore extends HttpCore = HttpCore> {
  /** Ticks of the worker's timer. */
  static now = 0;
  /** What those get for whom there is no room. */
  static #busyAnswer: Uint8Array = new Uint8Array();
  /** Where bytes go that nobody reads. */
  protected static readonly waste = new Uint8Array(16 * 1024);
  protected static isDraining = false;
  static #worker: ClientWorker;
  static #readCount = 0;

  readonly admission: Admission;
  /** Its place in the worker's list. */
  index = 0;
  /** The tick at which `expire` is called. */
  deadline: number;
  protected readonly core: TCore;
  protected readonly conn: Connected;
  protected readonly connection: Connection;
  protected readonly idleInput: Uint8Array | undefined;
  protected readonly limits: TimeLimits;
  #isShakingHands = false;
  /** Whether its handshake is to be its end. */
  #isLate = false;
  #isWriting = false;
  protected isClosed = false;
  #lateAnswer: Promise<void> | undefined;

  /** Prepares the answer for clients that are too many; once, before the first client. */
  static prepare(core: HttpCore, worker: ClientWorker): void {
    Client.#worker = worker;
    const connection = core.open();
    const byteLength = core.turnAway(connection);
    Client.#busyAnswer = core.outputOf(connection, byteLength).slice();
    core.close(connection);
    // That was nobody, so nobody is to be told of it.
    core.count(COUNT_CONNECTIONS_OPENED, -1);
    core.count(COUNT_CONNECTIONS_CLOSED, -1);
    core.count(COUNT_HTTP_REFUSED + REFUSAL_BUSY, -1);
    core.count(COUNT_BYTES_SENT, -byteLength);
  }

  /** The sender of the core is who has connected. */
  constructor(core: TCore, conn: Connected, admission: Admission, limits: TimeLimits) {
    this.core = core;
    this.conn = conn;
    this.limits = limits;
    this.connection = admission === REFUSED ? NO_CONNECTION : core.open();
    this.admission = admission;
    this.deadline = Client.now + limits.requestSeconds;
    if (this.connection !== NO_CONNECTION) this.idleInput = core.idleInput(this.connection);
  }

  /** Serves until the connection has ended, and leaves the worker. */
  async serve(): Promise<void> {
    try {
      if (this.conn.handshake !== undefined) await this.#shakeHands();
      if (this.connection === NO_CONNECTION) await this.#turnAway();
      else await this.#answerAll();
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) Client.#worker.endProcess(error);
      else if (!this.isClosed && !this.#isLate) this.core.count(COUNT_CONNECTIONS_BROKEN);
    }
    this.close();
    if (this.#lateAnswer !== undefined) await this.#lateAnswer;
    if (this.connection !== NO_CONNECTION) this.core.close(this.connection);
    Client.#worker.leave(this);
  }

  /**
   * Deno 2.9.6 keeps the socket of a TLS connection that is closed within its handshake until the
   * client ends it (rustls-tokio-stream waits when it is dropped). So it is not closed but watched,
   * and counts as a connection as long as it is one.
   */
  async #shakeHands(): Promise<void> {
    this.#isShakingHands = true;
    await this.conn.handshake!();
    this.#isShakingHands = false;
    if (this.#isLate) throw new Deno.errors.TimedOut("The handshake took too long");
  }

  async #answerAll(): Promise<void> {
    const core = this.core;
    const connection = this.connection;
    const conn = this.conn;
    const idleInput = this.idleInput!;
    const { latency } = Client;
    let isIdle = true;
    /** Whether nothing has come since the last answer. */
    let isResting = false;
    while (!core.isEnding(connection)) {
      const received = await conn.read(isIdle ? idleInput : core.inputOf(connection));
      if (received === null || this.#lateAnswer !== undefined) return;
      const isTimed = Client.beginRead();
      if (isTimed) latency.take(); // what has been counted since is not of this read
      const begun = isTimed ? performance.now() : 0;
      let byteLength = core.receive(connection, received);
      let requests = isTimed ? latency.take() : NO_REQUESTS;
      if (byteLength > 0) {
        this.#isWriting = true;
        this.deadline = Client.now + this.limits.requestSeconds;
        do {
          const sent = await conn.write(core.outputOf(connection, byteLength));
          if (sent < byteLength) await this.#writeRest(byteLength, sent);
          latency.record(requests, begun, TIMED_READ);
          byteLength = core.resume(connection);
          requests = NO_REQUESTS; // of a read that asks much, the first answers are timed
        } while (byteLength > 0);
        this.#isWriting = false;
        if (this.isUpgraded) return await this.serveUpgraded();
        isIdle = core.isIdle(connection);
        if (Client.isDraining) return isIdle ? undefined : await this.linger();
        isResting = isIdle;
        this.deadline = Client.now +
          (isIdle ? this.limits.idleSeconds : this.limits.requestSeconds);
      } else {
        // A request has begun; what follows of it does not gain it more time.
        if (isResting) this.deadline = Client.now + this.limits.requestSeconds;
        isResting = false;
        isIdle = core.isIdle(connection);
      }
    }
    if (core.isLingering(connection)) await this.linger();
  }

  /** Counts a read; whether its requests are to be timed. */
  protected static beginRead(): boolean {
    return Client.#readCount++ % TIMED_READ === 0;
  }

  protected static get latency(): LatencyRecorder {
    return Client.#worker.latency;
  }

  /** Whether the answers just sent were the last of HTTP. */
  protected get isUpgraded(): boolean {
    return false;
  }

  /** Goes on with what the connection was upgraded to, until it ends. */
  protected async serveUpgraded(): Promise<void> {}

  async #writeRest(byteLength: number, sent: number): Promise<void> {
    const output = this.core.outputOf(this.connection, byteLength);
    while (sent < byteLength) sent += await this.conn.write(output.subarray(sent));
  }

  async #turnAway(): Promise<void> {
    let sent = 0;
    const answer = Client.#busyAnswer;
    while (sent < answer.length) sent += await this.conn.write(answer.subarray(sent));
    await this.linger();
  }

  /** A connection closed with unread bytes is reset, and takes the answer with it. */
  protected async linger(): Promise<void> {
    this.deadline = Client.now + LINGER_SECONDS;
    await this.conn.closeWrite();
    while (await this.conn.read(Client.waste) !== null);
  }

  /** Ends a connection whose deadline has come, with an answer if a request was begun. */
  async expire(): Promise<void> {
    if (this.isClosed || this.#lateAnswer !== undefined) return this.close();
    this.core.count(COUNT_CONNECTIONS_TIMED_OUT);
    if (this.#isShakingHands && !this.conn.isClosedAtOnce) {
      this.#isLate = true;
      this.deadline = Infinity;
      return;
    }
    const isAsking = this.connection !== NO_CONNECTION && !this.#isWriting &&
      !this.core.isEnding(this.connection);
    const byteLength = isAsking ? this.core.timeOut(this.connection) : 0;
    if (byteLength === 0) return this.close();
    this.deadline = Client.now + LINGER_SECONDS;
    this.#lateAnswer = this.#answerLate(byteLength);
    await this.#lateAnswer;
  }

  async #answerLate(byteLength: number): Promise<void> {
    try {
      await this.conn.write(this.core.outputOf(this.connection, byteLength));
      await this.conn.closeWrite();
    } catch { // the client has gone
    }
  }

  /** From now on connections end after the answers that are under way. */
  static beginDrain(): void {
    Client.isDraining = true;
  }

  /** Ends it if nothing is under way. */
  closeIfIdle(): void {
    const isIdle = this.connection === NO_CONNECTION ||
      (!this.#isWriting && this.core.isIdle(this.connection));
    if (isIdle) this.close();
  }

  /** Ends it now; what it waits for rejects. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    try {
      this.conn.close();
    } catch { // it has gone by itself
    }
  }
}
