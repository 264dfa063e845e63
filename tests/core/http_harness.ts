/** The HTTP half of one worker's core without a socket: bytes in, bytes out. */
import { strict as assert } from "node:assert";
import {
  type Connection,
  HttpCore,
  type HttpSettings,
  writeHttpSettings,
} from "../../wasm/http_core.ts";
import { CONTROL_HTTP_SLICE_SIZE } from "../../assembly/layout.ts";
import { latin1 } from "../support/bencode.ts";
import { ascii, concat } from "../support/packets.ts";
import { writeClientAddress } from "../../server/client_address.ts";
import { createShared } from "./harness.ts";

/** An interval so short is not varied, so that equal requests have equal answers. */
export const HTTP_SETTINGS: HttpSettings = {
  announceIntervalSeconds: 9,
  minAnnounceIntervalSeconds: 5,
  maxScrapeTorrents: 100,
  maxPeers: 200,
  defaultPeers: 50,
  maxRequestsPerConnection: 1_000_000,
  keepAlive: true,
  sameFamilyOnly: false,
  externalIp: false,
  cors: false,
  proxyProtocol: false,
};

export interface HttpHarnessOptions {
  settings?: Partial<HttpSettings>;
  /** What another service of the same process wrote before. */
  settingsBefore?: Partial<HttpSettings>;
  peerIds?: boolean;
  limitMib?: number;
  /** Prefixes as [first, last] pairs. */
  trusted?: Uint32Array;
  connections?: number;
  slices?: number;
}

/** What came of some input. */
export class Outcome {
  readonly bytes: Uint8Array;
  readonly isEnding: boolean;

  constructor(bytes: Uint8Array, isEnding: boolean) {
    this.bytes = bytes;
    this.isEnding = isEnding;
  }

  /** One character for each byte. */
  get text(): string {
    return latin1(this.bytes);
  }
}

export class HttpHarness {
  readonly core: HttpCore;
  readonly #sliceSize: number;

  constructor(module: WebAssembly.Module, options: HttpHarnessOptions = {}) {
    const { connections = 64, slices = 64 } = options;
    const shared = createShared(module, { limitMib: options.limitMib, peerIds: options.peerIds });
    const { settings, settingsBefore } = options;
    if (settingsBefore !== undefined) {
      writeHttpSettings(shared.memory, { ...HTTP_SETTINGS, ...settingsBefore });
    }
    writeHttpSettings(shared.memory, { ...HTTP_SETTINGS, ...settings });
    this.#sliceSize = new Uint32Array(shared.memory.buffer)[CONTROL_HTTP_SLICE_SIZE >> 2]!;
    this.core = new HttpCore(shared, { workerIndex: 0, connections, slices, seed: 1n });
    if (options.trusted !== undefined) {
      const ranges = { ipv4: options.trusted, ipv6: new Uint8Array() };
      this.core.swapProxies(this.core.beginRules(0, 0, ranges));
    }
  }

  open(hostname = "192.0.2.1", port = 40_000): Connection {
    this.core.setSender(writeClientAddress(this.core.senderBytes, hostname), port);
    const connection = this.core.open();
    assert.ok(connection > 0, "There is a slot");
    return connection;
  }

  /**
   * Receives one piece as the worker does, in as many reads as its input takes; returns answers.
   */
  receive(connection: Connection, piece: Uint8Array): Uint8Array {
    const answers: Uint8Array[] = [];
    while (piece.length > 0 && !this.core.isEnding(connection)) {
      const input = this.core.isIdle(connection)
        ? this.core.idleInput(connection)
        : this.core.inputOf(connection);
      assert.ok(input.length > 0, "There is room for what follows");
      const byteLength = Math.min(piece.length, input.length);
      input.set(piece.subarray(0, byteLength));
      piece = piece.subarray(byteLength);
      for (
        let answered = this.core.receive(connection, byteLength);
        answered > 0;
        answered = this.core.resume(connection)
      ) {
        assert.ok(answered <= this.#sliceSize, `${answered} bytes are written into a slice`);
        answers.push(this.core.outputOf(connection, answered).slice());
      }
    }
    return concat(...answers);
  }

  /** Sends pieces on a connection of its own. */
  exchange(pieces: (string | Uint8Array)[], hostname?: string): Outcome {
    const connection = this.open(hostname);
    const answers = pieces.map((piece) =>
      this.receive(connection, typeof piece === "string" ? ascii(piece) : piece)
    );
    const isEnding = this.core.isEnding(connection);
    this.core.close(connection);
    return new Outcome(concat(...answers), isEnding);
  }
}

/** Cuts in two at every byte, and into single bytes. */
export function* cuts(bytes: Uint8Array): Generator<Uint8Array[]> {
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
  yield Array.from(bytes, (byte) => Uint8Array.of(byte));
}
