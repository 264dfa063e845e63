/**
 * Browsers exchange a file through the tracker over wss://, whose authority they trust as a user
 * would have them do. (Issue 6.)
 */
import { strict as assert } from "node:assert";
import { parseAddress } from "../support/udp_client.ts";
import { nativeIsAvailable } from "../support/configuration.ts";
import { HttpServer, type Way } from "../support/http_suite.ts";
import { WsConnection } from "../support/ws_client.ts";
import { elapse } from "../support/deadline.ts";
import { Browser, type Seeded } from "./clients/browser.ts";

const FILE_BYTE_LENGTH = 1_500_000;
/** Within it a peer whose page has gone is counted no more: its socket tells, not the next ping. */
const GONE_MS = 20_000;
/**
 * Seconds between announces, longer than the 25 s that webtorrent gives a connection to come up.
 *
 * Two pages that make each other offers at the same time each take the other's answer for a second
 * connection to the same peer, and drop it. Then they refuse each other until what is left has
 * failed, which takes about 18 s. The tracker cannot help it: of two that announce for the first
 * time only the later one has somebody to make an offer to, but of two that announce again both
 * have. With 5 s between announces and answers that took 2 s, it happened again and again, and a
 * page had no file after 90 s.
 */
const ANNOUNCE_INTERVAL = 30;

interface Scene {
  server: HttpServer;
  browser: Browser;
  /** The URL of the tracker. */
  tracker: string;
}

function test(
  name: string,
  play: (scene: Scene) => Promise<void>,
  { announceInterval = ANNOUNCE_INTERVAL, way = "https" as Way, ignore = false } = {},
): void {
  Deno.test({
    name: `${name} [${way}]`,
    ignore,
    // The library that drives the browser keeps timers and streams of its own.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const configuration = { protocol: { peer_announce_interval: announceInterval } };
      await using server = await HttpServer.start(way, { service: "ws", configuration });
      await using browser = await Browser.start(server.authority!);
      const { port } = parseAddress(server.server.address("127.0.0.1"));
      await play({ server, browser, tracker: `wss://localhost:${port}` });
    },
  });
}

/** What the tracker counts of a torrent. */
async function countsOf({ server }: Scene, { magnet }: Seeded) {
  await using client = await WsConnection.open(server.endpoint());
  const infoHash = Uint8Array.fromHex(/btih:([0-9a-f]{40})/i.exec(magnet)![1]);
  return await client.scrape(infoHash);
}

async function exchange({ browser, tracker }: Scene): Promise<void> {
  const [one, other] = [await browser.open(), await browser.open()];
  const seeded = await one.seed(FILE_BYTE_LENGTH, tracker);
  assert.equal(await other.fetchFile(seeded), seeded.sha256);
}

test("two pages exchange a file", exchange);
test("two pages exchange a file", exchange, {
  way: "https, native",
  ignore: !nativeIsAvailable(),
});

test("a seeder, and a leecher that comes late", async (scene) => {
  const { browser, tracker } = scene;
  const [seeder, leecher] = [await browser.open(), await browser.open()];
  const seeded = await seeder.seed(FILE_BYTE_LENGTH, tracker);
  await untilCounted(scene, seeded, { complete: 1, incomplete: 0 });
  await seeder.untilAnnounced(); // So the next announce is an interval away.
  assert.equal(await leecher.fetchFile(seeded), seeded.sha256);
  const { downloaded } = await untilCounted(scene, seeded, { complete: 2, incomplete: 0 });
  // webtorrent tells of a completed download also when it has made the file itself.
  assert.ok(Number(downloaded) >= 1, `${downloaded} downloads`);
}, { announceInterval: 8 });

test("three pages at once", async ({ browser, tracker }) => {
  const seeder = await browser.open();
  const leechers = [await browser.open(), await browser.open()];
  const seeded = await seeder.seed(FILE_BYTE_LENGTH, tracker);
  const digests = await Promise.all(leechers.map((leecher) => leecher.fetchFile(seeded)));
  assert.deepEqual(digests, [seeded.sha256, seeded.sha256]);
  // Each was offered to each, not only to the one that had the file first.
  await Promise.all([seeder, ...leechers].map((page) => page.untilConnected(2)));
});

test("a page that disappears without a word", async (scene) => {
  const { browser, tracker } = scene;
  const seeder = await browser.open();
  const seeded = await seeder.seed(FILE_BYTE_LENGTH, tracker);
  const leecher = await browser.open();
  await leecher.fetchFile(seeded);
  await untilCounted(scene, seeded, { complete: 2, incomplete: 0 });
  await seeder.crash();
  await untilCounted(scene, seeded, { complete: 1, incomplete: 0 });
  // Who is left serves who comes.
  const late = await browser.open();
  assert.equal(await late.fetchFile(seeded), seeded.sha256);
});

async function untilCounted(
  scene: Scene,
  seeded: Seeded,
  expected: { complete: number; incomplete: number },
) {
  const end = performance.now() + GONE_MS;
  while (true) {
    const counts = await countsOf(scene, seeded);
    const { complete, incomplete } = counts;
    if (complete === expected.complete && incomplete === expected.incomplete) return counts;
    assert.ok(
      performance.now() < end,
      `${JSON.stringify(counts)} is not ${JSON.stringify(expected)}`,
    );
    await elapse(200);
  }
}
