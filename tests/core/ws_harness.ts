/** The WebTorrent half of workers' cores without a socket: frames in, frames out. */
import { strict as assert } from "node:assert";
import { type Connection, writeHttpSettings } from "../../wasm/http_core.ts";
import { writeWsSettings, WsCore, type WsSettings } from "../../wasm/ws_core.ts";
import { latin1 } from "../support/bencode.ts";
import { ascii, concat } from "../support/packets.ts";
import { writeClientAddress } from "../../server/client_address.ts";
import { createShared } from "./harness.ts";
import { HTTP_SETTINGS } from "./http_harness.ts";

export const WS_SETTINGS: WsSettings = {
  announceIntervalSeconds: 120,
  maxOffers: 10,
  maxScrapeTorrents: 100,
  maxMessageBytes: 131_072,
  outboxBytesMax: 262_144,
  maxTorrentsPerConnection: 1_000,
  messagesPerSecond: 0,
};

/** The key of RFC 6455, section 1.3, whose accepted form is known. */
export const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
export const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

export const UPGRADE = "GET /announce HTTP/1.1\r\nHost: tracker.example\r\n" +
  `Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\n` +
  "Sec-WebSocket-Version: 13\r\n\r\n";

export interface WsHarnessOptions {
  settings?: Partial<WsSettings>;
  limitMib?: number;
  workers?: number;
  connections?: number;
  slices?: number;
  servesHttp?: boolean;
  messageBytesMax?: number;
}

/** A frame that the core sent. */
export interface Sent {
  opcode: number;
  payload: Uint8Array;
}

/** One end of a connection: which worker has it, and what it has received. */
export interface Peer {
  core: WsCore;
  connection: Connection;
  /** What came before the upgrade was done. */
  head: string;
  received: Sent[];
}

export class WsHarness {
  readonly cores: WsCore[];
  readonly shared: ReturnType<typeof createShared>;
  readonly #peers = new Map<Connection, Peer>();

  constructor(module: WebAssembly.Module, options: WsHarnessOptions = {}) {
    const { limitMib = 32, workers = 1, connections = 64, slices = 64 } = options;
    const { servesHttp = false, messageBytesMax } = options;
    this.shared = createShared(module, { limitMib });
    writeHttpSettings(this.shared.memory, HTTP_SETTINGS);
    writeWsSettings(this.shared.memory, { ...WS_SETTINGS, ...options.settings });
    this.cores = Array.from({ length: workers }, (_, workerIndex) =>
      new WsCore(this.shared, {
        workerIndex,
        connections,
        slices,
        servesHttp,
        messageBytesMax,
        seed: BigInt(workerIndex + 1),
      }));
  }

  /** A connection that has sent nothing yet. */
  open(workerIndex = 0, hostname = "192.0.2.1"): Peer {
    const core = this.cores[workerIndex]!;
    core.setSender(writeClientAddress(core.senderBytes, hostname), 40_000);
    const connection = core.open();
    assert.ok(connection > 0, "There is a slot");
    const peer = { core, connection, head: "", received: [] };
    this.#peers.set(connection, peer);
    return peer;
  }

  /** A connection that is upgraded. */
  connect(workerIndex = 0, hostname?: string): Peer {
    const peer = this.open(workerIndex, hostname);
    this.receive(peer, ascii(UPGRADE));
    assert.ok(peer.core.isWebSocket(peer.connection), peer.head);
    return peer;
  }

  /** Receives bytes as the worker does, and delivers whatever that makes ready for anybody. */
  receive(peer: Peer, bytes: Uint8Array): void {
    const { core, connection } = peer;
    while (bytes.length > 0) {
      if (!core.isWebSocket(connection) && core.isEnding(connection)) break;
      const input = core.isIdle(connection) ? core.idleInput(connection) : core.inputOf(connection);
      assert.ok(input.length > 0, "There is room for what follows");
      const byteLength = Math.min(bytes.length, input.length);
      input.set(bytes.subarray(0, byteLength));
      bytes = bytes.subarray(byteLength);
      for (
        let answered = core.receive(connection, byteLength);
        answered > 0;
        answered = core.resume(connection)
      ) peer.head += latin1(core.outputOf(connection, answered));
      this.deliver();
    }
  }

  /** Sends one message as a text frame. */
  say(peer: Peer, message: unknown): Sent[] {
    const before = peer.received.length;
    const text = typeof message === "string" ? message : JSON.stringify(message);
    this.receive(peer, maskedFrame(new TextEncoder().encode(text)));
    return peer.received.slice(before);
  }

  /** Every worker sends what is ready. */
  deliver(): void {
    for (const core of this.cores) {
      for (let ready = core.nextReady(); ready !== 0; ready = core.nextReady()) {
        const peer = this.#peers.get(ready);
        if (peer !== undefined) this.drain(peer);
      }
    }
  }

  /** Reads all that waits for one connection. */
  drain({ core, connection, received }: Peer): void {
    const pieces: Uint8Array[] = [];
    for (let span = core.outboxSpan(connection); span > 0; span = core.outboxSpan(connection)) {
      pieces.push(core.outboxOf(connection, span).slice());
      core.outboxSent(connection, span);
    }
    received.push(...readFrames(concat(...pieces)));
  }

  /** Delivers nothing to it any more: its worker has died. */
  forget(peer: Peer): void {
    this.#peers.delete(peer.connection);
  }

  close(peer: Peer): void {
    this.#peers.delete(peer.connection);
    peer.core.close(peer.connection);
  }
}

/** Frames of a server: whole, not masked, and in the shortest form. */
export function readFrames(bytes: Uint8Array): Sent[] {
  const frames: Sent[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const [first, second] = [bytes[at]!, bytes[at + 1]!];
    assert.equal(first & 0xf0, 0x80, "Final, no reserved bits");
    assert.ok(second < 0x80, "Not masked");
    let byteLength = second;
    at += 2;
    if (second === 126) {
      byteLength = view.getUint16(at);
      at += 2;
      assert.ok(byteLength > 125);
    } else if (second === 127) {
      byteLength = Number(view.getBigUint64(at));
      at += 8;
      assert.ok(byteLength > 65_535);
    }
    assert.ok(at + byteLength <= bytes.length, "A whole frame");
    frames.push({ opcode: first & 15, payload: bytes.slice(at, at + byteLength) });
    at += byteLength;
  }
  return frames;
}

export interface MaskedFrameOptions {
  opcode?: number;
  final?: boolean;
  mask?: [number, number, number, number];
  reserved?: number;
  /** Bytes of the length field: 0, 2 or 8; the shortest where absent. */
  lengthBytes?: number;
}

/** A frame as a client sends it. */
export function maskedFrame(payload: Uint8Array, options: MaskedFrameOptions = {}): Uint8Array {
  const { opcode = 1, final = true, mask = [0x37, 0xfa, 0x21, 0x3d], reserved = 0 } = options;
  const { length } = payload;
  const lengthBytes = options.lengthBytes ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8);
  const frame = new Uint8Array(6 + lengthBytes + length);
  const view = new DataView(frame.buffer);
  frame[0] = (final ? 0x80 : 0) | reserved | opcode;
  frame[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) view.setUint16(2, length);
  if (lengthBytes === 8) view.setBigUint64(2, BigInt(length));
  frame.set(mask, 2 + lengthBytes);
  const start = 6 + lengthBytes;
  for (let index = 0; index < length; ++index) {
    frame[start + index] = payload[index]! ^ mask[index & 3]!;
  }
  return frame;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

export function textOf(sent: Sent): string {
  return decoder.decode(sent.payload);
}

// deno-lint-ignore no-explicit-any
export function jsonOf(sent: Sent): any {
  assert.equal(sent.opcode, 1, "A text frame");
  return JSON.parse(textOf(sent));
}

/** The code of a close frame, undefined where it has none or is no close frame. */
export function codeOf(sent: Sent | undefined): number | undefined {
  if (sent?.opcode !== 8 || sent.payload.length < 2) return undefined;
  return sent.payload[0]! * 256 + sent.payload[1]!;
}

/** A binary string of 20 characters, all sorts of bytes among them, for a number. */
export function binaryString(number: number, kind = "t"): string {
  return `${kind}${String(number).padStart(5, "0")}\u0000"\\\u007f\u00ff\u0080\n/\u00e9abcde`.slice(
    0,
    20,
  );
}

/** An offer or answer as browsers make them, of about so many bytes. */
export function description(type: "offer" | "answer", byteLength: number, seed = 0) {
  let sdp = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
  for (let line = seed; sdp.length < byteLength - 60; ++line) {
    sdp += `a=candidate:${line} 1 udp 2113937151 192.0.2.${line % 256} ${
      40_000 + line
    } typ host\r\n`;
  }
  return { type, sdp };
}
