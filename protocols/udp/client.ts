/**
 * The client's half of BEP 15: requests to bytes, responses from bytes. It knows no socket.
 *
 * Writers fill a view that the caller owns and return the bytes written. `checkResponse()` judges a
 * response without allocating; `parseResponse()` turns one into a value. A response is whole or an
 * error: its length must be exactly what its kind and the address family allow.
 */

/** Which family the datagram travels over: it decides how long a peer is (BEP 15, "IPv6"). */
export type Family = 4 | 6;

export const PROTOCOL_ID = 0x41727101980n;

export const ACTION_CONNECT = 0;
export const ACTION_ANNOUNCE = 1;
export const ACTION_SCRAPE = 2;
export const ACTION_ERROR = 3;

export const EVENT_NONE = 0;
export const EVENT_COMPLETED = 1;
export const EVENT_STARTED = 2;
export const EVENT_STOPPED = 3;
/** Sent by libtorrent for partial seeds (BEP 21), though BEP 15 does not know it. */
export const EVENT_PAUSED = 4;

/*
 * Requests. Connect has its magic where the others have the connection id.
 *   0  8  connection id      56  8  downloaded       84  4  IPv4 address, 0: the source
 *   8  4  action             64  8  left             88  4  key
 *  12  4  transaction id     72  8  uploaded         92  4  peers wanted, -1: the default
 *  16 20  info hash          80  4  event            96  2  port
 *  36 20  peer id                                    98     options (BEP 41)
 * A scrape has its info hashes at 16.
 */
export const REQUEST_CONNECTION_ID = 0;
export const REQUEST_ACTION = 8;
export const REQUEST_TRANSACTION_ID = 12;
export const ANNOUNCE_INFO_HASH = 16;
export const ANNOUNCE_PEER_ID = 36;
const ANNOUNCE_DOWNLOADED = 56;
export const ANNOUNCE_LEFT = 64;
const ANNOUNCE_UPLOADED = 72;
export const ANNOUNCE_EVENT = 80;
const ANNOUNCE_ADDRESS = 84;
export const ANNOUNCE_KEY = 88;
const ANNOUNCE_NUM_WANT = 92;
export const ANNOUNCE_PORT = 96;
const ANNOUNCE_OPTIONS = 98;
export const SCRAPE_INFO_HASHES = 16;

export const CONNECT_REQUEST_BYTE_LENGTH = 16;
/** Without options. */
export const ANNOUNCE_REQUEST_BYTE_LENGTH = 98;
export const INFO_HASH_BYTE_LENGTH = 20;
/** Info hashes that a scrape may hold ("up to about 74"). */
export const SCRAPE_COUNT_MAX = 74;

/*
 * Responses: action, transaction id, and then
 *   connect   8 connection id
 *   announce  8 interval, 12 leechers, 16 seeders, 20 peers of 6 or 18 bytes
 *   scrape    8 triples of seeders, completed, leechers
 *   error     8 message, to the end
 */
const RESPONSE_ACTION = 0;
export const RESPONSE_TRANSACTION_ID = 4;
export const RESPONSE_CONNECTION_ID = 8;
export const RESPONSE_INTERVAL = 8;
export const RESPONSE_LEECHERS = 12;
export const RESPONSE_SEEDERS = 16;
export const RESPONSE_PEERS = 20;
export const RESPONSE_COUNTS = 8;
const RESPONSE_MESSAGE = 8;

const CONNECT_RESPONSE_BYTE_LENGTH = 16;
export const COUNTS_BYTE_LENGTH = 12;

/** Bytes of one peer: address and port. */
export function peerByteLength(family: Family): number {
  return family === 4 ? 6 : 18;
}

/** An announce; what is absent is 0 or nothing. */
export interface AnnounceRequest {
  /** 8 bytes as the connect response gave them. */
  connectionId: Uint8Array;
  transactionId: number;
  infoHash: Uint8Array;
  peerId: Uint8Array;
  port: number;
  left: bigint;
  downloaded?: bigint;
  uploaded?: bigint;
  event?: number;
  /** -1, the default, leaves the number to the tracker. */
  numWant?: number;
  key?: number;
  /** Path and query of the tracker's URL (BEP 41). */
  urlData?: string;
}

export interface ScrapeRequest {
  connectionId: Uint8Array;
  transactionId: number;
  infoHashes: readonly Uint8Array[];
}

export interface ScrapeCounts {
  seeders: number;
  completed: number;
  leechers: number;
}

export interface Peer {
  /** Dotted, or eight groups of hex digits. */
  address: string;
  port: number;
}

export type UdpResponse =
  | { kind: "connect"; transactionId: number; connectionId: Uint8Array }
  | {
    kind: "announce";
    transactionId: number;
    /** Seconds. */
    interval: number;
    leechers: number;
    seeders: number;
    peers: Peer[];
  }
  | { kind: "scrape"; transactionId: number; torrents: ScrapeCounts[] }
  | { kind: "error"; transactionId: number; message: string };

/** Writes a connect request, 16 bytes. */
export function writeConnectRequest(view: DataView, transactionId: number): number {
  view.setBigUint64(REQUEST_CONNECTION_ID, PROTOCOL_ID);
  view.setUint32(REQUEST_ACTION, ACTION_CONNECT);
  view.setUint32(REQUEST_TRANSACTION_ID, transactionId);
  return CONNECT_REQUEST_BYTE_LENGTH;
}

/** Writes an announce request, 98 bytes and its options. */
export function writeAnnounceRequest(view: DataView, request: AnnounceRequest): number {
  setBytes(view, REQUEST_CONNECTION_ID, request.connectionId, 8);
  view.setUint32(REQUEST_ACTION, ACTION_ANNOUNCE);
  view.setUint32(REQUEST_TRANSACTION_ID, request.transactionId);
  setBytes(view, ANNOUNCE_INFO_HASH, request.infoHash, INFO_HASH_BYTE_LENGTH);
  setBytes(view, ANNOUNCE_PEER_ID, request.peerId, 20);
  view.setBigUint64(ANNOUNCE_DOWNLOADED, request.downloaded ?? 0n);
  view.setBigUint64(ANNOUNCE_LEFT, request.left);
  view.setBigUint64(ANNOUNCE_UPLOADED, request.uploaded ?? 0n);
  view.setUint32(ANNOUNCE_EVENT, request.event ?? EVENT_NONE);
  view.setUint32(ANNOUNCE_ADDRESS, 0);
  view.setUint32(ANNOUNCE_KEY, request.key ?? 0);
  view.setInt32(ANNOUNCE_NUM_WANT, request.numWant ?? -1);
  view.setUint16(ANNOUNCE_PORT, request.port);
  if (request.urlData === undefined) return ANNOUNCE_REQUEST_BYTE_LENGTH;
  return writeUrlData(view, request.urlData);
}

/** Writes a scrape request, 16 bytes and 20 for each info hash. */
export function writeScrapeRequest(view: DataView, request: ScrapeRequest): number {
  const { infoHashes } = request;
  setBytes(view, REQUEST_CONNECTION_ID, request.connectionId, 8);
  view.setUint32(REQUEST_ACTION, ACTION_SCRAPE);
  view.setUint32(REQUEST_TRANSACTION_ID, request.transactionId);
  infoHashes.forEach((infoHash, index) => {
    const offset = SCRAPE_INFO_HASHES + index * INFO_HASH_BYTE_LENGTH;
    setBytes(view, offset, infoHash, INFO_HASH_BYTE_LENGTH);
  });
  return scrapeRequestByteLength(infoHashes.length);
}

/** Bytes of a scrape request for so many torrents. */
export function scrapeRequestByteLength(torrentCount: number): number {
  return SCRAPE_INFO_HASHES + torrentCount * INFO_HASH_BYTE_LENGTH;
}

/** What is wrong with a response. */
export const BAD_SHORT = -1; // no room for an action and a transaction id, or for the fixed fields
export const BAD_LENGTH = -2; // its length does not fit its kind
export const BAD_ACTION = -3; // an action that no response has

/**
 * Judges the response in the `byteLength` bytes at `start`.
 * @returns Its action (`ACTION_*`), or `BAD_*`.
 */
export function checkResponse(
  view: DataView,
  start: number,
  byteLength: number,
  family: Family,
): number {
  if (byteLength < RESPONSE_MESSAGE) return BAD_SHORT;
  const action = view.getUint32(start + RESPONSE_ACTION);
  switch (action) {
    case ACTION_CONNECT:
      if (byteLength < CONNECT_RESPONSE_BYTE_LENGTH) return BAD_SHORT;
      return byteLength === CONNECT_RESPONSE_BYTE_LENGTH ? action : BAD_LENGTH;
    case ACTION_ANNOUNCE:
      if (byteLength < RESPONSE_PEERS) return BAD_SHORT;
      return (byteLength - RESPONSE_PEERS) % peerByteLength(family) === 0 ? action : BAD_LENGTH;
    case ACTION_SCRAPE:
      return (byteLength - RESPONSE_COUNTS) % COUNTS_BYTE_LENGTH === 0 ? action : BAD_LENGTH;
    case ACTION_ERROR:
      return action;
    default:
      return BAD_ACTION;
  }
}

/** A datagram that is no response of BEP 15. */
export class ResponseError extends Error {
  override name = "ResponseError";
  /** `BAD_*`. */
  readonly reason: number;

  constructor(reason: number, byteLength: number) {
    const texts: Record<number, string> = {
      [BAD_SHORT]: "it is too short",
      [BAD_LENGTH]: "its length does not fit its kind",
      [BAD_ACTION]: "no response has its action",
    };
    super(`Cannot parse a response of ${byteLength} bytes: ${texts[reason]}`);
    this.reason = reason;
  }
}

/**
 * Parses a whole datagram.
 * @throws {ResponseError} It is not a response.
 */
export function parseResponse(bytes: Uint8Array, family: Family): UdpResponse {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const action = checkResponse(view, 0, bytes.byteLength, family);
  if (action < 0) throw new ResponseError(action, bytes.byteLength);
  const transactionId = view.getUint32(RESPONSE_TRANSACTION_ID);
  switch (action) {
    case ACTION_CONNECT:
      return { kind: "connect", transactionId, connectionId: bytes.slice(RESPONSE_CONNECTION_ID) };
    case ACTION_ANNOUNCE:
      return {
        kind: "announce",
        transactionId,
        interval: view.getUint32(RESPONSE_INTERVAL),
        leechers: view.getUint32(RESPONSE_LEECHERS),
        seeders: view.getUint32(RESPONSE_SEEDERS),
        peers: parsePeers(bytes.subarray(RESPONSE_PEERS), family),
      };
    case ACTION_SCRAPE:
      return { kind: "scrape", transactionId, torrents: parseCounts(view) };
    default:
      return { kind: "error", transactionId, message: parseMessage(bytes) };
  }
}

function setBytes(view: DataView, offset: number, bytes: Uint8Array, byteLength: number): void {
  if (bytes.byteLength !== byteLength) {
    throw new RangeError(`Cannot write ${bytes.byteLength} bytes: expected ${byteLength}`);
  }
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(bytes, offset);
}

/** One option carries at most 255 bytes; several are joined again by the tracker (BEP 41). */
function writeUrlData(view: DataView, urlData: string): number {
  const TYPE_URL_DATA = 2;
  const text = new TextEncoder().encode(urlData);
  let offset = ANNOUNCE_OPTIONS;
  let start = 0;
  do {
    const chunk = text.subarray(start, start + 255);
    view.setUint8(offset, TYPE_URL_DATA);
    view.setUint8(offset + 1, chunk.byteLength);
    setBytes(view, offset + 2, chunk, chunk.byteLength);
    offset += 2 + chunk.byteLength;
    start += chunk.byteLength;
  } while (start < text.byteLength);
  return offset;
}

function parsePeers(bytes: Uint8Array, family: Family): Peer[] {
  const stride = peerByteLength(family);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / stride }, (_, index) => {
    const end = (index + 1) * stride - 2;
    const address = bytes.subarray(index * stride, end);
    return { address: formatAddress(address), port: view.getUint16(end) };
  });
}

function formatAddress(bytes: Uint8Array): string {
  return bytes.byteLength === 4 ? bytes.join(".") : bytes.toHex().match(/.{4}/g)!.join(":");
}

function parseCounts(view: DataView): ScrapeCounts[] {
  const count = (view.byteLength - RESPONSE_COUNTS) / COUNTS_BYTE_LENGTH;
  return Array.from({ length: count }, (_, index) => {
    const offset = RESPONSE_COUNTS + index * COUNTS_BYTE_LENGTH;
    return {
      seeders: view.getUint32(offset),
      completed: view.getUint32(offset + 4),
      leechers: view.getUint32(offset + 8),
    };
  });
}

/** Some trackers end the text with a NUL, which is no part of it. */
function parseMessage(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(RESPONSE_MESSAGE)).replace(/\0$/, "");
}
