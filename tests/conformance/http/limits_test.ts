/**
 * How many connections and requests there may be, and who is refused. (Issue 5, "The protocol".)
 */
import { strict as assert } from "node:assert";
import { HAS_IPV6 } from "../../support/configuration.ts";
import { elapse } from "../../support/deadline.ts";
import type { HttpConnection } from "../../support/http_client.ts";
import { announceTarget, parseAnnounced, parseResponses } from "../../support/http_messages.ts";
import { writeRequest } from "../../support/http_messages.ts";
import { forEachWay, HttpSuite } from "../../support/http_suite.ts";

/** Within it the tracker has noticed that a client is gone. */
const NOTICE_MS = 3000;

forEachWay((way) => {
  const suite = new HttpSuite(way);

  const inTotal = { configuration: { network: { max_connections: 8 } } };
  suite.ownRow("max_connections: the newest gets 503, others go on", inTotal, async (context) => {
    const { client, open } = context; // The first of eight.
    const others = [];
    for (let count = 1; count < 8; count++) others.push(await open());
    for (const each of [client, ...others]) await each.expectUsable();
    for (let count = 0; count < 5; count++) await expectOverload(context.open);
    for (const each of [client, ...others]) await each.expectUsable();
    others[0].close();
    await untilServed(open);
  });

  const each = { configuration: { network: { max_connections_per_address: 4 } } };
  suite.ownRow("max_connections_per_address: others are served", each, async (context) => {
    const { client, open } = context;
    const others = [];
    for (let count = 1; count < 4; count++) others.push(await open());
    await expectOverload(open);
    if (HAS_IPV6) {
      const sixth = [];
      for (let count = 0; count < 4; count++) sixth.push(await open("::1"));
      for (const connection of sixth) await connection.expectUsable();
      await expectOverload(() => open("::1"));
    }
    await client.expectUsable();
    for (const connection of others) connection.close();
    await untilServed(open);
  });

  const proxied = {
    configuration: {
      network: { max_connections_per_address: 2, trusted_proxies: ["127.0.0.1/32"] },
    },
  };
  suite.ownRow("a trusted proxy has no limit of its own", proxied, async ({ open }) => {
    const connections = [];
    for (let count = 0; count < 10; count++) connections.push(await open());
    for (const connection of connections) await connection.expectUsable();
  });

  const three = { configuration: { network: { max_requests_per_connection: 3 } } };
  suite.ownRow("max_requests_per_connection: then a close", three, async ({ client, open }) => {
    for (let count = 1; count <= 3; count++) {
      const response = await client.request(announceTarget());
      parseAnnounced(response);
      const connection = response.headers.get("connection") ?? "";
      assert.equal(/^close$/i.test(connection), count === 3, `Connection: ${connection}`);
    }
    assert.equal(await client.untilClosed(), "closed");
    const pipelining = await open();
    await pipelining.send(writeRequest(announceTarget()).repeat(5));
    assert.equal(parseResponses(await pipelining.readRest()).length, 3);
  });

  suite.row("a NAT of a thousand users meets no limit", async ({ open }) => {
    const connections = [];
    for (let count = 0; count < 1000; count++) connections.push(await open());
    for (const connection of connections) await connection.expectUsable();
  });
});

const suite = new HttpSuite("http");

suite.ownRow(
  "cors = true: scripts of any page may read the answers",
  { configuration: { protocol: { cors: true } } },
  async ({ client }) => {
    const headers = ["Origin: https://page.test"];
    for (const target of [announceTarget(), "/scrape", "/announce"]) {
      const response = await client.request(target, { headers });
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
    }
  },
);

suite.row("no CORS unless asked for", async ({ client }) => {
  const { headers } = await client.request(announceTarget(), { headers: ["Origin: https://x"] });
  assert.ok(!headers.has("access-control-allow-origin"));
});

suite.ownRow(
  "same_family_only = true: peers of the asker's family",
  { configuration: { protocol: { same_family_only: true } } },
  async ({ client, open }) => {
    const request = { info_hash: new Uint8Array(20).fill(7) };
    const sixth = await open("::1");
    await client.announce({ ...request, port: 4001 });
    await sixth.announce({ ...request, port: 6001 });
    const fourth = await client.announce({ ...request, port: 4002 });
    assert.deepEqual(fourth.peers.map(({ port }) => port), [4001]);
    assert.deepEqual(fourth.peers6, []);
    const answer = await sixth.announce({ ...request, port: 6002 });
    assert.deepEqual(answer.peers.map(({ port }) => port), []);
    assert.deepEqual(answer.peers6.map(({ port }) => port), [6001]);
    const { list } = await sixth.announce({ ...request, port: 6002, compact: 0 });
    assert.deepEqual(list?.map(({ port }) => port), [6001]);
  },
  { ignore: !HAS_IPV6 },
);

/** Opens a connection that must be told to come again, or over TLS may be closed at once. */
async function expectOverload(open: () => Promise<HttpConnection>): Promise<void> {
  let client: HttpConnection;
  try {
    client = await open();
  } catch {
    return; // The handshake was refused.
  }
  // Whether it waits for the request or not, the tracker must not reset its own answer.
  await client.send(writeRequest(announceTarget())).catch(() => {});
  const rest = await client.readRest();
  const responses = parseResponses(rest);
  if (client.endpoint.authority !== undefined && responses.length === 0) return;
  assert.equal(responses.length, 1);
  assert.equal(responses[0].status, 503);
  assert.match(responses[0].headers.get("retry-after") ?? "", /^[1-9]\d*$/);
  assert.match(responses[0].headers.get("connection") ?? "", /^close$/i);
}

/** Opens connections until one is served. */
async function untilServed(open: () => Promise<HttpConnection>): Promise<void> {
  const end = performance.now() + NOTICE_MS;
  while (true) {
    try {
      await (await open()).expectUsable();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await elapse(50);
    }
  }
}
