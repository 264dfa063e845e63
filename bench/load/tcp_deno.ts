/** Moves bytes for many sessions through Deno's own sockets: any system, and TLS. */

import * as counter from "./counters.ts";
import { type DriverOptions, SEND_ROOM, type Session } from "./tcp_session.ts";
import type { LoadLoop } from "./worker.ts";

const RECEIVE_ROOM = 64 * 1024;
/** How often due requests are looked at, and waiting ones. */
const PUMP_MS = 1;
const SWEEP_MS = 100;
/** After a connection that could not be opened. */
const RETRY_MS = 20;

/** One connection. */
interface Link {
  readonly session: Session;
  conn: Deno.Conn | undefined;
  readonly output: Uint8Array<ArrayBuffer>;
  isWriting: boolean;
}

/** Runs sessions, each in a task of its own. */
export class DenoDriver implements LoadLoop {
  readonly #options: DriverOptions;
  readonly #counters: Float64Array;
  readonly #links: Link[];
  #isStopped = false;
  #startMs = 0;
  #connectionCount = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#links = options.sessions.map((session) => (
      { session, conn: undefined, output: new Uint8Array(SEND_ROOM), isWriting: false }
    ));
  }

  connect(): void {}

  async run(isStopped: () => boolean): Promise<void> {
    this.#startMs = performance.now();
    this.#options.pacer.start(this.#startMs);
    const pump = setInterval(() => {
      if (isStopped()) this.close();
      else if (this.#options.pacer.isOpen) this.#sendDue();
    }, PUMP_MS);
    const sweep = setInterval(() => this.#sweep(), SWEEP_MS);
    await Promise.all(this.#links.map((link) => this.#serve(link)));
    clearInterval(pump);
    clearInterval(sweep);
  }

  close(): void {
    this.#isStopped = true;
    for (const { conn } of this.#links) closeQuietly(conn);
  }

  /** Opens one connection after the other. */
  async #serve(link: Link): Promise<void> {
    const room = new Uint8Array(RECEIVE_ROOM);
    while (!this.#isStopped) {
      await this.#untilMayConnect();
      if (this.#isStopped) return;
      try {
        link.conn = await this.#connect(link.session);
      } catch {
        ++this.#counters[counter.CONNECT_FAILURES]!;
        await sleep(RETRY_MS);
        continue;
      }
      ++this.#counters[counter.CONNECTIONS]!;
      link.session.open(performance.now());
      const wasAsked = await this.#converse(link, room);
      closeQuietly(link.conn);
      link.conn = undefined;
      link.session.end();
      if (!wasAsked && !this.#isStopped) ++this.#counters[counter.CLOSED]!;
    }
  }

  /** @returns false: the other side has ended it. */
  async #converse(link: Link, room: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const conn = link.conn!;
    try {
      void this.#send(link);
      while (true) {
        const received = await conn.read(room);
        if (received === null) return false;
        if (!link.session.read(room.subarray(0, received), performance.now())) return true;
        if (!link.isWriting) void this.#send(link);
      }
    } catch {
      return this.#isStopped; // closed, by whichever side
    }
  }

  /** Sends what a session has until it has nothing; one at a time for each connection. */
  async #send(link: Link): Promise<void> {
    const { conn } = link;
    link.isWriting = true;
    try {
      while (conn !== undefined && conn === link.conn) {
        const byteLength = link.session.write(link.output, performance.now());
        if (byteLength === 0) break;
        for (let sent = 0; sent < byteLength;) {
          sent += await conn.write(link.output.subarray(sent, byteLength));
        }
        this.#counters[counter.BYTES_SENT]! += byteLength;
      }
    } catch {
      closeQuietly(conn); // the read that waits on it ends, and tells
    } finally {
      link.isWriting = false;
    }
  }

  #sendDue(): void {
    const { pacer } = this.#options;
    for (const link of this.#links) {
      if (pacer.dueCount(performance.now()) === 0) return;
      if (link.conn !== undefined && !link.isWriting) void this.#send(link);
    }
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const { conn, session } of this.#links) {
      if (conn !== undefined && session.hasTimedOut(nowMs)) closeQuietly(conn);
    }
  }

  /** Waits until the settings allow one more connection. */
  async #untilMayConnect(): Promise<void> {
    const { connectionsPerSecond } = this.#options;
    const number = this.#connectionCount++;
    if (connectionsPerSecond === 0) return;
    const waitMs = this.#startMs + number * 1000 / connectionsPerSecond - performance.now();
    if (waitMs > 0) await sleep(waitMs);
  }

  async #connect({ server }: Session): Promise<Deno.Conn> {
    const { tls } = this.#options;
    const conn = await Deno.connect({ hostname: server.hostname, port: server.port });
    if (tls === undefined) {
      conn.setNoDelay(true);
      return conn;
    }
    return await Deno.startTls(conn, {
      hostname: server.hostname,
      caCerts: tls.trusted,
      unsafelyDisableHostnameVerification: true,
    });
  }
}

function closeQuietly(conn: Deno.Conn | undefined): void {
  try {
    conn?.close();
  } catch {
    // Closed before.
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
