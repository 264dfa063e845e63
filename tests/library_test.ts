/** Riptide as a library: what a program that imports it may rely on. */
import { strict as assert } from "node:assert";
import { announce, scrape, TrackerError } from "@riptide/tracker/client";
import { StartError, startTracker } from "@riptide/tracker";
import { HAS_IPV6 } from "./support/configuration.ts";

const HASH = "ab".repeat(20);
const OTHER = "cd".repeat(20);
const NETWORK = { address: HAS_IPV6 ? ["127.0.0.1:0", "[::1]:0"] : ["127.0.0.1:0"] };
const MEMORY = { limit_mib: 32 };

Deno.test("startTracker() serves both protocols on one map, and the client asks them", async () => {
  await using tracker = await startTracker({
    udp: { network: NETWORK },
    http: { network: NETWORK },
    memory: MEMORY,
  });
  assert.deepEqual(Object.keys(tracker.addresses), ["udp", "http"]);
  assert.equal(tracker.urls.length, 2 * NETWORK.address.length);
  const families = NETWORK.address.length;
  for (const [index, url] of tracker.urls.entries()) {
    const seeder = { infoHash: HASH, port: 7000 + index, left: 0, event: "started" } as const;
    const answer = await announce(url, seeder);
    assert.ok(answer.interval >= 810, url);
    assert.ok(answer.seeders >= 1, url);
    const infoHash = Uint8Array.fromHex(HASH);
    const { peers } = await announce(url, { infoHash, port: 9, left: 1n, numWant: 100 });
    assert.ok(peers.some(({ port }) => port === 7000 + index % families), url);
    const counts = await scrape(url, [OTHER, HASH]);
    assert.equal(counts.get(HASH)!.leechers, Math.min(index + 1, families), url);
    assert.equal(counts.get(OTHER)?.seeders ?? 0, 0);
  }
});

Deno.test("startTracker() serves WebTorrent, and the client asks it", async () => {
  await using tracker = await startTracker({ ws: { network: NETWORK }, memory: MEMORY });
  assert.deepEqual(Object.keys(tracker.addresses), ["ws"]);
  for (const url of tracker.urls) {
    assert.match(url, /^ws:/);
    const answer = await announce(url, { infoHash: HASH, port: 1, left: 0, event: "started" });
    assert.deepEqual([answer.seeders, answer.leechers, answer.peers], [1, 0, []]);
    assert.equal(answer.interval, 120);
    const counts = await scrape(url, [OTHER]);
    assert.deepEqual(counts.get(OTHER), { seeders: 0, completed: 0, leechers: 0 });
  }
});

Deno.test("announce() and scrape() tell what the tracker says against it", async () => {
  const list = await Deno.makeTempFile();
  await Deno.writeTextFile(list, `${HASH}\n`);
  try {
    await using tracker = await startTracker({
      udp: { network: { address: "127.0.0.1:0" } },
      http: { network: { address: "127.0.0.1:0" } },
      ws: { network: { address: "127.0.0.1:0" } },
      access_list: { mode: "black", path: list },
      memory: MEMORY,
    });
    for (const url of tracker.urls) {
      await assert.rejects(announce(url, { infoHash: HASH, port: 1, left: 0 }), {
        name: "TrackerError",
        message: /torrent not allowed/,
      });
    }
  } finally {
    await Deno.remove(list);
  }
});

Deno.test("announce() gives up on a tracker that does not answer", async () => {
  const silent = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const deaf = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const options = { infoHash: HASH, port: 1, left: 0, timeoutMs: 300 };
    for (
      const url of [
        `udp://127.0.0.1:${(silent.addr as Deno.NetAddr).port}`,
        `http://127.0.0.1:${deaf.addr.port}/announce`,
        `ws://127.0.0.1:${deaf.addr.port}/`,
      ]
    ) {
      await assert.rejects(announce(url, options), TrackerError);
    }
  } finally {
    silent.close();
    deaf.close();
  }
  await assert.rejects(
    announce("ftp://127.0.0.1", { infoHash: HASH, port: 1, left: 0 }),
    TypeError,
  );
  await assert.rejects(announce("udp://x:1", { infoHash: "ab", port: 1, left: 0 }), RangeError);
});

Deno.test("startTracker() refuses a wrong configuration and a taken address", async () => {
  await assert.rejects(startTracker({}), StartError);
  await assert.rejects(startTracker({ udp: { network: { adress: "127.0.0.1:0" } } }), {
    name: "ConfigError",
    message: /"udp.network.adress".*did you mean "udp.network.address"/,
  });
  await using tracker = await startTracker({
    udp: { network: { address: "127.0.0.1:0" } },
    memory: MEMORY,
  });
  const address = tracker.addresses.udp![0]!;
  await assert.rejects(
    startTracker({ udp: { network: { address } }, memory: MEMORY }),
    /another process holds it/,
  );
  await tracker.stop();
  await using _next = await startTracker({ udp: { network: { address } }, memory: MEMORY });
});
