/**
 * Clients as a tracker has them, for runs that break something meanwhile: what they ask, what is
 * answered, and what is lost, counted by how they ask.
 *
 * A client that gets no answer within a second asks again, three times, with another connection or
 * connection id; what then is unanswered is lost. Peers come and go: a request is of one of many
 * torrents and ports, and every eighth says "stopped".
 */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { findFrame, parseBody, writeAnnounceRequest } from "../../protocols/http/client.ts";
import {
  EVENT_NONE,
  EVENT_STOPPED,
  parseResponse,
  writeAnnounceRequest as writeUdpAnnounce,
  writeConnectRequest,
} from "../../protocols/udp/client.ts";
import { WsAsker } from "./ws_asker.ts";

/** Where the tracker is; what is absent is not asked. */
export interface Targets {
  /** Such as `127.0.0.1:3000`. */
  udp?: string;
  http?: string;
  ws?: string;
  /** HTTP and WebTorrent speak TLS, and trust these authorities (PEM). */
  caCerts?: string[];
  /** Milliseconds between two requests of a client; 0: as fast as answers come. */
  pauseMilliseconds: number;
  clientsPerKind: number;
  torrents: number;
}

/** A request that no try got an answer to. */
export interface Loss {
  at: Date;
  kind: string;
  infoHash: string;
  /** Of each try, what came of it. */
  reasons: string[];
}

/** What became of the requests of one kind of client. */
export interface Count {
  asked: number;
  /** At the first try. */
  answered: number;
  /** At a later one. */
  retried: number;
  lost: number;
  /** Microseconds of those answered. */
  latency: RecordableHistogram;
}

/** More losses than that are counted and not described. */
const LOSSES_MAX = 1_000;
const TIMEOUT_MILLISECONDS = 1_000;
const TRIES = 4;
const RETRY_MILLISECONDS = 200;
/** BEP 15: a connection id is used for a minute. */
const ID_MILLISECONDS = 50_000;
const STOPPED_OF = 8;
const PORTS = 50_000;

/** Asks one announce; rejects when it is not answered. */
interface Asker {
  announce(infoHash: Uint8Array, port: number, isStopped: boolean): Promise<void>;
  close(): void;
}

export class Traffic {
  readonly counts = new Map<string, Count>();
  /** The first of what was lost. */
  readonly losses: Loss[] = [];
  #isEnding = false;
  readonly #done: Promise<unknown>;

  constructor(targets: Targets) {
    const kinds: [string, () => Asker][] = [];
    const { udp, http, ws, caCerts } = targets;
    if (udp !== undefined) kinds.push(["UDP", () => new UdpAsker(udp)]);
    if (http !== undefined) {
      const name = caCerts === undefined ? "HTTP" : "HTTPS";
      const askers = (keepsAlive: boolean) => () => new HttpAsker(http, { keepsAlive, caCerts });
      kinds.push([`${name}, keep-alive`, askers(true)]);
      kinds.push([`${name}, one connection each`, askers(false)]);
    }
    if (ws !== undefined) {
      const name = caCerts === undefined ? "WebTorrent" : "WebTorrent, TLS";
      const options = { timeoutMilliseconds: TIMEOUT_MILLISECONDS, caCerts };
      kinds.push([name, () => new WsAsker(ws, options)]);
    }
    this.#done = Promise.all(kinds.flatMap(([kind, create]) => {
      const count = createCount();
      this.counts.set(kind, count);
      return Array.from(
        { length: targets.clientsPerKind },
        (_, seed) => this.#run(create(), { kind, count, targets, seed }),
      );
    }));
  }

  async #run(
    asker: Asker,
    { kind, count, targets, seed }: { kind: string; count: Count; targets: Targets; seed: number },
  ): Promise<void> {
    for (let turn = 1 + 7_919 * seed; !this.#isEnding; turn += 104_729) {
      const infoHash = new Uint8Array(20);
      new DataView(infoHash.buffer).setUint32(0, Math.imul(turn % targets.torrents, 2_654_435_761));
      ++count.asked;
      const since = performance.now();
      let isAnswered = false;
      const reasons: string[] = [];
      while (!isAnswered && reasons.length < TRIES) {
        if (reasons.length > 0) await sleep(RETRY_MILLISECONDS);
        try {
          await asker.announce(infoHash, 1 + turn % PORTS, turn % STOPPED_OF === 0);
          isAnswered = true;
        } catch (error) {
          reasons.push((error as Error).message);
        }
      }
      const microseconds = Math.max(1, Math.round(1_000 * (performance.now() - since)));
      if (!isAnswered) this.#lose({ at: new Date(), kind, infoHash: infoHash.toHex(), reasons });
      else if (reasons.length > 0) ++count.retried;
      else ++count.answered;
      if (isAnswered) count.latency.record(microseconds);
      if (targets.pauseMilliseconds > 0) await sleep(targets.pauseMilliseconds);
    }
    asker.close();
  }

  #lose(loss: Loss): void {
    ++this.counts.get(loss.kind)!.lost;
    if (this.losses.length < LOSSES_MAX) this.losses.push(loss);
  }

  /** Ends the clients, each after the request it is at. */
  async stop(): Promise<void> {
    this.#isEnding = true;
    await this.#done;
  }
}

export const ROW_HEAD = [
  "| what | clients | asked | answered at once | after a retry | lost | p99 in ms |",
  "| ---- | ------- | ----: | ---------------: | ------------: | ---: | --------: |",
];

/** One line of a table for each kind, of all runs together. */
export function rowsOf(what: string, runs: readonly Traffic[]): string[] {
  const sums = new Map<string, Count>();
  for (const [kind, count] of runs.flatMap(({ counts }) => [...counts])) {
    const sum = sums.get(kind) ?? createCount();
    sums.set(kind, sum);
    for (const key of ["asked", "answered", "retried", "lost"] as const) sum[key] += count[key];
    sum.latency.add(count.latency);
  }
  return [...sums].map(([kind, { asked, answered, retried, lost, latency }]) =>
    `| ${what} | ${kind} | ${asked} | ${answered} | ${retried} | ${lost} | ` +
    `${(latency.percentile(99) / 1_000).toFixed(1)} |`
  );
}

function createCount(): Count {
  return { asked: 0, answered: 0, retried: 0, lost: 0, latency: createHistogram() };
}

/** An answer that says no. */
function describe(response: { kind: string; reason?: string; message?: string }): string {
  return `Told ${JSON.stringify(response.reason ?? response.message ?? response.kind)}`;
}

/** Keeps a connection id for as long as it serves. */
class UdpAsker implements Asker {
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #tracker: Deno.NetAddr;
  readonly #out = new DataView(new ArrayBuffer(128));
  #connectionId: Uint8Array | undefined;
  #connectedAt = 0;
  #transactionId = 1;
  readonly #waiting = new Map<number, (bytes: Uint8Array) => void>();

  constructor(tracker: string) {
    const { hostname, port } = new URL(`http://${tracker}`);
    this.#tracker = { transport: "udp", hostname, port: Number(port) };
    this.#receive();
  }

  async announce(infoHash: Uint8Array, port: number, isStopped: boolean): Promise<void> {
    try {
      if (performance.now() - this.#connectedAt > ID_MILLISECONDS) this.#connectionId = undefined;
      this.#connectionId ??= await this.#connect();
      const transactionId = ++this.#transactionId;
      const byteLength = writeUdpAnnounce(this.#out, {
        connectionId: this.#connectionId,
        transactionId,
        infoHash,
        peerId: infoHash,
        downloaded: 0n,
        left: 1n,
        uploaded: 0n,
        event: isStopped ? EVENT_STOPPED : EVENT_NONE,
        key: 0,
        numWant: 10,
        port,
      });
      const response = parseResponse(await this.#exchange(byteLength, transactionId), 4);
      if (response.kind !== "announce") throw new Error(describe(response));
    } catch (error) {
      this.#connectionId = undefined; // the tracker may be another one by now
      throw error;
    }
  }

  async #connect(): Promise<Uint8Array> {
    const transactionId = ++this.#transactionId;
    const byteLength = writeConnectRequest(this.#out, transactionId);
    const response = parseResponse(await this.#exchange(byteLength, transactionId), 4);
    if (response.kind !== "connect") throw new Error(`Not a connect: ${response.kind}`);
    this.#connectedAt = performance.now();
    return response.connectionId;
  }

  async #exchange(byteLength: number, transactionId: number): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const timer = setTimeout(() => reject(new Error("No answer")), TIMEOUT_MILLISECONDS);
    this.#waiting.set(transactionId, resolve);
    try {
      await this.#socket.send(new Uint8Array(this.#out.buffer, 0, byteLength), this.#tracker);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(transactionId);
    }
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(2_048);
    while (true) {
      try {
        const [bytes] = await this.#socket.receive(buffer);
        if (bytes.length < 8) continue;
        const transactionId = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
        this.#waiting.get(transactionId)?.(bytes.slice());
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return; // closed
      }
    }
  }

  close(): void {
    this.#socket.close();
  }
}

class HttpAsker implements Asker {
  readonly #tracker: string;
  readonly #keepsAlive: boolean;
  readonly #caCerts: string[] | undefined;
  readonly #buffer = new Uint8Array(16_384);
  #conn: Deno.Conn | undefined;

  constructor(tracker: string, options: { keepsAlive: boolean; caCerts?: string[] }) {
    this.#tracker = tracker;
    this.#keepsAlive = options.keepsAlive;
    this.#caCerts = options.caCerts;
  }

  async announce(infoHash: Uint8Array, port: number, isStopped: boolean): Promise<void> {
    const text = writeAnnounceRequest({
      infoHash,
      peerId: infoHash,
      port,
      left: 1,
      event: isStopped ? "stopped" : undefined,
      numWant: 10,
    }, { host: this.#tracker, close: !this.#keepsAlive });
    const timer = setTimeout(() => this.close(), TIMEOUT_MILLISECONDS);
    try {
      const isLast = await this.#exchange(new TextEncoder().encode(text));
      if (isLast || !this.#keepsAlive) this.close();
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns whether the tracker closes the connection. */
  async #exchange(request: Uint8Array): Promise<boolean> {
    const conn = this.#conn ??= await this.#connect();
    for (let sent = 0; sent < request.length;) sent += await conn.write(request.subarray(sent));
    for (let length = 0; length < this.#buffer.length;) {
      const count = await conn.read(this.#buffer.subarray(length));
      if (count === null) throw new Error("The connection ended");
      length += count;
      const frame = findFrame(this.#buffer.subarray(0, length));
      if (frame === undefined || frame.byteLength > length) continue;
      if (frame.status !== 200) throw new Error(`Status ${frame.status}`);
      const response = parseBody(this.#buffer.subarray(frame.bodyStart, frame.byteLength));
      if (response.kind !== "announce") throw new Error(describe(response));
      return frame.isLast;
    }
    throw new Error("The answer is too long");
  }

  #connect(): Promise<Deno.Conn> {
    const url = new URL(`http://${this.#tracker}`);
    const endpoint = { hostname: url.hostname, port: Number(url.port) };
    const caCerts = this.#caCerts;
    return caCerts === undefined
      ? Deno.connect(endpoint)
      : Deno.connectTls({ ...endpoint, caCerts });
  }

  close(): void {
    try {
      this.#conn?.close();
    } catch { // it is closed
    }
    this.#conn = undefined;
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
