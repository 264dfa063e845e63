/** What a UDP load test has measured, as one object and as text. */

import { percentile } from "./latency.ts";
import type { ProcessUsage } from "./process_usage.ts";
import type { UdpLoadConfig } from "./udp_config.ts";
import * as counter from "./udp_counters.ts";

export interface UdpLoadReport {
  responses_per_second: number;
  /** Per second that the server computed; null without its process id. */
  responses_per_cpu_second: number | null;
  duration_seconds: number;
  responses: { connect: number; announce: number; scrape: number; error: number };
  /** Per second of each kind. */
  rates: { connect: number; announce: number; scrape: number; error: number };
  peers_per_announce: number;
  bytes_sent_per_second: number;
  bytes_received_per_second: number;
  requests: number;
  timeouts: number;
  late: number;
  send_failures: number;
  /** Answers that no tracker may give. Any of them fails the run. */
  invalid: {
    malformed: number;
    unknown_transaction: number;
    wrong_kind: number;
    impossible: number;
  };
  /** False when an answer was invalid, or none came. */
  valid: boolean;
  latency_microseconds: { p50: number; p90: number; p99: number; p99_9: number; max: number };
  /**
   * Share of turns of the load test's own loop that found nothing to do: near 0, it is the limit.
   */
  tester_idle_share: number;
  server: { cpu_seconds: number; resident_bytes: number; resident_peak_bytes: number } | null;
  config: UdpLoadConfig;
}

/** A moment of the run. */
export interface Reading {
  atMs: number;
  counters: Float64Array;
  server: ProcessUsage | null;
}

/** Makes the report of what happened between two moments. */
export function createReport(config: UdpLoadConfig, from: Reading, to: Reading): UdpLoadReport {
  const counts = to.counters.map((count, index) => count - from.counters[index]!);
  const seconds = (to.atMs - from.atMs) / 1000;
  const responses = {
    connect: counts[counter.RESPONSES]!,
    announce: counts[counter.RESPONSES + 1]!,
    scrape: counts[counter.RESPONSES + 2]!,
    error: counts[counter.RESPONSES + 3]!,
  };
  const total = responses.connect + responses.announce + responses.scrape + responses.error;
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
  const latencies = counts.subarray(counter.LATENCIES);
  return {
    responses_per_second: Math.round(total / seconds),
    responses_per_cpu_second: server === null || server.cpu_seconds === 0
      ? null
      : Math.round(total / server.cpu_seconds),
    duration_seconds: round(seconds, 3),
    responses,
    rates: {
      connect: Math.round(responses.connect / seconds),
      announce: Math.round(responses.announce / seconds),
      scrape: Math.round(responses.scrape / seconds),
      error: Math.round(responses.error / seconds),
    },
    peers_per_announce: round(counts[counter.PEERS]! / Math.max(1, responses.announce), 2),
    bytes_sent_per_second: Math.round(counts[counter.BYTES_SENT]! / seconds),
    bytes_received_per_second: Math.round(counts[counter.BYTES_RECEIVED]! / seconds),
    requests: counts[counter.REQUESTS]!,
    timeouts: counts[counter.TIMEOUTS]!,
    late: counts[counter.LATE]!,
    send_failures: counts[counter.SEND_FAILURES]!,
    invalid,
    valid: total > 0 && Object.values(invalid).every((count) => count === 0),
    latency_microseconds: {
      p50: percentile(latencies, 0.5),
      p90: percentile(latencies, 0.9),
      p99: percentile(latencies, 0.99),
      p99_9: percentile(latencies, 0.999),
      max: percentile(latencies, 1),
    },
    tester_idle_share: round(counts[counter.IDLE_TURNS]! / Math.max(1, counts[counter.TURNS]!), 3),
    server,
    config,
  };
}

/** Writes a report for people. */
export function formatReport(report: UdpLoadReport): string {
  const { rates, latency_microseconds: latency, invalid, server } = report;
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const lines = [
    `Responses per second: ${report.responses_per_second} (over ${report.duration_seconds} s)`,
    `  connect ${rates.connect}, announce ${rates.announce}, scrape ${rates.scrape}, ` +
    `error ${rates.error}`,
    `Peers per announce: ${report.peers_per_announce}`,
    `Latency in µs: p50 ${latency.p50}, p90 ${latency.p90}, p99 ${latency.p99}, ` +
    `p99.9 ${latency.p99_9}, max ${latency.max}`,
    `Unanswered: ${report.timeouts}, of which answered late: ${report.late}; ` +
    `not sent: ${report.send_failures}`,
    `Invalid answers: malformed ${invalid.malformed}, unknown transaction ` +
    `${invalid.unknown_transaction}, wrong kind ${invalid.wrong_kind}, ` +
    `impossible ${invalid.impossible}`,
    `Idle turns of the load test: ${Math.round(report.tester_idle_share * 100)} %`,
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

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
