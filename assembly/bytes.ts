/**
 * The only place where wire order (big-endian) is swapped, and the short copies and compares.
 *
 * `copyShort` may write up to 15 bytes past the end: every buffer it writes to has that slack.
 */

export function loadWire16(ptr: usize): u16 {
  return bswap<u16>(load<u16>(ptr));
}

export function loadWire32(ptr: usize): u32 {
  return bswap<u32>(load<u32>(ptr));
}

export function loadWire64(ptr: usize): u64 {
  return bswap<u64>(load<u64>(ptr));
}

export function storeWire32(ptr: usize, value: u32): void {
  store<u32>(ptr, bswap<u32>(value));
}

export function storeWire64(ptr: usize, value: u64): void {
  store<u64>(ptr, bswap<u64>(value));
}

/** Whether two info hashes (20 bytes) are the same. */
export function equalInfoHash(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8) &&
    load<u32>(a, 16) == load<u32>(b, 16);
}

export function copyInfoHash(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  store<u32>(to, load<u32>(from, 16), 16);
}

/**
 * Copies in strides of 16 bytes; for runs of a few hundred bytes a call of `memory.copy` costs
 * more.
 */
export function copyShort(to: usize, from: usize, byteLength: usize): void {
  if (byteLength > 512) {
    memory.copy(to, from, byteLength);
    return;
  }
  for (let offset: usize = 0; offset < byteLength; offset += 16) {
    v128.store(to + offset, v128.load(from + offset));
  }
}

/** The value of one hexadecimal digit in either case, or -1. */
export function hexDigit(code: u32): i32 {
  if (code - 0x30 < 10) return code - 0x30;
  const lower = code | 0x20;
  return lower - 0x61 < 6 ? lower - 0x61 + 10 : -1;
}
