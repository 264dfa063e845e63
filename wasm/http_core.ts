/** The core as an HTTP worker uses it: connections, and what is received and sent on them. */
import {
  CONNECTION_CAPACITY,
  CONNECTION_ENDING,
  CONNECTION_FILLED,
  CONNECTION_INPUT,
  CONNECTION_INPUT_SIZE,
  CONNECTION_OUTPUT,
  CONNECTION_OWN_INPUT,
  CONTROL_FAULT,
  CONTROL_HTTP_ANSWER_MAX,
  CONTROL_HTTP_DEFAULT_PEERS,
  CONTROL_HTTP_INTERVAL,
  CONTROL_HTTP_MAX_PEERS,
  CONTROL_HTTP_MAX_REQUESTS,
  CONTROL_HTTP_MAX_SCRAPE_TORRENTS,
  CONTROL_HTTP_MIN_INTERVAL,
  CONTROL_HTTP_OPTIONS,
  CONTROL_HTTP_SLICE_SIZE,
  COUNT_SHARDS_EMPTIED,
  ENDING_LINGER,
  ENDING_NO,
  FAULT_NONE,
  FULL,
  HTTP_OPTION_CORS,
  HTTP_OPTION_EXTERNAL_IP,
  HTTP_OPTION_KEEP_ALIVE,
  HTTP_OPTION_PROXY_PROTOCOL,
  HTTP_OPTION_SAME_FAMILY,
  PAGE_SIZE,
  SLICE_SIZE_MIN,
  SLOT_SIZE,
  WORKER_SIZE,
  WORKER_SLOTS,
  WORKERS,
} from "../assembly/layout.ts";
import { Core } from "./core.ts";
import { OutOfMemoryError } from "./errors.ts";
import type { SharedCore } from "./memory.ts";

interface Exports {
  nextLeft(index: number, connection: number): number;
  letGo(index: number, connection: number): void;
  startConnections(index: number, slotCount: number, sliceCountMax: number): number;
  openConnection(index: number): number;
  closeConnection(index: number, connection: number): void;
  receiveHttp(index: number, connection: number, byteLength: number): number;
  resumeHttp(index: number, connection: number): number;
  timeOutHttp(index: number, connection: number): number;
  turnAwayHttp(index: number, connection: number): number;
  isTrustedProxy(index: number): number;
  isDeniedClient(index: number): number;
}

/** What the HTTP tracker is told; seconds and counts. */
export interface HttpSettings {
  announceIntervalSeconds: number;
  minAnnounceIntervalSeconds: number;
  maxScrapeTorrents: number;
  maxPeers: number;
  defaultPeers: number;
  maxRequestsPerConnection: number;
  keepAlive: boolean;
  sameFamilyOnly: boolean;
  externalIp: boolean;
  cors: boolean;
  proxyProtocol: boolean;
}

/** Bytes of a peer as a dictionary at the most, and of a torrent's counts in a scrape. */
const PEER_LENGTH_MAX = 96;
const COUNTS_LENGTH_MAX = 160;
/** Everything else of an answer, its head included. */
const ANSWER_REST_MAX = 2_048;

/**
 * Writes the settings; before the first worker starts, as they say how large an answer can be, and
 * at a reload. Of several services that write them the last one's hold, but answers have the room
 * that the longest of any needs.
 */
export function writeHttpSettings(memory: WebAssembly.Memory, settings: HttpSettings): void {
  const words = new Uint32Array(memory.buffer);
  const ownMax = ANSWER_REST_MAX +
    Math.max(settings.maxPeers * PEER_LENGTH_MAX, settings.maxScrapeTorrents * COUNTS_LENGTH_MAX);
  // Never less: slices are there already at a reload, which may only ask for less than the start.
  const answerMax = Math.max(ownMax, Atomics.load(words, CONTROL_HTTP_ANSWER_MAX >> 2));
  const sliceSize = Math.max(SLICE_SIZE_MIN, Math.ceil(answerMax / PAGE_SIZE) * PAGE_SIZE);
  const options = (settings.keepAlive ? HTTP_OPTION_KEEP_ALIVE : 0) |
    (settings.sameFamilyOnly ? HTTP_OPTION_SAME_FAMILY : 0) |
    (settings.externalIp ? HTTP_OPTION_EXTERNAL_IP : 0) |
    (settings.cors ? HTTP_OPTION_CORS : 0) |
    (settings.proxyProtocol ? HTTP_OPTION_PROXY_PROTOCOL : 0);
  const values: [address: number, value: number][] = [
    [CONTROL_HTTP_INTERVAL, settings.announceIntervalSeconds],
    [CONTROL_HTTP_MIN_INTERVAL, settings.minAnnounceIntervalSeconds],
    [CONTROL_HTTP_MAX_SCRAPE_TORRENTS, settings.maxScrapeTorrents],
    [CONTROL_HTTP_MAX_PEERS, settings.maxPeers],
    [CONTROL_HTTP_DEFAULT_PEERS, settings.defaultPeers],
    [CONTROL_HTTP_MAX_REQUESTS, settings.maxRequestsPerConnection],
    [CONTROL_HTTP_OPTIONS, options],
    [CONTROL_HTTP_ANSWER_MAX, answerMax],
    [CONTROL_HTTP_SLICE_SIZE, sliceSize],
  ];
  for (const [address, value] of values) Atomics.store(words, address >> 2, value);
}

/** A connection's record in the shared memory. */
export type Connection = number & { readonly brand: unique symbol };

export class HttpCore extends Core {
  readonly #exports: Exports;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  /** Address of the first slot. */
  readonly #slots: number;
  // Views that were made once, by slot: whoever has a slot later mostly needs the same ones.
  readonly #idleInputs: Uint8Array[] = [];
  readonly #outputs: Uint8Array[] = [];

  /**
   * @param options.connections The most at the same time; memory for them is reserved.
   * @param options.slices The most unfinished requests and unsent answers that need a slice.
   * @throws OutOfMemoryError
   */
  constructor(
    shared: SharedCore,
    options: { workerIndex: number; connections: number; slices: number; seed?: bigint },
  ) {
    super(shared, { ...options, batchSize: 0 });
    this.#exports = this.exports as unknown as Exports;
    this.#bytes = new Uint8Array(shared.memory.buffer);
    this.#words = new Uint32Array(shared.memory.buffer);
    const { workerIndex, connections, slices } = options;
    this.#closeLeft();
    if (this.#exports.startConnections(workerIndex, connections, slices) === FULL) {
      throw new OutOfMemoryError(
        `Cannot reserve memory for ${connections} connections: [memory] limit_mib leaves no room`,
      );
    }
    this.#slots = this.#words[(WORKERS + workerIndex * WORKER_SIZE + WORKER_SLOTS) >> 2]!;
  }

  /**
   * Closes what a worker that died in this one's place had open. Whatever it stumbles over there
   * may not keep it from starting: a shard is empty after the trap, so the next try gets further;
   * anything else is let go.
   */
  #closeLeft(): void {
    const { workerIndex } = this;
    let left = this.#exports.nextLeft(workerIndex, 0);
    while (left !== 0) {
      const emptied = this.readCount(COUNT_SHARDS_EMPTIED);
      try {
        this.#exports.closeConnection(workerIndex, left);
      } catch (error) {
        if (this.#words[CONTROL_FAULT >> 2] !== FAULT_NONE) throw error;
        if (this.readCount(COUNT_SHARDS_EMPTIED) !== emptied) continue;
        this.#exports.letGo(workerIndex, left);
      }
      left = this.#exports.nextLeft(workerIndex, left);
    }
  }

  /** Whether the sender (`setSender`) is a trusted proxy. */
  get isSenderTrusted(): boolean {
    return this.#exports.isTrustedProxy(this.workerIndex) !== 0;
  }

  /** Whether the access rules deny the sender. */
  get isSenderDenied(): boolean {
    return this.#exports.isDeniedClient(this.workerIndex) !== 0;
  }

  /** Begins a connection of the sender; 0 where there is no room for it. */
  open(): Connection {
    return this.#exports.openConnection(this.workerIndex) >>> 0 as Connection;
  }

  /** Ends it; nothing reads into it or writes from it any more. */
  close(connection: Connection): void {
    this.#exports.closeConnection(this.workerIndex, connection);
  }

  /** The input of a connection that has nothing in it. */
  idleInput(connection: Connection): Uint8Array {
    return this.#idleInputs[this.#slotIndex(connection)] ??= this.#slice(
      connection + CONNECTION_OWN_INPUT,
      CONNECTION_INPUT_SIZE,
    );
  }

  /** Whether the connection waits with nothing received: its `idleInput` is where to receive. */
  isIdle(connection: Connection): boolean {
    return this.#words[(connection + CONNECTION_FILLED) >> 2] === 0 &&
      this.#words[(connection + CONNECTION_CAPACITY) >> 2] === CONNECTION_INPUT_SIZE;
  }

  /** Where to receive what follows. */
  inputOf(connection: Connection): Uint8Array {
    const filled = this.#words[(connection + CONNECTION_FILLED) >> 2]!;
    const input = this.#words[(connection + CONNECTION_INPUT) >> 2]!;
    const capacity = this.#words[(connection + CONNECTION_CAPACITY) >> 2]!;
    return this.#slice(input + filled, capacity - filled);
  }

  /** Answers what was received; returns how many bytes of `outputOf` to send, 0 for none. */
  receive(connection: Connection, byteLength: number): number {
    return this.#exports.receiveHttp(this.workerIndex, connection, byteLength);
  }

  /** Goes on when they are sent; returns how many bytes to send next, 0 for none. */
  resume(connection: Connection): number {
    return this.#exports.resumeHttp(this.workerIndex, connection);
  }

  /** Ends a connection that was too slow; returns how many bytes to send first. */
  timeOut(connection: Connection): number {
    return this.#exports.timeOutHttp(this.workerIndex, connection);
  }

  /** Ends a connection that is one too many; returns how many bytes to send first. */
  turnAway(connection: Connection): number {
    return this.#exports.turnAwayHttp(this.workerIndex, connection);
  }

  /** The answers to send. */
  outputOf(connection: Connection, byteLength: number): Uint8Array {
    const output = this.#words[(connection + CONNECTION_OUTPUT) >> 2]!;
    const slotIndex = this.#slotIndex(connection);
    const before = this.#outputs[slotIndex];
    if (before?.byteLength === byteLength && before.byteOffset === output) return before;
    return this.#outputs[slotIndex] = this.#slice(output, byteLength);
  }

  /** Whether to close the connection once everything is sent. */
  isEnding(connection: Connection): boolean {
    return this.#words[(connection + CONNECTION_ENDING) >> 2] !== ENDING_NO;
  }

  /** Whether more may be on its way, which must be received for the client to see its answer. */
  isLingering(connection: Connection): boolean {
    return this.#words[(connection + CONNECTION_ENDING) >> 2] === ENDING_LINGER;
  }

  #slotIndex(connection: Connection): number {
    return (connection - this.#slots) / SLOT_SIZE;
  }

  #slice(address: number, byteLength: number): Uint8Array {
    return this.#bytes.subarray(address, address + byteLength);
  }
}
