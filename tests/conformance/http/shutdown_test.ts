/** How connections end when the tracker does: answers under way are finished. (Issue 5.) */
import { strict as assert } from "node:assert";
import { latin1 } from "../../support/bencode.ts";
import { elapse, within } from "../../support/deadline.ts";
import { type Endpoint, HttpConnection } from "../../support/http_client.ts";
import { announceTarget, parseAnnounced, parseResponses } from "../../support/http_messages.ts";
import { parseScraped, scrapeTarget, writeRequest } from "../../support/http_messages.ts";
import { forEachWay, HttpServer } from "../../support/http_suite.ts";
import { ascii, concat, randomBytes } from "../../support/packets.ts";

/** Within it the tracker has ended, whatever its clients do. */
const BOUND_MS = 4000;

forEachWay((way) => {
  const test = (name: string, judge: (server: HttpServer) => Promise<void>) =>
    Deno.test({
      name: `${name} [${way}]`,
      fn: async () => {
        await using server = await HttpServer.start(way);
        await judge(server);
      },
    });

  test("idle connections are closed, also those that never sent a byte", async (server) => {
    await using connections = new AsyncDisposableStack();
    const clients = [];
    for (let index = 0; index < 20; index++) {
      const client = connections.use(await server.open());
      if (index % 2 === 0) await client.expectUsable();
      clients.push(client);
    }
    await stopInTime(server);
    for (const client of clients) assert.equal(await client.untilClosed(), "closed");
  });

  test("a request that is sent before the signal is answered", async (server) => {
    await using connections = new AsyncDisposableStack();
    const clients = [];
    for (let index = 0; index < 20; index++) {
      const client = connections.use(await server.open());
      await client.expectUsable();
      clients.push(client);
    }
    for (const client of clients) await client.send(writeRequest(announceTarget()));
    const stopping = stopInTime(server);
    for (const client of clients) {
      const responses = parseResponses(await client.readRest());
      assert.equal(responses.length, 1);
      parseAnnounced(responses[0]);
    }
    await stopping;
  });

  test("answers under way are finished, for a client that reads late", async (server) => {
    await using client = await server.open();
    const request = longScrape();
    const sending = client.conn.write(concat(...Array.from({ length: 400 }, () => request)))
      .catch(() => {}); // Not all of it is taken.
    parseScraped(await client.receive());
    await elapse(200); // Now the buffers on the way are full.
    const stopping = stopInTime(server);
    await elapse(50);
    for (const response of parseResponses(await client.readRest())) {
      assert.equal(parseScraped(response).size, 60);
    }
    await stopping;
    client.close();
    await sending;
  });

  test("a client that never reads does not hold it up", async (server) => {
    await using client = await server.open();
    const request = longScrape();
    const writing = client.conn.write(concat(...Array.from({ length: 1000 }, () => request)))
      .catch(() => {}); // Not all of it is taken.
    await using other = await server.open();
    await other.expectUsable();
    await stopInTime(server);
    client.close();
    await writing;
  });

  test("an unfinished request does not hold it up", async (server) => {
    await using client = await server.open();
    await client.send(writeRequest(announceTarget()).slice(0, -3));
    await using other = await server.open();
    await other.expectUsable();
    await stopInTime(server);
    const rest = latin1(await client.readRest());
    assert.match(rest, /^(HTTP\/1\.1 (400|408|503) |$)/);
  });

  test("an unfinished handshake or an untouched connection does not hold it up", async (server) => {
    const { hostname, port } = server.endpoint();
    await using client = await HttpConnection.open({ hostname, port });
    if (way.startsWith("https")) await client.send(Uint8Array.of(0x16, 3, 1, 0, 200, 1, 0));
    await using other = await server.open();
    await other.expectUsable();
    await stopInTime(server);
  });

  test("under load every answer is whole, and new connections are refused", async (server) => {
    const endpoint = server.endpoint();
    const loops = Array.from({ length: 8 }, (_, index) => load(endpoint, index % 2 === 0));
    await using client = await server.open();
    for (let count = 0; count < 200; count++) await client.expectUsable();
    await stopInTime(server);
    const counts = await Promise.all(loops);
    assert.ok(counts.every((count) => count > 0), `Answers: ${counts}`);
    await assert.rejects(HttpConnection.open(endpoint), Deno.errors.ConnectionRefused);
  });
});

async function stopInTime({ server }: HttpServer): Promise<void> {
  const stopping = server.stop();
  await within(stopping, { deadlineMs: BOUND_MS, what: () => `the tracker ends: ${server.log}` });
}

/** Announces until the tracker has gone, and returns how often it was answered. */
async function load(endpoint: Endpoint, keepsAlive: boolean): Promise<number> {
  let answerCount = 0;
  while (true) {
    let client: HttpConnection;
    try {
      client = await HttpConnection.open(endpoint);
    } catch {
      return answerCount;
    }
    await using connection = client;
    const requestCount = keepsAlive ? Infinity : 1;
    for (let count = 0; count < requestCount; count++) {
      // What was sent after the signal need not be answered; what is answered must be whole.
      const sent = await connection.send(writeRequest(announceTarget())).then(
        () => true,
        () => false,
      );
      const answer = sent ? await connection.receiveOrEnd() : undefined;
      if (answer === undefined) break;
      parseAnnounced(answer);
      answerCount++;
    }
  }
}

function longScrape(): Uint8Array {
  const hashes = Array.from({ length: 60 }, () => randomBytes(20));
  return ascii(writeRequest(scrapeTarget(hashes)));
}
