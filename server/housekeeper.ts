/**
 * The housekeeping worker: sweeps old peers away, and loads the access list.
 *
 * It may read the files of the list and nothing else. It never holds a shard's lock for longer than
 * one step of the sweep, and sleeps between the steps' bundles, so that it never keeps a core that
 * a worker needs.
 */
import {
  ACCESS_BLACK,
  ACCESS_OFF,
  ACCESS_WHITE,
  CONTROL_SWEEP_SECONDS,
  CONTROL_UNIX_TIME,
  SWARM_SIZE_COUNT,
  WORKER_BATCH,
  WORKER_COUNT_MAX,
  WORKER_SIZE,
  WORKER_SWARM_SIZES,
  WORKERS,
} from "../assembly/layout.ts";
import {
  BOARD_LIST_RANGES,
  BOARD_LIST_TORRENTS,
  BOARD_LISTS_LOADED_AT,
  BOARD_SWARM_SIZES,
  BOARD_SWEPT_AT,
  writeBoard,
} from "../wasm/board.ts";
import { Core, type Rules } from "../wasm/core.ts";
import { OutOfMemoryError } from "../wasm/errors.ts";
import type { SharedCore } from "../wasm/memory.ts";
import { StartError, whyUnreadable } from "./errors.ts";
import { ListDetails } from "./list_details.ts";
import { EXIT_CONFIG } from "./exit_status.ts";
import { startHeartbeat } from "./heartbeat.ts";
import { serveWorker } from "./pool.ts";
import { type DenyRanges, readDenyFile, toRanges } from "./deny_clients.ts";

export interface HousekeeperStart {
  core: SharedCore;
  workerIndex: number;
}

/** Which list to put in force, as in the configuration's `[access_list]`. */
export interface LoadRules {
  mode: "off" | "black" | "white";
  path: string;
  denyClients: readonly string[];
  denyClientsPath: string;
  /** Prefixes of proxies that may say for whom they ask. */
  trustedProxies?: readonly string[];
}

/** What a list holds, once it is in force. */
export interface LoadedRules {
  infoHashes: number;
  /** Info hashes whose entries have ended; the others do not count them. */
  expired: number;
  denyRanges: number;
}

const MODES = { off: ACCESS_OFF, black: ACCESS_BLACK, white: ACCESS_WHITE };
/** 66 KiB of input buffer, for pieces of the list. */
const BATCH_SIZE = 32;
/** A line of the list has 40 digits and an end. */
const LINE_SIZE_MIN = 41;
const SWEEP_MILLISECONDS = 0.5;
const SLEEP_MILLISECONDS = 2;
/**
 * A worker that has not finished a batch after so long keeps the old list's memory from being
 * freed.
 */
const GRACE_MILLISECONDS = 5_000;

let core: Core;
let words: Uint32Array;
let board: SharedArrayBuffer;
let swarmSizes: Uint32Array;
let sweeping: Promise<void>;
let isStopping = false;

/** Sweeps for ever: all shards once an interval. */
async function sweepForEver(): Promise<void> {
  while (!isStopping) {
    const roundEnd = performance.now() + words[CONTROL_SWEEP_SECONDS >> 2]! * 1000;
    await sweepAll();
    while (!isStopping && performance.now() < roundEnd) {
      await sleep(Math.min(100, Math.max(1, roundEnd - performance.now())));
    }
  }
}

async function sweepAll(): Promise<void> {
  const { shardCount } = core;
  swarmSizes.fill(0);
  let until = performance.now() + SWEEP_MILLISECONDS;
  for (let shard = 0; shard < shardCount && !isStopping;) {
    if (!core.sweepStep(shard)) ++shard;
    if (performance.now() < until) continue;
    await sleep(SLEEP_MILLISECONDS);
    until = performance.now() + SWEEP_MILLISECONDS;
  }
  if (isStopping) return;
  swarmSizes.forEach((count, size) => writeBoard(board, BOARD_SWARM_SIZES + size, count));
  writeBoard(board, BOARD_SWEPT_AT, Date.now() / 1000);
  tellListLength();
}

/** Rules that were read and are not in force yet. */
interface Prepared {
  rules: Rules;
  proxies: Rules;
  list: List;
  denyRanges: number;
}

/** What the list in force holds, as far as its entries have not ended. */
interface List {
  hashCount: number;
  /** When entries end, in Unix seconds, the earliest first. */
  ends: Uint32Array;
}

let prepared: Prepared | undefined;
let listInForce: List = { hashCount: 0, ends: new Uint32Array() };

/** Builds new rules beside the ones in force. */
async function prepareRules(question: LoadRules): Promise<void> {
  dropPrepared();
  const ranges = await readDenyRanges(question);
  const proxies = core.beginRules(ACCESS_OFF, 0, toRanges(question.trustedProxies ?? []));
  try {
    const { rules, ends } = question.mode === "off"
      ? { rules: core.beginRules(ACCESS_OFF, 0, ranges), ends: new Uint32Array() }
      : await readList(MODES[question.mode], question.path, ranges);
    const list = { hashCount: core.hashCount(rules), ends };
    prepared = { rules, proxies, list, denyRanges: ranges.count };
  } catch (error) {
    core.dropRules(proxies);
    throw error;
  }
}

/** Swaps what was prepared in, and frees the old when nobody holds it. */
async function enforceRules(): Promise<LoadedRules> {
  if (prepared === undefined) throw new TypeError("No rules were prepared");
  const { rules, proxies, list, denyRanges } = prepared;
  prepared = undefined;
  listInForce = list;
  const old = [core.swapRules(rules), core.swapProxies(proxies)];
  writeBoard(board, BOARD_LISTS_LOADED_AT, Date.now() / 1000);
  writeBoard(board, BOARD_LIST_RANGES, denyRanges);
  const loaded = { ...tellListLength(), denyRanges };
  if (await allMovedOn()) old.forEach((before) => core.dropRules(before));
  return loaded;
}

/** Counts the list's entries anew: with time, some end. */
function tellListLength(): Pick<LoadedRules, "infoHashes" | "expired"> {
  const { hashCount, ends } = listInForce;
  const now = words[CONTROL_UNIX_TIME >> 2]!;
  const firstToCome = ends.findIndex((end) => end > now);
  const expired = firstToCome < 0 ? ends.length : firstToCome;
  const infoHashes = hashCount - expired;
  writeBoard(board, BOARD_LIST_TORRENTS, infoHashes);
  return { infoHashes, expired };
}

function dropPrepared(): void {
  if (prepared === undefined) return;
  core.dropRules(prepared.rules);
  core.dropRules(prepared.proxies);
  prepared = undefined;
}

async function readDenyRanges(question: LoadRules): Promise<DenyRanges> {
  const cidrs = [...question.denyClients];
  if (question.denyClientsPath !== "") cidrs.push(...await readDenyFile(question.denyClientsPath));
  return toRanges(cidrs);
}

/** Between the pieces of the file, the sweep goes on. */
async function readList(
  mode: number,
  path: string,
  ranges: DenyRanges,
): Promise<{ rules: Rules; ends: Uint32Array }> {
  const { file: opened, size } = await openList(path);
  using file = opened;
  const rules = core.beginRules(mode, Math.ceil(size / LINE_SIZE_MIN) + 1, ranges);
  const details = new ListDetails();
  try {
    const { input } = core;
    for (let isMore = true; isMore;) {
      const byteLength = await file.read(input) ?? 0;
      isMore = byteLength !== 0;
      const isGood = core.readRules(rules, byteLength, (infoHash, text) => {
        details.add(infoHash, text, `${path}:${core.badLine(rules).number}`);
      });
      if (!isGood) throw badLine(path, rules);
    }
    details.writeTo(core, rules);
    return { rules, ends: details.ends() };
  } catch (error) {
    core.dropRules(rules);
    throw error;
  }
}

/** Opens the list; a pipe or a device, which may never end, is none. */
async function openList(path: string): Promise<{ file: Deno.FsFile; size: number }> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) throw new Error("it is not a file");
    return { file: await Deno.open(path), size };
  } catch (error) {
    const reason = whyUnreadable(error);
    throw new StartError(`Cannot read the access list "${path}": ${reason}`, EXIT_CONFIG, {
      key: "access_list.path",
    });
  }
}

function badLine(path: string, rules: Rules): StartError {
  const { number, text } = core.badLine(rules);
  return new StartError(
    `${path}:${number}: Cannot read ${JSON.stringify(text)}: expected 40 hexadecimal digits, ` +
      "an info hash",
    EXIT_CONFIG,
  );
}

/** Waits until every worker that was in a batch has left it; false if one does not. */
async function allMovedOn(): Promise<boolean> {
  const deadline = performance.now() + GRACE_MILLISECONDS;
  for (let index = 0; index < WORKER_COUNT_MAX; ++index) {
    const address = (WORKERS + index * WORKER_SIZE + WORKER_BATCH) >> 2;
    const batch = Atomics.load(words, address);
    while ((batch & 1) === 1 && Atomics.load(words, address) === batch) {
      if (performance.now() > deadline) return false;
      await sleep(1);
    }
  }
  return true;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What it is asked: to read a list, and then what to do with it. */
type Question = LoadRules | "enforce" | "drop";

serveWorker<HousekeeperStart, Question>({
  start({ core: shared, workerIndex }) {
    core = new Core(shared, { workerIndex, batchSize: BATCH_SIZE });
    words = new Uint32Array(shared.memory.buffer);
    startHeartbeat(shared.memory, workerIndex);
    board = shared.board;
    const sizes = WORKERS + workerIndex * WORKER_SIZE + WORKER_SWARM_SIZES;
    swarmSizes = new Uint32Array(shared.memory.buffer, sizes, SWARM_SIZE_COUNT);
    sweeping = sweepForEver();
  },
  async answer(question) {
    try {
      if (question === "enforce") return await enforceRules();
      return question === "drop" ? dropPrepared() : await prepareRules(question);
    } catch (error) {
      if (error instanceof OutOfMemoryError) throw new StartError(error.message, EXIT_CONFIG);
      throw error;
    }
  },
  async stop() {
    isStopping = true;
    await sweeping;
  },
});
