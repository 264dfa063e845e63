/**
 * Frames of the WebSocket protocol (RFC 6455, section 5) as a client writes and reads them.
 *
 * It knows no socket. A frame is read where it was received: what `next` returns is valid until the
 * next `room`. Frames of a server are never masked, those of a client always are.
 */

export const OPCODE_CONTINUATION = 0x0;
export const OPCODE_TEXT = 0x1;
export const OPCODE_BINARY = 0x2;
export const OPCODE_CLOSE = 0x8;
export const OPCODE_PING = 0x9;
export const OPCODE_PONG = 0xa;

export const CLOSE_NORMAL = 1000;

const FINAL = 0x80;
const RESERVED_BITS = 0x70;
const OPCODE_BITS = 0x0f;
const MASKED = 0x80;
/** Lengths above take 2, or 8, further bytes. */
const SHORT_LENGTH_MAX = 125;
const LENGTH_OF_2_BYTES = 126;
const LENGTH_OF_8_BYTES = 127;
const LENGTH_OF_2_BYTES_MAX = 0xffff;
const MASK_BYTE_LENGTH = 4;

const ROOM_MIN = 4096;

/** Bytes that a server must not send, or more of them than were asked for. */
export class FrameError extends Error {
  override name = "FrameError";
}

export interface Frame {
  opcode: number;
  /** Whether the message ends with it. */
  isFinal: boolean;
  payload: Uint8Array<ArrayBuffer>;
}

/** How to write a frame. */
export interface FrameOptions {
  /** Default: a text. */
  opcode?: number;
  /** Default: true. */
  isFinal?: boolean;
  /** Four bytes. Default: random ones. */
  mask?: Uint8Array;
}

/** Writes a masked frame. */
export function writeFrame(payload: Uint8Array, options: FrameOptions = {}): Uint8Array {
  const { opcode = OPCODE_TEXT, isFinal = true } = options;
  const mask = options.mask ?? crypto.getRandomValues(new Uint8Array(MASK_BYTE_LENGTH));
  const { length } = payload;
  const lengthBytes = length <= SHORT_LENGTH_MAX ? 0 : length <= LENGTH_OF_2_BYTES_MAX ? 2 : 8;
  const start = 2 + lengthBytes + MASK_BYTE_LENGTH;
  const frame = new Uint8Array(start + length);
  const view = new DataView(frame.buffer);
  frame[0] = (isFinal ? FINAL : 0) | opcode;
  if (lengthBytes === 0) {
    frame[1] = MASKED | length;
  } else if (lengthBytes === 2) {
    frame[1] = MASKED | LENGTH_OF_2_BYTES;
    view.setUint16(2, length);
  } else {
    frame[1] = MASKED | LENGTH_OF_8_BYTES;
    view.setBigUint64(2, BigInt(length));
  }
  frame.set(mask, start - MASK_BYTE_LENGTH);
  for (let index = 0; index < length; index++) {
    frame[start + index] = payload[index]! ^ mask[index & 3]!;
  }
  return frame;
}

/** Writes the payload of a close frame. */
export function writeCloseReason(code: number): Uint8Array {
  return Uint8Array.of(code >> 8, code & 0xff);
}

/** Reads the code of a close frame; undefined where it holds none. */
export function parseCloseReason({ payload }: Frame): number | undefined {
  return payload.length < 2 ? undefined : payload[0]! << 8 | payload[1]!;
}

/** Takes bytes in and gives whole frames out. */
export class FrameReader {
  readonly #payloadByteLengthMax: number;
  #bytes = new Uint8Array(ROOM_MIN);
  #start = 0;
  #end = 0;

  /** @param payloadByteLengthMax Of one frame. */
  constructor(payloadByteLengthMax: number) {
    this.#payloadByteLengthMax = payloadByteLengthMax;
  }

  /** Where to receive next, and before `filled`. */
  room(): Uint8Array<ArrayBuffer> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#bytes.length - this.#end < ROOM_MIN / 2) {
      const unread = this.#bytes.subarray(this.#start, this.#end);
      const isHalfEmpty = unread.length <= this.#bytes.length / 2;
      const bytes = isHalfEmpty ? this.#bytes : new Uint8Array(2 * this.#bytes.length);
      bytes.set(unread);
      this.#bytes = bytes;
      this.#end = unread.length;
      this.#start = 0;
    }
    return this.#bytes.subarray(this.#end);
  }

  /** So many bytes were received into `room`. */
  filled(byteLength: number): void {
    this.#end += byteLength;
  }

  /** Returns the next frame, or nothing where it is not whole. @throws FrameError */
  next(): Frame | undefined {
    const start = this.#start;
    const filled = this.#end - start;
    if (filled < 2) return undefined;
    const first = this.#bytes[start]!;
    const second = this.#bytes[start + 1]!;
    if ((first & RESERVED_BITS) !== 0) throw new FrameError("A frame with reserved bits");
    if ((second & MASKED) !== 0) throw new FrameError("A masked frame of a server");
    const lengthBytes = second === LENGTH_OF_2_BYTES ? 2 : second === LENGTH_OF_8_BYTES ? 8 : 0;
    if (filled < 2 + lengthBytes) return undefined;
    const view = new DataView(this.#bytes.buffer, start + 2);
    const length = lengthBytes === 0
      ? second
      : lengthBytes === 2
      ? view.getUint16(0)
      : Number(view.getBigUint64(0));
    if (length > this.#payloadByteLengthMax) throw new FrameError(`A frame of ${length} bytes`);
    const payloadStart = start + 2 + lengthBytes;
    if (this.#end < payloadStart + length) return undefined;
    this.#start = payloadStart + length;
    return {
      opcode: first & OPCODE_BITS,
      isFinal: (first & FINAL) !== 0,
      payload: this.#bytes.subarray(payloadStart, this.#start),
    };
  }

  /** Takes all bytes that are no whole frame. */
  rest(): Uint8Array<ArrayBuffer> {
    const rest = this.#bytes.slice(this.#start, this.#end);
    this.#start = this.#end;
    return rest;
  }
}
