/**
 * The client's half of one WebTorrent connection: announces with offers, answers to the offers of
 * others, and the answers to its own.
 */

import {
  type Frame,
  FrameReader,
  OPCODE_BINARY,
  OPCODE_CLOSE,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
  writeFrame,
} from "../../protocols/ws/frames.ts";
import * as counter from "./counters.ts";
import { latencyBucket } from "./latency.ts";
import type { Pacer } from "./pacer.ts";
import { PeerTurns, type Population } from "./population.ts";
import { createRandom, toUnit } from "./random.ts";
import type { Seat } from "./tcp_config.ts";
import { Remainder, SEND_ROOM, type Session } from "./tcp_session.ts";
import type { LoopOptions } from "./worker.ts";
import type { OfferBook, OfferShelf } from "./ws_offers.ts";
import { judgeMessage, type TrackerMessage } from "./ws_messages.ts";
import type { WsLoadConfig } from "./ws_config.ts";
import { ID_BYTES, type WsRequests } from "./ws_requests.ts";

const HEAD_MAX = 4096;
const MESSAGE_MAX = 256 * 1024;
/** Answers that wait to be sent, in bytes; more come only while the system takes none. */
const ANSWERS_MAX = 128 * 1024;

export interface WsSessionOptions {
  seat: Seat;
  requests: WsRequests;
  sdp: string;
  /** The upgrade request. */
  upgrade: string;
  /** What has to be answered to its key. */
  accept: string;
  /** Where all connections of this worker keep what they offered. */
  shelf: OfferShelf;
}

/** One connection; its peer id stays the same when it is opened again. */
export class WsSession implements Session {
  readonly server: Seat["server"];
  readonly sourceHostname: string;

  readonly #config: WsLoadConfig;
  readonly #counters: Float64Array;
  readonly #pacer: Pacer;
  readonly #population: Population;
  readonly #hashes: Uint8Array;
  readonly #turns: PeerTurns;
  readonly #random: () => number;
  readonly #scrapeShare: number;
  readonly #options: WsSessionOptions;
  readonly #peerId: Uint8Array;
  readonly #peerIdText: string;
  readonly #offers: OfferBook;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  readonly #head = new Remainder(HEAD_MAX);
  #frames = new FrameReader(MESSAGE_MAX);
  #isUpgraded = false;
  #isUpgradeSent = false;
  #answers = new Uint8Array(4096);
  #answersLength = 0;
  /** Answers sent: some trackers reply to each as to an announce, most to none. */
  #answersSent = 0;

  // The request that waits: one at a time, as a client would.
  #waitingKind = -1;
  #waitingHash = "";
  #waitingSinceMs = 0;

  constructor(
    { config, population, counters }: LoopOptions<WsLoadConfig>,
    options: WsSessionOptions,
  ) {
    const { seat } = options;
    const { torrents } = config;
    this.server = seat.server;
    this.sourceHostname = seat.sourceHostname;
    this.#config = config;
    this.#counters = counters;
    this.#pacer = seat.pacer;
    this.#population = population;
    this.#hashes = new Uint8Array(population.infoHashes.buffer);
    this.#options = options;
    this.#random = createRandom(config.seed * 1000 + seat.index);
    this.#scrapeShare = torrents.weight_scrape /
      (torrents.weight_scrape + torrents.weight_announce);
    this.#turns = new PeerTurns(population, {
      index: seat.index,
      count: seat.count,
      random: this.#random,
    });
    this.#peerIdText = `-RT0001-${String(seat.index).padStart(12, "0")}`;
    this.#peerId = new TextEncoder().encode(this.#peerIdText);
    this.#offers = options.shelf.open(seat.index, torrents.offers_per_request);
  }

  open(nowMs: number): void {
    this.#head.clear();
    this.#frames = new FrameReader(MESSAGE_MAX);
    this.#isUpgraded = this.#isUpgradeSent = false;
    this.#answersLength = 0;
    this.#answersSent = 0;
    this.#waitingKind = counter.CONNECT;
    this.#waitingSinceMs = nowMs;
  }

  write(output: Uint8Array, nowMs: number): number {
    if (!this.#isUpgradeSent) {
      this.#isUpgradeSent = true;
      return new TextEncoder().encodeInto(this.#options.upgrade, output).written;
    }
    output.set(this.#answers.subarray(0, this.#answersLength));
    let end = this.#answersLength;
    this.#answersLength = 0;
    const isFree = this.#isUpgraded && this.#waitingKind < 0;
    if (isFree && end + this.#options.requests.byteLengthMax < SEND_ROOM) {
      if (this.#pacer.dueCount(nowMs) > 0) end = this.#writeRequest(output, end, nowMs);
    }
    return end;
  }

  #writeRequest(output: Uint8Array, start: number, nowMs: number): number {
    const { requests } = this.#options;
    const { peerTorrents, peerSeeds } = this.#population;
    const dueMs = this.#pacer.take(nowMs);
    this.#waitingSinceMs = dueMs;
    ++this.#counters[counter.REQUESTS]!;
    if (this.#scrapeShare > 0 && toUnit(this.#random()) < this.#scrapeShare) {
      this.#waitingKind = counter.SCRAPE;
      const torrent = () => peerTorrents[this.#turns.skip()]!;
      return requests.writeScrape(output, start, { hashes: this.#hashes, torrent });
    }
    const peer = this.#turns.take();
    const hashOffset = peerTorrents[peer]! * ID_BYTES;
    this.#waitingKind = counter.ANNOUNCE;
    this.#waitingHash = String.fromCharCode(
      ...this.#hashes.subarray(hashOffset, hashOffset + ID_BYTES),
    );
    return requests.writeAnnounce(output, start, {
      event: this.#turns.event,
      isSeeder: peerSeeds[peer] === 1,
      hashes: this.#hashes,
      hashOffset,
      peerId: this.#peerId,
      offerIds: this.#offers.make(dueMs),
    });
  }

  read(received: Uint8Array, nowMs: number): boolean {
    this.#counters[counter.BYTES_RECEIVED]! += received.length;
    const bytes = this.#isUpgraded ? received : this.#readUpgrade(received);
    if (bytes === undefined) return this.#refuse();
    for (let start = 0; start < bytes.length;) {
      const room = this.#frames.room();
      const part = bytes.subarray(start, start + room.length);
      room.set(part);
      this.#frames.filled(part.length);
      start += part.length;
      try {
        for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
          if (frame.opcode === OPCODE_CLOSE) {
            ++this.#counters[counter.CLOSED]!;
            return false;
          }
          this.#take(frame, nowMs);
        }
      } catch {
        return this.#refuse(); // no frames of RFC 6455
      }
    }
    return true;
  }

  end(): void {
    if (this.#waitingKind >= 0) ++this.#counters[counter.SEND_FAILURES]!;
    this.#waitingKind = -1;
  }

  hasTimedOut(nowMs: number): boolean {
    if (this.#waitingKind < 0) return false;
    if (nowMs - this.#waitingSinceMs < this.#config.timeout * 1000) return false;
    ++this.#counters[counter.TIMEOUTS]!;
    this.#waitingKind = -1;
    return true;
  }

  /** @returns What came behind the upgrade, or undefined: it is refused. */
  #readUpgrade(received: Uint8Array): Uint8Array | undefined {
    const bytes = this.#head.join(received);
    const text = String.fromCharCode(...bytes.subarray(0, HEAD_MAX));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return this.#head.keep(bytes) ? new Uint8Array() : undefined;
    const accept = /^sec-websocket-accept: *(\S+) *\r$/im.exec(text.slice(0, end + 2))?.[1];
    if (!text.startsWith("HTTP/1.1 101 ") || accept !== this.#options.accept) return undefined;
    this.#isUpgraded = true;
    this.#waitingKind = -1;
    return bytes.subarray(end + 4);
  }

  #take(frame: Frame, nowMs: number): void {
    if (frame.opcode === OPCODE_PING) {
      this.#queue(writeFrame(frame.payload, { opcode: OPCODE_PONG }));
      return;
    }
    if (frame.opcode === OPCODE_PONG) return;
    const isMessage = frame.opcode === OPCODE_TEXT || frame.opcode === OPCODE_BINARY;
    if (!isMessage || !frame.isFinal) { // no tracker has reason to cut its short messages
      ++this.#counters[counter.MALFORMED]!;
      return;
    }
    let text: string;
    try {
      text = this.#decoder.decode(frame.payload);
    } catch {
      ++this.#counters[counter.MALFORMED]!;
      return;
    }
    const message = judgeMessage(text);
    if (message === undefined) ++this.#counters[counter.MALFORMED]!;
    else this.#judge(message, nowMs);
  }

  #judge(message: TrackerMessage, nowMs: number): void {
    switch (message.kind) {
      case counter.OFFER:
        return this.#takeOffer(message, nowMs);
      case counter.ANSWER:
        return this.#takeAnswer(message, nowMs);
      case counter.ANNOUNCE:
        if (message.info_hash === this.#waitingHash) break;
        if (this.#answersSent === 0) return this.#spoilt(counter.UNKNOWN_TRANSACTION);
        --this.#answersSent; // the reply to an answer
        return this.#good(message.kind);
    }
    if (this.#waitingKind < 0) {
      if (message.kind === counter.ANNOUNCE && this.#answersSent-- > 0) {
        return this.#good(message.kind);
      }
      // An answer may be refused where its offer is too old: an error that nobody waits for.
      if (message.kind === counter.ERROR) return this.#good(message.kind);
      return this.#spoilt(counter.UNKNOWN_TRANSACTION);
    }
    const waitingKind = this.#waitingKind;
    this.#waitingKind = -1;
    if (message.kind !== counter.ERROR && message.kind !== waitingKind) {
      return this.#spoilt(counter.WRONG_KIND);
    }
    if (!this.#isPossible(message)) return this.#spoilt(counter.IMPOSSIBLE);
    this.#good(message.kind);
    const bucket = latencyBucket((nowMs - this.#waitingSinceMs) * 1000);
    ++this.#counters[counter.LATENCIES + bucket]!;
  }

  #isPossible(message: TrackerMessage): boolean {
    const { torrents } = this.#config;
    if (message.kind === counter.ANNOUNCE) {
      return message.interval > 0 &&
        message.complete + message.incomplete <= torrents.number_of_peers;
    }
    return message.kind === counter.ERROR || message.torrents <= torrents.scrape_max_torrents;
  }

  /** An offer of another peer: it is answered. */
  #takeOffer(message: TrackerMessage, nowMs: number): void {
    if (message.peer_id === this.#peerIdText || message.sdp !== this.#options.sdp) {
      return this.#spoilt(counter.IMPOSSIBLE);
    }
    this.#good(counter.OFFER);
    ++this.#counters[counter.PEERS]!;
    const sinceMs = this.#options.shelf.madeAt(message.offer_id);
    // One of another worker, or too old, counts as none.
    if (sinceMs) ++this.#counters[counter.RELAYS + latencyBucket((nowMs - sinceMs) * 1000)]!;
    const share = this.#config.torrents.answer_probability;
    if (share < 1 && toUnit(this.#random()) >= share) return;
    const { requests } = this.#options;
    if (!this.#makeRoom(requests.answerByteLength)) return;
    this.#answersLength = requests.writeAnswer(this.#answers, this.#answersLength, {
      infoHash: message.info_hash,
      peerId: this.#peerId,
      toPeerId: message.peer_id,
      offerId: message.offer_id,
    });
    ++this.#answersSent;
  }

  /** The answer to an offer of ours. */
  #takeAnswer(message: TrackerMessage, nowMs: number): void {
    if (message.sdp !== this.#options.sdp) return this.#spoilt(counter.IMPOSSIBLE);
    const sinceMs = this.#offers.take(message.offer_id);
    if (sinceMs === undefined) return this.#spoilt(counter.UNKNOWN_TRANSACTION);
    this.#good(counter.ANSWER);
    if (sinceMs > 0) {
      ++this.#counters[counter.ROUND_TRIPS + latencyBucket((nowMs - sinceMs) * 1000)]!;
    } else ++this.#counters[counter.LATE]!;
  }

  #good(kind: number): void {
    ++this.#counters[counter.RESPONSES + kind]!;
  }

  #spoilt(index: number): void {
    ++this.#counters[index]!;
  }

  #queue(frame: Uint8Array): void {
    if (!this.#makeRoom(frame.length)) return;
    this.#answers.set(frame, this.#answersLength);
    this.#answersLength += frame.length;
  }

  #makeRoom(byteLength: number): boolean {
    const needed = this.#answersLength + byteLength;
    if (needed > ANSWERS_MAX) {
      ++this.#counters[counter.SEND_FAILURES]!;
      return false;
    }
    if (needed > this.#answers.length) {
      const larger = new Uint8Array(2 * needed);
      larger.set(this.#answers.subarray(0, this.#answersLength));
      this.#answers = larger;
    }
    return true;
  }

  #refuse(): false {
    ++this.#counters[counter.MALFORMED]!;
    return false;
  }
}
