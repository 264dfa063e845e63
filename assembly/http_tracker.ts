/**
 * Announce and scrape over HTTP (BEP 3, 7, 21, 23, 24, 31, 48): a QUERY record in, a body out.
 *
 * Bodies are bencoded dictionaries with sorted keys and nothing behind them. What a client did
 * wrong is told in a failure, never in the status of HTTP, which clients do not read.
 */
import {
  ADDRESS_BYTES,
  ADDRESS_KIND,
  ANNOUNCE_COMPLETED,
  ANNOUNCE_EXTRA,
  ANNOUNCE_INFO_HASH,
  ANNOUNCE_KEY,
  ANNOUNCE_KIND,
  ANNOUNCE_LEECHERS,
  ANNOUNCE_OTHER_PEERS,
  ANNOUNCE_OTHER_WANT,
  ANNOUNCE_OUT,
  ANNOUNCE_PEER_IDS,
  ANNOUNCE_PEERS,
  ANNOUNCE_ROLE,
  ANNOUNCE_SEEDERS,
  ANNOUNCE_TORRENT_COMPLETED,
  ANNOUNCE_WANT,
  CONTROL_HTTP_DEFAULT_PEERS,
  CONTROL_HTTP_INTERVAL,
  CONTROL_HTTP_MAX_PEERS,
  CONTROL_HTTP_MAX_SCRAPE_TORRENTS,
  CONTROL_HTTP_MIN_INTERVAL,
  CONTROL_HTTP_OPTIONS,
  CONTROL_PEER_IDS,
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_ERROR_NOT_ALLOWED,
  COUNT_ERROR_PORT,
  COUNT_ERROR_QUERY,
  COUNT_ERROR_SCRAPE,
  COUNT_ERROR_SENT,
  COUNT_SCRAPE,
  COUNT_SCRAPE_IPV6,
  HTTP_OPTION_EXTERNAL_IP,
  HTTP_OPTION_SAME_FAMILY,
  HTTP_TEXT_COMPLETE,
  HTTP_TEXT_DOWNLOADED,
  HTTP_TEXT_DOWNLOADERS,
  HTTP_TEXT_EXTERNAL_IP,
  HTTP_TEXT_FAILURE,
  HTTP_TEXT_FILES,
  HTTP_TEXT_FULL_SCRAPE,
  HTTP_TEXT_INCOMPLETE,
  HTTP_TEXT_INFO_HASH,
  HTTP_TEXT_INTERVAL,
  HTTP_TEXT_MIN_INTERVAL,
  HTTP_TEXT_NOT_ALLOWED,
  HTTP_TEXT_PEER_ID,
  HTTP_TEXT_PEER_ID_NEEDED,
  HTTP_TEXT_PEER_IP,
  HTTP_TEXT_PEER_PORT,
  HTTP_TEXT_PEERS,
  HTTP_TEXT_PEERS6,
  HTTP_TEXT_PORT,
  HTTP_TEXT_RETRY_NEVER,
  HTTP_TEXT_SIZE,
  HTTP_TEXTS,
  KIND_IPV4,
  KIND_IPV6,
  QUERY_EVENT,
  QUERY_HAS_BAD_HASH,
  QUERY_HAS_PEER_ID,
  QUERY_INFO_HASH_COUNT,
  QUERY_INFO_HASHES_GIVEN,
  QUERY_IS_COMPACT,
  QUERY_IS_SEEDER,
  QUERY_NUM_WANT,
  QUERY_OMITS_PEER_ID,
  QUERY_PEER_ID,
  QUERY_PORT,
  ROLE_LEECHER,
  ROLE_PARTIAL_SEED,
  ROLE_SEEDER,
  ROLE_STOPPED,
  WORKER_ANNOUNCE,
  WORKER_INFO_HASHES,
  WORKER_PEERS,
  WORKER_QUERY,
} from "./layout";
import { isAllowed } from "./access_rules";
import { reasonOf } from "./rule_details";
import {
  announceBoth,
  scrape,
  scrapedCompleted,
  scrapedDownloaders,
  scrapedLeechers,
  scrapedSeeders,
} from "./announce";
import { textLength, writeDecimal, writeInteger, writeString, writeText } from "./bencode";
import { copyShort, loadWire16 } from "./bytes";
import { count } from "./counters";
import { writeIp } from "./ip_text";
import { keyByteLength } from "./peer_block";
import { EVENT_COMPLETED, EVENT_PAUSED, EVENT_STOPPED, parseQuery } from "./query";
import { randomBelow } from "./random";
import { hashInfoHash } from "./torrent_table";

const END: u32 = 0x65; // e
const STRING: u32 = 0x3a; // :
const LIST: u32 = 0x6c; // l
const ID_SIZE: u32 = 20;
const PORT_SIZE: u32 = 2;
/** Farther than what is written before an address, the slack of copying it included. */
const IP_ROOM: u32 = 48;
/** The other family's part of the peers, one in so many at least, where it has them. */
const OTHER_SHARE: u32 = 4;

/**
 * Answers an announce.
 * @param client ADDRESS record of who asks.
 * @param ptr The query, up to `end`.
 * @param out At least CONTROL_HTTP_ANSWER_MAX bytes.
 * @returns The end of the body.
 */
export function answerAnnounce(
  worker: usize,
  rules: usize,
  client: usize,
  ptr: usize,
  end: usize,
  out: usize,
): usize {
  const query = worker + WORKER_QUERY;
  parseQuery(worker, ptr, end, 1);
  if (load<u32>(query, QUERY_HAS_BAD_HASH) != 0 || load<u32>(query, QUERY_INFO_HASHES_GIVEN) != 1) {
    return fail(worker, COUNT_ERROR_QUERY, HTTP_TEXT_INFO_HASH, out);
  }
  if (load<u32>(query, QUERY_HAS_PEER_ID) == 0) {
    return fail(worker, COUNT_ERROR_QUERY, HTTP_TEXT_PEER_ID_NEEDED, out);
  }
  if (load<u32>(query, QUERY_PORT) == 0) {
    return fail(worker, COUNT_ERROR_PORT, HTTP_TEXT_PORT, out);
  }
  if (!isAllowed(rules, worker + WORKER_INFO_HASHES)) {
    const reason = reasonOf(rules, worker + WORKER_INFO_HASHES);
    return reason == 0
      ? fail(worker, COUNT_ERROR_NOT_ALLOWED, HTTP_TEXT_NOT_ALLOWED, out)
      : failWith(worker, COUNT_ERROR_NOT_ALLOWED, reason, out, true);
  }
  const request = worker + WORKER_ANNOUNCE;
  fillAnnounce(worker, request, query, client);
  announceBoth(worker, request, hashInfoHash(worker + WORKER_INFO_HASHES));
  count(worker, isIpv4(client) ? COUNT_ANNOUNCE : COUNT_ANNOUNCE_IPV6);
  return writeAnnounce(worker, request, query, client, out);
}

function isIpv4(address: usize): bool {
  return load<u32>(address, ADDRESS_KIND) == KIND_IPV4;
}

/** Fills the ANNOUNCE record: addresses in the query are ignored, the port is all that it tells. */
function fillAnnounce(worker: usize, request: usize, query: usize, client: usize): void {
  const kind = load<u32>(client, ADDRESS_KIND);
  const addressLength = keyByteLength(kind) - PORT_SIZE;
  const event = load<u32>(query, QUERY_EVENT);
  const isSeeder = load<u32>(query, QUERY_IS_SEEDER) != 0;
  const want = peersWanted(load<i32>(query, QUERY_NUM_WANT));
  const isSameFamily = load<u32>(CONTROL_HTTP_OPTIONS) & HTTP_OPTION_SAME_FAMILY;
  const peers: usize = load<u32>(worker, WORKER_PEERS);
  store<u32>(request, worker + WORKER_INFO_HASHES, ANNOUNCE_INFO_HASH);
  store<u32>(request, kind, ANNOUNCE_KIND);
  store<u32>(request, roleOf(event, isSeeder), ANNOUNCE_ROLE);
  store<u32>(request, <u32> (event == EVENT_COMPLETED && isSeeder), ANNOUNCE_COMPLETED);
  store<u32>(request, want, ANNOUNCE_WANT);
  store<u32>(
    request,
    isSameFamily ? 0 : max<u32>(want / OTHER_SHARE, want > 0 ? 1 : 0),
    ANNOUNCE_OTHER_WANT,
  );
  store<u32>(request, peers, ANNOUNCE_OUT);
  store<u32>(request, wantsIds(query) ? peers + idsOffset() : 0, ANNOUNCE_PEER_IDS);
  store<u32>(request, query + QUERY_PEER_ID, ANNOUNCE_EXTRA);
  copyShort(request + ANNOUNCE_KEY, client + ADDRESS_BYTES, addressLength);
  store<u16>(
    request + ANNOUNCE_KEY + addressLength,
    bswap<u16>(<u16> load<u32>(query, QUERY_PORT)),
  );
}

/** Behind the most keys that there can be, and the slack of copying them. */
function idsOffset(): u32 {
  return load<u32>(CONTROL_HTTP_MAX_PEERS) * keyByteLength(KIND_IPV6) + 32;
}

function wantsIds(query: usize): bool {
  return load<u32>(CONTROL_PEER_IDS) != 0 && load<u32>(query, QUERY_IS_COMPACT) == 0 &&
    load<u32>(query, QUERY_OMITS_PEER_ID) == 0;
}

function roleOf(event: u32, isSeeder: bool): u32 {
  if (event == EVENT_STOPPED) return ROLE_STOPPED;
  if (isSeeder) return ROLE_SEEDER;
  return event == EVENT_PAUSED ? ROLE_PARTIAL_SEED : ROLE_LEECHER;
}

/** @param numWant Negative: the default. */
function peersWanted(numWant: i32): u32 {
  const wanted = numWant < 0 ? load<u32>(CONTROL_HTTP_DEFAULT_PEERS) : <u32> numWant;
  return min<u32>(wanted, load<u32>(CONTROL_HTTP_MAX_PEERS));
}

function writeAnnounce(
  worker: usize,
  request: usize,
  query: usize,
  client: usize,
  out: usize,
): usize {
  out = writeInteger(out, HTTP_TEXT_COMPLETE, load<u32>(request, ANNOUNCE_SEEDERS));
  out = writeInteger(out, HTTP_TEXT_DOWNLOADED, load<u32>(request, ANNOUNCE_TORRENT_COMPLETED));
  if (load<u32>(CONTROL_HTTP_OPTIONS) & HTTP_OPTION_EXTERNAL_IP) {
    out = writeText(out, HTTP_TEXT_EXTERNAL_IP);
    const byteLength = keyByteLength(load<u32>(client, ADDRESS_KIND)) - PORT_SIZE;
    out = writeString(out, client + ADDRESS_BYTES, byteLength);
  }
  out = writeInteger(out, HTTP_TEXT_INCOMPLETE, load<u32>(request, ANNOUNCE_LEECHERS));
  out = writeIntervals(worker, out);
  out = writeText(out, HTTP_TEXT_PEERS);
  out = load<u32>(query, QUERY_IS_COMPACT) != 0
    ? writeCompactPeers(request, out)
    : writePeerList(request, out);
  store<u8>(out++, END);
  return out;
}

/** `interval`, varied so that clients do not come all at once, and `min interval`. */
function writeIntervals(worker: usize, out: usize): usize {
  const interval = load<u32>(CONTROL_HTTP_INTERVAL);
  const varied = interval + randomBelow(worker, interval / 10 + 1);
  out = writeInteger(out, HTTP_TEXT_INTERVAL, varied);
  return writeInteger(out, HTTP_TEXT_MIN_INTERVAL, load<u32>(CONTROL_HTTP_MIN_INTERVAL));
}

/** `peers` is always there, `peers6` where there are any: some clients fail without the first. */
function writeCompactPeers(request: usize, out: usize): usize {
  const kind = load<u32>(request, ANNOUNCE_KIND);
  const keys: usize = load<u32>(request, ANNOUNCE_OUT);
  const own = load<u32>(request, ANNOUNCE_PEERS);
  const other = load<u32>(request, ANNOUNCE_OTHER_PEERS);
  const otherKeys = keys + own * keyByteLength(kind);
  const isOwnIpv4 = kind == KIND_IPV4;
  const ipv4Length = (isOwnIpv4 ? own : other) * keyByteLength(KIND_IPV4);
  const ipv6Length = (isOwnIpv4 ? other : own) * keyByteLength(KIND_IPV6);
  out = writeString(out, isOwnIpv4 ? keys : otherKeys, ipv4Length);
  if (ipv6Length == 0) return out;
  out = writeText(out, HTTP_TEXT_PEERS6);
  return writeString(out, isOwnIpv4 ? otherKeys : keys, ipv6Length);
}

/** Both families in one list of dictionaries (BEP 7). */
function writePeerList(request: usize, out: usize): usize {
  let key: usize = load<u32>(request, ANNOUNCE_OUT);
  let peerId: usize = load<u32>(request, ANNOUNCE_PEER_IDS);
  let kind = load<u32>(request, ANNOUNCE_KIND);
  let peers = load<u32>(request, ANNOUNCE_PEERS);
  store<u8>(out++, LIST);
  for (let family: u32 = 0; family < 2; ++family) {
    const keyLength = keyByteLength(kind);
    for (; peers > 0; --peers) {
      out = writePeer(out, key, kind, peerId);
      key += keyLength;
      if (peerId != 0) peerId += ID_SIZE;
    }
    kind ^= 1;
    peers = load<u32>(request, ANNOUNCE_OTHER_PEERS);
  }
  store<u8>(out++, END);
  return out;
}

function writePeer(out: usize, key: usize, kind: u32, peerId: usize): usize {
  // The length of the address is known when it is written: into a place behind, then moved.
  const room = out + IP_ROOM;
  const ipLength: u32 = writeIp(room, key, kind) - room;
  out = writeDecimal(writeText(out, HTTP_TEXT_PEER_IP), ipLength);
  store<u8>(out++, STRING);
  memory.copy(out, room, ipLength);
  out += ipLength;
  if (peerId != 0) {
    out = writeText(out, HTTP_TEXT_PEER_ID);
    copyShort(out, peerId, ID_SIZE);
    out += ID_SIZE;
  }
  const port = loadWire16(key + keyByteLength(kind) - PORT_SIZE);
  out = writeInteger(out, HTTP_TEXT_PEER_PORT, port);
  store<u8>(out++, END);
  return out;
}

/** Answers a scrape of the torrents in the query; parameters as `answerAnnounce`. */
export function answerScrape(
  worker: usize,
  rules: usize,
  client: usize,
  ptr: usize,
  end: usize,
  out: usize,
): usize {
  const query = worker + WORKER_QUERY;
  const hashes = worker + WORKER_INFO_HASHES;
  parseQuery(worker, ptr, end, load<u32>(CONTROL_HTTP_MAX_SCRAPE_TORRENTS));
  if (load<u32>(query, QUERY_HAS_BAD_HASH) != 0) {
    return fail(worker, COUNT_ERROR_QUERY, HTTP_TEXT_INFO_HASH, out);
  }
  const hashCount = load<u32>(query, QUERY_INFO_HASH_COUNT);
  if (hashCount == 0) return fail(worker, COUNT_ERROR_SCRAPE, HTTP_TEXT_FULL_SCRAPE, out);
  for (let index: u32 = 0; index < hashCount; ++index) {
    if (!isAllowed(rules, hashes + index * ID_SIZE)) {
      return fail(worker, COUNT_ERROR_NOT_ALLOWED, HTTP_TEXT_NOT_ALLOWED, out);
    }
  }
  count(worker, isIpv4(client) ? COUNT_SCRAPE : COUNT_SCRAPE_IPV6);
  out = writeText(out, HTTP_TEXT_FILES);
  for (let index: u32 = 0; index < hashCount; ++index) {
    const infoHash = hashes + index * ID_SIZE;
    scrape(worker, infoHash);
    out = writeString(out, infoHash, ID_SIZE);
    out = writeInteger(out, HTTP_TEXT_COMPLETE, scrapedSeeders);
    out = writeInteger(out, HTTP_TEXT_DOWNLOADED, scrapedCompleted);
    out = writeInteger(out, HTTP_TEXT_DOWNLOADERS, scrapedDownloaders);
    out = writeInteger(out, HTTP_TEXT_INCOMPLETE, scrapedLeechers);
    store<u8>(out++, END);
  }
  store<u8>(out, END);
  store<u8>(out, END, 1);
  return out + 2;
}

/**
 * A failure with one of the HTTP_TEXT_* reasons. Intervals keep clients from asking at once again;
 * a mistake of the client's will be one for ever (BEP 31).
 */
function fail(worker: usize, counter: u32, text: u32, out: usize): usize {
  const slot: usize = HTTP_TEXTS + text * HTTP_TEXT_SIZE;
  return failWith(worker, counter, slot, out, text == HTTP_TEXT_NOT_ALLOWED);
}

/** @param slot Address of a u8 length and the text. */
function failWith(
  worker: usize,
  counter: u32,
  slot: usize,
  out: usize,
  mayChange: bool,
): usize {
  count(worker, counter);
  count(worker, COUNT_ERROR_SENT);
  out = writeText(out, HTTP_TEXT_FAILURE);
  out = writeString(out, slot + 1, load<u8>(slot));
  out = writeIntervals(worker, out);
  if (!mayChange) out = writeText(out, HTTP_TEXT_RETRY_NEVER);
  store<u8>(out++, END);
  return out;
}

if (KIND_IPV6 != 1) ERROR("The two families are told apart by one bit");
