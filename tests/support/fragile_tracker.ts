/**
 * A tracker of all protocols within the test's own process, so that the test can spoil its memory
 * as a fault would.
 */
import { strict as assert } from "node:assert";
import {
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  COUNT_CONNECTIONS_CLOSED,
  COUNT_CONNECTIONS_OPENED,
  SHARD_GROUPS,
  SHARD_SIZE,
  SHARD_TORRENTS,
} from "../../assembly/layout.ts";
import { httpService } from "../../protocols/http/mod.ts";
import { udpService } from "../../protocols/udp/mod.ts";
import { WsClient } from "../../protocols/ws/client.ts";
import { wsService } from "../../protocols/ws/mod.ts";
import { httpOf, keyOf, parseConfig, TRACKER_FILE, udpOf, wsOf } from "../../server/config/mod.ts";
import type { TrackerConfig } from "../../server/config/mod.ts";
import { readCounters } from "../../server/counters.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import { partOf, type Service } from "../../server/service.ts";
import { startTracker } from "../../server/tracker.ts";
import { BOARD_SWEPT_AT, BOARD_WORKER_RESTARTS } from "../../wasm/board.ts";
import type { SharedCore } from "../../wasm/memory.ts";
import { elapse } from "./deadline.ts";
import { announceHttp } from "./http_announce.ts";
import { randomBytes } from "./packets.ts";
import { UdpClient } from "./udp_client.ts";

const NOWHERE = 0xffff_0000; // beyond the memory's end
const DEADLINE_MS = 20_000;

export const PROTOCOLS = ["udp", "http", "ws"] as const;
export type Protocol = typeof PROTOCOLS[number];

export interface FragileOptions {
  io: "deno" | "native";
  /** Of each protocol that can have more than one. */
  workers: number;
  /** Nobody looks into the shards unasked once `untilSwept` has resolved. */
  sweepsOnce?: boolean;
}

export class FragileTracker {
  readonly tracker: Tracker<TrackerConfig>;
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly #board: Float64Array;
  readonly #addresses: Record<Protocol, string>;

  private constructor(tracker: Tracker<TrackerConfig>, { memory, board }: SharedCore) {
    this.tracker = tracker;
    this.memory = memory;
    this.view = new DataView(memory.buffer);
    this.#board = new Float64Array(board);
    const [udp, http, ws] = tracker.addresses as [string, string, string];
    this.#addresses = { udp, http, ws };
  }

  static async start(
    { io, workers, sweepsOnce = false }: FragileOptions,
  ): Promise<FragileTracker> {
    const text = `
      memory = { limit_mib = 64 }
      cleaning = { torrent_cleaning_interval = ${sweepsOnce ? 3_600 : 60} }
      statistics = { interval = 0 }
      [udp]
      socket_workers = ${io === "native" ? workers : 1}
      network = { address = "127.0.0.1:0", io = "${io}" }
      [http]
      socket_workers = ${workers}
      network = { address = "127.0.0.1:0", io = "${io}" }
      [ws]
      socket_workers = ${workers}
      network = { address = "127.0.0.1:0", io = "${io}" }`;
    const { config } = await parseConfig(TRACKER_FILE, text, { name: "test" });
    const options = { takeOver: false };
    let core: SharedCore | undefined;
    const udp: Service<TrackerConfig> = partOf(udpService(udpOf(config)!, options), {
      select: udpOf,
      keyOf: (key) => keyOf("udp", key),
    });
    const http: Service<TrackerConfig> = partOf(await httpService(httpOf(config)!, options), {
      select: httpOf,
      keyOf: (key) => keyOf("http", key),
    });
    const ws: Service<TrackerConfig> = partOf(await wsService(wsOf(config)!, options), {
      select: wsOf,
      keyOf: (key) => keyOf("ws", key),
    });
    const tracker = await startTracker(config, [
      {
        ...udp,
        async startWorkers(place) {
          core = place.core;
          await udp.startWorkers(place);
        },
      },
      http,
      ws,
    ]);
    return new FragileTracker(tracker, core!);
  }

  get shards(): number[] {
    const count = 1 << this.view.getUint32(CONTROL_SHARD_BITS, true);
    const first = this.view.getUint32(CONTROL_SHARDS, true);
    return Array.from({ length: count }, (_, index) => first + index * SHARD_SIZE);
  }

  torrentsOf(shard: number): number {
    return this.view.getUint32(shard + SHARD_TORRENTS, true);
  }

  /** Has whoever looks into the shard next trap. */
  spoil(shard: number): void {
    this.view.setUint32(shard + SHARD_GROUPS, NOWHERE, true);
  }

  /** Workers that have taken dead ones' places. */
  get restarts(): number {
    return this.#board[BOARD_WORKER_RESTARTS]!;
  }

  async untilRestarted(count: number): Promise<void> {
    await this.#until(() => this.restarts >= count, `${count} restarts`);
  }

  /** Until all shards were swept once: where that is all, nobody looks into them unasked. */
  async untilSwept(): Promise<void> {
    await this.#until(() => this.#board[BOARD_SWEPT_AT] !== 0, "the first sweep");
  }

  /** Until the connections of all clients that have gone are closed. */
  async untilLeft(): Promise<void> {
    await this.#until(() => {
      const counters = readCounters(this.memory);
      return counters[COUNT_CONNECTIONS_OPENED] === counters[COUNT_CONNECTIONS_CLOSED];
    }, "the clients' ends");
  }

  async #until(isSo: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!isSo()) {
      assert(performance.now() < deadline, `Never came: ${what}`);
      await elapse(5);
    }
  }

  /** Announces with a client of its own; rejects when that gets no answer. */
  async announce(protocol: Protocol, infoHash: Uint8Array, port = 7_000): Promise<void> {
    const address = this.#addresses[protocol];
    if (protocol === "udp") {
      await using client = new UdpClient("127.0.0.1", address);
      await client.connect();
      await client.announce({ infoHash, port });
    } else if (protocol === "http") {
      await announceHttp(address, { infoHash, port });
    } else {
      const { hostname, port } = new URL(`http://${address}`);
      using client = await WsClient.open({ hostname, port: Number(port) });
      await client.announce({ infoHash, peerId: randomBytes(20), left: 1 });
      const answer = await client.receive();
      if (answer?.kind !== "announce") throw new Error(`Not announced: ${Deno.inspect(answer)}`);
    }
  }
}

/** Torrents by number, spread over the shards. */
export function infoHashOf(torrent: number): Uint8Array {
  const infoHash = new Uint8Array(20);
  new DataView(infoHash.buffer).setUint32(0, torrent * 2_654_435_761);
  return infoHash;
}
