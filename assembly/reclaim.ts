/**
 * What a worker finds of the one whose place it takes: connections that are open, and lists that
 * nobody may have finished changing.
 *
 * None of it may keep the worker from starting, or it would die of what the other died of. So every
 * connection is closed by a call of its own, which may trap (wasm/http_core.ts), and let go where
 * it does; then the lists are made anew. What hung on a connection that was let go, or on a list
 * that leads nowhere, is never used again, as in recover.ts.
 */
import {
  CONNECTION_CAPACITY,
  CONTROL_ARENA,
  CONTROL_HTTP_SLICE_SIZE,
  CONTROL_PAGE_COUNT,
  COUNT_CONNECTIONS_CLOSED,
  OUTBOX_IS_READY,
  OUTBOX_STATE,
  PAGE_SIZE,
  SLICE_HOLDERS,
  SLOT_SIZE,
  WORKER_BEGUN_FIRST,
  WORKER_BEGUN_LAST,
  WORKER_INPUT_SLICES,
  WORKER_MESSAGE_BYTES,
  WORKER_READY_FIRST,
  WORKER_READY_LOCK,
  WORKER_SLICE_COUNT,
  WORKER_SLICE_FREE,
  WORKER_SLICE_HOLDERS,
  WORKER_SLOT_CARVED,
  WORKER_SLOT_FREE,
  WORKER_SLOTS,
} from "./layout";
import { count } from "./counters";
import { lock, unlock } from "./lock";
import { pagesFor } from "./memory";
import { closeOutbox } from "./outbox";

/**
 * Gives up what is left of a connection that cannot be closed. Its outbox, which others reach, is
 * whole: a trap within one ends the process (recover.ts). A peer that could not be removed stays in
 * its swarm, and what is relayed to it reaches nobody.
 */
export function letGo(worker: usize, connection: usize): void {
  if (load<u32>(connection, OUTBOX_STATE) != 0) closeOutbox(worker, connection);
  count(worker, COUNT_CONNECTIONS_CLOSED);
  store<u32>(connection, 0, CONNECTION_CAPACITY);
}

/** Makes the lists of a worker anew, all of whose connections are closed. */
export function relist(worker: usize): void {
  relistSlots(worker);
  relistSlices(worker);
  store<u32>(worker, 0, WORKER_INPUT_SLICES);
  memory.fill(worker + WORKER_SLICE_HOLDERS, 0, SLICE_HOLDERS << 1);
  store<u32>(worker, 0, WORKER_MESSAGE_BYTES);
  store<u32>(worker, 0, WORKER_BEGUN_FIRST);
  store<u32>(worker, 0, WORKER_BEGUN_LAST);
}

/** Every slot is free, and none is on the list of those that are ready. */
function relistSlots(worker: usize): void {
  const slots: usize = load<u32>(worker, WORKER_SLOTS);
  let free: usize = 0;
  lock(worker, worker + WORKER_READY_LOCK);
  store<u32>(worker, 0, WORKER_READY_FIRST);
  for (let index = load<u32>(worker, WORKER_SLOT_CARVED); index > 0; --index) {
    const slot = slots + (index - 1) * SLOT_SIZE;
    store<u32>(slot, 0, OUTBOX_IS_READY);
    store<u32>(slot, free);
    free = slot;
  }
  unlock(worker + WORKER_READY_LOCK);
  store<u32>(worker, free, WORKER_SLOT_FREE);
}

/** The list holds every slice once, or is left: it may lead anywhere, or in a circle. */
function relistSlices(worker: usize): void {
  const owned = load<u32>(worker, WORKER_SLICE_COUNT);
  let found: u32 = 0;
  let slice: usize = load<u32>(worker, WORKER_SLICE_FREE);
  while (found < owned && isSlice(slice)) {
    ++found;
    slice = load<u32>(slice);
  }
  if (slice != 0) {
    found = 0;
    store<u32>(worker, 0, WORKER_SLICE_FREE);
  }
  store<u32>(worker, found, WORKER_SLICE_COUNT);
}

function isSlice(ptr: usize): bool {
  const offset = ptr - load<u32>(CONTROL_ARENA);
  const end: u32 = load<u32>(CONTROL_PAGE_COUNT) * PAGE_SIZE;
  const byteLength = pagesFor(load<u32>(CONTROL_HTTP_SLICE_SIZE)) * PAGE_SIZE;
  // An address before the arena, 0 among them, is an offset beyond its end.
  return offset % PAGE_SIZE == 0 && offset < end && byteLength <= end - offset;
}
