/** One worker of the HTTP load test: its connections, each with requests that wait in order. */

import * as counter from "./counters.ts";
import { AnswerReader, BROKEN, INCOMPLETE } from "./http_answers.ts";
import type { HttpLoadConfig } from "./http_config.ts";
import { HttpRequestWriter } from "./http_requests.ts";
import { latencyBucket } from "./latency.ts";
import type { Pacer } from "./pacer.ts";
import { PeerTurns } from "./population.ts";
import { createRandom, toUnit } from "./random.ts";
import { createTcpLoop, type Seat } from "./tcp_config.ts";
import { Remainder, SEND_ROOM, type Session } from "./tcp_session.ts";
import type { LoadLoop, LoopOptions } from "./worker.ts";

/** Longer than any answer: 1000 IPv6 peers. */
const ANSWER_MAX = 64 * 1024;
/** Longer than any request: 74 torrents of a scrape. */
const REQUEST_MAX = 8 * 1024;

/** Makes the worker's loop. */
export function createHttpLoop(options: LoopOptions<HttpLoadConfig>): Promise<LoadLoop> {
  return createTcpLoop(options, {
    perWorker: options.config.num_connections,
    create: (seat) => new HttpSession(options, seat),
  });
}

/** The client's half of one connection. */
export class HttpSession implements Session {
  readonly server: Seat["server"];
  readonly sourceHostname: string;

  readonly #config: HttpLoadConfig;
  readonly #counters: Float64Array;
  readonly #pacer: Pacer;
  readonly #writer: HttpRequestWriter;
  readonly #random: () => number;
  readonly #scrapeShare: number;
  readonly #reader = new AnswerReader();
  readonly #remainder = new Remainder(ANSWER_MAX);

  // Requests that wait: a ring, the oldest at `#first`.
  readonly #kinds: Uint8Array;
  readonly #times: Float64Array;
  #first = 0;
  #waiting = 0;
  /** Without keep-alive, one request is all that a connection serves. */
  #isSpent = false;

  constructor({ config, population, counters }: LoopOptions<HttpLoadConfig>, seat: Seat) {
    const { torrents } = config;
    this.server = seat.server;
    this.sourceHostname = seat.sourceHostname;
    this.#config = config;
    this.#counters = counters;
    this.#pacer = seat.pacer;
    this.#random = createRandom(config.seed * 1000 + seat.index);
    this.#scrapeShare = torrents.weight_scrape /
      (torrents.weight_scrape + torrents.weight_announce);
    const { hostname, port } = seat.server;
    this.#writer = new HttpRequestWriter({
      population,
      turns: new PeerTurns(population, {
        index: seat.index,
        count: seat.count,
        random: this.#random,
      }),
      host: hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`,
      suffix: config.url_suffix,
      close: !config.keep_alive,
      numWant: torrents.announce_peers_wanted,
      scrapeTorrents: torrents.scrape_max_torrents,
    });
    this.#kinds = new Uint8Array(config.pipelining_depth);
    this.#times = new Float64Array(config.pipelining_depth);
  }

  open(): void {
    this.#first = this.#waiting = 0;
    this.#isSpent = false;
    this.#remainder.clear();
  }

  write(output: Uint8Array, nowMs: number): number {
    const depth = this.#kinds.length;
    let end = 0;
    while (
      this.#waiting < depth && !this.#isSpent && end < SEND_ROOM - REQUEST_MAX &&
      this.#pacer.dueCount(nowMs) > 0
    ) {
      const position = (this.#first + this.#waiting) % depth;
      const isScrape = this.#scrapeShare > 0 && toUnit(this.#random()) < this.#scrapeShare;
      end = isScrape
        ? this.#writer.writeScrape(output, end)
        : this.#writer.writeAnnounce(output, end);
      this.#kinds[position] = isScrape ? counter.SCRAPE : counter.ANNOUNCE;
      this.#times[position] = this.#pacer.take(nowMs);
      this.#isSpent = !this.#config.keep_alive;
      ++this.#waiting;
      ++this.#counters[counter.REQUESTS]!;
    }
    return end;
  }

  read(received: Uint8Array, nowMs: number): boolean {
    const bytes = this.#remainder.join(received);
    this.#counters[counter.BYTES_RECEIVED]! += received.length;
    let start = 0;
    while (start < bytes.length) {
      const found = this.#reader.readHead(bytes, start);
      if (found === BROKEN) return this.#refuse();
      if (found === INCOMPLETE || start + this.#reader.byteLength > bytes.length) break;
      start += this.#reader.byteLength;
      this.#judge(bytes, start, nowMs);
      if (this.#reader.isLast || this.#isSpent) return false;
    }
    if (!this.#remainder.keep(bytes.subarray(start))) return this.#refuse();
    return true;
  }

  end(): void {
    this.#counters[counter.SEND_FAILURES]! += this.#waiting;
    this.#waiting = 0;
  }

  hasTimedOut(nowMs: number): boolean {
    if (this.#waiting === 0) return false;
    if (nowMs - this.#times[this.#first]! < this.#config.timeout * 1000) return false;
    this.#counters[counter.TIMEOUTS]! += this.#waiting;
    this.#waiting = 0;
    return true;
  }

  /** Judges the answer that ends at `end`. */
  #judge(bytes: Uint8Array, end: number, nowMs: number): void {
    const counters = this.#counters;
    const reader = this.#reader;
    if (this.#waiting === 0) {
      ++counters[counter.UNKNOWN_TRANSACTION]!;
      return;
    }
    const expected = this.#kinds[this.#first]!;
    const sinceMs = this.#times[this.#first]!;
    this.#first = (this.#first + 1) % this.#kinds.length;
    --this.#waiting;
    const kind = reader.readBody(bytes, reader.bodyStart, end);
    if (kind === BROKEN) ++counters[counter.MALFORMED]!;
    else if (kind !== counter.ERROR && kind !== expected) ++counters[counter.WRONG_KIND]!;
    else if (!this.#isPossible(kind)) ++counters[counter.IMPOSSIBLE]!;
    else {
      ++counters[counter.RESPONSES + kind]!;
      ++counters[counter.LATENCIES + latencyBucket((nowMs - sinceMs) * 1000)]!;
    }
  }

  /** Says whether an answer of the right kind can be true. */
  #isPossible(kind: number): boolean {
    const { torrents } = this.#config;
    const reader = this.#reader;
    if (kind === counter.ERROR) return true;
    if (kind === counter.SCRAPE) return reader.files <= torrents.scrape_max_torrents;
    const counted = reader.complete + reader.incomplete;
    this.#counters[counter.PEERS]! += reader.peers;
    return reader.peers <= torrents.announce_peers_wanted && reader.peers <= counted &&
      counted <= torrents.number_of_peers && reader.interval > 0;
  }

  #refuse(): false {
    ++this.#counters[counter.MALFORMED]!;
    return false;
  }
}
