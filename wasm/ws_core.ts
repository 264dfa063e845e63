/** The core as a WebTorrent worker uses it: upgraded connections, and their outboxes. */
import {
  CONNECTION_FILLED,
  CONNECTION_PHASE,
  CONTROL_ANSWER_RESERVE,
  CONTROL_PAGE_COUNT,
  CONTROL_WS_INTERVAL,
  CONTROL_WS_MAX_MESSAGE,
  CONTROL_WS_MAX_OFFERS,
  CONTROL_WS_MAX_SCRAPE_TORRENTS,
  CONTROL_WS_MAX_TORRENTS,
  CONTROL_WS_MESSAGES_PER_SECOND,
  CONTROL_WS_OUTBOX_BYTES,
  FRAME_STATE,
  FRAME_TORRENT_COUNT,
  FULL,
  INFO_HASHES_MAX,
  MESSAGE_OFFERS_MAX,
  OUTBOX_FIRST,
  OUTBOX_SENT,
  OUTBOX_STATE,
  PARCEL_BYTES,
  PHASE_WEBSOCKET,
  POST_FULL,
  SERVES_HTTP,
  SERVES_WEBSOCKET,
  STATE_ALIVE,
  STATE_OPENED,
} from "../assembly/layout.ts";
import { OutOfMemoryError } from "./errors.ts";
import { type Connection, HttpCore } from "./http_core.ts";
import type { SharedCore } from "./memory.ts";
import { Wakes } from "./wakes.ts";

interface Exports {
  startWebSockets(index: number, serves: number, messageBytesMax: number): number;
  nextReady(index: number): number;
  outboxSpan(index: number, connection: number): number;
  outboxSent(index: number, connection: number, byteLength: number): void;
  pingSocket(index: number, connection: number): number;
  endSocket(index: number, connection: number, code: number): void;
}

/** What the WebTorrent tracker is told; seconds, counts and bytes. */
export interface WsSettings {
  announceIntervalSeconds: number;
  /** At most MESSAGE_OFFERS_MAX. */
  maxOffers: number;
  /** At most INFO_HASHES_MAX. */
  maxScrapeTorrents: number;
  maxMessageBytes: number;
  /** What may wait to be sent on one connection. */
  outboxBytesMax: number;
  maxTorrentsPerConnection: number;
  /** Messages and control frames of one connection; 0: as many as it likes. */
  messagesPerSecond: number;
}

/** Of a worker whose settings do not say: what all unfinished messages may take. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Of all pages, the share that swarms may not fill: with memory full, the peers that are known are
 * still answered, and hear of each other.
 */
const ANSWER_SHARE = 32;

/** Writes the settings; connections see them with their next message. */
export function writeWsSettings(memory: WebAssembly.Memory, settings: WsSettings): void {
  const words = new Uint32Array(memory.buffer);
  const values: [address: number, value: number][] = [
    [CONTROL_WS_INTERVAL, settings.announceIntervalSeconds],
    [CONTROL_WS_MAX_OFFERS, Math.min(settings.maxOffers, MESSAGE_OFFERS_MAX)],
    [CONTROL_WS_MAX_SCRAPE_TORRENTS, Math.min(settings.maxScrapeTorrents, INFO_HASHES_MAX)],
    [CONTROL_WS_MAX_MESSAGE, settings.maxMessageBytes],
    [CONTROL_WS_OUTBOX_BYTES, settings.outboxBytesMax],
    [CONTROL_WS_MAX_TORRENTS, settings.maxTorrentsPerConnection],
    [CONTROL_WS_MESSAGES_PER_SECOND, settings.messagesPerSecond],
  ];
  for (const [address, value] of values) Atomics.store(words, address >> 2, value);
  const reserve = Math.ceil(words[CONTROL_PAGE_COUNT >> 2]! / ANSWER_SHARE);
  Atomics.store(words, CONTROL_ANSWER_RESERVE >> 2, reserve);
}

export class WsCore extends HttpCore {
  /** Another worker has begun the ready list, or this one another's. */
  readonly wakes: Wakes;
  readonly #exports: Exports;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;

  /**
   * @param options.servesHttp Whether requests that ask for no upgrade are the HTTP tracker's.
   * @throws OutOfMemoryError
   */
  constructor(
    shared: SharedCore,
    options: {
      workerIndex: number;
      connections: number;
      slices: number;
      servesHttp: boolean;
      messageBytesMax?: number;
      seed?: bigint;
    },
  ) {
    super(shared, options);
    this.#exports = this.exports as unknown as Exports;
    this.#bytes = new Uint8Array(shared.memory.buffer);
    this.#words = new Uint32Array(shared.memory.buffer);
    this.wakes = new Wakes(shared.memory, options.workerIndex);
    const serves = SERVES_WEBSOCKET | (options.servesHttp ? SERVES_HTTP : 0);
    const bytesMax = options.messageBytesMax ?? MESSAGE_BYTES_MAX;
    if (this.#exports.startWebSockets(options.workerIndex, serves, bytesMax) === FULL) {
      throw new OutOfMemoryError(
        `Cannot start worker ${options.workerIndex}: [memory] limit_mib leaves no room for its ` +
          "messages",
      );
    }
  }

  /** Whether it was upgraded: from then on its answers are in outboxes. */
  isWebSocket(connection: Connection): boolean {
    return this.#word(connection + CONNECTION_PHASE) === PHASE_WEBSOCKET;
  }

  /** The next connection whose outbox is to be sent, or which ends; 0 for none. */
  nextReady(): Connection {
    return this.#exports.nextReady(this.workerIndex) >>> 0 as Connection;
  }

  /** How many bytes are to be sent next: 0 for none, and where the client was given up. */
  outboxSpan(connection: Connection): number {
    return this.#exports.outboxSpan(this.workerIndex, connection);
  }

  /** Those bytes, which stay where they are until they are sent or the connection is closed. */
  outboxOf(connection: Connection, byteLength: number, before?: Uint8Array): Uint8Array {
    const address = this.#word(connection + OUTBOX_FIRST) + PARCEL_BYTES +
      this.#word(connection + OUTBOX_SENT);
    const isSame = before?.byteLength === byteLength && before.byteOffset === address;
    return isSame ? before : this.#bytes.subarray(address, address + byteLength);
  }

  /** So many of them were sent. */
  outboxSent(connection: Connection, byteLength: number): void {
    this.#exports.outboxSent(this.workerIndex, connection, byteLength);
  }

  /** Whether the client reads too slowly: it is to be closed at once. */
  isOverflowing(connection: Connection): boolean {
    return (this.#word(connection + OUTBOX_STATE) & POST_FULL) !== 0;
  }

  /** Sends a ping; false where nothing has come since the last one. */
  ping(connection: Connection): boolean {
    return this.#exports.pingSocket(this.workerIndex, connection) !== 0;
  }

  /** Whether something has come since the last ping. */
  isAlive(connection: Connection): boolean {
    return (this.#word(connection + FRAME_STATE) & STATE_ALIVE) !== 0;
  }

  /** Whether a frame or a message has begun, and is not whole. */
  isMidMessage(connection: Connection): boolean {
    return this.#word(connection + CONNECTION_FILLED) !== 0 ||
      (this.#word(connection + FRAME_STATE) & STATE_OPENED) !== 0;
  }

  /** Ends the connection with a close frame of this code. */
  closeSocket(connection: Connection, code: number): void {
    this.#exports.endSocket(this.workerIndex, connection, code);
  }

  /** In how many torrents the connection takes part. */
  torrentsOf(connection: Connection): number {
    return this.#word(connection + FRAME_TORRENT_COUNT);
  }

  #word(address: number): number {
    return this.#words[address >>> 2]!;
  }
}
