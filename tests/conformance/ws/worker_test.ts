/** Several workers, the end of the tracker, other certificates, and what a worker may do. */
import { strict as assert } from "node:assert";
import { startWs } from "../../../protocols/ws/mod.ts";
import { WS_FILE } from "../../../server/config/mod.ts";
import { within } from "../../support/deadline.ts";
import { grantsOf, probe } from "../../support/grants.ts";
import { tlsConfiguration } from "../../support/http_suite.ts";
import { Authority } from "../../support/certificates.ts";
import { randomBytes } from "../../support/packets.ts";
import { type Server, startServer } from "../../support/server.ts";
import { parseAddress } from "../../support/udp_client.ts";
import { makeOffers, WsConnection } from "../../support/ws_client.ts";
import { forEachSuite } from "../../support/ws_suite.ts";
import { makeSwarm, receiveAll } from "../../support/ws_swarm.ts";

/** Within it the tracker has ended, whatever its clients do. */
const BOUND_MS = 4000;

forEachSuite((suite) => {
  const two = { configuration: { socket_workers: 2 } };

  suite.ownRow("two workers: one swarm, and relays between them", two, async (context) => {
    const swarm = await makeSwarm(context, 15);
    const sender = { infoHash: swarm.infoHash, peerId: randomBytes(20) };
    const rounds = 20;
    for (let round = 0; round < rounds; round++) {
      const extra = { offers: makeOffers(10) };
      const { incomplete } = await context.client.announce({ ...sender, extra });
      assert.equal(incomplete, 16);
    }
    const received = await receiveAll(swarm);
    assert.equal(received.flat().length, rounds * 10);
    assert.ok(received.every(({ length }) => length > 0), "Peers of both workers");
  });

  suite.ownRow("the end: 1001 for everybody, in time", {}, async ({ server, client, open }) => {
    const infoHash = randomBytes(20);
    const others = [];
    for (let count = 0; count < 20; count++) others.push(await open());
    await client.announce({ infoHash, peerId: randomBytes(20) });
    const stopping = server.server.stop();
    await Promise.all([client, ...others].map((each) => each.expectClose(1001)));
    await within(stopping, { deadlineMs: BOUND_MS, what: "the tracker ends" });
  });

  const observed = { configuration: { metrics: { address: "127.0.0.1:0" } } };

  suite.ownRow("one read in eight is timed until its reply is sent", observed, async (row) => {
    const { server, client } = row;
    const reads = 80; // an upgrade is a read, too
    for (let read = 1; read < reads; read++) {
      await client.announce({ infoHash: randomBytes(20), peerId: randomBytes(20) });
    }
    const shown = await metricsOf(server.server);
    const [, count] = /_seconds_count\{protocol="ws",type="announce"\} (\d+)/.exec(shown) ?? [];
    const [, sum] = /_seconds_sum\{protocol="ws",type="announce"\} (\S+)/.exec(shown) ?? [];
    assert.ok(Math.abs(Number(count) - reads) <= 8, `${count} of ${reads}`);
    assert.ok(Number(sum) > 0 && Number(sum) < reads, `${sum} s`);
  });

  suite.ownRow("the end does not wait for a client that is deaf", {}, async (row) => {
    const { server, client, open } = row;
    const infoHash = randomBytes(20);
    await (await open()).announce({ infoHash, peerId: randomBytes(20) });
    const extra = { offers: makeOffers(1, 100_000) };
    await client.announce({ infoHash, peerId: randomBytes(20), extra });
    await within(server.server.stop(), { deadlineMs: BOUND_MS, what: "the tracker ends" });
  });
});

async function metricsOf(server: Server): Promise<string> {
  const record = server.records.find(({ message }) => message.startsWith("Metrics are on "));
  const response = await fetch(`http://${record!.properties.address}/metrics`);
  return await response.text();
}

Deno.test("another certificate: new connections have it, old ones go on", async () => {
  await using authority = await Authority.create();
  const [first, second] = [await authority.issue(), await authority.issue()];
  const configuration = tlsConfiguration(first);
  await using server = await startServer({ driver: "ws", configuration });
  const { port } = parseAddress(server.address("127.0.0.1"));
  const endpoint = { hostname: "127.0.0.1", port, authority: authority.certificate };
  await using old = await WsConnection.open(endpoint);
  await old.expectQuiet();
  await Deno.copyFile(second.certificatePath, first.certificatePath);
  await Deno.copyFile(second.keyPath, first.keyPath);
  const since = server.records.length;
  server.signal("SIGHUP");
  const matches = ({ message }: { message: string }) => message.includes("new certificate");
  await server.waitForRecord(matches, { since, what: "the new certificate" });
  await using fresh = await WsConnection.open(endpoint);
  await fresh.expectQuiet();
  await old.expectQuiet();
});

Deno.test("a worker may listen on its address and do nothing else", async () => {
  const network = { address: "127.0.0.1:0" };
  const grants = await grantsOf(WS_FILE, startWs, { network });
  const names = Object.keys(grants).filter((name) => name !== "housekeeper");
  assert.deepEqual(names, ["ws 0"]);
  const outcomes = await probe(grants["ws 0"]);
  for (const [name, outcome] of Object.entries(outcomes)) {
    assert.equal(outcome, "refused", name);
  }
});
