/** Rows H33–H37: scrapes. (protocols.md B6, BEP 48.) */
import { strict as assert } from "node:assert";
import { latin1 } from "../../support/bencode.ts";
import { parseFailure, parseScraped, percentEncode } from "../../support/http_messages.ts";
import { scrapeTarget } from "../../support/http_messages.ts";
import { forEachWay, HttpSuite } from "../../support/http_suite.ts";
import { randomBytes } from "../../support/packets.ts";

const NOBODY = { complete: 0, downloaded: 0, incomplete: 0 };

forEachWay((way) => {
  const suite = new HttpSuite(way);

  suite.row("H33 one hash: its counts", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash, port: 1, left: 0 });
    await client.announce({ info_hash: infoHash, port: 2 });
    await client.announce({ info_hash: infoHash, port: 3 });
    const counts = await client.scrape(infoHash);
    const expected = { complete: 1, downloaded: 0, incomplete: 2 };
    assert.deepEqual([...counts], [[latin1(infoHash), expected]]);
  });

  suite.row("H33 three hashes in any order, one unknown: all there, sorted", async (context) => {
    const { client } = context;
    for (let repeat = 0; repeat < 20; repeat++) {
      const [first, second, unknown] = [randomBytes(20), randomBytes(20), randomBytes(20)];
      await client.announce({ info_hash: first });
      await client.announce({ info_hash: second, left: 0 });
      // The parser refuses keys that are not sorted.
      const counts = await client.scrape(unknown, second, first);
      assert.equal(counts.size, 3);
      assert.deepEqual(counts.get(latin1(first)), { ...NOBODY, incomplete: 1 });
      assert.deepEqual(counts.get(latin1(second)), { ...NOBODY, complete: 1 });
      assert.deepEqual(counts.get(latin1(unknown)), NOBODY);
    }
  });

  suite.row("H33 a scrape creates no torrent and changes none", async ({ client }) => {
    const infoHash = randomBytes(20);
    for (let repeat = 0; repeat < 3; repeat++) {
      assert.deepEqual(await client.counts(infoHash), NOBODY);
    }
    assert.equal((await client.announce({ info_hash: infoHash })).incomplete, 1);
  });

  suite.row("H34 the same hash twice: one entry", async ({ client }) => {
    const [infoHash, other] = [randomBytes(20), randomBytes(20)];
    await client.announce({ info_hash: infoHash });
    for (const hashes of [[infoHash, infoHash], [infoHash, other, infoHash, other, infoHash]]) {
      const counts = await client.scrape(...hashes);
      assert.equal(counts.size, new Set(hashes).size);
      assert.deepEqual(counts.get(latin1(infoHash)), { ...NOBODY, incomplete: 1 });
    }
  });

  suite.row("H35 without a hash: a failure, no full scrape", async ({ client }) => {
    await client.announce();
    for (const target of ["/scrape", "/scrape?", "/scrape?x=1", "/scrape?info_hash="]) {
      parseFailure(await client.request(target));
    }
    await client.expectUsable();
  });

  suite.row("H36 60 hashes: 60 entries", async ({ client }) => {
    const hashes = Array.from({ length: 60 }, () => randomBytes(20));
    for (const infoHash of hashes.slice(0, 10)) await client.announce({ info_hash: infoHash });
    const target = scrapeTarget(hashes);
    assert.ok(target.length > 4200);
    const counts = parseScraped(await client.request(target));
    assert.deepEqual(new Set(counts.keys()), new Set(hashes.map(latin1)));
    const sum = [...counts.values()].reduce((sum, { incomplete }) => sum + incomplete, 0);
    assert.equal(sum, 10);
  });

  const few = { configuration: { protocol: { max_scrape_torrents: 3 } } };
  suite.ownRow("more hashes than allowed: the first ones are answered", few, async (context) => {
    const hashes = Array.from({ length: 5 }, () => randomBytes(20));
    const counts = await context.client.scrape(...hashes);
    assert.deepEqual(new Set(counts.keys()), new Set(hashes.slice(0, 3).map(latin1)));
    await context.client.expectUsable();
  });

  suite.row("H37 a bad hash among good ones: a failure", async ({ client }) => {
    const good = percentEncode(randomBytes(20));
    for (const bad of ["", "abc", "%zz", `${good}a`, good.slice(3), randomBytes(20).toHex()]) {
      for (const order of [[good, bad], [bad, good], [good, bad, good]]) {
        const query = order.map((hash) => `info_hash=${hash}`).join("&");
        parseFailure(await client.request(`/scrape?${query}`));
      }
    }
    await client.expectUsable();
  });
});
