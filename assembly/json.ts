/**
 * JSON (RFC 8259), scanned where it lies: each function takes [ptr, end) and returns where what it
 * read ends, 0 where it is not JSON.
 *
 * What is skipped is checked to the last byte, for it is relayed to others as it came. The text is
 * known to be UTF-8. Reads may go 15 bytes past the end; what is there is never believed.
 */
import { hexDigit } from "./bytes";
import { readName, setName } from "./json_text";

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const MINUS: u32 = 0x2d;
const POINT: u32 = 0x2e;
const SLASH: u32 = 0x2f;
const ZERO: u32 = 0x30;
const COLON: u32 = 0x3a;
const OPEN_LIST: u32 = 0x5b;
const BACKSLASH: u32 = 0x5c;
const CLOSE_LIST: u32 = 0x5d;
const LETTER_B: u32 = 0x62;
const LETTER_E: u32 = 0x65;
const LETTER_F: u32 = 0x66;
const LETTER_N: u32 = 0x6e;
const LETTER_R: u32 = 0x72;
const LETTER_T: u32 = 0x74;
const LETTER_U: u32 = 0x75;
const OPEN_OBJECT: u32 = 0x7b;
const CLOSE_OBJECT: u32 = 0x7d;
/** true, null, and alse of false, as they lie in memory. */
const TRUE: u32 = 0x65757274;
const NULL: u32 = 0x6c6c756e;
const ALSE: u32 = 0x65736c61;

/** Bits at odd places, for runs of backslashes (as simdjson finds them). */
const ODD_BITS: u64 = 0xaaaaaaaaaaaaaaaa;

/** Values within values; each takes a bit of a u64. */
const DEPTH_MAX: u32 = 32;

/** Whether the string read last has escapes: scratch of this instance. */
export let hasEscapes: bool = false;
/** Characters of the key that `enterMember` read; 0 where it is no name that means anything. */
export let keyLength: u32 = 0;

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
  for (; ptr < end; ptr += 16) {
    const marks = inline.always(marksOf(v128.load(ptr)));
    if (marks == 0) continue;
    const mark = ptr + ctz<u32>(marks);
    const code: u32 = load<u8>(mark);
    if (code == BACKSLASH) return skipEscaped(mark, end);
    hasEscapes = false;
    return code == QUOTE && mark < end ? mark + 1 : 0;
  }
  return 0;
}

/** Where quotes, backslashes and control characters are: what a string does not just go on with. */
function marksOf(bytes: v128): u32 {
  const quotes = i8x16.eq(bytes, i8x16.splat(<i8> QUOTE));
  const backslashes = i8x16.eq(bytes, i8x16.splat(<i8> BACKSLASH));
  const controls = inline.always(controlsOf(bytes));
  return <u32> i8x16.bitmask(v128.or(v128.or(quotes, backslashes), controls));
}

function controlsOf(bytes: v128): v128 {
  return i8x16.eq(i8x16.min_u(bytes, i8x16.splat(0x1f)), bytes);
}

/** The same from a backslash on, 64 bytes at a time: descriptions are full of \r and \n. */
function skipEscaped(ptr: usize, end: usize): usize {
  hasEscapes = true;
  let carry: u64 = 0; // 1: the first byte of the block is escaped
  for (; ptr < end; ptr += 64) {
    // No further than 15 bytes past the end; zeros are nothing that a string has.
    const zeros = i64x2.splat(0);
    const a = v128.load(ptr);
    const b = ptr + 16 < end ? v128.load(ptr, 16) : zeros;
    const c = ptr + 32 < end ? v128.load(ptr, 32) : zeros;
    const d = ptr + 48 < end ? v128.load(ptr, 48) : zeros;
    const backslash = i8x16.splat(<i8> BACKSLASH);
    const backslashes = inline.always(
      maskOf(
        i8x16.eq(a, backslash),
        i8x16.eq(b, backslash),
        i8x16.eq(c, backslash),
        i8x16.eq(d, backslash),
      ),
    );
    // A run's backslashes escape by turns. Subtraction carries through each run, and tells by the
    // parity of the place behind it which ones do.
    const first = backslashes & ~carry;
    const ends = (((first << 1) | ODD_BITS) - first) ^ ODD_BITS;
    const escaped = ends ^ (backslashes | carry);
    carry = (ends & backslashes) >> 63;
    const quote = i8x16.splat(<i8> QUOTE);
    const quotes = inline.always(
      maskOf(i8x16.eq(a, quote), i8x16.eq(b, quote), i8x16.eq(c, quote), i8x16.eq(d, quote)),
    ) & ~escaped;
    const inside = quotes == 0 ? ~(<u64> 0) : (quotes & (0 - quotes)) - 1;
    const least = i8x16.min_u(i8x16.min_u(a, b), i8x16.min_u(c, d));
    if (v128.any_true(inline.always(controlsOf(least)))) {
      const controls = inline.always(
        maskOf(
          inline.always(controlsOf(a)),
          inline.always(controlsOf(b)),
          inline.always(controlsOf(c)),
          inline.always(controlsOf(d)),
        ),
      );
      if ((controls & inside) != 0) return 0;
    }
    const lines = inline.always(
      maskOf(
        inline.always(isLineEnd(a)),
        inline.always(isLineEnd(b)),
        inline.always(isLineEnd(c)),
        inline.always(isLineEnd(d)),
      ),
    );
    const others = escaped & inside & ~lines;
    if (others != 0 && !areEscapes(ptr, end, others)) return 0;
    if (quotes != 0) {
      const mark = ptr + <usize> ctz<u64>(quotes);
      return mark < end ? mark + 1 : 0;
    }
  }
  return 0;
}

/** The letters of the escapes that there are most of. */
function isLineEnd(bytes: v128): v128 {
  return v128.or(
    i8x16.eq(bytes, i8x16.splat(<i8> LETTER_N)),
    i8x16.eq(bytes, i8x16.splat(<i8> LETTER_R)),
  );
}

/** A bit for each of 64 lanes. */
function maskOf(a: v128, b: v128, c: v128, d: v128): u64 {
  const low = <u32> i8x16.bitmask(a) | (<u32> i8x16.bitmask(b) << 16);
  const high = <u32> i8x16.bitmask(c) | (<u32> i8x16.bitmask(d) << 16);
  return <u64> low | (<u64> high << 32);
}

/** Whether the bytes at these places may follow a backslash, and \u what it needs. */
function areEscapes(ptr: usize, end: usize, places: u64): bool {
  for (; places != 0; places &= places - 1) {
    const at = ptr + <usize> ctz<u64>(places);
    const code: u32 = load<u8>(at);
    if (code == LETTER_U) {
      if (!isUnit(at + 1, end)) return false;
    } else if (!isEscape(code)) {
      return false;
    }
  }
  return true;
}

function isEscape(code: u32): bool {
  switch (code) {
    case QUOTE:
    case BACKSLASH:
    case SLASH:
    case LETTER_B:
    case LETTER_F:
    case LETTER_N:
    case LETTER_R:
    case LETTER_T:
      return true;
  }
  return false;
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
  // Most are a few digits and nothing else.
  const values = i8x16.sub(v128.load(ptr), i8x16.splat(<i8> ZERO));
  const digits = <u32> i8x16.bitmask(i8x16.eq(i8x16.min_u(values, i8x16.splat(9)), values));
  const run = ctz<u32>(~digits);
  if (run != 0 && run < 16 && ptr + run <= end && (run == 1 || load<u8>(ptr) != ZERO)) {
    const next: u32 = load<u8>(ptr + run);
    if (next != POINT && (next | 0x20) != LETTER_E) return ptr + run;
  }
  return skipAnyNumber(ptr, end);
}

function skipAnyNumber(ptr: usize, end: usize): usize {
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

/**
 * Reads a key (`keyLength`, `nameLow`, `nameHigh`) and its colon; returns the first character of
 * its value.
 */
export function enterMember(ptr: usize, end: usize): usize {
  if (inline.always(codeAt(ptr, end)) != QUOTE || ++ptr == end) return 0;
  const bytes = v128.load(ptr);
  const marks = inline.always(marksOf(bytes));
  const byteLength = ctz<u32>(marks);
  if (marks != 0 && load<u8>(ptr + byteLength) == QUOTE) {
    // Where that lies behind the end, so does the colon.
    keyLength = byteLength;
    setName(bytes, byteLength);
    ptr += byteLength + 1;
  } else {
    const start = ptr;
    ptr = skipString(ptr, end);
    if (ptr == 0) return 0;
    keyLength = readName(start, ptr - 1, hasEscapes);
  }
  ptr = inline.always(passBlanks(ptr, end));
  return inline.always(codeAt(ptr, end)) == COLON ? inline.always(passBlanks(ptr + 1, end)) : 0;
}
