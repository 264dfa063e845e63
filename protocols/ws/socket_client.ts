/**
 * One client's connection once it is a WebSocket: a loop that reads, and a loop that sends what its
 * outbox holds.
 *
 * The two go on at once. What is received may put bytes into any outbox; the core then lists that
 * connection as ready, and `sendReady` has each begin to send that is not sending yet. A connection
 * ends when its outbox is empty behind a close frame, when the client has gone, or when its time is
 * over: deadlines are ticks of the worker's timer, and `expire` finds out which of them it is.
 */
import { COUNT_CONNECTIONS_TIMED_OUT } from "../../assembly/layout.ts";
import {
  Client,
  LINGER_SECONDS,
  TIMED_READ,
  type TimeLimits,
} from "../../server/tcp/client_connection.ts";
import type { Admission } from "../../server/tcp/connection_limits.ts";
import type { Connected } from "../../server/tcp/driver.ts";
import type { Connection } from "../../wasm/http_core.ts";
import { NO_REQUESTS } from "../../wasm/latency.ts";
import type { WsCore } from "../../wasm/ws_core.ts";

export interface SocketLimits extends TimeLimits {
  pingSeconds: number;
}

/** The server goes away (RFC 6455, section 7.4.1). */
const CLOSE_GOING_AWAY = 1001;
const NEVER = Infinity;

/** Those of this worker that are WebSockets. */
const sockets = new Map<Connection, SocketClient>();

/** Has every connection send that has become ready. */
export function sendReady(core: WsCore): void {
  for (let ready = core.nextReady(); ready !== 0; ready = core.nextReady()) {
    sockets.get(ready)?.send();
  }
}

export class SocketClient extends Client<WsCore> {
  readonly #pingSeconds: number;
  #pingAt = NEVER;
  /** When the message that has begun, or the bytes that are being sent, must be done. */
  #messageBy = NEVER;
  #sentBy = NEVER;
  /** When the connection ends behind its close frame. */
  #endsAt = NEVER;
  #isSending = false;
  /** Requests that are timed until their replies are sent, and when they came. */
  #timed = NO_REQUESTS;
  #timedFrom = 0;
  #sending: Promise<void> | undefined;

  constructor(core: WsCore, conn: Connected, admission: Admission, limits: SocketLimits) {
    super(core, conn, admission, limits);
    this.#pingSeconds = limits.pingSeconds;
  }

  protected override get isUpgraded(): boolean {
    return this.core.isWebSocket(this.connection);
  }

  protected override async serveUpgraded(): Promise<void> {
    const { core, conn, connection } = this;
    sockets.set(connection, this);
    this.#pingAt = Client.now + this.#pingSeconds;
    try {
      this.#received();
      if (Client.isDraining) this.closeIfIdle();
      while (!this.isClosed) {
        const isIdle = core.isIdle(connection);
        const received = await conn.read(isIdle ? this.idleInput! : core.inputOf(connection));
        if (received === null) break;
        this.#receive(received);
      }
    } finally {
      this.close();
      await this.#sending;
      sockets.delete(connection);
    }
  }

  #receive(byteLength: number): void {
    const { latency } = Client;
    const isTimed = Client.beginRead() && this.#timed === NO_REQUESTS;
    if (isTimed) {
      latency.take(); // what has been counted since is not of this read
      this.#timedFrom = performance.now();
    }
    this.core.receive(this.connection, byteLength);
    if (isTimed) this.#timed = latency.take();
    this.#received();
  }

  /** What was received has been dealt with. */
  #received(): void {
    sendReady(this.core);
    const isMidMessage = this.core.isMidMessage(this.connection);
    // What follows of a message does not gain it more time.
    if (!isMidMessage) this.#messageBy = NEVER;
    else if (this.#messageBy === NEVER) this.#messageBy = this.#inTime();
    this.#setDeadline();
  }

  /** Begins to send what the outbox holds, unless that is under way. */
  send(): void {
    if (this.core.isOverflowing(this.connection)) return this.close();
    if (this.#isSending) return;
    this.#isSending = true;
    this.#sending = this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    const { core, conn, connection } = this;
    try {
      for (let length = core.outboxSpan(connection); length > 0;) {
        this.#sentBy = this.#inTime();
        this.#setDeadline();
        core.outboxSent(connection, await conn.write(core.outboxOf(connection, length)));
        length = core.outboxSpan(connection);
      }
      // From here on to the end of this turn nothing may come between, or it would not be sent.
      this.#isSending = false;
      this.#sentBy = NEVER;
      this.#setDeadline();
      Client.latency.record(this.#timed, this.#timedFrom, TIMED_READ);
      this.#timed = NO_REQUESTS;
      if (core.isEnding(connection)) await this.#endSending();
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      this.close(); // The client has gone.
    }
  }

  /** The close frame is sent: unless it answers the client's, the client may send its own. */
  async #endSending(): Promise<void> {
    if (this.#endsAt !== NEVER) return;
    this.#endsAt = Client.now + LINGER_SECONDS;
    this.#setDeadline();
    await this.conn.closeWrite();
    if (!this.core.isLingering(this.connection)) this.close();
  }

  #inTime(): number {
    return Client.now + this.limits.requestSeconds;
  }

  #setDeadline(): void {
    this.deadline = Math.min(this.#pingAt, this.#messageBy, this.#sentBy, this.#endsAt);
  }

  override expire(): Promise<void> {
    const { core, connection } = this;
    if (!sockets.has(connection) || this.isClosed) return super.expire();
    const { now } = Client;
    if (this.#endsAt <= now) {
      this.close();
    } else if (this.#messageBy <= now || this.#sentBy <= now || !core.ping(connection)) {
      core.count(COUNT_CONNECTIONS_TIMED_OUT);
      this.close();
    } else {
      this.#pingAt = now + this.#pingSeconds;
      this.#setDeadline();
      sendReady(core);
    }
    return Promise.resolve();
  }

  override closeIfIdle(): void {
    if (!sockets.has(this.connection)) return super.closeIfIdle();
    this.core.closeSocket(this.connection, CLOSE_GOING_AWAY);
    sendReady(this.core);
  }
}
