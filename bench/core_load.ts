/**
 * Drives the core without sockets, as the native driver does: batches of announces written where
 * recvmmsg would have put them, and answered by one call each.
 *
 * A packet stays as it is from batch to batch but for its info hash and port, so that what is
 * measured is the core and two stores a request.
 */
import { DATAGRAM_IN_SIZE, IO_NAME, IO_SLOT_SIZE, MMSGHDR_SIZE } from "../assembly/layout.ts";
import {
  AF_INET,
  MMSGHDR_BYTE_LENGTH,
  SOCKADDR_IN_ADDRESS,
  SOCKADDR_PORT,
} from "../server/native/linux.ts";
import { Core } from "../wasm/core.ts";
import { type CoreSettings, createSharedCore, type SharedCore } from "../wasm/memory.ts";

/** The default configuration's. */
export const SETTINGS: CoreSettings = {
  maxPeerAgeSeconds: 1800,
  maxConnectionAgeSeconds: 120,
  announceIntervalSeconds: 900,
  sweepIntervalSeconds: 60,
  maxScrapeTorrents: 70,
  maxResponsePeers: 200,
  defaultResponsePeers: 50,
};

const MAGIC = 0x41727101980n;
const ANNOUNCE_SIZE = 98;
const FIRST_PORT = 1024;

export interface CoreLoadOptions {
  workerIndex?: number;
  /** Datagrams a call; 16 as the native driver has it. */
  batchSize?: number;
  torrents: number;
  /** Peers of each torrent that announce in turn. */
  peersPerTorrent: number;
  numWant?: number;
}

/** A core for one process, with keys that make every run the same. */
export function createBenchCore(module: WebAssembly.Module, limitMib: number): SharedCore {
  const secret = Uint8Array.from({ length: 48 }, (_, index) => 11 * index + 3);
  return createSharedCore(module, { limitMib, secret }, SETTINGS);
}

/** One worker's stream of announces. */
export class CoreLoad {
  readonly core: Core;
  readonly batchSize: number;
  readonly #options: CoreLoadOptions;
  readonly #input: DataView;
  #random: number;

  constructor(shared: SharedCore, options: CoreLoadOptions) {
    const { workerIndex = 0, batchSize = 16, numWant = 30 } = options;
    this.batchSize = batchSize;
    this.#options = options;
    this.#random = 0x9e3779b9 ^ (workerIndex * 0x85ebca6b);
    this.core = new Core(shared, { workerIndex, batchSize, seed: BigInt(workerIndex) });
    const { input, output } = this.core;
    this.#input = new DataView(input.buffer, input.byteOffset, input.byteLength);
    this.#writeHeaders(shared);
    input.fill(0); // the memory may have served before
    this.#input.setBigUint64(0, MAGIC);
    this.core.answerBatch(0, 1);
    const connectionId = new DataView(output.buffer, output.byteOffset).getBigUint64(8);
    for (let slot = 0; slot < batchSize; ++slot) {
      const offset = slot * DATAGRAM_IN_SIZE;
      this.#input.setBigUint64(offset, connectionId);
      this.#input.setUint32(offset + 8, 1);
      this.#input.setInt32(offset + 92, numWant);
    }
  }

  /** Announces every peer once. */
  fill(): void {
    const { torrents, peersPerTorrent } = this.#options;
    for (let peer = 0; peer < peersPerTorrent; ++peer) {
      for (let torrent = 0; torrent < torrents; torrent += this.batchSize) {
        for (let slot = 0; slot < this.batchSize; ++slot) {
          this.#write(slot, (torrent + slot) % torrents, peer);
        }
        this.#answer();
      }
    }
  }

  /** Answers one batch of announces of peers drawn uniformly; all of them are known. */
  batch(): void {
    const { torrents, peersPerTorrent } = this.#options;
    for (let slot = 0; slot < this.batchSize; ++slot) {
      const random = this.#next();
      this.#write(slot, random % torrents, (random >>> 20) % peersPerTorrent);
    }
    this.#answer();
  }

  #answer(): void {
    const answers = this.core.answerBatch(0, this.batchSize);
    if (answers !== this.batchSize) throw new Error(`${answers} of ${this.batchSize} answered`);
  }

  #write(slot: number, torrent: number, peer: number): void {
    const offset = slot * DATAGRAM_IN_SIZE;
    this.#input.setUint32(offset + 16, torrent);
    this.#input.setUint16(offset + 96, FIRST_PORT + peer);
    // Bytes left: a quarter are seeders, and a peer stays what it is.
    this.#input.setUint8(offset + 71, (torrent + peer) & 3);
  }

  /** xorshift32. */
  #next(): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return this.#random >>> 0;
  }

  /** What recvmmsg would have told: 127.0.0.1:5000 sent an announce. */
  #writeHeaders(shared: SharedCore): void {
    const { receiveHeaders } = this.core.prepareBatch(0n);
    const view = new DataView(shared.memory.buffer);
    for (let slot = 0; slot < this.batchSize; ++slot) {
      const header = receiveHeaders + slot * MMSGHDR_SIZE;
      const name = receiveHeaders + 2 * this.batchSize * MMSGHDR_SIZE + slot * IO_SLOT_SIZE +
        IO_NAME;
      view.setUint32(header + MMSGHDR_BYTE_LENGTH, ANNOUNCE_SIZE, true);
      view.setUint16(name, AF_INET, true);
      view.setUint16(name + SOCKADDR_PORT, 5000);
      view.setUint32(name + SOCKADDR_IN_ADDRESS, 0x7f000001);
    }
  }
}
