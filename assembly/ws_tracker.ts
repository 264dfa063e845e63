/**
 * WebTorrent's messages (protocols.md C3 to C5): what each of them does, and who hears of it.
 *
 * An announce is answered to its sender, then its offers go to one peer each; an answer goes to the
 * one peer that it names, and says nothing to its sender. What is echoed or relayed is the text as
 * it came, checked by the scanner. What a client did wrong is told in a failure, with the action
 * and the info hash where it has them: clients fail on a failure of an announce without.
 */
import {
  ACTION_ANNOUNCE,
  ACTION_NONE,
  ANNOUNCE_COMPLETED,
  ANNOUNCE_EXTRA,
  ANNOUNCE_INFO_HASH,
  ANNOUNCE_KEY,
  ANNOUNCE_KIND,
  ANNOUNCE_LEECHERS,
  ANNOUNCE_OUT,
  ANNOUNCE_PEER_IDS,
  ANNOUNCE_PEERS,
  ANNOUNCE_ROLE,
  ANNOUNCE_SEEDERS,
  ANNOUNCE_WANT,
  CONNECTION_CLIENT,
  CONTROL_WS_INTERVAL,
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_ERROR_NOT_ALLOWED,
  COUNT_MEMORY_FULL,
  COUNT_SCRAPE,
  COUNT_SCRAPE_IPV6,
  COUNT_WS_ANSWERS,
  COUNT_WS_ANSWERS_LOST,
  COUNT_WS_OFFERS,
  FRAME_TORRENT_COUNT,
  KIND_IPV4,
  KIND_WEBTORRENT,
  LIMIT,
  MESSAGE_ACTION,
  MESSAGE_ANSWER,
  MESSAGE_ANSWER_LENGTH,
  MESSAGE_EVENT,
  MESSAGE_HASH_COUNT,
  MESSAGE_HASH_STATE,
  MESSAGE_INFO_HASH_LENGTH,
  MESSAGE_IS_SEEDER,
  MESSAGE_NUM_WANT,
  MESSAGE_OFFER_COUNT,
  MESSAGE_OFFER_ID,
  MESSAGE_OFFER_ID_LENGTH,
  MESSAGE_PEER_ID,
  MESSAGE_PEER_ID_STATE,
  MESSAGE_TARGET,
  MESSAGE_TARGET_STATE,
  OFFER_ID,
  OFFER_ID_LENGTH,
  OFFER_SIZE,
  OFFER_VALUE,
  OFFER_VALUE_LENGTH,
  OUTBOX_GENERATION,
  REPLY_RECEIVER_CONNECTIONS,
  ROLE_LEECHER,
  ROLE_PARTIAL_SEED,
  ROLE_SEEDER,
  ROLE_STOPPED,
  STRING_ABSENT,
  STRING_GOOD,
  WORKER_ANNOUNCE,
  WORKER_HASH_TEXTS,
  WORKER_INFO_HASHES,
  WORKER_MESSAGE,
  WORKER_OFFERS,
  WORKER_RECEIVERS,
  WORKER_SCRATCH,
  WS_TEXT_ANNOUNCE,
  WS_TEXT_ANSWER,
  WS_TEXT_BAD_ACTION,
  WS_TEXT_BAD_ANSWER,
  WS_TEXT_BAD_INFO_HASH,
  WS_TEXT_BAD_JSON,
  WS_TEXT_BAD_PEER_ID,
  WS_TEXT_COMPLETE,
  WS_TEXT_FAILURE,
  WS_TEXT_FILE_COMPLETE,
  WS_TEXT_FILE_DOWNLOADED,
  WS_TEXT_FULL_SCRAPE,
  WS_TEXT_INCOMPLETE,
  WS_TEXT_INTERVAL,
  WS_TEXT_NOT_ALLOWED,
  WS_TEXT_OFFER,
  WS_TEXT_SCRAPE,
  WS_TEXT_SCRAPE_FAILURE,
  WS_TEXT_TORRENTS,
} from "./layout";
import { isAllowed } from "./access_rules";
import {
  scrapedCompleted,
  scrapedLeechers,
  scrapedSeeders,
  scrapeNothing,
  scrapeSockets,
} from "./announce";
import { writeDecimal, writeText } from "./bencode";
import { copyInfoHash, copyShort } from "./bytes";
import { count } from "./counters";
import { EVENT_COMPLETED, EVENT_PAUSED, EVENT_STOPPED } from "./query";
import { reasonOf } from "./rule_details";
import { hashInfoHash } from "./torrent_table";
import { parseMessage } from "./ws_message";
import {
  fail,
  failBare,
  failWith,
  relay,
  replyStart,
  send,
  writeInfoHash,
  writeRelayHead,
} from "./ws_reply";
import {
  announceSocket,
  findSocket,
  foundConnection,
  foundGeneration,
  leaveSocket,
} from "./ws_swarm";
import {
  addListed,
  dropList,
  findListed,
  listedInfoHash,
  listedPeerId,
  removeListed,
  setListedPeerId,
} from "./ws_torrents";

const COMMA: u32 = 0x2c;
const CLOSE_OBJECT: u32 = 0x7d;
const ID_SIZE: u32 = 20;
const REFERENCE_SIZE: u32 = 8;

/** Answers the message [ptr, end) of a connection. */
export function answerMessage(
  worker: usize,
  rules: usize,
  connection: usize,
  ptr: usize,
  end: usize,
): void {
  const message = worker + WORKER_MESSAGE;
  if (!parseMessage(worker, ptr, end)) {
    return failBare(worker, connection, WS_TEXT_FAILURE, WS_TEXT_BAD_JSON);
  }
  const action = load<u32>(message, MESSAGE_ACTION);
  if (action == ACTION_NONE) {
    return failBare(worker, connection, WS_TEXT_FAILURE, WS_TEXT_BAD_ACTION);
  }
  if (action != ACTION_ANNOUNCE) return answerScrape(worker, rules, connection);
  if (
    load<u32>(message, MESSAGE_HASH_STATE) != STRING_GOOD ||
    load<u32>(message, MESSAGE_INFO_HASH_LENGTH) == 0
  ) return failBare(worker, connection, WS_TEXT_FAILURE, WS_TEXT_BAD_INFO_HASH);
  if (load<u32>(message, MESSAGE_PEER_ID_STATE) != STRING_GOOD) {
    return fail(worker, connection, WS_TEXT_BAD_PEER_ID);
  }
  if (!isAllowed(rules, worker + WORKER_INFO_HASHES)) {
    count(worker, COUNT_ERROR_NOT_ALLOWED);
    const reason = reasonOf(rules, worker + WORKER_INFO_HASHES);
    return reason == 0
      ? fail(worker, connection, WS_TEXT_NOT_ALLOWED)
      : failWith(worker, connection, reason);
  }
  const isAnswer = load<u32>(message, MESSAGE_ANSWER_LENGTH) != 0 ||
    load<u32>(message, MESSAGE_TARGET_STATE) != STRING_ABSENT;
  if (isAnswer) return relayAnswer(worker, connection);
  announce(worker, connection);
}

/** Removes a connection from every swarm where it still is, and gives its list back. */
export function leaveAll(worker: usize, connection: usize): void {
  const reference = writeReference(worker, connection);
  const torrents = load<u32>(connection, FRAME_TORRENT_COUNT);
  for (let index: u32 = 0; index < torrents; ++index) {
    const infoHash = listedInfoHash(connection, index);
    const hash = hashInfoHash(infoHash);
    leaveSocket(worker, hash, infoHash, listedPeerId(connection, index), reference);
  }
  dropList(worker, connection);
}

/** What names the connection in a swarm: its address and generation. */
function writeReference(worker: usize, connection: usize): usize {
  const reference = worker + WORKER_SCRATCH;
  store<u32>(reference, connection);
  store<u32>(reference, load<u32>(connection, OUTBOX_GENERATION), 4);
  return reference;
}

function announce(worker: usize, connection: usize): void {
  const message = worker + WORKER_MESSAGE;
  const request = worker + WORKER_ANNOUNCE;
  const infoHash = worker + WORKER_INFO_HASHES;
  const hash = hashInfoHash(infoHash);
  const peerId = message + MESSAGE_PEER_ID;
  fillAnnounce(worker, connection, request);
  const isStopped = load<u32>(request, ANNOUNCE_ROLE) == ROLE_STOPPED;
  let index = findListed(connection, hash, infoHash);
  let replaced: usize = 0;
  if (index >= 0) {
    // Another peer id in the same torrent takes the place of the one before.
    const known = listedPeerId(connection, index);
    if (!isSameId(known, peerId)) replaced = known;
  } else if (!isStopped) {
    index = addListed(worker, connection, hash, infoHash);
    if (index == LIMIT) return fail(worker, connection, WS_TEXT_TORRENTS);
    if (index < 0) {
      // It could not be removed again, so it is not stored; what it is told holds all the same.
      count(worker, COUNT_MEMORY_FULL);
      store<u32>(request, ROLE_STOPPED, ANNOUNCE_ROLE);
    }
  }
  const isJoined = announceSocket(worker, request, hash, replaced);
  if (isJoined) setListedPeerId(connection, index, peerId);
  else if (index >= 0) removeListed(worker, connection, index);
  const isIpv4 = load<u32>(connection, CONNECTION_CLIENT) == KIND_IPV4;
  count(worker, isIpv4 ? COUNT_ANNOUNCE : COUNT_ANNOUNCE_IPV6);
  sendCounts(worker, connection, request);
  relayOffers(worker, request);
}

function isSameId(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8) &&
    load<u32>(a, 16) == load<u32>(b, 16);
}

function fillAnnounce(worker: usize, connection: usize, request: usize): void {
  const message = worker + WORKER_MESSAGE;
  const event = load<u32>(message, MESSAGE_EVENT);
  const hasNothingLeft = load<u32>(message, MESSAGE_IS_SEEDER) != 0;
  const isCompleted = event == EVENT_COMPLETED;
  const offers = load<u32>(message, MESSAGE_OFFER_COUNT);
  const want = min<u32>(offers, load<u32>(message, MESSAGE_NUM_WANT));
  const peers: usize = load<u32>(worker, WORKER_RECEIVERS);
  let role: u32 = ROLE_LEECHER;
  if (event == EVENT_STOPPED) role = ROLE_STOPPED;
  else if (hasNothingLeft || isCompleted) role = ROLE_SEEDER;
  else if (event == EVENT_PAUSED) role = ROLE_PARTIAL_SEED;
  store<u32>(request, worker + WORKER_INFO_HASHES, ANNOUNCE_INFO_HASH);
  store<u32>(request, KIND_WEBTORRENT, ANNOUNCE_KIND);
  store<u32>(request, role, ANNOUNCE_ROLE);
  store<u32>(request, <u32> (isCompleted && hasNothingLeft), ANNOUNCE_COMPLETED);
  store<u32>(request, isCompleted ? 0 : want, ANNOUNCE_WANT);
  store<u32>(request, peers, ANNOUNCE_OUT);
  store<u32>(request, peers + REPLY_RECEIVER_CONNECTIONS, ANNOUNCE_PEER_IDS);
  store<u32>(request, writeReference(worker, connection), ANNOUNCE_EXTRA);
  copyInfoHash(request + ANNOUNCE_KEY, message + MESSAGE_PEER_ID);
}

/** {"action":"announce","info_hash":…,"complete":…,"incomplete":…,"interval":…} */
function sendCounts(worker: usize, connection: usize, request: usize): void {
  const start = replyStart(worker);
  let out = writeInfoHash(worker, writeText(start, WS_TEXT_ANNOUNCE));
  out = writeDecimal(writeText(out, WS_TEXT_COMPLETE), load<u32>(request, ANNOUNCE_SEEDERS));
  out = writeDecimal(writeText(out, WS_TEXT_INCOMPLETE), load<u32>(request, ANNOUNCE_LEECHERS));
  out = writeDecimal(writeText(out, WS_TEXT_INTERVAL), load<u32>(CONTROL_WS_INTERVAL));
  store<u8>(out++, CLOSE_OBJECT);
  send(worker, connection, start, out);
}

/** Offer i goes to receiver i. */
function relayOffers(worker: usize, request: usize): void {
  const receivers = load<u32>(request, ANNOUNCE_PEERS);
  if (receivers == 0) return;
  const start = replyStart(worker);
  const head = writeRelayHead(worker, start);
  let reference: usize = load<u32>(request, ANNOUNCE_PEER_IDS);
  let offer: usize = load<u32>(worker, WORKER_OFFERS);
  for (let index: u32 = 0; index < receivers; ++index) {
    const idLength = load<u32>(offer, OFFER_ID_LENGTH);
    copyShort(head, load<u32>(offer, OFFER_ID), idLength);
    const out = writeText(head + idLength, WS_TEXT_OFFER);
    const isSent = relay(
      worker,
      load<u32>(reference),
      load<u32>(reference, 4),
      start,
      out,
      load<u32>(offer, OFFER_VALUE),
      load<u32>(offer, OFFER_VALUE_LENGTH),
    );
    if (isSent) count(worker, COUNT_WS_OFFERS);
    reference += REFERENCE_SIZE;
    offer += OFFER_SIZE;
  }
}

/** An answer goes to the peer that it names, from a peer of that torrent; nobody is told else. */
function relayAnswer(worker: usize, connection: usize): void {
  const message = worker + WORKER_MESSAGE;
  if (
    load<u32>(message, MESSAGE_TARGET_STATE) != STRING_GOOD ||
    load<u32>(message, MESSAGE_ANSWER_LENGTH) == 0 ||
    load<u32>(message, MESSAGE_OFFER_ID_LENGTH) == 0
  ) return fail(worker, connection, WS_TEXT_BAD_ANSWER);
  const infoHash = worker + WORKER_INFO_HASHES;
  const hash = hashInfoHash(infoHash);
  const index = findListed(connection, hash, infoHash);
  if (
    index < 0 || !isSameId(listedPeerId(connection, index), message + MESSAGE_PEER_ID) ||
    !findSocket(worker, hash, infoHash, message + MESSAGE_TARGET)
  ) return count(worker, COUNT_WS_ANSWERS_LOST);
  const start = replyStart(worker);
  let out = writeRelayHead(worker, start);
  const idLength = load<u32>(message, MESSAGE_OFFER_ID_LENGTH);
  copyShort(out, load<u32>(message, MESSAGE_OFFER_ID), idLength);
  out = writeText(out + idLength, WS_TEXT_ANSWER);
  const isSent = relay(
    worker,
    foundConnection,
    foundGeneration,
    start,
    out,
    load<u32>(message, MESSAGE_ANSWER),
    load<u32>(message, MESSAGE_ANSWER_LENGTH),
  );
  count(worker, isSent ? COUNT_WS_ANSWERS : COUNT_WS_ANSWERS_LOST);
}

function answerScrape(worker: usize, rules: usize, connection: usize): void {
  const message = worker + WORKER_MESSAGE;
  const state = load<u32>(message, MESSAGE_HASH_STATE);
  if (state == STRING_ABSENT) {
    return failBare(worker, connection, WS_TEXT_SCRAPE_FAILURE, WS_TEXT_FULL_SCRAPE);
  }
  if (state != STRING_GOOD) {
    return failBare(worker, connection, WS_TEXT_SCRAPE_FAILURE, WS_TEXT_BAD_INFO_HASH);
  }
  const start = replyStart(worker);
  const hashes = load<u32>(message, MESSAGE_HASH_COUNT);
  let text: usize = load<u32>(worker, WORKER_HASH_TEXTS);
  let out = writeText(start, WS_TEXT_SCRAPE);
  let refused: u32 = 0;
  for (let index: u32 = 0; index < hashes; ++index, text += 8) {
    // As UDP does: clients wait for all that they asked for, so one that is refused is all zeros.
    const infoHash = worker + WORKER_INFO_HASHES + index * ID_SIZE;
    if (isAllowed(rules, infoHash)) {
      scrapeSockets(worker, infoHash);
    } else {
      scrapeNothing();
      ++refused;
    }
    if (index != 0) store<u8>(out++, COMMA);
    const textByteLength = load<u32>(text, 4);
    copyShort(out, load<u32>(text), textByteLength);
    out = writeText(out + textByteLength, WS_TEXT_FILE_COMPLETE);
    out = writeDecimal(out, scrapedSeeders);
    out = writeDecimal(writeText(out, WS_TEXT_INCOMPLETE), scrapedLeechers);
    out = writeDecimal(writeText(out, WS_TEXT_FILE_DOWNLOADED), scrapedCompleted);
    store<u8>(out++, CLOSE_OBJECT);
  }
  if (refused != 0 && refused == hashes) {
    count(worker, COUNT_ERROR_NOT_ALLOWED);
    return failBare(worker, connection, WS_TEXT_SCRAPE_FAILURE, WS_TEXT_NOT_ALLOWED);
  }
  const isIpv4 = load<u32>(connection, CONNECTION_CLIENT) == KIND_IPV4;
  count(worker, isIpv4 ? COUNT_SCRAPE : COUNT_SCRAPE_IPV6);
  store<u8>(out, CLOSE_OBJECT);
  store<u8>(out, CLOSE_OBJECT, 1);
  send(worker, connection, start, out + 2);
}
