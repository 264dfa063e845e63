/** BEP 15 on the tracker's side, written for reading: requests in, the fields of answers out. */
import {
  ACTION_ANNOUNCE,
  ACTION_CONNECT,
  ACTION_SCRAPE,
  ANNOUNCE_BYTE_LENGTH,
  PROTOCOL_ID,
} from "../support/packets.ts";
import { keyOf } from "./bytes.ts";

/** A longer datagram is cut by the drivers' buffers, so it is dropped. */
export const DATAGRAM_MAX = 2048;
/** No answer is longer (protocols.md A4). */
export const ANSWER_MAX = 1400;

export interface Announce {
  action: "announce";
  transactionId: number;
  connectionId: string;
  infoHash: string;
  /** Whether `left` is zero; no other property of `left` matters. */
  isComplete: boolean;
  event: number;
  numWant: number;
  port: number;
}

export interface Scrape {
  action: "scrape";
  transactionId: number;
  connectionId: string;
  infoHashes: string[];
  /** The length is not 16 + 20 n. */
  isRagged: boolean;
}

export type Request =
  | { action: "connect"; transactionId: number }
  | Announce
  | Scrape
  | { action: "short announce"; transactionId: number; connectionId: string }
  /** Nothing that may be answered, and why. */
  | { action: "none"; why: string };

export function parseRequest(packet: Uint8Array): Request {
  if (packet.length < 16) return { action: "none", why: "shorter than 16 bytes" };
  if (packet.length > DATAGRAM_MAX) return { action: "none", why: "cut by the receive buffer" };
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const transactionId = view.getUint32(12);
  switch (view.getUint32(8)) {
    case ACTION_CONNECT:
      return view.getBigUint64(0) === PROTOCOL_ID
        ? { action: "connect", transactionId }
        : { action: "none", why: "connect without the magic" };
    case ACTION_ANNOUNCE:
      return parseAnnounce(packet, view);
    case ACTION_SCRAPE:
      return parseScrape(packet, transactionId);
    default:
      return { action: "none", why: "an action that nobody answers" };
  }
}

function parseAnnounce(packet: Uint8Array, view: DataView): Request {
  const transactionId = view.getUint32(12);
  const connectionId = keyOf(packet, 0, 8);
  if (packet.length < ANNOUNCE_BYTE_LENGTH) {
    return { action: "short announce", transactionId, connectionId };
  }
  return {
    action: "announce",
    transactionId,
    connectionId,
    infoHash: keyOf(packet, 16, 36),
    isComplete: view.getUint32(64) === 0 && view.getUint32(68) === 0,
    event: view.getUint32(80),
    numWant: view.getInt32(92),
    port: view.getUint16(96),
  };
}

function parseScrape(packet: Uint8Array, transactionId: number): Scrape {
  const infoHashes: string[] = [];
  for (let start = 16; start + 20 <= packet.length; start += 20) {
    infoHashes.push(keyOf(packet, start, start + 20));
  }
  return {
    action: "scrape",
    transactionId,
    connectionId: keyOf(packet, 0, 8),
    infoHashes,
    isRagged: (packet.length - 16) % 20 !== 0,
  };
}

/** The concatenated URLData of an announce (BEP 41); what cannot be read ends the options. */
export function parseUrlData(packet: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  let at = ANNOUNCE_BYTE_LENGTH;
  while (at < packet.length && packet[at] !== 0) {
    if (packet[at] === 1) {
      ++at;
      continue;
    }
    if (at + 1 >= packet.length) break;
    const end = at + 2 + packet[at + 1];
    if (end > packet.length) break;
    if (packet[at] === 2) bytes.push(...packet.subarray(at + 2, end));
    at = end;
  }
  return Uint8Array.from(bytes);
}
