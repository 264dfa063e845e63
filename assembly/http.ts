/**
 * One HTTP connection: bytes in, answers out (sans-I/O). Sockets are in server/tcp/.
 *
 * `receive` consumes every whole request in the input and writes the answers one behind the other;
 * whoever sends them then calls `resume`, which goes on with what found no room. A request that is
 * refused for its form ends the connection: what follows it cannot be trusted.
 */
import {
  ADDRESS_KIND,
  CLOSE_POLICY,
  CONNECTION_CLIENT,
  CONNECTION_ENDING,
  CONNECTION_FILLED,
  CONNECTION_FLAGS,
  CONNECTION_HEAD,
  CONNECTION_INPUT,
  CONNECTION_LINE,
  CONNECTION_OUTPUT,
  CONNECTION_PEER,
  CONNECTION_PHASE,
  CONNECTION_REQUESTS,
  CONNECTION_TARGET,
  CONNECTION_TARGET_LENGTH,
  CONTROL_HTTP_ANSWER_MAX,
  CONTROL_HTTP_MAX_REQUESTS,
  CONTROL_HTTP_OPTIONS,
  CONTROL_HTTP_SLICE_SIZE,
  COUNT_BYTES_RECEIVED,
  COUNT_BYTES_SENT,
  COUNT_DROP_DENIED,
  COUNT_HTTP_REFUSED,
  COUNT_PROXY_HEADER,
  ENDING_CLOSE,
  ENDING_LINGER,
  ENDING_NO,
  FLAG_BODY,
  FLAG_CLOSE,
  FLAG_HEAD,
  FLAG_HTTP_1_0,
  FLAG_KEEP_ALIVE,
  FLAG_OPTIONS,
  FLAG_OTHER_METHOD,
  FLAG_TRANSFER_ENCODING,
  HTTP_OPTION_CORS,
  HTTP_OPTION_KEEP_ALIVE,
  HTTP_TEXT_ALLOW,
  HTTP_TEXT_CLOSE,
  HTTP_TEXT_CORS,
  HTTP_TEXT_HEAD,
  HTTP_TEXT_HEAD_LENGTH,
  HTTP_TEXT_HEAD_OK,
  HTTP_TEXT_KEEP_ALIVE,
  HTTP_TEXT_PREFLIGHT,
  HTTP_TEXT_RETRY_AFTER,
  HTTP_TEXT_SENTENCES,
  HTTP_TEXT_STATUSES,
  HTTP_TEXT_UPGRADE,
  PHASE_PROXY,
  PHASE_WEBSOCKET,
  REFUSAL_BAD_REQUEST,
  REFUSAL_BODY,
  REFUSAL_BUSY,
  REFUSAL_FORWARDED,
  REFUSAL_METHOD,
  REFUSAL_NOT_FOUND,
  REFUSAL_TIMEOUT,
  REFUSAL_UPGRADE,
  SERVES_HTTP,
  SERVES_WEBSOCKET,
  WORKER_SERVES,
} from "./layout";
import { isDenied } from "./access_rules";
import { textLength, writeDecimal, writeText } from "./bencode";
import { compactInput, giveOutput, shortenOutput, takeOutput } from "./connections";
import { count, countMany } from "./counters";
import { settleClient } from "./forwarded";
import { HEAD_UNFINISHED, HEAD_WHOLE, parseHead } from "./http_head";
import { ROUTE_ANNOUNCE, ROUTE_NONE, ROUTE_SCRAPE, routeTarget, targetQuery } from "./http_target";
import { answerAnnounce, answerScrape } from "./http_tracker";
import { PROXY_BAD, PROXY_UNFINISHED, readProxyHeader } from "./proxy_protocol";
import * as socket from "./ws_connection";
import { judgeUpgrade, upgrade, UPGRADE_GOOD, UPGRADE_NONE } from "./ws_handshake";

const LINE_END: u32 = 0x0a0d;
/** The longest head of an answer, and the slack of copying it. */
const HEAD_ROOM: u32 = 512;

/**
 * Takes in what was received behind the CONNECTION_FILLED bytes of the input.
 * @returns Bytes to send from CONNECTION_OUTPUT; CONNECTION_ENDING says whether to close then.
 */
export function receive(worker: usize, rules: usize, connection: usize, byteLength: u32): u32 {
  countMany(worker, COUNT_BYTES_RECEIVED, byteLength);
  const filled = load<u32>(connection, CONNECTION_FILLED) + byteLength;
  store<u32>(connection, filled, CONNECTION_FILLED);
  return answerRequests(worker, rules, connection);
}

/** Goes on once the answers are sent; returns as `receive`. */
export function resume(worker: usize, rules: usize, connection: usize): u32 {
  giveOutput(worker, connection);
  if (load<u32>(connection, CONNECTION_FILLED) == 0) return 0;
  return load<u32>(connection, CONNECTION_ENDING) == ENDING_NO
    ? answerRequests(worker, rules, connection)
    : 0;
}

/** Ends a connection whose request did not come in time, with an answer if one was begun. */
export function timeOut(worker: usize, connection: usize): u32 {
  if (isSocket(connection)) {
    socket.end(worker, connection, CLOSE_POLICY, ENDING_LINGER);
    return 0;
  }
  if (load<u32>(connection, CONNECTION_PHASE) == PHASE_PROXY) return end(connection, ENDING_CLOSE);
  if (load<u32>(connection, CONNECTION_FILLED) == 0) return end(connection, ENDING_CLOSE);
  return refuseNow(worker, connection, REFUSAL_TIMEOUT);
}

/** Ends a connection that is one too many, before it has asked for anything. */
export function turnAway(worker: usize, connection: usize): u32 {
  return refuseNow(worker, connection, REFUSAL_BUSY);
}

function end(connection: usize, ending: u32): u32 {
  store<u32>(connection, ending, CONNECTION_ENDING);
  return 0;
}

/** Answers with a refusal and nothing else; returns its bytes. */
function refuseNow(worker: usize, connection: usize, refusal: u32): u32 {
  if (!takeOutput(worker, connection)) return end(connection, ENDING_CLOSE);
  const out: usize = load<u32>(connection, CONNECTION_OUTPUT);
  const byteLength: u32 = refuse(worker, connection, refusal, out) - out;
  countMany(worker, COUNT_BYTES_SENT, byteLength);
  return byteLength;
}

/** Whether the connection speaks WebSocket by now: its answers are in outboxes. */
function isSocket(connection: usize): bool {
  return load<u32>(connection, CONNECTION_PHASE) == PHASE_WEBSOCKET;
}

function answerRequests(worker: usize, rules: usize, connection: usize): u32 {
  if (isSocket(connection)) {
    socket.receiveFrames(worker, rules, connection);
    return 0;
  }
  if (load<u32>(connection, CONNECTION_PHASE) == PHASE_PROXY) {
    const status = readProxyHeader(connection);
    if (status == PROXY_BAD) {
      count(worker, COUNT_PROXY_HEADER);
      return end(connection, ENDING_CLOSE);
    }
    if (status == PROXY_UNFINISHED) {
      return compactInput(worker, connection) ? 0 : end(connection, ENDING_CLOSE);
    }
  }
  const sliceSize = load<u32>(CONTROL_HTTP_SLICE_SIZE);
  const answerMax = load<u32>(CONTROL_HTTP_ANSWER_MAX);
  let written: u32 = 0;
  // What follows an upgrade waits until its answer is sent.
  while (
    load<u32>(connection, CONNECTION_ENDING) == ENDING_NO && written + answerMax <= sliceSize &&
    !isSocket(connection)
  ) {
    const status = parseHead(connection);
    if (status == HEAD_UNFINISHED) {
      if (!compactInput(worker, connection)) written = turnOut(worker, connection, written);
      break;
    }
    if (!takeOutput(worker, connection)) {
      end(connection, ENDING_CLOSE);
      break;
    }
    const out = load<u32>(connection, CONNECTION_OUTPUT) + written;
    written += status == HEAD_WHOLE
      ? answerRequest(worker, rules, connection, out) - out
      : refuse(worker, connection, status, out) - out;
    if (!isSocket(connection)) {
      store<u32>(connection, load<u32>(connection, CONNECTION_LINE), CONNECTION_HEAD);
    }
  }
  if (written == 0) giveOutput(worker, connection);
  else shortenOutput(worker, connection, written);
  if (
    load<u32>(connection, CONNECTION_ENDING) == ENDING_CLOSE &&
    load<u32>(connection, CONNECTION_FILLED) > load<u32>(connection, CONNECTION_HEAD)
  ) end(connection, ENDING_LINGER);
  countMany(worker, COUNT_BYTES_SENT, written);
  return written;
}

/** There is no slice for a request that needs one: says so behind the answers that there are. */
function turnOut(worker: usize, connection: usize, written: u32): u32 {
  if (!takeOutput(worker, connection)) {
    end(connection, ENDING_CLOSE);
    return written;
  }
  const out = load<u32>(connection, CONNECTION_OUTPUT) + written;
  return written + <u32> (refuse(worker, connection, REFUSAL_BUSY, out) - out);
}

/** Answers the request whose head is whole; returns the end of the answer. */
function answerRequest(worker: usize, rules: usize, connection: usize, out: usize): usize {
  const flags = load<u32>(connection, CONNECTION_FLAGS);
  if (flags & FLAG_TRANSFER_ENCODING) {
    return refuse(worker, connection, REFUSAL_BAD_REQUEST, out);
  }
  if (!settleClient(connection)) return refuse(worker, connection, REFUSAL_FORWARDED, out);
  const client = connection + CONNECTION_CLIENT;
  if (isDenied(rules, client)) {
    count(worker, COUNT_DROP_DENIED);
    end(connection, ENDING_CLOSE);
    return out;
  }
  const serves = load<u32>(worker, WORKER_SERVES);
  if (serves & SERVES_WEBSOCKET) {
    const status = judgeUpgrade(flags);
    if (status == UPGRADE_GOOD) return upgrade(worker, connection, out);
    if (status != UPGRADE_NONE) return refuse(worker, connection, status, out);
  }
  if ((serves & SERVES_HTTP) == 0) return refuse(worker, connection, REFUSAL_UPGRADE, out);
  if (flags & FLAG_OTHER_METHOD) return answerMethod(worker, connection, flags, out);
  if (flags & FLAG_BODY) return refuse(worker, connection, REFUSAL_BODY, out);
  const target = load<u32>(connection, CONNECTION_INPUT) + load<u32>(connection, CONNECTION_TARGET);
  const targetEnd = target + load<u32>(connection, CONNECTION_TARGET_LENGTH);
  const route = routeTarget(worker, target, targetEnd);
  if (route == ROUTE_NONE) return refuse(worker, connection, REFUSAL_NOT_FOUND, out);
  const query = targetQuery(target, targetEnd);
  const body = out + HEAD_ROOM;
  const bodyEnd = route == ROUTE_ANNOUNCE
    ? answerAnnounce(worker, rules, client, query, targetEnd, body)
    : answerScrape(worker, rules, client, query, targetEnd, body);
  const bodyLength: u32 = bodyEnd - body;
  out = writeDecimal(writeText(out, HTTP_TEXT_HEAD_OK), bodyLength);
  out = endHead(connection, flags, isKept(connection, flags), out);
  if (flags & FLAG_HEAD) return out;
  memory.copy(out, body, bodyLength);
  return out + bodyLength;
}

/** The method is neither GET nor HEAD; a browser may ask beforehand whether it may ask. */
function answerMethod(worker: usize, connection: usize, flags: u32, out: usize): usize {
  const isPreflight = (flags & FLAG_OPTIONS) != 0 && (flags & FLAG_BODY) == 0 &&
    (load<u32>(CONTROL_HTTP_OPTIONS) & HTTP_OPTION_CORS) != 0;
  if (!isPreflight) return refuse(worker, connection, REFUSAL_METHOD, out);
  out = writeText(out, HTTP_TEXT_PREFLIGHT);
  return endHead(connection, flags, isKept(connection, flags), out);
}

/** Whether the connection goes on after this request, and counts it. */
function isKept(connection: usize, flags: u32): bool {
  const requestCount = load<u32>(connection, CONNECTION_REQUESTS) + 1;
  store<u32>(connection, requestCount, CONNECTION_REQUESTS);
  const isAsked = (flags & FLAG_HTTP_1_0) != 0
    ? (flags & (FLAG_KEEP_ALIVE | FLAG_CLOSE)) == FLAG_KEEP_ALIVE
    : (flags & FLAG_CLOSE) == 0;
  const isOffered = (load<u32>(CONTROL_HTTP_OPTIONS) & HTTP_OPTION_KEEP_ALIVE) != 0;
  if (isAsked && isOffered && requestCount < load<u32>(CONTROL_HTTP_MAX_REQUESTS)) return true;
  store<u32>(connection, ENDING_CLOSE, CONNECTION_ENDING);
  return false;
}

/** Ends the line at hand, and writes the last lines of a head. */
function endHead(connection: usize, flags: u32, isKept: bool, out: usize): usize {
  store<u16>(out, LINE_END);
  out += 2;
  if (!isKept) out = writeText(out, HTTP_TEXT_CLOSE);
  else if (flags & FLAG_HTTP_1_0) out = writeText(out, HTTP_TEXT_KEEP_ALIVE);
  if (load<u32>(CONTROL_HTTP_OPTIONS) & HTTP_OPTION_CORS) out = writeText(out, HTTP_TEXT_CORS);
  store<u16>(out, LINE_END);
  return out + 2;
}

/** Writes a REFUSAL_* answer; returns its end. All but two of them end the connection. */
function refuse(worker: usize, connection: usize, refusal: u32, out: usize): usize {
  const flags = load<u32>(connection, CONNECTION_FLAGS);
  const isUnderstood = (flags & FLAG_BODY) == 0 &&
    (refusal == REFUSAL_NOT_FOUND || refusal == REFUSAL_METHOD || refusal == REFUSAL_UPGRADE);
  const isKeeping = isUnderstood && isKept(connection, flags);
  if (!isUnderstood) store<u32>(connection, ENDING_LINGER, CONNECTION_ENDING);
  count(worker, COUNT_HTTP_REFUSED + refusal);
  out = writeText(out, HTTP_TEXT_HEAD);
  out = writeText(out, HTTP_TEXT_STATUSES + refusal);
  out = writeText(out, HTTP_TEXT_HEAD_LENGTH);
  out = writeDecimal(out, textLength(HTTP_TEXT_SENTENCES + refusal));
  if (refusal == REFUSAL_METHOD) out = writeText(out, HTTP_TEXT_ALLOW);
  if (refusal == REFUSAL_UPGRADE) out = writeText(out, HTTP_TEXT_UPGRADE);
  if (refusal == REFUSAL_BUSY) out = writeText(out, HTTP_TEXT_RETRY_AFTER);
  out = endHead(connection, flags, isKeeping, out);
  const isHead = isUnderstood && (flags & FLAG_HEAD) != 0;
  return isHead ? out : writeText(out, HTTP_TEXT_SENTENCES + refusal);
}

if (CONNECTION_PEER % 8 != ADDRESS_KIND) ERROR("A connection's addresses are not aligned");
if (ROUTE_SCRAPE == ROUTE_ANNOUNCE) ERROR("Routes");
