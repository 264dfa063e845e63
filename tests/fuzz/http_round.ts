/**
 * Streams of HTTP requests, good, odd and broken, for two trackers that must not differ: one gets
 * each stream whole, the other one in random pieces.
 *
 * Both start alike and draw the same random numbers, so every byte of their answers must be the
 * same. What the first one answers is read strictly besides.
 */
import { strict as assert } from "node:assert";
import { HttpHarness } from "../core/http_harness.ts";
import { latin1, parseDictionary } from "../support/bencode.ts";
import { concat, fromHex } from "../support/packets.ts";
import { Random } from "./random.ts";

const METHODS = ["GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "get", "G=T"];
const PATHS = [
  "/announce",
  "/announce",
  "/announce",
  "/scrape",
  "/k/announce",
  "/announce/k",
  "/scrape.php",
  "/",
  "/x",
  "http://h/announce",
  "*",
  "announce",
];
const VALUES = [
  "0",
  "1",
  "00",
  "",
  "-1",
  "abc",
  "65535",
  "65536",
  "99999999999999999999",
  "%31",
  "%",
];
const EVENTS = ["started", "stopped", "completed", "paused", "empty", "", "%73topped"];
const HEADERS = [
  "Host: x",
  "Connection: close",
  "connection: keep-alive, x",
  "User-Agent: x/1",
  "X-Forwarded-For: 9.9.9.9, 192.0.2.7",
  'Forwarded: for=9.9.9.9;proto=http, for="[2001:db8::1]:4711"',
  "X-Forwarded-For: unknown",
  "Content-Length: 0",
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "X : y",
  " folded",
  "X: a\0b",
  "X: a\tb",
];
const ENDS = ["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"];
/** 192.0.2.0/24 is the network of the proxies, and of most clients. */
const TRUSTED = Uint32Array.of(0xc0000200, 0xc00002ff);
const HOSTS = ["192.0.2.1", "192.0.2.2", "203.0.113.1", "2001:db8::1", "::ffff:203.0.113.2"];
const STREAM_REQUESTS_MAX = 8;
const HEAD = Uint8Array.of(0x48, 0x45, 0x41, 0x44);
const EMPTY_LINE = Uint8Array.of(13, 10, 13, 10);
const STATUS = /^HTTP\/1\.1 (\d{3}) [A-Z][A-Za-z ]+\r\n(?:[A-Z][A-Za-z-]+: [^\r\n]+\r\n)+\r\n$/;
const CONTENT_LENGTH = /^Content-Length: (0|[1-9]\d*)\r$/m;
const decoder = new TextDecoder();
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Plays streams of `requests` requests in all. */
export function playHttpRound(
  module: WebAssembly.Module,
  options: { seed: number; number: number; requests: number },
): void {
  const random = new Random(options.seed, options.number);
  const settings = {
    proxyProtocol: random.oneIn(4),
    cors: random.oneIn(4),
    externalIp: random.oneIn(2),
    sameFamilyOnly: random.oneIn(4),
    maxRequestsPerConnection: random.oneIn(4) ? 3 : 1_000,
    announceIntervalSeconds: 900,
  };
  const peerIds = random.oneIn(2);
  const make = () => new HttpHarness(module, { settings, peerIds, trusted: TRUSTED });
  const [whole, cut] = [make(), make()];
  for (let done = 0; done < options.requests;) {
    const count = 1 + random.below(STREAM_REQUESTS_MAX);
    done += count;
    const stream = writeStream(random, count, settings.proxyProtocol);
    const hostname = random.pick(HOSTS);
    const expected = whole.exchange([stream], hostname);
    const answer = cut.exchange([...pieces(random, stream)], hostname);
    try {
      assert.ok(equalBytes(answer.bytes, expected.bytes), "The answers differ");
      assert.equal(answer.isEnding, expected.isEnding);
      readAnswers(expected.bytes, { stream, count });
    } catch (error) {
      const at = `Seed ${options.seed}, round ${options.number}`;
      const texts = [stream, expected.bytes, answer.bytes].map((it) => JSON.stringify(latin1(it)));
      throw new Error(`${at}: ${texts.join("\n")}`, { cause: error });
    }
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function writeStream(random: Random, count: number, isProxied: boolean): Uint8Array {
  const head = isProxied && !random.oneIn(10) ? writeProxyHeader(random) : new Uint8Array();
  const requests = Array.from({ length: count }, () => writeRequest(random));
  const stream = concat(head, ...requests);
  if (random.oneIn(5) && stream.length > 0) {
    for (let turns = 1 + random.below(4); turns > 0; turns--) {
      stream[random.below(stream.length)] = random.oneIn(2) ? random.below(256) : random.below(33);
    }
  }
  return random.oneIn(10) ? stream.subarray(0, random.below(stream.length + 1)) : stream;
}

function writeProxyHeader(random: Random): Uint8Array {
  if (random.oneIn(2)) return bytesOf("PROXY TCP4 203.0.113.9 192.0.2.1 5555 80\r\n");
  const header = fromHex("0d0a0d0a000d0a515549540a 21 11 000c cb007109 c0000201 0001 0002");
  if (random.oneIn(4)) header[12] = random.below(256);
  return header;
}

function writeRequest(random: Random): Uint8Array {
  if (random.oneIn(50)) return bytesOf("\r\n");
  const end = () => random.oneIn(20) ? random.pick(ENDS) : "\r\n";
  const version = random.oneIn(8) ? random.pick(["1.0", "1.2", "2.0", "1.", "x"]) : "1.1";
  const target = random.pick(PATHS) + "?" + writeQuery(random);
  const padding = random.oneIn(300) ? "&x=" + "x".repeat(random.below(9_000)) : "";
  let text = `${random.pick(METHODS)} ${target}${padding} HTTP/${version}${end()}`;
  if (!random.oneIn(20)) text += "Host: tracker.test\r\n";
  for (let count = random.below(4); count > 0; count--) {
    if (random.oneIn(2)) text += random.pick(HEADERS.slice(1, 5)) + end();
    else if (random.oneIn(4)) text += random.pick(HEADERS) + end();
  }
  if (random.oneIn(500)) text += `X: ${"x".repeat(random.below(17_000))}\r\n`;
  return bytesOf(text + end());
}

function writeQuery(random: Random): string {
  const parameters = [`info_hash=${writeId(random, 4)}`];
  if (!random.oneIn(10)) parameters.push(`peer_id=${writeId(random, 200)}`);
  if (!random.oneIn(10)) parameters.push(`port=${1 + random.below(200)}`);
  const left = random.oneIn(4) ? random.pick(VALUES) : String(random.below(2));
  if (!random.oneIn(4)) parameters.push(`left=${left}`);
  if (random.oneIn(3)) parameters.push(`event=${random.pick(EVENTS)}`);
  if (random.oneIn(3)) parameters.push(`numwant=${random.pick(VALUES)}`);
  if (random.oneIn(3)) parameters.push(`compact=${random.below(2)}`);
  if (random.oneIn(6)) parameters.push(`no_peer_id=1`);
  if (random.oneIn(8)) parameters.push(`info_hash=${writeId(random, 50)}`);
  if (random.oneIn(8)) {
    parameters.push(random.pick(["", "=", "a=b=c", "ip=1.2.3.4", "port=%", "é=ü"]));
  }
  if (random.oneIn(20)) parameters.reverse();
  return parameters.join("&");
}

/** One of a few ids, in one of its spellings; now and then a broken one. */
function writeId(random: Random, count: number): string {
  const id = new Uint8Array(20).fill(1 + random.below(count));
  id[3] = 0x2b;
  id[7] = 0x41;
  const text = Array.from(id, (byte) => {
    const hex = HEX[byte];
    const isPlain = byte === 0x41 && random.oneIn(2);
    return isPlain
      ? "A"
      : byte === 0x2b && random.oneIn(2)
      ? "+"
      : `%${random.oneIn(2) ? hex : hex.toUpperCase()}`;
  }).join("");
  return random.oneIn(20) ? text.slice(0, random.below(text.length)) : text;
}

function* pieces(random: Random, stream: Uint8Array): Generator<Uint8Array> {
  const most = random.pick([1, 40, 200, 400, 400, 4_000]);
  for (let at = 0; at < stream.length;) {
    const end = Math.min(
      stream.length,
      at + 1 + random.below(stream.length > 3_000 ? 4_000 : most),
    );
    yield stream.subarray(at, end);
    at = end;
  }
}

/**
 * Answers follow each other without a gap, no more than there were requests; bodies are bencode.
 */
function readAnswers(
  bytes: Uint8Array,
  { stream, count }: { stream: Uint8Array; count: number },
): void {
  // Without their bodies, answers to HEAD cannot be told apart from others: they are left out here.
  if (indexOf(stream, HEAD, 0) >= 0) return;
  let answers = 0;
  for (let at = 0; at < bytes.length; answers++) {
    const headEnd = indexOf(bytes, EMPTY_LINE, at) + EMPTY_LINE.length;
    const head = decoder.decode(bytes.subarray(at, headEnd));
    const status = STATUS.exec(head)?.[1];
    assert.ok(status !== undefined, "There is a status");
    at = headEnd + Number(CONTENT_LENGTH.exec(head)?.[1] ?? "0");
    assert.ok(at <= bytes.length, "The body is whole");
    if (status === "200") parseDictionary(bytes.subarray(headEnd, at));
  }
  // A byte that was changed may have made two requests of one.
  assert.ok(answers <= 2 * count + 4, "There are no more answers than requests");
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(wanted[0], from); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}
