/**
 * A worker's pulse, which the clock watches (clock.ts): requests move it, and a timer does while
 * there are none, so that a worker whose event loop is stuck outside of the core is seen as well.
 */
import { WORKER_BEATS, WORKER_HEARTBEAT, WORKER_SIZE, WORKERS } from "../assembly/layout.ts";

const BEAT_MILLISECONDS = 1_000;

/**
 * Begins the pulse of this worker, which ends with it.
 * @returns Moves it by hand, for a worker that never returns to its event loop.
 */
export function startHeartbeat(memory: WebAssembly.Memory, workerIndex: number): () => void {
  const words = new Uint32Array(memory.buffer, WORKERS + workerIndex * WORKER_SIZE, 32);
  const beat = () => Atomics.add(words, WORKER_HEARTBEAT >> 2, 1);
  beat();
  Atomics.store(words, WORKER_BEATS >> 2, 1);
  Deno.unrefTimer(setInterval(beat, BEAT_MILLISECONDS));
  return beat;
}
