/**
 * Searches in text, 16 bytes at a time; they may read, and never believe, 15 bytes past the end.
 */

const TAB: i8 = 0x09;
const SPACE: i8 = 0x20;
const DELETE: i8 = 0x7f;

/** The first byte of that code in [ptr, end), or `end`. */
export function findByte(ptr: usize, end: usize, code: u32): usize {
  const wanted = i8x16.splat(<i8> code);
  for (; ptr < end; ptr += 16) {
    const matches = <u32> i8x16.bitmask(i8x16.eq(v128.load(ptr), wanted));
    if (matches != 0) return min<usize>(ptr + ctz<u32>(matches), end);
  }
  return end;
}

/** The first control character but the tab in [ptr, end), or `end`: a line's end, or an error. */
export function findControl(ptr: usize, end: usize): usize {
  for (; ptr < end; ptr += 16) {
    const bytes = v128.load(ptr);
    const controls = v128.or(
      i8x16.lt_u(bytes, i8x16.splat(SPACE)),
      i8x16.eq(bytes, i8x16.splat(DELETE)),
    );
    const matches = <u32> i8x16.bitmask(v128.andnot(controls, i8x16.eq(bytes, i8x16.splat(TAB))));
    if (matches != 0) return min<usize>(ptr + ctz<u32>(matches), end);
  }
  return end;
}

/** Eight bytes at once, letters in lower case; names of protocols are compared so. */
export function lower8(ptr: usize): u64 {
  return load<u64>(ptr) | 0x2020202020202020;
}

export function lower4(ptr: usize): u32 {
  return load<u32>(ptr) | 0x20202020;
}

export function lower2(ptr: usize): u32 {
  return <u32> load<u16>(ptr) | 0x2020;
}

export function isBlank(code: u32): bool {
  return code == <u32> SPACE || code == <u32> TAB;
}
