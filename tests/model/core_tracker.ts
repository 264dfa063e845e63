/** The WebAssembly core behind the interface that models, histories and fuzzers know. */
import {
  ACCESS_BLACK,
  ACCESS_OFF,
  ACCESS_WHITE,
  CONTROL_ARENA,
  CONTROL_PAGE_BITS,
  CONTROL_PAGE_COUNT,
  CONTROL_PAGES_PEAK,
  CONTROL_PAGES_USED,
  COUNT_COMPLETED,
  COUNT_PEERS_ADDED,
  COUNT_PEERS_REMOVED,
  COUNT_TORRENTS_ADDED,
  COUNT_TORRENTS_REMOVED,
  COUNTER_COUNT,
  DATAGRAM_IN_SIZE,
  DATAGRAM_OUT_SIZE,
  PAGE_SIZE,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import { Core, type Rules } from "../../wasm/core.ts";
import { createSharedCore, writeNow } from "../../wasm/memory.ts";
import { toHex } from "../support/packets.ts";
import { canonicalAddress } from "./bytes.ts";
import { DATAGRAM_MAX } from "./codec.ts";
import type { AccessMode, Limits, Source, Totals, TrackerUnderTest } from "./tracker.ts";

export type Build = "debug" | "release";

/** Compiles one of the two builds of the core. */
export async function loadModule(build: Build): Promise<WebAssembly.Module> {
  const name = build === "debug" ? "tracker.debug.wasm" : "tracker.wasm";
  return await WebAssembly.compile(
    await Deno.readFile(new URL(`../../wasm/${name}`, import.meta.url)),
  );
}

export interface CoreOptions {
  limitMib?: number;
  peerIds?: boolean;
  /** Start of the random choices; the keys are always the same. */
  seed?: bigint;
  /** Marks all pages below 2 GiB as taken, so that every address has its top bit set. */
  highAddresses?: boolean;
}

const HALF = 2 ** 31;
/** Datagrams take turns at the core's slots, which are larger than any datagram here. */
const SLOT_COUNT = 3;
const SECRET = Uint8Array.from({ length: 48 }, (_, index) => 7 * index + 1);
const NOBODY_DENIED = { ipv4: new Uint32Array(0), ipv6: new Uint8Array(0) };
const MODES: Record<AccessMode, number> = {
  off: ACCESS_OFF,
  black: ACCESS_BLACK,
  white: ACCESS_WHITE,
};

export class CoreTracker implements TrackerUnderTest {
  readonly #core: Core;
  readonly #view: DataView;
  readonly #words: Uint32Array;
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  readonly #sender: Uint8Array;
  #slot = 0;
  #rules: Rules | null = null;

  constructor(module: WebAssembly.Module, limits: Limits, options: CoreOptions = {}) {
    const limitMib = options.highAddresses ? 4096 : options.limitMib ?? 32;
    const shared = createSharedCore(
      module,
      { limitMib, peerIds: options.peerIds, secret: SECRET },
      { ...limits, sweepIntervalSeconds: 60 },
    );
    if (options.highAddresses) takeLowPages(shared.memory);
    this.#core = new Core(shared, {
      workerIndex: 0,
      batchSize: SLOT_COUNT,
      seed: options.seed ?? 1n,
    });
    this.#view = new DataView(shared.memory.buffer);
    this.#words = new Uint32Array(shared.memory.buffer);
    this.#input = this.#core.input;
    this.#output = this.#core.output;
    this.#sender = this.#core.senderBytes;
  }

  handle(packet: Uint8Array, source: Source): Uint8Array | null {
    // The drivers never pass on what their buffer has cut.
    if (packet.length > DATAGRAM_MAX) return null;
    const address = canonicalAddress(source.address);
    const slot = this.#slot = (this.#slot + 1) % SLOT_COUNT;
    this.#input.set(packet, slot * DATAGRAM_IN_SIZE);
    this.#sender.set(address);
    this.#core.setSender(address.length === 16, source.port);
    const byteLength = this.#core.answerOne(slot, packet.length);
    if (byteLength < 0 || byteLength > DATAGRAM_OUT_SIZE) {
      throw new RangeError(`The core says it wrote ${byteLength} bytes`);
    }
    if (byteLength === 0) return null;
    const start = slot * DATAGRAM_OUT_SIZE;
    return this.#output.subarray(start, start + byteLength);
  }

  setNow(seconds: number): void {
    writeNow(this.#core.memory, seconds);
  }

  sweep(): void {
    const shardCount = this.#core.shardCount;
    for (let shard = 0; shard < shardCount; ++shard) {
      while (this.#core.sweepStep(shard));
    }
  }

  loadAccessList(mode: AccessMode, infoHashes: readonly Uint8Array[]): void {
    const text = infoHashes.map((infoHash) => toHex(infoHash) + "\n").join("");
    this.loadRules({ mode, text: new TextEncoder().encode(text), hashCountMax: infoHashes.length });
  }

  /**
   * Loads access rules as the reload does; what was in force stays so where that fails.
   * @throws SyntaxError with the number and the text of a bad line.
   */
  loadRules(
    { mode, text, hashCountMax, pieceMax = DATAGRAM_IN_SIZE, denied = NOBODY_DENIED }: {
      mode: AccessMode;
      text: Uint8Array;
      hashCountMax: number;
      pieceMax?: number;
      denied?: { ipv4: Uint32Array; ipv6: Uint8Array };
    },
  ): void {
    const rules = this.#core.beginRules(MODES[mode], hashCountMax, denied);
    for (let start = 0; start < text.length; start += pieceMax) {
      const piece = text.subarray(start, start + pieceMax);
      this.#input.set(piece);
      this.#read(rules, piece.length);
    }
    this.#read(rules, 0);
    const before = this.#core.swapRules(rules);
    if (this.#rules !== null) this.#core.dropRules(before);
    this.#rules = rules;
  }

  totals(): Totals {
    return {
      torrents: this.counter(COUNT_TORRENTS_ADDED) - this.counter(COUNT_TORRENTS_REMOVED),
      ipv4Peers: this.counter(COUNT_PEERS_ADDED) - this.counter(COUNT_PEERS_REMOVED),
      ipv6Peers: this.counter(COUNT_PEERS_ADDED + 1) - this.counter(COUNT_PEERS_REMOVED + 1),
      completed: this.counter(COUNT_COMPLETED),
    };
  }

  /** A counter of the worker, by its COUNT_* number. */
  counter(index: number): number {
    if (index >= COUNTER_COUNT) throw new RangeError(`There is no counter ${index}`);
    const at = WORKERS + this.#core.workerIndex * WORKER_SIZE + WORKER_COUNTERS + 8 * index;
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** The URLData of the announce just answered. */
  get urlData(): Uint8Array {
    return this.#core.urlData;
  }

  /** Pages of PAGE_SIZE bytes: in use, at most in use so far, and all there are. */
  get pages(): { used: number; peak: number; all: number } {
    return {
      used: this.#words[CONTROL_PAGES_USED >> 2],
      peak: this.#words[CONTROL_PAGES_PEAK >> 2],
      all: this.#words[CONTROL_PAGE_COUNT >> 2],
    };
  }

  #read(rules: Rules, byteLength: number): void {
    if (this.#core.readRules(rules, byteLength)) return;
    const { number, text } = this.#core.badLine(rules);
    this.#core.dropRules(rules);
    throw new SyntaxError(`Line ${number}: ${text}`);
  }
}

function takeLowPages(memory: WebAssembly.Memory): void {
  const words = new Uint32Array(memory.buffer);
  const lowPages = Math.ceil((HALF - words[CONTROL_ARENA >> 2]) / PAGE_SIZE);
  const bits = words[CONTROL_PAGE_BITS >> 2];
  new Uint8Array(memory.buffer).fill(255, bits, bits + (lowPages >> 3) + 1);
}
