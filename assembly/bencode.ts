/**
 * Bencoded and plain text, written at a pointer; each function returns the end of what it wrote.
 */
import { HTTP_TEXT_SIZE, HTTP_TEXTS } from "./layout";
import { copyShort } from "./bytes";

const COLON: u32 = 0x3a;
const END: u32 = 0x65;

/** One of the HTTP_TEXT_* texts. */
export function writeText(out: usize, text: u32): usize {
  const slot: usize = HTTP_TEXTS + text * HTTP_TEXT_SIZE;
  const byteLength: usize = load<u8>(slot);
  copyShort(out, slot + 1, byteLength);
  return out + byteLength;
}

export function textLength(text: u32): u32 {
  return load<u8>(HTTP_TEXTS + text * HTTP_TEXT_SIZE);
}

export function writeDecimal(out: usize, value: u32): usize {
  let end = out + decimalLength(value);
  const next = end;
  do {
    store<u8>(--end, 0x30 + value % 10);
    value /= 10;
  } while (value != 0);
  return next;
}

function decimalLength(value: u32): u32 {
  let byteLength: u32 = 1;
  for (; value >= 10; value /= 10) ++byteLength;
  return byteLength;
}

/** A string: its length, a colon and `byteLength` bytes. */
export function writeString(out: usize, ptr: usize, byteLength: u32): usize {
  out = writeDecimal(out, byteLength);
  store<u8>(out++, COLON);
  copyShort(out, ptr, byteLength);
  return out + byteLength;
}

/** An integer behind a text that ends in `i`. */
export function writeInteger(out: usize, text: u32, value: u32): usize {
  out = writeDecimal(writeText(out, text), value);
  store<u8>(out, END);
  return out + 1;
}
