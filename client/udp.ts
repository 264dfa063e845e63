/** The client over UDP: connect, ask, and ask again while nothing comes (BEP 15, "Time outs"). */
import { lookup } from "node:dns/promises";
import {
  ANNOUNCE_REQUEST_BYTE_LENGTH,
  CONNECT_REQUEST_BYTE_LENGTH,
  EVENT_COMPLETED,
  EVENT_NONE,
  EVENT_STARTED,
  EVENT_STOPPED,
  type Family,
  INFO_HASH_BYTE_LENGTH,
  parseResponse,
  SCRAPE_COUNT_MAX,
  SCRAPE_INFO_HASHES,
  type UdpResponse,
  writeAnnounceRequest,
  writeConnectRequest,
  writeScrapeRequest,
} from "../protocols/udp/client.ts";
import { TIMEOUT_MS, TrackerError } from "./types.ts";
import type { Announce, AnnounceAnswer, AskOptions, ScrapeCounts } from "./types.ts";

const EVENTS = { started: EVENT_STARTED, completed: EVENT_COMPLETED, stopped: EVENT_STOPPED };
/** A request is repeated after so long; networks lose datagrams. */
const REPEAT_MS = 2_000;
/** No answer is longer than one datagram. */
const ANSWER_BYTE_LENGTH_MAX = 65_536;
/** Bytes that URLData adds to an announce for each 255 of its text, and at most (BEP 41). */
const URL_DATA_BYTE_LENGTH_MAX = 2_048;

/** Announces; path and query of the URL go along (BEP 41). */
export async function announceOverUdp(url: URL, request: Announce): Promise<AnnounceAnswer> {
  using exchange = await Exchange.open(url, request);
  const connectionId = await exchange.connect();
  const urlData = `${url.pathname}${url.search}`;
  const room = ANNOUNCE_REQUEST_BYTE_LENGTH + 2 * URL_DATA_BYTE_LENGTH_MAX;
  const answer = await exchange.ask(
    "announce",
    room,
    (view, transactionId) =>
      writeAnnounceRequest(view, {
        connectionId,
        transactionId,
        infoHash: request.infoHash,
        peerId: request.peerId,
        port: request.port,
        left: BigInt(request.left),
        downloaded: BigInt(request.downloaded ?? 0),
        uploaded: BigInt(request.uploaded ?? 0),
        event: request.event === undefined ? EVENT_NONE : EVENTS[request.event],
        numWant: request.numWant ?? -1,
        urlData: urlData.length > URL_DATA_BYTE_LENGTH_MAX || urlData.length < 2
          ? undefined
          : urlData,
      }),
  );
  const { interval, seeders, leechers, peers } = answer;
  return { interval, seeders, leechers, peers };
}

/** Scrapes, in as many requests as it takes. */
export async function scrapeOverUdp(
  url: URL,
  infoHashes: readonly Uint8Array[],
  options: AskOptions,
): Promise<Map<string, ScrapeCounts>> {
  using exchange = await Exchange.open(url, options);
  const connectionId = await exchange.connect();
  const counts = new Map<string, ScrapeCounts>();
  let rest = infoHashes;
  while (rest.length > 0) {
    const asked = rest.slice(0, SCRAPE_COUNT_MAX);
    const room = SCRAPE_INFO_HASHES + asked.length * INFO_HASH_BYTE_LENGTH;
    const { torrents } = await exchange.ask(
      "scrape",
      room,
      (view, transactionId) =>
        writeScrapeRequest(view, { connectionId, transactionId, infoHashes: asked }),
    );
    if (torrents.length === 0) throw new TrackerError(`${url.href} answers with no counts`);
    torrents.forEach((torrent, index) => counts.set(asked[index]!.toHex(), torrent));
    rest = rest.slice(torrents.length); // trackers answer fewer than were asked
  }
  return counts;
}

/** One socket and one tracker. */
class Exchange implements Disposable {
  readonly #url: URL;
  readonly #socket: Deno.DatagramConn;
  readonly #tracker: Deno.NetAddr;
  readonly #family: Family;
  readonly #deadline: number;

  private constructor(
    url: URL,
    socket: Deno.DatagramConn,
    options: { tracker: Deno.NetAddr; family: Family; timeoutMs: number },
  ) {
    this.#url = url;
    this.#socket = socket;
    this.#tracker = options.tracker;
    this.#family = options.family;
    this.#deadline = performance.now() + options.timeoutMs;
  }

  static async open(url: URL, { timeoutMs = TIMEOUT_MS }: AskOptions): Promise<Exchange> {
    if (url.port === "") throw new TypeError(`Cannot ask ${url.href}: expected a port`);
    const { address, family } = await lookup(url.hostname.replace(/^\[(.*)\]$/, "$1"))
      .catch((error: Error) => {
        throw new TrackerError(`Cannot ask ${url.href}: ${error.message}`, { cause: error });
      });
    const hostname = family === 6 ? "::" : "0.0.0.0";
    const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    const tracker: Deno.NetAddr = { transport: "udp", hostname: address, port: Number(url.port) };
    return new Exchange(url, socket, { tracker, family: family === 6 ? 6 : 4, timeoutMs });
  }

  /** Gets a connection id. */
  async connect(): Promise<Uint8Array> {
    const answer = await this.ask("connect", CONNECT_REQUEST_BYTE_LENGTH, writeConnectRequest);
    return answer.connectionId;
  }

  /**
   * Sends a request until its answer comes.
   * @param room Bytes of the longest request.
   */
  async ask<TKind extends UdpResponse["kind"]>(
    kind: TKind,
    room: number,
    write: (view: DataView, transactionId: number) => number,
  ): Promise<Extract<UdpResponse, { kind: TKind }>> {
    const transactionId = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const bytes = new Uint8Array(room);
    const request = bytes.subarray(0, write(new DataView(bytes.buffer), transactionId));
    const send = () => {
      this.#socket.send(request, this.#tracker).catch(() => {}); // it is sent again, or time is up
    };
    send();
    const repeat = setInterval(send, REPEAT_MS);
    // Nothing else ends a receive of Deno's.
    const giveUp = setTimeout(() => this.#socket.close(), this.#deadline - performance.now());
    try {
      while (true) {
        const answer = await this.#receive();
        if (answer?.transactionId !== transactionId) continue;
        if (answer.kind === "error") throw new TrackerError(answer.message);
        if (answer.kind === kind) return answer as Extract<UdpResponse, { kind: TKind }>;
      }
    } finally {
      clearInterval(repeat);
      clearTimeout(giveUp);
    }
  }

  /** Waits for a datagram of the tracker; nothing if it is no response. */
  async #receive(): Promise<UdpResponse | undefined> {
    let bytes: Uint8Array;
    let from: Deno.NetAddr;
    try {
      const [received, addr] = await this.#socket.receive(new Uint8Array(ANSWER_BYTE_LENGTH_MAX));
      [bytes, from] = [received, addr as Deno.NetAddr];
    } catch (error) {
      throw new TrackerError(`Cannot ask ${this.#url.href}: no answer came`, { cause: error });
    }
    if (from.port !== this.#tracker.port || from.hostname !== this.#tracker.hostname) {
      return undefined;
    }
    try {
      return parseResponse(bytes, this.#family);
    } catch {
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#socket.close();
    } catch { // it was closed when time was up
    }
  }
}
