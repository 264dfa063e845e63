/**
 * UTF-8 (RFC 3629), checked piece by piece: the state at the end of one piece begins the next.
 *
 * A state is 0 between characters; within one, how many bytes are missing, and the least and the
 * greatest that the next one may be, in a byte each.
 */

/** No state: the bytes are no UTF-8, whatever follows. */
export const UTF8_BAD: u32 = 0xffffffff;

const TAIL: u32 = 0xbf_80_00;

/** Checks [ptr, end) from a state on; returns the state at its end. */
export function checkUtf8(ptr: usize, end: usize, state: u32): u32 {
  while (ptr < end) {
    if (state == 0) {
      // Straight to the next byte that is no ASCII; what lies past the end is not looked at.
      if (ptr + 64 <= end && inline.always(isAscii64(ptr))) {
        ptr += 64;
        continue;
      }
      const bytes = v128.load(ptr);
      const others = <u32> i8x16.bitmask(bytes);
      if (others == 0) {
        ptr += 16;
        continue;
      }
      if (ptr + 16 <= end) {
        const pairs = inline.always(pairsOf(bytes, others));
        if (pairs != 0) {
          ptr += pairs;
          continue;
        }
      }
      ptr += ctz<u32>(others);
      if (ptr >= end) return 0;
      state = stateBehind(load<u8>(ptr));
      if (state == UTF8_BAD) return UTF8_BAD;
    } else {
      const code: u32 = load<u8>(ptr);
      if (code < ((state >> 8) & 0xff) || code > state >> 16) return UTF8_BAD;
      const missing = (state & 0xff) - 1;
      state = missing == 0 ? 0 : TAIL | missing;
    }
    ++ptr;
  }
  return state;
}

function isAscii64(ptr: usize): bool {
  const all = v128.or(
    v128.or(v128.load(ptr), v128.load(ptr, 16)),
    v128.or(v128.load(ptr, 32), v128.load(ptr, 48)),
  );
  return i8x16.bitmask(all) == 0;
}

/**
 * How many of 16 bytes are whole characters, where none has more than two bytes: 15 or 16, and 0
 * where it is not that simple. Ids as binary strings have no others.
 */
function pairsOf(bytes: v128, others: u32): u32 {
  const firsts = <u32> i8x16.bitmask(
    v128.and(i8x16.gt_s(bytes, i8x16.splat(<i8> 0xc1)), i8x16.lt_s(bytes, i8x16.splat(<i8> 0xe0))),
  );
  const seconds = <u32> i8x16.bitmask(i8x16.lt_s(bytes, i8x16.splat(<i8> 0xc0)));
  if ((firsts | seconds) != others || seconds != ((firsts << 1) & 0xffff)) return 0;
  return 16 - (firsts >> 15);
}

/** The state behind the first byte of a character that is no ASCII. */
function stateBehind(code: u32): u32 {
  if (code < 0xc2 || code > 0xf4) return UTF8_BAD;
  if (code < 0xe0) return TAIL | 1;
  // Neither overlong, nor a surrogate, nor above U+10FFFF.
  if (code < 0xf0) return code == 0xe0 ? 0xbf_a0_02 : code == 0xed ? 0x9f_80_02 : TAIL | 2;
  return code == 0xf0 ? 0xbf_90_03 : code == 0xf4 ? 0x8f_80_03 : TAIL | 3;
}
