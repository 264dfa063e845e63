/** Requests of a client that leaves most fields at their defaults. */
import * as wire from "../support/packets.ts";

export interface AnnounceFields {
  connectionId: Uint8Array;
  transactionId?: number;
  infoHash: Uint8Array;
  left?: bigint;
  event?: number;
  /** The address field of the packet, which no tracker should believe. */
  ipAddress?: number;
  numWant?: number;
  port: number;
  /** What follows the 98 bytes: BEP 41 options, padding. */
  options?: Uint8Array;
}

const PEER_ID = new TextEncoder().encode("-RT0001-0123456789ab");
const NO_OPTIONS = new Uint8Array(0);

export function writeConnect(transactionId = 0): Uint8Array {
  return wire.writeConnect(transactionId);
}

export function writeAnnounce(fields: AnnounceFields): Uint8Array {
  return wire.writeAnnounce({
    connectionId: fields.connectionId,
    transactionId: fields.transactionId ?? 0,
    infoHash: fields.infoHash,
    peerId: PEER_ID,
    downloaded: 1n,
    left: fields.left ?? 1n,
    uploaded: 2n,
    event: fields.event ?? wire.EVENT_NONE,
    ipAddress: fields.ipAddress ?? 0,
    key: 0xdeadbeef,
    numWant: fields.numWant ?? -1,
    port: fields.port,
    options: fields.options ?? NO_OPTIONS,
  });
}

export function writeScrape(
  connectionId: Uint8Array,
  infoHashes: Uint8Array[],
  transactionId = 0,
): Uint8Array {
  return wire.writeScrape({ connectionId, transactionId, infoHashes });
}
