/** Counters: summed over all workers, and what follows from them. */
import { strict as assert } from "node:assert";
import {
  COUNT_ANNOUNCE,
  COUNT_ANNOUNCE_IPV6,
  COUNT_BYTES_SENT,
  COUNT_CONNECT,
  COUNTER_COUNT,
  PAGE_SIZE,
  WORKER_COUNT_MAX,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKERS,
} from "../../assembly/layout.ts";
import { readCounters, readGauges } from "../../server/counters.ts";
import { compileCore, Harness } from "../core/harness.ts";

const MODULE = await compileCore("release");

Deno.test("counters are summed over every worker there ever was, and only those", () => {
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  new Uint8Array(memory.buffer).fill(0xff);
  const expected = new Float64Array(COUNTER_COUNT);
  for (let worker = 0; worker < WORKER_COUNT_MAX; ++worker) {
    const address = WORKERS + worker * WORKER_SIZE + WORKER_COUNTERS;
    const counters = new BigUint64Array(memory.buffer, address, COUNTER_COUNT);
    for (let counter = 0; counter < COUNTER_COUNT; ++counter) {
      counters[counter] = BigInt(1_000 * worker + counter);
      expected[counter]! += 1_000 * worker + counter;
    }
  }
  assert.deepEqual(readCounters(memory), expected);
});

Deno.test("a counter above 2^32 is read whole", () => {
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  const address = WORKERS + 5 * WORKER_SIZE + WORKER_COUNTERS;
  new BigUint64Array(memory.buffer, address)[COUNT_BYTES_SENT] = 5_000_000_000_123n;
  assert.equal(readCounters(memory)[COUNT_BYTES_SENT], 5_000_000_000_123);
});

Deno.test("what the core counts is what was asked of it, over two workers", () => {
  const first = new Harness(MODULE);
  const second = new Harness(first.shared, { workerIndex: 9 });
  first.become(Uint8Array.of(192, 0, 2, 1));
  second.become(Uint8Array.from({ length: 16 }, () => 0x20));
  for (let torrent = 0; torrent < 10; ++torrent) {
    for (let port = 1; port <= 3; ++port) {
      first.announce({ torrent, port });
      second.announce({ torrent, port, left: 0 });
    }
  }
  second.stopped(0, 1);
  const counters = readCounters(first.shared.memory);
  assert.equal(counters[COUNT_CONNECT], 1);
  assert.equal(counters[COUNT_ANNOUNCE], 30);
  assert.equal(counters[COUNT_ANNOUNCE_IPV6], 31);
  const gauges = readGauges(first.shared.memory, counters);
  assert.deepEqual([gauges.torrents, gauges.peersIpv4, gauges.peersIpv6], [10, 30, 29]);
  assert.equal(gauges.memoryUsed, first.pagesUsed * PAGE_SIZE);
  assert.ok(gauges.memoryLimit > 15 * 2 ** 20 && gauges.memoryLimit < 16 * 2 ** 20);
});
