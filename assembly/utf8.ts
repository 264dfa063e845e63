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
      const others = <u32> i8x16.bitmask(v128.load(ptr));
      if (others == 0) {
        ptr += 16;
        continue;
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

/** The state behind the first byte of a character that is no ASCII. */
function stateBehind(code: u32): u32 {
  if (code < 0xc2 || code > 0xf4) return UTF8_BAD;
  if (code < 0xe0) return TAIL | 1;
  // Neither overlong, nor a surrogate, nor above U+10FFFF.
  if (code < 0xf0) return code == 0xe0 ? 0xbf_a0_02 : code == 0xed ? 0x9f_80_02 : TAIL | 2;
  return code == 0xf0 ? 0xbf_90_03 : code == 0xf4 ? 0x8f_80_03 : TAIL | 3;
}
