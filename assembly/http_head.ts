/**
 * The head of an HTTP/1 request (RFC 9112), read line by line as its bytes come.
 *
 * What is read stays in the connection's input until the request is answered; its record says where
 * the line at hand begins, so that a request may be cut anywhere. Everything that two parsers could
 * understand differently is refused: line ends other than CRLF, control characters, folded lines,
 * blanks before a colon, repeated or odd lengths.
 */
import {
  CONNECTION_CAPACITY,
  CONNECTION_FILLED,
  CONNECTION_FLAGS,
  CONNECTION_HEAD,
  CONNECTION_HEADERS,
  CONNECTION_INPUT,
  CONNECTION_KEY,
  CONNECTION_LINE,
  CONNECTION_PHASE,
  CONNECTION_SCANNED,
  CONNECTION_TARGET,
  CONNECTION_TARGET_LENGTH,
  FLAG_BODY,
  FLAG_CLOSE,
  FLAG_CONTENT_LENGTH,
  FLAG_HEAD,
  FLAG_HOST,
  FLAG_HTTP_1_0,
  FLAG_KEEP_ALIVE,
  FLAG_KEY,
  FLAG_OPTIONS,
  FLAG_OTHER_METHOD,
  FLAG_OTHER_VERSION,
  FLAG_TRANSFER_ENCODING,
  FLAG_UPGRADE,
  FLAG_VERSION,
  FLAG_WEBSOCKET,
  HEADERS_MAX,
  PHASE_HEADERS,
  PHASE_REQUEST,
  REFUSAL_BAD_REQUEST,
  REFUSAL_HEADERS,
  REFUSAL_TARGET,
  REFUSAL_VERSION,
  TARGET_MAX,
} from "./layout";
import { readForwarded, readForwardedFor, resetClient } from "./forwarded";
import { skipAuthority } from "./http_target";
import { findByte, findControl, isBlank, lower2, lower4, lower8 } from "./scan";
import { isKey } from "./ws_handshake";

/** What `parseHead` returns besides REFUSAL_*. */
export const HEAD_WHOLE: i32 = -1;
export const HEAD_UNFINISHED: i32 = -2;

const CARRIAGE_RETURN: u32 = 0x0d;
const LINE_FEED: u32 = 0x0a;
const SPACE: u32 = 0x20;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const SLASH: u32 = 0x2f;
const ASTERISK: u32 = 0x2a;

/** The longest method that is registered has 17 letters. */
const METHOD_MAX: u32 = 20;
/** A blank, and HTTP/1.1. */
const VERSION_LENGTH: u32 = 9;
/** A request line is at most so much longer than its target. */
const LINE_REST_MAX: u32 = METHOD_MAX + 1 + VERSION_LENGTH;

/** GET and a blank, HEAD, OPTIONS and a NUL, HTTP/1. and a NUL, as they lie in memory. */
const GET: u32 = 0x20544547;
const HEAD: u32 = 0x44414548;
const OPTIONS: u64 = 0x534e4f4954504f;
const HTTP_1: u64 = 0x2e312f50545448;
const HTTP: u32 = 0x50545448;
const SEVEN_BYTES: u64 = 0xffffffffffffff;

// Names of headers in lower case, as they lie in memory, eight bytes or fewer at a time.
const HOST: u32 = 0x74736f68; // host
const CONNECTION_0: u64 = 0x697463656e6e6f63; // connecti
const CONNECTION_8: u32 = 0x6e6f; // on
const CONTENT_LENGTH_0: u64 = 0x2d746e65746e6f63; // content-
const CONTENT_LENGTH_6: u64 = 0x6874676e656c2d74; // t-length
const TRANSFER_ENCODING_0: u64 = 0x726566736e617274; // transfer
const TRANSFER_ENCODING_9: u64 = 0x676e69646f636e65; // encoding
const X_FORWARDED_FOR_0: u64 = 0x726177726f662d78; // x-forwar
const X_FORWARDED_FOR_7: u64 = 0x726f662d64656472; // rded-for
const FORWARDED_0: u64 = 0x6564726177726f66; // forwarde
const FORWARDED_1: u64 = 0x646564726177726f; // orwarded
const UPGRADE_0: u32 = 0x72677075; // upgr
const UPGRADE_3: u32 = 0x65646172; // rade
const WEBSOCKET_0: u64 = 0x656b636f73626577; // websocke
const WEBSOCKET_1: u64 = 0x74656b636f736265; // ebsocket
const SEC_WEBSOCKET_0: u64 = 0x736265772d636573; // sec-webs
const SEC_WEBSOCKET_KEY_8: u64 = 0x656b2d74656b636f; // ocket-ke
const SEC_WEBSOCKET_KEY_9: u64 = 0x79656b2d74656b63; // cket-key
const SEC_WEBSOCKET_VERSION_8: u64 = 0x65762d74656b636f; // ocket-ve
const SEC_WEBSOCKET_VERSION_13: u64 = 0x6e6f69737265762d; // -version
const THIRTEEN: u32 = 0x3331; // 13
const CLOSE_0: u32 = 0x736f6c63; // clos
const CLOSE_4: u32 = 0x65; // e
const KEEP_ALIVE_0: u64 = 0x696c612d7065656b; // keep-ali
const KEEP_ALIVE_8: u32 = 0x6576; // ve

/**
 * Reads on in the input of a connection whose phase is PHASE_REQUEST or PHASE_HEADERS.
 * @returns `HEAD_WHOLE`: CONNECTION_LINE is where the next request begins; `HEAD_UNFINISHED`; or
 * REFUSAL_*, after which nothing in the input can be trusted.
 */
export function parseHead(connection: usize): i32 {
  const input: usize = load<u32>(connection, CONNECTION_INPUT);
  const end = input + load<u32>(connection, CONNECTION_FILLED);
  while (true) {
    const line = input + load<u32>(connection, CONNECTION_LINE);
    const lineEnd = findControl(input + load<u32>(connection, CONNECTION_SCANNED), end);
    store<u32>(connection, lineEnd - input, CONNECTION_SCANNED);
    const refusal = judgeBegun(connection, line, lineEnd);
    if (refusal != HEAD_UNFINISHED) return refusal;
    if (lineEnd == end) return HEAD_UNFINISHED;
    if (<u32> load<u8>(lineEnd) != CARRIAGE_RETURN) return REFUSAL_BAD_REQUEST;
    if (lineEnd + 1 == end) return HEAD_UNFINISHED;
    if (<u32> load<u8>(lineEnd, 1) != LINE_FEED) return REFUSAL_BAD_REQUEST;
    const next: u32 = lineEnd + 2 - input;
    store<u32>(connection, next, CONNECTION_LINE);
    store<u32>(connection, next, CONNECTION_SCANNED);
    if (load<u32>(connection, CONNECTION_PHASE) == PHASE_HEADERS) {
      if (line == lineEnd) {
        store<u32>(connection, PHASE_REQUEST, CONNECTION_PHASE);
        const hosts = load<u32>(connection, CONNECTION_FLAGS) & (FLAG_HOST | FLAG_HTTP_1_0);
        return hosts != 0 ? HEAD_WHOLE : REFUSAL_BAD_REQUEST;
      }
      if (next - load<u32>(connection, CONNECTION_HEADERS) > <u32> HEADERS_MAX) {
        return REFUSAL_HEADERS;
      }
      if (!parseHeader(connection, line, lineEnd)) return REFUSAL_BAD_REQUEST;
    } else if (line == lineEnd) {
      // Empty lines before a request are let through (RFC 9112, 2.2).
      store<u32>(connection, next, CONNECTION_HEAD);
    } else {
      const status = parseRequestLine(connection, line, lineEnd);
      if (status != HEAD_WHOLE) return status;
      store<u32>(connection, next, CONNECTION_HEADERS);
      store<u32>(connection, PHASE_HEADERS, CONNECTION_PHASE);
      resetClient(connection);
    }
  }
}

/**
 * Refuses a line that cannot become a good one whatever follows [line, end), which is all of it but
 * its end. The mistake that comes first counts, so that pieces get the answer that the whole gets.
 */
function judgeBegun(connection: usize, line: usize, end: usize): i32 {
  if (load<u32>(connection, CONNECTION_PHASE) == PHASE_HEADERS) {
    const headers = load<u32>(connection, CONNECTION_INPUT) +
      load<u32>(connection, CONNECTION_HEADERS);
    return end - headers > <usize> HEADERS_MAX ? REFUSAL_HEADERS : HEAD_UNFINISHED;
  }
  if (line != end && !isMethod(line, findByte(line, end, SPACE))) return REFUSAL_BAD_REQUEST;
  return end - line > <u32> TARGET_MAX + LINE_REST_MAX ? REFUSAL_TARGET : HEAD_UNFINISHED;
}

/** Whether [ptr, end) may be a method, or the beginning of one. */
function isMethod(ptr: usize, end: usize): bool {
  if (ptr == end || end - ptr > METHOD_MAX) return false;
  for (; ptr < end; ++ptr) {
    const code: u32 = load<u8>(ptr);
    if ((code | 0x20) - 0x61 >= 26 && code != 0x2d) return false;
  }
  return true;
}

/**
 * Method, target and version, one blank between them; the method has been judged.
 * @returns `HEAD_WHOLE` or REFUSAL_*.
 */
function parseRequestLine(connection: usize, line: usize, end: usize): i32 {
  const methodEnd = findByte(line, end, SPACE);
  if (methodEnd == end) return REFUSAL_BAD_REQUEST;
  const target = methodEnd + 1;
  const targetEnd = findByte(target, end, SPACE);
  if (targetEnd - target > <usize> TARGET_MAX) return REFUSAL_TARGET;
  if (!isTarget(target, targetEnd) || end - targetEnd != VERSION_LENGTH) return REFUSAL_BAD_REQUEST;
  const version = targetEnd + 1;
  const minor: u32 = load<u8>(version, 7);
  if (load<u32>(version) != HTTP || minor - 0x30 > 9) return REFUSAL_BAD_REQUEST;
  if ((load<u64>(version) & SEVEN_BYTES) != HTTP_1) {
    const major: u32 = load<u8>(version, 5);
    const isVersion = load<u8>(version, 4) == 0x2f && major - 0x30 <= 9 &&
      load<u8>(version, 6) == 0x2e;
    return isVersion ? REFUSAL_VERSION : REFUSAL_BAD_REQUEST;
  }
  store<u32>(connection, target - load<u32>(connection, CONNECTION_INPUT), CONNECTION_TARGET);
  store<u32>(connection, targetEnd - target, CONNECTION_TARGET_LENGTH);
  store<u32>(
    connection,
    methodFlags(line, methodEnd - line) | (minor == 0x30 ? FLAG_HTTP_1_0 : 0),
    CONNECTION_FLAGS,
  );
  return HEAD_WHOLE;
}

/** A path, an absolute address, or the asterisk that OPTIONS may ask for. */
function isTarget(target: usize, end: usize): bool {
  if (target == end) return false;
  const first: u32 = load<u8>(target);
  return first == SLASH || skipAuthority(target, end) != target ||
    (first == ASTERISK && end - target == 1);
}

function methodFlags(method: usize, byteLength: u32): u32 {
  if (load<u32>(method) == GET) return 0;
  if (byteLength == 4 && load<u32>(method) == HEAD) return FLAG_HEAD;
  const isOptions = byteLength == 7 && (load<u64>(method) & SEVEN_BYTES) == OPTIONS;
  return isOptions ? FLAG_OTHER_METHOD | FLAG_OPTIONS : FLAG_OTHER_METHOD;
}

/** Takes from one header what matters here; false where it is none. */
function parseHeader(connection: usize, line: usize, end: usize): bool {
  const colon = findByte(line, end, COLON);
  if (colon == end || !isToken(line, colon)) return false;
  let value = colon + 1;
  while (value < end && isBlank(load<u8>(value))) ++value;
  while (end > value && isBlank(load<u8>(end - 1))) --end;
  switch (colon - line) {
    case 4:
      if (lower4(line) == HOST) return setOnce(connection, FLAG_HOST);
      break;
    case 7:
      if (isUpgrade(line)) readProtocols(connection, value, end);
      break;
    case 9:
      if (lower8(line) == FORWARDED_0 && lower8(line + 1) == FORWARDED_1) {
        readForwarded(connection, value, end);
      }
      break;
    case 10:
      if (lower8(line) == CONNECTION_0 && lower2(line + 8) == CONNECTION_8) {
        readConnectionOptions(connection, value, end);
      }
      break;
    case 14:
      if (lower8(line) == CONTENT_LENGTH_0 && lower8(line + 6) == CONTENT_LENGTH_6) {
        return readContentLength(connection, value, end);
      }
      break;
    case 15:
      if (lower8(line) == X_FORWARDED_FOR_0 && lower8(line + 7) == X_FORWARDED_FOR_7) {
        readForwardedFor(connection, value, end);
      }
      break;
    case 17:
      if (lower8(line) == TRANSFER_ENCODING_0 && lower8(line + 9) == TRANSFER_ENCODING_9) {
        setFlag(connection, FLAG_TRANSFER_ENCODING);
      } else if (
        lower8(line) == SEC_WEBSOCKET_0 && lower8(line + 8) == SEC_WEBSOCKET_KEY_8 &&
        lower8(line + 9) == SEC_WEBSOCKET_KEY_9
      ) {
        return readKey(connection, value, end);
      }
      break;
    case 21:
      if (
        lower8(line) == SEC_WEBSOCKET_0 && lower8(line + 8) == SEC_WEBSOCKET_VERSION_8 &&
        lower8(line + 13) == SEC_WEBSOCKET_VERSION_13
      ) {
        const isKnown = end - value == 2 && load<u16>(value) == THIRTEEN;
        return setOnce(connection, isKnown ? FLAG_VERSION : FLAG_OTHER_VERSION);
      }
      break;
  }
  return true;
}

/** RFC 9110, 5.6.2: letters, digits and !#$%&'*+-.^_`|~ */
function isToken(ptr: usize, end: usize): bool {
  if (ptr == end) return false;
  for (; ptr < end; ++ptr) {
    const code: u32 = load<u8>(ptr);
    const isAlphanumeric = (code | 0x20) - 0x61 < 26 || code - 0x30 < 10;
    if (!isAlphanumeric && !isTokenMark(code)) return false;
  }
  return true;
}

function isTokenMark(code: u32): bool {
  // One bit for each of the marks from 0x20 on, and from 0x40 on.
  if (code - 0x20 < 32) return ((<u32> 0x00006cfa >> (code - 0x20)) & 1) != 0;
  return code - 0x40 < 64 && (((<u64> 0x50000001c0000000) >> (code - 0x40)) & 1) != 0;
}

function setFlag(connection: usize, flag: u32): void {
  store<u32>(connection, load<u32>(connection, CONNECTION_FLAGS) | flag, CONNECTION_FLAGS);
}

/** Sets a flag that must not be set yet. */
function setOnce(connection: usize, flag: u32): bool {
  if (load<u32>(connection, CONNECTION_FLAGS) & flag) return false;
  setFlag(connection, flag);
  return true;
}

function readContentLength(connection: usize, value: usize, end: usize): bool {
  if (value == end || !setOnce(connection, FLAG_CONTENT_LENGTH)) return false;
  for (; value < end; ++value) {
    const digit = <u32> load<u8>(value) - 0x30;
    if (digit > 9) return false;
    if (digit != 0) setFlag(connection, FLAG_BODY);
  }
  return true;
}

/** Notes where the key of an upgrade is, if it is one; there may be no second. */
function readKey(connection: usize, value: usize, end: usize): bool {
  if (load<u32>(connection, CONNECTION_FLAGS) & FLAG_KEY) return false;
  if (!isKey(value, end)) return true;
  store<u32>(connection, value - load<u32>(connection, CONNECTION_INPUT), CONNECTION_KEY);
  return setOnce(connection, FLAG_KEY);
}

function isUpgrade(ptr: usize): bool {
  return lower4(ptr) == UPGRADE_0 && lower4(ptr + 3) == UPGRADE_3;
}

/** Where the item of a list between commas that `trimItem` found ends. */
let itemEnd: usize = 0;

/** The beginning of the item in [ptr, end), blanks on both sides left out. */
function trimItem(ptr: usize, end: usize): usize {
  while (ptr < end && isBlank(load<u8>(ptr))) ++ptr;
  while (end > ptr && isBlank(load<u8>(end - 1))) --end;
  itemEnd = end;
  return ptr;
}

/** Protocols of `Upgrade`, between commas. */
function readProtocols(connection: usize, value: usize, end: usize): void {
  while (value < end) {
    const comma = findByte(value, end, COMMA);
    value = trimItem(value, comma);
    if (
      itemEnd - value == 9 && lower8(value) == WEBSOCKET_0 && lower8(value + 1) == WEBSOCKET_1
    ) setFlag(connection, FLAG_WEBSOCKET);
    value = comma + 1;
  }
}

/** Options of `Connection`, between commas. */
function readConnectionOptions(connection: usize, value: usize, end: usize): void {
  while (value < end) {
    const comma = findByte(value, end, COMMA);
    value = trimItem(value, comma);
    const byteLength = itemEnd - value;
    if (
      byteLength == 5 && lower4(value) == CLOSE_0 && (<u32> load<u8>(value, 4) | 0x20) == CLOSE_4
    ) {
      setFlag(connection, FLAG_CLOSE);
    } else if (byteLength == 7 && isUpgrade(value)) {
      setFlag(connection, FLAG_UPGRADE);
    } else if (
      byteLength == 10 && lower8(value) == KEEP_ALIVE_0 && lower2(value + 8) == KEEP_ALIVE_8
    ) {
      setFlag(connection, FLAG_KEEP_ALIVE);
    }
    value = comma + 1;
  }
}

if (CONNECTION_CAPACITY >= CONNECTION_FILLED) ERROR("A connection's record is out of order");
