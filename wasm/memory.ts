/**
 * The one shared memory: created and carved by the main thread, instantiated upon by every worker.
 */
import {
  CONTROL_ANNOUNCE_INTERVAL,
  CONTROL_DEFAULT_RESPONSE_PEERS,
  CONTROL_MAC_KEY,
  CONTROL_MAX_CONNECTION_AGE,
  CONTROL_MAX_PEER_AGE,
  CONTROL_MAX_RESPONSE_PEERS,
  CONTROL_MAX_SCRAPE_TORRENTS,
  CONTROL_NOW,
  CONTROL_PEER_IDS,
  CONTROL_PEER_KEY,
  CONTROL_STOP,
  CONTROL_SWEEP_SECONDS,
  CONTROL_TABLE_KEY,
  CONTROL_UNIX_TIME,
} from "../assembly/layout.ts";
import { createBoard } from "./board.ts";
import { writeHttpTexts } from "./http_texts.ts";
import { writeTexts } from "./texts.ts";

const WASM_PAGES_PER_MIB = 16;
const KEY_SIZE = 16;

/** What the core is told and may be told anew while it runs; seconds and counts. */
export interface CoreSettings {
  maxPeerAgeSeconds: number;
  maxConnectionAgeSeconds: number;
  announceIntervalSeconds: number;
  sweepIntervalSeconds: number;
  maxScrapeTorrents: number;
  maxResponsePeers: number;
  defaultResponsePeers: number;
}

/** What is fixed before the first worker starts. */
export interface CoreOptions {
  limitMib: number;
  /** Whether TCP/uTP peers keep their peer id (20 bytes each). */
  peerIds?: boolean;
  /** 48 bytes of secret; for tests that replay a run. */
  secret?: Uint8Array;
}

/** What a worker is sent to take part. */
export interface SharedCore {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** What is told beside the core's counters (board.ts). */
  board: SharedArrayBuffer;
}

/**
 * Reserves the memory (it becomes resident as it is used), writes keys, texts and settings, and
 * carves the regions.
 * @throws RangeError where the system does not have the address space.
 */
export function createSharedCore(
  module: WebAssembly.Module,
  options: CoreOptions,
  settings: Partial<CoreSettings>,
): SharedCore {
  const pages = options.limitMib * WASM_PAGES_PER_MIB;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  const secret = options.secret ?? crypto.getRandomValues(new Uint8Array(3 * KEY_SIZE));
  bytes.set(secret.subarray(0, KEY_SIZE), CONTROL_TABLE_KEY);
  bytes.set(secret.subarray(KEY_SIZE, 2 * KEY_SIZE), CONTROL_MAC_KEY);
  bytes.set(secret.subarray(2 * KEY_SIZE, 3 * KEY_SIZE), CONTROL_PEER_KEY);
  writeTexts(bytes);
  writeHttpTexts(bytes);
  writeWord(memory, CONTROL_PEER_IDS, options.peerIds ? 1 : 0);
  writeWord(memory, CONTROL_NOW, 1);
  writeSettings(memory, settings);
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  (instance.exports.init as (pages: number) => void)(pages);
  return { module, memory, board: createBoard() };
}

/** Writes the settings that are given; workers see them with the next request. */
export function writeSettings(memory: WebAssembly.Memory, settings: Partial<CoreSettings>): void {
  for (const [name, value] of Object.entries(settings)) {
    writeWord(memory, SETTING_WORDS[name as keyof CoreSettings], value);
  }
}

const SETTING_WORDS: Readonly<Record<keyof CoreSettings, number>> = {
  maxPeerAgeSeconds: CONTROL_MAX_PEER_AGE,
  maxConnectionAgeSeconds: CONTROL_MAX_CONNECTION_AGE,
  announceIntervalSeconds: CONTROL_ANNOUNCE_INTERVAL,
  sweepIntervalSeconds: CONTROL_SWEEP_SECONDS,
  maxScrapeTorrents: CONTROL_MAX_SCRAPE_TORRENTS,
  maxResponsePeers: CONTROL_MAX_RESPONSE_PEERS,
  defaultResponsePeers: CONTROL_DEFAULT_RESPONSE_PEERS,
};

/** Sets the time that every worker reads, in seconds since the start. */
export function writeNow(memory: WebAssembly.Memory, seconds: number): void {
  writeWord(memory, CONTROL_NOW, seconds);
}

/** Sets the time of day, seconds since 1970: the access list has dates. */
export function writeUnixTime(memory: WebAssembly.Memory, seconds: number): void {
  writeWord(memory, CONTROL_UNIX_TIME, seconds);
}

/** Tells every worker to leave its loop. */
export function writeStop(memory: WebAssembly.Memory): void {
  writeWord(memory, CONTROL_STOP, 1);
}

export function isStopped(words: Int32Array): boolean {
  return Atomics.load(words, CONTROL_STOP >> 2) !== 0;
}

function writeWord(memory: WebAssembly.Memory, address: number, value: number): void {
  Atomics.store(new Uint32Array(memory.buffer), address >> 2, value);
}
