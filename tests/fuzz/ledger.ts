/** Counts what goes in and out of a tracker, and holds the tracker's own counters against that. */
import * as layout from "../../assembly/layout.ts";
import type { CoreTracker } from "../model/core_tracker.ts";
import { Disagreement } from "../model/session.ts";
import type { AccessMode, Source, Totals, TrackerUnderTest } from "../model/tracker.ts";

/** Every packet ends in exactly one of these. */
const OUTCOMES = [
  layout.COUNT_CONNECT,
  layout.COUNT_CONNECT_IPV6,
  layout.COUNT_ANNOUNCE,
  layout.COUNT_ANNOUNCE_IPV6,
  layout.COUNT_SCRAPE,
  layout.COUNT_SCRAPE_IPV6,
  layout.COUNT_ERROR_SENT,
  layout.COUNT_DROP_SHORT,
  layout.COUNT_DROP_MAGIC,
  layout.COUNT_DROP_ACTION,
  layout.COUNT_DROP_CONNECTION_ID,
  layout.COUNT_DROP_SOURCE_PORT,
  layout.COUNT_DROP_DENIED,
];
const ERRORS = [
  layout.COUNT_ERROR_EXPIRED_ID,
  layout.COUNT_ERROR_PORT,
  layout.COUNT_ERROR_SCRAPE,
  layout.COUNT_ERROR_NOT_ALLOWED,
];

export class Ledger implements TrackerUnderTest {
  readonly #tracker: CoreTracker;
  #packets = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(tracker: CoreTracker) {
    this.#tracker = tracker;
  }

  handle(packet: Uint8Array, source: Source): Uint8Array | null {
    ++this.#packets;
    this.#bytesIn += packet.length;
    const answer = this.#tracker.handle(packet, source);
    this.#bytesOut += answer?.length ?? 0;
    return answer;
  }

  setNow(seconds: number): void {
    this.#tracker.setNow(seconds);
  }

  sweep(): void {
    this.#tracker.sweep();
  }

  loadAccessList(mode: AccessMode, infoHashes: readonly Uint8Array[]): void {
    this.#tracker.loadAccessList(mode, infoHashes);
  }

  totals(): Totals {
    return this.#tracker.totals();
  }

  /** Throws a Disagreement unless the counters add up and memory is within its bounds. */
  check(): void {
    const sum = (counters: number[]) =>
      counters.reduce((total, counter) => total + this.#tracker.counter(counter), 0);
    const { used, all } = this.#tracker.pages;
    const rows: [string, number, number][] = [
      ["packets by outcome", sum(OUTCOMES), this.#packets],
      ["bytes received", sum([layout.COUNT_BYTES_RECEIVED]), this.#bytesIn],
      ["bytes sent", sum([layout.COUNT_BYTES_SENT]), this.#bytesOut],
      ["errors by reason", sum(ERRORS), sum([layout.COUNT_ERROR_SENT])],
      ["requests refused for memory", sum([layout.COUNT_MEMORY_FULL]), 0],
      ["pages above the limit", Math.max(0, used - all), 0],
    ];
    for (const [name, found, expected] of rows) {
      if (found !== expected) throw new Disagreement(`${name}: ${found} instead of ${expected}`);
    }
  }
}
