/**
 * Judges what a WebTorrent tracker sends. `protocols/ws/messages.ts` reads the same into bytes, at
 * several times the cost.
 */

import { ANNOUNCE, ANSWER, ERROR, OFFER, SCRAPE } from "./counters.ts";
import { ID_BYTES } from "./ws_requests.ts";

/** A message; members that its kind has not are empty. */
export interface TrackerMessage {
  /** ANNOUNCE, SCRAPE, ERROR, OFFER or ANSWER. */
  kind: number;
  info_hash: string;
  peer_id: string;
  offer_id: string;
  sdp: string;
  complete: number;
  incomplete: number;
  interval: number;
  /** Torrents of a scrape. */
  torrents: number;
}

interface Received {
  "failure reason"?: unknown;
  action?: unknown;
  info_hash?: unknown;
  peer_id?: unknown;
  offer_id?: unknown;
  offer?: { sdp?: unknown } | null;
  answer?: { sdp?: unknown } | null;
  complete?: unknown;
  incomplete?: unknown;
  interval?: unknown;
  files?: Record<string, Record<string, unknown> | null> | null;
}

/** Returns what a text says; undefined: it is no message of a tracker. */
export function judgeMessage(text: string): TrackerMessage | undefined {
  let value: Received | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (typeof value["failure reason"] === "string") return message(ERROR, value);
  if (value.action === "scrape") return judgeScrape(value);
  if (value.action !== "announce" || !isId(value.info_hash)) return undefined;
  const passedOn = value.offer ?? value.answer;
  if (passedOn !== undefined && passedOn !== null) {
    if (!isId(value.peer_id) || !isId(value.offer_id)) return undefined;
    if (typeof passedOn.sdp !== "string") return undefined;
    return message(passedOn === value.offer ? OFFER : ANSWER, value, { sdp: passedOn.sdp });
  }
  const { complete, incomplete, interval } = value;
  if (!isCount(complete) || !isCount(incomplete) || !isCount(interval)) return undefined;
  return message(ANNOUNCE, value, { complete, incomplete, interval });
}

function judgeScrape(value: Received): TrackerMessage | undefined {
  const { files } = value;
  if (typeof files !== "object" || files === null) return undefined;
  const entries = Object.entries(files);
  const areSound = entries.every(([infoHash, counts]) =>
    isId(infoHash) && isCount(counts?.complete) && isCount(counts?.incomplete) &&
    isCount(counts?.downloaded)
  );
  return areSound ? message(SCRAPE, value, { torrents: entries.length }) : undefined;
}

function message(
  kind: number,
  value: Received,
  members: Partial<TrackerMessage> = {},
): TrackerMessage {
  const { info_hash, peer_id, offer_id } = value;
  return {
    kind,
    info_hash: isId(info_hash) ? info_hash : "",
    peer_id: isId(peer_id) ? peer_id : "",
    offer_id: isId(offer_id) ? offer_id : "",
    sdp: members.sdp ?? "",
    complete: members.complete ?? 0,
    incomplete: members.incomplete ?? 0,
    interval: members.interval ?? 0,
    torrents: members.torrents ?? 0,
  };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value.length === ID_BYTES;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
