/**
 * One worker's loop: as many requests wait for an answer as the settings say; each answer is
 * checked and makes room for the next request, which a fixed rate may hold back.
 */

import * as client from "../../protocols/udp/client.ts";
import { describeErrno } from "../../server/native/libc.ts";
import { MSG_DONTWAIT } from "../../server/native/linux.ts";
import { MessageBatch } from "../../protocols/udp/message_batch.ts";
import { SocketPoll, UdpSocket } from "../../protocols/udp/udp_socket.ts";
import { latencyBucket } from "./latency.ts";
import { requestsOfWorker, serverAddresses, sourceHostname } from "./common_config.ts";
import * as counter from "./counters.ts";
import { Pacer } from "./pacer.ts";
import type { UdpLoadConfig } from "./udp_config.ts";
import { RequestRing } from "./udp_requests.ts";
import type { LoadLoop, LoopOptions } from "./worker.ts";

/** Datagrams sent or received by one system call, at most. */
const BATCH_LENGTH = 64;
/** Room for an answer; a longer one is cut, and then has the wrong length. */
const RESPONSE_BYTES = 2048;
/** Requests that can be told apart, a power of two well above those in flight. */
const SLOT_COUNT = 65536;
const SLOT_MASK = SLOT_COUNT - 1;
/** Turns that receive nothing before the loop sleeps: answers are sooner found than waited for. */
const IDLE_TURNS_MAX = 2000;
const IDLE_WAIT_MS = 10;
/** A connection id serves a client for a minute (BEP 15). */
const CONNECTION_ID_AGE_MS = 55_000;
const CONNECT_ATTEMPTS = 20;
const CONNECT_WAIT_MS = 500;

/** One source address with its requests. */
interface Source {
  readonly index: number;
  readonly socket: UdpSocket;
  readonly ring: RequestRing;
  readonly family: client.Family;
  /** As two words of memory. */
  readonly connectionId: Uint32Array;
  connectedAtMs: number;
}

/** Sends requests and checks answers until it is told to stop. */
export class UdpLoop implements LoadLoop {
  readonly #counters: Float64Array;
  readonly #sources: Source[];
  readonly #poll: SocketPoll;
  readonly #inFlightMax: number;
  readonly #timeoutMs: number;
  readonly #peerCount: number;
  readonly #pacer: Pacer;

  readonly #responses = new MessageBatch({
    count: BATCH_LENGTH,
    payloadBytes: RESPONSE_BYTES,
    names: false,
    control: false,
  });
  readonly #responseView = new DataView(this.#responses.bytes.buffer);
  readonly #connectRequest = new MessageBatch({
    count: 1,
    payloadBytes: client.CONNECT_REQUEST_BYTE_LENGTH,
    names: false,
    control: false,
  });

  // Requests that wait, by transaction id: the slot is its last 16 bits.
  readonly #slotIds = new Uint32Array(SLOT_COUNT); // 0: free
  readonly #slotKinds = new Uint8Array(SLOT_COUNT);
  readonly #slotSources = new Uint16Array(SLOT_COUNT);
  readonly #slotItems = new Uint32Array(SLOT_COUNT);
  readonly #slotTimes = new Float64Array(SLOT_COUNT);
  #nextId = 1;
  #oldestId = 1;
  #inFlight = 0;

  constructor(options: LoopOptions<UdpLoadConfig>) {
    const { config, population, workerIndex } = options;
    this.#counters = options.counters;
    this.#inFlightMax = config.network.requests_in_flight;
    this.#timeoutMs = config.network.timeout * 1000;
    this.#peerCount = config.requests.number_of_peers;
    this.#pacer = new Pacer(
      config.rate / config.workers,
      requestsOfWorker(config, config.workers),
    );
    const perWorker = config.network.sockets_per_worker;
    this.#sources = Array.from({ length: perWorker }, (_, index) => {
      const socketIndex = workerIndex * perWorker + index;
      const socketCount = config.workers * perWorker;
      const { socket, family } = openSocket(config, socketIndex);
      const ring = new RequestRing({ config, population, socketIndex, socketCount });
      return { index, socket, ring, family, connectionId: new Uint32Array(2), connectedAtMs: 0 };
    });
    this.#poll = new SocketPoll(this.#sources.map(({ socket }) => socket));
  }

  /**
   * Fetches a connection id for every source.
   * @throws {Error} The tracker does not answer.
   */
  connect(): void {
    for (const source of this.#sources) {
      for (let attempt = 0; source.connectedAtMs === 0; ++attempt) {
        if (attempt === CONNECT_ATTEMPTS) throw new Error("The tracker does not answer a connect");
        const sent = this.#sendConnect(source, performance.now());
        if (sent < 0) throw new Error(`Cannot send a connect: ${describeErrno(-sent)}`);
        this.#poll.wait(CONNECT_WAIT_MS);
        const received = this.#receive(source);
        if (received < 0) throw new Error(`Cannot connect: ${describeErrno(-received)}`);
      }
    }
  }

  /** Sends and receives until `isStopped` says so; it is asked between system calls. */
  run(isStopped: () => boolean): void {
    let idleTurns = 0;
    this.#pacer.start(performance.now());
    while (!isStopped()) {
      let received = 0;
      for (const source of this.#sources) {
        const nowMs = performance.now();
        this.#expire(nowMs);
        if (nowMs - source.connectedAtMs > CONNECTION_ID_AGE_MS) {
          source.connectedAtMs += this.#timeoutMs; // once in a while, until it is answered
          this.#sendConnect(source, nowMs);
        }
        this.#send(source, nowMs);
        received += Math.max(0, this.#receive(source));
      }
      this.#count(counter.TURNS, 1);
      if (received > 0) {
        idleTurns = 0;
      } else {
        this.#count(counter.IDLE_TURNS, 1);
        if (++idleTurns > IDLE_TURNS_MAX) this.#sleep();
      }
    }
  }

  /** Waits for an answer, but not beyond the moment when the next request is due. */
  #sleep(): void {
    const waitMs = this.#pacer.isOpen ? this.#pacer.waitMs(performance.now()) : IDLE_WAIT_MS;
    if (waitMs >= 1) this.#poll.wait(Math.floor(Math.min(waitMs, IDLE_WAIT_MS)));
  }

  close(): void {
    for (const { socket } of this.#sources) socket.close();
  }

  /** Fills up what may be in flight. */
  #send(source: Source, nowMs: number): void {
    const { ring } = source;
    const count = Math.min(
      this.#inFlightMax - this.#inFlight,
      BATCH_LENGTH,
      ring.contiguousCount,
      this.#pacer.dueCount(nowMs),
    );
    if (count <= 0) return;
    const firstId = this.#nextId;
    let byteLength = 0;
    for (let index = 0; index < count; ++index) {
      const position = ring.position + index;
      const id = this.#takeId();
      ring.fill(position, id, source.connectionId);
      const slot = id & SLOT_MASK;
      this.#slotIds[slot] = id;
      this.#slotKinds[slot] = ring.kinds[position]!;
      this.#slotSources[slot] = source.index;
      this.#slotItems[slot] = ring.itemCounts[position]!;
      this.#slotTimes[slot] = this.#pacer.take(nowMs);
      byteLength += ring.lengths[position]!;
    }
    const sent = Math.max(0, source.socket.send(ring.headers, count));
    ring.advance(sent);
    this.#inFlight += sent;
    this.#count(counter.REQUESTS, sent);
    if (sent === count) this.#count(counter.BYTES_SENT, byteLength);
    else this.#forget(firstId, { sent, count });
  }

  /** Takes back the ids from `firstId` on whose requests the system did not send. */
  #forget(firstId: number, { sent, count }: { sent: number; count: number }): void {
    let id = firstId;
    for (let index = 0; index < count; ++index) {
      if (index >= sent) this.#slotIds[id & SLOT_MASK] = 0;
      id = following(id);
    }
    this.#count(counter.SEND_FAILURES, count - sent);
  }

  /** Sends one connect outside the ring; it counts as any other. */
  #sendConnect(source: Source, nowMs: number): number {
    const id = this.#takeId();
    const slot = id & SLOT_MASK;
    const payload = this.#connectRequest.payload(0);
    client.writeConnectRequest(new DataView(payload.buffer, payload.byteOffset), 0);
    const word = (payload.byteOffset + client.REQUEST_TRANSACTION_ID) / 4;
    this.#connectRequest.words[word] = id;
    const sent = source.socket.send(this.#connectRequest.headers, 1);
    if (sent === 1) {
      this.#slotIds[slot] = id;
      this.#slotKinds[slot] = client.ACTION_CONNECT;
      this.#slotSources[slot] = source.index;
      this.#slotTimes[slot] = nowMs;
      ++this.#inFlight;
      this.#count(counter.REQUESTS, 1);
    }
    return sent;
  }

  /** Receives what is there, one batch at most; a negative errno says why nothing was. */
  #receive(source: Source): number {
    const responses = this.#responses;
    const received = source.socket.receive(responses.headers, BATCH_LENGTH, MSG_DONTWAIT);
    if (received <= 0) return received;
    const nowMs = performance.now();
    for (let index = 0; index < received; ++index) {
      const start = responses.payloadOffset + index * responses.payloadStride;
      this.#judge(source, { start, byteLength: responses.receivedLength(index) }, nowMs);
    }
    return received;
  }

  /** Checks one answer and counts it. */
  #judge(
    source: Source,
    { start, byteLength }: { start: number; byteLength: number },
    nowMs: number,
  ): void {
    const action = client.checkResponse(this.#responseView, start, byteLength, source.family);
    if (action < 0) return this.#count(counter.MALFORMED, 1);
    const { words } = this.#responses;
    const id = words[(start + client.RESPONSE_TRANSACTION_ID) >>> 2]!;
    const slot = id & SLOT_MASK;
    if (id === 0 || this.#slotIds[slot] !== id || this.#slotSources[slot] !== source.index) {
      return this.#countUnknown();
    }
    this.#slotIds[slot] = 0;
    --this.#inFlight;
    if (action !== client.ACTION_ERROR) {
      if (action !== this.#slotKinds[slot]) return this.#count(counter.WRONG_KIND, 1);
      if (!this.#isPossible(action, start, byteLength, slot, source)) {
        return this.#count(counter.IMPOSSIBLE, 1);
      }
      if (action === client.ACTION_CONNECT) this.#keepConnectionId(source, start, nowMs);
    }
    this.#count(counter.RESPONSES + action, 1);
    this.#count(counter.BYTES_RECEIVED, byteLength);
    const bucket = latencyBucket((nowMs - this.#slotTimes[slot]!) * 1000);
    this.#count(counter.LATENCIES + bucket, 1);
  }

  /** Says whether an answer of the right kind can be true. */
  #isPossible(
    action: number,
    start: number,
    byteLength: number,
    slot: number,
    source: Source,
  ): boolean {
    const view = this.#responseView;
    const items = this.#slotItems[slot]!;
    if (action === client.ACTION_CONNECT) {
      return view.getUint32(start + client.RESPONSE_CONNECTION_ID) !== 0 ||
        view.getUint32(start + client.RESPONSE_CONNECTION_ID + 4) !== 0;
    }
    if (action === client.ACTION_SCRAPE) {
      return byteLength === client.RESPONSE_COUNTS + items * client.COUNTS_BYTE_LENGTH;
    }
    const stride = client.peerByteLength(source.family);
    const peers = (byteLength - client.RESPONSE_PEERS) / stride;
    const counted = view.getUint32(start + client.RESPONSE_LEECHERS) +
      view.getUint32(start + client.RESPONSE_SEEDERS);
    this.#count(counter.PEERS, peers);
    return peers <= items && peers <= counted && counted <= this.#peerCount &&
      view.getUint32(start + client.RESPONSE_INTERVAL) > 0;
  }

  #keepConnectionId(source: Source, start: number, nowMs: number): void {
    const word = (start + client.RESPONSE_CONNECTION_ID) >>> 2;
    source.connectionId[0] = this.#responses.words[word]!;
    source.connectionId[1] = this.#responses.words[word + 1]!;
    source.connectedAtMs = nowMs;
  }

  /** Gives up requests that have waited too long, the oldest first. */
  #expire(nowMs: number): void {
    while (this.#oldestId !== this.#nextId) {
      const slot = this.#oldestId & SLOT_MASK;
      if (this.#slotIds[slot] === this.#oldestId) {
        if (nowMs - this.#slotTimes[slot]! < this.#timeoutMs) return;
        this.#giveUp(slot);
      }
      this.#oldestId = following(this.#oldestId);
    }
  }

  #giveUp(slot: number): void {
    this.#slotIds[slot] = 0;
    --this.#inFlight;
    this.#count(counter.TIMEOUTS, 1);
  }

  /** Takes the next transaction id; one that still waits in its slot is given up. */
  #takeId(): number {
    const id = this.#nextId;
    this.#nextId = following(id);
    if (this.#slotIds[id & SLOT_MASK] !== 0) this.#giveUp(id & SLOT_MASK);
    return id;
  }

  /** There can be no more late answers than requests that were given up. */
  #countUnknown(): void {
    const isLate = this.#counters[counter.LATE]! < this.#counters[counter.TIMEOUTS]!;
    this.#count(isLate ? counter.LATE : counter.UNKNOWN_TRANSACTION, 1);
  }

  #count(index: number, amount: number): void {
    this.#counters[index]! += amount;
  }
}

function following(id: number): number {
  return id === 0xffffffff ? 1 : id + 1;
}

/** Opens the socket of this number: an address of its own on loopback, connected to a tracker. */
function openSocket(config: UdpLoadConfig, socketIndex: number) {
  const servers = serverAddresses(config);
  const server = servers[socketIndex % servers.length]!;
  const family: client.Family = server.hostname.includes(":") ? 6 : 4;
  const hostname = sourceHostname(server, {
    index: socketIndex,
    areMany: config.network.multiple_client_ipv4s,
  });
  const socket = UdpSocket.open({ hostname, port: 0 }, {
    receiveBufferBytes: config.network.recv_buffer,
  });
  socket.connect(server);
  return { socket, family };
}
