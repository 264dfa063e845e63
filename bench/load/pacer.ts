/**
 * When requests are due, and how many there are. An open loop sends at its own pace, however slowly
 * answers come, and counts latency from when a request was due: a tracker that stalls delays them
 * all, visibly.
 */
export class Pacer {
  /** 0: a closed loop, in which every request is due as soon as there is room for it. */
  readonly #intervalMs: number;
  #nextMs = Infinity;
  /** Requests that may still be taken. */
  #left: number;

  /**
   * @param rate Requests a second of this worker, 0 for a closed loop.
   * @param requestsMax Requests that it may take in all.
   */
  constructor(rate: number, requestsMax = Infinity) {
    this.#intervalMs = rate === 0 ? 0 : 1000 / rate;
    this.#left = requestsMax;
  }

  get isOpen(): boolean {
    return this.#intervalMs > 0;
  }

  /** Makes the first request due. */
  start(nowMs: number): void {
    this.#nextMs = nowMs;
  }

  /** How many requests are due. */
  dueCount(nowMs: number): number {
    if (this.#intervalMs === 0) return this.#left;
    if (nowMs < this.#nextMs) return 0;
    return Math.min(this.#left, 1 + Math.floor((nowMs - this.#nextMs) / this.#intervalMs));
  }

  /** Takes the next request, and says since when it is due. */
  take(nowMs: number): number {
    --this.#left;
    if (this.#intervalMs === 0) return nowMs;
    const dueMs = this.#nextMs;
    this.#nextMs += this.#intervalMs;
    return dueMs;
  }

  /** Milliseconds until the next request is due, 0 for one that is. */
  waitMs(nowMs: number): number {
    if (this.#left <= 0) return Infinity;
    return this.#intervalMs === 0 ? 0 : Math.max(0, this.#nextMs - nowMs);
  }
}
