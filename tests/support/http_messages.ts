/**
 * BEP 3 as a client writes and reads it: targets and request heads to text, answers from bytes.
 *
 * Written from the specification and independent of the core, because the tests judge the core by
 * it. Reading is strict: what some client in the wild would not understand is an error.
 */
import { strict as assert } from "node:assert";
import { type Dictionary, dictionaryAt, integerAt, latin1 } from "./bencode.ts";
import { parseDictionary, stringAt, type Value } from "./bencode.ts";
import { parsePeers, type Peer, randomBytes } from "./packets.ts";

/** Query parameters in their order: text goes out as it is, bytes percent-encoded, `undefined`
 * leaves a parameter out. */
export type Parameters = Record<string, string | number | Uint8Array | undefined>;

export interface RequestOptions {
  method?: string;
  version?: string;
  /** Header lines beside `Host`, each without its end. */
  headers?: string[];
  /** The `Host` line, or none. */
  host?: string | null;
}

/** One HTTP response. */
export interface Response {
  /** `HTTP/1.1` or `HTTP/1.0`. */
  version: string;
  status: number;
  /** Values by lower-case name; a line that is there twice is an error. */
  headers: Map<string, string>;
  body: Uint8Array;
}

/** A peer of an answer that is not compact. */
export interface ListedPeer {
  ip: string;
  port: number;
  peerId?: Uint8Array;
}

/** The answer to an announce. */
export interface Announced {
  interval: number;
  complete: number;
  incomplete: number;
  /** Compact peers of the key `peers`. */
  peers: Peer[];
  /** Compact peers of the key `peers6`. */
  peers6: Peer[];
  /** Peers of an answer that is not compact. */
  list?: ListedPeer[];
  dictionary: Dictionary;
}

/** The counts of one torrent. */
export interface Counts {
  complete: number;
  downloaded: number;
  incomplete: number;
}

/** Keys that an announce may be answered with (protocols.md B4). */
const ANNOUNCE_KEYS = [
  "complete",
  "downloaded",
  "downloaders",
  "external ip",
  "incomplete",
  "interval",
  "min interval",
  "peers",
  "peers6",
  "tracker id",
  "warning message",
];
const FAILURE_KEYS = ["failure reason", "interval", "min interval", "retry in"];
const COUNT_KEYS = ["complete", "downloaded", "downloaders", "incomplete"];

/** Percent-encodes every byte, with digits of either case. */
export function percentEncode(bytes: Uint8Array, options: { upper?: boolean } = {}): string {
  const digits = Array.from(bytes, (byte) => "%" + byte.toString(16).padStart(2, "0")).join("");
  return options.upper ? digits.toUpperCase() : digits;
}

/** Writes a query, without the `?`. */
export function writeQuery(parameters: Parameters): string {
  const pairs = [];
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    pairs.push(`${name}=${value instanceof Uint8Array ? percentEncode(value) : value}`);
  }
  return pairs.join("&");
}

/** Writes the target of an announce: a leecher of a new torrent unless told otherwise. */
export function announceTarget(parameters: Parameters = {}, path = "/announce"): string {
  const query = writeQuery({
    info_hash: randomBytes(20),
    peer_id: "-TR4100-abcdefghijkl",
    port: 6881,
    uploaded: 0,
    downloaded: 0,
    left: 100,
    compact: 1,
    ...parameters,
  });
  return `${path}?${query}`;
}

/** Writes the target of a scrape. */
export function scrapeTarget(infoHashes: Uint8Array[], path = "/scrape"): string {
  return `${path}?${infoHashes.map((hash) => `info_hash=${percentEncode(hash)}`).join("&")}`;
}

/** Writes a request without a body. */
export function writeRequest(target: string, options: RequestOptions = {}): string {
  const { method = "GET", version = "HTTP/1.1", headers = [], host = "tracker.test" } = options;
  const lines = [`${method} ${target} ${version}`];
  if (host !== null) lines.push(`Host: ${host}`);
  return [...lines, ...headers, "", ""].join("\r\n");
}

/** Parses the head of a response, up to its empty line. */
export function parseHead(head: Uint8Array): Omit<Response, "body"> {
  const [statusLine, ...lines] = latin1(head).split("\r\n").slice(0, -2);
  const match = /^(HTTP\/1\.[01]) (\d{3}) [\x20-\x7e]*$/.exec(statusLine);
  assert.ok(match, `A status line: ${JSON.stringify(statusLine)}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const field = /^([A-Za-z][A-Za-z0-9-]*):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/
      .exec(line);
    assert.ok(field, `A header line: ${JSON.stringify(line)}`);
    const name = field[1].toLowerCase();
    assert.ok(!headers.has(name), `"${name}" twice`);
    headers.set(name, field[2] ?? "");
  }
  return { version: match[1], status: Number(match[2]), headers };
}

/** Parses responses that follow each other; the last one must be whole. */
export function parseResponses(bytes: Uint8Array): Response[] {
  const responses: Response[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const headEnd = latin1(bytes.subarray(offset, offset + 4096)).indexOf("\r\n\r\n");
    assert.ok(headEnd >= 0, `A head that is cut short after ${responses.length} responses`);
    const bodyOffset = offset + headEnd + 4;
    const head = parseHead(bytes.subarray(offset, bodyOffset));
    offset = bodyOffset + Number(head.headers.get("content-length"));
    assert.ok(offset <= bytes.length, `A body cut short after ${responses.length} responses`);
    responses.push({ ...head, body: bytes.subarray(bodyOffset, offset) });
  }
  return responses;
}

/** Parses the answer to an announce that was not refused. */
export function parseAnnounced(response: Response): Announced {
  const dictionary = parseBody(response);
  const reason = dictionary.get("failure reason");
  assert.equal(reason, undefined, `Refused: ${reason instanceof Uint8Array && latin1(reason)}`);
  for (const key of dictionary.keys()) assert.ok(ANNOUNCE_KEYS.includes(key), `Key "${key}"`);
  const interval = integerAt(dictionary, "interval");
  assert.ok(interval > 0, `An interval of ${interval}`);
  if (dictionary.has("min interval")) {
    const minInterval = integerAt(dictionary, "min interval");
    assert.ok(minInterval > 0 && minInterval <= interval, `min interval ${minInterval}`);
  }
  const peers = dictionary.get("peers");
  assert.ok(peers !== undefined, '"peers" is always there');
  return {
    interval,
    complete: countAt(dictionary, "complete"),
    incomplete: countAt(dictionary, "incomplete"),
    peers: peers instanceof Uint8Array ? parsePeers(peers, "IPv4") : [],
    peers6: dictionary.has("peers6") ? parsePeers6(stringAt(dictionary, "peers6")) : [],
    list: Array.isArray(peers) ? peers.map(parseListedPeer) : undefined,
    dictionary,
  };
}

/** Parses a refusal, to an announce or a scrape, and returns its reason. */
export function parseFailure(response: Response): string {
  const dictionary = parseBody(response);
  const reason = latin1(stringAt(dictionary, "failure reason"));
  assert.match(reason, /^[\x20-\x7e]+$/, "A failure reason is ASCII, and not empty");
  // "Unregistered" stops Transmission for good (protocols.md B5).
  assert.doesNotMatch(reason, /unregistered torrent|torrent not registered/i);
  for (const key of dictionary.keys()) assert.ok(FAILURE_KEYS.includes(key), `Key "${key}"`);
  return reason;
}

/** Parses the answer to a scrape: counts by info hash, the hash as Latin-1 text. */
export function parseScraped(response: Response): Map<string, Counts> {
  const dictionary = parseBody(response);
  for (const key of dictionary.keys()) assert.ok(["files", "flags"].includes(key), `Key "${key}"`);
  const torrents = new Map<string, Counts>();
  for (const [infoHash, counts] of dictionaryAt(dictionary, "files")) {
    assert.equal(infoHash.length, 20, "Length of an info hash");
    assert.ok(counts instanceof Map, "Counts are a dictionary");
    for (const key of counts.keys()) assert.ok(COUNT_KEYS.includes(key), `Key "${key}"`);
    torrents.set(infoHash, {
      complete: countAt(counts, "complete"),
      downloaded: countAt(counts, "downloaded"),
      incomplete: countAt(counts, "incomplete"),
    });
  }
  return torrents;
}

/** Parses the dictionary that a bencoded answer consists of (protocols.md B5: status 200). */
export function parseBody({ status, body }: Response): Dictionary {
  if (status !== 200) assert.fail(`Status ${status}: ${JSON.stringify(latin1(body))}`);
  return parseDictionary(body);
}

function countAt(dictionary: Dictionary, key: string): number {
  const count = integerAt(dictionary, key);
  assert.ok(count >= 0, `"${key}" is ${count}`);
  return count;
}

function parsePeers6(bytes: Uint8Array): Peer[] {
  const peers = parsePeers(bytes, "IPv6");
  for (const { address } of peers) {
    assert.doesNotMatch(address, /^(0000:){5}ffff:/, "No IPv4 peers among those of IPv6");
  }
  return peers;
}

function parseListedPeer(peer: Value): ListedPeer {
  assert.ok(peer instanceof Map, "A listed peer is a dictionary");
  const keys = [...peer.keys()];
  const isKnown = keys.join() === "ip,port" || keys.join() === "ip,peer id,port";
  assert.ok(isKnown, `Keys of a listed peer: ${keys}`);
  const port = integerAt(peer, "port");
  assert.ok(port >= 1 && port <= 65535, `Port ${port}`);
  const ip = latin1(stringAt(peer, "ip"));
  assert.doesNotMatch(ip, /^::ffff:/i, "No IPv4 peers among those of IPv6");
  if (!peer.has("peer id")) return { ip, port };
  const peerId = stringAt(peer, "peer id");
  assert.equal(peerId.length, 20, "Length of a peer id");
  return { ip, port, peerId };
}
