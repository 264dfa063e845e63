/**
 * The client's half of a WebTorrent tracker's protocol, on a raw socket of Deno's: the upgrade,
 * frames of RFC 6455, and messages.
 *
 * One `receive` may be under way beside any number of sends, which go out in their order. Pings are
 * answered while something is received, and at no other time.
 */
import {
  CLOSE_NORMAL,
  type Frame,
  FrameError,
  FrameReader,
  OPCODE_BINARY,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
  parseCloseReason,
  writeCloseReason,
  writeFrame,
} from "./frames.ts";
import {
  type AnnounceRequest,
  type AnswerRequest,
  parseMessage,
  type TrackerMessage,
  writeAnnounce,
  writeAnswer,
  writeScrape,
} from "./messages.ts";

/** Where a tracker listens, and how to ask it. */
export interface Endpoint {
  hostname: string;
  port: number;
  /** Default: `/`. */
  path?: string;
  /** Speak TLS, and trust these authorities (PEM) besides the usual ones. */
  caCerts?: string[];
}

const MESSAGE_BYTE_LENGTH_MAX = 1024 * 1024;
const HEAD_BYTE_LENGTH_MAX = 8192;
/** What a key is hashed with (RFC 6455, section 1.3). */
const KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** The tracker did not upgrade the connection. */
export class UpgradeError extends Error {
  override name = "UpgradeError";
}

/** Writes the head of an upgrade request. @param key 16 bytes in base64. */
export function writeUpgradeRequest(
  key: string,
  options: { host: string; path?: string; headers?: readonly string[] },
): string {
  return [
    `GET ${options.path ?? "/"} HTTP/1.1`,
    `Host: ${options.host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    ...options.headers ?? [],
    "\r\n",
  ].join("\r\n");
}

/** Makes a key for one upgrade. */
export function createKey(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toBase64();
}

/** What a tracker must answer to a key. */
export async function acceptOf(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key + KEY_SUFFIX);
  return new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)).toBase64();
}

/** Connects, over TLS where authorities are named, and ends the TLS handshake. */
export async function connect({ hostname, port, caCerts }: Endpoint): Promise<Deno.Conn> {
  if (caCerts === undefined) return await Deno.connect({ hostname, port });
  const conn = await Deno.connectTls({ hostname, port, caCerts });
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

export class WsClient implements Disposable {
  readonly #conn: Deno.Conn;
  readonly #reader = new FrameReader(MESSAGE_BYTE_LENGTH_MAX);
  #fragments: Uint8Array[] = [];
  #sending: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Connects and upgrades. @throws {UpgradeError} The tracker does not want to. */
  static async open(endpoint: Endpoint): Promise<WsClient> {
    const client = new WsClient(await connect(endpoint));
    try {
      await client.#upgrade(endpoint);
      return client;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  announce(request: AnnounceRequest): Promise<void> {
    return this.sendText(writeAnnounce(request));
  }

  answer(request: AnswerRequest): Promise<void> {
    return this.sendText(writeAnswer(request));
  }

  scrape(infoHashes: readonly Uint8Array[]): Promise<void> {
    return this.sendText(writeScrape(infoHashes));
  }

  /** Sends a text as one frame. */
  sendText(text: string): Promise<void> {
    return this.send(writeFrame(new TextEncoder().encode(text)));
  }

  /** Sends bytes as they are: whole frames. */
  send(bytes: Uint8Array): Promise<void> {
    this.#sending = this.#sending.then(() => writeAll(this.#conn, bytes));
    return this.#sending;
  }

  /** Waits for the next message; undefined once the tracker has closed the connection. */
  async receive(): Promise<TrackerMessage | undefined> {
    const text = await this.receiveText();
    return text === undefined ? undefined : parseMessage(text);
  }

  /** The same as the text that came. @throws FrameError */
  async receiveText(): Promise<string | undefined> {
    while (true) {
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        if (frame.opcode === OPCODE_CLOSE) {
          await this.close(parseCloseReason(frame)).catch(() => {}); // It may be gone.
          return undefined;
        }
        const text = this.#take(frame);
        if (text !== undefined) return text;
      }
      const byteLength = await this.#conn.read(this.#reader.room());
      if (byteLength === null) return undefined;
      this.#reader.filled(byteLength);
    }
  }

  /** Sends a close frame; `receive` then returns what comes before the tracker's own. */
  async close(code = CLOSE_NORMAL): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.send(writeFrame(writeCloseReason(code), { opcode: OPCODE_CLOSE }));
  }

  /** Ends the connection at once. */
  [Symbol.dispose](): void {
    try {
      this.#conn.close();
    } catch { // It is closed.
    }
  }

  /** Takes a frame in; returns the message that ends with it. */
  #take(frame: Frame): string | undefined {
    switch (frame.opcode) {
      case OPCODE_PING:
        // What was received is overwritten before the pong may have gone out.
        this.send(writeFrame(frame.payload, { opcode: OPCODE_PONG })).catch(() => {});
        return undefined;
      case OPCODE_PONG:
        return undefined;
      case OPCODE_TEXT:
      case OPCODE_BINARY:
        if (this.#fragments.length > 0) throw new FrameError("A message within a message");
        break;
      case OPCODE_CONTINUATION:
        if (this.#fragments.length === 0) throw new FrameError("No message to go on with");
        break;
      default:
        throw new FrameError(`A frame with opcode ${frame.opcode}`);
    }
    const { payload, isFinal } = frame;
    if (isFinal && this.#fragments.length === 0) return decode(payload);
    this.#fragments.push(payload.slice());
    const byteLength = this.#fragments.reduce((sum, { length }) => sum + length, 0);
    if (byteLength > MESSAGE_BYTE_LENGTH_MAX) throw new FrameError("A message that is too long");
    if (!isFinal) return undefined;
    const message = new Uint8Array(byteLength);
    let offset = 0;
    for (const fragment of this.#fragments) {
      message.set(fragment, offset);
      offset += fragment.length;
    }
    this.#fragments = [];
    return decode(message);
  }

  async #upgrade({ hostname, port, path }: Endpoint): Promise<void> {
    const key = createKey();
    const host = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
    await this.send(new TextEncoder().encode(writeUpgradeRequest(key, { host, path })));
    const head = await this.#receiveHead();
    const accept = /^sec-websocket-accept: *(\S+) *\r$/im.exec(head)?.[1];
    if (!head.startsWith("HTTP/1.1 101 ") || accept !== await acceptOf(key)) {
      throw new UpgradeError(`Cannot upgrade: ${JSON.stringify(head.slice(0, 200))}`);
    }
  }

  /** Reads the head of a response; frames behind it are kept. */
  async #receiveHead(): Promise<string> {
    let received = new Uint8Array();
    while (received.length < HEAD_BYTE_LENGTH_MAX) {
      const byteLength = await this.#conn.read(this.#reader.room());
      if (byteLength === null) break;
      this.#reader.filled(byteLength);
      received = concat(received, this.#reader.rest());
      const head = String.fromCharCode(...received);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      const behind = received.subarray(end + 4);
      this.#reader.room().set(behind);
      this.#reader.filled(behind.length);
      return head.slice(0, end + 4);
    }
    throw new UpgradeError("Cannot upgrade: there is no head of a response");
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

function concat(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await conn.write(bytes.subarray(offset));
}
