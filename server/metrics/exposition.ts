/** Writes a snapshot in Prometheus' text format, version 0.0.4. */
import { bucketEnd, REQUEST_KINDS } from "../../wasm/board.ts";
import { type Cell, COUNTERS, type Labels, SHARED_COUNTERS } from "./families.ts";
import { DURATION_FAMILY, GAUGES, HEARTBEAT_FAMILY, STALLED_FAMILY } from "./gauges.ts";
import type { Latencies, Snapshot } from "./snapshot.ts";

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Edges that are told, of those that are kept: two a doubling from 8 µs to 8 s, in order. */
const FIRST_EDGE_MICROSECONDS = 8;
const LAST_EDGE_MICROSECONDS = 2 ** 23;

/** Writes all metrics. @param stalledSeconds By the worker's index. */
export function writeExposition(
  snapshot: Snapshot,
  stalledSeconds: ReadonlyMap<number, number>,
): string {
  const lines: string[] = [];
  for (const family of COUNTERS) {
    const samples = family.cells.flatMap((cell) => cellSamples(cell, snapshot));
    write(lines, { ...family, type: "counter" }, samples);
  }
  for (const family of [...SHARED_COUNTERS, ...GAUGES]) {
    write(lines, family, family.samples(snapshot));
  }
  const workers = snapshot.workers.map(({ index, role, heartbeat }) => ({
    labels: { protocol: role, worker: String(index) },
    heartbeat,
    stalled: stalledSeconds.get(index) ?? 0,
  }));
  write(
    lines,
    HEARTBEAT_FAMILY,
    workers.map(({ labels, heartbeat }) => ({ labels, value: heartbeat })),
  );
  write(lines, STALLED_FAMILY, workers.map(({ labels, stalled }) => ({ labels, value: stalled })));
  writeDurations(lines, snapshot);
  return lines.join("\n") + "\n";
}

function cellSamples(cell: Cell, snapshot: Snapshot) {
  if (cell.needsKernelDrops && !snapshot.knowsKernelDrops) return [];
  return cell.protocols
    .filter((protocol) => snapshot.protocols.includes(protocol))
    .map((protocol) => ({
      labels: { protocol, ...cell.labels },
      value: snapshot.countersOf[protocol][cell.counter]!,
    }));
}

function write(
  lines: string[],
  { name, type, help }: { name: string; type: string; help: string },
  samples: readonly { labels: Labels; value: number }[],
): void {
  if (samples.length === 0) return;
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  for (const { labels, value } of samples) lines.push(`${name}${writeLabels(labels)} ${value}`);
}

/** Values are words of the program; none holds a character that would need to be escaped. */
function writeLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function writeDurations(lines: string[], { protocols, latenciesOf }: Snapshot): void {
  const { name, type, help } = DURATION_FAMILY;
  const head = lines.length;
  for (const protocol of protocols) {
    latenciesOf[protocol].forEach((latencies, kindIndex) => {
      const labels = { protocol, type: REQUEST_KINDS[kindIndex]! };
      if (latencies.buckets.some((count) => count > 0)) writeHistogram(lines, labels, latencies);
    });
  }
  if (lines.length > head) {
    lines.splice(head, 0, `# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }
}

function writeHistogram(lines: string[], labels: Labels, { sumSeconds, buckets }: Latencies): void {
  const { name } = DURATION_FAMILY;
  let count = 0;
  buckets.forEach((inBucket, bucket) => {
    count += inBucket;
    const end = bucketEnd(bucket);
    if (end < FIRST_EDGE_MICROSECONDS || end > LAST_EDGE_MICROSECONDS || !isTold(end)) return;
    lines.push(`${name}_bucket${writeLabels({ ...labels, le: String(end / 1e6) })} ${count}`);
  });
  lines.push(`${name}_bucket${writeLabels({ ...labels, le: "+Inf" })} ${count}`);
  lines.push(`${name}_sum${writeLabels(labels)} ${sumSeconds}`);
  lines.push(`${name}_count${writeLabels(labels)} ${count}`);
}

/** Whether an edge is 2^k or 1.5 × 2^k. */
function isTold(microseconds: number): boolean {
  const odd = microseconds / (microseconds & -microseconds);
  return odd === 1 || odd === 3;
}
