/**
 * How workers wake each other: whoever begins another's ready list grows a word of that worker's,
 * which `Atomics.waitAsync` sees, and notes it among those that it has woken, for a worker that
 * waits for epoll instead and has named a descriptor to write to.
 */
import {
  WORKER_SIZE,
  WORKER_WAKE,
  WORKER_WAKE_FD,
  WORKER_WOKEN,
  WORKERS,
} from "../assembly/layout.ts";

export class Wakes {
  readonly #words: Int32Array;
  /** Index of this worker's record. */
  readonly #own: number;

  constructor(memory: WebAssembly.Memory, workerIndex: number) {
    this.#words = new Int32Array(memory.buffer);
    this.#own = recordOf(workerIndex);
  }

  /** How often this worker was woken. */
  get count(): number {
    return Atomics.load(this.#words, this.#own + (WORKER_WAKE >> 2));
  }

  /** Resolves once that is another number than this. */
  async changed(count: number): Promise<void> {
    const index = this.#own + (WORKER_WAKE >> 2);
    await Atomics.waitAsync(this.#words, index, count).value;
  }

  /** Where others write to wake this worker; 0: nowhere. */
  get descriptor(): number {
    return Atomics.load(this.#words, this.#own + (WORKER_WAKE_FD >> 2));
  }

  set descriptor(descriptor: number) {
    Atomics.store(this.#words, this.#own + (WORKER_WAKE_FD >> 2), descriptor);
  }

  /** Calls with the descriptor of each worker that was woken since the last time. */
  takeWoken(wake: (descriptor: number) => void): void {
    const woken = this.#own + (WORKER_WOKEN >> 2);
    for (let half = 0; half < 2; ++half) {
      let bits = this.#words[woken + half]!;
      if (bits === 0) continue;
      this.#words[woken + half] = 0;
      for (; bits !== 0; bits &= bits - 1) {
        const workerIndex = half * 32 + 31 - Math.clz32(bits & -bits);
        const record = recordOf(workerIndex);
        const descriptor = Atomics.load(this.#words, record + (WORKER_WAKE_FD >> 2));
        if (descriptor !== 0) wake(descriptor);
      }
    }
  }
}

/** Index of a worker's record in words. */
function recordOf(workerIndex: number): number {
  return (WORKERS + workerIndex * WORKER_SIZE) >> 2;
}
