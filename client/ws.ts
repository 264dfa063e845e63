/**
 * The client over WebSocket (WebTorrent), one connection a question.
 *
 * A WebTorrent tracker lists no peers: it passes on the offers of those that stay connected. So an
 * announce here tells the counts, and the peer is forgotten when the answer has come.
 */
import {
  parseMessage,
  type TrackerMessage,
  writeAnnounce,
  writeScrape,
} from "../protocols/ws/messages.ts";
import { TIMEOUT_MS, TrackerError } from "./types.ts";
import type { Announce, AnnounceAnswer, AskOptions, ScrapeCounts } from "./types.ts";

/** Messages beside the answer that are looked at: offers to the peer that has just come. */
const OTHER_MESSAGES_MAX = 1_000;

/** Announces. */
export async function announceOverWs(url: URL, request: Announce): Promise<AnnounceAnswer> {
  const { infoHash, peerId, left, uploaded = 0, downloaded = 0, event, numWant } = request;
  const text = writeAnnounce({
    infoHash,
    peerId,
    left: Number(left),
    uploaded: Number(uploaded),
    downloaded: Number(downloaded),
    event,
    numWant,
    offers: [],
  });
  const answer = await ask(url, { text, kind: "announce", ...request });
  const { interval, seeders, leechers } = answer;
  return { interval, seeders, leechers, peers: [] };
}

/** Scrapes. */
export async function scrapeOverWs(
  url: URL,
  infoHashes: readonly Uint8Array[],
  options: AskOptions,
): Promise<Map<string, ScrapeCounts>> {
  const answer = await ask(url, { text: writeScrape(infoHashes), kind: "scrape", ...options });
  return answer.torrents;
}

/** Sends a message and waits for its answer. */
async function ask<TKind extends "announce" | "scrape">(
  url: URL,
  { text, kind, timeoutMs = TIMEOUT_MS }: AskOptions & { text: string; kind: TKind },
): Promise<TrackerMessage & { kind: TKind }> {
  const { promise, resolve, reject } = Promise.withResolvers<TrackerMessage & { kind: TKind }>();
  const fail = (reason: string) => reject(new TrackerError(`Cannot ask ${url.href}: ${reason}`));
  const socket = new WebSocket(url);
  const ended = new Promise((resolve) => socket.onclose = resolve);
  const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
  let others = 0;
  socket.onopen = () => socket.send(text);
  socket.onerror = (event) => fail(event instanceof ErrorEvent ? event.message : "it failed");
  socket.onmessage = ({ data }) => {
    try {
      const message = parseMessage(String(data));
      if (message.kind === "failure") reject(new TrackerError(message.reason));
      else if (message.kind === kind) resolve(message as TrackerMessage & { kind: TKind });
      else if (++others > OTHER_MESSAGES_MAX) fail("it answers another question");
    } catch (error) {
      fail((error as Error).message);
    }
  };
  ended.then(() => fail("the connection ended"));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
    if (socket.readyState !== WebSocket.CONNECTING) await ended;
  }
}
