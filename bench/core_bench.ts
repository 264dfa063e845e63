/**
 * The core alone, one thread: codec, connection ids, torrent table, peer tables, sampling, and all
 * of it. `deno task bench` runs it; docs/BENCHMARKS.md says how to read it.
 */
import {
  scrapeRequestByteLength,
  writeConnectRequest,
  writeScrapeRequest,
} from "../protocols/udp/client.ts";
import { Core } from "../wasm/core.ts";
import trackerModule from "../wasm/module.js";
import { CoreLoad, createBenchCore } from "./core_load.ts";

const BATCH = 16;
const TURNS = 1_000;

/** A request that is answered 1,000 times, by the sandboxed driver's call; divide by 1,000. */
function benchOne(group: string, name: string, core: Core, packet: Uint8Array): void {
  Deno.bench({
    group,
    name: `${name} (× ${TURNS})`,
    fn(bench) {
      core.input.set(packet);
      bench.start();
      for (let turn = 0; turn < TURNS; ++turn) core.answerOne(0, packet.byteLength);
      bench.end();
    },
  });
}

/** A batch of 16 announces; divide by 16 for one. */
function benchBatch(group: string, name: string, load: CoreLoad): void {
  Deno.bench({ group, name: `${name} (× ${BATCH})`, fn: () => load.batch() });
}

function connectRequest(): Uint8Array {
  const bytes = new Uint8Array(16);
  writeConnectRequest(new DataView(bytes.buffer), 1);
  return bytes;
}

/** A scrape of the first `count` torrents that CoreLoad announces. */
function scrapeRequest(connectionId: Uint8Array, count: number): Uint8Array {
  const infoHashes = Array.from({ length: count }, (_, index) => {
    const infoHash = new Uint8Array(20);
    new DataView(infoHash.buffer).setUint32(0, index);
    return infoHash;
  });
  const bytes = new Uint8Array(scrapeRequestByteLength(count));
  writeScrapeRequest(new DataView(bytes.buffer), { connectionId, transactionId: 1, infoHashes });
  return bytes;
}

const small = createBenchCore(trackerModule, 64);
const one = new Core(small, { workerIndex: 1, batchSize: 1, seed: 1n });
one.senderBytes.set([127, 0, 0, 1]);
one.setSender(false, 5000);
one.input.set(connectRequest());
one.answerOne(0, 16);
const connectionId = one.output.slice(8, 16);

const tiny = new CoreLoad(small, { torrents: 1_000, peersPerTorrent: 2 });
tiny.fill();
benchOne("codec", "drop: 15 bytes", one, new Uint8Array(15));
benchOne("mac", "connect: issue an id", one, connectRequest());
benchOne("mac", "drop: check a forged id", one, scrapeRequest(new Uint8Array(8).fill(1), 1));
benchOne("table", "scrape 1 torrent", one, scrapeRequest(connectionId, 1));
benchOne("table", "scrape 70 torrents", one, scrapeRequest(connectionId, 70));
benchBatch("core", "1,000 torrents, 2 peers each", tiny);

for (const numWant of [0, 30, 200]) {
  const shared = createBenchCore(trackerModule, 64);
  const load = new CoreLoad(shared, { torrents: 1, peersPerTorrent: 60_000, numWant });
  load.fill();
  benchBatch("sampling", `one swarm of 60,000, ${numWant} peers wanted`, load);
}

for (const torrents of [100_000, 1_000_000]) {
  const shared = createBenchCore(trackerModule, 256);
  const load = new CoreLoad(shared, { torrents, peersPerTorrent: 2 });
  load.fill();
  benchBatch("core", `${torrents.toLocaleString("en")} torrents, 2 peers each`, load);
}
