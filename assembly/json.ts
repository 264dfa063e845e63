/**
 * JSON (RFC 8259), scanned where it lies: each function takes [ptr, end) and returns where what it
 * read ends, 0 where it is not JSON.
 *
 * What is skipped is checked to the last byte, for it is relayed to others as it came. The text is
 * known to be UTF-8. Reads may go 15 bytes past the end; what is there is never believed.
 */
import { hexDigit } from "./bytes";

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const MINUS: u32 = 0x2d;
const POINT: u32 = 0x2e;
const ZERO: u32 = 0x30;
const COLON: u32 = 0x3a;
const OPEN_LIST: u32 = 0x5b;
const BACKSLASH: u32 = 0x5c;
const CLOSE_LIST: u32 = 0x5d;
const LETTER_E: u32 = 0x65;
const LETTER_U: u32 = 0x75;
const OPEN_OBJECT: u32 = 0x7b;
const CLOSE_OBJECT: u32 = 0x7d;
/** true, null, and alse of false, as they lie in memory. */
const TRUE: u32 = 0x65757274;
const NULL: u32 = 0x6c6c756e;
const ALSE: u32 = 0x65736c61;
const LETTER_F: u32 = 0x66;

/** Rows of the ASCII table where a byte may follow a backslash: 2, 5, 6, 7, one bit each. */
const ESCAPES_BY_LOW: v128 = i8x16(0, 0, 13, 0, 8, 8, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1);
const ESCAPES_BY_HIGH: v128 = i8x16(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);

/** Values within values; each takes a bit of a u64. */
const DEPTH_MAX: u32 = 32;
/** The longest name that means anything: to_peer_id and others are shorter. */
const NAME_MAX: usize = 15;
const ID_SIZE: u32 = 20;

/** Whether the string read last has escapes: scratch of this instance. */
export let hasEscapes: bool = false;
/** The key that `enterMember` read: its first and last byte's place, quotes excluded. */
export let keyStart: usize = 0;
export let keyEnd: usize = 0;
/** What `readName` read, little-endian, zero-filled. */
export let nameLow: u64 = 0;
export let nameHigh: u64 = 0;

/** The byte at ptr, 0 at the end: no byte that JSON has outside of strings. */
export function codeAt(ptr: usize, end: usize): u32 {
  return ptr < end ? load<u8>(ptr) : 0;
}

/** Most JSON that is sent has no blanks: one look, and a call where there are some. */
export function passBlanks(ptr: usize, end: usize): usize {
  return <u32> load<u8>(ptr) > 0x20 ? ptr : skipBlanks(ptr, end);
}

function skipBlanks(ptr: usize, end: usize): usize {
  while (ptr < end) {
    const code: u32 = load<u8>(ptr);
    if (code > 0x20 || (code != 0x20 && code != 0x0a && code != 0x0d && code != 0x09)) break;
    ++ptr;
  }
  return ptr;
}

/** Reads on behind an opening quote, to behind the closing one. */
export function skipString(ptr: usize, end: usize): usize {
  let escaped: u32 = 0; // whether the first byte of the stride at hand is escaped
  let all: u32 = 0;
  for (; ptr < end; ptr += 16) {
    const bytes = v128.load(ptr);
    const backslashes = maskOf(bytes, BACKSLASH);
    const quotes = maskOf(bytes, QUOTE);
    const controls = <u32> i8x16.bitmask(i8x16.lt_u(bytes, i8x16.splat(0x20)));
    if ((backslashes | quotes | controls | escaped) == 0) continue;
    if ((backslashes | escaped) != 0) {
      all |= backslashes;
      escaped = escapedBytes(backslashes, escaped);
      const marks = quotes & ~escaped;
      const inside = insideMask(marks);
      if (!areEscapes(bytes, ptr, end, escaped & inside)) return 0;
      if ((controls & inside) != 0) return 0;
      if (marks != 0) return endOfString(ptr + ctz<u32>(marks), end, all);
      escaped >>= 16;
    } else {
      if ((controls & insideMask(quotes)) != 0) return 0;
      if (quotes != 0) return endOfString(ptr + ctz<u32>(quotes), end, all);
    }
  }
  return 0;
}

function endOfString(quote: usize, end: usize, backslashes: u32): usize {
  hasEscapes = backslashes != 0;
  return quote < end ? quote + 1 : 0;
}

function maskOf(bytes: v128, code: u32): u32 {
  return <u32> i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(<i8> code)));
}

/** The bytes before the first mark: all of them where there is none. */
function insideMask(marks: u32): u32 {
  return marks == 0 ? 0xffff : (marks & (0 - marks)) - 1;
}

/** Which bytes follow a backslash that is not escaped itself; bit 16 is the next stride's. */
function escapedBytes(backslashes: u32, first: u32): u32 {
  if (first == 0 && (backslashes & (backslashes << 1)) == 0) return backslashes << 1;
  let escaped = first;
  backslashes &= ~first;
  while (backslashes != 0) {
    const lane = ctz<u32>(backslashes);
    escaped |= 2 << lane;
    backslashes &= ~((<u32> 3) << lane);
  }
  return escaped;
}

/** Whether these bytes of a stride may follow a backslash, and \u what it needs. */
function areEscapes(bytes: v128, ptr: usize, end: usize, escaped: u32): bool {
  if (escaped == 0) return true;
  // Two halves of a byte choose a bit each of the same four: the rows of the ASCII table.
  const low = i8x16.swizzle(ESCAPES_BY_LOW, v128.and(bytes, i8x16.splat(0x0f)));
  const high = i8x16.swizzle(ESCAPES_BY_HIGH, i8x16.shr_u(bytes, 4));
  const others = <u32> i8x16.bitmask(i8x16.eq(v128.and(low, high), i8x16.splat(0)));
  if ((others & escaped) != 0) return false;
  let units = maskOf(bytes, LETTER_U) & escaped;
  for (; units != 0; units &= units - 1) {
    if (!isUnit(ptr + ctz<u32>(units) + 1, end)) return false;
  }
  return true;
}

/** Four hexadecimal digits. */
function isUnit(ptr: usize, end: usize): bool {
  if (ptr + 4 > end) return false;
  return (hexDigit(load<u8>(ptr)) | hexDigit(load<u8>(ptr, 1)) | hexDigit(load<u8>(ptr, 2)) |
    hexDigit(load<u8>(ptr, 3))) >= 0;
}

function skipDigits(ptr: usize, end: usize): usize {
  while (ptr < end && <u32> load<u8>(ptr) - ZERO < 10) ++ptr;
  return ptr;
}

/** At its first character, a minus or a digit. */
function skipNumber(ptr: usize, end: usize): usize {
  if (inline.always(codeAt(ptr, end)) == MINUS) ++ptr;
  if (inline.always(codeAt(ptr, end)) - ZERO > 9) return 0;
  ptr = load<u8>(ptr) == ZERO ? ptr + 1 : skipDigits(ptr, end);
  if (inline.always(codeAt(ptr, end)) == POINT) {
    if (inline.always(codeAt(++ptr, end)) - ZERO > 9) return 0;
    ptr = skipDigits(ptr, end);
  }
  if ((inline.always(codeAt(ptr, end)) | 0x20) != LETTER_E) return ptr;
  const sign = inline.always(codeAt(++ptr, end));
  if (sign == MINUS || sign == 0x2b) ++ptr;
  return inline.always(codeAt(ptr, end)) - ZERO > 9 ? 0 : skipDigits(ptr, end);
}

/** A string, number or literal. */
function skipScalar(ptr: usize, end: usize): usize {
  const code = inline.always(codeAt(ptr, end));
  if (code == QUOTE) return skipString(ptr + 1, end);
  if (code == MINUS || code - ZERO < 10) return skipNumber(ptr, end);
  if (code == LETTER_F) return ptr + 5 <= end && load<u32>(ptr, 1) == ALSE ? ptr + 5 : 0;
  if (ptr + 4 > end) return 0;
  return load<u32>(ptr) == TRUE || load<u32>(ptr) == NULL ? ptr + 4 : 0;
}

/** Any value, from its first character on. */
export function skipValue(ptr: usize, end: usize): usize {
  let depth: u32 = 0;
  let objects: u64 = 0; // a bit for each value around, 1: an object
  do {
    const code = inline.always(codeAt(ptr, end));
    if (code == OPEN_OBJECT || code == OPEN_LIST) {
      if (depth == DEPTH_MAX) return 0;
      const isObject = code == OPEN_OBJECT;
      ptr = inline.always(passBlanks(ptr + 1, end));
      if (inline.always(codeAt(ptr, end)) == (isObject ? CLOSE_OBJECT : CLOSE_LIST)) {
        ++ptr;
      } else {
        objects = (objects << 1) | (isObject ? 1 : 0);
        ++depth;
        if (isObject && (ptr = enterMember(ptr, end)) == 0) return 0;
        continue;
      }
    } else {
      ptr = skipScalar(ptr, end);
      if (ptr == 0) return 0;
    }
    // Behind a value: whatever it closes, and the next one of the innermost that stays open.
    while (depth != 0) {
      ptr = inline.always(passBlanks(ptr, end));
      const isObject = (objects & 1) != 0;
      const mark = inline.always(codeAt(ptr, end));
      if (mark == COMMA) {
        ptr = inline.always(passBlanks(ptr + 1, end));
        if (isObject && (ptr = enterMember(ptr, end)) == 0) return 0;
        break;
      }
      if (mark != (isObject ? CLOSE_OBJECT : CLOSE_LIST)) return 0;
      ++ptr;
      --depth;
      objects >>= 1;
    }
  } while (depth != 0);
  return ptr;
}

/** Reads a key (`keyStart`, `keyEnd`) and its colon; returns the first character of its value. */
export function enterMember(ptr: usize, end: usize): usize {
  if (inline.always(codeAt(ptr, end)) != QUOTE) return 0;
  keyStart = ptr + 1;
  ptr = skipString(keyStart, end);
  if (ptr == 0) return 0;
  keyEnd = ptr - 1;
  ptr = inline.always(passBlanks(ptr, end));
  return inline.always(codeAt(ptr, end)) == COLON ? inline.always(passBlanks(ptr + 1, end)) : 0;
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
  const byteLength = end - ptr;
  if (byteLength > NAME_MAX) return 0;
  nameLow = load<u64>(ptr);
  nameHigh = load<u64>(ptr, 8);
  const mask = ((<u64> 1) << ((byteLength & 7) << 3)) - 1;
  if (byteLength < 8) {
    nameLow &= mask;
    nameHigh = 0;
  } else {
    nameHigh &= mask;
  }
  return byteLength;
}

function readEscapedName(ptr: usize, end: usize): u32 {
  let index: u32 = 0;
  for (; ptr < end; ++index) {
    const code = decodeCharacter(ptr);
    if (index == <u32> NAME_MAX || code > 0x7f) return 0;
    if (index < 8) nameLow |= (<u64> code) << (index << 3);
    else nameHigh |= (<u64> code) << ((index - 8) << 3);
    ptr = characterEnd;
  }
  return index;
}

/** Where the character that `decodeCharacter` read ends. */
let characterEnd: usize = 0;

/** One UTF-16 unit of a checked string; more than 0xff for whatever is no byte. */
function decodeCharacter(ptr: usize): u32 {
  const code: u32 = load<u8>(ptr);
  if (code == BACKSLASH) return decodeEscape(ptr);
  if (code < 0x80) {
    characterEnd = ptr + 1;
    return code;
  }
  // U+0080…U+00FF are C2 or C3 and one byte; the text is UTF-8, so what follows need not be looked
  // at.
  characterEnd = ptr + 2;
  return code > 0xc3 ? 0x100 : ((code & 3) << 6) | (load<u8>(ptr, 1) & 0x3f);
}

function decodeEscape(ptr: usize): u32 {
  const code: u32 = load<u8>(ptr, 1);
  characterEnd = ptr + 2;
  switch (code) {
    case 0x62: // b
      return 0x08;
    case 0x66: // f
      return 0x0c;
    case 0x6e: // n
      return 0x0a;
    case 0x72: // r
      return 0x0d;
    case 0x74: // t
      return 0x09;
    case LETTER_U:
      characterEnd = ptr + 6;
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
  while (ptr < end && out < outEnd) {
    let code: u32 = load<u8>(ptr);
    if (code < 0x80 && code != BACKSLASH) {
      ++ptr;
    } else {
      code = decodeCharacter(ptr);
      if (code > 0xff) return false;
      ptr = characterEnd;
    }
    store<u8>(out++, code);
  }
  return ptr == end && out == outEnd;
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
