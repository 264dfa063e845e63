/** What a load test has measured, as one object and as text. */

import * as counter from "./counters.ts";
import { LATENCY_BUCKET_COUNT, percentile } from "./latency.ts";
import type { ProcessUsage } from "./process_usage.ts";
import type { Protocol } from "./worker.ts";

/** What answers of each protocol are counted as. */
const KINDS_OF: Record<Protocol, readonly counter.Kind[]> = {
  udp: ["connect", "announce", "scrape", "error"],
  http: ["announce", "scrape", "error"],
  ws: ["announce", "scrape", "error", "offer", "answer"],
};

type ByKind = Partial<Record<counter.Kind, number>>;

export interface LatencyReport {
  p50: number;
  p90: number;
  p99: number;
  p99_9: number;
  max: number;
}

export interface LoadReport<Config = unknown> {
  protocol: Protocol;
  responses_per_second: number;
  /** Per second that the server computed; null without its process id. */
  responses_per_cpu_second: number | null;
  duration_seconds: number;
  responses: ByKind;
  /** Per second of each kind. */
  rates: ByKind;
  peers_per_announce: number;
  bytes_sent_per_second: number;
  bytes_received_per_second: number;
  requests: number;
  timeouts: number;
  late: number;
  send_failures: number;
  /** Opened, not opened, and closed by the tracker unasked; TCP only. */
  connections: { opened: number; failed: number; closed: number };
  /** Answers that no tracker may give. Any of them fails the run. */
  invalid: {
    malformed: number;
    unknown_transaction: number;
    wrong_kind: number;
    impossible: number;
  };
  /** False when an answer was invalid, or none came. */
  valid: boolean;
  latency_microseconds: LatencyReport;
  /** From an offer to the answer that another peer gives; null where there are none. */
  round_trip_microseconds: LatencyReport | null;
  /** From an offer to its receipt, both peers being of one worker; null where there are none. */
  relay_microseconds: LatencyReport | null;
  /** Share of its time in which the load test had nothing to do: near 0, it is the limit. */
  tester_idle_share: number;
  server: { cpu_seconds: number; resident_bytes: number; resident_peak_bytes: number } | null;
  config: Config;
}

/** Counters at one moment. */
export interface Reading {
  atMs: number;
  counters: Float64Array;
  server: ProcessUsage | null;
  /** What the load test itself has computed, all threads. */
  testerCpuSeconds: number;
}

/** Reports what happened between two readings. */
export function createReport<Config>(
  { protocol, config, workerCount, from, to }: {
    protocol: Protocol;
    config: Config;
    workerCount: number;
    from: Reading;
    to: Reading;
  },
): LoadReport<Config> {
  const seconds = (to.atMs - from.atMs) / 1000;
  const counts = to.counters.map((count, index) => count - from.counters[index]!);
  const total = counter.responseCount(counts);
  const byKind = (divisor: number): ByKind =>
    Object.fromEntries(KINDS_OF[protocol].map((kind) => {
      const count = counts[counter.RESPONSES + counter.KINDS.indexOf(kind)]!;
      return [kind, Math.round(count / divisor)];
    }));
  const invalid = {
    malformed: counts[counter.MALFORMED]!,
    unknown_transaction: counts[counter.UNKNOWN_TRANSACTION]!,
    wrong_kind: counts[counter.WRONG_KIND]!,
    impossible: counts[counter.IMPOSSIBLE]!,
  };
  const server = from.server === null || to.server === null ? null : {
    cpu_seconds: round(to.server.cpuSeconds - from.server.cpuSeconds, 2),
    resident_bytes: to.server.residentBytes,
    resident_peak_bytes: to.server.residentPeakBytes,
  };
  const announces = counts[counter.RESPONSES + counter.ANNOUNCE]!;
  const computed = (to.testerCpuSeconds - from.testerCpuSeconds) / (seconds * workerCount);
  return {
    protocol,
    responses_per_second: Math.round(total / seconds),
    responses_per_cpu_second: server === null || server.cpu_seconds === 0
      ? null
      : Math.round(total / server.cpu_seconds),
    duration_seconds: round(seconds, 3),
    responses: byKind(1),
    rates: byKind(seconds),
    peers_per_announce: round(counts[counter.PEERS]! / Math.max(1, announces), 2),
    bytes_sent_per_second: Math.round(counts[counter.BYTES_SENT]! / seconds),
    bytes_received_per_second: Math.round(counts[counter.BYTES_RECEIVED]! / seconds),
    requests: counts[counter.REQUESTS]!,
    timeouts: counts[counter.TIMEOUTS]!,
    late: counts[counter.LATE]!,
    send_failures: counts[counter.SEND_FAILURES]!,
    connections: {
      opened: counts[counter.CONNECTIONS]!,
      failed: counts[counter.CONNECT_FAILURES]!,
      closed: counts[counter.CLOSED]!,
    },
    invalid,
    valid: total > 0 && Object.values(invalid).every((count) => count === 0),
    latency_microseconds: percentiles(counts, counter.LATENCIES),
    round_trip_microseconds: protocol === "ws" ? percentiles(counts, counter.ROUND_TRIPS) : null,
    relay_microseconds: protocol === "ws" ? percentiles(counts, counter.RELAYS) : null,
    tester_idle_share: protocol === "udp" ? idleTurns(counts) : round(Math.max(0, 1 - computed), 3),
    server,
    config,
  };
}

/** UDP's loop computes all the time: what counts is how often it finds nothing. */
function idleTurns(counts: Float64Array): number {
  return round(counts[counter.IDLE_TURNS]! / Math.max(1, counts[counter.TURNS]!), 3);
}

function percentiles(counts: Float64Array, first: number): LatencyReport {
  const latencies = counts.subarray(first, first + LATENCY_BUCKET_COUNT);
  return {
    p50: percentile(latencies, 0.5),
    p90: percentile(latencies, 0.9),
    p99: percentile(latencies, 0.99),
    p99_9: percentile(latencies, 0.999),
    max: percentile(latencies, 1),
  };
}

/** Writes a report for people. */
export function formatReport(report: LoadReport): string {
  const { rates, invalid, server, connections, round_trip_microseconds: roundTrip } = report;
  const { relay_microseconds: relay } = report;
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const lines = [
    `Responses per second: ${report.responses_per_second} (over ${report.duration_seconds} s)`,
    `  ${Object.entries(rates).map(([kind, rate]) => `${kind} ${rate}`).join(", ")}`,
    `Bytes per second: sent ${report.bytes_sent_per_second}, received ` +
    `${report.bytes_received_per_second}`,
    `Peers per announce: ${report.peers_per_announce}`,
    `Latency in µs: ${formatLatency(report.latency_microseconds)}`,
    ...(relay === null ? [] : [`From offer to receipt in µs: ${formatLatency(relay)}`]),
    ...(roundTrip === null ? [] : [`From offer to answer in µs: ${formatLatency(roundTrip)}`]),
    `Unanswered: ${report.timeouts}, of which answered late: ${report.late}; ` +
    `not sent: ${report.send_failures}`,
    ...(report.protocol === "udp" ? [] : [
      `Connections: opened ${connections.opened}, failed ${connections.failed}, ` +
      `closed by the tracker ${connections.closed}`,
    ]),
    `Invalid answers: malformed ${invalid.malformed}, unknown transaction ` +
    `${invalid.unknown_transaction}, wrong kind ${invalid.wrong_kind}, ` +
    `impossible ${invalid.impossible}`,
    `Load test idle: ${Math.round(report.tester_idle_share * 100)} %`,
  ];
  if (server !== null) {
    lines.push(
      `Server: ${server.cpu_seconds} CPU-seconds, ${report.responses_per_cpu_second} responses ` +
        `per CPU-second, ${mebibytes(server.resident_bytes)} resident ` +
        `(${mebibytes(server.resident_peak_bytes)} at most)`,
    );
  }
  return lines.join("\n");
}

function formatLatency(latency: LatencyReport): string {
  return `p50 ${latency.p50}, p90 ${latency.p90}, p99 ${latency.p99}, ` +
    `p99.9 ${latency.p99_9}, max ${latency.max}`;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
