/**
 * What the workers of ws_hammer_test.ts are told and tell; ws_hammer_worker.ts carries it out.
 *
 * A description is told by its stamp alone, so that whoever receives one can say what every byte of
 * it must be.
 */
import type { SharedCore } from "../../wasm/memory.ts";
import { binaryString } from "./ws_harness.ts";

export const WORKERS = 2;
export const SOCKETS = 24;
/** How many steps a worker may be ahead: outboxes have room for what it sends meanwhile. */
export const LEAD_MAX = 200;
export const TORRENTS = 6;
/** Torrents where sockets of both workers take each other's peers over. */
export const CONTESTED_TORRENTS = 3;
export const CONTESTED_IDS = 10;

export interface WsHammerPlan {
  core: SharedCore;
  workerIndex: number;
  seed: number;
  steps: number;
  /** An i32 for each worker: the steps that it has done. Whoever is ahead waits. */
  progress: SharedArrayBuffer;
}

/** Goes to each worker in turn: announce again what is contested; close every socket. */
export type WsHammerOrder = WsHammerPlan | "settle" | "close";

/** What the worker's sockets are part of: a peer id is told by its number. */
export interface WsMembership {
  torrent: number;
  id: number;
  isSeeder: boolean;
}

export interface WsHammerReport {
  members: WsMembership[];
  /** Stamps of the offers that were sent and came, and how many answers did. */
  offersSent: number;
  offersReceived: string[];
  answersSent: number;
  answersReceived: number;
}

export function torrentHash(torrent: number): string {
  return binaryString(torrent, "h");
}

/** Those below CONTESTED_IDS are anybody's, the others belong to one socket. */
export function peerIdOf(number: number): string {
  return binaryString(number, "p");
}

export function socketId(workerIndex: number, socket: number): number {
  return CONTESTED_IDS + workerIndex * SOCKETS + socket;
}

/** The offer of a sender's peer id: an offer id of 20 characters. */
export function stampOf(worker: number, id: number, count: number): string {
  return `w${worker}i${String(id).padStart(3, "0")}n${String(count).padStart(13, "0")}`;
}

/** The peer id that a stamp names. */
export function senderOf(stamp: string): number {
  return Number(stamp.slice(3, 6));
}

/** The text of an offer or answer: from a few bytes to more than a block of an outbox holds. */
export function descriptionText(type: "offer" | "answer", stamp: string): string {
  const lines = Number(stamp.slice(-4)) % 130;
  const sdp = `v=0 ${stamp}\r\n` + `a=${stamp} "é€"\r\n`.repeat(lines);
  return JSON.stringify({ type, sdp });
}

/** The whole text of a relay. */
export function relayText(
  relay: { torrent: number; from: string; stamp: string; type: "offer" | "answer" },
): string {
  const { torrent, from, stamp, type } = relay;
  return `{"action":"announce","info_hash":${JSON.stringify(torrentHash(torrent))},"peer_id":${
    JSON.stringify(from)
  },"offer_id":"${stamp}","${type}":${descriptionText(type, stamp)}}`;
}
