/**
 * The messages of WebTorrent trackers (JSON texts), as a client writes and reads them.
 *
 * Info hashes, peer ids and ids of offers are strings of 20 characters, one for each byte.
 */

export type AnnounceEvent = "started" | "completed" | "stopped" | "update";

/** An offer of WebRTC; the tracker looks at nothing in it. */
export interface Offer {
  offerId: Uint8Array;
  sdp: string;
}

/** An announce; what is absent is left out. */
export interface AnnounceRequest {
  infoHash: Uint8Array;
  peerId: Uint8Array;
  left: number | null;
  uploaded?: number;
  downloaded?: number;
  event?: AnnounceEvent;
  numWant?: number;
  offers?: Offer[];
}

export interface AnswerRequest {
  infoHash: Uint8Array;
  peerId: Uint8Array;
  toPeerId: Uint8Array;
  offerId: Uint8Array;
  sdp: string;
}

export interface ScrapeCounts {
  seeders: number;
  completed: number;
  leechers: number;
}

/** What a tracker sends. */
export type TrackerMessage =
  | { kind: "announce"; infoHash: Uint8Array; seeders: number; leechers: number; interval: number }
  | { kind: "offer"; infoHash: Uint8Array; peerId: Uint8Array; offerId: Uint8Array; sdp: string }
  | { kind: "answer"; infoHash: Uint8Array; peerId: Uint8Array; offerId: Uint8Array; sdp: string }
  /** By info hash, as 40 hexadecimal digits. */
  | { kind: "scrape"; torrents: Map<string, ScrapeCounts> }
  | { kind: "failure"; reason: string; infoHash: Uint8Array | undefined };

/** A text that is no message of a tracker. */
export class MessageError extends Error {
  override name = "MessageError";
}

const ID_LENGTH = 20;

/** Writes an announce. */
export function writeAnnounce(request: AnnounceRequest): string {
  const { infoHash, peerId, left, uploaded = 0, downloaded = 0, event, numWant, offers } = request;
  return JSON.stringify({
    action: "announce",
    info_hash: toText(infoHash),
    peer_id: toText(peerId),
    uploaded,
    downloaded,
    left,
    event,
    numwant: numWant,
    offers: offers?.map(({ offerId, sdp }) => ({
      offer_id: toText(offerId),
      offer: { type: "offer", sdp },
    })),
  });
}

/** Writes an answer to an offer. */
export function writeAnswer(request: AnswerRequest): string {
  return JSON.stringify({
    action: "announce",
    info_hash: toText(request.infoHash),
    peer_id: toText(request.peerId),
    to_peer_id: toText(request.toPeerId),
    offer_id: toText(request.offerId),
    answer: { type: "answer", sdp: request.sdp },
  });
}

/** Writes a scrape. */
export function writeScrape(infoHashes: readonly Uint8Array[]): string {
  return JSON.stringify({ action: "scrape", info_hash: infoHashes.map(toText) });
}

/** Parses what a tracker sent. @throws {MessageError} It is no message of a tracker. */
export function parseMessage(text: string): TrackerMessage {
  const message = parseObject(text);
  const { action } = message;
  if (typeof message["failure reason"] === "string") {
    const infoHash = message.info_hash === undefined ? undefined : idAt(message, "info_hash");
    return { kind: "failure", reason: message["failure reason"], infoHash };
  }
  if (action === "scrape") return { kind: "scrape", torrents: readCounts(message.files) };
  if (action !== "announce") throw new MessageError(`An action ${JSON.stringify(action)}`);
  const infoHash = idAt(message, "info_hash");
  for (const kind of ["offer", "answer"] as const) {
    if (message[kind] === undefined) continue;
    return {
      kind,
      infoHash,
      peerId: idAt(message, "peer_id"),
      offerId: idAt(message, "offer_id"),
      sdp: readSdp(message[kind], kind),
    };
  }
  return {
    kind: "announce",
    infoHash,
    seeders: countAt(message, "complete"),
    leechers: countAt(message, "incomplete"),
    interval: countAt(message, "interval"),
  };
}

/** Spells bytes as such a string. */
export function toText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

type JsonObject = Record<string, unknown>;

function parseObject(text: string): JsonObject {
  const value = parse(text);
  if (isObject(value)) return value;
  throw new MessageError(`Not an object: ${text.slice(0, 100)}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MessageError(`Not JSON: ${text.slice(0, 100)}`);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function idAt(message: JsonObject, key: string): Uint8Array {
  const text = message[key];
  if (typeof text !== "string") throw new MessageError(`No string "${key}"`);
  return toId(text);
}

function toId(text: string): Uint8Array {
  const codes = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
  if (codes.length !== ID_LENGTH || codes.some((code) => code > 0xff)) {
    throw new MessageError(`Not ${ID_LENGTH} bytes: ${JSON.stringify(text)}`);
  }
  return Uint8Array.from(codes);
}

function countAt(object: JsonObject, key: string): number {
  const count = object[key];
  if (Number.isSafeInteger(count) && (count as number) >= 0) return count as number;
  throw new MessageError(`No count "${key}"`);
}

function readCounts(files: unknown): Map<string, ScrapeCounts> {
  if (!isObject(files)) throw new MessageError("A scrape without files");
  return new Map(
    Object.entries(files).map(([infoHash, counts]) => {
      if (!isObject(counts)) throw new MessageError("A torrent without counts");
      return [toId(infoHash).toHex(), {
        seeders: countAt(counts, "complete"),
        completed: countAt(counts, "downloaded"),
        leechers: countAt(counts, "incomplete"),
      }];
    }),
  );
}

function readSdp(description: unknown, kind: string): string {
  if (isObject(description) && description.type === kind && typeof description.sdp === "string") {
    return description.sdp;
  }
  throw new MessageError(`No session description in an ${kind}`);
}
