/**
 * BEP 15 as a client writes and reads it: requests to bytes, replies from bytes.
 *
 * Written from the specification and independent of the core, because the tests judge the core by
 * it. Reading is strict: a reply whose length does not fit its kind is an error.
 */
import { strict as assert } from "node:assert";

export const PROTOCOL_ID = 0x41727101980n;
export const ACTION_CONNECT = 0;
export const ACTION_ANNOUNCE = 1;
export const ACTION_SCRAPE = 2;
export const ACTION_ERROR = 3;
export const EVENT_NONE = 0;
export const EVENT_COMPLETED = 1;
export const EVENT_STARTED = 2;
export const EVENT_STOPPED = 3;
export const EVENT_PAUSED = 4;

/** Bytes of an announce request without BEP 41 options. */
export const ANNOUNCE_BYTE_LENGTH = 98;

export type Family = "IPv4" | "IPv6";

export interface AnnounceRequest {
  connectionId: Uint8Array;
  transactionId: number;
  infoHash: Uint8Array;
  peerId: Uint8Array;
  downloaded: bigint;
  left: bigint;
  uploaded: bigint;
  event: number;
  /** The address field, which a tracker ignores. */
  ipAddress: number;
  key: number;
  numWant: number;
  port: number;
  /** What follows byte 98 (BEP 41). */
  options: Uint8Array;
}

export interface Peer {
  address: string;
  port: number;
}

export interface ScrapeCounts {
  seeders: number;
  completed: number;
  leechers: number;
}

export type Reply =
  | { kind: "connect"; transactionId: number; connectionId: Uint8Array }
  | {
    kind: "announce";
    transactionId: number;
    interval: number;
    leechers: number;
    seeders: number;
    peers: Peer[];
    byteLength: number;
  }
  | { kind: "scrape"; transactionId: number; torrents: ScrapeCounts[] }
  | { kind: "error"; transactionId: number; message: string };

export type ReplyOf<Kind extends Reply["kind"]> = Extract<Reply, { kind: Kind }>;

/** Writes a connect request (16 bytes). */
export function writeConnect(transactionId: number, protocolId = PROTOCOL_ID): Uint8Array {
  const packet = new Uint8Array(16);
  const view = new DataView(packet.buffer);
  view.setBigUint64(0, protocolId);
  view.setUint32(8, ACTION_CONNECT);
  view.setUint32(12, transactionId);
  return packet;
}

/** Writes an announce request (98 bytes and the options). */
export function writeAnnounce(request: AnnounceRequest): Uint8Array {
  const packet = new Uint8Array(ANNOUNCE_BYTE_LENGTH + request.options.length);
  const view = new DataView(packet.buffer);
  packet.set(request.connectionId, 0);
  view.setUint32(8, ACTION_ANNOUNCE);
  view.setUint32(12, request.transactionId);
  packet.set(request.infoHash, 16);
  packet.set(request.peerId, 36);
  view.setBigUint64(56, request.downloaded);
  view.setBigUint64(64, request.left);
  view.setBigUint64(72, request.uploaded);
  view.setUint32(80, request.event);
  view.setUint32(84, request.ipAddress);
  view.setUint32(88, request.key);
  view.setInt32(92, request.numWant);
  view.setUint16(96, request.port);
  packet.set(request.options, ANNOUNCE_BYTE_LENGTH);
  return packet;
}

/** Writes a scrape request (16 bytes and 20 for each info hash). */
export function writeScrape(
  request: { connectionId: Uint8Array; transactionId: number; infoHashes: Uint8Array[] },
): Uint8Array {
  const packet = writeHeader({ ...request, action: ACTION_SCRAPE });
  return concat(packet, ...request.infoHashes);
}

/** Writes the 16 bytes that every request but connect begins with. */
export function writeHeader(
  request: { connectionId: Uint8Array; action: number; transactionId: number },
): Uint8Array {
  const packet = new Uint8Array(16);
  const view = new DataView(packet.buffer);
  packet.set(request.connectionId, 0);
  view.setUint32(8, request.action);
  view.setUint32(12, request.transactionId);
  return packet;
}

/** Parses a reply that came over `family`, which decides how long a peer is. */
export function parseReply(packet: Uint8Array, family: Family): Reply {
  assert.ok(packet.length >= 8, `A reply of ${packet.length} bytes`);
  assert.ok(packet.length <= 1400, `A reply of ${packet.length} bytes is above 1400`);
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const action = view.getUint32(0);
  const transactionId = view.getUint32(4);
  switch (action) {
    case ACTION_CONNECT:
      assert.equal(packet.length, 16, "Length of a connect reply");
      return { kind: "connect", transactionId, connectionId: packet.slice(8) };
    case ACTION_ANNOUNCE:
      assert.ok(packet.length >= 20, `An announce reply of ${packet.length} bytes`);
      return {
        kind: "announce",
        transactionId,
        interval: view.getUint32(8),
        leechers: view.getUint32(12),
        seeders: view.getUint32(16),
        peers: parsePeers(packet.subarray(20), family),
        byteLength: packet.length,
      };
    case ACTION_SCRAPE:
      assert.equal((packet.length - 8) % 12, 0, "A scrape reply is made of 12-byte triples");
      return { kind: "scrape", transactionId, torrents: parseCounts(view) };
    case ACTION_ERROR:
      return { kind: "error", transactionId, message: parseMessage(packet.subarray(8)) };
    default:
      throw new Error(`A reply with action ${action}: ${toHex(packet)}`);
  }
}

/** Parses compact peers, 6 or 18 bytes each (BEP 23, BEP 7). */
export function parsePeers(bytes: Uint8Array, family: Family): Peer[] {
  const addressByteLength = family === "IPv4" ? 4 : 16;
  const stride = addressByteLength + 2;
  assert.equal(bytes.length % stride, 0, `${bytes.length} bytes of ${family} peers`);
  return Array.from({ length: bytes.length / stride }, (_, index) => {
    const peer = bytes.subarray(index * stride, (index + 1) * stride);
    return {
      address: formatAddress(peer.subarray(0, addressByteLength)),
      port: peer[addressByteLength] << 8 | peer[addressByteLength + 1],
    };
  });
}

function parseCounts(view: DataView): ScrapeCounts[] {
  return Array.from({ length: (view.byteLength - 8) / 12 }, (_, index) => ({
    seeders: view.getUint32(8 + 12 * index),
    completed: view.getUint32(12 + 12 * index),
    leechers: view.getUint32(16 + 12 * index),
  }));
}

function parseMessage(bytes: Uint8Array): string {
  const message = new TextDecoder().decode(bytes);
  assert.match(message, /^[\x20-\x7e]+$/, "An error message is ASCII without a NUL, and not empty");
  return message;
}

/** Formats 4 or 16 address bytes; IPv6 without shortening but for `::1`, enough to compare. */
function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (toHex(bytes) === "00000000000000000000000000000001") return "::1";
  return toHex(bytes).match(/.{4}/g)!.join(":");
}

/** Joins byte strings. */
export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Reads hex digits, blanks allowed between them. */
export function fromHex(digits: string): Uint8Array {
  const pairs = digits.replaceAll(/\s/g, "").match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
}

/** Writes bytes as lower-case hex digits. */
export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** Returns the bytes of an ASCII text. */
export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Returns `byteLength` random bytes: info hashes, peer ids, forged connection ids. */
export function randomBytes(byteLength: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(byteLength));
}
