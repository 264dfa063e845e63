/**
 * One connection to an HTTP tracker, plain or over TLS: bytes out, strictly read responses in.
 *
 * It reads only when asked to, so a test can be a client that does not read. Every wait has a
 * deadline. Whatever arrives beyond what was expected is an error, at the latest when it closes.
 */
import { strict as assert } from "node:assert";
import { dictionaryAt, integerAt, latin1 } from "./bencode.ts";
import { elapse, within } from "./deadline.ts";
import { type Announced, announceTarget, type Counts, type Parameters } from "./http_messages.ts";
import { parseAnnounced, parseBody, parseFailure, parseHead } from "./http_messages.ts";
import { parseScraped } from "./http_messages.ts";
import { type RequestOptions, type Response, scrapeTarget, writeRequest } from "./http_messages.ts";
import { ascii, concat } from "./packets.ts";

/** Long enough for a busy machine; only a failing test waits so long. */
const REPLY_DEADLINE_MS = 20_000;

/** No head of a tracker's response is longer. */
const HEAD_BYTE_LENGTH_MAX = 4096;

export type Scheme = "http" | "https";

/** Where a tracker listens, and how to speak to it. */
export interface Endpoint {
  hostname: string;
  port: number;
  /** Certificate of the authority to trust (PEM): speak TLS. */
  authority?: string;
}

/** How a connection ended: both halves in good order, or torn down. */
export type Ending = "closed" | "reset";

export class HttpConnection implements AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly conn: Deno.Conn;
  #received: Uint8Array<ArrayBuffer> = new Uint8Array();
  #ending?: Ending;
  #reading?: Promise<void>;
  #isClosed = false;

  private constructor(endpoint: Endpoint, conn: Deno.Conn) {
    this.endpoint = endpoint;
    this.conn = conn;
  }

  /** Connects, and ends the TLS handshake where there is one. */
  static async open(endpoint: Endpoint): Promise<HttpConnection> {
    const { hostname, port, authority } = endpoint;
    if (authority === undefined) {
      return new HttpConnection(endpoint, await Deno.connect({ hostname, port }));
    }
    const conn = await Deno.connectTls({ hostname, port, caCerts: [authority] });
    try {
      await within(conn.handshake(), { deadlineMs: REPLY_DEADLINE_MS, what: "the TLS handshake" });
    } catch (error) {
      conn.close();
      throw error;
    }
    return new HttpConnection(endpoint, conn);
  }

  /** Speaks over a socket that is connected already. */
  static over(conn: Deno.Conn): HttpConnection {
    return new HttpConnection({ hostname: "localhost", port: 0 }, conn);
  }

  /** The port that this connection comes from. */
  get sourcePort(): number {
    return (this.conn.localAddr as Deno.NetAddr).port;
  }

  /** Sends text or bytes, in one segment where the system does so. */
  async send(...parts: (string | Uint8Array)[]): Promise<void> {
    const bytes = concat(...parts.map((part) => typeof part === "string" ? ascii(part) : part));
    const sending = this.#sendAll(bytes);
    await within(sending, {
      deadlineMs: REPLY_DEADLINE_MS,
      what: `${bytes.length} bytes are sent`,
    });
  }

  /** Lets what was sent arrive as a segment of its own. */
  async settle(): Promise<void> {
    await elapse(1);
  }

  /** Says that nothing more will be sent. */
  async closeWrite(): Promise<void> {
    await this.conn.closeWrite();
  }

  /** Reads one response, which must be well formed and say how long its body is. */
  async receive(options: { toHead?: boolean } = {}): Promise<Response> {
    const headByteLength = await this.#fillUntil(() => {
      const index = latin1(this.#received.subarray(0, HEAD_BYTE_LENGTH_MAX)).indexOf("\r\n\r\n");
      return index < 0 ? undefined : index + 4;
    }, "a response");
    const head = parseHead(this.#take(headByteLength));
    assert.ok(!head.headers.has("transfer-encoding"), "No Transfer-Encoding");
    const length = head.headers.get("content-length");
    assert.match(length ?? "none", /^(0|[1-9]\d*)$/, "Content-Length");
    const bodyByteLength = options.toHead ? 0 : Number(length);
    const isThere = () => this.#received.length >= bodyByteLength ? bodyByteLength : undefined;
    await this.#fillUntil(isThere, `${bodyByteLength} bytes of body`);
    return { ...head, body: this.#take(bodyByteLength) };
  }

  /** Reads one response, or returns undefined if the connection ends before its first byte. */
  async receiveOrEnd(): Promise<Response | undefined> {
    const isThere = () => this.#received.length > 0 || this.#ending !== undefined ? 0 : undefined;
    await this.#fillUntil(isThere, "a response or the end");
    return this.#received.length > 0 ? await this.receive() : undefined;
  }

  /** Sends one request and reads its response. */
  async request(target: string, options: RequestOptions = {}): Promise<Response> {
    await this.send(writeRequest(target, options));
    return await this.receive({ toHead: options.method === "HEAD" });
  }

  /** Announces, and expects not to be refused. */
  async announce(parameters: Parameters = {}, options: RequestOptions = {}): Promise<Announced> {
    return parseAnnounced(await this.request(announceTarget(parameters), options));
  }

  /** Announces, expects to be refused and returns the reason. */
  async refusal(parameters: Parameters, options: RequestOptions = {}): Promise<string> {
    return parseFailure(await this.request(announceTarget(parameters), options));
  }

  async scrape(...infoHashes: Uint8Array[]): Promise<Map<string, Counts>> {
    return parseScraped(await this.request(scrapeTarget(infoHashes)));
  }

  /** Scrapes one torrent. */
  async counts(infoHash: Uint8Array): Promise<Counts> {
    const torrents = await this.scrape(infoHash);
    assert.equal(torrents.size, 1);
    return torrents.get(latin1(infoHash))!;
  }

  /** Scrapes how many download one torrent (BEP 21); undefined if the tracker does not say. */
  async downloaders(infoHash: Uint8Array): Promise<number | undefined> {
    const answer = parseBody(await this.request(scrapeTarget([infoHash])));
    const counts = dictionaryAt(dictionaryAt(answer, "files"), latin1(infoHash));
    return counts.has("downloaders") ? integerAt(counts, "downloaders") : undefined;
  }

  /** Waits until the tracker has closed the connection, without a further byte. */
  async untilClosed(deadlineMs = REPLY_DEADLINE_MS): Promise<Ending> {
    const rest = await this.readRest(deadlineMs);
    assert.equal(latin1(rest), "", "Nothing comes before the close");
    return this.#ending!;
  }

  /** Reads what comes until the tracker closes the connection. */
  async readRest(deadlineMs = REPLY_DEADLINE_MS): Promise<Uint8Array> {
    const reading = async () => {
      while (this.#ending === undefined) await this.#read();
    };
    await within(reading(), { deadlineMs, what: "the tracker closes the connection" });
    return this.#take(this.#received.length);
  }

  /** Asserts that nothing more has come and that requests are still answered. */
  async expectUsable(): Promise<void> {
    assert.equal(latin1(this.#received), "", "Bytes that nobody asked for");
    const { incomplete } = await this.announce({});
    assert.equal(incomplete, 1);
    assert.equal(latin1(this.#received), "", "Bytes that nobody asked for");
  }

  /** Closes the socket at once. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#reading;
  }

  async #sendAll(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length;) {
      offset += await this.conn.write(bytes.subarray(offset));
    }
  }

  async #fillUntil(find: () => number | undefined, what: string): Promise<number> {
    const filling = async () => {
      while (true) {
        const found = find();
        if (found !== undefined) return found;
        const soFar = () => JSON.stringify(latin1(this.#received.subarray(0, 300)));
        if (this.#ending) throw new Error(`${this.#ending} instead of ${what}; got ${soFar()}`);
        await this.#read();
      }
    };
    const describe = () =>
      `${what}; got ${JSON.stringify(latin1(this.#received.subarray(0, 300)))}`;
    return await within(filling(), { deadlineMs: REPLY_DEADLINE_MS, what: describe });
  }

  /** Reads once; a read that a deadline cut short goes on and is shared. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => this.#reading = undefined);
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    const buffer = new Uint8Array(65536);
    try {
      const byteLength = await this.conn.read(buffer);
      if (byteLength === null) this.#ending = "closed";
      else this.#received = concat(this.#received, buffer.subarray(0, byteLength));
    } catch (error) {
      this.#ending = endingOf(error);
      if (!this.#ending) throw error;
    }
  }

  #take(byteLength: number): Uint8Array {
    const taken = this.#received.subarray(0, byteLength);
    this.#received = this.#received.subarray(byteLength);
    return taken;
  }
}

function endingOf(error: unknown): Ending | undefined {
  // A TLS connection that ends without a close_notify; Content-Length says whether that matters.
  if (error instanceof Deno.errors.UnexpectedEof) return "closed";
  if (error instanceof Deno.errors.ConnectionReset) return "reset";
  if (error instanceof Deno.errors.ConnectionAborted) return "reset";
  if (error instanceof Deno.errors.BrokenPipe) return "reset";
  if (error instanceof Deno.errors.BadResource) return "closed";
  if (error instanceof Deno.errors.Interrupted) return "closed";
  return undefined;
}
