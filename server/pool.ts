/**
 * The workers of one process: started with a grant each, watched, replaced, and stopped together.
 *
 * A worker's file calls `serveWorker` with what it does; the main thread starts it with
 * `WorkerPool`. Besides its start and its end, a worker and the main thread speak by requests that
 * the worker answers one at a time (the housekeeper's reloads). Nothing of a client ever passes
 * here.
 */
import { StartError } from "./errors.ts";

/** What a worker is told, in this order: `start`, any number of `ask`, `stop`. */
type ToWorker =
  | { kind: "start"; start: unknown; lifeLock: string }
  | { kind: "ask"; question: unknown }
  | { kind: "stop" };

/** What a worker tells; `started` and `answer` carry what its functions returned. */
type FromWorker =
  | { kind: "alive" }
  | { kind: "started" | "answer"; result: unknown }
  | { kind: "refused"; message: string; exitStatus: number | undefined; key: string | undefined }
  | { kind: "stopped" };

const STOP_MILLISECONDS = 1_000;

/** Web Locks, which Deno 2.9 has and declares no types for. */
interface LockManager {
  request(
    name: string,
    options: { signal?: AbortSignal },
    whileHeld: () => unknown,
  ): Promise<unknown>;
}

const { locks } = navigator as unknown as { locks: LockManager };

/** How to start one worker. */
export interface WorkerSpec {
  /** In messages, such as `udp 127.0.0.1:3000`. */
  name: string;
  url: URL;
  permissions: Deno.PermissionOptions;
  /**
   * What its `start` gets; cloned, but for shared memory. It is read anew for a worker that takes
   * the place of a dead one, so a getter can give what is true by then.
   */
  readonly start: unknown;
}

/** A place in the pool: its worker may die and be replaced, whoever asks it need not know. */
export interface Seat {
  /** Asks the worker something; one question at a time, which waits for a start under way. */
  ask(question: unknown): Promise<unknown>;
}

/** Before another try where the worker that was to take a place could not start. */
const RESTART_PAUSE_MILLISECONDS = 250;
/** The clock does not watch a worker before it serves; on a busy machine that takes a second. */
const START_MILLISECONDS = 30_000;

/** A running worker. */
export class PoolWorker {
  readonly name: string;
  readonly #worker: Worker;
  readonly #onDeath: (error: Error) => void;
  readonly #lifeLock = `riptide worker ${crypto.randomUUID()}`;
  readonly #watching = new AbortController();
  #starting: Promise<unknown> = Promise.resolve();
  #pending: PromiseWithResolvers<unknown> | undefined;
  readonly #stopped = Promise.withResolvers<void>();
  #death: Error | undefined;

  constructor(spec: WorkerSpec, onDeath: (error: Error) => void) {
    this.name = spec.name;
    this.#onDeath = onDeath;
    this.#worker = new Worker(spec.url, {
      type: "module",
      name: spec.name,
      deno: { permissions: spec.permissions },
    });
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#die(event.message);
    };
  }

  /** Has it start; resolves with what its `start` returned. */
  start(start: unknown): Promise<unknown> {
    return this.#starting = this.#request({ kind: "start", start, lifeLock: this.#lifeLock });
  }

  /** Asks it something once it has started; one question at a time. */
  async ask(question: unknown): Promise<unknown> {
    await this.#starting;
    return await this.#request({ kind: "ask", question });
  }

  #request(message: ToWorker): Promise<unknown> {
    if (this.#death !== undefined) return Promise.reject(this.#death);
    this.#pending = Promise.withResolvers();
    this.#worker.postMessage(message);
    return this.#pending.promise;
  }

  /** Asks it to end and makes sure that it does. */
  async stop(): Promise<void> {
    this.#watching.abort();
    this.#worker.postMessage({ kind: "stop" } satisfies ToWorker);
    const timer = setTimeout(() => this.#stopped.resolve(), STOP_MILLISECONDS);
    await this.#stopped.promise;
    clearTimeout(timer);
    this.#worker.terminate();
  }

  #die(reason: string): void {
    if (this.#death !== undefined) return;
    this.#death = new Error(`Worker ${this.name} died: ${reason}`);
    this.#pending?.reject(this.#death);
    this.#stopped.resolve();
    this.#onDeath(this.#death);
  }

  /**
   * Waits for the lock that the worker holds as long as it lives. `close()` and `Deno.exit()` end a
   * worker without an error; that the lock is free then is all that can be seen of it (Deno 2.9.6).
   */
  #watch(): void {
    const { signal } = this.#watching;
    locks.request(this.#lifeLock, { signal }, () => this.#die("it ended by itself"))
      .catch(() => {}); // Aborted: it is being stopped.
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case "alive":
        this.#watch();
        break;
      case "started":
      case "answer":
        this.#pending?.resolve(message.result);
        break;
      case "refused":
        this.#pending?.reject(
          new StartError(message.message, message.exitStatus, { key: message.key }),
        );
        break;
      case "stopped":
        this.#stopped.resolve();
        break;
    }
  }
}

export interface PoolOptions {
  /**
   * Says of a worker's death whether another is to take its place; where not, or where nobody says,
   * the pool fails.
   */
  mayRestart?: (death: Error) => boolean;
  /** Is told when another serves in a dead one's place. */
  onRestart?: () => void;
  /** How long that one's start may take before the pool fails. */
  startMilliseconds?: number;
}

/** All workers of the process. */
export class WorkerPool {
  readonly #workers = new Map<Seat, PoolWorker>();
  readonly #options: Required<PoolOptions>;
  readonly #failed = Promise.withResolvers<Error>();
  #isStopping = false;

  constructor(options: PoolOptions = {}) {
    this.#options = {
      mayRestart: () => false,
      onRestart: () => {},
      startMilliseconds: START_MILLISECONDS,
      ...options,
    };
  }

  /** Resolves when a worker has died for good: the process must not go on half alive. */
  get failed(): Promise<Error> {
    return this.#failed.promise;
  }

  /** Ends the process's service because of something that the pool cannot see, such as a hang. */
  fail(error: Error): void {
    if (!this.#isStopping) this.#failed.resolve(error);
  }

  /**
   * Starts a worker and waits until it serves; resolves with what its `start` returned.
   * @throws StartError as the worker's `start` threw it.
   */
  async start<T>(spec: WorkerSpec): Promise<{ worker: Seat; result: T }> {
    const seat: Seat = { ask: (question) => this.#workers.get(seat)!.ask(question) };
    let isServing = false;
    const worker = new PoolWorker(spec, (death) => {
      if (isServing) this.#replace(seat, spec, death);
      else this.fail(death);
    });
    this.#workers.set(seat, worker);
    const result = await worker.start(spec.start);
    isServing = true;
    return { worker: seat, result: result as T };
  }

  /** Has another worker take a dead one's place; one that cannot start has died as well. */
  async #replace(seat: Seat, spec: WorkerSpec, death: Error): Promise<void> {
    const { mayRestart, onRestart, startMilliseconds } = this.#options;
    for (let last = death; !this.#isStopping;) {
      if (!mayRestart(last)) return this.fail(last);
      let isServing = false;
      const worker = new PoolWorker(spec, (death) => {
        if (isServing) this.#replace(seat, spec, death);
      });
      this.#workers.set(seat, worker);
      const timer = setTimeout(
        () => this.fail(new Error(`Worker ${spec.name} hangs: it does not start`)),
        startMilliseconds,
      );
      try {
        await worker.start(spec.start);
        isServing = true;
        return onRestart();
      } catch (error) {
        await worker.stop();
        last = error instanceof StartError
          ? new Error(`Worker ${spec.name} died: it could not start: ${error.message}`)
          : error as Error;
      } finally {
        clearTimeout(timer);
      }
      await new Promise((resolve) => setTimeout(resolve, RESTART_PAUSE_MILLISECONDS));
    }
  }

  /**
   * Stops all of them.
   * @param wake Called once workers that never return to their loop must look.
   */
  async stop(wake: () => void): Promise<void> {
    this.#isStopping = true;
    wake();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
  }
}

/** What a worker does; `stop` resolves or returns once nothing of it runs any more. */
export interface WorkerProgram<Start, Question = never> {
  /** Resolves once it serves. What goes wrong later must be thrown, outside of any promise kept. */
  start(start: Start): unknown;
  answer?(question: Question): unknown;
  stop(): void | Promise<void>;
}

/** Runs a worker's program; the last line of the worker's file. */
export function serveWorker<Start, Question>(program: WorkerProgram<Start, Question>): void {
  const scope = self as unknown as {
    onmessage: (event: MessageEvent<ToWorker>) => void;
    postMessage(message: FromWorker): void;
  };
  scope.onmessage = async ({ data }) => {
    if (data.kind === "stop") {
      await program.stop();
      scope.postMessage({ kind: "stopped" });
      return;
    }
    try {
      if (data.kind === "start") {
        await holdForLife(data.lifeLock);
        scope.postMessage({ kind: "alive" });
      }
      const result = data.kind === "start"
        ? await program.start(data.start as Start)
        : await program.answer?.(data.question as Question);
      scope.postMessage({ kind: data.kind === "start" ? "started" : "answer", result });
    } catch (error) {
      const { message, exitStatus, key } = error as Partial<StartError>;
      scope.postMessage({ kind: "refused", message: message ?? String(error), exitStatus, key });
    }
  };
}

/** Takes a lock that is free again when this worker has ended, however it ends. */
function holdForLife(name: string): Promise<void> {
  return new Promise((resolve) => {
    locks.request(name, {}, () => {
      resolve();
      return new Promise<never>(() => {});
    });
  });
}
