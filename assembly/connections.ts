/**
 * The connections of one worker: slots with a small input each, and slices for whoever needs more.
 *
 * A slot is a connection's record and the input that it waits with while it is idle. A slice holds
 * a request that does not fit there, or answers until they are sent. Both are the worker's own, so
 * no lock guards them; slots are reserved when the worker starts, so that a full memory never keeps
 * clients out. Nothing is touched before it is needed.
 */
import {
  ADDRESS_BYTES,
  ADDRESS_KIND,
  ADDRESS_SIZE,
  CONNECTION_CAPACITY,
  CONNECTION_CLIENT,
  CONNECTION_ENDING,
  CONNECTION_FILLED,
  CONNECTION_HEAD,
  CONNECTION_HEADERS,
  CONNECTION_INPUT,
  CONNECTION_INPUT_SIZE,
  CONNECTION_KEY,
  CONNECTION_LINE,
  CONNECTION_OUTPUT,
  CONNECTION_OWN_INPUT,
  CONNECTION_PEER,
  CONNECTION_PHASE,
  CONNECTION_SCANNED,
  CONNECTION_SLICE_HOLDER,
  CONNECTION_TARGET,
  CONTROL_HTTP_MAX_PEERS,
  CONTROL_HTTP_OPTIONS,
  CONTROL_HTTP_SLICE_SIZE,
  CONTROL_TABLE_KEY,
  COUNT_CONNECTIONS_CLOSED,
  COUNT_CONNECTIONS_OPENED,
  FULL,
  HTTP_OPTION_PROXY_PROTOCOL,
  KIND_IPV4,
  OK,
  OUTBOX_IS_READY,
  OUTBOX_LOCK,
  PHASE_PROXY,
  PHASE_REQUEST,
  PHASE_WEBSOCKET,
  REPLY_HASH_TEXTS,
  REPLY_OFFERS,
  REPLY_RECEIVERS,
  REPLY_SIZE,
  SLICE_HOLDERS,
  SLOT_SIZE,
  WORKER_ADDRESS,
  WORKER_HASH_TEXTS,
  WORKER_INPUT_SLICES,
  WORKER_MESSAGE_BYTES_MAX,
  WORKER_OFFERS,
  WORKER_PEERS,
  WORKER_RECEIVERS,
  WORKER_REPLY,
  WORKER_SLICE_COUNT,
  WORKER_SLICE_COUNT_MAX,
  WORKER_SLICE_FREE,
  WORKER_SLICE_HOLDERS,
  WORKER_SLOT_CARVED,
  WORKER_SLOT_COUNT,
  WORKER_SLOT_FREE,
  WORKER_SLOTS,
} from "./layout";
import { count } from "./counters";
import { isTrusted } from "./forwarded";
import { sipHash } from "./hash";
import { pagesFor, take, takeAnswerPages, takePages } from "./memory";
import { relist } from "./reclaim";

/** Slices that a worker owns from its start on, so that it can answer when memory is full. */
const SLICES_RESERVED: u32 = 8;
/** Of all slices, the share that may hold unfinished requests: answers need some, too. */
const INPUT_SHARE_OF_4: u32 = 3;
/**
 * The share where messages of WebSockets get none any more, and are taken in in pieces: nobody's
 * unfinished messages keep those out whose upgrade needs a slice.
 */
const MESSAGE_SHARE_OF_4: u32 = 2;
/**
 * With fewer in use than one in so many of all, nobody's are counted; of those taken beyond that,
 * an address may have the second share: one client, however many connections it has, does not keep
 * others out. A trusted proxy sends for many, and is not counted.
 */
const UNCOUNTED_SHARE: u32 = 8;
const ADDRESS_SHARE: u32 = 32;
/** Key and peer id of a sampled peer, and room for copies in strides of 16. */
const PEER_ROOM: u32 = 40;
const PEERS_SLACK: u32 = 64;
const IPV6_NETWORK_SIZE: u32 = 8;

/**
 * Reserves a worker's slots and first slices; `OK` or `FULL`. One that takes the place of a dead
 * worker keeps that one's, whose connections are closed.
 */
export function startConnections(worker: usize, slotCount: u32, sliceCountMax: u32): i32 {
  if (load<u32>(worker, WORKER_SLOTS) != 0) {
    relist(worker);
  } else {
    const peers = take(worker, load<u32>(CONTROL_HTTP_MAX_PEERS) * PEER_ROOM + PEERS_SLACK);
    const slots = takePages(worker, pagesFor(slotCount * SLOT_SIZE));
    if (peers == 0 || slots == 0) return FULL;
    store<u32>(worker, peers, WORKER_PEERS);
    store<u32>(worker, slotCount, WORKER_SLOT_COUNT);
    store<u32>(worker, sliceCountMax, WORKER_SLICE_COUNT_MAX);
    store<u32>(worker, slots, WORKER_SLOTS);
  }
  while (load<u32>(worker, WORKER_SLICE_COUNT) < SLICES_RESERVED) {
    const slice = newSlice(worker);
    if (slice == 0) return FULL;
    giveSlice(worker, slice);
  }
  return OK;
}

/** Reserves where a worker puts WebTorrent's replies together; `OK` or `FULL`. */
export function startWebSockets(worker: usize, messageBytesMax: u32): i32 {
  store<u32>(worker, messageBytesMax, WORKER_MESSAGE_BYTES_MAX);
  if (load<u32>(worker, WORKER_REPLY) != 0) return OK;
  const room = takePages(worker, pagesFor(REPLY_SIZE));
  if (room == 0) return FULL;
  store<u32>(worker, room, WORKER_REPLY);
  store<u32>(worker, room + REPLY_RECEIVERS, WORKER_RECEIVERS);
  store<u32>(worker, room + REPLY_OFFERS, WORKER_OFFERS);
  store<u32>(worker, room + REPLY_HASH_TEXTS, WORKER_HASH_TEXTS);
  return OK;
}

/** The record of a new connection, from the worker's ADDRESS; 0 when every slot is taken. */
export function openConnection(worker: usize): usize {
  let connection: usize = load<u32>(worker, WORKER_SLOT_FREE);
  if (connection != 0) {
    store<u32>(worker, load<u32>(connection), WORKER_SLOT_FREE);
  } else {
    const carved = load<u32>(worker, WORKER_SLOT_CARVED);
    if (carved == load<u32>(worker, WORKER_SLOT_COUNT)) return 0;
    store<u32>(worker, carved + 1, WORKER_SLOT_CARVED);
    connection = load<u32>(worker, WORKER_SLOTS) + carved * SLOT_SIZE;
  }
  count(worker, COUNT_CONNECTIONS_OPENED);
  const isProxied = load<u32>(CONTROL_HTTP_OPTIONS) & HTTP_OPTION_PROXY_PROTOCOL;
  memory.fill(connection, 0, OUTBOX_LOCK);
  store<u32>(connection, connection + CONNECTION_OWN_INPUT, CONNECTION_INPUT);
  store<u32>(connection, CONNECTION_INPUT_SIZE, CONNECTION_CAPACITY);
  store<u32>(connection, isProxied ? PHASE_PROXY : PHASE_REQUEST, CONNECTION_PHASE);
  memory.copy(connection + CONNECTION_PEER, worker + WORKER_ADDRESS, ADDRESS_SIZE);
  memory.copy(connection + CONNECTION_CLIENT, worker + WORKER_ADDRESS, ADDRESS_SIZE);
  return connection;
}

/** Gives back a connection's slot and slices; no read or write of it is under way any more. */
export function closeConnection(worker: usize, connection: usize): void {
  giveInput(worker, connection);
  giveOutput(worker, connection);
  count(worker, COUNT_CONNECTIONS_CLOSED);
  store<u32>(connection, 0, CONNECTION_CAPACITY); // says that it is closed
  store<u32>(connection, load<u32>(worker, WORKER_SLOT_FREE));
  store<u32>(worker, connection, WORKER_SLOT_FREE);
}

/** The open connection behind this one, or the first where it is 0; 0 at the end. */
export function nextOpen(worker: usize, connection: usize): usize {
  const slots: usize = load<u32>(worker, WORKER_SLOTS);
  const end = slots + load<u32>(worker, WORKER_SLOT_CARVED) * SLOT_SIZE;
  for (let next = connection == 0 ? slots : connection + SLOT_SIZE; next < end; next += SLOT_SIZE) {
    if (load<u32>(next, CONNECTION_CAPACITY) != 0) return next;
  }
  return 0;
}

/** Whether the connection has a slice for answers, or gets one now. */
export function takeOutput(worker: usize, connection: usize): bool {
  if (load<u32>(connection, CONNECTION_OUTPUT) != 0) return true;
  const slice = takeSlice(worker);
  store<u32>(connection, slice, CONNECTION_OUTPUT);
  return slice != 0;
}

export function giveOutput(worker: usize, connection: usize): void {
  const output: usize = load<u32>(connection, CONNECTION_OUTPUT);
  if (output != 0 && output != connection + CONNECTION_OWN_INPUT) giveSlice(worker, output);
  store<u32>(connection, 0, CONNECTION_OUTPUT);
}

/**
 * Moves a short answer into the slot, whose input is empty until it is sent: the slice is free for
 * the next connection, and stays in the processor's cache.
 */
export function shortenOutput(worker: usize, connection: usize, byteLength: u32): void {
  if (byteLength > <u32> CONNECTION_INPUT_SIZE || isSlice(connection)) return;
  if (load<u32>(connection, CONNECTION_FILLED) != load<u32>(connection, CONNECTION_HEAD)) return;
  const output = connection + CONNECTION_OWN_INPUT;
  memory.copy(output, load<u32>(connection, CONNECTION_OUTPUT), byteLength);
  giveOutput(worker, connection);
  store<u32>(connection, output, CONNECTION_OUTPUT);
}

/**
 * Moves what was not consumed to the beginning of the input, and that into the slot or a slice as
 * it needs room; false where it needs a slice and there is none.
 * @param expected Bytes that are known to follow: worth a slice if there is one.
 */
export function compactInput(worker: usize, connection: usize, expected: u32 = 0): bool {
  const head = load<u32>(connection, CONNECTION_HEAD);
  const input: usize = load<u32>(connection, CONNECTION_INPUT);
  const filled = load<u32>(connection, CONNECTION_FILLED) - head;
  let target = input;
  const isFull = filled == load<u32>(connection, CONNECTION_CAPACITY);
  const fitsSlot = filled + expected < <u32> CONNECTION_INPUT_SIZE;
  if (isSlice(connection)) {
    if (isFull) return false;
    if (fitsSlot) target = connection + CONNECTION_OWN_INPUT;
  } else if (isFull || !fitsSlot) {
    const slice = takeInputSlice(worker, connection);
    if (slice == 0 && isFull) return false;
    if (slice != 0) target = slice;
  }
  if (target + head != input || head != 0) memory.copy(target, input + head, filled);
  if (target != input) {
    giveInput(worker, connection);
    const isOwn = target == connection + CONNECTION_OWN_INPUT;
    store<u32>(connection, target, CONNECTION_INPUT);
    store<u32>(
      connection,
      isOwn ? CONNECTION_INPUT_SIZE : load<u32>(CONTROL_HTTP_SLICE_SIZE),
      CONNECTION_CAPACITY,
    );
  }
  store<u32>(connection, filled, CONNECTION_FILLED);
  if (head != 0) moveOffsets(connection, head);
  return true;
}

/** A slice for what is received; 0 where others have as many as they may. */
function takeInputSlice(worker: usize, connection: usize): usize {
  const slices = load<u32>(worker, WORKER_INPUT_SLICES);
  const isWebSocket = load<u32>(connection, CONNECTION_PHASE) == PHASE_WEBSOCKET;
  const share = isWebSocket ? MESSAGE_SHARE_OF_4 : INPUT_SHARE_OF_4;
  const most = load<u32>(worker, WORKER_SLICE_COUNT_MAX);
  if (slices >= most / 4 * share) return 0;
  const holder = slices < most / UNCOUNTED_SHARE ? 0 : holderOf(worker, connection);
  if (holder != 0 && load<u16>(holder) >= max<u32>(most / ADDRESS_SHARE, 1)) return 0;
  const slice = takeSlice(worker);
  if (slice == 0) return 0;
  store<u32>(worker, slices + 1, WORKER_INPUT_SLICES);
  store<u32>(connection, holder, CONNECTION_SLICE_HOLDER);
  if (holder != 0) store<u16>(holder, load<u16>(holder) + 1);
  return slice;
}

/** Where the slices of a client's address (of IPv6, its network) are counted; 0 for nowhere. */
function holderOf(worker: usize, connection: usize): usize {
  const peer = connection + CONNECTION_PEER;
  if (isTrusted(peer)) return 0;
  const byteLength = load<u32>(peer, ADDRESS_KIND) == KIND_IPV4 ? 4 : IPV6_NETWORK_SIZE;
  const hash = sipHash(CONTROL_TABLE_KEY, peer + ADDRESS_BYTES, byteLength, 1, 3);
  return worker + WORKER_SLICE_HOLDERS + ((<usize> hash & (SLICE_HOLDERS - 1)) << 1);
}

function moveOffsets(connection: usize, by: u32): void {
  store<u32>(connection, 0, CONNECTION_HEAD);
  // A WebSocket has other fields in their place.
  if (load<u32>(connection, CONNECTION_PHASE) == PHASE_WEBSOCKET) return;
  store<u32>(connection, load<u32>(connection, CONNECTION_KEY) - by, CONNECTION_KEY);
  store<u32>(connection, load<u32>(connection, CONNECTION_LINE) - by, CONNECTION_LINE);
  store<u32>(connection, load<u32>(connection, CONNECTION_SCANNED) - by, CONNECTION_SCANNED);
  store<u32>(connection, load<u32>(connection, CONNECTION_TARGET) - by, CONNECTION_TARGET);
  store<u32>(connection, load<u32>(connection, CONNECTION_HEADERS) - by, CONNECTION_HEADERS);
}

function isSlice(connection: usize): bool {
  return load<u32>(connection, CONNECTION_INPUT) != connection + CONNECTION_OWN_INPUT;
}

function giveInput(worker: usize, connection: usize): void {
  if (!isSlice(connection)) return;
  giveSlice(worker, load<u32>(connection, CONNECTION_INPUT));
  const holder: usize = load<u32>(connection, CONNECTION_SLICE_HOLDER);
  if (holder != 0) store<u16>(holder, load<u16>(holder) - 1);
  store<u32>(worker, load<u32>(worker, WORKER_INPUT_SLICES) - 1, WORKER_INPUT_SLICES);
}

function takeSlice(worker: usize): usize {
  const slice: usize = load<u32>(worker, WORKER_SLICE_FREE);
  if (slice == 0) return newSlice(worker);
  store<u32>(worker, load<u32>(slice), WORKER_SLICE_FREE);
  return slice;
}

/** One more slice, which the worker then keeps; 0 at its limit or when memory is full. */
function newSlice(worker: usize): usize {
  const sliceCount = load<u32>(worker, WORKER_SLICE_COUNT);
  if (sliceCount == load<u32>(worker, WORKER_SLICE_COUNT_MAX)) return 0;
  const slice = takeAnswerPages(worker, pagesFor(load<u32>(CONTROL_HTTP_SLICE_SIZE)));
  if (slice != 0) store<u32>(worker, sliceCount + 1, WORKER_SLICE_COUNT);
  return slice;
}

function giveSlice(worker: usize, slice: usize): void {
  store<u32>(slice, load<u32>(worker, WORKER_SLICE_FREE));
  store<u32>(worker, slice, WORKER_SLICE_FREE);
}

if (OUTBOX_IS_READY >= CONNECTION_OWN_INPUT) ERROR("An outbox reaches into the input");
if (SLOT_SIZE != CONNECTION_OWN_INPUT + CONNECTION_INPUT_SIZE) {
  ERROR("A slot and its parts disagree");
}
if (CONNECTION_ENDING >= CONNECTION_OWN_INPUT) ERROR("A connection's record is too small");
