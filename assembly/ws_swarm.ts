/**
 * Swarms of WebTorrent peers (protocols.md C4, C5): kind KIND_WEBTORRENT of the torrent table.
 *
 * A peer's key is its peer id, its extra column says which connection it is on: the slot's address
 * and generation. An entry belongs to the connection that announced it last; only that one removes
 * it. Such peers never expire: they go when their socket does.
 */
import {
  ANNOUNCE_EXTRA,
  ANNOUNCE_INFO_HASH,
  ANNOUNCE_KEY,
  ANNOUNCE_PEERS,
  ANNOUNCE_ROLE,
  ANNOUNCE_WANT,
  KIND_WEBTORRENT,
  ROLE_STOPPED,
} from "./layout";
import { addCounts, answerPeers, beginAnnounce, isStored, join, swarmPtr } from "./announce";
import { countPeersRemoved } from "./counters";
import { lockShard, unlockShard } from "./lock";
import { blockCapacity, extraPtr } from "./peer_block";
import { deletePeer, foundBlock, foundIndex, lookUpPeer } from "./peer_table";
import { findTorrent, shardOf } from "./torrent_table";

/** The connection that `findSocket` found: scratch of this instance. */
export let foundConnection: usize = 0;
export let foundGeneration: u32 = 0;

/**
 * Carries out the announce in the record at `request`, and chooses the receivers of its offers.
 * @param hash Table hash of its info hash.
 * @param replaced Address of the peer id that the connection had in this torrent so far, or 0.
 * @returns Whether the peer is in the swarm now.
 */
export function announceSocket(
  worker: usize,
  request: usize,
  hash: u64,
  replaced: usize,
): bool {
  const shard = beginAnnounce(worker, request, hash);
  const torrent = findTorrent(shard, hash, load<u32>(request, ANNOUNCE_INFO_HASH));
  const reference: usize = load<u32>(request, ANNOUNCE_EXTRA);
  if (torrent != 0 && replaced != 0) removeOwned(worker, torrent, replaced, reference);
  let isJoined = false;
  if (load<u32>(request, ANNOUNCE_ROLE) == ROLE_STOPPED) {
    if (torrent != 0) {
      removeOwned(worker, torrent, request + ANNOUNCE_KEY, reference);
      addCounts(request, load<u32>(swarmPtr(torrent, KIND_WEBTORRENT)));
    }
  } else {
    const joined = join(worker, shard, torrent, request, hash);
    if (joined != 0) {
      const want = load<u32>(request, ANNOUNCE_WANT);
      const peers = answerPeers(worker, joined, request, KIND_WEBTORRENT, want, 0);
      store<u32>(request, peers, ANNOUNCE_PEERS);
      isJoined = isStored();
    }
  }
  unlockShard(worker, shard);
  return isJoined;
}

/** Removes a peer where it belongs to the connection that `reference` (8 bytes) names. */
export function leaveSocket(
  worker: usize,
  hash: u64,
  infoHash: usize,
  peerId: usize,
  reference: usize,
): void {
  const shard = shardOf(hash);
  lockShard(worker, shard);
  const torrent = findTorrent(shard, hash, infoHash);
  if (torrent != 0) removeOwned(worker, torrent, peerId, reference);
  unlockShard(worker, shard);
}

/** Finds the connection of a peer (`foundConnection`); false where there is none. */
export function findSocket(worker: usize, hash: u64, infoHash: usize, peerId: usize): bool {
  const shard = shardOf(hash);
  lockShard(worker, shard);
  const torrent = findTorrent(shard, hash, infoHash);
  const isFound = torrent != 0 &&
    lookUpPeer(swarmPtr(torrent, KIND_WEBTORRENT), KIND_WEBTORRENT, peerId);
  if (isFound) {
    const reference = foundReference();
    foundConnection = load<u32>(reference);
    foundGeneration = load<u32>(reference, 4);
  }
  unlockShard(worker, shard);
  return isFound;
}

function foundReference(): usize {
  const capacity = blockCapacity(foundBlock, KIND_WEBTORRENT);
  return extraPtr(foundBlock, KIND_WEBTORRENT, capacity, foundIndex);
}

function removeOwned(worker: usize, torrent: usize, peerId: usize, reference: usize): void {
  const swarm = swarmPtr(torrent, KIND_WEBTORRENT);
  if (!lookUpPeer(swarm, KIND_WEBTORRENT, peerId)) return;
  if (load<u64>(foundReference()) != load<u64>(reference)) return;
  if (deletePeer(worker, swarm, KIND_WEBTORRENT, peerId)) {
    countPeersRemoved(worker, KIND_WEBTORRENT, 1);
  }
}
