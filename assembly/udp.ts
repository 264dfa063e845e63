/**
 * The UDP tracker protocol (BEP 15, BEP 41): one datagram in, one answer or nothing out.
 *
 * Whoever has not proved its address by a connection id gets at most as many bytes as it sent.
 * Nothing here knows a socket; both drivers call `answerDatagram`.
 */
import {
  ADDRESS_BYTES,
  ADDRESS_KIND,
  ADDRESS_PORT,
  ANNOUNCE_COMPLETED,
  ANNOUNCE_EXTRA,
  ANNOUNCE_INFO_HASH,
  ANNOUNCE_KEY,
  ANNOUNCE_KIND,
  ANNOUNCE_LEECHERS,
  ANNOUNCE_OUT,
  ANNOUNCE_PEERS,
  ANNOUNCE_ROLE,
  ANNOUNCE_SEEDERS,
  ANNOUNCE_URL_DATA_LENGTH,
  ANNOUNCE_WANT,
  CONTROL_ANNOUNCE_INTERVAL,
  CONTROL_DEFAULT_RESPONSE_PEERS,
  CONTROL_MAX_RESPONSE_PEERS,
  CONTROL_MAX_SCRAPE_TORRENTS,
  CONTROL_TEXTS,
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_BYTES_RECEIVED,
  COUNT_BYTES_SENT,
  COUNT_CONNECT,
  COUNT_CONNECT_IPV6,
  COUNT_DROP_ACTION,
  COUNT_DROP_CONNECTION_ID,
  COUNT_DROP_DENIED,
  COUNT_DROP_MAGIC,
  COUNT_DROP_SHORT,
  COUNT_DROP_SOURCE_PORT,
  COUNT_ERROR_EXPIRED_ID,
  COUNT_ERROR_NOT_ALLOWED,
  COUNT_ERROR_PORT,
  COUNT_ERROR_SCRAPE,
  COUNT_ERROR_SENT,
  COUNT_SCRAPE,
  COUNT_SCRAPE_IPV6,
  DATAGRAM_OUT_MAX,
  KIND_IPV4,
  ROLE_LEECHER,
  ROLE_PARTIAL_SEED,
  ROLE_SEEDER,
  ROLE_STOPPED,
  TEXT_EXPIRED_ID,
  TEXT_NOT_ALLOWED,
  TEXT_PORT,
  TEXT_SCRAPE,
  TEXT_SIZE,
  URL_DATA_MAX,
  WORKER_ANNOUNCE,
  WORKER_SCRATCH,
  WORKER_URL_DATA,
} from "./layout";
import { isAllowed, isDenied } from "./access_rules";
import { reasonOf } from "./rule_details";
import { announce, scrape, scrapedCompleted, scrapedLeechers, scrapedSeeders } from "./announce";
import { copyShort, loadWire16, loadWire32, loadWire64, storeWire32, storeWire64 } from "./bytes";
import { checkConnectionId, ID_EXPIRED, ID_FORGED, issueConnectionId } from "./connection_id";
import { count, countMany } from "./counters";
import { keyByteLength } from "./peer_block";
import { randomBelow } from "./random";

// Offsets within a request (BEP 15).
const REQUEST_CONNECTION_ID: usize = 0;
const REQUEST_ACTION: usize = 8;
const REQUEST_TRANSACTION_ID: usize = 12;
const REQUEST_HEADER_SIZE: u32 = 16;
export const ANNOUNCE_REQUEST_INFO_HASH: usize = 16;
const ANNOUNCE_REQUEST_PEER_ID: usize = 36;
const ANNOUNCE_REQUEST_LEFT: usize = 64;
const ANNOUNCE_REQUEST_EVENT: usize = 80;
const ANNOUNCE_REQUEST_NUM_WANT: usize = 92;
const ANNOUNCE_REQUEST_PORT: usize = 96;
const ANNOUNCE_REQUEST_SIZE: u32 = 98;
const INFO_HASH_SIZE: u32 = 20;

// Offsets within an answer.
const RESPONSE_TRANSACTION_ID: usize = 4;
const RESPONSE_BODY: usize = 8;
const RESPONSE_HEADER_SIZE: u32 = 8;
const CONNECT_RESPONSE_SIZE: u32 = 16;
const ANNOUNCE_RESPONSE_SIZE: u32 = 20;
const SCRAPE_TRIPLE_SIZE: u32 = 12;

const MAGIC: u64 = 0x41727101980;
const ACTION_CONNECT: u32 = 0;
const ACTION_ANNOUNCE: u32 = 1;
const ACTION_SCRAPE: u32 = 2;
const ACTION_ERROR: u32 = 3;
const EVENT_COMPLETED: u32 = 1;
const EVENT_STOPPED: u32 = 3;
const EVENT_PAUSED: u32 = 4;

const OPTION_END: u32 = 0;
const OPTION_NOP: u32 = 1;
const OPTION_URL_DATA: u32 = 2;

/**
 * Answers one datagram.
 * @param address ADDRESS record of the sender.
 * @param hash Table hash of the 20 bytes where an announce has its info hash.
 * @param out DATAGRAM_OUT_SIZE bytes.
 * @returns Bytes of the answer, at most DATAGRAM_OUT_MAX; 0: there is none.
 */
export function answerDatagram(
  worker: usize,
  rules: usize,
  address: usize,
  data: usize,
  byteLength: u32,
  hash: u64,
  out: usize,
): u32 {
  countMany(worker, COUNT_BYTES_RECEIVED, byteLength);
  // A reply to port 0 could not be sent, and only a forger writes it.
  if (load<u16>(address, ADDRESS_PORT) == 0) return drop(worker, COUNT_DROP_SOURCE_PORT);
  if (isDenied(rules, address)) return drop(worker, COUNT_DROP_DENIED);
  if (byteLength < REQUEST_HEADER_SIZE) return drop(worker, COUNT_DROP_SHORT);
  const answerLength = answerRequest(worker, rules, address, data, byteLength, hash, out);
  countMany(worker, COUNT_BYTES_SENT, answerLength);
  return answerLength;
}

function answerRequest(
  worker: usize,
  rules: usize,
  address: usize,
  data: usize,
  byteLength: u32,
  hash: u64,
  out: usize,
): u32 {
  const action = loadWire32(data + REQUEST_ACTION);
  store<u32>(out, load<u32>(data, REQUEST_TRANSACTION_ID), RESPONSE_TRANSACTION_ID);
  if (action == ACTION_CONNECT) return answerConnect(worker, address, data, out);
  if (action > ACTION_SCRAPE) return drop(worker, COUNT_DROP_ACTION);
  const id = loadWire64(data + REQUEST_CONNECTION_ID);
  const idStatus = checkConnectionId(id, address, worker + WORKER_SCRATCH);
  if (idStatus == ID_FORGED) return drop(worker, COUNT_DROP_CONNECTION_ID);
  if (idStatus == ID_EXPIRED) {
    // Its sender's address is proved, so it may be told to connect again.
    return answerError(worker, COUNT_ERROR_EXPIRED_ID, TEXT_EXPIRED_ID, out);
  }
  return action == ACTION_ANNOUNCE
    ? answerAnnounce(worker, rules, address, data, byteLength, hash, out)
    : answerScrape(worker, rules, address, data, byteLength, out);
}

function drop(worker: usize, counter: u32): u32 {
  count(worker, counter);
  return 0;
}

function answerConnect(worker: usize, address: usize, data: usize, out: usize): u32 {
  if (loadWire64(data + REQUEST_CONNECTION_ID) != MAGIC) return drop(worker, COUNT_DROP_MAGIC);
  count(worker, isIpv4(address) ? COUNT_CONNECT : COUNT_CONNECT_IPV6);
  storeWire32(out, ACTION_CONNECT);
  storeWire64(out + RESPONSE_BODY, issueConnectionId(address, worker + WORKER_SCRATCH));
  return CONNECT_RESPONSE_SIZE;
}

function isIpv4(address: usize): bool {
  return load<u32>(address, ADDRESS_KIND) == KIND_IPV4;
}

function answerAnnounce(
  worker: usize,
  rules: usize,
  address: usize,
  data: usize,
  byteLength: u32,
  hash: u64,
  out: usize,
): u32 {
  if (byteLength < ANNOUNCE_REQUEST_SIZE) return drop(worker, COUNT_DROP_SHORT);
  if (load<u16>(data, ANNOUNCE_REQUEST_PORT) == 0) {
    return answerError(worker, COUNT_ERROR_PORT, TEXT_PORT, out);
  }
  if (!isAllowed(rules, data + ANNOUNCE_REQUEST_INFO_HASH)) {
    const reason = reasonOf(rules, data + ANNOUNCE_REQUEST_INFO_HASH);
    return reason == 0
      ? answerError(worker, COUNT_ERROR_NOT_ALLOWED, TEXT_NOT_ALLOWED, out)
      : answerText(worker, COUNT_ERROR_NOT_ALLOWED, reason, out);
  }
  const request = worker + WORKER_ANNOUNCE;
  parseAnnounce(worker, request, address, data, byteLength);
  store<u32>(request, out + ANNOUNCE_RESPONSE_SIZE, ANNOUNCE_OUT);
  announce(worker, request, hash);
  count(worker, isIpv4(address) ? COUNT_ANNOUNCE : COUNT_ANNOUNCE_IPV6);
  const interval = load<u32>(CONTROL_ANNOUNCE_INTERVAL);
  storeWire32(out, ACTION_ANNOUNCE);
  storeWire32(out + 8, interval + randomBelow(worker, interval / 10 + 1));
  storeWire32(out + 12, load<u32>(request, ANNOUNCE_LEECHERS));
  storeWire32(out + 16, load<u32>(request, ANNOUNCE_SEEDERS));
  return ANNOUNCE_RESPONSE_SIZE +
    load<u32>(request, ANNOUNCE_PEERS) * keyByteLength(load<u32>(request, ANNOUNCE_KIND));
}

/** Fills the ANNOUNCE record but for where the peers go. The IP field of the packet is ignored. */
function parseAnnounce(
  worker: usize,
  request: usize,
  address: usize,
  data: usize,
  byteLength: u32,
): void {
  const kind = load<u32>(address, ADDRESS_KIND);
  const addressLength = keyByteLength(kind) - 2;
  const event = loadWire32(data + ANNOUNCE_REQUEST_EVENT);
  const isSeeder = load<u64>(data, ANNOUNCE_REQUEST_LEFT) == 0;
  store<u32>(request, data + ANNOUNCE_REQUEST_INFO_HASH, ANNOUNCE_INFO_HASH);
  store<u32>(request, kind, ANNOUNCE_KIND);
  store<u32>(request, roleOf(event, isSeeder), ANNOUNCE_ROLE);
  store<u32>(request, <u32> (event == EVENT_COMPLETED && isSeeder), ANNOUNCE_COMPLETED);
  store<u32>(
    request,
    peersWanted(<i32> loadWire32(data + ANNOUNCE_REQUEST_NUM_WANT), keyByteLength(kind)),
    ANNOUNCE_WANT,
  );
  store<u32>(request, data + ANNOUNCE_REQUEST_PEER_ID, ANNOUNCE_EXTRA);
  copyShort(request + ANNOUNCE_KEY, address + ADDRESS_BYTES, addressLength);
  store<u16>(request + ANNOUNCE_KEY + addressLength, load<u16>(data, ANNOUNCE_REQUEST_PORT));
  store<u32>(
    request,
    byteLength > ANNOUNCE_REQUEST_SIZE ? readUrlData(worker, data, byteLength) : 0,
    ANNOUNCE_URL_DATA_LENGTH,
  );
}

function roleOf(event: u32, isSeeder: bool): u32 {
  if (event == EVENT_STOPPED) return ROLE_STOPPED;
  if (isSeeder) return ROLE_SEEDER;
  return event == EVENT_PAUSED ? ROLE_PARTIAL_SEED : ROLE_LEECHER;
}

/** @param numWant Negative: the default. @returns What fits into one datagram at the most. */
function peersWanted(numWant: i32, keyLength: u32): u32 {
  const fitting = (DATAGRAM_OUT_MAX - ANNOUNCE_RESPONSE_SIZE) / keyLength;
  const most = min<u32>(load<u32>(CONTROL_MAX_RESPONSE_PEERS), fitting);
  const wanted = numWant < 0 ? load<u32>(CONTROL_DEFAULT_RESPONSE_PEERS) : <u32> numWant;
  return min<u32>(wanted, most);
}

/**
 * Joins the URLData options behind the announce (BEP 41) at WORKER_URL_DATA; returns their length.
 * A malformed option ends the reading and is no error: announces in the wild end in anything.
 */
function readUrlData(worker: usize, data: usize, byteLength: u32): u32 {
  let urlLength: u32 = 0;
  let offset = ANNOUNCE_REQUEST_SIZE;
  while (offset < byteLength) {
    const option: u32 = load<u8>(data + offset++);
    if (option == OPTION_END) break;
    if (option == OPTION_NOP) continue;
    if (offset == byteLength) break;
    const optionLength: u32 = load<u8>(data + offset++);
    if (optionLength > byteLength - offset) break;
    if (option == OPTION_URL_DATA && urlLength + optionLength <= <u32> URL_DATA_MAX) {
      memory.copy(worker + WORKER_URL_DATA + urlLength, data + offset, optionLength);
      urlLength += optionLength;
    }
    offset += optionLength;
  }
  return urlLength;
}

function answerScrape(
  worker: usize,
  rules: usize,
  address: usize,
  data: usize,
  byteLength: u32,
  out: usize,
): u32 {
  const hashesLength = byteLength - REQUEST_HEADER_SIZE;
  if (hashesLength == 0 || hashesLength % INFO_HASH_SIZE != 0) {
    return answerError(worker, COUNT_ERROR_SCRAPE, TEXT_SCRAPE, out);
  }
  const hashCount = min<u32>(
    hashesLength / INFO_HASH_SIZE,
    load<u32>(CONTROL_MAX_SCRAPE_TORRENTS),
  );
  const hashes = data + REQUEST_HEADER_SIZE;
  storeWire32(out, ACTION_SCRAPE);
  let allowedCount: u32 = 0;
  for (let index: u32 = 0; index < hashCount; ++index) {
    const infoHash = hashes + index * INFO_HASH_SIZE;
    const triple = out + RESPONSE_HEADER_SIZE + index * SCRAPE_TRIPLE_SIZE;
    store<u64>(triple, 0);
    store<u32>(triple, 0, 8);
    // Clients ask for dozens at once: one that is refused must not hide the others.
    if (!isAllowed(rules, infoHash)) continue;
    ++allowedCount;
    scrape(worker, infoHash);
    storeWire32(triple, scrapedSeeders);
    storeWire32(triple + 4, scrapedCompleted);
    storeWire32(triple + 8, scrapedLeechers);
  }
  if (allowedCount == 0) {
    return answerError(worker, COUNT_ERROR_NOT_ALLOWED, TEXT_NOT_ALLOWED, out);
  }
  count(worker, isIpv4(address) ? COUNT_SCRAPE : COUNT_SCRAPE_IPV6);
  return RESPONSE_HEADER_SIZE + hashCount * SCRAPE_TRIPLE_SIZE;
}

/** An error answer with one of the TEXT_* texts, without a NUL at its end. */
function answerError(worker: usize, counter: u32, text: u32, out: usize): u32 {
  return answerText(worker, counter, CONTROL_TEXTS + text * TEXT_SIZE, out);
}

/** @param slot Address of a u8 length and the text. */
function answerText(worker: usize, counter: u32, slot: usize, out: usize): u32 {
  const textLength: u32 = load<u8>(slot);
  count(worker, counter);
  count(worker, COUNT_ERROR_SENT);
  storeWire32(out, ACTION_ERROR);
  copyShort(out + RESPONSE_BODY, slot + 1, textLength);
  return RESPONSE_HEADER_SIZE + textLength;
}
