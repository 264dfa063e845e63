/** The client's half of a connection to an echo loop, one message under way at a time. */

import { type SocketAddress, sourceHostname } from "../load/common_config.ts";
import * as counter from "../load/counters.ts";
import { latencyBucket } from "../load/latency.ts";
import { Pacer } from "../load/pacer.ts";
import { NativeDriver } from "../load/tcp_native.ts";
import type { Session } from "../load/tcp_session.ts";
import type { LoadLoop } from "../load/worker.ts";

export interface EchoConfig {
  server: SocketAddress;
  connections: number;
  messageByteLength: number;
  /** Messages a second. */
  rate: number;
}

/** Makes a load of one thread. What is echoed counts as offers do. */
export function createEchoLoop(config: EchoConfig, counters: Float64Array): LoadLoop {
  const pacer = new Pacer(config.rate);
  const message = new Uint8Array(config.messageByteLength);
  const sessions = Array.from(
    { length: config.connections },
    (_, index) => new EchoSession(index, { server: config.server, message, pacer, counters }),
  );
  return new NativeDriver({ sessions, pacer, counters, connectionsPerSecond: 0, tls: undefined });
}

interface EchoOptions {
  server: SocketAddress;
  message: Uint8Array;
  pacer: Pacer;
  counters: Float64Array;
}

class EchoSession implements Session {
  readonly server: SocketAddress;
  readonly sourceHostname: string;
  readonly #options: EchoOptions;
  /** Bytes that are to come back. */
  #awaited = 0;
  #sinceMs = 0;

  constructor(index: number, options: EchoOptions) {
    this.server = options.server;
    this.sourceHostname = sourceHostname(this.server, { index, areMany: true });
    this.#options = options;
  }

  open(): void {
    this.#awaited = 0;
  }

  write(output: Uint8Array, nowMs: number): number {
    const { message, pacer } = this.#options;
    if (this.#awaited > 0 || pacer.dueCount(nowMs) === 0) return 0;
    this.#sinceMs = pacer.take(nowMs);
    this.#awaited = message.length;
    output.set(message);
    return message.length;
  }

  read(bytes: Uint8Array, nowMs: number): boolean {
    this.#awaited -= bytes.length;
    if (this.#awaited > 0) return true;
    const { counters } = this.#options;
    ++counters[counter.RESPONSES + counter.OFFER]!;
    ++counters[counter.RELAYS + latencyBucket((nowMs - this.#sinceMs) * 1000)]!;
    return this.#awaited === 0;
  }

  end(): void {}

  hasTimedOut(): boolean {
    return false;
  }
}
