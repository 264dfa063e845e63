/**
 * What the strings of JSON say, once json.ts has found their ends: names, escapes, binary strings.
 */
import { hexDigit } from "./bytes";

const ZERO: u32 = 0x30;
const ZEROS: u32 = 0x3030;
const BACKSLASH: u32 = 0x5c;
const LETTER_B: u32 = 0x62;
const LETTER_E: u32 = 0x65;
const LETTER_F: u32 = 0x66;
const LETTER_N: u32 = 0x6e;
const LETTER_R: u32 = 0x72;
const LETTER_T: u32 = 0x74;
const LETTER_U: u32 = 0x75;
const LANES: v128 = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
/** The longest name that means anything: to_peer_id and others are shorter. */
const NAME_MAX: u32 = 15;
const ID_SIZE: u32 = 20;

/** What `readName` or `setName` read, little-endian, zero-filled. */
export let nameLow: u64 = 0;
export let nameHigh: u64 = 0;

/** Takes the first bytes as the name; less than 16 of them. */
export function setName(bytes: v128, byteLength: u32): void {
  const name = v128.and(bytes, i8x16.gt_s(i8x16.splat(<i8> byteLength), LANES));
  nameLow = i64x2.extract_lane(name, 0);
  nameHigh = i64x2.extract_lane(name, 1);
}

/**
 * Reads the characters of a string into `nameLow` and `nameHigh`, for comparison with names.
 * @param ptr Behind its opening quote; `end` is the closing one, and `isEscaped` as it was found.
 * @returns Their number; 0 where it is longer than any name, or has others than ASCII.
 */
export function readName(ptr: usize, end: usize, isEscaped: bool): u32 {
  nameLow = 0;
  nameHigh = 0;
  if (isEscaped) return readEscapedName(ptr, end);
  const byteLength: u32 = end - ptr;
  if (byteLength > NAME_MAX) return 0;
  setName(v128.load(ptr), byteLength);
  return byteLength;
}

function readEscapedName(ptr: usize, end: usize): u32 {
  let index: u32 = 0;
  for (; ptr < end; ++index) {
    let code: u32 = load<u8>(ptr);
    if (code != BACKSLASH) {
      ++ptr;
    } else {
      code = decodeEscape(ptr);
      ptr = characterEnd;
    }
    if (index == NAME_MAX || code > 0x7f) return 0;
    if (index < 8) nameLow |= (<u64> code) << (index << 3);
    else nameHigh |= (<u64> code) << ((index - 8) << 3);
  }
  return index;
}

/** Where the escape that `decodeEscape` read ends. */
let characterEnd: usize = 0;

/** One UTF-16 unit of a checked string, from its backslash on. */
function decodeEscape(ptr: usize): u32 {
  const code: u32 = load<u8>(ptr, 1);
  characterEnd = ptr + 2;
  switch (code) {
    case LETTER_B:
      return 0x08;
    case LETTER_F:
      return 0x0c;
    case LETTER_N:
      return 0x0a;
    case LETTER_R:
      return 0x0d;
    case LETTER_T:
      return 0x09;
    case LETTER_U:
      characterEnd = ptr + 6;
      if (load<u16>(ptr, 2) == ZEROS) {
        return (hexDigit(load<u8>(ptr, 4)) << 4) | hexDigit(load<u8>(ptr, 5));
      }
      return (hexDigit(load<u8>(ptr, 2)) << 12) | (hexDigit(load<u8>(ptr, 3)) << 8) |
        (hexDigit(load<u8>(ptr, 4)) << 4) | hexDigit(load<u8>(ptr, 5));
  }
  return code;
}

/**
 * Reads a binary string (protocols.md C2): 20 characters of U+0000…U+00FF, a byte each.
 * @param ptr Behind its opening quote; `end` is the closing one, and `isEscaped` as it was found.
 * @param out 32 bytes.
 */
export function readBinaryString(ptr: usize, end: usize, isEscaped: bool, out: usize): bool {
  if (end - ptr < ID_SIZE) return false;
  if (!isEscaped && end - ptr == ID_SIZE) {
    const first = v128.load(ptr);
    const last = load<u32>(ptr, 16);
    v128.store(out, first);
    store<u32>(out, last, 16);
    // Twenty bytes are twenty characters only in ASCII.
    return i8x16.bitmask(first) == 0 && (last & 0x80808080) == 0;
  }
  const outEnd = out + ID_SIZE;
  let most: u32 = 0;
  for (; ptr < end && out < outEnd; ++out) {
    let code: u32 = load<u8>(ptr);
    if (code == BACKSLASH) {
      code = decodeEscape(ptr);
      if (code > 0xff) return false;
      ptr = characterEnd;
    } else {
      // U+0080…U+00FF are C2 or C3 and one byte, which need not be checked: the text is UTF-8.
      // No branch tells them from ASCII: hashes have both, and nobody can guess the next.
      most = max<u32>(most, code);
      const second: u32 = load<u8>(ptr, 1);
      const isPair = code >> 7;
      ptr += 1 + isPair;
      code = select<u32>(((code & 3) << 6) | (second & 0x3f), code, isPair);
    }
    store<u8>(out, code);
  }
  return most <= 0xc3 && ptr == end && out == outEnd;
}

/** Whether a number that was skipped is 0: no digit but zeros before its exponent. */
export function isZero(ptr: usize, end: usize): bool {
  for (; ptr < end; ++ptr) {
    const code: u32 = load<u8>(ptr);
    if ((code | 0x20) == LETTER_E) return true;
    if (code - ZERO - 1 < 9) return false;
  }
  return true;
}
