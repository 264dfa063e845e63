/**
 * A batch of datagrams laid out for `UdpSocket` in a memory of its own: headers, iovecs, names,
 * control messages and payloads. The native driver has its batches laid out by the core; this is
 * for the load generator and for tests.
 */

import { openLibc } from "../../server/native/libc.ts";
import * as linux from "../../server/native/linux.ts";

/** Room for a name, 28 bytes, rounded up. */
const NAME_STRIDE = 32;

export interface MessageBatchOptions {
  /** Datagrams. */
  count: number;
  /** Room for each datagram in bytes, rounded up to a multiple of 8. */
  payloadBytes: number;
  /** Headers carry the other side's address. A connected socket needs none. Default: true. */
  names?: boolean;
  /** Headers carry control messages. Default: true. */
  control?: boolean;
}

/** Headers and payloads of up to `count` datagrams; item i is described by header i. */
export class MessageBatch {
  readonly count: number;
  /** Address of the first header, for `receive()` and `send()`. */
  readonly headers: bigint;
  /** Bytes from one payload to the next; payload i is at `payloadOffset + i * payloadStride`. */
  readonly payloadStride: number;
  readonly payloadOffset: number;
  /** The memory, which holds everything. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array<ArrayBuffer>;

  readonly #nameOffset: number;
  readonly #controlOffset: number;

  constructor(options: MessageBatchOptions) {
    const { count } = options;
    const headerBytes = count * linux.MMSGHDR_SIZE;
    const iovecBytes = count * linux.IOVEC_SIZE;
    this.count = count;
    this.payloadStride = (options.payloadBytes + 7) & ~7;
    this.#nameOffset = headerBytes + iovecBytes;
    this.#controlOffset = this.#nameOffset + count * NAME_STRIDE;
    this.payloadOffset = this.#controlOffset + count * linux.CONTROL_SIZE;
    const memory = new ArrayBuffer(this.payloadOffset + count * this.payloadStride);
    this.bytes = new Uint8Array(memory);
    this.words = new Uint32Array(memory);
    this.headers = openLibc().addressOf(memory);

    const view = new DataView(memory);
    const address = (ptr: number, target: number) =>
      view.setBigUint64(ptr, this.headers + BigInt(target), true);
    for (let index = 0; index < count; ++index) {
      const header = index * linux.MMSGHDR_SIZE;
      const iovec = headerBytes + index * linux.IOVEC_SIZE;
      address(header + linux.MMSGHDR_IOVEC, iovec);
      view.setBigUint64(header + linux.MMSGHDR_IOVEC_COUNT, 1n, true);
      address(iovec + linux.IOVEC_BASE, this.payloadOffset + index * this.payloadStride);
      if (options.names !== false) {
        address(header + linux.MMSGHDR_NAME, this.#nameOffset + index * NAME_STRIDE);
      }
      if (options.control !== false) {
        address(
          header + linux.MMSGHDR_CONTROL,
          this.#controlOffset + index * linux.CONTROL_SIZE,
        );
      }
    }
    this.resetForReceive();
  }

  /** Gives every header its whole room again; recvmmsg() has overwritten the lengths. */
  resetForReceive(count: number = this.count): void {
    const { words } = this;
    for (let index = 0; index < count; ++index) {
      const header = index * linux.MMSGHDR_SIZE / 4;
      const hasName = words[header + linux.MMSGHDR_NAME / 4] !== 0;
      const hasControl = words[header + linux.MMSGHDR_CONTROL / 4] !== 0;
      words[header + linux.MMSGHDR_NAME_LENGTH / 4] = hasName ? linux.SOCKADDR_IN6_SIZE : 0;
      words[header + linux.MMSGHDR_CONTROL_LENGTH / 4] = hasControl ? linux.CONTROL_SIZE : 0;
      this.setPayloadLength(index, this.payloadStride);
    }
  }

  /** Bytes of the datagram that was received into header `index`. */
  receivedLength(index: number): number {
    return this.words[(index * linux.MMSGHDR_SIZE + linux.MMSGHDR_BYTE_LENGTH) / 4]!;
  }

  /** The room of datagram `index`, or the bytes of it that are to be sent. */
  setPayloadLength(index: number, byteLength: number): void {
    const iovec = this.count * linux.MMSGHDR_SIZE + index * linux.IOVEC_SIZE;
    this.words[(iovec + linux.IOVEC_LENGTH) / 4] = byteLength;
  }

  /** The room of datagram `index`, as bytes. */
  payload(index: number): Uint8Array<ArrayBuffer> {
    const start = this.payloadOffset + index * this.payloadStride;
    return this.bytes.subarray(start, start + this.payloadStride);
  }

  /** Where datagram `index` came from: a struct sockaddr. */
  name(index: number): Uint8Array<ArrayBuffer> {
    const start = this.#nameOffset + index * NAME_STRIDE;
    const length = this.words[(index * linux.MMSGHDR_SIZE + linux.MMSGHDR_NAME_LENGTH) / 4]!;
    return this.bytes.subarray(start, start + length);
  }

  /** Says where datagram `index` goes. */
  setName(index: number, name: Uint8Array): void {
    this.bytes.set(name, this.#nameOffset + index * NAME_STRIDE);
    this.words[(index * linux.MMSGHDR_SIZE + linux.MMSGHDR_NAME_LENGTH) / 4] = name.byteLength;
  }

  /** The control messages that came with datagram `index`. */
  control(index: number): Uint8Array<ArrayBuffer> {
    const start = this.#controlOffset + index * linux.CONTROL_SIZE;
    const length = this.words[(index * linux.MMSGHDR_SIZE + linux.MMSGHDR_CONTROL_LENGTH) / 4]!;
    return this.bytes.subarray(start, start + length);
  }

  /** Sends control messages along with datagram `index`; none where `control` is empty. */
  setControl(index: number, control: Uint8Array): void {
    this.bytes.set(control, this.#controlOffset + index * linux.CONTROL_SIZE);
    this.words[(index * linux.MMSGHDR_SIZE + linux.MMSGHDR_CONTROL_LENGTH) / 4] =
      control.byteLength;
  }
}
