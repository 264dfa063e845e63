/**
 * The only door to the core: one typed method per export of assembly/index.ts.
 *
 * One `Core` belongs to one worker; all of them share the memory. Views are made once: the memory
 * never grows, so they never go stale.
 */
import {
  ADDRESS_BYTES,
  ADDRESS_KIND,
  ADDRESS_PORT,
  ANNOUNCE_URL_DATA_LENGTH,
  COUNT_DROP_SEND,
  DATAGRAM_IN_SIZE,
  DATAGRAM_OUT_SIZE,
  DETAIL_INFO_HASH,
  DETAIL_REASON,
  DETAIL_SIZE,
  DETAIL_UNTIL,
  DETAILS,
  FULL,
  KIND_IPV4,
  KIND_IPV6,
  KIND_LOCAL,
  MMSGHDR_SIZE,
  RULES_CONSUMED,
  RULES_HASH_COUNT,
  RULES_IPV4,
  RULES_IPV6,
  RULES_LINE,
  RULES_PARTIAL,
  RULES_PARTIAL_LENGTH,
  WORKER_ADDRESS,
  WORKER_ANNOUNCE,
  WORKER_BATCH_SIZE,
  WORKER_COUNTERS,
  WORKER_HOST_BASE,
  WORKER_IN,
  WORKER_IO,
  WORKER_OUT,
  WORKER_RANDOM,
  WORKER_SIZE,
  WORKER_URL_DATA,
  WORKERS,
} from "../assembly/layout.ts";
import { OutOfMemoryError } from "./errors.ts";
import { guardExports } from "./guard.ts";
import type { SharedCore } from "./memory.ts";

const INFO_HASH_SIZE = 20;
/** Texts are copied in strides of 16 bytes, which may read beyond the last. */
const COPY_SLACK = 16;

interface Exports {
  startWorker(index: number, batchSize: number): number;
  recover(index: number): void;
  answerOne(index: number, slot: number, byteLength: number): number;
  prepareBatch(index: number): void;
  answerBatch(index: number, socketIndex: number, datagramCount: number): number;
  shardCount(): number;
  sweepStep(index: number, shardIndex: number): number;
  beginRules(
    index: number,
    mode: number,
    hashCountMax: number,
    ipv4Count: number,
    ipv6Count: number,
  ): number;
  readRules(rules: number, address: number, byteLength: number): number;
  beginDetails(index: number, rules: number, count: number, byteLength: number): number;
  swapRules(rules: number): number;
  dropRules(index: number, rules: number): void;
  swapProxies(rules: number): number;
}

/** The core as one worker uses it. */
export class Core {
  readonly memory: WebAssembly.Memory;
  readonly workerIndex: number;
  /** All exports, for a protocol's own half of the core (http_core.ts). */
  protected readonly exports: Record<string, unknown>;
  readonly #exports: Exports;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #worker: number;

  /**
   * @param options.batchSize Datagrams at once, 0 for a worker that receives none.
   * @param options.seed Start of the worker's random choices; random where absent.
   * @throws OutOfMemoryError where the memory has no room for the worker's buffers.
   */
  constructor(
    shared: SharedCore,
    options: { workerIndex: number; batchSize: number; seed?: bigint },
  ) {
    this.memory = shared.memory;
    this.workerIndex = options.workerIndex;
    this.#worker = WORKERS + options.workerIndex * WORKER_SIZE;
    this.#bytes = new Uint8Array(shared.memory.buffer);
    this.#view = new DataView(shared.memory.buffer);
    const instance = new WebAssembly.Instance(shared.module, { env: { memory: shared.memory } });
    this.exports = guardExports(instance.exports, options.workerIndex);
    this.#exports = this.exports as unknown as Exports;
    const seed = options.seed ?? crypto.getRandomValues(new BigUint64Array(1))[0];
    this.#view.setBigUint64(this.#worker + WORKER_RANDOM, seed, true);
    if (this.#exports.startWorker(options.workerIndex, options.batchSize) === FULL) {
      throw new OutOfMemoryError(
        `Cannot start worker ${options.workerIndex}: [memory] limit_mib leaves no room for its ` +
          "buffers",
      );
    }
  }

  /** Where datagrams are received, DATAGRAM_IN_SIZE bytes a slot. */
  get input(): Uint8Array {
    return this.#slots(WORKER_IN, DATAGRAM_IN_SIZE);
  }

  /** Where the answers are, DATAGRAM_OUT_SIZE bytes a slot. */
  get output(): Uint8Array {
    return this.#slots(WORKER_OUT, DATAGRAM_OUT_SIZE);
  }

  /** The sender's address, 16 bytes in wire order, for `setSender`. */
  get senderBytes(): Uint8Array {
    return this.#slice(this.#worker + WORKER_ADDRESS + ADDRESS_BYTES, 16);
  }

  /**
   * Says who sent the datagram that is answered next: the family of `senderBytes`, and the port.
   */
  setSender(isIpv6: boolean, port: number): void {
    const address = this.#worker + WORKER_ADDRESS;
    this.#view.setUint32(address + ADDRESS_KIND, isIpv6 ? KIND_IPV6 : KIND_IPV4, true);
    this.#view.setUint16(address + ADDRESS_PORT, port);
  }

  /** Says that whoever connected has no address: a proxy on a UNIX socket. */
  setLocalSender(): void {
    this.#view.setUint32(this.#worker + WORKER_ADDRESS + ADDRESS_KIND, KIND_LOCAL, true);
  }

  /**
   * Answers the datagram in a slot of `input`.
   * @returns The bytes to send from the same slot of `output`, 0 for none.
   */
  answerOne(slot: number, byteLength: number): number {
    return this.#exports.answerOne(this.workerIndex, slot, byteLength);
  }

  /** Counts answers that could not be sent. */
  countSendDrop(answerCount = 1): void {
    this.count(COUNT_DROP_SEND, answerCount);
  }

  /** Counts, for what only the worker sees. @param counter COUNT_* */
  count(counter: number, amount = 1): void {
    const address = this.#worker + WORKER_COUNTERS + 8 * counter;
    this.#view.setBigUint64(address, this.readCount(counter) + BigInt(amount), true);
  }

  /** How often this worker has counted so. @param counter COUNT_* */
  protected readCount(counter: number): bigint {
    return this.#view.getBigUint64(this.#worker + WORKER_COUNTERS + 8 * counter, true);
  }

  /** The URLData of the announce just answered (BEP 41). */
  get urlData(): Uint8Array {
    const length = this.#word(this.#worker + WORKER_ANNOUNCE + ANNOUNCE_URL_DATA_LENGTH);
    return this.#slice(this.#worker + WORKER_URL_DATA, length);
  }

  /**
   * Lays out the headers for recvmmsg and sendmmsg (native driver).
   * @param hostBase Where the memory lies in the process.
   * @returns Addresses in this memory: of the first receive header and the first send header.
   */
  prepareBatch(hostBase: bigint): { receiveHeaders: number; sendHeaders: number } {
    this.#view.setBigUint64(this.#worker + WORKER_HOST_BASE, hostBase, true);
    this.#exports.prepareBatch(this.workerIndex);
    const receiveHeaders = this.#word(this.#worker + WORKER_IO);
    const batchSize = this.#word(this.#worker + WORKER_BATCH_SIZE);
    return { receiveHeaders, sendHeaders: receiveHeaders + batchSize * MMSGHDR_SIZE };
  }

  /** Answers what recvmmsg received from a socket; returns how many send headers are filled. */
  answerBatch(socketIndex: number, datagramCount: number): number {
    return this.#exports.answerBatch(this.workerIndex, socketIndex, datagramCount);
  }

  get shardCount(): number {
    return this.#exports.shardCount();
  }

  /** Sweeps the next part of a shard; whether there is more of it. */
  sweepStep(shardIndex: number): boolean {
    return this.#exports.sweepStep(this.workerIndex, shardIndex) !== 0;
  }

  /**
   * Begins new access rules with room for `hashCountMax` info hashes.
   * @param denied Sorted ranges: [first, last] as 2 × u32, and as 2 × 16 bytes in wire order.
   * @throws OutOfMemoryError
   */
  beginRules(
    mode: number,
    hashCountMax: number,
    denied: { ipv4: Uint32Array; ipv6: Uint8Array },
  ): Rules {
    const ipv4Count = denied.ipv4.length >> 1;
    const ipv6Count = denied.ipv6.length >> 5;
    const address = this.#exports.beginRules(
      this.workerIndex,
      mode,
      hashCountMax,
      ipv4Count,
      ipv6Count,
    ) >>> 0;
    if (address === 0) {
      throw new OutOfMemoryError(
        "Cannot load the access list: [memory] limit_mib leaves no room for it",
      );
    }
    const ipv4Address = this.#word(address + RULES_IPV4);
    denied.ipv4.forEach((value, index) => {
      this.#view.setUint32(ipv4Address + 4 * index, value, true);
    });
    this.#bytes.set(denied.ipv6, this.#word(address + RULES_IPV6));
    return address as Rules;
  }

  /**
   * Reads a piece of the list from `input`; false at a bad line. A piece of 0 bytes is the last.
   * @param onDetails Gets what stands behind an info hash; without it, such a line is a bad one.
   */
  readRules(
    rules: Rules,
    byteLength: number,
    onDetails?: (infoHash: Uint8Array, text: string) => void,
  ): boolean {
    const input = this.#word(this.#worker + WORKER_IN);
    let offset = 0;
    do {
      const status = this.#exports.readRules(rules, input + offset, byteLength - offset);
      if (status < 0) return false;
      if (status !== DETAILS) return true;
      if (onDetails === undefined) return false;
      const line = this.#slice(rules + RULES_PARTIAL, this.#word(rules + RULES_PARTIAL_LENGTH));
      // Copied: neither a decoder nor a map of the caller's takes shared memory.
      onDetails(
        line.slice(0, INFO_HASH_SIZE),
        new TextDecoder().decode(line.slice(2 * INFO_HASH_SIZE)),
      );
      offset += this.#word(rules + RULES_CONSUMED);
    } while (offset < byteLength);
    return true;
  }

  /**
   * Takes the details of entries, sorted by info hash in wire order, each info hash once.
   * @param details.reason Index into `reasons`, of at most 255 bytes each.
   * @throws OutOfMemoryError
   */
  writeDetails(
    rules: Rules,
    details: readonly { infoHash: Uint8Array; until?: number; reason?: number }[],
    reasons: readonly Uint8Array[],
  ): void {
    const textsOffset = details.length * DETAIL_SIZE;
    const textLength = reasons.reduce((sum, { length }) => sum + 1 + length, 0);
    const byteLength = textsOffset + textLength + COPY_SLACK;
    const start =
      this.#exports.beginDetails(this.workerIndex, rules, details.length, byteLength) >>> 0;
    if (start === 0) {
      throw new OutOfMemoryError(
        "Cannot load the access list: [memory] limit_mib leaves no room for its details",
      );
    }
    const addresses: number[] = [];
    let end = start + textsOffset;
    for (const reason of reasons) {
      addresses.push(end);
      this.#bytes[end] = reason.length;
      this.#bytes.set(reason, end + 1);
      end += 1 + reason.length;
    }
    details.forEach(({ infoHash, until = 0, reason }, index) => {
      const detail = start + index * DETAIL_SIZE;
      this.#bytes.set(infoHash, detail + DETAIL_INFO_HASH);
      this.#view.setUint32(detail + DETAIL_UNTIL, until, true);
      const address = reason === undefined ? 0 : addresses[reason]!;
      this.#view.setUint32(detail + DETAIL_REASON, address, true);
    });
  }

  /** The line that `readRules` stopped at: its number, and what it holds. */
  badLine(rules: Rules): { number: number; text: string } {
    const length = this.#word(rules + RULES_PARTIAL_LENGTH);
    const text = this.#slice(rules + RULES_PARTIAL, length).slice();
    return { number: this.#word(rules + RULES_LINE), text: new TextDecoder().decode(text).trim() };
  }

  /** How many info hashes the rules list. */
  hashCount(rules: Rules): number {
    return this.#word(rules + RULES_HASH_COUNT);
  }

  /** Puts rules in force; returns those before, which workers may hold for one batch more. */
  swapRules(rules: Rules): Rules {
    return this.#exports.swapRules(rules) >>> 0 as Rules;
  }

  /** Makes the ranges of these rules the trusted proxies; returns those before, 0 for none. */
  swapProxies(rules: Rules): Rules {
    return this.#exports.swapProxies(rules) >>> 0 as Rules;
  }

  /** Gives the memory of rules back that nobody holds any more. */
  dropRules(rules: Rules): void {
    this.#exports.dropRules(this.workerIndex, rules);
  }

  #slots(pointer: number, slotSize: number): Uint8Array {
    const batchSize = this.#word(this.#worker + WORKER_BATCH_SIZE);
    return this.#slice(this.#word(this.#worker + pointer), batchSize * slotSize);
  }

  #word(address: number): number {
    return this.#view.getUint32(address, true);
  }

  #slice(address: number, byteLength: number): Uint8Array {
    return this.#bytes.subarray(address, address + byteLength);
  }
}

/** Address of access rules in the shared memory. */
export type Rules = number & { readonly brand: unique symbol };
