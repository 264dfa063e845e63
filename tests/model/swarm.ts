/**
 * Torrents as plain Maps: who is in which swarm, in what role, seen when.
 *
 * A peer is (family, address, port) and nothing else; its download is counted once, as long as it
 * is stored. Time only passes in sweep(): until then an old peer is still a peer.
 */
export type Role = "leecher" | "partial seed" | "seeder";

export interface Peer {
  role: Role;
  seenSeconds: number;
  isCounted: boolean;
}

/** The peers of one torrent and one family, keyed as they stand in answers. */
export class Swarm {
  readonly peers = new Map<string, Peer>();
  readonly #roles: Record<Role, number> = { leecher: 0, "partial seed": 0, seeder: 0 };

  /** Leechers without the partial seeds. */
  get leechersProper(): number {
    return this.#roles.leecher;
  }

  /** Leechers as clients are told: partial seeds are incomplete too. */
  get leechers(): number {
    return this.#roles.leecher + this.#roles["partial seed"];
  }

  get seeders(): number {
    return this.#roles.seeder;
  }

  /** Stores or renews a peer; whether its download is to be counted now. */
  upsert(key: string, role: Role, isCompleted: boolean, now: number): boolean {
    const known = this.peers.get(key);
    const counts = isCompleted && !known?.isCounted;
    if (known) --this.#roles[known.role];
    ++this.#roles[role];
    this.peers.set(key, {
      role,
      seenSeconds: now,
      isCounted: isCompleted || (known?.isCounted ?? false),
    });
    return counts;
  }

  remove(key: string): boolean {
    const known = this.peers.get(key);
    if (known) --this.#roles[known.role];
    return this.peers.delete(key);
  }

  expire(now: number, maxAgeSeconds: number): void {
    for (const [key, peer] of this.peers) {
      if (now - peer.seenSeconds > maxAgeSeconds) this.remove(key);
    }
  }
}

export class Torrent {
  readonly ipv4 = new Swarm();
  readonly ipv6 = new Swarm();
  completed = 0;
  lastAnnounceSeconds = 0;

  get seeders(): number {
    return this.ipv4.seeders + this.ipv6.seeders;
  }

  get leechers(): number {
    return this.ipv4.leechers + this.ipv6.leechers;
  }

  get peerCount(): number {
    return this.ipv4.peers.size + this.ipv6.peers.size;
  }
}

export class Torrents {
  readonly byInfoHash = new Map<string, Torrent>();

  get(infoHash: string): Torrent | undefined {
    return this.byInfoHash.get(infoHash);
  }

  take(infoHash: string): Torrent {
    let torrent = this.byInfoHash.get(infoHash);
    if (!torrent) this.byInfoHash.set(infoHash, torrent = new Torrent());
    return torrent;
  }

  /** Removes old peers, and torrents that have none and were not announced for as long. */
  sweep(now: number, maxAgeSeconds: number): void {
    for (const [infoHash, torrent] of this.byInfoHash) {
      torrent.ipv4.expire(now, maxAgeSeconds);
      torrent.ipv6.expire(now, maxAgeSeconds);
      if (torrent.peerCount === 0 && now - torrent.lastAnnounceSeconds > maxAgeSeconds) {
        this.byInfoHash.delete(infoHash);
      }
    }
  }
}
