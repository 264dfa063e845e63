/**
 * Where a request's target leads: /announce and /scrape in the spellings that are in use.
 *
 *     /announce  /announce/  /announce.php  /KEY/announce  /announce/KEY    and the same of scrape
 *
 * The key of a private tracker is passed on in the QUERY record and not judged here.
 */
import { QUERY_KEY, QUERY_KEY_LENGTH, WORKER_QUERY } from "./layout";
import { findByte, lower8 } from "./scan";

export const ROUTE_NONE: u32 = 0;
export const ROUTE_ANNOUNCE: u32 = 1;
export const ROUTE_SCRAPE: u32 = 2;

const SLASH: u32 = 0x2f;
const QUESTION: u32 = 0x3f;
const KEY_LENGTH_MAX: u32 = 128;

// Parts of targets as they lie in memory.
const HTTP_SCHEME: u64 = 0x2f2f3a70747468; // http://
const HTTPS_SCHEME: u64 = 0x2f2f3a7370747468; // https://
const SEVEN_BYTES: u64 = 0xffffffffffffff;
const ANNOUNCE: u64 = 0x65636e756f6e6e61; // announce
const SCRAPE: u64 = 0x657061726373; // scrape
const SIX_BYTES: u64 = 0xffffffffffff;
const PHP: u32 = 0x7068702e; // .php

/** ROUTE_*; QUERY_KEY is the key in the path, or 0. */
export function routeTarget(worker: usize, target: usize, end: usize): u32 {
  const query = worker + WORKER_QUERY;
  store<u32>(query, 0, QUERY_KEY);
  store<u32>(query, 0, QUERY_KEY_LENGTH);
  let path = skipAuthority(target, end);
  const pathEnd = findByte(path, end, QUESTION);
  if (path == pathEnd || load<u8>(path) != SLASH) return ROUTE_NONE;
  const first = path + 1;
  const firstEnd = findByte(first, pathEnd, SLASH);
  if (firstEnd == pathEnd) return nameRoute(first, pathEnd);
  const second = firstEnd + 1;
  // A third part there cannot be.
  if (findByte(second, pathEnd, SLASH) != pathEnd) return ROUTE_NONE;
  let route = nameRoute(first, firstEnd);
  if (route != ROUTE_NONE) return setKey(query, second, pathEnd) ? route : ROUTE_NONE;
  route = nameRoute(second, pathEnd);
  return first < firstEnd && setKey(query, first, firstEnd) ? route : ROUTE_NONE;
}

/** Where the query begins behind its question mark, or `end`. */
export function targetQuery(target: usize, end: usize): usize {
  return min<usize>(findByte(target, end, QUESTION) + 1, end);
}

/** Absolute targets, which proxies send, name the host once more (RFC 9112, 3.2.2). */
export function skipAuthority(target: usize, end: usize): usize {
  let host = target;
  if (end - target > 8 && lower8(target) == HTTPS_SCHEME) host += 8;
  else if (end - target > 7 && (lower8(target) & SEVEN_BYTES) == HTTP_SCHEME) host += 7;
  else return target;
  return findByte(host, end, SLASH);
}

function nameRoute(ptr: usize, end: usize): u32 {
  let byteLength: u32 = end - ptr;
  if (byteLength > 4 && load<u32>(end - 4) == PHP) byteLength -= 4;
  if (byteLength == 8 && load<u64>(ptr) == ANNOUNCE) return ROUTE_ANNOUNCE;
  return byteLength == 6 && (load<u64>(ptr) & SIX_BYTES) == SCRAPE ? ROUTE_SCRAPE : ROUTE_NONE;
}

/** An empty key, as in /announce/, is none. */
function setKey(query: usize, key: usize, end: usize): bool {
  const byteLength: u32 = end - key;
  if (byteLength > KEY_LENGTH_MAX) return false;
  if (byteLength == 0) return true;
  store<u32>(query, key, QUERY_KEY);
  store<u32>(query, byteLength, QUERY_KEY_LENGTH);
  return true;
}
