/** Row W38 where HTTP and WebTorrent share an address: the upgrade decides who answers. */
import { strict as assert } from "node:assert";
import { Authority, hasOpenssl } from "../../support/certificates.ts";
import { type Configuration, merge } from "../../support/configuration.ts";
import { type Endpoint, HttpConnection } from "../../support/http_client.ts";
import { tlsConfiguration } from "../../support/http_suite.ts";
import { randomBytes } from "../../support/packets.ts";
import { runFailing, startServer } from "../../support/server.ts";
import { WsConnection } from "../../support/ws_client.ts";

/** One that was free a moment ago: with port 0 each protocol would get its own. */
function findPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** The same network for both. */
function onOnePort(port: number, network: Configuration = {}): Configuration {
  const table = merge({ network: { address: `127.0.0.1:${port}` } }, network);
  return { http: { socket_workers: 2, ...table }, ws: { socket_workers: 2, ...table } };
}

async function judge(endpoint: Endpoint): Promise<void> {
  const infoHash = randomBytes(20);
  await using web = await WsConnection.open(endpoint, { path: "/announce" });
  const own = { infoHash, peerId: randomBytes(20) };
  assert.deepEqual(await web.announce(own), { complete: 0, incomplete: 1 });
  await using http = await HttpConnection.open(endpoint);
  await http.announce({ info_hash: infoHash, port: 4001, left: 0 });
  const answer = await http.announce({ info_hash: infoHash, port: 4002 });
  assert.deepEqual(answer.peers.map(({ port }) => port), [4001]);
  assert.deepEqual([answer.complete, answer.incomplete], [1, 1]);
  assert.equal((await http.counts(infoHash)).complete, 1);
  assert.equal((await http.request("/")).status, 404);
  // Also with the target of a scrape. The swarms stay apart.
  await using other = await WsConnection.open(endpoint, { path: "/scrape" });
  const counts = await other.announce({ infoHash, peerId: randomBytes(20), extra: { left: 0 } });
  assert.deepEqual(counts, { complete: 1, incomplete: 1 });
}

Deno.test("W38 HTTP announce, scrape and WebTorrent announce on one port", async () => {
  const port = findPort();
  await using server = await startServer({ driver: "tracker", configuration: onOnePort(port) });
  assert.equal(server.addressOf("http"), server.addressOf("ws"));
  // Several times, as the system picks the worker.
  for (let time = 0; time < 5; ++time) await judge({ hostname: "127.0.0.1", port });
});

Deno.test({
  name: "W38 the same over TLS, and after a reload with another certificate",
  ignore: !await hasOpenssl(),
  async fn() {
    await using authority = await Authority.create();
    const [first, second] = [await authority.issue(), await authority.issue()];
    const port = findPort();
    await using server = await startServer({
      driver: "tracker",
      configuration: onOnePort(port, tlsConfiguration(first)),
    });
    const endpoint = { hostname: "127.0.0.1", port, authority: authority.certificate };
    await judge(endpoint);
    await Deno.copyFile(second.certificatePath, first.certificatePath);
    await Deno.copyFile(second.keyPath, first.keyPath);
    const since = server.records.length;
    server.signal("SIGHUP");
    await server.waitForRecord(({ message }) => message.startsWith("Reloaded"), {
      since,
      what: "the reload",
    });
    await judge(endpoint);
  },
});

Deno.test("W38 the idle time of HTTP and the end by close frame hold on one port", async () => {
  const port = findPort();
  const configuration = onOnePort(port);
  await using server = await startServer({
    driver: "tracker",
    configuration: merge(configuration, { http: { network: { keep_alive_timeout: 1 } } }),
  });
  const endpoint = { hostname: "127.0.0.1", port };
  await using http = await HttpConnection.open(endpoint);
  await http.announce({ info_hash: randomBytes(20), port: 4001 });
  await using web = await WsConnection.open(endpoint);
  await web.announce({ infoHash: randomBytes(20), peerId: randomBytes(20) });
  assert.equal((await http.readRest()).length, 0); // closed when idle
  await web.expectQuiet();
  server.signal("SIGTERM");
  await web.expectClose(1001);
});

const DIFFERENT: [name: string, over: Configuration, message: RegExp][] = [
  [
    "TLS for one of them",
    { ws: { network: { enable_tls: true, tls_certificate_path: "c", tls_private_key_path: "k" } } },
    /"http\.network\.enable_tls".*"ws\.network\.enable_tls".*share their addresses/,
  ],
  ["another number of workers", { ws: { socket_workers: 1 } }, /"http\.socket_workers".*same/],
  ["another limit", { ws: { network: { max_connections: 9 } } }, /"http\.network\.max_conn.*same/],
  [
    "one address more",
    { ws: { network: { address: ["127.0.0.1:3999", "127.0.0.1:4000"] } } },
    /"ws\.network\.address".*the same addresses in both, or none/,
  ],
];

for (const [name, over, message] of DIFFERENT) {
  Deno.test(`one port, and ${name}: a configuration error`, async () => {
    const configuration = merge(onOnePort(3999), over);
    await using server = await runFailing({ driver: "tracker", configuration });
    assert.equal((await server.ended).code, 78);
    assert.match(server.log, message);
  });
}
