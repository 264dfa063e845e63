/**
 * The second build, wasm/tracker.test.wasm: the whole ABI, and the inner functions that tests need
 * to reach one by one. Nothing in production loads it.
 */
import { findTorrent, hashInfoHash, shardOf } from "./torrent_table";
import { sipHash, sipHash20 } from "./hash";
import { hashPeer } from "./peer_table";

export * from "./index";
export { currentRules, isAllowed, isDenied } from "./access_rules";
export { checkConnectionId, issueConnectionId } from "./connection_id";
export { lock, unlock } from "./lock";
export {
  classByteLength,
  give,
  giveBlock,
  givePages,
  sizeClass,
  take,
  takeBlock,
  takePages,
} from "./memory";
export { blockCapacity, blockCountMax } from "./peer_block";
export { randomBelow } from "./random";

/** SipHash of the bytes at `ptr`, written to `out`. */
export function hashBytes(
  key: usize,
  ptr: usize,
  byteLength: u32,
  compressionRounds: u32,
  finalizationRounds: u32,
  out: usize,
): void {
  store<u64>(out, sipHash(key, ptr, byteLength, compressionRounds, finalizationRounds));
}

/** SipHash-1-3 of the 20 bytes at `ptr`, written to `out`. */
export function hash20(key: usize, ptr: usize, out: usize): void {
  store<u64>(out, sipHash20(key, ptr));
}

/** The hash that places a peer in its swarm, written to `out`. */
export function hashPeerKey(key: usize, kind: u32, out: usize): void {
  store<u64>(out, hashPeer(key, kind));
}

/** The shard of a torrent. */
export function shardOfTorrent(infoHash: usize): usize {
  return shardOf(hashInfoHash(infoHash));
}

/** The record of a torrent, or 0; without its lock. */
export function torrentRecord(infoHash: usize): usize {
  const hash = hashInfoHash(infoHash);
  return findTorrent(shardOf(hash), hash, infoHash);
}
