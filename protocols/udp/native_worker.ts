/**
 * The native driver (Linux): batches through recvmmsg and sendmmsg, one worker on all addresses.
 *
 * The worker opens its own sockets with SO_REUSEPORT, so that the kernel spreads clients over the
 * workers, and then never returns to its event loop: it looks at the stop flag at least every 100
 * ms.
 */
import { CONTROL_STOP, SOCKET_COUNT_MAX } from "../../assembly/layout.ts";
import { formatListenAddress, type ListenAddress } from "../../server/config/address.ts";
import { StartError } from "../../server/errors.ts";
import { EXIT_UNAVAILABLE } from "../../server/exit_status.ts";
import { startHeartbeat } from "../../server/heartbeat.ts";
import { serveWorker } from "../../server/pool.ts";
import { PROTOCOL_UDP_NATIVE } from "../../wasm/board.ts";
import { Core } from "../../wasm/core.ts";
import { LatencyRecorder } from "../../wasm/latency.ts";
import type { SharedCore } from "../../wasm/memory.ts";
import { adviseHugePages, LibcError, openLibc } from "../../server/native/libc.ts";
import { MSG_DONTWAIT, MSG_WAITFORONE } from "../../server/native/linux.ts";
import { isV6Only } from "../../server/native/socket_address.ts";
import { SocketPoll, UdpSocket } from "./udp_socket.ts";

export interface NativeWorkerStart {
  core: SharedCore;
  workerIndex: number;
  addresses: ListenAddress[];
  /** 0: the system's default. */
  receiveBufferBytes: number;
}

/** What `start` tells the main thread. */
export interface NativeWorkerStarted {
  /** The smallest buffer that a socket got. */
  receiveBufferBytes: number;
}

/** Best of 8, 16, 32 and 64 on one core (docs/BENCHMARKS.md). */
const BATCH_SIZE = 16;
/** How long a stop may go unseen. */
const TIMEOUT_MILLISECONDS = 100;
/** Errors in a row, without one datagram between them, that mean that the socket is of no use. */
const ERRORS_MAX = 1_000;
/** Full batches taken from one socket before the others are looked at. */
const BATCHES_MAX = 8;

function openSocket(address: ListenAddress, start: NativeWorkerStart): UdpSocket {
  const isWildcard = /^(0\.0\.0\.0|::)$/.test(address.hostname);
  try {
    return UdpSocket.open(address, {
      reusePort: true,
      v6Only: isV6Only(address, start.addresses),
      packetInfo: isWildcard,
      dropCounter: true,
      receiveBufferBytes: start.receiveBufferBytes,
      timeoutMs: TIMEOUT_MILLISECONDS,
    });
  } catch (error) {
    if (!(error instanceof LibcError)) throw error;
    throw new StartError(
      `Cannot listen on ${formatListenAddress(address)}: ${error.message}`,
      EXIT_UNAVAILABLE,
    );
  }
}

/** Receives, answers and sends until the stop flag is set. */
class NativeLoop {
  readonly #core: Core;
  readonly #latency: LatencyRecorder;
  readonly #sockets: UdpSocket[];
  readonly #receiveHeaders: bigint;
  readonly #sendHeaders: bigint;
  readonly #stopWord: Int32Array;
  readonly #beat: () => void;
  #errorCount = 0;

  constructor(core: Core, latency: LatencyRecorder, sockets: UdpSocket[]) {
    this.#core = core;
    this.#latency = latency;
    this.#sockets = sockets;
    const { buffer } = core.memory;
    const libc = openLibc();
    const hostBase = libc.addressOf(buffer);
    adviseHugePages(libc, buffer);
    const { receiveHeaders, sendHeaders } = core.prepareBatch(hostBase);
    this.#receiveHeaders = hostBase + BigInt(receiveHeaders);
    this.#sendHeaders = hostBase + BigInt(sendHeaders);
    this.#stopWord = new Int32Array(buffer, CONTROL_STOP, 1);
    this.#beat = startHeartbeat(core.memory, core.workerIndex);
  }

  run(): void {
    try {
      if (this.#sockets.length === 1) this.#runBlocking(this.#sockets[0]!);
      else this.#runPolling();
    } finally {
      // Open, they would outlive this worker, and the kernel would go on giving them clients.
      this.#sockets.forEach((socket) => socket.close());
    }
  }

  #runBlocking(socket: UdpSocket): void {
    while (!this.#isStopped()) this.#serveBatch(0, socket, MSG_WAITFORONE);
  }

  /** Takes from every socket while batches come full, and sleeps only when all are empty. */
  #runPolling(): void {
    const poll = new SocketPoll(this.#sockets);
    while (!this.#isStopped()) {
      let isAnyBusy = false;
      for (let index = 0; index < this.#sockets.length; ++index) {
        let received = BATCH_SIZE;
        for (let batch = 0; batch < BATCHES_MAX && received === BATCH_SIZE; ++batch) {
          received = this.#serveBatch(index, this.#sockets[index]!, MSG_DONTWAIT);
          if (received > 0) isAnyBusy = true;
        }
      }
      if (!isAnyBusy) poll.wait(TIMEOUT_MILLISECONDS);
    }
  }

  /** Returns how many datagrams there were. */
  #serveBatch(index: number, socket: UdpSocket, flags: number): number {
    const received = socket.receive(this.#receiveHeaders, BATCH_SIZE, flags);
    if (received < 0) {
      // An ICMP error that an earlier answer brought back, for instance: the next call will do.
      if (++this.#errorCount === ERRORS_MAX) throw new LibcError("receive", -received);
      return 0;
    }
    if (received === 0) return 0;
    this.#errorCount = 0;
    const begun = performance.now();
    const answers = this.#core.answerBatch(index, received);
    if (answers > 0) {
      const unsent = socket.sendAll(this.#sendHeaders, answers, MSG_DONTWAIT);
      if (unsent > 0) this.#core.countSendDrop(unsent);
    }
    this.#latency.record(this.#latency.take(), begun); // each took as long as its batch
    return received;
  }

  #isStopped(): boolean {
    this.#beat();
    return Atomics.load(this.#stopWord, 0) !== 0;
  }
}

serveWorker<NativeWorkerStart, never>({
  start(start): NativeWorkerStarted {
    if (start.addresses.length > SOCKET_COUNT_MAX) {
      throw new StartError(`Cannot listen on more than ${SOCKET_COUNT_MAX} addresses natively`);
    }
    const core = new Core(start.core, { workerIndex: start.workerIndex, batchSize: BATCH_SIZE });
    const sockets = start.addresses.map((address) => openSocket(address, start));
    const latency = new LatencyRecorder(start.core, {
      workerIndex: start.workerIndex,
      protocol: PROTOCOL_UDP_NATIVE,
    });
    const loop = new NativeLoop(core, latency, sockets);
    setTimeout(() => loop.run()); // Once the main thread has been told.
    return { receiveBufferBytes: Math.min(...sockets.map((socket) => socket.receiveBufferBytes)) };
  },
  stop() {}, // Reached only after the loop has seen the flag.
});
