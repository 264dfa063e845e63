/**
 * The client's half of the HTTP tracker protocol (BEP 3): requests to text, responses from bytes.
 * It knows no socket.
 *
 * A response is whole or an error. Bodies are read as strictly as the core writes them: sorted
 * keys, nothing behind the end.
 */

/** An announce; what is absent is left out. */
export interface AnnounceRequest {
  infoHash: Uint8Array;
  peerId: Uint8Array;
  port: number;
  left: bigint | number;
  downloaded?: bigint | number;
  uploaded?: bigint | number;
  event?: "started" | "completed" | "stopped" | "paused";
  numWant?: number;
  key?: string;
  /** false asks for dictionaries. Default: true. */
  compact?: boolean;
}

/** How the request travels. */
export interface RequestOptions {
  /** The `Host` header. */
  host: string;
  /** Default: `/announce` or `/scrape`. */
  path?: string;
  /** Asks the tracker to close the connection. Default: false. */
  close?: boolean;
}

export interface Peer {
  /** Dotted, or eight groups of hex digits. */
  address: string;
  port: number;
}

export interface ScrapeCounts {
  seeders: number;
  completed: number;
  leechers: number;
}

export type HttpResponse =
  | {
    kind: "announce";
    /** Seconds. */
    interval: number;
    minInterval: number | undefined;
    seeders: number;
    leechers: number;
    peers: Peer[];
  }
  /** By info hash, as 40 hexadecimal digits. */
  | { kind: "scrape"; torrents: Map<string, ScrapeCounts> }
  | { kind: "failure"; reason: string; interval: number | undefined };

/** Bytes that are no response, or none of this protocol. */
export class ResponseError extends Error {
  override name = "ResponseError";
}

/** Writes the head of an announce request. */
export function writeAnnounceRequest(request: AnnounceRequest, options: RequestOptions): string {
  return writeHead(`${options.path ?? "/announce"}?${toAnnounceQuery(request)}`, options);
}

/** Writes what stands behind the `?` of an announce. */
export function toAnnounceQuery(request: AnnounceRequest): string {
  const parameters: [name: string, value: string | undefined][] = [
    ["info_hash", encode(request.infoHash)],
    ["peer_id", encode(request.peerId)],
    ["port", String(request.port)],
    ["uploaded", String(request.uploaded ?? 0)],
    ["downloaded", String(request.downloaded ?? 0)],
    ["left", String(request.left)],
    ["event", request.event],
    ["numwant", request.numWant === undefined ? undefined : String(request.numWant)],
    ["key", request.key],
    ["compact", request.compact === false ? "0" : "1"],
  ];
  return parameters.filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`).join("&");
}

/** Writes the head of a scrape request. */
export function writeScrapeRequest(
  infoHashes: readonly Uint8Array[],
  options: RequestOptions,
): string {
  return writeHead(`${options.path ?? "/scrape"}?${toScrapeQuery(infoHashes)}`, options);
}

/** Writes what stands behind the `?` of a scrape. */
export function toScrapeQuery(infoHashes: readonly Uint8Array[]): string {
  return infoHashes.map((infoHash) => `info_hash=${encode(infoHash)}`).join("&");
}

function writeHead(target: string, { host, close }: RequestOptions): string {
  const connection = close ? "Connection: close\r\n" : "";
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${connection}\r\n`;
}

/** Percent-encodes every byte that is not a letter or a digit. */
function encode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[0-9A-Za-z]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

/** Where a response ends. */
export interface Frame {
  /** Bytes of the head. */
  bodyStart: number;
  /** Bytes of the whole response. */
  byteLength: number;
  status: number;
  /** Whether the tracker closes the connection. */
  isLast: boolean;
}

/**
 * Finds the end of the response that begins at byte 0, without allocating for one that is not
 * there.
 * @returns Nothing where its head is not whole; `byteLength` may be more than there is.
 * @throws {ResponseError} It is no response, or says no length.
 */
export function findFrame(bytes: Uint8Array): Frame | undefined {
  const headEnd = findEmptyLine(bytes);
  if (headEnd < 0) return undefined;
  const head = decodeLatin1(bytes.subarray(0, headEnd));
  const status = /^HTTP\/1\.[01] (\d{3}) /.exec(head)?.[1];
  const length = /^content-length: *(\d+)\r$/im.exec(head)?.[1];
  if (status === undefined || length === undefined) {
    throw new ResponseError(`Cannot parse a response that begins with ${JSON.stringify(head)}`);
  }
  return {
    bodyStart: headEnd,
    byteLength: headEnd + Number(length),
    status: Number(status),
    isLast: /^connection: *close\r$/im.test(head),
  };
}

/**
 * Parses the body of a response of status 200.
 * @throws {ResponseError} It is neither an announce's, a scrape's nor a failure.
 */
export function parseBody(body: Uint8Array): HttpResponse {
  const reader = new BencodeReader(body);
  const dictionary = reader.readDictionary();
  if (!reader.isAtEnd) throw new ResponseError("Cannot parse a body with bytes behind its end");
  const reason = dictionary.get("failure reason");
  if (reason instanceof Uint8Array) {
    const interval = dictionary.get("interval");
    return {
      kind: "failure",
      reason: new TextDecoder().decode(reason),
      interval: typeof interval === "number" ? interval : undefined,
    };
  }
  const files = dictionary.get("files");
  if (files instanceof Map) return { kind: "scrape", torrents: readCounts(files) };
  const minInterval = dictionary.get("min interval");
  return {
    kind: "announce",
    interval: numberAt(dictionary, "interval"),
    minInterval: typeof minInterval === "number" ? minInterval : undefined,
    seeders: numberAt(dictionary, "complete"),
    leechers: numberAt(dictionary, "incomplete"),
    peers: [...readPeers(dictionary.get("peers"), 4), ...readPeers(dictionary.get("peers6"), 16)],
  };
}

type Value = number | Uint8Array | Value[] | Map<string, Value>;

function numberAt(dictionary: Map<string, Value>, key: string): number {
  const value = dictionary.get(key);
  if (typeof value === "number") return value;
  throw new ResponseError(`Cannot find the number "${key}" in a response`);
}

function readCounts(files: Map<string, Value>): Map<string, ScrapeCounts> {
  const torrents = new Map<string, ScrapeCounts>();
  for (const [key, value] of files) {
    if (!(value instanceof Map)) throw new ResponseError("Cannot parse the counts of a torrent");
    const infoHash = Uint8Array.from(key, (character) => character.charCodeAt(0)).toHex();
    torrents.set(infoHash, {
      seeders: numberAt(value, "complete"),
      completed: numberAt(value, "downloaded"),
      leechers: numberAt(value, "incomplete"),
    });
  }
  return torrents;
}

function readPeers(value: Value | undefined, addressLength: number): Peer[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.map(readListedPeer);
  const stride = addressLength + 2;
  if (!(value instanceof Uint8Array) || value.length % stride !== 0) {
    throw new ResponseError("Cannot parse the peers of a response");
  }
  return Array.from({ length: value.length / stride }, (_, index) => {
    const end = (index + 1) * stride - 2;
    const address = value.subarray(index * stride, end);
    return {
      address: addressLength === 4 ? address.join(".") : address.toHex().match(/.{4}/g)!.join(":"),
      port: value[end]! << 8 | value[end + 1]!,
    };
  });
}

function readListedPeer(value: Value): Peer {
  const address = value instanceof Map ? value.get("ip") : undefined;
  if (!(value instanceof Map) || !(address instanceof Uint8Array)) {
    throw new ResponseError("Cannot parse a peer of a response");
  }
  return { address: new TextDecoder().decode(address), port: numberAt(value, "port") };
}

/** Strict bencode; the keys of dictionaries are one character a byte. */
class BencodeReader {
  static readonly #END = 0x65;
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  readDictionary(): Map<string, Value> {
    this.#expect(0x64);
    const dictionary = new Map<string, Value>();
    let before = "";
    while (this.#bytes[this.#offset] !== BencodeReader.#END) {
      const key = decodeLatin1(this.#readString());
      if (dictionary.size > 0 && key <= before) this.#fail();
      dictionary.set(key, this.#readValue());
      before = key;
    }
    ++this.#offset;
    return dictionary;
  }

  #readValue(): Value {
    switch (this.#bytes[this.#offset]) {
      case 0x64:
        return this.readDictionary();
      case 0x69:
        ++this.#offset;
        return this.#readDecimal(BencodeReader.#END);
      case 0x6c: {
        ++this.#offset;
        const list: Value[] = [];
        while (this.#bytes[this.#offset] !== BencodeReader.#END) list.push(this.#readValue());
        ++this.#offset;
        return list;
      }
      default:
        return this.#readString();
    }
  }

  #readString(): Uint8Array {
    const end = this.#readDecimal(0x3a) + this.#offset;
    if (end > this.#bytes.length) this.#fail();
    const bytes = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  /** Digits up to and with the byte that ends them. */
  #readDecimal(end: number): number {
    const at = this.#bytes.indexOf(end, this.#offset);
    const digits = at < 0 ? "" : decodeLatin1(this.#bytes.subarray(this.#offset, at));
    if (!/^(0|[1-9]\d{0,15})$/.test(digits)) this.#fail();
    this.#offset = at + 1;
    return Number(digits);
  }

  #expect(code: number): void {
    if (this.#bytes[this.#offset++] !== code) this.#fail();
  }

  #fail(): never {
    throw new ResponseError(`Cannot parse a body as bencode at byte ${this.#offset}`);
  }
}

function findEmptyLine(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

function decodeLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
