/**
 * A BEP 15 client for tests: one socket, one tracker address, a deadline for every reply.
 *
 * Whatever arrives must come from the address that was asked, and in this order it is read.
 */
import { strict as assert } from "node:assert";
import { elapse, within } from "./deadline.ts";
import {
  type AnnounceRequest,
  EVENT_NONE,
  type Family,
  parseReply,
  randomBytes,
  type Reply,
  type ReplyOf,
  type ScrapeCounts,
  writeAnnounce,
  writeConnect,
  writeScrape,
} from "./packets.ts";

/** Long enough for a busy machine; only a failing test waits so long. */
const REPLY_DEADLINE_MS = 20_000;

export interface SocketAddress {
  hostname: string;
  port: number;
}

interface Datagram {
  bytes: Uint8Array;
  from: SocketAddress;
}

/** Splits `127.0.0.1:3000` or `[::1]:3000`. */
export function parseAddress(address: string): SocketAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(address);
  if (!match) throw new SyntaxError(`Not an address and port: ${address}`);
  return { hostname: match[1] ?? match[2], port: Number(match[3]) };
}

/** Returns a UDP port that was free a moment ago, for servers that cannot take port 0. */
export function findFreePort(hostname = "127.0.0.1"): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  socket.close();
  return (socket.addr as Deno.NetAddr).port;
}

export class UdpClient {
  readonly hostname: string;
  readonly family: Family;
  /** Where requests go and replies must come from. */
  tracker: SocketAddress;
  /** What the tracker gave at the last `connect()`. */
  connectionId: Uint8Array = new Uint8Array(8);
  readonly peerId = randomBytes(20);
  readonly #socket: Deno.DatagramConn;
  readonly #arrived: Datagram[] = [];
  readonly #reading: Promise<void>;
  #wake = () => {};
  #nextTransactionId = 0x52540000 + Math.floor(Math.random() * 0x8000);

  /** Opens a socket on `hostname` that talks to `tracker` (`address:port`). */
  constructor(hostname: string, tracker: string | SocketAddress) {
    this.hostname = hostname;
    this.family = hostname.includes(":") ? "IPv6" : "IPv4";
    this.tracker = typeof tracker === "string" ? parseAddress(tracker) : tracker;
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    this.#reading = this.#read();
  }

  /** The port that this client's packets come from. */
  get sourcePort(): number {
    return (this.#socket.addr as Deno.NetAddr).port;
  }

  nextTransactionId(): number {
    return this.#nextTransactionId++;
  }

  async send(packet: Uint8Array, to = this.tracker): Promise<void> {
    const sent = await this.#socket.send(packet, { transport: "udp", ...to });
    assert.equal(sent, packet.length);
  }

  /** Waits for the next datagram and parses it. */
  async receive(): Promise<Reply> {
    if (this.#arrived.length === 0) {
      const arrival = new Promise<void>((resolve) => this.#wake = resolve);
      await within(arrival, { deadlineMs: REPLY_DEADLINE_MS, what: "a reply from the tracker" });
    }
    const { bytes, from } = this.#arrived.shift()!;
    assert.deepEqual(from, this.tracker, "A reply comes from the address that was asked");
    return parseReply(bytes, this.family);
  }

  /** Waits without a deadline of its own until something has arrived. */
  async firstReply(): Promise<void> {
    while (this.#arrived.length === 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Forgets what arrived, once everything on the way has: replies keep their order. */
  async drain(): Promise<void> {
    const last = this.nextTransactionId();
    await this.send(writeConnect(last));
    while ((await this.receive()).transactionId !== last);
  }

  /** Sends a request and expects its reply next, of the kind given and with its transaction id. */
  async exchange<Kind extends Reply["kind"]>(
    packet: Uint8Array,
    kind: Kind,
  ): Promise<ReplyOf<Kind>> {
    await this.send(packet);
    const reply = await this.receive();
    assert.equal(reply.kind, kind, `Reply: ${Deno.inspect(reply)}`);
    const sent = new DataView(packet.buffer, packet.byteOffset).getUint32(12);
    assert.equal(reply.transactionId, sent, "The reply echoes the transaction id");
    return reply as ReplyOf<Kind>;
  }

  /** Gets a connection id, keeps it and returns it. */
  async connect(): Promise<Uint8Array> {
    const reply = await this.exchange(writeConnect(this.nextTransactionId()), "connect");
    this.connectionId = reply.connectionId;
    return reply.connectionId;
  }

  /** Builds an announce of this client: a leecher on port 6881 unless told otherwise. */
  announcePacket(request: Partial<AnnounceRequest>): Uint8Array {
    return writeAnnounce({
      connectionId: this.connectionId,
      transactionId: this.nextTransactionId(),
      infoHash: randomBytes(20),
      peerId: this.peerId,
      downloaded: 0n,
      left: 100n,
      uploaded: 0n,
      event: EVENT_NONE,
      ipAddress: 0,
      key: 0,
      numWant: -1,
      port: 6881,
      options: new Uint8Array(),
      ...request,
    });
  }

  announce(request: Partial<AnnounceRequest>): Promise<ReplyOf<"announce">> {
    return this.exchange(this.announcePacket(request), "announce");
  }

  scrapePacket(infoHashes: Uint8Array[]): Uint8Array {
    const { connectionId } = this;
    return writeScrape({ connectionId, transactionId: this.nextTransactionId(), infoHashes });
  }

  async scrape(...infoHashes: Uint8Array[]): Promise<ScrapeCounts[]> {
    return (await this.exchange(this.scrapePacket(infoHashes), "scrape")).torrents;
  }

  /** Scrapes one torrent. */
  async counts(infoHash: Uint8Array): Promise<ScrapeCounts> {
    const torrents = await this.scrape(infoHash);
    assert.equal(torrents.length, 1);
    return torrents[0];
  }

  /** Sends packets that must not be answered, and proves it: two connects sent after them are
   * answered, one by one, and nothing else comes. (Loopback keeps the order within a socket.) */
  async expectDrops(...packets: Uint8Array[]): Promise<void> {
    assert.equal(this.#arrived.length, 0, "Replies that nobody asked for");
    for (const packet of packets) await this.send(packet);
    for (let round = 0; round < 2; round++) {
      await this.exchange(writeConnect(this.nextTransactionId()), "connect");
    }
    assert.equal(this.#arrived.length, 0, "Replies that nobody asked for");
  }

  /** Proves that this client's connects get no reply: another client's, sent after them, do. */
  async expectSilence(served: UdpClient): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await this.send(writeConnect(this.nextTransactionId()));
      await served.connect();
    }
    await elapse(20);
    assert.equal(this.#arrived.length, 0, `A reply to ${this.hostname}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65536);
    while (true) {
      try {
        const [bytes, from] = await this.#socket.receive(buffer);
        const { hostname, port } = from as Deno.NetAddr;
        this.#arrived.push({ bytes: bytes.slice(), from: { hostname, port } });
        this.#wake();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        if (error instanceof Deno.errors.Interrupted) return;
        if (error instanceof Deno.errors.ConnectionRefused) continue;
        throw error;
      }
    }
  }
}
