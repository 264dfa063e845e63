/**
 * A WebSocket's bytes (RFC 6455): frames in, messages to the tracker, control frames answered.
 *
 * A frame that is whole in the input is unmasked where it lies. One that fits a slice is waited for
 * in a slice; a longer one, or a part of a message, is taken in piece by piece, into memory that is
 * held only while the message is not whole. Whatever breaks the protocol ends the connection with a
 * close frame; what is received after that is thrown away.
 */
import {
  CLOSE_NORMAL,
  CLOSE_POLICY,
  CLOSE_PROTOCOL,
  CLOSE_TOO_BIG,
  CLOSE_TRY_LATER,
  CLOSE_UTF8,
  CONNECTION_CAPACITY,
  CONNECTION_ENDING,
  CONNECTION_FILLED,
  CONNECTION_HEAD,
  CONNECTION_INPUT,
  CONTROL_HTTP_SLICE_SIZE,
  CONTROL_NOW,
  CONTROL_WS_MAX_MESSAGE,
  CONTROL_WS_MESSAGES_PER_SECOND,
  COUNT_MEMORY_FULL,
  COUNT_WS_ERRORS,
  ENDING_CLOSE,
  ENDING_LINGER,
  ENDING_NO,
  FRAME_LEFT,
  FRAME_MASK,
  FRAME_MESSAGE,
  FRAME_MESSAGE_CAPACITY,
  FRAME_MESSAGE_LENGTH,
  FRAME_RATE_COUNT,
  FRAME_RATE_SECOND,
  FRAME_STATE,
  FRAME_UTF8,
  OUTBOX_GENERATION,
  STATE_ALIVE,
  STATE_FINAL,
  STATE_OPENED,
  STATE_PINGED,
  WORKER_MESSAGE_BYTES,
  WORKER_MESSAGE_BYTES_MAX,
  WORKER_SCRATCH,
} from "./layout";
import { loadWire16, loadWire64 } from "./bytes";
import { compactInput } from "./connections";
import { count } from "./counters";
import { give, takeForAnswer, takenByteLength } from "./memory";
import { begin, closeOutbox, finish, put, seal } from "./outbox";
import { checkUtf8 } from "./utf8";
import { addBegun, longestBegun, removeBegun } from "./ws_begun";
import {
  CONTROL_MAX,
  FIN,
  LENGTH_16,
  LENGTH_64,
  MASKED,
  OPCODE_BINARY,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
  RESERVED,
  unmask,
  writeFrameHead,
} from "./ws_frame";
import { answerMessage, leaveAll } from "./ws_tracker";

const MASK_SIZE: u32 = 4;
const MESSAGE_ROOM_MIN: u32 = 1024;
const CODE_SIZE: u32 = 2;

/** Bytes of the frame at hand that are still to come: scratch of this instance. */
let expected: u32 = 0;

/** Handles every whole frame in the input of an upgraded connection. */
export function receiveFrames(worker: usize, rules: usize, connection: usize): void {
  if (load<u32>(connection, CONNECTION_FILLED) != 0) noteLife(connection);
  do {
    expected = 0;
    while (isOpen(connection) && readFrame(worker, rules, connection, false));
    if (!isOpen(connection)) {
      const filled = load<u32>(connection, CONNECTION_FILLED);
      if (filled > load<u32>(connection, CONNECTION_HEAD)) {
        store<u32>(connection, ENDING_LINGER, CONNECTION_ENDING);
      }
      store<u32>(connection, filled, CONNECTION_HEAD);
    } else if (load<u32>(connection, FRAME_LEFT) != 0) {
      expected = load<u32>(connection, FRAME_LEFT);
    }
    // Without a slice to wait in, a frame is taken in as far as it is here.
  } while (
    !compactInput(worker, connection, expected) && readFrame(worker, rules, connection, true)
  );
}

/** Ends what a connection has in swarms and memory; its slot is given back then. */
export function closeSocket(worker: usize, connection: usize): void {
  leaveAll(worker, connection);
  dropMessage(worker, connection);
  closeOutbox(worker, connection);
}

/** Whatever comes tells that the client is there. */
function noteLife(connection: usize): void {
  const state = load<u32>(connection, FRAME_STATE);
  store<u32>(connection, (state | STATE_ALIVE) & ~STATE_PINGED, FRAME_STATE);
}

function isOpen(connection: usize): bool {
  return load<u32>(connection, CONNECTION_ENDING) == ENDING_NO;
}

/**
 * Reads the next frame, or what there is of its payload; false where more must come first.
 * @param inPieces Whether to take in a frame that is not whole though it would fit a slice.
 */
function readFrame(worker: usize, rules: usize, connection: usize, inPieces: bool): bool {
  const head = load<u32>(connection, CONNECTION_HEAD);
  const frame: usize = load<u32>(connection, CONNECTION_INPUT) + head;
  const available = load<u32>(connection, CONNECTION_FILLED) - head;
  if (load<u32>(connection, FRAME_LEFT) != 0) {
    return available != 0 && readPiece(worker, rules, connection, frame, available);
  }
  if (available < 2) return false;
  const first: u32 = load<u8>(frame);
  const short = <u32> load<u8>(frame, 1) & ~MASKED;
  const state = load<u32>(connection, FRAME_STATE);
  if (!isFrame(first, load<u8>(frame, 1), (state & STATE_OPENED) != 0)) {
    return fail(worker, connection, CLOSE_PROTOCOL);
  }
  const headLength: u32 = 2 + MASK_SIZE + (short == LENGTH_16 ? 2 : short == LENGTH_64 ? 8 : 0);
  if (available < headLength) return false;
  const length = payloadLength(frame, short);
  if (length < 0) return fail(worker, connection, CLOSE_PROTOCOL);
  const opcode = first & 15;
  if (
    opcode < OPCODE_CLOSE &&
    length + load<u32>(connection, FRAME_MESSAGE_LENGTH) > load<u32>(CONTROL_WS_MAX_MESSAGE)
  ) return fail(worker, connection, CLOSE_TOO_BIG);
  const byteLength = <u32> length;
  const isWhole = available >= headLength + byteLength;
  const isMessage = (first & FIN) != 0 && (state & STATE_OPENED) == 0;
  if (opcode >= OPCODE_CLOSE) {
    if (!isWhole) return false;
  } else if (isMessage && !isWhole && !inPieces) {
    if (headLength + byteLength <= load<u32>(CONTROL_HTTP_SLICE_SIZE)) {
      expected = headLength + byteLength - available;
      return false;
    }
  }
  const mask = load<u32>(frame + headLength - MASK_SIZE);
  const payload = frame + headLength;
  if (opcode < OPCODE_CLOSE && !(isMessage && isWhole)) {
    beginPieces(connection, opcode, first, mask, byteLength);
    store<u32>(connection, head + headLength, CONNECTION_HEAD);
    return readPiece(worker, rules, connection, payload, available - headLength) || inPieces;
  }
  store<u32>(connection, head + headLength + byteLength, CONNECTION_HEAD);
  if (!isWithinRate(connection)) return fail(worker, connection, CLOSE_POLICY);
  const others = unmask(payload, payload, byteLength, mask);
  if (opcode >= OPCODE_CLOSE) {
    answerControl(worker, connection, opcode, payload, byteLength);
  } else if (others != 0 && checkUtf8(payload, others, 0) != 0) {
    return fail(worker, connection, CLOSE_UTF8);
  } else {
    answerMessage(worker, rules, connection, payload, payload + byteLength);
  }
  return true;
}

/** Whether the first two bytes may begin a frame here (5.2, 5.4, 5.5). */
function isFrame(first: u32, second: u32, isOpened: bool): bool {
  if ((first & RESERVED) != 0 || (second & MASKED) == 0) return false;
  switch (first & 15) {
    case OPCODE_CONTINUATION:
      return isOpened;
    case OPCODE_TEXT:
    case OPCODE_BINARY:
      return !isOpened;
    case OPCODE_CLOSE:
    case OPCODE_PING:
    case OPCODE_PONG:
      return (first & FIN) != 0 && (second & ~MASKED) <= CONTROL_MAX;
  }
  return false;
}

/** Bytes of the payload; -1 where they are not written in the shortest way. */
function payloadLength(frame: usize, short: u32): i64 {
  if (short < LENGTH_16) return short;
  if (short == LENGTH_16) {
    const length: u32 = loadWire16(frame + 2);
    return length < LENGTH_16 ? -1 : length;
  }
  const length = loadWire64(frame + 2);
  return length < 65536 || length >> 63 != 0 ? -1 : length;
}

function beginPieces(connection: usize, opcode: u32, first: u32, mask: u32, length: u32): void {
  let state = load<u32>(connection, FRAME_STATE) | STATE_OPENED;
  if (opcode != OPCODE_CONTINUATION) store<u32>(connection, 0, FRAME_UTF8);
  state = (first & FIN) != 0 ? state | STATE_FINAL : state & ~STATE_FINAL;
  store<u32>(connection, state, FRAME_STATE);
  store<u32>(connection, mask, FRAME_MASK);
  store<u32>(connection, length, FRAME_LEFT);
}

/** Takes in what there is of a frame; the message is answered when it is whole. */
function readPiece(
  worker: usize,
  rules: usize,
  connection: usize,
  ptr: usize,
  available: u32,
): bool {
  const left = load<u32>(connection, FRAME_LEFT);
  const part = min<u32>(left, available);
  const before = load<u32>(connection, FRAME_MESSAGE_LENGTH);
  store<u32>(connection, load<u32>(connection, CONNECTION_HEAD) + part, CONNECTION_HEAD);
  store<u32>(connection, left - part, FRAME_LEFT);
  if (part != 0) {
    if (!growMessage(worker, connection, before + part)) {
      count(worker, COUNT_MEMORY_FULL);
      return fail(worker, connection, CLOSE_TRY_LATER);
    }
    const mask = load<u32>(connection, FRAME_MASK);
    const piece: usize = load<u32>(connection, FRAME_MESSAGE) + before;
    const others = unmask(piece, ptr, part, mask);
    store<u32>(connection, rotr<u32>(mask, (part & 3) << 3), FRAME_MASK);
    store<u32>(connection, before + part, FRAME_MESSAGE_LENGTH);
    const utf8 = load<u32>(connection, FRAME_UTF8);
    if (others != 0 || utf8 != 0) {
      store<u32>(connection, checkUtf8(piece, piece + part, utf8), FRAME_UTF8);
    }
  }
  // A bad state is no state that ends well, but it is told at once.
  const isEnd = left == part && (load<u32>(connection, FRAME_STATE) & STATE_FINAL) != 0;
  const utf8 = <i32> load<u32>(connection, FRAME_UTF8);
  if (utf8 < 0 || (isEnd && utf8 != 0)) return fail(worker, connection, CLOSE_UTF8);
  if (left != part) return false;
  if (!isEnd) return true;
  const state = load<u32>(connection, FRAME_STATE);
  store<u32>(connection, state & ~(STATE_OPENED | STATE_FINAL), FRAME_STATE);
  if (!isWithinRate(connection)) return fail(worker, connection, CLOSE_POLICY);
  const message: usize = load<u32>(connection, FRAME_MESSAGE);
  const end = message + load<u32>(connection, FRAME_MESSAGE_LENGTH);
  answerMessage(worker, rules, connection, message, end);
  dropMessage(worker, connection);
  return true;
}

/**
 * Makes room for a message of so many bytes so far: no more than twice what has come. Messages that
 * began before this one give way to it.
 */
function growMessage(worker: usize, connection: usize, byteLength: u32): bool {
  const capacity = load<u32>(connection, FRAME_MESSAGE_CAPACITY);
  if (byteLength <= capacity) return true;
  const wanted = max<u32>(byteLength, max<u32>(capacity << 1, MESSAGE_ROOM_MIN));
  let grown = takeMessage(worker, wanted - capacity, wanted);
  while (grown == 0) {
    const longest = longestBegun(worker, connection);
    if (longest == 0) return false;
    count(worker, COUNT_MEMORY_FULL);
    end(worker, longest, CLOSE_TRY_LATER, ENDING_CLOSE);
    // One that was given up for not reading ends already, and has its message still.
    dropMessage(worker, longest);
    grown = takeMessage(worker, wanted - capacity, wanted);
  }
  const grownCapacity = takenByteLength;
  const others = load<u32>(worker, WORKER_MESSAGE_BYTES) - capacity;
  const message: usize = load<u32>(connection, FRAME_MESSAGE);
  if (message == 0) addBegun(worker, connection);
  else memory.copy(grown, message, load<u32>(connection, FRAME_MESSAGE_LENGTH));
  store<u32>(worker, others + grownCapacity, WORKER_MESSAGE_BYTES);
  store<u32>(connection, grown, FRAME_MESSAGE);
  store<u32>(connection, grownCapacity, FRAME_MESSAGE_CAPACITY);
  if (message != 0) give(worker, message, capacity);
  return true;
}

/** Memory for a message; 0 where there is none, or unfinished messages have as much as they may. */
function takeMessage(worker: usize, growth: u32, byteLength: u32): usize {
  const taken = load<u32>(worker, WORKER_MESSAGE_BYTES) + growth;
  return taken > load<u32>(worker, WORKER_MESSAGE_BYTES_MAX)
    ? 0
    : takeForAnswer(worker, byteLength);
}

function dropMessage(worker: usize, connection: usize): void {
  const message: usize = load<u32>(connection, FRAME_MESSAGE);
  if (message == 0) return;
  const capacity = load<u32>(connection, FRAME_MESSAGE_CAPACITY);
  store<u32>(worker, load<u32>(worker, WORKER_MESSAGE_BYTES) - capacity, WORKER_MESSAGE_BYTES);
  store<u32>(connection, 0, FRAME_MESSAGE);
  store<u32>(connection, 0, FRAME_MESSAGE_LENGTH);
  store<u32>(connection, 0, FRAME_MESSAGE_CAPACITY);
  removeBegun(worker, connection);
  give(worker, message, capacity);
}

/** Counts a message or control frame within its second; false where it is one too many. */
function isWithinRate(connection: usize): bool {
  const most = load<u32>(CONTROL_WS_MESSAGES_PER_SECOND);
  if (most == 0) return true;
  const now = load<u32>(CONTROL_NOW);
  const isSame = load<u32>(connection, FRAME_RATE_SECOND) == now;
  const messages = isSame ? load<u32>(connection, FRAME_RATE_COUNT) + 1 : 1;
  store<u32>(connection, now, FRAME_RATE_SECOND);
  store<u32>(connection, messages, FRAME_RATE_COUNT);
  return messages <= most;
}

function answerControl(
  worker: usize,
  connection: usize,
  opcode: u32,
  payload: usize,
  byteLength: u32,
): void {
  if (opcode == OPCODE_PING) {
    send(worker, connection, OPCODE_PONG, payload, byteLength);
  } else if (opcode == OPCODE_CLOSE) {
    answerClose(worker, connection, payload, byteLength);
  }
}

/** Echoes the code of a close frame (5.5.1), if it is one that may be sent. */
function answerClose(worker: usize, connection: usize, payload: usize, byteLength: u32): void {
  if (byteLength == 0) return end(worker, connection, 0, ENDING_CLOSE);
  const code: u32 = byteLength < CODE_SIZE ? 0 : loadWire16(payload);
  if (!isCloseCode(code)) {
    fail(worker, connection, CLOSE_PROTOCOL);
  } else if (checkUtf8(payload + CODE_SIZE, payload + byteLength, 0) != 0) {
    fail(worker, connection, CLOSE_UTF8);
  } else {
    end(worker, connection, code, ENDING_CLOSE);
  }
}

/** RFC 6455, 7.4, and what was registered since. */
function isCloseCode(code: u32): bool {
  if (code >= 3000) return code < 5000;
  return code >= <u32> CLOSE_NORMAL && code <= 1014 && code != 1004 && code != 1005 &&
    code != 1006;
}

/** Ends the connection for what it sent. Always true: there is nothing to wait for. */
function fail(worker: usize, connection: usize, code: u32): bool {
  count(worker, COUNT_WS_ERRORS);
  end(worker, connection, code, ENDING_LINGER);
  return true;
}

/** Ends the connection with a close frame, unless it ends already. @param code 0: without one. */
export function end(worker: usize, connection: usize, code: u32, ending: u32): void {
  if (!isOpen(connection)) return;
  const payload = worker + WORKER_SCRATCH;
  store<u16>(payload, bswap<u16>(<u16> code));
  send(worker, connection, OPCODE_CLOSE, payload, code == 0 ? 0 : CODE_SIZE);
  store<u32>(connection, ending, CONNECTION_ENDING);
  store<u32>(connection, 0, FRAME_LEFT);
  dropMessage(worker, connection);
  seal(worker, connection);
}

/** Appends a ping; false where nothing has come since the last one. */
export function ping(worker: usize, connection: usize): bool {
  const state = load<u32>(connection, FRAME_STATE);
  if ((state & STATE_PINGED) != 0 && (state & STATE_ALIVE) == 0) return false;
  store<u32>(connection, (state | STATE_PINGED) & ~STATE_ALIVE, FRAME_STATE);
  send(worker, connection, OPCODE_PING, 0, 0);
  return true;
}

/** Sends a control frame, whose payload has at most CONTROL_MAX bytes. */
function send(worker: usize, connection: usize, opcode: u32, payload: usize, length: u32): void {
  const end = worker + WORKER_SCRATCH + 32;
  const head = writeFrameHead(end, opcode, length);
  const headLength: u32 = end - head;
  const generation = load<u32>(connection, OUTBOX_GENERATION);
  if (!begin(worker, connection, generation, headLength + length)) return;
  put(connection, head, headLength);
  if (length != 0) put(connection, payload, length);
  finish(worker, connection);
}

if (CONNECTION_CAPACITY >= FRAME_LEFT) ERROR("Frames lie over a connection's input");
