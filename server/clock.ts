/**
 * The clock that all workers read, and the watchdog over those who should be moving.
 *
 * Seconds since the start, from the monotonic clock: a change of the system's time means nothing to
 * ages. The core keeps 16 bits of a peer's time, so nobody else may write it. The time of day, for
 * the access list's dates, is the system's, and jumps as that does.
 */
import {
  HOUSEKEEPER_INDEX,
  WORKER_BATCH,
  WORKER_BEATS,
  WORKER_HEARTBEAT,
  WORKER_SIZE,
  WORKERS,
} from "../assembly/layout.ts";
import { writeNow, writeUnixTime } from "../wasm/memory.ts";

const TICK_MILLISECONDS = 200;
/**
 * A batch takes microseconds. Counted in ticks, so that a stopped process is not taken for a hang.
 */
const HUNG_TICKS = 25;
/** Outside of a batch, a worker may be reading a file, or wait for its turn on a busy machine. */
const STUCK_TICKS = 75;

/** Keeps the clock until `stop`. */
export class Clock {
  readonly #memory: WebAssembly.Memory;
  readonly #words: Uint32Array;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #start = performance.now();
  readonly #stuck = new Map<number, { heartbeat: number; ticks: number }>();

  /**
   * @param workerCount Workers 0 to workerCount-1 are watched, and the housekeeper.
   * @param onHang Called with the index of a worker that has not left a batch for seconds, or whose
   * event loop does not turn, and with which of the two it is.
   */
  constructor(
    memory: WebAssembly.Memory,
    workerCount: number,
    onHang: (index: number, what: string) => void,
  ) {
    this.#memory = memory;
    this.#words = new Uint32Array(memory.buffer);
    writeUnixTime(memory, Math.floor(Date.now() / 1000));
    this.#timer = setInterval(() => {
      // The first second is number 1: at 0, no peer could have been seen before.
      writeNow(this.#memory, 1 + Math.floor((performance.now() - this.#start) / 1000));
      writeUnixTime(this.#memory, Math.floor(Date.now() / 1000));
      for (let index = 0; index < workerCount; ++index) this.#watch(index, onHang);
      this.#watch(HOUSEKEEPER_INDEX, onHang);
    }, TICK_MILLISECONDS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #watch(index: number, onHang: (index: number, what: string) => void): void {
    const worker = (WORKERS + index * WORKER_SIZE) >> 2;
    const isInBatch = (Atomics.load(this.#words, worker + (WORKER_BATCH >> 2)) & 1) === 1;
    const beats = Atomics.load(this.#words, worker + (WORKER_BEATS >> 2)) === 1;
    const heartbeat = this.#words[worker + (WORKER_HEARTBEAT >> 2)]!;
    const before = this.#stuck.get(index);
    if ((!isInBatch && !beats) || before === undefined || before.heartbeat !== heartbeat) {
      this.#stuck.set(index, { heartbeat, ticks: 0 });
      return;
    }
    const ticksMax = isInBatch ? HUNG_TICKS : STUCK_TICKS;
    if (++before.ticks !== ticksMax) return;
    const seconds = ticksMax * TICK_MILLISECONDS / 1000;
    onHang(
      index,
      isInBatch
        ? `it has been busy with one batch for ${seconds} seconds`
        : `its event loop has not turned for ${seconds} seconds`,
    );
  }
}
