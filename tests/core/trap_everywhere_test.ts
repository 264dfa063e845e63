/**
 * A worker traps at any access to memory, in whatever it was doing: another takes its place, and
 * everybody goes on; or the memory is given up, which is for locks of allocator and outboxes only.
 */
import { strict as assert } from "node:assert";
import {
  CLASS_LOCK,
  CLASS_SIZE,
  CONTROL_CLASSES,
  CONTROL_FAULT,
  CONTROL_PAGE_LOCK,
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  COUNT_MEMORY_FULL,
  FAULT_NONE,
  HOUSEKEEPER_INDEX,
  OUTBOX_LOCK,
  SHARD_LOCK,
  SHARD_PEERS,
  SHARD_SIZE,
  SHARD_TORRENTS,
  SIZE_CLASS_COUNT,
  SLOT_SIZE,
  WORKER_BATCH,
  WORKER_COUNT_MAX,
  WORKER_NUMBER,
  WORKER_READY_LOCK,
  WORKER_SIZE,
  WORKER_SLOT_CARVED,
  WORKER_SLOTS,
  WORKERS,
} from "../../assembly/layout.ts";
import { readCounters, readGauges } from "../../server/counters.ts";
import { Core } from "../../wasm/core.ts";
import { writeNow } from "../../wasm/memory.ts";
import { WsCore } from "../../wasm/ws_core.ts";
import { announceTarget, scrapeTarget, writeRequest } from "../support/http_messages.ts";
import { ascii, randomBytes } from "../support/packets.ts";
import { Harness, seededRandom } from "./harness.ts";
import { compileWithTraps, trapAfter, traps } from "./injected_traps.ts";
import { binaryString, jsonOf, maskedFrame, type Peer, UPGRADE, WsHarness } from "./ws_harness.ts";
import { offers, peerId } from "./ws_world.ts";

const MODULE = await compileWithTraps();
const ROUNDS = 2_500;
/** A round that traps may leave a torrent or peer behind that only a counter knows, or not. */
const ASTRAY_PER_TRAP = 1;
const CONNECTIONS = 64;
const SLICES = 32;
const UDP_INDEX = 2;
const TORRENTS = 40;
const CLIENT = Uint8Array.of(192, 0, 2, 1);

const CORE_OPTIONS = { connections: CONNECTIONS, slices: SLICES, servesHttp: true };

/** A tracker's workers: WebTorrent and HTTP (0 and 1), UDP (2), the housekeeper. */
class World {
  readonly ws = new WsHarness(MODULE, { limitMib: 32, workers: 2, ...CORE_OPTIONS });
  readonly view = new DataView(this.ws.shared.memory.buffer);
  udp = this.#startUdp();
  housekeeper = this.#startHousekeeper();
  /** On worker 0, which is to die, and on worker 1, which lives. */
  mortal: Peer[] = [];
  readonly steady = this.ws.connect(1);
  traps = 0;
  now = 1;

  #startUdp(): Harness {
    const udp = new Harness(this.ws.shared, { workerIndex: UDP_INDEX });
    udp.become(CLIENT);
    return udp;
  }

  #startHousekeeper(): Core {
    return new Core(this.ws.shared, { workerIndex: HOUSEKEEPER_INDEX, batchSize: 1 });
  }

  /** Has another worker take the place of one that trapped. */
  replace(workerIndex: number): void {
    if (workerIndex === UDP_INDEX) this.udp = this.#startUdp();
    else if (workerIndex === HOUSEKEEPER_INDEX) this.housekeeper = this.#startHousekeeper();
    else {
      this.ws.cores[0] = new WsCore(this.ws.shared, { workerIndex: 0, ...CORE_OPTIONS });
      for (const peer of this.mortal.splice(0)) this.ws.forget(peer);
    }
  }

  connect(): Peer {
    const peer = this.ws.connect(0);
    this.mortal.push(peer);
    return peer;
  }

  open(): Peer {
    const peer = this.ws.open(0);
    this.mortal.push(peer);
    return peer;
  }

  close(peer: Peer): void {
    this.mortal.splice(this.mortal.indexOf(peer), 1);
    this.ws.close(peer);
  }

  word(address: number): number {
    return this.view.getUint32(address, true);
  }

  get shards(): number[] {
    return Array.from(
      { length: 1 << this.word(CONTROL_SHARD_BITS) },
      (_, index) => this.word(CONTROL_SHARDS) + index * SHARD_SIZE,
    );
  }

  /** Of all locks that there are, those that are held. */
  get lockHolders(): { shards: number[]; fatal: number[] } {
    const fatal = [this.word(CONTROL_PAGE_LOCK)];
    for (let sizeClass = 0; sizeClass < SIZE_CLASS_COUNT; ++sizeClass) {
      fatal.push(this.word(CONTROL_CLASSES + sizeClass * CLASS_SIZE + CLASS_LOCK));
    }
    for (let index = 0; index < WORKER_COUNT_MAX; ++index) {
      const worker = WORKERS + index * WORKER_SIZE;
      fatal.push(this.word(worker + WORKER_READY_LOCK));
      for (let slot = 0; slot < this.word(worker + WORKER_SLOT_CARVED); ++slot) {
        fatal.push(this.word(this.word(worker + WORKER_SLOTS) + slot * SLOT_SIZE + OUTBOX_LOCK));
      }
    }
    const shards = this.shards.map((shard) => this.word(shard + SHARD_LOCK));
    return { shards: shards.filter(Boolean), fatal: fatal.filter(Boolean) };
  }
}

/** Receives bytes on a connection of worker 0, which alone does anything. */
function feed({ core, connection }: Peer, bytes: Uint8Array): void {
  while (bytes.length > 0) {
    if (core.isEnding(connection)) return;
    const input = core.isIdle(connection) ? core.idleInput(connection) : core.inputOf(connection);
    const byteLength = Math.min(bytes.length, input.length);
    input.set(bytes.subarray(0, byteLength));
    bytes = bytes.subarray(byteLength);
    let answered = core.receive(connection, byteLength);
    while (answered > 0) answered = core.resume(connection);
  }
}

function message(fields: Record<string, unknown>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ action: "announce", left: 1, ...fields }));
}

function frame(fields: Record<string, unknown>): Uint8Array {
  return maskedFrame(message(fields));
}

const request = (target: string) => ascii(writeRequest(target));
const hashOf = (random: (bound: number) => number) => binaryString(random(TORRENTS));

/** What a worker is doing when it traps: prepared without traps, then done with one. */
type Work = (world: World, random: (bound: number) => number) => {
  worker: number;
  run(): void;
};

const WORK: Record<string, Work> = {
  "an upgrade"(world) {
    const peer = world.open();
    return { worker: 0, run: () => feed(peer, ascii(UPGRADE)) };
  },
  "an announce with offers"(world, random) {
    const peer = pick(world, random);
    const bytes = frame({
      info_hash: hashOf(random),
      peer_id: peerId(random(50)),
      numwant: 5,
      offers: offers(5),
    });
    return { worker: 0, run: () => feed(peer, bytes) };
  },
  "an answer"(world, random) {
    const [peer, info_hash] = [pick(world, random), hashOf(random)];
    world.ws.say(world.steady, JSON.parse(asText({ info_hash, peer_id: peerId(99) })));
    world.ws.say(peer, JSON.parse(asText({ info_hash, peer_id: peerId(7) })));
    const bytes = frame({
      info_hash,
      peer_id: peerId(7),
      to_peer_id: peerId(99),
      offer_id: binaryString(1, "o"),
      answer: { type: "answer", sdp: "x".repeat(600) },
    });
    return { worker: 0, run: () => feed(peer, bytes) };
  },
  "a stop"(world, random) {
    const [peer, info_hash] = [pick(world, random), hashOf(random)];
    world.ws.say(peer, JSON.parse(asText({ info_hash, peer_id: peerId(8) })));
    const bytes = frame({ info_hash, peer_id: peerId(8), event: "stopped" });
    return { worker: 0, run: () => feed(peer, bytes) };
  },
  "a message in fragments"(world, random) {
    const peer = pick(world, random);
    const whole = message({ info_hash: hashOf(random), peer_id: peerId(3), offers: offers(9) });
    const first = maskedFrame(whole.subarray(0, 1_500), { final: false });
    const second = maskedFrame(whole.subarray(1_500), { opcode: 0 });
    return {
      worker: 0,
      run() {
        feed(peer, first);
        feed(peer, second.subarray(0, 700));
      },
    };
  },
  "a scrape"(world, random) {
    const peer = pick(world, random);
    const bytes = frame({ action: "scrape", info_hash: [hashOf(random), hashOf(random)] });
    return { worker: 0, run: () => feed(peer, bytes) };
  },
  "a connection's end"(world, random) {
    const peer = pick(world, random);
    for (let torrent = 0; torrent < 5; ++torrent) {
      world.ws.say(peer, JSON.parse(asText({ info_hash: hashOf(random), peer_id: peerId(5) })));
    }
    return { worker: 0, run: () => world.close(peer) };
  },
  "what is sent"(world, random) {
    const [peer, info_hash] = [pick(world, random), hashOf(random)];
    world.ws.say(peer, JSON.parse(asText({ info_hash, peer_id: peerId(6) })));
    const { core, connection } = world.steady;
    const bytes = frame({ info_hash, peer_id: peerId(98), numwant: 9, offers: offers(9) });
    core.inputOf(connection).set(bytes.subarray(0, 400));
    core.receive(connection, 400);
    core.inputOf(connection).set(bytes.subarray(400));
    core.receive(connection, bytes.length - 400);
    return {
      worker: 0,
      run() {
        while (world.ws.cores[0]!.nextReady() !== 0) world.ws.drain(peer);
      },
    };
  },
  "a ping and a close"(world, random) {
    const peer = pick(world, random);
    return {
      worker: 0,
      run() {
        peer.core.ping(peer.connection);
        peer.core.closeSocket(peer.connection, 1001);
      },
    };
  },
  "requests of HTTP"(world, random) {
    const peer = world.open();
    const infoHash = Uint8Array.from(hashOf(random), (it) => it.charCodeAt(0));
    const bytes = request(announceTarget({ info_hash: infoHash, port: `${1 + random(9_999)}` }));
    return {
      worker: 0,
      run() {
        feed(peer, bytes);
        feed(peer, request(scrapeTarget([infoHash, randomBytes(20)])));
      },
    };
  },
  "half a request of HTTP"(world) {
    const peer = world.open();
    const begun = `GET /announce?info_hash=${"x".repeat(2_000)}`;
    return { worker: 0, run: () => feed(peer, ascii(begun)) };
  },
  "announces of UDP"(world, random) {
    const torrent = random(TORRENTS);
    const port = 1 + random(60_000);
    return {
      worker: UDP_INDEX,
      run() {
        for (let more = 0; more < 4; ++more) world.udp.announce({ torrent, port: port + more });
        world.udp.completed(torrent, port);
        world.udp.stopped(torrent, port + 1);
      },
    };
  },
  "a sweep"(world, random) {
    writeNow(world.ws.shared.memory, world.now += random(1_000));
    return {
      worker: HOUSEKEEPER_INDEX,
      run() {
        for (let shard = 0; shard < world.housekeeper.shardCount; ++shard) {
          while (world.housekeeper.sweepStep(shard));
        }
      },
    };
  },
};

function asText(fields: Record<string, unknown>): string {
  return new TextDecoder().decode(message(fields));
}

/** A WebSocket of worker 0. */
function pick(world: World, random: (bound: number) => number): Peer {
  const peers = world.mortal.filter(({ core, connection }) =>
    core.isWebSocket(connection) && !core.isEnding(connection) && !core.isMidMessage(connection)
  );
  return peers.length < 6 ? world.connect() : peers[random(peers.length)]!;
}

/** Does something that traps after so many accesses; whether it did. */
function isTrapped(run: () => void, accesses: number): boolean {
  trapAfter(accesses);
  try {
    run();
    return false;
  } catch (error) {
    assert.ok(error instanceof WebAssembly.RuntimeError, `${error}`);
    return true;
  } finally {
    traps.at = 0;
  }
}

/** Every worker serves, nobody holds a lock, and the counters are what the shards hold. */
function assertHealthy(world: World, what: string): void {
  const { ws, steady } = world;
  assert.deepEqual(world.lockHolders, { shards: [], fatal: [] }, what);
  for (const index of [0, 1, UDP_INDEX, HOUSEKEEPER_INDEX]) {
    assert.equal(world.word(WORKERS + index * WORKER_SIZE + WORKER_BATCH) % 2, 0, what);
  }
  ws.deliver();
  const fresh = ws.connect(0);
  const info_hash = binaryString(77_777);
  const say = (peer: Peer, id: number, more: Record<string, unknown> = {}) =>
    ws.say(peer, JSON.parse(asText({ info_hash, peer_id: peerId(id), ...more }))).map(jsonOf);
  assert.equal(say(steady, 900)[0].action, "announce", what);
  const relayed = steady.received.length;
  assert.equal(say(fresh, 901, { numwant: 1, offers: offers(1) })[0].incomplete, 2, what);
  assert.equal(jsonOf(steady.received[relayed]!).offer.type, "offer", what);
  assert.equal(say(fresh, 901, { event: "stopped" })[0].incomplete, 1, what);
  ws.close(fresh);
  const http = ws.open(0);
  ws.receive(http, request(announceTarget({ info_hash: randomBytes(20) })));
  assert.match(http.head, /^HTTP\/1.1 200 OK\r\n/, what);
  ws.close(http);
  assert.ok(world.udp.announce({ torrent: 5, port: 5 }) > 0, what);

  const counters = readCounters(ws.shared.memory);
  const gauges = readGauges(ws.shared.memory, counters);
  const sum = (offset: number) =>
    world.shards.reduce((total, shard) => total + world.word(shard + offset), 0);
  const astray = ASTRAY_PER_TRAP * world.traps;
  assert.ok(Math.abs(gauges.torrents - sum(SHARD_TORRENTS)) <= astray, what);
  assert.ok(Math.abs(gauges.peersIpv4 - sum(SHARD_PEERS)) <= astray, what);
  assert.equal(counters[COUNT_MEMORY_FULL], 0, what);
}

/** No slot and no slice is handed out twice. */
function assertDistinct(world: World, what: string): void {
  const core = world.ws.cores[0]!;
  for (const peer of world.mortal.splice(0)) world.ws.close(peer);
  const peers = Array.from({ length: CONNECTIONS }, () => world.ws.open(0));
  assert.equal(new Set(peers.map(({ connection }) => connection)).size, CONNECTIONS, what);
  const slices = peers.slice(0, SLICES / 2).map((peer) => {
    feed(peer, ascii(`GET /${"x".repeat(1_000)}`));
    return core.inputOf(peer.connection).byteOffset;
  });
  assert.equal(new Set(slices).size, slices.length, what);
  for (const peer of peers) world.ws.close(peer);
}

Deno.test("whatever a worker was doing when it trapped, another takes its place", () => {
  const random = seededRandom(20_261_124);
  const names = Object.keys(WORK);
  const lengths: Record<string, number> = {};
  const tally = { trapped: 0, inStart: 0, givenUp: 0 };
  let startLength = 1;
  let world = new World();
  for (let round = 0; round < ROUNDS; ++round) {
    const name = names[round % names.length]!;
    const { worker, run } = WORK[name]!(world, random);
    const before = traps.accesses;
    const what = `round ${round}, ${name}`;
    if (!isTrapped(run, name in lengths ? 1 + random(lengths[name]!) : 0)) {
      lengths[name] = traps.accesses - before;
      world.ws.deliver();
      continue;
    }
    ++tally.trapped;
    ++world.traps;
    let isUp = false;
    // Its successor may trap as well, over what it finds or by itself.
    for (const accesses of round % 2 === 0 ? [1 + random(startLength), 0] : [0]) {
      if (world.word(CONTROL_FAULT) !== FAULT_NONE) break;
      const begun = traps.accesses;
      isUp = !isTrapped(() => world.replace(worker), accesses);
      if (isUp) startLength = traps.accesses - begun;
      else ++tally.inStart;
    }
    if (world.word(CONTROL_FAULT) !== FAULT_NONE) {
      const number = world.word(WORKERS + worker * WORKER_SIZE + WORKER_NUMBER);
      assert.ok(world.lockHolders.fatal.includes(number), `${what}: given up for a lock`);
      ++tally.givenUp;
      world = new World();
      continue;
    }
    assert.ok(isUp, what);
    assertHealthy(world, what);
    if (round % 8 === 0) assertDistinct(world, what);
  }
  assert.ok(tally.trapped > 1_000 && tally.inStart > 50, JSON.stringify(tally));
  assert.ok(tally.givenUp < tally.trapped / 2, JSON.stringify(tally));
});
