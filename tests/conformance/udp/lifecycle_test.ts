/** Rows U10, U11 and U56: what time does to connection ids and to peers.
 *
 * All of them wait in real time, so they run at once against one server with short ages; the same
 * rules under a mocked clock are in the core's tests.
 */
import { strict as assert } from "node:assert";
import { elapse } from "../../support/deadline.ts";
import { randomBytes } from "../../support/packets.ts";
import { type Server, startServer } from "../../support/server.ts";
import { forEachDriver } from "../../support/suite.ts";
import { UdpClient } from "../../support/udp_client.ts";

const MAX_CONNECTION_AGE = 3;
const MAX_PEER_AGE = 3;
const CLEANING_INTERVAL = 1;
/** The server's clock moves in steps of a second. */
const CLOCK_STEP = 1;
/** For timers on a busy machine. */
const SLACK = 1;

const SCENARIOS: Record<string, (client: UdpClient, other: UdpClient) => Promise<void>> = {
  async "U10 an id of half its allowed age is accepted"(client) {
    await elapse(MAX_CONNECTION_AGE * 500);
    await client.announce({});
  },

  async "U11 an id beyond its allowed age: an error, then a new one works"(client) {
    await elapse((MAX_CONNECTION_AGE + CLOCK_STEP + SLACK) * 1000);
    const infoHash = randomBytes(20);
    await client.exchange(client.announcePacket({ infoHash }), "error");
    await client.exchange(client.scrapePacket([infoHash]), "error");
    await client.connect();
    assert.equal((await client.announce({ infoHash })).leechers, 1, "The old id stored nothing");
  },

  async "U56 a silent peer is gone after expiry and cleaning"(client, other) {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, port: 1001 });
    await client.announce({ infoHash, port: 1002, left: 0n });
    await other.announce({ infoHash, port: 1003 });
    const end = performance.now() +
      (MAX_PEER_AGE + CLEANING_INTERVAL + CLOCK_STEP + SLACK) * 1000;
    await elapse(1000);
    await other.connect();
    const early = await other.announce({ infoHash, port: 1003 });
    assert.equal(early.peers.length, 2, "Not yet expired");
    assert.deepEqual([early.seeders, early.leechers], [1, 2]);
    while (performance.now() < end) {
      await elapse(900);
      await other.connect();
      await other.announce({ infoHash, port: 1003 });
    }
    const late = await other.announce({ infoHash, port: 1003 });
    assert.deepEqual(late.peers, []);
    assert.deepEqual([late.seeders, late.leechers], [0, 1], "The peer that announced stays");
    assert.deepEqual(await other.counts(infoHash), { seeders: 0, completed: 0, leechers: 1 });
  },

  async "U56 a torrent without peers is removed and can come back"(client, other) {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, port: 1001 });
    await elapse((MAX_PEER_AGE + CLEANING_INTERVAL + CLOCK_STEP + SLACK) * 1000);
    await other.connect();
    assert.deepEqual(await other.counts(infoHash), { seeders: 0, completed: 0, leechers: 0 });
    assert.equal((await other.announce({ infoHash })).leechers, 1);
  },
};

forEachDriver((driver, ignore) => {
  const outcomes = new Map<string, Promise<unknown>>();
  let server: Server;

  if (!ignore) {
    Deno.test.beforeAll(async () => {
      server = await startServer({
        driver,
        configuration: {
          cleaning: {
            max_connection_age: MAX_CONNECTION_AGE,
            max_peer_age: MAX_PEER_AGE,
            torrent_cleaning_interval: CLEANING_INTERVAL,
          },
        },
      });
      for (const [name, scenario] of Object.entries(SCENARIOS)) {
        outcomes.set(name, runScenario(server, scenario).then(() => undefined, (error) => error));
      }
    });
    Deno.test.afterAll(async () => {
      await Promise.all(outcomes.values());
      await server.stop();
    });
  }

  for (const name of Object.keys(SCENARIOS)) {
    Deno.test({
      name: `${name} [${driver}]`,
      ignore,
      // The scenarios run together, so each test sees sockets and timers of the others.
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => {
        assert.ok(outcomes.has(name), "The scenario was started");
        const error = await outcomes.get(name);
        if (error !== undefined) throw error;
      },
    });
  }
});

async function runScenario(
  server: Server,
  scenario: (client: UdpClient, other: UdpClient) => Promise<void>,
): Promise<void> {
  const address = server.address("127.0.0.1");
  await using client = new UdpClient("127.0.0.1", address);
  await using other = new UdpClient("127.0.0.1", address);
  await client.connect();
  await other.connect();
  await scenario(client, other);
}
