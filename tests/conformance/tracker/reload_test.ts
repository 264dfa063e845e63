/** A reload takes over everything that may change, or nothing, and says what changed. */
import { strict as assert } from "node:assert";
import { announceHttp } from "../../support/http_announce.ts";
import { randomBytes } from "../../support/packets.ts";
import { type Configuration, merge, toToml } from "../../support/configuration.ts";
import { type Server, startServer } from "../../support/server.ts";
import { UdpClient } from "../../support/udp_client.ts";

const BASE: Configuration = {
  log_level: "info",
  log_format: "json",
  memory: { limit_mib: 64 },
  statistics: { interval: 0 },
  udp: { network: { address: "127.0.0.1:0" } },
  http: {
    network: { address: "127.0.0.1:0" },
    protocol: { peer_announce_interval: 600, min_announce_interval: 300, max_peers: 50 },
  },
};

/** Writes another file and reloads; returns the log since. */
async function reload(server: Server, over: Configuration): Promise<string[]> {
  await Deno.writeTextFile(`${server.directory}/riptide.toml`, toToml(merge(BASE, over)));
  const since = server.records.length;
  server.signal("SIGHUP");
  await server.waitForRecord(
    ({ message }) => message.startsWith("Reloaded") || message.startsWith("Cannot reload"),
    { since, what: "the reload's outcome" },
  );
  return server.records.slice(since).map(({ message }) => message);
}

Deno.test("a reload changes intervals and limits, and says what changed", async () => {
  await using server = await startServer({ driver: "tracker", configuration: BASE });
  const http = server.addressOf("http");
  await using udp = new UdpClient("127.0.0.1", server.addressOf("udp"));
  await udp.connect();
  const log = await reload(server, {
    udp: { protocol: { peer_announce_interval: 1_200 } },
    http: {
      protocol: { peer_announce_interval: 1_100, max_peers: 2 },
      network: { keep_alive_timeout: 9 },
    },
    memory: { limit_mib: 128 },
  });
  assert.deepEqual(log, [
    "udp.protocol.peer_announce_interval is now 1200, no longer 900",
    "http.network.keep_alive_timeout is now 9, no longer 60",
    "http.protocol.max_peers is now 2, no longer 50",
    "http.protocol.default_peers is now 2, no longer 50",
    "http.protocol.peer_announce_interval is now 1100, no longer 600",
    "A new memory.limit_mib takes effect at the next start: 128 instead of 64",
    "Reloaded after SIGHUP",
  ]);
  const infoHash = randomBytes(20);
  for (let port = 1; port <= 9; ++port) await announceHttp(http, { infoHash, port });
  const answer = await announceHttp(http, { infoHash, port: 10 });
  assert.equal(answer.peers.length, 2);
  assert(answer.interval >= 990, `interval ${answer.interval}`); // it varies by 10 %
  assert((await udp.announce({ infoHash })).interval >= 1_080);
});

Deno.test("a limit that memory was reserved for does not rise before the next start", async () => {
  await using server = await startServer({ driver: "tracker", configuration: BASE });
  const log = await reload(server, { http: { protocol: { max_peers: 500 } } });
  assert(log.includes(
    "A new http.protocol.max_peers takes effect at the next start: 500 instead of 50",
  ));
  const [again] = await reload(server, { http: { protocol: { max_peers: 500 } } });
  assert.match(again!, /^A new http\.protocol\.max_peers/, "it is told at each reload");
});

Deno.test("one mistake keeps everything as it was", async () => {
  const good = randomBytes(20).toHex();
  await using server = await startServer({
    driver: "tracker",
    files: { "list.txt": `${good}\n` },
    expectErrors: true,
    configuration: (directory) =>
      merge(BASE, { access_list: { mode: "black", path: `${directory}/list.txt` } }),
  });
  const list = { access_list: { mode: "black", path: `${server.directory}/list.txt` } };
  const http = server.addressOf("http");
  // The list is wrong: the interval, which is right, stays as well.
  await Deno.writeTextFile(`${server.directory}/list.txt`, "garbage\n");
  const log = await reload(
    server,
    merge(list, { log_level: "error", http: { protocol: { peer_announce_interval: 3_000 } } }),
  );
  assert.match(log[0]!, /^Cannot reload, going on as before: .*list\.txt:1: /);
  const { interval } = await announceHttp(http, {});
  assert(interval < 700, `interval ${interval}`);
  // The file is wrong: the list, which is right, is not read.
  await Deno.writeTextFile(`${server.directory}/list.txt`, `${randomBytes(20).toHex()}\n`);
  const bad = await reload(server, merge(list, { http: { protocol: { max_peers: -1 } } }));
  assert.match(bad[0]!, /^Cannot reload, going on as before: .*max_peers/);
  await assert.rejects(
    announceHttp(http, { infoHash: Uint8Array.fromHex(good) }),
    /Not announce/,
    "the old list holds",
  );
});
