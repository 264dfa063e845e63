/**
 * Looks at the tracker once a second: for the plots, for workers that do not move, and for whoever
 * watches the page.
 */
import { COLUMNS, Ring, type RingName, RINGS } from "./history.ts";
import { describeNow } from "./live.ts";
import { type Observed, type Snapshot, takeSnapshot } from "./snapshot.ts";

const LOOK_MILLISECONDS = 1_000;
/** Pages that watch at once; each costs a few KiB a second. */
const WATCHERS_MAX = 32;
/** Messages that a page may leave unread before its stream is closed. */
const UNREAD_MAX = 8;
/** The main thread writes its clock five times a second. */
const CLOCK_STILL_MAX_SECONDS = 5;

type Watcher = ReadableStreamDefaultController<Uint8Array>;

export class Observer {
  readonly #observed: Observed;
  readonly #rings: Record<RingName, Ring>;
  readonly #watchers = new Set<Watcher>();
  readonly #encoder = new TextEncoder();
  readonly #timer: ReturnType<typeof setInterval>;
  /** Since when each worker has been in the batch that it is in. */
  readonly #batches = new Map<number, { batch: number; since: number }>();
  #before: Snapshot;
  #now: Snapshot;
  #clockMovedAt: number;

  constructor(observed: Observed) {
    this.#observed = observed;
    this.#before = this.#now = takeSnapshot(observed);
    this.#clockMovedAt = this.#now.milliseconds;
    this.#rings = {
      hour: new Ring(RINGS.hour, this.#now),
      day: new Ring(RINGS.day, this.#now),
    };
    this.#timer = setInterval(() => this.#look(), LOOK_MILLISECONDS);
  }

  /** How long each worker has been in one batch, by its index. */
  get stalledSeconds(): ReadonlyMap<number, number> {
    const now = performance.now();
    return new Map(
      [...this.#batches].map(([index, { since }]) => [index, Math.floor((now - since) / 1000)]),
    );
  }

  /** Why the process is not alive, or nothing where it is. */
  get fault(): string | undefined {
    const still = (performance.now() - this.#clockMovedAt) / 1000;
    return still > CLOCK_STILL_MAX_SECONDS ? "the main thread does not move" : undefined;
  }

  /** Everything as it is at this moment. */
  snapshot(): Snapshot {
    return takeSnapshot(this.#observed);
  }

  /** A stream of events for a page; nothing where too many watch. */
  watch(): ReadableStream<Uint8Array> | undefined {
    if (this.#watchers.size >= WATCHERS_MAX) return undefined;
    let own: Watcher;
    return new ReadableStream<Uint8Array>({
      start: (watcher) => {
        own = watcher;
        this.#watchers.add(watcher);
        const points = Object.entries(this.#rings).map(([name, ring]) => [name, ring.points()]);
        const history = { columns: COLUMNS, rings: RINGS, points: Object.fromEntries(points) };
        watcher.enqueue(this.#event("history", history));
        watcher.enqueue(this.#event("now", this.#describe()));
      },
      cancel: () => {
        this.#watchers.delete(own);
      },
    }, { highWaterMark: UNREAD_MAX });
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const watcher of this.#watchers) this.#end(watcher);
  }

  #look(): void {
    this.#before = this.#now;
    const now = this.#now = this.snapshot();
    if (now.nowSeconds !== this.#before.nowSeconds) this.#clockMovedAt = now.milliseconds;
    this.#lookAtBatches(now);
    const timeSeconds = Date.now() / 1000;
    for (const [name, ring] of Object.entries(this.#rings)) {
      const point = ring.add(now, timeSeconds);
      if (point !== undefined) this.#tell(this.#event("point", { ring: name, point }));
    }
    if (this.#watchers.size > 0) this.#tell(this.#event("now", this.#describe()));
  }

  #lookAtBatches(now: Snapshot): void {
    for (const { index, batch } of now.workers) {
      if ((batch & 1) === 0) this.#batches.delete(index);
      else if (this.#batches.get(index)?.batch !== batch) {
        this.#batches.set(index, { batch, since: now.milliseconds });
      }
    }
  }

  #describe(): Record<string, unknown> {
    const before = this.#before === this.#now
      ? { ...this.#now, milliseconds: this.#now.milliseconds - LOOK_MILLISECONDS }
      : this.#before;
    return describeNow(before, this.#now, this.stalledSeconds);
  }

  #event(name: string, data: unknown): Uint8Array {
    return this.#encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #tell(event: Uint8Array): void {
    for (const watcher of this.#watchers) {
      if ((watcher.desiredSize ?? 0) <= 0) this.#end(watcher);
      else watcher.enqueue(event);
    }
  }

  #end(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    watcher.close();
  }
}
