/** Rows U40–U47: scrapes. (BEP 15, "scrape"; BEP 48; protocols.md A1, A4, A6.) */
import { strict as assert } from "node:assert";
import {
  concat,
  EVENT_COMPLETED,
  EVENT_STARTED,
  EVENT_STOPPED,
  fromHex,
  randomBytes,
  type ScrapeCounts,
  writeConnect,
} from "../../support/packets.ts";
import type { LogRecord } from "../../support/server.ts";
import { forEachDriver, Suite } from "../../support/suite.ts";
import type { UdpClient } from "../../support/udp_client.ts";

const NOBODY: ScrapeCounts = { seeders: 0, completed: 0, leechers: 0 };
const KNOWN: ScrapeCounts = { seeders: 2, completed: 1, leechers: 3 };

forEachDriver((driver, ignore) => {
  const suite = new Suite({ driver, ignore });

  suite.row("U40 a known hash: seeders, completed, leechers", async ({ client }) => {
    assert.deepEqual(await client.scrape(await announceKnown(client)), [KNOWN]);
  });

  suite.row("U41 an unknown hash before a known one", async ({ client }) => {
    const torrents = await client.scrape(randomBytes(20), await announceKnown(client));
    assert.deepEqual(torrents, [NOBODY, KNOWN]);
  });

  suite.row("U42 the same hash twice", async ({ client }) => {
    const infoHash = await announceKnown(client);
    assert.deepEqual(await client.scrape(infoHash, infoHash), [KNOWN, KNOWN]);
  });

  suite.row("U43 no hash: an error", async ({ client }) => {
    await client.exchange(client.scrapePacket([]), "error");
  });

  suite.row("U44 one hash and a half: an error", async ({ client }) => {
    const infoHash = await announceKnown(client);
    for (const byteLength of [1, 10, 19]) {
      const packet = concat(client.scrapePacket([infoHash]), randomBytes(byteLength));
      await client.exchange(packet, "error");
      const half = concat(client.scrapePacket([]), randomBytes(byteLength));
      await client.exchange(half, "error");
    }
  });

  suite.row("U45 74 and 100 hashes: the first 70 are answered", async ({ client }) => {
    const known = await announceKnown(client);
    for (const count of [74, 100]) {
      const infoHashes = Array.from({ length: count }, () => randomBytes(20));
      infoHashes[0] = infoHashes[69] = infoHashes[70] = known;
      const torrents = await client.scrape(...infoHashes);
      assert.equal(torrents.length, 70, "The default of max_scrape_torrents");
      torrents.forEach((counts, index) => {
        assert.deepEqual(counts, index === 0 || index === 69 ? KNOWN : NOBODY, `Hash ${index}`);
      });
    }
    const exactly = await client.scrape(...Array.from({ length: 70 }, () => known));
    assert.deepEqual(exactly, Array.from({ length: 70 }, () => KNOWN));
  });

  suite.row("U46 a bad connection id is dropped", async ({ client }) => {
    const infoHash = await announceKnown(client);
    const packet = client.scrapePacket([infoHash]);
    packet.set(fromHex("0102030405060708"), 0);
    await client.expectDrops(packet);
  });

  const counting = new Suite({ driver, ignore, configuration: { statistics: { interval: 1 } } });

  counting.row("U22, U47 stopped and scrape create no torrent, say the statistics", async (row) => {
    const { client, server } = row;
    const torrentCount = async () => {
      const isNew = ({ properties }: LogRecord) => "torrents" in properties;
      const since = server.records.length;
      return (await server.waitForRecord(isNew, { since, what: "statistics" })).properties.torrents;
    };
    await client.scrape(randomBytes(20), randomBytes(20));
    await client.announce({ event: EVENT_STOPPED });
    assert.equal(await torrentCount(), 0);
    await client.announce({ event: EVENT_STARTED });
    assert.equal(await torrentCount(), 1);
  });

  suite.row("U47 a scrape creates no torrent", async ({ client }) => {
    const infoHash = randomBytes(20);
    assert.deepEqual(await client.scrape(infoHash), [NOBODY]);
    assert.deepEqual(await client.scrape(infoHash), [NOBODY]);
    assert.equal((await client.announce({ infoHash })).leechers, 1);
  });

  const wide = new Suite({
    driver,
    ignore,
    configuration: { protocol: { max_scrape_torrents: 100 } },
  });

  wide.row("U45 max_scrape_torrents = 100: 100 of 101 hashes are answered", async ({ client }) => {
    const known = await announceKnown(client);
    const torrents = await client.scrape(...Array.from({ length: 101 }, () => known));
    assert.deepEqual(torrents, Array.from({ length: 100 }, () => KNOWN));
  });

  wide.row("U45 what is cut off by the receiver gets no wrong answer", async ({ client }) => {
    const known = await announceKnown(client);
    for (const count of [102, 103, 120, 400, 3000]) {
      await client.send(client.scrapePacket(Array.from({ length: count }, () => known)));
      await client.send(writeConnect(client.nextTransactionId()));
      const reply = await client.receive();
      if (reply.kind === "connect") continue;
      assert.equal(reply.kind, "scrape", `${count} hashes: ${Deno.inspect(reply)}`);
      assert.deepEqual(reply.torrents, Array.from({ length: 100 }, () => KNOWN));
      assert.equal((await client.receive()).kind, "connect");
    }
  });
});

/** Announces a new torrent with two seeders, one of them after a download, and three leechers. */
async function announceKnown(client: UdpClient): Promise<Uint8Array> {
  const infoHash = randomBytes(20);
  await client.announce({ infoHash, port: 1001, left: 0n, event: EVENT_STARTED });
  await client.announce({ infoHash, port: 1002, left: 5n, event: EVENT_STARTED });
  await client.announce({ infoHash, port: 1002, left: 0n, event: EVENT_COMPLETED });
  for (const port of [1003, 1004, 1005]) await client.announce({ infoHash, port, left: 9n });
  return infoHash;
}
