/**
 * What the workers of locks_test.ts are told, and what they tell; hammer_worker.ts carries it out.
 */
import type { SharedCore } from "../../wasm/memory.ts";

export interface HammerPlan {
  core: SharedCore;
  workerIndex: number;
  seed: number;
  task: AnnounceTask | { kind: "sweep" } | { kind: "rules" } | { kind: "allocate" } | CountTask;
}

/** Announces, a random history of peers that are this worker's alone. */
export interface AnnounceTask {
  kind: "announce";
  /** 4 or 16 bytes: nobody else has it. */
  address: Uint8Array;
  steps: number;
  /** Batches as the native driver has them, or one datagram at a time. */
  batchSize: number;
}

/** Adds to a plain word under a lock. */
export interface CountTask {
  kind: "count";
  lock: number;
  word: number;
  steps: number;
}

/** What a worker leaves behind. */
export interface HammerReport {
  /** Of an announcing worker: torrent, port, whether it seeds. */
  peers: [torrent: number, port: number, isSeeder: boolean][];
  /** Downloads completed, by torrent. */
  completed: Map<number, number>;
  /** Turns of whatever it did. */
  turns: number;
}

/** Torrent 0 is the swarm that everybody is in; the others share what is left of the announces. */
export const TORRENT_COUNT = 400;
export const PORT_COUNT = 3_000;
/** Never served: every list has it. */
export const FORBIDDEN_TORRENT = 1_000_000;
export const BATCH_SIZE = 16;
