/**
 * The tracker's rules in plain TypeScript: what a legal answer to any datagram is.
 *
 * receive() applies a datagram to the model and says what may be answered; check() holds the real
 * answer against it. Random choices (peers, jitter, connection ids) are judged, not predicted.
 * Rules: protocols.md A and D, issue 4.
 */
import { EVENT_COMPLETED, EVENT_PAUSED, EVENT_STOPPED } from "../support/packets.ts";
import { canonicalAddress, keyOf, peerKey } from "./bytes.ts";
import { checkAnswer } from "./answer.ts";
import { type Announce, ANSWER_MAX, parseRequest, type Scrape } from "./codec.ts";
import { ConnectionIds } from "./connection_ids.ts";
import { type Role, Swarm, Torrents } from "./swarm.ts";
import type { AccessMode, Limits, Source, Totals } from "./tracker.ts";

/** What a tracker may answer. */
export type Expectation =
  | { kind: "silence"; why: string }
  | { kind: "silence or error"; why: string; transactionId: number }
  | { kind: "error"; why: string; transactionId: number }
  | { kind: "connect"; transactionId: number; address: string }
  | { kind: "announce"; transactionId: number } & AnnounceExpectation
  | { kind: "scrape"; transactionId: number; triples: Triple[] };

export interface AnnounceExpectation {
  intervalMin: number;
  intervalMax: number;
  leechers: number;
  seeders: number;
  peerByteLength: 6 | 18;
  /** Exactly so many peers, all of `swarm`, none of them `self`. */
  peerCount: number;
  swarm: Swarm;
  self: string;
  /** At least so many of them are leechers that are no partial seeds. */
  leechersFirst: number;
}

/** Seeders, completed, leechers: the order of a scrape answer. */
export type Triple = [number, number, number];

const NO_SWARM = new Swarm();

export class Model {
  readonly torrents = new Torrents();
  readonly limits: Limits;
  readonly #ids = new ConnectionIds();
  #now = 0;
  #completed = 0;
  #accessMode: AccessMode = "off";
  #listed = new Set<string>();

  constructor(limits: Limits) {
    this.limits = limits;
  }

  get now(): number {
    return this.#now;
  }

  setNow(seconds: number): void {
    if (seconds < this.#now) throw new RangeError(`The clock goes back to ${seconds}`);
    this.#now = seconds;
  }

  sweep(): void {
    this.torrents.sweep(this.#now, this.limits.maxPeerAgeSeconds);
  }

  loadAccessList(mode: AccessMode, infoHashes: readonly Uint8Array[]): void {
    this.#accessMode = mode;
    this.#listed = new Set(infoHashes.map((infoHash) => keyOf(infoHash)));
  }

  isAllowed(infoHash: string): boolean {
    if (this.#accessMode === "off") return true;
    return this.#listed.has(infoHash) === (this.#accessMode === "white");
  }

  totals(): Totals {
    const totals = { torrents: 0, ipv4Peers: 0, ipv6Peers: 0, completed: this.#completed };
    for (const torrent of this.torrents.byInfoHash.values()) {
      ++totals.torrents;
      totals.ipv4Peers += torrent.ipv4.peers.size;
      totals.ipv6Peers += torrent.ipv6.peers.size;
    }
    return totals;
  }

  /** Applies one datagram and says what may be answered to it. */
  receive(packet: Uint8Array, source: Source): Expectation {
    if (source.port === 0) return { kind: "silence", why: "source port 0" };
    const request = parseRequest(packet);
    if (request.action === "none") return { kind: "silence", why: request.why };
    const { transactionId } = request;
    const addressBytes = canonicalAddress(source.address);
    const address = keyOf(addressBytes);
    if (request.action === "connect") return { kind: "connect", transactionId, address };

    const maxAge = this.limits.maxConnectionAgeSeconds;
    const verdict = this.#ids.judge(address, request.connectionId, this.#now, maxAge);
    if (verdict === "forged") return { kind: "silence", why: "forged connection id" };
    if (request.action === "short announce") {
      return { kind: "silence or error", why: "announce below 98 bytes", transactionId };
    }
    if (verdict === "expired") {
      return { kind: "error", why: "expired connection id", transactionId };
    }
    return request.action === "announce"
      ? this.#announce(request, addressBytes)
      : this.#scrape(request);
  }

  /** Holds an answer against what was expected; null or what is wrong with it. */
  check(expectation: Expectation, answer: Uint8Array | null): string | null {
    const complaint = checkAnswer(expectation, answer);
    if (complaint === null && expectation.kind === "connect") {
      this.#ids.learn(expectation.address, keyOf(answer!, 8, 16), this.#now);
    }
    return complaint;
  }

  #announce(request: Announce, address: Uint8Array): Expectation {
    const { transactionId, infoHash, port } = request;
    if (port === 0) return { kind: "error", why: "invalid port", transactionId };
    if (!this.isAllowed(infoHash)) {
      return { kind: "error", why: "torrent not allowed", transactionId };
    }
    const self = peerKey(address, port);
    const isStopped = request.event === EVENT_STOPPED;
    const swarm = this.#update(request, self);
    const others = swarm.peers.size - (swarm.peers.has(self) ? 1 : 0);
    const peerByteLength = address.length === 4 ? 6 : 18;
    const peerCount = isStopped ? 0 : Math.min(others, this.#peersMax(request, peerByteLength));
    const base = this.limits.announceIntervalSeconds;
    return {
      kind: "announce",
      transactionId,
      intervalMin: base,
      intervalMax: base + Math.ceil(base / 10),
      leechers: swarm.leechers,
      seeders: swarm.seeders,
      peerByteLength,
      peerCount,
      swarm,
      self,
      leechersFirst: request.isComplete ? Math.min(peerCount, swarm.leechersProper) : 0,
    };
  }

  /** Applies an announce to its swarm, and returns that. */
  #update(request: Announce, self: string): Swarm {
    const isStopped = request.event === EVENT_STOPPED;
    const torrent = isStopped
      ? this.torrents.get(request.infoHash)
      : this.torrents.take(request.infoHash);
    if (!torrent) return NO_SWARM;
    const swarm = self.length === 6 ? torrent.ipv4 : torrent.ipv6;
    if (isStopped) {
      // Whoever leaves does not prolong the torrent's life.
      swarm.remove(self);
      return swarm;
    }
    torrent.lastAnnounceSeconds = this.#now;
    const isCompleted = request.event === EVENT_COMPLETED && request.isComplete;
    if (swarm.upsert(self, roleOf(request), isCompleted, this.#now)) {
      ++torrent.completed;
      ++this.#completed;
    }
    return swarm;
  }

  #peersMax(request: Announce, peerByteLength: number): number {
    const { maxResponsePeers, defaultResponsePeers } = this.limits;
    const wanted = request.numWant < 0 ? defaultResponsePeers : request.numWant;
    const fitting = Math.floor((ANSWER_MAX - 20) / peerByteLength);
    return Math.min(wanted, maxResponsePeers, fitting);
  }

  #scrape({ transactionId, infoHashes, isRagged }: Scrape): Expectation {
    if (isRagged) return { kind: "error", why: "ragged scrape", transactionId };
    if (infoHashes.length === 0) return { kind: "error", why: "empty scrape", transactionId };
    const scraped = infoHashes.slice(0, this.limits.maxScrapeTorrents);
    if (!scraped.some((infoHash) => this.isAllowed(infoHash))) {
      return { kind: "error", why: "no scraped torrent is allowed", transactionId };
    }
    const triples = scraped.map((infoHash): Triple => {
      const torrent = this.isAllowed(infoHash) ? this.torrents.get(infoHash) : undefined;
      return torrent ? [torrent.seeders, torrent.completed, torrent.leechers] : [0, 0, 0];
    });
    return { kind: "scrape", transactionId, triples };
  }
}

/** Only zero left makes a seeder; event 4 says that a leecher wants no more (BEP 21). */
function roleOf(request: Announce): Role {
  if (request.isComplete) return "seeder";
  return request.event === EVENT_PAUSED ? "partial seed" : "leecher";
}
