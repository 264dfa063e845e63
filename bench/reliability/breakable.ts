/**
 * The tracker with ways to break it, for the fault runs.
 *
 * SIGUSR2 spoils memory, so that the next worker that looks there traps: in turn the table of the
 * shard that holds most torrents, the records of its torrents, their peers, and the list of
 * torrents of a WebTorrent connection. SIGWINCH sets the time of day of the main thread a day
 * ahead, then a day back, in turn. SIGURG takes the lock of every shard and never gives it back, so
 * that whoever wants one hangs.
 */
import {
  CONNECTION_CAPACITY,
  CONNECTION_PHASE,
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  FRAME_TORRENTS,
  GROUP_LANES,
  GROUP_SIZE,
  GROUP_TAGS,
  GROUP_TORRENTS,
  PHASE_WEBSOCKET,
  SHARD_GROUP_COUNT,
  SHARD_GROUPS,
  SHARD_LOCK,
  SHARD_SIZE,
  SHARD_TORRENTS,
  SLOT_SIZE,
  TORRENT_SWARMS,
  WORKER_COUNT_MAX,
  WORKER_SIZE,
  WORKER_SLOT_CARVED,
  WORKER_SLOTS,
  WORKERS,
} from "../../assembly/layout.ts";

/** No worker has this number. */
const NOBODY = 0x7f;
const KINDS = 3;
const NOWHERE = 0xffff_0000;
const DAY_MILLISECONDS = 86_400_000;

// The memory is the only one of that size that this process makes.
let memory: WebAssembly.Memory | undefined;
const { Memory } = WebAssembly;
WebAssembly.Memory = class extends Memory {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    super(descriptor);
    memory = this;
  }
} as typeof Memory;

const read = (address: number) => new DataView(memory!.buffer).getUint32(address, true);
const spoil = (address: number) => new DataView(memory!.buffer).setUint32(address, NOWHERE, true);

function shards(): number[] {
  const first = read(CONTROL_SHARDS);
  const count = 1 << read(CONTROL_SHARD_BITS);
  return Array.from({ length: count }, (_, index) => first + index * SHARD_SIZE);
}

function fullestShard(): number {
  const torrents = (shard: number) => read(shard + SHARD_TORRENTS);
  return shards().reduce((best, it) => torrents(it) > torrents(best) ? it : best);
}

/** The places within a shard where the addresses of its torrents are. */
function* torrentPlaces(shard: number): Generator<number> {
  const bytes = new Uint8Array(memory!.buffer);
  const groups = read(shard + SHARD_GROUPS);
  for (let group = 0; group < read(shard + SHARD_GROUP_COUNT); ++group) {
    for (let lane = 0; lane < GROUP_LANES; ++lane) {
      const start = groups + group * GROUP_SIZE;
      if (bytes[start + GROUP_TAGS + lane] !== 0) yield start + GROUP_TORRENTS + 4 * lane;
    }
  }
}

/** A WebTorrent connection that takes part in a torrent; 0 where there is none. */
function findSocket(): number {
  for (let index = 0; index < WORKER_COUNT_MAX; ++index) {
    const worker = WORKERS + index * WORKER_SIZE;
    for (let slot = 0; slot < read(worker + WORKER_SLOT_CARVED); ++slot) {
      const connection = read(worker + WORKER_SLOTS) + slot * SLOT_SIZE;
      const isOpen = read(connection + CONNECTION_CAPACITY) !== 0;
      const isSocket = isOpen && read(connection + CONNECTION_PHASE) === PHASE_WEBSOCKET;
      if (isSocket && read(connection + FRAME_TORRENTS) !== 0) return connection;
    }
  }
  return 0;
}

const SPOILERS = [
  () => spoil(fullestShard() + SHARD_GROUPS),
  () => [...torrentPlaces(fullestShard())].forEach(spoil),
  () => {
    for (const place of torrentPlaces(fullestShard())) {
      for (let kind = 0; kind < KINDS; ++kind) spoil(read(place) + TORRENT_SWARMS + 4 * kind);
    }
  },
  () => {
    const socket = findSocket();
    spoil(socket === 0 ? fullestShard() + SHARD_GROUPS : socket + FRAME_TORRENTS);
  },
];
let spoiled = 0;
Deno.addSignalListener("SIGUSR2", () => SPOILERS[spoiled++ % SPOILERS.length]!());

Deno.addSignalListener("SIGURG", () => {
  const words = new Int32Array(memory!.buffer);
  for (const shard of shards()) Atomics.store(words, (shard + SHARD_LOCK) >> 2, NOBODY);
});

const now = Date.now.bind(Date);
let shift = -DAY_MILLISECONDS;
Deno.addSignalListener("SIGWINCH", () => {
  shift = -shift;
  Date.now = () => now() + shift;
});

const { parseCommandLine } = await import("../../server/cli.ts");
const { flushLog } = await import("../../server/log.ts");
const status = await parseCommandLine(Deno.args)();
await flushLog();
Deno.exit(status);
