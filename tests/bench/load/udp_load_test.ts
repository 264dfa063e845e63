import { strict as assert } from "node:assert";
import {
  bucketCeiling,
  LATENCY_BUCKET_COUNT,
  latencyBucket,
  percentile,
} from "../../../bench/load/latency.ts";
import { popularityWeights, WeightedIndex } from "../../../bench/load/popularity.ts";
import { readProcessUsage } from "../../../bench/load/process_usage.ts";
import { createRandom } from "../../../bench/load/random.ts";
import { runUdpLoad } from "../../../bench/load/udp.ts";
import {
  defaultUdpLoadConfig,
  parseUdpLoadConfig,
  printUdpLoadConfig,
  type UdpLoadConfig,
  udpPopulation,
} from "../../../bench/load/udp_config.ts";
import { createPopulation } from "../../../bench/load/population.ts";
import * as client from "../../../protocols/udp/client.ts";

const ignore = Deno.build.os !== "linux";

Deno.test("parseUdpLoadConfig() reads what printUdpLoadConfig() writes, unchanged", () => {
  assert.deepEqual(parseUdpLoadConfig(printUdpLoadConfig()), defaultUdpLoadConfig());
  assert.match(printUdpLoadConfig(), /^server_address = "127\.0\.0\.1:3000"$/m);
  assert.match(printUdpLoadConfig(), /^duration = 10$/m);
});

Deno.test("parseUdpLoadConfig() says which setting is wrong", () => {
  const cases: [string, RegExp][] = [
    ["durration = 1", /no setting "durration"/],
    ["[requests]\nseed = 1", /no setting "requests.seed"/],
    ['duration = "1"', /"duration" is not a number: "1"/],
    ["network = 1", /"network" is not a table/],
    ["duration = 0", /duration is not from 0/],
    ["workers = 1.5", /workers is not/],
    ['server_address = "localhost:3000"', /"localhost:3000" is not an IP address/],
    ["server_address = []", /server_address is empty/],
    ["[requests]\nweight_connect = 0\nweight_announce = 0\nweight_scrape = 0", /weights/],
    ["duration = ", /Not TOML/],
  ];
  for (const [text, message] of cases) assert.throws(() => parseUdpLoadConfig(text), { message });
});

Deno.test("createRandom() repeats itself for a seed, and only for that", () => {
  const draw = (seed: number) => Array.from({ length: 8 }, createRandom(seed));
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

Deno.test("WeightedIndex draws each index as often as its weight says", () => {
  const weights = Float64Array.of(8, 0, 1, 4, 3);
  const index = new WeightedIndex(weights);
  const random = createRandom(1);
  const counts = [0, 0, 0, 0, 0];
  const drawCount = 160_000;
  for (let draw = 0; draw < drawCount; ++draw) counts[index.draw(random)]! += 1;
  counts.forEach((count, item) => {
    const expected = drawCount * weights[item]! / 16;
    assert.ok(Math.abs(count - expected) <= 0.05 * expected, `${item}: ${count} of ${expected}`);
  });
});

Deno.test("popularityWeights() gives positive weights, the most popular torrent first", () => {
  for (const popularity of ["exponential", "zipf", "gamma", "uniform"] as const) {
    const options = { popularity, torrentCount: 1000, peerCount: 2000, parameter: 0.9 };
    const weights = popularityWeights(options);
    assert.ok(weights.every((weight) => weight > 0 && weight <= weights[0]!), popularity);
  }
});

Deno.test("latencyBucket() is exact to 1/32 and never goes back", () => {
  let last = 0;
  for (let microseconds = 0; microseconds < 70e6; microseconds += 1 + (microseconds >>> 6)) {
    const bucket = latencyBucket(microseconds);
    assert.ok(bucket >= last && bucket < LATENCY_BUCKET_COUNT);
    if (bucket < LATENCY_BUCKET_COUNT - 1) {
      const ceiling = bucketCeiling(bucket);
      assert.ok(ceiling >= microseconds && ceiling <= microseconds * (1 + 1 / 32));
    }
    last = bucket;
  }
});

Deno.test("percentile() finds the latency that a share does not exceed", () => {
  const counts = new Float64Array(LATENCY_BUCKET_COUNT);
  for (let microseconds = 1; microseconds <= 50; ++microseconds) {
    counts[latencyBucket(microseconds)]! += 1;
  }
  assert.deepEqual([0.5, 0.9, 0.99, 1].map((share) => percentile(counts, share)), [25, 45, 50, 50]);
  assert.equal(percentile(new Float64Array(LATENCY_BUCKET_COUNT), 0.5), 0);
});

Deno.test("createPopulation() makes the same peers for a seed, and no port 0", () => {
  const config = smallConfig("127.0.0.1:1");
  const workload = createPopulation(udpPopulation(config));
  assert.deepEqual(createPopulation(udpPopulation(config)), workload);
  assert.ok(workload.peerPorts.every((port) => port > 0));
  const seeds = workload.peerSeeds.reduce((sum, seed) => sum + seed, 0);
  assert.ok(seeds > 600 && seeds < 900, `${seeds} of 1000 are seeders`);
});

Deno.test({ name: "readProcessUsage() reads what this process has used", ignore }, async () => {
  const usage = await readProcessUsage(Deno.pid);
  assert.ok(usage.cpuSeconds > 0 && usage.cpuSeconds < 1e6);
  assert.ok(usage.residentBytes > 2 ** 20 && usage.residentPeakBytes >= usage.residentBytes);
});

Deno.test(
  { name: "runUdpLoad() counts what a tracker answers, both families", ignore },
  async () => {
    await using ipv4 = startTracker("127.0.0.1");
    await using ipv6 = startTracker("::1");
    const config = smallConfig(ipv4.address, ipv6.address);
    config.requests.weight_scrape = 10;
    const report = await runUdpLoad(config, { serverPid: Deno.pid });
    assert.deepEqual(Object.values(report.invalid), [0, 0, 0, 0]);
    assert.ok(report.valid && report.responses_per_second > 100);
    const { connect = 0, announce = 0, scrape = 0, error } = report.responses;
    assert.ok(connect > 0 && announce > 0 && scrape > 0);
    assert.equal(error, 0);
    assert.equal(report.peers_per_announce, 1);
    assert.ok(report.latency_microseconds.p50 > 0);
    assert.ok(report.server!.cpu_seconds >= 0);
    assert.equal(report.timeouts, 0);
  },
);

const RUBBISH: {
  name: string;
  counted: keyof Counted;
  spoil: (answer: Uint8Array) => Uint8Array;
}[] = [
  {
    name: "a wrong transaction id",
    counted: "unknown_transaction",
    spoil: (answer) => answer.with(7, answer[7]! ^ 0x80),
  },
  { name: "half a peer", counted: "malformed", spoil: (answer) => answer.slice(0, 23) },
  {
    name: "more peers than it counts",
    counted: "impossible",
    spoil: (answer) => answer.with(15, 0),
  },
  {
    name: "a scrape",
    counted: "wrong_kind",
    spoil: (answer) => answer.slice(0, 20).with(3, 2),
  },
];
type Counted = Awaited<ReturnType<typeof runUdpLoad>>["invalid"];

for (const { name, counted, spoil } of RUBBISH) {
  Deno.test(
    { name: `runUdpLoad() fails a tracker whose announce is ${name}`, ignore },
    async () => {
      await using tracker = startTracker("127.0.0.1", spoil);
      const report = await runUdpLoad(smallConfig(tracker.address));
      assert.equal(report.valid, false);
      for (const [kind, count] of Object.entries(report.invalid)) {
        assert.equal(count > 0, kind === counted, `${kind}: ${count}`);
      }
    },
  );
}

Deno.test({ name: "runUdpLoad() counts requests that are not answered", ignore }, async () => {
  await using tracker = startTracker("127.0.0.1", () => new Uint8Array());
  const config = smallConfig(tracker.address);
  config.network.timeout = 0.1;
  const report = await runUdpLoad(config);
  assert.ok(report.timeouts > 0 && report.responses.announce === 0);
});

Deno.test({ name: "runUdpLoad() ends with the last of its requests", ignore }, async () => {
  await using tracker = startTracker("127.0.0.1");
  const config = { ...smallConfig(tracker.address), duration: 30, max_requests: 500 };
  const report = await runUdpLoad(config);
  assert.equal(report.requests, 500);
  assert.ok(report.valid && report.duration_seconds < 10);
});

Deno.test({ name: "runUdpLoad() says that nobody listens", ignore }, async () => {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  await assert.rejects(runUdpLoad(smallConfig(`127.0.0.1:${port}`)), {
    message: "Cannot connect: nobody listens there (ECONNREFUSED)",
  });
});

Deno.test("runUdpLoad() leaves other machines alone", async () => {
  await assert.rejects(runUdpLoad(smallConfig("192.0.2.1:3000")), /say --allow-remote/);
});

Deno.test({ name: "runUdpLoad() stops when it is told, and reports", ignore }, async () => {
  await using tracker = startTracker("127.0.0.1");
  const config = { ...smallConfig(tracker.address), duration: 600 };
  const stop = new AbortController();
  const rates: number[] = [];
  const report = await runUdpLoad(config, {
    signal: stop.signal,
    onProgress: (rate) => {
      rates.push(rate);
      stop.abort();
    },
  });
  assert.ok(report.valid && report.duration_seconds < 300);
  assert.ok(rates.length === 1 && rates[0]! > 0);
});

function smallConfig(...addresses: string[]): UdpLoadConfig {
  const config = defaultUdpLoadConfig();
  config.server_address = addresses;
  config.duration = 0.3;
  config.network.requests_in_flight = 32;
  config.network.sockets_per_worker = 2;
  config.requests.number_of_torrents = 100;
  config.requests.number_of_peers = 1000;
  return config;
}

/** A tracker that keeps nothing; `spoil` may change an announce's answer, empty sends none. */
function startTracker(hostname: string, spoil = (answer: Uint8Array) => answer) {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  const serving = serve();
  return {
    address: hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`,
    async [Symbol.asyncDispose]() {
      socket.close();
      await serving;
    },
  };

  async function serve(): Promise<void> {
    for await (const [request, from] of socket) {
      const answer = answerTo(request, hostname.includes(":") ? 18 : 6, spoil);
      if (answer.byteLength > 0) await socket.send(answer, from);
    }
  }
}

function answerTo(
  request: Uint8Array,
  peerByteLength: number,
  spoil: (answer: Uint8Array) => Uint8Array,
): Uint8Array {
  const action = request[client.REQUEST_ACTION + 3]!;
  const torrentCount = (request.byteLength - client.SCRAPE_INFO_HASHES) /
    client.INFO_HASH_BYTE_LENGTH;
  const byteLengths = [16, 20 + peerByteLength, 8 + 12 * torrentCount];
  const answer = new Uint8Array(byteLengths[action]!);
  answer[3] = action;
  answer.set(request.subarray(client.REQUEST_TRANSACTION_ID, client.REQUEST_TRANSACTION_ID + 4), 4);
  if (action === client.ACTION_CONNECT) answer[15] = 1;
  if (action !== client.ACTION_ANNOUNCE) return answer;
  answer[11] = 60; // interval
  answer[15] = 1; // leechers
  return spoil(answer);
}
