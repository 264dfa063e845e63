/**
 * One worker's core with its memory laid open, for tests that look beneath the ABI.
 *
 * Nothing is allocated a request, so that a million of them take a second.
 */
import { strict as assert } from "node:assert";
import {
  CONTROL_ARENA,
  CONTROL_PAGES_USED,
  COUNTER_COUNT,
  DATAGRAM_IN_SIZE,
  PAGE_SIZE,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import { Core } from "../../wasm/core.ts";
import { type CoreSettings, createSharedCore, type SharedCore } from "../../wasm/memory.ts";
import { writeNow } from "../../wasm/memory.ts";
import {
  ANNOUNCE_BYTE_LENGTH,
  EVENT_COMPLETED,
  EVENT_NONE,
  EVENT_STOPPED,
} from "../support/packets.ts";
import { writeAnnounce, writeConnect } from "../model/packets.ts";

export type Build = "release" | "debug" | "test";

const FILES: Record<Build, string> = {
  release: "tracker.wasm",
  debug: "tracker.debug.wasm",
  test: "tracker.test.wasm",
};

/** Compiles one of the three builds of the core. */
export async function compileCore(build: Build): Promise<WebAssembly.Module> {
  const url = new URL(`../../wasm/${FILES[build]}`, import.meta.url);
  return await WebAssembly.compile(await Deno.readFile(url));
}

export const SETTINGS: CoreSettings = {
  maxPeerAgeSeconds: 1800,
  maxConnectionAgeSeconds: 120,
  announceIntervalSeconds: 900,
  sweepIntervalSeconds: 60,
  maxScrapeTorrents: 70,
  maxResponsePeers: 200,
  defaultResponsePeers: 50,
};

/** The same keys in every run: a run can be repeated. */
export const SECRET = Uint8Array.from({ length: 48 }, (_, index) => (37 * index + 11) & 255);

export interface HarnessOptions {
  limitMib?: number;
  peerIds?: boolean;
  settings?: Partial<CoreSettings>;
  workerIndex?: number;
  batchSize?: number;
  seed?: bigint;
}

/** A memory of its own, carved and with the settings of `SETTINGS`. */
export function createShared(module: WebAssembly.Module, options: HarnessOptions = {}): SharedCore {
  const { limitMib = 16, peerIds } = options;
  const settings = { ...SETTINGS, ...options.settings };
  return createSharedCore(module, { limitMib, peerIds, secret: SECRET }, settings);
}

/** What the test build exports beside the ABI; addresses are numbers that may arrive negative. */
export interface TestExports {
  hashBytes(
    key: number,
    ptr: number,
    byteLength: number,
    compressionRounds: number,
    finalizationRounds: number,
    out: number,
  ): void;
  hash20(key: number, ptr: number, out: number): void;
  hashPeerKey(key: number, kind: number, out: number): void;
  shardOfTorrent(infoHash: number): number;
  torrentRecord(infoHash: number): number;
  currentRules(): number;
  isAllowed(rules: number, infoHash: number): number;
  isDenied(rules: number, address: number): number;
  lock(worker: number, ptr: number): void;
  unlock(ptr: number): void;
  sizeClass(byteLength: number): number;
  classByteLength(sizeClass: number): number;
  take(worker: number, byteLength: number): number;
  give(worker: number, ptr: number, byteLength: number): void;
  takePages(worker: number, pageCount: number): number;
  givePages(worker: number, ptr: number, pageCount: number): void;
  blockCapacity(block: number, kind: number): number;
  blockCountMax(kind: number): number;
  randomBelow(worker: number, bound: number): number;
}

/** What an announce of the harness says; the rest is as most clients have it. */
export interface QuickAnnounce {
  /** Number of the torrent: its info hash is made of it. */
  torrent: number;
  port: number;
  left?: number;
  event?: number;
  numWant?: number;
}

const HASH_OFFSET = 16;
const LEFT_OFFSET = 64;
const EVENT_OFFSET = 80;
const NUM_WANT_OFFSET = 92;
const PORT_OFFSET = 96;

export class Harness {
  readonly shared: SharedCore;
  readonly core: Core;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** Address of the worker's record. */
  readonly worker: number;
  readonly batchSize: number;
  readonly #words: Uint32Array;
  readonly #input: DataView;
  #id: Uint8Array = new Uint8Array(8);

  constructor(source: WebAssembly.Module | SharedCore, options: HarnessOptions = {}) {
    this.shared = source instanceof WebAssembly.Module ? createShared(source, options) : source;
    const { workerIndex = 0, batchSize = 1, seed = 1n } = options;
    this.batchSize = batchSize;
    this.core = new Core(this.shared, { workerIndex, batchSize, seed });
    const { buffer } = this.shared.memory;
    this.view = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.worker = WORKERS + workerIndex * WORKER_SIZE;
    const { input } = this.core;
    this.#input = new DataView(buffer, input.byteOffset, input.byteLength);
  }

  /** A second instance on the same memory, of the test build. */
  async testExports(): Promise<TestExports> {
    const module = await compileCore("test");
    const instance = new WebAssembly.Instance(module, { env: { memory: this.shared.memory } });
    return instance.exports as unknown as TestExports;
  }

  /** Sends one datagram; null where there is no answer, which holds until the next call. */
  send(packet: Uint8Array, from: { address: Uint8Array; port?: number }): Uint8Array | null {
    assert.ok(packet.length <= DATAGRAM_IN_SIZE);
    this.core.input.set(packet);
    this.core.senderBytes.set(from.address);
    this.core.setSender(from.address.length === 16, from.port ?? 1024);
    const byteLength = this.core.answerOne(0, packet.length);
    return byteLength === 0 ? null : this.core.output.subarray(0, byteLength);
  }

  /** Becomes the client at this address: gets an id, and lays an announce into every slot. */
  become(address: Uint8Array): void {
    this.#id = this.send(writeConnect(), { address })!.slice(8);
    const packet = writeAnnounce({
      connectionId: this.#id,
      infoHash: new Uint8Array(20),
      port: 1,
      numWant: 0,
    });
    for (let slot = 0; slot < this.batchSize; ++slot) {
      this.core.input.set(packet, slot * DATAGRAM_IN_SIZE);
    }
  }

  /** The connection id that `become` got. */
  get connectionId(): Uint8Array {
    return this.#id;
  }

  /** Announces as whoever it became; returns the answer's length. */
  announce(fields: QuickAnnounce): number {
    this.fillAnnounce(0, fields);
    return this.core.answerOne(0, ANNOUNCE_BYTE_LENGTH);
  }

  /** Writes the fields into the announce that lies in a slot. */
  fillAnnounce(slot: number, fields: QuickAnnounce): void {
    const input = this.#input;
    const start = slot * DATAGRAM_IN_SIZE;
    writeTorrentHash(input, start + HASH_OFFSET, fields.torrent);
    input.setUint32(start + LEFT_OFFSET + 4, fields.left ?? 1);
    input.setUint32(start + EVENT_OFFSET, fields.event ?? EVENT_NONE);
    input.setInt32(start + NUM_WANT_OFFSET, fields.numWant ?? 0);
    input.setUint16(start + PORT_OFFSET, fields.port);
  }

  stopped(torrent: number, port: number): number {
    return this.announce({ torrent, port, event: EVENT_STOPPED });
  }

  completed(torrent: number, port: number): number {
    return this.announce({ torrent, port, left: 0, event: EVENT_COMPLETED });
  }

  /** Leechers and seeders as the last announce was told. */
  get counts(): { leechers: number; seeders: number } {
    const { byteOffset } = this.core.output;
    return {
      leechers: this.view.getUint32(byteOffset + 12),
      seeders: this.view.getUint32(byteOffset + 16),
    };
  }

  setNow(seconds: number): void {
    writeNow(this.shared.memory, seconds);
  }

  /** One whole sweep. */
  sweep(): void {
    for (let shard = 0; shard < this.core.shardCount; ++shard) {
      while (this.core.sweepStep(shard));
    }
  }

  word(address: number): number {
    return this.#words[address >>> 2]!;
  }

  counter(index: number): number {
    assert.ok(index < COUNTER_COUNT);
    return Number(this.view.getBigUint64(this.worker + WORKER_COUNTERS + 8 * index, true));
  }

  get pagesUsed(): number {
    return this.word(CONTROL_PAGES_USED);
  }

  /** Bytes of all that is in use: whole pages, and the regions before the first page. */
  get bytesUsed(): number {
    return this.pagesUsed * PAGE_SIZE + this.word(CONTROL_ARENA);
  }
}

/** Writes the info hash of a torrent's number: distinct, and all 20 bytes in use. */
function writeTorrentHash(view: DataView, offset: number, torrent: number): void {
  for (let index = 0; index < 5; ++index) {
    view.setUint32(offset + 4 * index, Math.imul(torrent + 1, 0x9e3779b1) + index * torrent);
  }
}

export function torrentHash(torrent: number): Uint8Array {
  const bytes = new Uint8Array(20);
  writeTorrentHash(new DataView(bytes.buffer), 0, torrent);
  return bytes;
}

/** A small generator of numbers that are the same in every run (mulberry32). */
export function seededRandom(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) % bound;
  };
}
