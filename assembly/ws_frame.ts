/**
 * Frames of RFC 6455 (5.2): masks taken off, heads written.
 */

export const FIN: u32 = 0x80;
export const RESERVED: u32 = 0x70;
export const OPCODE_CONTINUATION: u32 = 0;
export const OPCODE_TEXT: u32 = 1;
export const OPCODE_BINARY: u32 = 2;
export const OPCODE_CLOSE: u32 = 8;
export const OPCODE_PING: u32 = 9;
export const OPCODE_PONG: u32 = 10;
export const MASKED: u32 = 0x80;
export const CONTROL_MAX: u32 = 125;
export const LENGTH_16: u32 = 126;
export const LENGTH_64: u32 = 127;
/** The longest head that is written: no message has 64 KiB squared. */
export const FRAME_HEAD_MAX: u32 = 10;

/**
 * Takes the mask off, to another place or in the same; no byte behind the end is written.
 * @param mask As it lies in memory, turned so that it begins with the first byte's.
 * @returns An address behind the last byte that is no ASCII, 0 where all are.
 */
export function unmask(to: usize, from: usize, byteLength: u32, mask: u32): usize {
  const end = from + byteLength;
  if (byteLength < 16) return unmaskShort(to, from, end, mask);
  const wide = i32x4.splat(mask);
  // The last stride overlaps the one before, so it is read before that is written.
  const lastMask = i32x4.splat(rotr<u32>(mask, (byteLength & 3) << 3));
  const last = v128.xor(v128.load(end - 16), lastMask);
  const toEnd = to + byteLength;
  let others: usize = 0;
  for (; from + 64 <= end; from += 64, to += 64) {
    const a = v128.xor(v128.load(from), wide);
    const b = v128.xor(v128.load(from, 16), wide);
    const c = v128.xor(v128.load(from, 32), wide);
    const d = v128.xor(v128.load(from, 48), wide);
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
    if (i8x16.bitmask(v128.or(v128.or(a, b), v128.or(c, d))) != 0) others = to + 64;
  }
  for (; from + 16 <= end; from += 16, to += 16) {
    const bytes = v128.xor(v128.load(from), wide);
    v128.store(to, bytes);
    if (i8x16.bitmask(bytes) != 0) others = to + 16;
  }
  v128.store(toEnd - 16, last);
  return i8x16.bitmask(last) != 0 ? toEnd : others;
}

function unmaskShort(to: usize, from: usize, end: usize, mask: u32): usize {
  let all: u32 = 0;
  for (; from < end; ++from, ++to) {
    const code: u32 = load<u8>(from) ^ (mask & 0xff);
    store<u8>(to, code);
    all |= code;
    mask = rotr<u32>(mask, 8);
  }
  return (all & 0x80) == 0 ? 0 : to;
}

/** Bytes of the head of an unmasked frame. */
export function frameHeadLength(byteLength: u32): u32 {
  return byteLength < LENGTH_16 ? 2 : byteLength < 65536 ? 4 : FRAME_HEAD_MAX;
}

/** Writes the head of a whole message in one frame so that it ends at `end`; returns its start. */
export function writeFrameHead(end: usize, opcode: u32, byteLength: u32): usize {
  const head = end - frameHeadLength(byteLength);
  store<u8>(head, FIN | opcode);
  if (byteLength < LENGTH_16) {
    store<u8>(head, byteLength, 1);
  } else if (byteLength < 65536) {
    store<u8>(head, LENGTH_16, 1);
    store<u16>(head, bswap<u16>(<u16> byteLength), 2);
  } else {
    store<u8>(head, LENGTH_64, 1);
    store<u64>(head, bswap<u64>(<u64> byteLength), 2);
  }
  return head;
}
