/**
 * Outboxes: what waits to be sent on a WebSocket connection, written to by any worker.
 *
 * An outbox is a chain of blocks from the allocator, bounded in bytes, under the lock in its
 * connection's slot. Whoever writes names the generation of the slot that it means, so that nothing
 * reaches a connection that has taken the place of another. An outbox that was empty puts its
 * connection on its worker's ready list; a list that was empty wakes that worker: once a burst.
 * The lock of an outbox and that of a list are never held together, nor with a shard's.
 *
 * All of them together are bounded, too: those who do not read are not to push swarms out of
 * memory. Beyond a quarter of it whoever has something waiting is given up rather than given more,
 * beyond half of it everybody.
 */
import {
  CONNECTION_ENDING,
  CONTROL_PAGE_COUNT,
  CONTROL_WS_OUTBOX_BYTES,
  CONTROL_WS_PARCEL_BYTES,
  COUNT_BYTES_SENT,
  COUNT_WS_OVERFLOWS,
  ENDING_CLOSE,
  OUTBOX_BYTES,
  OUTBOX_FIRST,
  OUTBOX_GENERATION,
  OUTBOX_IS_READY,
  OUTBOX_LAST,
  OUTBOX_LOCK,
  OUTBOX_NEXT_READY,
  OUTBOX_SENT,
  OUTBOX_STATE,
  OUTBOX_WORKER,
  PAGE_SIZE,
  PARCEL_BYTES,
  PARCEL_CAPACITY,
  PARCEL_FILLED,
  PARCEL_NEXT,
  POST_CLOSED,
  POST_FULL,
  POST_OPENED,
  SMALL_BLOCK_MAX,
  WORKER_READY_FIRST,
  WORKER_READY_LAST,
  WORKER_READY_LOCK,
  WORKER_SIZE,
  WORKER_WAKE,
  WORKER_WOKEN,
  WORKERS,
} from "./layout";
import { copyShort } from "./bytes";
import { count, countMany } from "./counters";
import { lock, unlock } from "./lock";
import { give, takeForAnswer, takenByteLength } from "./memory";

const COPY_SLACK: u32 = 16;
/** Of all memory, what outboxes may take where something waits in them already: a quarter. */
const SHARE_SHIFT: u32 = 2;

/** Whether the outbox that is written to was empty: scratch of this instance. */
let wasEmpty: bool = false;

/** Makes the connection one that can be written to. */
export function openOutbox(worker: usize, connection: usize): void {
  lock(worker, connection + OUTBOX_LOCK);
  store<u32>(connection, worker, OUTBOX_WORKER);
  store<u32>(connection, POST_OPENED, OUTBOX_STATE);
  unlock(connection + OUTBOX_LOCK);
}

/** Ends that, drops what was not sent, and begins the slot's next generation. */
export function closeOutbox(worker: usize, connection: usize): void {
  lock(worker, connection + OUTBOX_LOCK);
  while (load<u32>(connection, OUTBOX_FIRST) != 0) dropFirst(worker, connection);
  store<u32>(connection, 0, OUTBOX_LAST);
  store<u32>(connection, 0, OUTBOX_SENT);
  store<u32>(connection, 0, OUTBOX_BYTES);
  store<u32>(connection, 0, OUTBOX_STATE);
  store<u32>(connection, load<u32>(connection, OUTBOX_GENERATION) + 1, OUTBOX_GENERATION);
  unlock(connection + OUTBOX_LOCK);
}

/**
 * Begins to write `byteLength` bytes: `put` and `finish` follow, and nothing else in between, for
 * the lock is held. False where the connection is gone, ends, or does not read.
 */
export function begin(
  worker: usize,
  connection: usize,
  generation: u32,
  byteLength: u32,
): bool {
  lock(worker, connection + OUTBOX_LOCK);
  const isOpen = load<u32>(connection, OUTBOX_GENERATION) == generation &&
    load<u32>(connection, OUTBOX_STATE) == POST_OPENED;
  const before = load<u32>(connection, OUTBOX_BYTES);
  const isRoom = isOpen && before + byteLength <= load<u32>(CONTROL_WS_OUTBOX_BYTES) &&
    reserve(worker, connection, before, byteLength);
  if (!isRoom) {
    if (isOpen) store<u32>(connection, POST_OPENED | POST_FULL, OUTBOX_STATE);
    unlock(connection + OUTBOX_LOCK);
    if (!isOpen) return false;
    count(worker, COUNT_WS_OVERFLOWS);
    pushReady(worker, connection);
    return false;
  }
  wasEmpty = before == 0;
  store<u32>(connection, before + byteLength, OUTBOX_BYTES);
  return true;
}

/** Writes some of the bytes that `begin` was told of. */
export function put(connection: usize, ptr: usize, byteLength: u32): void {
  while (true) {
    const parcel: usize = load<u32>(connection, OUTBOX_LAST);
    const filled = load<u32>(parcel, PARCEL_FILLED);
    const room = load<u32>(parcel, PARCEL_CAPACITY) - filled;
    const part = min<u32>(byteLength, room);
    const out = parcel + PARCEL_BYTES + filled;
    // In strides where there is room for the last one.
    if (room - part >= COPY_SLACK) copyShort(out, ptr, part);
    else memory.copy(out, ptr, part);
    store<u32>(parcel, filled + part, PARCEL_FILLED);
    byteLength -= part;
    if (byteLength == 0) return;
    ptr += part;
    store<u32>(connection, load<u32>(parcel, PARCEL_NEXT), OUTBOX_LAST);
  }
}

export function finish(worker: usize, connection: usize): void {
  const isNews = wasEmpty;
  unlock(connection + OUTBOX_LOCK);
  if (isNews) pushReady(worker, connection);
}

/** Lets nothing follow what is in the outbox. */
export function seal(worker: usize, connection: usize): void {
  lock(worker, connection + OUTBOX_LOCK);
  store<u32>(connection, load<u32>(connection, OUTBOX_STATE) | POST_CLOSED, OUTBOX_STATE);
  unlock(connection + OUTBOX_LOCK);
  // Its worker is to see that it ends, even where there is nothing to send.
  pushReady(worker, connection);
}

/** Makes room behind the `before` bytes that wait; false when memory is full. */
function reserve(worker: usize, connection: usize, before: u32, byteLength: u32): bool {
  let last: usize = load<u32>(connection, OUTBOX_LAST);
  let room: u32 = 0;
  if (last != 0) room = load<u32>(last, PARCEL_CAPACITY) - load<u32>(last, PARCEL_FILLED);
  while (room < byteLength) {
    // As much again as waits already, so that many frames go out in few writes; at most a page.
    const wanted = max<u32>(byteLength - room, min<u32>(before, SMALL_BLOCK_MAX - PARCEL_BYTES));
    const wantedSize: u32 = wanted + PARCEL_BYTES > <u32> SMALL_BLOCK_MAX
      ? PAGE_SIZE
      : wanted + PARCEL_BYTES;
    if (!isWithinShare(before, wantedSize)) return false;
    const parcel = takeForAnswer(worker, wantedSize);
    if (parcel == 0) return false;
    const size = takenByteLength;
    atomic.add<u32>(CONTROL_WS_PARCEL_BYTES, size);
    store<u32>(parcel, 0, PARCEL_NEXT);
    store<u32>(parcel, size - PARCEL_BYTES, PARCEL_CAPACITY);
    store<u32>(parcel, 0, PARCEL_FILLED);
    if (last != 0) {
      store<u32>(last, parcel, PARCEL_NEXT);
    } else {
      store<u32>(connection, parcel, OUTBOX_FIRST);
      store<u32>(connection, parcel, OUTBOX_LAST);
    }
    last = parcel;
    room += size - PARCEL_BYTES;
  }
  return true;
}

function dropFirst(worker: usize, connection: usize): void {
  const parcel: usize = load<u32>(connection, OUTBOX_FIRST);
  store<u32>(connection, load<u32>(parcel, PARCEL_NEXT), OUTBOX_FIRST);
  store<u32>(connection, 0, OUTBOX_SENT);
  const size = load<u32>(parcel, PARCEL_CAPACITY) + PARCEL_BYTES;
  atomic.sub<u32>(CONTROL_WS_PARCEL_BYTES, size);
  give(worker, parcel, size);
}

/** Whether all outboxes may take so much more, of which this one has `before` bytes waiting. */
function isWithinShare(before: u32, size: u32): bool {
  const share = load<u32>(CONTROL_PAGE_COUNT) * (PAGE_SIZE >> SHARE_SHIFT);
  const taken = atomic.load<u32>(CONTROL_WS_PARCEL_BYTES) + size;
  return taken <= (before == 0 ? share << 1 : share);
}

/** The bytes in a row that are to be sent next; 0 for none, and where it was given up. */
export function waiting(worker: usize, connection: usize): u32 {
  lock(worker, connection + OUTBOX_LOCK);
  const parcel: usize = load<u32>(connection, OUTBOX_FIRST);
  const isSent = parcel != 0 && (load<u32>(connection, OUTBOX_STATE) & POST_FULL) == 0;
  const byteLength = isSent
    ? load<u32>(parcel, PARCEL_FILLED) - load<u32>(connection, OUTBOX_SENT)
    : 0;
  unlock(connection + OUTBOX_LOCK);
  return byteLength;
}

/** Where they lie. */
export function waitingPtr(connection: usize): usize {
  return load<u32>(connection, OUTBOX_FIRST) + PARCEL_BYTES + load<u32>(connection, OUTBOX_SENT);
}

/** So many of them were sent. */
export function sent(worker: usize, connection: usize, byteLength: u32): void {
  countMany(worker, COUNT_BYTES_SENT, byteLength);
  lock(worker, connection + OUTBOX_LOCK);
  const left = load<u32>(connection, OUTBOX_BYTES) - byteLength;
  store<u32>(connection, left, OUTBOX_BYTES);
  const offset = load<u32>(connection, OUTBOX_SENT) + byteLength;
  store<u32>(connection, offset, OUTBOX_SENT);
  const parcel: usize = load<u32>(connection, OUTBOX_FIRST);
  // One that is full is done; the last one only when nothing waits, as it is written to.
  if (offset == load<u32>(parcel, PARCEL_FILLED)) {
    if (left == 0) {
      while (load<u32>(connection, OUTBOX_FIRST) != 0) dropFirst(worker, connection);
      store<u32>(connection, 0, OUTBOX_LAST);
    } else {
      dropFirst(worker, connection);
    }
  }
  unlock(connection + OUTBOX_LOCK);
}

/** Puts the connection on its worker's ready list, and wakes that worker where it was empty. */
export function pushReady(worker: usize, connection: usize): void {
  const owner: usize = load<u32>(connection, OUTBOX_WORKER);
  let isFirst = false;
  lock(worker, owner + WORKER_READY_LOCK);
  if (load<u32>(connection, OUTBOX_IS_READY) == 0) {
    store<u32>(connection, 1, OUTBOX_IS_READY);
    store<u32>(connection, 0, OUTBOX_NEXT_READY);
    isFirst = load<u32>(owner, WORKER_READY_FIRST) == 0;
    if (isFirst) store<u32>(owner, connection, WORKER_READY_FIRST);
    else store<u32>(load<u32>(owner, WORKER_READY_LAST), connection, OUTBOX_NEXT_READY);
    store<u32>(owner, connection, WORKER_READY_LAST);
  }
  unlock(owner + WORKER_READY_LOCK);
  // The worker itself looks at its list after every call.
  if (!isFirst || owner == worker) return;
  atomic.add<u32>(owner + WORKER_WAKE, 1);
  atomic.notify(owner + WORKER_WAKE, 1);
  // Where that worker waits for epoll, this one's native driver wakes it.
  const bit: u64 = 1 << <u64> ((owner - WORKERS) / WORKER_SIZE);
  store<u64>(worker, load<u64>(worker, WORKER_WOKEN) | bit, WORKER_WOKEN);
}

/** Takes the next connection from the worker's ready list; 0 at its end. */
export function nextReady(worker: usize): usize {
  while (true) {
    lock(worker, worker + WORKER_READY_LOCK);
    const connection: usize = load<u32>(worker, WORKER_READY_FIRST);
    if (connection != 0) {
      store<u32>(worker, load<u32>(connection, OUTBOX_NEXT_READY), WORKER_READY_FIRST);
      store<u32>(connection, 0, OUTBOX_IS_READY);
    }
    unlock(worker + WORKER_READY_LOCK);
    if (connection == 0) return 0;
    // Closed since, it may stand there still; each is there at most once, so this ends.
    const state = load<u32>(connection, OUTBOX_STATE);
    if ((state & POST_OPENED) == 0) continue;
    if (state & POST_FULL) store<u32>(connection, ENDING_CLOSE, CONNECTION_ENDING);
    return connection;
  }
}
