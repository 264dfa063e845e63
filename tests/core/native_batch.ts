/**
 * A batch as the kernel would leave it for `Core.answerBatch`, filled and read without a socket.
 */
import {
  BATCH_MAX,
  DATAGRAM_IN_SIZE,
  IO_NAME,
  IO_RECEIVE_CONTROL,
  IO_SLOT_SIZE,
  MMSGHDR_SIZE,
} from "../../assembly/layout.ts";
import * as linux from "../../server/native/linux.ts";
import type { Harness } from "./harness.ts";

/** Headers of a harness whose batch size is above 0; addresses are those of the memory itself. */
export class NativeBatch {
  readonly #harness: Harness;
  readonly #receiveHeaders: number;
  readonly #sendHeaders: number;
  readonly #slots: number;

  constructor(harness: Harness) {
    if (harness.batchSize > BATCH_MAX) throw new RangeError(`A batch of ${harness.batchSize}`);
    this.#harness = harness;
    const { receiveHeaders, sendHeaders } = harness.core.prepareBatch(0n);
    this.#receiveHeaders = receiveHeaders;
    this.#sendHeaders = sendHeaders;
    this.#slots = sendHeaders + harness.batchSize * MMSGHDR_SIZE;
  }

  /** Fills a receive header as recvmmsg does; the datagram lies in the input's slot. */
  receive(
    index: number,
    from: { address: Uint8Array; port: number },
    fields: { byteLength: number; flags?: number; control?: Uint8Array },
  ): void {
    const { view, bytes } = this.#harness;
    const isIpv6 = from.address.length === 16;
    const header = this.#receiveHeaders + index * MMSGHDR_SIZE;
    const slot = this.#slots + index * IO_SLOT_SIZE;
    const name = slot + IO_NAME;
    view.setUint16(name + linux.SOCKADDR_FAMILY, isIpv6 ? linux.AF_INET6 : linux.AF_INET, true);
    view.setUint16(name + linux.SOCKADDR_PORT, from.port);
    const addressOffset = isIpv6 ? linux.SOCKADDR_IN6_ADDRESS : linux.SOCKADDR_IN_ADDRESS;
    bytes.set(from.address, name + addressOffset);
    const nameLength = isIpv6 ? linux.SOCKADDR_IN6_SIZE : linux.SOCKADDR_IN_SIZE;
    view.setUint32(header + linux.MMSGHDR_NAME_LENGTH, nameLength, true);
    view.setUint32(header + linux.MMSGHDR_FLAGS, fields.flags ?? 0, true);
    view.setUint32(header + linux.MMSGHDR_BYTE_LENGTH, fields.byteLength, true);
    const control = fields.control ?? new Uint8Array(0);
    bytes.set(control, slot + IO_RECEIVE_CONTROL);
    view.setUint32(header + linux.MMSGHDR_CONTROL_LENGTH, control.length, true);
  }

  /** Where the datagram of an index is received. */
  input(index: number): Uint8Array {
    const { input } = this.#harness.core;
    return input.subarray(index * DATAGRAM_IN_SIZE, (index + 1) * DATAGRAM_IN_SIZE);
  }

  /** Answers them; returns how many answers there are. */
  answer(datagramCount: number, socketIndex = 0): number {
    return this.#harness.core.answerBatch(socketIndex, datagramCount);
  }

  /** The bytes that sendmmsg would send for an answer. */
  answerBytes(index: number): Uint8Array {
    const iovec = this.#host(this.#header(index) + linux.MMSGHDR_IOVEC);
    const start = this.#host(iovec + linux.IOVEC_BASE);
    return this.#harness.bytes.subarray(start, start + this.#host(iovec + linux.IOVEC_LENGTH));
  }

  /** The socket address that an answer goes to. */
  answerName(index: number): Uint8Array {
    const header = this.#header(index);
    const start = this.#host(header + linux.MMSGHDR_NAME);
    const length = this.#harness.view.getUint32(header + linux.MMSGHDR_NAME_LENGTH, true);
    return this.#harness.bytes.subarray(start, start + length);
  }

  /** The control messages that go with an answer. */
  answerControl(index: number): Uint8Array {
    const header = this.#header(index);
    const start = this.#host(header + linux.MMSGHDR_CONTROL);
    const length = this.#host(header + linux.MMSGHDR_CONTROL_LENGTH);
    return this.#harness.bytes.subarray(start, start + length);
  }

  #header(index: number): number {
    return this.#sendHeaders + index * MMSGHDR_SIZE;
  }

  #host(address: number): number {
    return Number(this.#harness.view.getBigUint64(address, true));
  }
}
