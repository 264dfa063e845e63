/**
 * One message of WebTorrent (protocols.md C3): JSON in, a MESSAGE record out.
 *
 * One pass checks all of the text and notes the few values that matter. What is relayed or echoed
 * is kept as a span of the text, for it is whole and valid JSON. Of a key that is there twice the
 * last one counts, as for JSON.parse.
 */
import {
  ACTION_ANNOUNCE,
  ACTION_NONE,
  ACTION_SCRAPE,
  CONTROL_WS_MAX_OFFERS,
  CONTROL_WS_MAX_SCRAPE_TORRENTS,
  MESSAGE_ACTION,
  MESSAGE_ANSWER,
  MESSAGE_ANSWER_LENGTH,
  MESSAGE_EVENT,
  MESSAGE_HASH,
  MESSAGE_HASH_COUNT,
  MESSAGE_HASH_STATE,
  MESSAGE_INFO_HASH,
  MESSAGE_INFO_HASH_LENGTH,
  MESSAGE_IS_SEEDER,
  MESSAGE_NUM_WANT,
  MESSAGE_OFFER_COUNT,
  MESSAGE_OFFER_ID,
  MESSAGE_OFFER_ID_LENGTH,
  MESSAGE_PEER_ID,
  MESSAGE_PEER_ID_LENGTH,
  MESSAGE_PEER_ID_STATE,
  MESSAGE_PEER_ID_TEXT,
  MESSAGE_SIZE,
  MESSAGE_TARGET,
  MESSAGE_TARGET_STATE,
  OFFER_ID,
  OFFER_ID_LENGTH,
  OFFER_SIZE,
  OFFER_VALUE,
  OFFER_VALUE_LENGTH,
  STRING_ABSENT,
  STRING_BAD,
  STRING_GOOD,
  WORKER_HASH_TEXTS,
  WORKER_INFO_HASHES,
  WORKER_MESSAGE,
  WORKER_OFFERS,
} from "./layout";
import { copyInfoHash } from "./bytes";
import {
  codeAt,
  enterMember,
  hasEscapes,
  keyLength,
  passBlanks,
  skipString,
  skipValue,
} from "./json";
import { isZero, nameHigh, nameLow, readBinaryString, readName } from "./json_text";
import { EVENT_COMPLETED, EVENT_NONE, EVENT_PAUSED, EVENT_STOPPED } from "./query";

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const MINUS: u32 = 0x2d;
const OPEN_LIST: u32 = 0x5b;
const CLOSE_LIST: u32 = 0x5d;
const LETTER_N: u32 = 0x6e;
const OPEN_OBJECT: u32 = 0x7b;
const CLOSE_OBJECT: u32 = 0x7d;

// Names, as they lie in memory: the first eight bytes, and what comes behind them.
const ACTION: u64 = 0x6e6f69746361;
const INFO_HASH_0: u64 = 0x7361685f6f666e69; // info_has
const INFO_HASH_8: u64 = 0x68; // h
const PEER_ID: u64 = 0x64695f72656570;
const TO_PEER_ID_0: u64 = 0x5f726565705f6f74; // to_peer_
const TO_PEER_ID_8: u64 = 0x6469; // id
const OFFER_ID_NAME: u64 = 0x64695f726566666f; // offer_id
const OFFERS: u64 = 0x73726566666f;
const OFFER: u64 = 0x726566666f;
const ANSWER: u64 = 0x726577736e61;
const LEFT: u64 = 0x7466656c;
const EVENT: u64 = 0x746e657665;
const NUM_WANT: u64 = 0x746e61776d756e; // numwant
const SDP: u64 = 0x706473;
const ANNOUNCE: u64 = 0x65636e756f6e6e61;
const SCRAPE: u64 = 0x657061726373;
const COMPLETED_0: u64 = 0x6574656c706d6f63; // complete
const COMPLETED_8: u64 = 0x64; // d
const STOPPED: u64 = 0x646570706f7473;
const PAUSED: u64 = 0x646573756170;

/** The longest text of an id that is relayed: 20 characters as escapes, and quotes. */
const ID_TEXT_MAX: u32 = 256;
const NUM_WANT_NONE: u32 = 0xffffffff;
const ID_SIZE: u32 = 20;

// Scratch of this instance, for the message at hand.
let worker: usize = 0;
let message: usize = 0;
/** The value at hand is a string whose text is [textStart, textEnd), quotes included. */
let textStart: usize = 0;
let textEnd: usize = 0;
let textHasEscapes: bool = false;
/** The offer at hand: whether it has an sdp. */
let offerHasSdp: bool = false;

/** Reads [ptr, end) into WORKER_MESSAGE; false where it is no JSON object. */
export function parseMessage(forWorker: usize, ptr: usize, end: usize): bool {
  worker = forWorker;
  message = worker + WORKER_MESSAGE;
  const none = i64x2.splat(0);
  for (let offset: u32 = 0; offset < <u32> MESSAGE_SIZE; offset += 16) {
    v128.store(message + offset, none);
  }
  store<u32>(message, NUM_WANT_NONE, MESSAGE_NUM_WANT);
  ptr = inline.always(passBlanks(ptr, end));
  if (inline.always(codeAt(ptr, end)) != OPEN_OBJECT) return false;
  ptr = nextMember(inline.always(passBlanks(ptr + 1, end)), end, true);
  while (ptr > memberEnd) {
    ptr = readMember(ptr, end);
    if (ptr == 0) return false;
    ptr = nextMember(inline.always(passBlanks(ptr, end)), end, false);
  }
  return ptr != 0 && inline.always(passBlanks(ptr, end)) == end;
}

/** Where the object that `nextMember` looked at ended; beyond all addresses while it has not. */
let memberEnd: usize = 0;

/**
 * Steps to the value of an object's next member, from where the value before it ended, blanks
 * skipped. Behind its last one, or where this is not JSON (0), the result is `memberEnd`.
 */
function nextMember(ptr: usize, end: usize, isFirst: bool): usize {
  memberEnd = 0;
  const code = inline.always(codeAt(ptr, end));
  if (code == CLOSE_OBJECT) {
    memberEnd = ptr + 1;
    return memberEnd;
  }
  if (isFirst) return enterMember(ptr, end);
  return code == COMMA ? enterMember(inline.always(passBlanks(ptr + 1, end)), end) : 0;
}

/** Skips a value; a string is also left in `textStart`, `textEnd`, which is 0 for all others. */
function skipText(ptr: usize, end: usize): usize {
  textStart = ptr;
  textEnd = 0;
  if (inline.always(codeAt(ptr, end)) != QUOTE) return skipValue(ptr, end);
  textEnd = skipString(ptr + 1, end);
  textHasEscapes = hasEscapes;
  return textEnd;
}

/** Reads the value at ptr, of the key at hand; returns its end. */
function readMember(ptr: usize, end: usize): usize {
  const nameLength = keyLength;
  const low = nameLow;
  const high = nameHigh;
  if (nameLength == 6 && low == OFFERS) return readOffers(ptr, end);
  if (nameLength == 9 && low == INFO_HASH_0 && high == INFO_HASH_8) return readHashes(ptr, end);
  const next = skipText(ptr, end);
  if (next == 0) return 0;
  switch (nameLength) {
    case 4:
      if (low == LEFT) store<u32>(message, <u32> isZeroNumber(ptr, next), MESSAGE_IS_SEEDER);
      break;
    case 5:
      if (low == EVENT) store<u32>(message, readEvent(), MESSAGE_EVENT);
      break;
    case 6:
      if (low == ACTION) store<u32>(message, readAction(), MESSAGE_ACTION);
      else if (low == ANSWER) setSpan(MESSAGE_ANSWER, ptr, isNull(ptr) ? 0 : next - ptr);
      break;
    case 7:
      if (low == PEER_ID) {
        store<u32>(message, readId(message + MESSAGE_PEER_ID), MESSAGE_PEER_ID_STATE);
        setSpan(MESSAGE_PEER_ID_TEXT, ptr, next - ptr);
      } else if (low == NUM_WANT) {
        store<u32>(message, readCount(ptr, next), MESSAGE_NUM_WANT);
      }
      break;
    case 8:
      if (low == OFFER_ID_NAME) setSpan(MESSAGE_OFFER_ID, ptr, idTextLength());
      break;
    case 10:
      if (low == TO_PEER_ID_0 && high == TO_PEER_ID_8) {
        store<u32>(message, readId(message + MESSAGE_TARGET), MESSAGE_TARGET_STATE);
      }
      break;
  }
  return next;
}

function isNull(ptr: usize): bool {
  return load<u8>(ptr) == LETTER_N;
}

/** Notes a span; of length 0 it is absent. */
function setSpan(field: u32, ptr: usize, byteLength: u32): void {
  store<u32>(message + field, byteLength == 0 ? 0 : ptr);
  store<u32>(message + field + 4, byteLength);
}

/** Bytes of the text at hand where it can be relayed as an id, else 0. */
function idTextLength(): u32 {
  const byteLength: u32 = textEnd == 0 ? 0 : textEnd - textStart;
  return byteLength > ID_TEXT_MAX ? 0 : byteLength;
}

/** The text at hand as a name (`nameLow`, `nameHigh`); its length, 0 for none. */
function readTextName(): u32 {
  return textEnd == 0 ? 0 : readName(textStart + 1, textEnd - 1, textHasEscapes);
}

function readAction(): u32 {
  const byteLength = readTextName();
  if (byteLength == 8 && nameLow == ANNOUNCE) return ACTION_ANNOUNCE;
  return byteLength == 6 && nameLow == SCRAPE ? ACTION_SCRAPE : ACTION_NONE;
}

/** Whatever is not known is a regular announce (C3). */
function readEvent(): u32 {
  const byteLength = readTextName();
  if (byteLength == 9 && nameLow == COMPLETED_0 && nameHigh == COMPLETED_8) return EVENT_COMPLETED;
  if (byteLength == 7 && nameLow == STOPPED) return EVENT_STOPPED;
  return byteLength == 6 && nameLow == PAUSED ? EVENT_PAUSED : EVENT_NONE;
}

/** STRING_* of the text at hand, whose bytes go to `out`. */
function readId(out: usize): u32 {
  if (textEnd == 0) return isNull(textStart) ? STRING_ABSENT : STRING_BAD;
  const isGood = readBinaryString(textStart + 1, textEnd - 1, textHasEscapes, out);
  return isGood ? STRING_GOOD : STRING_BAD;
}

function isNumber(ptr: usize): bool {
  const code: u32 = load<u8>(ptr);
  return code == MINUS || code - 0x30 < 10;
}

/** Whether the value is a number, and 0. */
function isZeroNumber(ptr: usize, end: usize): bool {
  return isNumber(ptr) && isZero(ptr, end);
}

/** A number of digits only; NUM_WANT_NONE for all else. */
function readCount(ptr: usize, end: usize): u32 {
  let value: u32 = 0;
  for (; ptr < end; ++ptr) {
    const digit = <u32> load<u8>(ptr) - 0x30;
    if (digit > 9) return NUM_WANT_NONE;
    // More than anybody may want is as good as any such number.
    value = min<u32>(value * 10 + digit, 1_000_000);
  }
  return value;
}

/** One info hash, or a list of them; each once, as many as a scrape may ask for. */
function readHashes(ptr: usize, end: usize): usize {
  store<u32>(message, 0, MESSAGE_HASH_COUNT);
  store<u32>(message, STRING_GOOD, MESSAGE_HASH_STATE);
  if (inline.always(codeAt(ptr, end)) != OPEN_LIST) {
    const next = skipText(ptr, end);
    if (next == 0) return 0;
    readHash();
    setSpan(MESSAGE_INFO_HASH, ptr, textEnd == 0 ? 0 : next - ptr);
    if (isNull(ptr)) store<u32>(message, STRING_ABSENT, MESSAGE_HASH_STATE);
    return next;
  }
  setSpan(MESSAGE_INFO_HASH, ptr, 0);
  ptr = nextItem(inline.always(passBlanks(ptr + 1, end)), end, true);
  while (ptr > memberEnd) {
    ptr = skipText(ptr, end);
    if (ptr == 0) return 0;
    readHash();
    ptr = nextItem(inline.always(passBlanks(ptr, end)), end, false);
  }
  return ptr;
}

/** As `nextMember`, of a list. */
function nextItem(ptr: usize, end: usize, isFirst: bool): usize {
  memberEnd = 0;
  const code = inline.always(codeAt(ptr, end));
  if (code == CLOSE_LIST) {
    memberEnd = ptr + 1;
    return memberEnd;
  }
  if (isFirst) return ptr;
  return code == COMMA ? inline.always(passBlanks(ptr + 1, end)) : 0;
}

/** Adds the text at hand to the info hashes, unless it is there. */
function readHash(): void {
  const count = load<u32>(message, MESSAGE_HASH_COUNT);
  if (count == load<u32>(CONTROL_WS_MAX_SCRAPE_TORRENTS)) return;
  const hashes = worker + WORKER_INFO_HASHES;
  const room = message + MESSAGE_HASH;
  if (readId(room) != STRING_GOOD) {
    store<u32>(message, STRING_BAD, MESSAGE_HASH_STATE);
    return;
  }
  for (let index: u32 = 0; index < count; ++index) {
    const known = hashes + index * ID_SIZE;
    if (
      load<u64>(known) == load<u64>(room) && load<u64>(known, 8) == load<u64>(room, 8) &&
      load<u32>(known, 16) == load<u32>(room, 16)
    ) return;
  }
  copyInfoHash(hashes + count * ID_SIZE, room);
  const text: usize = load<u32>(worker, WORKER_HASH_TEXTS) + (count << 3);
  store<u32>(text, textStart);
  store<u32>(text, textEnd - textStart, 4);
  store<u32>(message, count + 1, MESSAGE_HASH_COUNT);
}

/** The list of offers; anything else is skipped, and so is an item that is no offer (W20, W21). */
function readOffers(ptr: usize, end: usize): usize {
  store<u32>(message, 0, MESSAGE_OFFER_COUNT);
  if (inline.always(codeAt(ptr, end)) != OPEN_LIST) return skipValue(ptr, end);
  ptr = nextItem(inline.always(passBlanks(ptr + 1, end)), end, true);
  while (ptr > memberEnd) {
    const isUsed = load<u32>(message, MESSAGE_OFFER_COUNT) < load<u32>(CONTROL_WS_MAX_OFFERS) &&
      inline.always(codeAt(ptr, end)) == OPEN_OBJECT;
    ptr = isUsed ? readOffer(ptr, end) : skipValue(ptr, end);
    if (ptr == 0) return 0;
    ptr = nextItem(inline.always(passBlanks(ptr, end)), end, false);
  }
  return ptr;
}

/** One item of `offers`, an object. */
function readOffer(ptr: usize, end: usize): usize {
  const index = load<u32>(message, MESSAGE_OFFER_COUNT);
  const offer: usize = load<u32>(worker, WORKER_OFFERS) + index * OFFER_SIZE;
  store<u32>(offer, 0, OFFER_ID_LENGTH);
  store<u32>(offer, 0, OFFER_VALUE_LENGTH);
  offerHasSdp = false;
  ptr = nextMember(inline.always(passBlanks(ptr + 1, end)), end, true);
  while (ptr > memberEnd) {
    const isId = keyLength == 8 && nameLow == OFFER_ID_NAME;
    const isValue = keyLength == 5 && nameLow == OFFER;
    const next = isValue ? skipDescription(ptr, end) : skipText(ptr, end);
    if (next == 0) return 0;
    if (isId) {
      store<u32>(offer, ptr, OFFER_ID);
      store<u32>(offer, idTextLength(), OFFER_ID_LENGTH);
    } else if (isValue) {
      store<u32>(offer, ptr, OFFER_VALUE);
      store<u32>(offer, next - ptr, OFFER_VALUE_LENGTH);
    }
    ptr = nextMember(inline.always(passBlanks(next, end)), end, false);
  }
  const isOffer = load<u32>(offer, OFFER_ID_LENGTH) != 0 && offerHasSdp;
  if (isOffer) store<u32>(message, index + 1, MESSAGE_OFFER_COUNT);
  return ptr;
}

/** Skips the value of `offer` and sees whether it has an sdp. */
function skipDescription(ptr: usize, end: usize): usize {
  offerHasSdp = false;
  if (inline.always(codeAt(ptr, end)) != OPEN_OBJECT) return skipValue(ptr, end);
  ptr = nextMember(inline.always(passBlanks(ptr + 1, end)), end, true);
  while (ptr > memberEnd) {
    const isSdp = keyLength == 3 && nameLow == SDP;
    ptr = skipText(ptr, end);
    if (ptr == 0) return 0;
    if (isSdp) offerHasSdp = textEnd != 0;
    ptr = nextMember(inline.always(passBlanks(ptr, end)), end, false);
  }
  return ptr;
}
