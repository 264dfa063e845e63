/**
 * The raw data of a comparison: every run of every row, in one JSON file that is written after each
 * run, so that an interrupted comparison goes on where it stopped.
 */

import type { LatencyReport } from "../load/report.ts";
import type { Protocol } from "./scenarios.ts";

/** One run of a server under one scenario's load. */
export interface Run {
  protocol: Protocol;
  scenario: string;
  server: string;
  round: number;
  /** Why there are no figures, such as that the server does not start. */
  failure?: string;
  /** Requests that were sent: with WebTorrent, one has many responses. */
  requestsPerSecond: number;
  responsesPerSecond: number;
  responsesPerCpuSecond: number;
  /** Responses a second by kind. */
  rates: Record<string, number>;
  latencyMicroseconds: LatencyReport;
  timeouts: number;
  testerIdleShare: number;
  residentBytes: number;
  coldStartMilliseconds: number;
}

/** What a rival's own load test said of the same server, beside ours. */
export interface CrossCheck {
  protocol: Protocol;
  server: string;
  /** Responses a second. */
  ours: number;
  theirs: number;
  /** Responses a CPU-second of the server: alike where only the testers differ in speed. */
  oursPerCpuSecond: number;
  theirsPerCpuSecond: number;
  /** Responses a second by kind. */
  oursByKind: Record<string, number>;
  theirsByKind: Record<string, number>;
}

export interface Raw {
  date: string;
  machine: string;
  commit: string;
  versions: Record<string, string>;
  options: { rounds: number; seconds: number; isQuick: boolean };
  /** What could not be installed, and why. */
  absent: Record<string, string>;
  /** Command and configuration of each server, by name. */
  servers: Record<string, { role: string; command: string; config: string }>;
  runs: Run[];
  crossChecks: CrossCheck[];
}

export function createRaw(date: string, options: Raw["options"]): Raw {
  return {
    date,
    machine: "",
    commit: "",
    versions: {},
    options,
    absent: {},
    servers: {},
    runs: [],
    crossChecks: [],
  };
}

/** Reads a file; undefined where there is none. */
export async function readRaw(path: string): Promise<Raw | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Replaces a file whole: an interruption leaves the old one or the new one. */
export async function writeRaw(path: string, raw: Raw): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, `${JSON.stringify(raw, null, 1)}\n`);
  await Deno.rename(`${path}.new`, path);
}

/** Whether a run is there already. */
export function hasRun(raw: Raw, key: Pick<Run, "protocol" | "scenario" | "server" | "round">) {
  return raw.runs.some((run) =>
    run.protocol === key.protocol && run.scenario === key.scenario &&
    run.server === key.server && run.round === key.round
  );
}
