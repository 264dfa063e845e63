/** The client over HTTP: one request by `fetch`, which knows TLS, redirects and encodings. */
import {
  type HttpResponse,
  parseBody,
  ResponseError,
  toAnnounceQuery,
  toScrapeQuery,
} from "../protocols/http/client.ts";
import { TIMEOUT_MS, TrackerError } from "./types.ts";
import type { Announce, AnnounceAnswer, AskOptions, ScrapeCounts } from "./types.ts";

/** An answer of a tracker is some tens of kilobytes at most. */
const BODY_BYTE_LENGTH_MAX = 16 * 1024 * 1024;

/** Announces. */
export async function announceOverHttp(url: URL, request: Announce): Promise<AnnounceAnswer> {
  const response = await ask(url, toAnnounceQuery(request), request);
  if (response.kind !== "announce") throw new TrackerError(`${url.href} answers another question`);
  const { interval, seeders, leechers, peers } = response;
  return { interval, seeders, leechers, peers };
}

/** Scrapes. */
export async function scrapeOverHttp(
  url: URL,
  infoHashes: readonly Uint8Array[],
  options: AskOptions,
): Promise<Map<string, ScrapeCounts>> {
  const target = new URL(url);
  target.pathname = url.pathname.replace(/announce([^/]*)$/, "scrape$1");
  const response = await ask(target, toScrapeQuery(infoHashes), options);
  if (response.kind !== "scrape") {
    throw new TrackerError(`${target.href} answers another question`);
  }
  return response.torrents;
}

async function ask(
  url: URL,
  query: string,
  { timeoutMs = TIMEOUT_MS }: AskOptions,
): Promise<Exclude<HttpResponse, { kind: "failure" }>> {
  const target = `${url.href.replace(/#.*$/, "")}${url.search === "" ? "?" : "&"}${query}`;
  let body: Uint8Array;
  try {
    const response = await fetch(target, { signal: AbortSignal.timeout(timeoutMs) });
    if (Number(response.headers.get("content-length")) > BODY_BYTE_LENGTH_MAX) {
      await response.body?.cancel();
      throw new TrackerError("it is larger than 16 MiB");
    }
    body = await response.bytes();
    if (!response.ok) throw new TrackerError(`status ${response.status}`);
  } catch (error) {
    throw new TrackerError(`Cannot ask ${url.href}: ${(error as Error).message}`, { cause: error });
  }
  const parsed = parse(url, body);
  if (parsed.kind === "failure") throw new TrackerError(parsed.reason);
  return parsed;
}

function parse(url: URL, body: Uint8Array): HttpResponse {
  try {
    return parseBody(body);
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    throw new TrackerError(`${url.href}: ${error.message}`, { cause: error });
  }
}
