/** What the client asks and gets, whatever the protocol. */

/** What has happened to the download since the last announce. */
export type AnnounceEvent = "started" | "completed" | "stopped";

/** How to ask. */
export interface AskOptions {
  /** Milliseconds until the client gives up, all repetitions included. Default: 15,000. */
  timeoutMs?: number;
}

/** An announce. */
export interface AnnounceOptions extends AskOptions {
  /** 20 bytes, or 40 hexadecimal digits. */
  infoHash: string | Uint8Array;
  /** Where the peer takes connections. */
  port: number;
  /** Bytes that it still lacks: 0 makes it a seeder. */
  left: number | bigint;
  /** Bytes received. Default: 0. */
  downloaded?: number | bigint;
  /** Bytes sent. Default: 0. */
  uploaded?: number | bigint;
  /** Default: a regular announce. */
  event?: AnnounceEvent;
  /** 20 bytes. Default: random ones, other ones at each call. */
  peerId?: Uint8Array;
  /** How many peers to return. Default: as many as the tracker likes. */
  numWant?: number;
}

/** An announce with everything filled in. */
export interface Announce extends AnnounceOptions {
  infoHash: Uint8Array;
  peerId: Uint8Array;
}

/** Where a peer takes connections. */
export interface PeerAddress {
  /** IPv4 or IPv6, without brackets. */
  address: string;
  /** 1 to 65535. */
  port: number;
}

/** What a tracker answers to an announce. */
export interface AnnounceAnswer {
  /** Seconds until the next announce. */
  interval: number;
  /** Peers that have everything. */
  seeders: number;
  /** Peers that lack something. */
  leechers: number;
  /** Some of the others. */
  peers: PeerAddress[];
}

/** The counts of one torrent. */
export interface ScrapeCounts {
  /** Peers that have everything. */
  seeders: number;
  /** Downloads that were completed. */
  completed: number;
  /** Peers that lack something. */
  leechers: number;
}

/** A tracker that refused, in its own words, or that could not be asked. */
export class TrackerError extends Error {
  /** Tells it from other errors where it was copied between threads. */
  override name = "TrackerError";
}

/** Takes an info hash in either form. */
export function toBytes(infoHash: string | Uint8Array): Uint8Array {
  const bytes = typeof infoHash === "string" ? Uint8Array.fromHex(infoHash) : infoHash;
  if (bytes.byteLength === 20) return bytes;
  throw new RangeError(`Cannot ask for an info hash of ${bytes.byteLength} bytes: expected 20`);
}

/** How long to wait where nothing is said. */
export const TIMEOUT_MS = 15_000;
