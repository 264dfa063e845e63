/**
 * What WebTorrent's peers are sent: replies, failures and relays, put together at WORKER_REPLY.
 *
 * Each is one text frame, whose head is written in front of it when its length is known.
 */
import {
  COUNT_WS_FAILURES,
  MESSAGE_INFO_HASH,
  MESSAGE_INFO_HASH_LENGTH,
  MESSAGE_PEER_ID_LENGTH,
  MESSAGE_PEER_ID_TEXT,
  OUTBOX_GENERATION,
  WORKER_MESSAGE,
  WORKER_REPLY,
  WS_TEXT_ANNOUNCE,
  WS_TEXT_FAILURE_BEHIND,
  WS_TEXT_OFFER_ID,
  WS_TEXT_PEER_ID,
} from "./layout";
import { writeText } from "./bencode";
import { copyShort } from "./bytes";
import { count } from "./counters";
import { begin, finish, put } from "./outbox";
import { frameHeadLength, OPCODE_TEXT, writeFrameHead } from "./ws_frame";

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const CLOSE_OBJECT: u32 = 0x7d;
/** Where a reply begins: the head of its frame is written in front of it. */
const REPLY_ROOM: u32 = 16;

/** Where a reply or relay is to be written. */
export function replyStart(worker: usize): usize {
  return load<u32>(worker, WORKER_REPLY) + REPLY_ROOM;
}

/** The text of the message's info hash, as it came. */
export function writeInfoHash(worker: usize, out: usize): usize {
  const message = worker + WORKER_MESSAGE;
  const byteLength = load<u32>(message, MESSAGE_INFO_HASH_LENGTH);
  copyShort(out, load<u32>(message, MESSAGE_INFO_HASH), byteLength);
  return out + byteLength;
}

/** What every relay of the message begins with, up to the offer's id. */
export function writeRelayHead(worker: usize, out: usize): usize {
  const message = worker + WORKER_MESSAGE;
  out = writeInfoHash(worker, writeText(out, WS_TEXT_ANNOUNCE));
  out = writeText(out, WS_TEXT_PEER_ID);
  const byteLength = load<u32>(message, MESSAGE_PEER_ID_LENGTH);
  copyShort(out, load<u32>(message, MESSAGE_PEER_ID_TEXT), byteLength);
  return writeText(out + byteLength, WS_TEXT_OFFER_ID);
}

/** Appends [start, out), a value and a brace as one frame; `start` has room in front of it. */
export function relay(
  worker: usize,
  connection: usize,
  generation: u32,
  start: usize,
  out: usize,
  value: usize,
  valueLength: u32,
): bool {
  const byteLength: u32 = out - start + valueLength + 1;
  const frameLength = frameHeadLength(byteLength) + byteLength;
  if (!begin(worker, connection, generation, frameLength)) return false;
  const head = writeFrameHead(start, OPCODE_TEXT, byteLength);
  put(connection, head, out - head);
  put(connection, value, valueLength);
  store<u8>(out, CLOSE_OBJECT);
  put(connection, out, 1);
  finish(worker, connection);
  return true;
}

/** Sends [start, end) to the connection itself; `start` has room in front of it. */
export function send(worker: usize, connection: usize, start: usize, end: usize): void {
  const head = writeFrameHead(start, OPCODE_TEXT, end - start);
  const generation = load<u32>(connection, OUTBOX_GENERATION);
  if (!begin(worker, connection, generation, end - head)) return;
  put(connection, head, end - head);
  finish(worker, connection);
}

/** A failure of an announce whose info hash is known. */
export function fail(worker: usize, connection: usize, reason: u32): void {
  const start = replyStart(worker);
  const out = writeInfoHash(worker, writeText(start, WS_TEXT_ANNOUNCE));
  endFailure(worker, connection, start, writeText(out, WS_TEXT_FAILURE_BEHIND), reason);
}

/** The same with a text of the access list's: a u8 length and UTF-8. */
export function failWith(worker: usize, connection: usize, reason: usize): void {
  const start = replyStart(worker);
  let out = writeInfoHash(worker, writeText(start, WS_TEXT_ANNOUNCE));
  out = writeText(out, WS_TEXT_FAILURE_BEHIND);
  const end = reason + 1 + load<u8>(reason);
  for (let ptr = reason + 1; ptr < end; ++ptr) {
    const code: u32 = load<u8>(ptr);
    if (code == QUOTE || code == BACKSLASH) store<u8>(out++, BACKSLASH);
    // Lists have no control characters; JSON may not either.
    store<u8>(out++, code < 0x20 ? 0x20 : code);
  }
  sendFailure(worker, connection, start, out);
}

/** Any other failure, with all that `head` says. */
export function failBare(worker: usize, connection: usize, head: u32, reason: u32): void {
  const start = replyStart(worker);
  endFailure(worker, connection, start, writeText(start, head), reason);
}

function endFailure(
  worker: usize,
  connection: usize,
  start: usize,
  out: usize,
  reason: u32,
): void {
  sendFailure(worker, connection, start, writeText(out, reason));
}

function sendFailure(worker: usize, connection: usize, start: usize, out: usize): void {
  count(worker, COUNT_WS_FAILURES);
  store<u8>(out, QUOTE);
  store<u8>(out, CLOSE_OBJECT, 1);
  send(worker, connection, start, out + 2);
}
