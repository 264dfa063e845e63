/**
 * The upgrade of an HTTP request to a WebSocket (RFC 6455, 4.2), on any path.
 *
 * Extensions and subprotocols that a client offers are declined by not naming them.
 */
import {
  CONNECTION_FLAGS,
  CONNECTION_HEAD,
  CONNECTION_INPUT,
  CONNECTION_KEY,
  CONNECTION_LINE,
  CONNECTION_PHASE,
  COUNT_WS_UPGRADES,
  FLAG_BODY,
  FLAG_HEAD,
  FLAG_HTTP_1_0,
  FLAG_KEY,
  FLAG_OTHER_METHOD,
  FLAG_UPGRADE,
  FLAG_VERSION,
  FLAG_WEBSOCKET,
  FRAME_LEFT,
  FRAME_MESSAGE_CAPACITY,
  FRAME_RATE_COUNT,
  FRAME_STATE,
  FRAME_TORRENTS,
  PHASE_WEBSOCKET,
  REFUSAL_KEY,
  REFUSAL_UPGRADE,
  WORKER_REPLY,
  WS_TEXT_GUID,
  WS_TEXT_SWITCH,
} from "./layout";
import { textLength, writeText } from "./bencode";
import { count } from "./counters";
import { openOutbox } from "./outbox";
import { sha1 } from "./sha1";

/** The request is upgraded; REFUSAL_* are 0 or more. */
export const UPGRADE_GOOD: i32 = -1;
/** It asks for no upgrade. */
export const UPGRADE_NONE: i32 = -2;

export const KEY_LENGTH: u32 = 24;
const DIGEST_SIZE: u32 = 20;
const LINE_ENDS: u32 = 0x0a0d0a0d;
const EQUALS: u32 = 0x3d;
// Places in the scratch: what is hashed and its padding, words, digest.
const WORDS: u32 = 128;
const DIGEST: u32 = 448;

/** Whether the request whose head is whole asks for a WebSocket, and may have it. */
export function judgeUpgrade(flags: u32): i32 {
  const others = FLAG_OTHER_METHOD | FLAG_HEAD | FLAG_HTTP_1_0 | FLAG_BODY;
  if ((flags & others) != 0 || (flags & FLAG_UPGRADE) == 0 || (flags & FLAG_WEBSOCKET) == 0) {
    return UPGRADE_NONE;
  }
  if ((flags & FLAG_VERSION) == 0) return REFUSAL_UPGRADE;
  return (flags & FLAG_KEY) == 0 ? REFUSAL_KEY : UPGRADE_GOOD;
}

/** Makes the connection a WebSocket and writes the answer that says so; returns its end. */
export function upgrade(worker: usize, connection: usize, out: usize): usize {
  const key = load<u32>(connection, CONNECTION_INPUT) + load<u32>(connection, CONNECTION_KEY);
  const scratch: usize = load<u32>(worker, WORKER_REPLY);
  memory.copy(scratch, key, KEY_LENGTH);
  writeText(scratch + KEY_LENGTH, WS_TEXT_GUID);
  sha1(scratch, KEY_LENGTH + textLength(WS_TEXT_GUID), scratch + WORDS, scratch + DIGEST);
  out = writeBase64(writeText(out, WS_TEXT_SWITCH), scratch + DIGEST);
  store<u32>(out, LINE_ENDS);
  store<u32>(connection, load<u32>(connection, CONNECTION_LINE), CONNECTION_HEAD);
  memory.fill(connection + FRAME_LEFT, 0, FRAME_MESSAGE_CAPACITY + 4 - FRAME_LEFT);
  memory.fill(connection + FRAME_TORRENTS, 0, FRAME_RATE_COUNT + 4 - FRAME_TORRENTS);
  store<u32>(connection, PHASE_WEBSOCKET, CONNECTION_PHASE);
  openOutbox(worker, connection);
  count(worker, COUNT_WS_UPGRADES);
  return out + 4;
}

/** Base64 of 20 bytes: 27 digits and a sign that pads. */
function writeBase64(out: usize, ptr: usize): usize {
  store<u8>(ptr + DIGEST_SIZE, 0);
  for (let end = ptr + DIGEST_SIZE; ptr < end; ptr += 3, out += 4) {
    const bits = (<u32> load<u8>(ptr) << 16) | (<u32> load<u8>(ptr, 1) << 8) | load<u8>(ptr, 2);
    store<u8>(out, base64Digit(bits >> 18));
    store<u8>(out, base64Digit((bits >> 12) & 63), 1);
    store<u8>(out, base64Digit((bits >> 6) & 63), 2);
    store<u8>(out, base64Digit(bits & 63), 3);
  }
  store<u8>(out - 1, EQUALS);
  return out;
}

function base64Digit(value: u32): u32 {
  if (value < 26) return 0x41 + value;
  if (value < 52) return 0x61 + value - 26;
  if (value < 62) return 0x30 + value - 52;
  return value == 62 ? 0x2b : 0x2f;
}

/** Whether [ptr, end) is the base64 of 16 bytes: 22 digits, and two signs that pad. */
export function isKey(ptr: usize, end: usize): bool {
  if (end - ptr != KEY_LENGTH || load<u16>(end - 2) != 0x3d3d) return false;
  for (end -= 2; ptr < end; ++ptr) {
    const code: u32 = load<u8>(ptr);
    const isDigit = (code | 0x20) - 0x61 < 26 || code - 0x30 < 10 || code == 0x2b || code == 0x2f;
    if (!isDigit) return false;
  }
  return true;
}

if (FRAME_STATE <= FRAME_LEFT || CONNECTION_FLAGS != FRAME_STATE) ERROR("Frames are out of place");
