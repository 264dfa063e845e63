/**
 * Measures what the core's memory holds, for docs/MEMORY.md: fills it by announces as datagrams
 * bring them, and prints the bytes of some swarms; with limits in MiB as arguments, what each holds
 * (4096 takes several minutes and 4 GiB).
 *
 *     deno run --allow-read=wasm tools/measure_memory.ts 16 256
 */
import {
  CONTROL_ARENA,
  CONTROL_PAGE_COUNT,
  CONTROL_PAGES_USED,
  CONTROL_SHARD_BITS,
  COUNT_MEMORY_FULL,
  PAGE_SIZE,
  WORKER_COUNTERS,
  WORKERS,
} from "../assembly/layout.ts";
import { Core } from "../wasm/core.ts";
import { type CoreSettings, createSharedCore } from "../wasm/memory.ts";

const SETTINGS: CoreSettings = {
  maxPeerAgeSeconds: 1800,
  maxConnectionAgeSeconds: 120,
  announceIntervalSeconds: 900,
  sweepIntervalSeconds: 60,
  maxScrapeTorrents: 70,
  maxResponsePeers: 200,
  defaultResponsePeers: 50,
};
const ANNOUNCE_SIZE = 98;
const PORTS = 65_535;

/** A core of its own that announces can be made to. */
export class Filler {
  readonly #core: Core;
  readonly #words: Uint32Array;
  readonly #input: Uint8Array;
  readonly #packet = new DataView(new ArrayBuffer(ANNOUNCE_SIZE));
  #sender = -1;

  /** @param seed Makes the keys, so that a fill can be repeated. */
  constructor(module: WebAssembly.Module, limitMib: number, seed = 1) {
    const secret = Uint8Array.from({ length: 48 }, (_, index) => 7 * index + seed);
    const shared = createSharedCore(module, { limitMib, secret }, SETTINGS);
    this.#core = new Core(shared, { workerIndex: 0, batchSize: 1, seed: 1n });
    this.#words = new Uint32Array(shared.memory.buffer);
    this.#input = this.#core.input;
    this.#packet.setUint32(8, 1);
    this.#packet.setUint32(68, 1); // left
    this.#packet.setUint32(92, 0); // num_want
  }

  /** Announces peer `peer` of torrent `torrent`; whether it could be stored. */
  announce(torrent: number, peer: number, isIpv6: boolean): boolean {
    this.#connect(Math.floor(peer / PORTS), isIpv6);
    this.#packet.setUint32(16, torrent);
    this.#packet.setUint16(96, 1 + peer % PORTS);
    this.#input.set(new Uint8Array(this.#packet.buffer));
    const before = this.#full;
    if (this.#core.answerOne(0, ANNOUNCE_SIZE) === 0) throw new Error("An announce was dropped");
    return this.#full === before;
  }

  get pagesUsed(): number {
    return this.#words[CONTROL_PAGES_USED >> 2]!;
  }

  get pageCount(): number {
    return this.#words[CONTROL_PAGE_COUNT >> 2]!;
  }

  get arenaAddress(): number {
    return this.#words[CONTROL_ARENA >> 2]!;
  }

  get shardCount(): number {
    return 1 << this.#words[CONTROL_SHARD_BITS >> 2]!;
  }

  get #full(): number {
    return this.#words[(WORKERS + WORKER_COUNTERS + 8 * COUNT_MEMORY_FULL) >> 2]!;
  }

  #connect(sender: number, isIpv6: boolean): void {
    if (this.#sender === sender) return;
    this.#sender = sender;
    const { senderBytes, output } = this.#core;
    senderBytes.fill(0);
    senderBytes.set([32, sender >> 16, sender >> 8, sender]);
    this.#core.setSender(isIpv6, 6881);
    this.#input.fill(0, 0, 16);
    this.#input.set([0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80]);
    this.#core.answerOne(0, 16);
    new Uint8Array(this.#packet.buffer).set(output.subarray(8, 16));
  }
}

/** Fills a memory with torrents of so many peers each; returns how many it holds. */
export function fillTorrents(filler: Filler, peersEach: number, isIpv6 = false): number {
  for (let torrent = 0;; ++torrent) {
    for (let peer = 0; peer < peersEach; ++peer) {
      if (!filler.announce(torrent, peer, isIpv6)) return torrent;
    }
  }
}

/** Fills a memory with one swarm until the first peer is refused; returns its peers. */
export function fillSwarm(filler: Filler, isIpv6 = false): number {
  let peer = 0;
  while (filler.announce(0, peer, isIpv6)) ++peer;
  return peer;
}

/** The allocator's bytes for so many peers in each of so many torrents. */
export function bytesFor(
  module: WebAssembly.Module,
  torrents: number,
  peersEach: number,
  isIpv6 = false,
): number {
  const filler = new Filler(module, 1024);
  const before = filler.pagesUsed;
  for (let torrent = 0; torrent < torrents; ++torrent) {
    for (let peer = 0; peer < peersEach; ++peer) filler.announce(torrent, peer, isIpv6);
  }
  return (filler.pagesUsed - before) * PAGE_SIZE;
}

/** Compiles the core that `deno task build` has made. */
export async function loadCore(): Promise<WebAssembly.Module> {
  const path = new URL("../wasm/tracker.wasm", import.meta.url);
  return await WebAssembly.compile(await Deno.readFile(path));
}

function printLimit(module: WebAssembly.Module, limitMib: number): void {
  const { shardCount, arenaAddress, pageCount } = new Filler(module, limitMib);
  console.log(
    `${limitMib} MiB: ${shardCount} shards, arena at ${arenaAddress}, ${pageCount} pages`,
  );
  for (const [peersEach, isIpv6] of [[1, false], [2, false], [10, false], [2, true]] as const) {
    const torrents = fillTorrents(new Filler(module, limitMib), peersEach, isIpv6);
    console.log(`  ${torrents} torrents of ${peersEach} ${isIpv6 ? "IPv6" : "IPv4"} peers`);
  }
  for (const isIpv6 of [false, true]) {
    const filler = new Filler(module, limitMib);
    const peers = fillSwarm(filler, isIpv6);
    console.log(
      `  one swarm of ${peers} ${isIpv6 ? "IPv6" : "IPv4"} peers, ` +
        `${filler.pagesUsed} of ${pageCount} pages in use`,
    );
  }
}

if (import.meta.main) {
  const module = await loadCore();
  if (Deno.args.length > 0) {
    for (const limit of Deno.args) printLimit(module, Number(limit));
  } else {
    for (
      const [torrents, peersEach] of [[1e6, 1], [1e6, 2], [1, 1e3], [1, 1e4], [1, 1e5], [1, 1e6]]
    ) {
      for (const isIpv6 of [false, true]) {
        const bytes = bytesFor(module, torrents!, peersEach!, isIpv6);
        console.log(
          `${torrents} torrents of ${peersEach} ${
            isIpv6 ? "IPv6" : "IPv4"
          } peers: ${bytes} bytes, ` +
            `${(bytes / torrents! / peersEach!).toFixed(1)} a peer`,
        );
      }
    }
  }
}
