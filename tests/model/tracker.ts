/** What the model, the histories and the fuzzer need of a tracker, whatever it is made of. */

/** Where a datagram came from: 4 or 16 address bytes in wire order, and the source port. */
export interface Source {
  readonly address: Uint8Array;
  readonly port: number;
}

export type AccessMode = "off" | "black" | "white";

export interface TrackerUnderTest {
  /** Answers one datagram; null is silence. The answer holds until the next call. */
  handle(packet: Uint8Array, source: Source): Uint8Array | null;
  /** Sets the clock, in seconds since the tracker started; it never goes back. */
  setNow(seconds: number): void;
  /** Runs one whole sweep over all torrents. */
  sweep(): void;
  loadAccessList(mode: AccessMode, infoHashes: readonly Uint8Array[]): void;
  /** What the tracker's own counters say it holds. */
  totals?(): Totals;
}

export interface Totals {
  torrents: number;
  ipv4Peers: number;
  ipv6Peers: number;
  /** Downloads counted since the start. */
  completed: number;
}

/** The limits that a tracker runs with; the names are those of the configuration. */
export interface Limits {
  maxScrapeTorrents: number;
  maxResponsePeers: number;
  defaultResponsePeers: number;
  announceIntervalSeconds: number;
  maxPeerAgeSeconds: number;
  maxConnectionAgeSeconds: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxScrapeTorrents: 70,
  maxResponsePeers: 200,
  defaultResponsePeers: 50,
  announceIntervalSeconds: 900,
  maxPeerAgeSeconds: 1800,
  maxConnectionAgeSeconds: 120,
};
