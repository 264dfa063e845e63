/** The metrics: names and labels, what they are made of, who may look, and docs/METRICS.md. */
import { strict as assert } from "node:assert";
import {
  CONTROL_PAGES_USED,
  COUNT_ANNOUNCE,
  COUNT_DROP_KERNEL,
  COUNT_HTTP_REFUSED,
  COUNTER_COUNT,
  PAGE_SIZE,
  REFUSAL_NOT_FOUND,
  WORKER_BATCH,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import * as layout from "../../assembly/layout.ts";
import { COUNTERS } from "../../server/metrics/families.ts";
import { writeExposition } from "../../server/metrics/exposition.ts";
import { healthUrl } from "../../server/metrics/health.ts";
import { COLUMNS, Ring, RINGS } from "../../server/metrics/history.ts";
import { describeNow } from "../../server/metrics/live.ts";
import { buildPage } from "../../server/metrics/page/page.ts";
import { type Observed, takeSnapshot } from "../../server/metrics/snapshot.ts";
import { mayLook } from "../../server/metrics/token.ts";
import { listMetrics, writeMetricsPage } from "../../tools/metrics_docs.ts";
import {
  createBoard,
  latencyBucket,
  latencyWords,
  PROTOCOL_HTTP,
  PROTOCOL_UDP,
  PROTOCOL_UDP_NATIVE,
  writeProtocol,
} from "../../wasm/board.ts";

const ROOT = new URL("../../", import.meta.url);

/** A tracker with one UDP worker and one HTTP worker, which have done nothing. */
function observe(udpProtocol = PROTOCOL_UDP) {
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  const observed: Observed = { memory, board: createBoard(), version: "1.2.3" };
  writeProtocol(observed.board, { workerIndex: 0, protocol: udpProtocol });
  writeProtocol(observed.board, { workerIndex: 1, protocol: PROTOCOL_HTTP });
  const counters = (workerIndex: number) => {
    const address = WORKERS + workerIndex * WORKER_SIZE + WORKER_COUNTERS;
    return new BigUint64Array(memory.buffer, address, COUNTER_COUNT);
  };
  return { observed, udp: counters(0), http: counters(1) };
}

function expose(observed: Observed): string[] {
  return writeExposition(takeSnapshot(observed), new Map()).split("\n");
}

Deno.test("a counter is told under the protocol of its worker", () => {
  const { observed, udp, http } = observe();
  udp[COUNT_ANNOUNCE] = 7n;
  http[COUNT_ANNOUNCE] = 5n;
  http[COUNT_HTTP_REFUSED + REFUSAL_NOT_FOUND] = 3n;
  const lines = expose(observed);
  for (
    const line of [
      'riptide_responses_total{protocol="udp",type="announce",family="ipv4"} 7',
      'riptide_responses_total{protocol="http",type="announce",family="ipv4"} 5',
      'riptide_refusals_total{protocol="http",type="not_found"} 3',
    ]
  ) assert.ok(lines.includes(line), line);
  assert.ok(!lines.some((line) => line.includes('protocol="ws"')));
});

Deno.test("what the kernel drops is told only where the driver knows it", () => {
  for (const protocol of [PROTOCOL_UDP, PROTOCOL_UDP_NATIVE]) {
    const { observed, udp } = observe(protocol);
    udp[COUNT_DROP_KERNEL] = 9n;
    const isTold = expose(observed)
      .includes('riptide_drops_total{protocol="udp",type="kernel"} 9');
    assert.equal(isTold, protocol === PROTOCOL_UDP_NATIVE);
  }
});

Deno.test("a histogram's buckets add up, and end with all requests", () => {
  const { observed } = observe();
  const words = latencyWords(observed.board, { workerIndex: 0, kindIndex: 1 });
  words[0] = 0.5;
  words[1 + latencyBucket(5)] = 2;
  words[1 + latencyBucket(100)] = 3;
  words[1 + latencyBucket(30_000_000)] = 1;
  const lines = expose(observed).filter((line) => line.startsWith("riptide_request_duration"));
  const counts = lines.map((line) => Number(line.split(" ").at(-1)));
  const buckets = counts.slice(0, -2);
  assert.deepEqual(buckets, buckets.toSorted((one, other) => one - other));
  assert.deepEqual([buckets[0], ...counts.slice(-3)], [2, 6, 0.5, 6]);
  const edges = lines.flatMap((line) => /le="([^+"]+)"/.exec(line)?.[1] ?? []);
  assert.equal(edges[0], "0.000008");
  assert.equal(edges.at(-1), String(2 ** 23 / 1e6));
});

Deno.test("names end in their unit, labels are the few that there are", () => {
  for (const { name, type, help } of listMetrics()) {
    assert.match(name, /^riptide_[a-z_]+$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.match(help, /\.$/, name);
  }
  const { observed } = observe();
  const labels = expose(observed).flatMap((line) =>
    [...line.matchAll(/[{,]([a-z]+)="/g)].map(([, label]) => label!)
  );
  assert.deepEqual(
    [...new Set(labels)].toSorted(),
    ["family", "protocol", "type", "version", "worker"],
  );
});

Deno.test("every counter of the core is told", () => {
  const told = new Set(COUNTERS.flatMap(({ cells }) => cells.map(({ counter }) => counter)));
  const elsewhere = /TORRENTS_|PEERS_(ADDED|REMOVED|EXPIRED)|ERROR_SENT|HTTP_REFUSED/;
  const shared = /CONNECTIONS_|SHARDS_EMPTIED/;
  const missing = Object.entries(layout)
    .filter(([name]) => name.startsWith("COUNT_") && !elsewhere.test(name) && !shared.test(name))
    .filter(([, counter]) => !told.has(counter as number))
    .map(([name]) => name);
  assert.deepEqual(missing, []);
});

Deno.test("a ring gives up its oldest points", () => {
  const { observed, http } = observe();
  const first = { ...takeSnapshot(observed), milliseconds: 0 };
  const ring = new Ring({ points: 3, stepSeconds: 5 }, first);
  for (let step = 1; step <= 5; ++step) {
    http[COUNT_ANNOUNCE]! += BigInt(10 * step);
    const at = (milliseconds: number) => ({ ...takeSnapshot(observed), milliseconds });
    assert.equal(ring.add(at(step * 5_000 - 1_000), 0), undefined);
    assert.equal(ring.add(at(step * 5_000), step)![COLUMNS.indexOf("http")], 2 * step);
  }
  assert.deepEqual(ring.points().map(([time]) => time), [3, 4, 5]);
  assert.ok(RINGS.hour.points * RINGS.hour.stepSeconds === 3_600);
  assert.ok(RINGS.day.points * RINGS.day.stepSeconds === 86_400);
});

Deno.test("the page is told rates of the time between two snapshots", () => {
  const { observed, udp } = observe();
  const words = new Uint32Array(observed.memory.buffer);
  const before = takeSnapshot(observed);
  udp[COUNT_ANNOUNCE] = 50n;
  words[CONTROL_PAGES_USED >> 2] = 3;
  words[(WORKERS + WORKER_BATCH) >> 2] = 1;
  const now = { ...takeSnapshot(observed), milliseconds: before.milliseconds + 2_000 };
  const told = describeNow(before, now, new Map([[0, 4]])) as {
    protocols: { name: string; responses: { type: string; family: string; rate: number }[] }[];
    memory: { used: number };
    workers: { index: number; stalledSeconds: number }[];
  };
  assert.deepEqual(told.protocols.map(({ name }) => name), ["udp", "http"]);
  const announces = told.protocols[0]!.responses
    .find(({ type, family }) => type === "announce" && family === "ipv4");
  assert.equal(Math.round(announces!.rate), 25);
  assert.equal(told.memory.used, 3 * PAGE_SIZE);
  assert.deepEqual(told.workers.map(({ stalledSeconds }) => stalledSeconds), [4, 0, 0]);
});

Deno.test("mayLook() takes the token as a bearer's or as a password", async () => {
  const basic = (text: string) => `Basic ${btoa(text)}`;
  for (const given of ["Bearer s3cret", "bearer s3cret", basic("any:s3cret"), basic(":s3cret")]) {
    assert.ok(await mayLook(given, "s3cret"), given);
  }
  const refused = [null, "", "s3cret", "Bearer", "Bearer s3cre", basic("s3cret:"), "Basic !"];
  for (const given of refused) assert.ok(!await mayLook(given, "s3cret"), String(given));
  assert.ok(await mayLook(null, ""));
});

Deno.test("healthUrl() reaches a wildcard on the loopback", () => {
  assert.equal(healthUrl("0.0.0.0:9100"), "http://127.0.0.1:9100/health");
  assert.equal(healthUrl("[::]:9100"), "http://[::1]:9100/health");
  assert.equal(healthUrl("192.0.2.1:9100"), "http://192.0.2.1:9100/health");
  assert.throws(() => healthUrl(""), /no \[metrics\] address/);
});

Deno.test("the page holds all that it needs, and names nothing outside", async () => {
  const { html, policy } = await buildPage();
  assert.ok(html.includes("function showTiles"));
  assert.ok(!/\bimport\b|\bexport\b/.test(/<script>([\s\S]*)<\/script>/.exec(html)![1]!));
  assert.doesNotMatch(html, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
  assert.doesNotMatch(policy, /unsafe|\*/);
});

Deno.test("docs/METRICS.md is what tools/metrics_docs.ts writes", async () => {
  const words = (text: string) => text.replaceAll(/[\s|-]+/g, " ");
  const page = await Deno.readTextFile(new URL("docs/METRICS.md", ROOT));
  assert.equal(words(page), words(writeMetricsPage()));
});

Deno.test("dashboard and alerts name only metrics that exist", async () => {
  const names = new Set(
    listMetrics().flatMap(({ name, type }) =>
      type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
    ),
  );
  for (const path of ["deploy/grafana/riptide.json", "deploy/prometheus/riptide.rules.yml"]) {
    const text = await Deno.readTextFile(new URL(path, ROOT));
    const named = [...text.matchAll(/\briptide_[a-z_]+/g)].map(([name]) => name);
    assert.ok(named.length > 10, path);
    assert.deepEqual(named.filter((name) => !names.has(name)), [], path);
  }
});
