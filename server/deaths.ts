/**
 * What becomes of the service when a worker dies: another takes its place, unless they die too
 * often, or the one that died left the memory in a state that nobody can mend.
 */
import { CONTROL_FAULT } from "../assembly/layout.ts";
import { getLogger } from "./log.ts";

/** So many within the window end the process. */
const DEATHS_MAX = 5;
const WINDOW_MILLISECONDS = 60_000;

export class Deaths {
  readonly #words: Uint32Array;
  #recent: number[] = [];

  constructor(memory: WebAssembly.Memory) {
    this.#words = new Uint32Array(memory.buffer);
  }

  /** Logs and counts a death; says whether another worker may take the place. */
  mayRestart(death: Error): boolean {
    const log = getLogger("workers");
    if (Atomics.load(this.#words, CONTROL_FAULT >> 2) !== 0) {
      log.error(
        "{reason}; it held a lock without which no worker can go on with this memory",
        { reason: death.message },
      );
      return false;
    }
    const now = performance.now();
    this.#recent = this.#recent.filter((time) => now - time < WINDOW_MILLISECONDS);
    this.#recent.push(now);
    if (this.#recent.length >= DEATHS_MAX) {
      log.error("{reason}; that is the fifth death of a worker within a minute", {
        reason: death.message,
      });
      return false;
    }
    log.error("{reason}; another takes its place", { reason: death.message });
    return true;
  }
}
