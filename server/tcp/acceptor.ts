/**
 * Accepts what connects to one listener, until another takes over.
 *
 * The kernel resets whoever waits in the accept queue of a listener that is closed (unless
 * `net.ipv4.tcp_migrate_req` is 1). So one that is relieved goes on accepting, and is closed in the
 * moment in which it is known that nobody waits.
 */

import type { Connected, Listening } from "./driver.ts";

/** After an error of accept(), such as too many open files. */
const ACCEPT_PAUSE_MILLISECONDS = 50;
/**
 * One that is relieved is closed by then in any case: new connections get the new certificate
 * within a second.
 */
const RELIEF_MILLISECONDS = 500;
/** So long nobody came: nobody is likely to wait. */
const QUIET_MILLISECONDS = 20;
/** More than pass between Deno's system call and the promise of its accept(). */
const MICROTASKS = 16;

export class Acceptor<T extends Connected = Connected> {
  readonly #listener: Listening<T>;
  readonly #begin: (conn: T) => void;
  #isClosed = false;
  #isRelieved = false;
  /** When the last one came, while it is relieved. */
  #cameAt = 0;

  constructor(listener: Listening<T>, begin: (conn: T) => void) {
    this.#listener = listener;
    this.#begin = begin;
  }

  /** Accepts until it is closed; rejects only for a fault of the core's. */
  async run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const conn = await this.#listener.accept(true);
        if (this.#isRelieved) await this.#acceptToTheLast(conn);
        else this.#begin(conn);
      } catch (error) {
        if (error instanceof WebAssembly.RuntimeError) throw error;
        if (this.#isClosed) return;
        // It reset its connection while it waited: of no concern to those who wait behind it.
        if (error instanceof Deno.errors.NotConnected) continue;
        await pause(ACCEPT_PAUSE_MILLISECONDS);
      }
    }
  }

  /** Goes on until nobody waits, then closes: another listener accepts at this address. */
  async relieve(): Promise<void> {
    this.#isRelieved = true;
    this.#cameAt = performance.now();
    const end = this.#cameAt + RELIEF_MILLISECONDS;
    while (!this.#isClosed) {
      await pause(QUIET_MILLISECONDS);
      // The timer may be late, and who came meanwhile is seen in the turn after it.
      await pause(0);
      const now = performance.now();
      const isQuiet = now >= this.#cameAt + QUIET_MILLISECONDS;
      if (isQuiet || now >= end) this.close();
    }
  }

  /**
   * Behind an accept() that had somebody, the next one asks the kernel at once. If it is pending
   * then, the queue was empty just now: the listener is closed before anything else is done.
   */
  async #acceptToTheLast(conn: T): Promise<void> {
    let last: T | undefined = conn;
    while (last !== undefined && !this.#isClosed) {
      this.#cameAt = performance.now();
      const next = this.#listener.accept(false);
      const isWaiting = await isPending(next);
      if (isWaiting) this.close();
      this.#begin(last);
      last = isWaiting ? await next.catch(() => undefined) : await next;
    }
    if (last !== undefined) this.#begin(last);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#listener.close();
    } catch { // it is closed
    }
  }
}

/** Whether a promise is pending when what is ready has been done, in the same turn. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  promise.then(settle, settle);
  for (let turn = 0; turn < MICROTASKS && !isSettled; ++turn) await undefined;
  return !isSettled;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
