/** A tracker and the model side by side: every datagram goes to both, every answer is judged. */
import { toHex } from "../support/packets.ts";
import { keyOf, peerToText } from "./bytes.ts";
import { Model } from "./model.ts";
import { writeConnect } from "./packets.ts";
import type { AccessMode, Limits, Source, Totals, TrackerUnderTest } from "./tracker.ts";

/** The tracker did what the model forbids, or trapped. */
export class Disagreement extends Error {
  override name = "Disagreement";
}

/** A directory is at most 2^20 slots wide and is folded by half a sweep, then the torrent goes. */
const SWEEPS_MAX = 22;

export class Session {
  readonly model: Model;
  readonly tracker: TrackerUnderTest;
  readonly #ids = new Map<string, { id: Uint8Array; issuedSeconds: number }>();
  #sweptSeconds = 0;

  constructor(tracker: TrackerUnderTest, limits: Limits) {
    this.tracker = tracker;
    this.model = new Model(limits);
    this.setNow(1);
  }

  /** Sends one datagram; throws a Disagreement unless the answer is legal. */
  send(packet: Uint8Array, source: Source): Uint8Array | null {
    const expectation = this.model.receive(packet, source);
    let answer: Uint8Array | null;
    try {
      answer = this.tracker.handle(packet, source);
    } catch (error) {
      throw new Disagreement(`Trap: ${error}${this.#describe(packet, source)}`, { cause: error });
    }
    const complaint = this.model.check(expectation, answer);
    if (complaint !== null) throw new Disagreement(complaint + this.#describe(packet, source));
    return answer;
  }

  /** The sender's connection id: the last one if that is valid still, or a new one. */
  idOf(source: Source): Uint8Array {
    const key = keyOf(source.address);
    const known = this.#ids.get(key);
    const { now, limits } = this.model;
    if (known && now - known.issuedSeconds <= limits.maxConnectionAgeSeconds) return known.id;
    return this.connect(source);
  }

  /** The sender's last connection id however old, if it ever had one. */
  lastIdOf(source: Source): Uint8Array | undefined {
    return this.#ids.get(keyOf(source.address))?.id;
  }

  connect(source: Source): Uint8Array {
    const id = this.send(writeConnect(0x7217de), source)!.slice(8);
    this.#ids.set(keyOf(source.address), { id, issuedSeconds: this.model.now });
    return id;
  }

  /**
   * Lets time pass. A peer's age is kept in 16 bits: the configuration sees to it that none can
   * grow beyond between two sweeps, and so does this.
   */
  advance(seconds: number): void {
    const target = this.model.now + seconds;
    const pauseMax = 65535 - this.model.limits.maxPeerAgeSeconds;
    while (target > this.#sweptSeconds + pauseMax) {
      this.setNow(this.#sweptSeconds + pauseMax);
      this.sweep();
    }
    this.setNow(target);
  }

  setNow(seconds: number): void {
    this.model.setNow(seconds);
    this.tracker.setNow(seconds);
  }

  /**
   * Runs a sweep on both sides. The peers must agree at once; a torrent that was a large swarm may
   * need some sweeps more until its emptied directory has been folded up and it is gone.
   */
  sweep(): void {
    this.#sweptSeconds = this.model.now;
    this.model.sweep();
    const expected = this.model.totals();
    for (let turn = 0; turn < SWEEPS_MAX; ++turn) {
      this.tracker.sweep();
      this.#checkTotals(["ipv4Peers", "ipv6Peers"]);
      const found = this.tracker.totals?.();
      if (!found || found.torrents === expected.torrents) break;
    }
    this.checkTotals();
  }

  loadAccessList(mode: AccessMode, infoHashes: readonly Uint8Array[]): void {
    this.model.loadAccessList(mode, infoHashes);
    this.tracker.loadAccessList(mode, infoHashes);
  }

  /** Holds the tracker's own totals, if it has any, against the model's. */
  checkTotals(): void {
    this.#checkTotals(["torrents", "ipv4Peers", "ipv6Peers", "completed"]);
  }

  #checkTotals(names: (keyof Totals)[]): void {
    const found = this.tracker.totals?.();
    if (!found) return;
    const expected = this.model.totals();
    for (const name of names) {
      if (found[name] !== expected[name]) {
        throw new Disagreement(
          `Total of ${name} is ${found[name]} instead of ${expected[name]}, now ${this.model.now}`,
        );
      }
    }
  }

  #describe(packet: Uint8Array, source: Source): string {
    const from = peerToText(
      keyOf(source.address) + String.fromCharCode(source.port >> 8, source.port & 255),
    );
    return `\n  now ${this.model.now}, from ${from}, packet ${toHex(packet)}`;
  }
}
