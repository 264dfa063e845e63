/**
 * One connection to a WebTorrent tracker, plain or over TLS: any bytes out, strictly read frames
 * in.
 *
 * It reads only when asked to, so a test can be a client that does not read. Every wait has a
 * deadline. Pings of the tracker are answered while it reads, unless a test wants to see them.
 */
import { strict as assert } from "node:assert";
import { acceptOf, connect, createKey, writeUpgradeRequest } from "../../protocols/ws/client.ts";
import {
  type Frame,
  FrameReader,
  OPCODE_CLOSE,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
  parseCloseReason,
  writeCloseReason,
  writeFrame,
} from "../../protocols/ws/frames.ts";
import { parseMessage, toText, type TrackerMessage } from "../../protocols/ws/messages.ts";
import { latin1 } from "./bencode.ts";
import { within } from "./deadline.ts";
import type { Endpoint } from "./http_client.ts";
import { concat, randomBytes } from "./packets.ts";

const REPLY_DEADLINE_MS = 20_000;
const FRAME_BYTE_LENGTH_MAX = 1024 * 1024;

/** A JSON object of a message. */
export type Json = Record<string, unknown>;

/** What an announce holds; `extra` is laid over it, with `undefined` for what is left out. */
export interface Announce {
  infoHash: Uint8Array;
  peerId: Uint8Array;
  extra?: Json;
}

export interface Counts {
  complete: number;
  incomplete: number;
}

export interface UpgradeOptions {
  path?: string;
  headers?: string[];
  /** Leave pings of the tracker unanswered, and return them as frames. */
  showsPings?: boolean;
}

export class WsConnection implements AsyncDisposable {
  readonly conn: Deno.Conn;
  /** What the tracker answered to the upgrade. */
  head = "";
  readonly #showsPings: boolean;
  readonly #reader = new FrameReader(FRAME_BYTE_LENGTH_MAX);
  #hasEnded = false;
  #reading?: Promise<void>;
  #isClosed = false;

  private constructor(conn: Deno.Conn, showsPings: boolean) {
    this.conn = conn;
    this.#showsPings = showsPings;
  }

  /** Connects and upgrades; the answer must be right. */
  static async open(endpoint: Endpoint, options: UpgradeOptions = {}): Promise<WsConnection> {
    const { hostname, port, authority } = endpoint;
    const caCerts = authority === undefined ? undefined : [authority];
    const connecting = connect({ hostname, port, caCerts });
    const conn = await within(connecting, { deadlineMs: REPLY_DEADLINE_MS, what: "a connection" });
    const client = new WsConnection(conn, options.showsPings ?? false);
    try {
      await client.#upgrade(options);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
    return client;
  }

  async send(...parts: Uint8Array[]): Promise<void> {
    const bytes = concat(...parts);
    const sending = (async () => {
      for (let offset = 0; offset < bytes.length;) {
        offset += await this.conn.write(bytes.subarray(offset));
      }
    })();
    const what = `${bytes.length} bytes are sent`;
    await within(sending, { deadlineMs: REPLY_DEADLINE_MS, what });
  }

  async sendText(text: string): Promise<void> {
    await this.send(textFrame(text));
  }

  async sendJson(message: unknown): Promise<void> {
    await this.sendText(JSON.stringify(message));
  }

  /** Announces without waiting for the answer. */
  async sendAnnounce(announce: Announce): Promise<void> {
    await this.sendJson(announceMessage(announce));
  }

  /** Announces, and expects the answer next. */
  async announce(announce: Announce): Promise<Counts> {
    await this.sendAnnounce(announce);
    const message = await this.receiveJson();
    assert.equal(message.action, "announce", JSON.stringify(message));
    assert.equal(message.info_hash, toText(announce.infoHash), "The info hash is echoed");
    assert.ok(Number.isSafeInteger(message.interval), "An integer interval");
    assert.ok(!("peer_id" in message), "No peer id");
    return { complete: Number(message.complete), incomplete: Number(message.incomplete) };
  }

  /** Scrapes one torrent. */
  async scrape(infoHash: Uint8Array): Promise<Json> {
    await this.sendJson({ action: "scrape", info_hash: toText(infoHash) });
    const { action, files } = await this.receiveJson();
    assert.equal(action, "scrape");
    assert.deepEqual(Object.keys(files as Json), [toText(infoHash)]);
    return (files as Record<string, Json>)[toText(infoHash)];
  }

  /** Sends a message, expects to be refused, and returns the whole answer. */
  async refusal(message: unknown): Promise<Json & { "failure reason": string }> {
    if (message instanceof Uint8Array) await this.send(message);
    else await this.sendJson(message);
    const answer = await this.receiveJson();
    const reason = answer["failure reason"];
    assert.ok(typeof reason === "string" && reason !== "", JSON.stringify(answer));
    return { ...answer, "failure reason": reason };
  }

  /** Asserts that nothing else has come and that messages are still answered. */
  async expectQuiet(): Promise<void> {
    const infoHash = randomBytes(20);
    assert.deepEqual(await this.scrape(infoHash), { complete: 0, incomplete: 0, downloaded: 0 });
  }

  /** Reads a message, which must be a text in one frame. */
  async receiveText(): Promise<string> {
    const frame = await this.receiveFrame();
    const payload = new TextDecoder("utf-8", { fatal: true }).decode(frame.payload);
    const seen = `opcode ${frame.opcode}: ${JSON.stringify(payload.slice(0, 200))}`;
    assert.equal(frame.opcode, OPCODE_TEXT, `A text, not ${seen}`);
    assert.ok(frame.isFinal, "A whole text");
    return payload;
  }

  async receiveJson(): Promise<Json> {
    return JSON.parse(await this.receiveText());
  }

  async receive(): Promise<TrackerMessage> {
    return parseMessage(await this.receiveText());
  }

  /** Reads the next frame. */
  async receiveFrame(deadlineMs = REPLY_DEADLINE_MS): Promise<Frame> {
    const frame = await this.#nextFrame("a frame", deadlineMs);
    assert.ok(frame, "The connection has ended instead of a frame");
    return frame;
  }

  /** Expects a close frame with this code, and then the end. */
  async expectClose(...codes: number[]): Promise<void> {
    const frame = await this.receiveFrame();
    assert.equal(frame.opcode, OPCODE_CLOSE, `A close frame, not ${latin1(frame.payload)}`);
    assert.ok(codes.includes(parseCloseReason(frame)!), `Close code ${parseCloseReason(frame)}`);
    new TextDecoder("utf-8", { fatal: true }).decode(frame.payload.subarray(2));
    const reply = writeFrame(frame.payload.slice(0, 2), { opcode: OPCODE_CLOSE });
    await this.send(reply).catch(() => {}); // It may have closed already.
    await this.untilEnded();
  }

  /** Waits until the connection has ended; returns the code of its close frame, if there is one. */
  async untilEnded(deadlineMs = REPLY_DEADLINE_MS): Promise<number | undefined> {
    const end = performance.now() + deadlineMs;
    let code: number | undefined;
    while (true) {
      const frame = await this.#nextFrame("the end", Math.max(1, end - performance.now()));
      if (frame === undefined) return code;
      if (frame.opcode === OPCODE_CLOSE) code = parseCloseReason(frame);
    }
  }

  /** Sends a close frame and expects the same, then the end. */
  async closeInOrder(code = 1000): Promise<void> {
    await this.send(writeFrame(writeCloseReason(code), { opcode: OPCODE_CLOSE }));
    await this.expectClose(code);
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

  async #nextFrame(what: string, deadlineMs: number): Promise<Frame | undefined> {
    const reading = async () => {
      while (true) {
        const frame = this.#reader.next();
        if (frame?.opcode === OPCODE_PING && !this.#showsPings) {
          await this.send(writeFrame(frame.payload, { opcode: OPCODE_PONG })).catch(() => {});
        } else if (frame !== undefined || this.#hasEnded) {
          return frame;
        } else {
          await this.#read();
        }
      }
    };
    return await within(reading(), { deadlineMs, what });
  }

  /** Reads once; a read that a deadline cut short goes on and is shared. */
  #read(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => this.#reading = undefined);
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    try {
      const byteLength = await this.conn.read(this.#reader.room());
      if (byteLength === null) this.#hasEnded = true;
      else this.#reader.filled(byteLength);
    } catch {
      this.#hasEnded = true; // Reset, or ended without a close_notify.
    }
  }

  async #upgrade({ path, headers }: UpgradeOptions): Promise<void> {
    const key = createKey();
    const request = writeUpgradeRequest(key, { host: "tracker.test", path, headers });
    await this.send(new TextEncoder().encode(request));
    let received = new Uint8Array();
    const readHead = async () => {
      while (!latin1(received).includes("\r\n\r\n") && !this.#hasEnded) {
        await this.#read();
        received = concat(received, this.#reader.rest());
      }
    };
    await within(readHead(), { deadlineMs: REPLY_DEADLINE_MS, what: "the answer to an upgrade" });
    const text = latin1(received);
    const end = text.indexOf("\r\n\r\n") + 4;
    this.head = text.slice(0, end);
    assert.match(this.head, /^HTTP\/1\.1 101 [^\r\n]+\r\n/, text);
    assert.match(this.head, /^upgrade: websocket\r$/im);
    assert.match(this.head, /^connection: upgrade\r$/im);
    const accept = /^sec-websocket-accept: (\S+)\r$/im.exec(this.head)?.[1];
    assert.equal(accept, await acceptOf(key));
    const behind = received.subarray(end);
    this.#reader.room().set(behind);
    this.#reader.filled(behind.length);
  }
}

/** Writes a text as one masked frame. */
export function textFrame(text: string): Uint8Array {
  return writeFrame(new TextEncoder().encode(text));
}

/** A message that announces; a leecher's that has just come, unless `extra` says otherwise. */
export function announceMessage({ infoHash, peerId, extra }: Announce): Json {
  return {
    action: "announce",
    info_hash: toText(infoHash),
    peer_id: toText(peerId),
    uploaded: 0,
    downloaded: 0,
    left: 1,
    event: "started",
    numwant: 50,
    offers: [],
    ...extra,
  };
}

/** Offers that can be told apart. */
export function makeOffers(count: number, sdpLength = 40): Json[] {
  return Array.from({ length: count }, (_, index) => ({
    offer_id: toText(randomBytes(20)),
    offer: { type: "offer", sdp: `v=0\r\n${index} `.padEnd(sdpLength, "x") },
  }));
}
