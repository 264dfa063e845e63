/**
 * Unfinished messages of a worker's WebSockets that are held in memory, the longest begun first.
 *
 * All of them together are bounded (WORKER_MESSAGE_BYTES_MAX). Whoever begins one when there is no
 * room left does not pay for those who do not finish theirs: the longest begun gives way. A client
 * is done with its own within milliseconds, so to push it out takes somebody who fills the whole
 * bound anew in that time.
 */
import { BEGUN_NEXT, BEGUN_PREVIOUS, WORKER_BEGUN_FIRST, WORKER_BEGUN_LAST } from "./layout";

/** The connection whose message began first, but not `except`; 0 for none. */
export function longestBegun(worker: usize, except: usize): usize {
  const first: usize = load<u32>(worker, WORKER_BEGUN_FIRST);
  return first == except && first != 0 ? load<u32>(first, BEGUN_NEXT) : first;
}

/** Adds a connection whose message begins. */
export function addBegun(worker: usize, connection: usize): void {
  const last: usize = load<u32>(worker, WORKER_BEGUN_LAST);
  store<u32>(connection, 0, BEGUN_NEXT);
  store<u32>(connection, last, BEGUN_PREVIOUS);
  if (last != 0) store<u32>(last, connection, BEGUN_NEXT);
  else store<u32>(worker, connection, WORKER_BEGUN_FIRST);
  store<u32>(worker, connection, WORKER_BEGUN_LAST);
}

/** Removes a connection that is in the list. */
export function removeBegun(worker: usize, connection: usize): void {
  const next: usize = load<u32>(connection, BEGUN_NEXT);
  const previous: usize = load<u32>(connection, BEGUN_PREVIOUS);
  if (next != 0) store<u32>(next, previous, BEGUN_PREVIOUS);
  else store<u32>(worker, previous, WORKER_BEGUN_LAST);
  if (previous != 0) store<u32>(previous, next, BEGUN_NEXT);
  else store<u32>(worker, next, WORKER_BEGUN_FIRST);
}
