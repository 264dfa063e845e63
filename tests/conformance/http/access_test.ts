/** Row H32, and what a failure says: refused torrents and denied clients. (B5.) */
import { strict as assert } from "node:assert";
import { integerAt, latin1 } from "../../support/bencode.ts";
import { HAS_IPV6 } from "../../support/configuration.ts";
import {
  announceTarget,
  parseBody,
  parseFailure,
  scrapeTarget,
} from "../../support/http_messages.ts";
import { HttpSuite } from "../../support/http_suite.ts";
import { randomBytes, toHex } from "../../support/packets.ts";

const listed = randomBytes(20);
const files = { "list.txt": `# comment\n${toHex(listed)}\n` };
const withMode = (mode: string) => ({
  files,
  configuration: (directory: string) => ({
    access_list: { mode, path: `${directory}/list.txt` },
  }),
});

const suite = new HttpSuite("http");

suite.row("B5 every failure says when to come again", async ({ client }) => {
  const failing = [
    announceTarget({ info_hash: "short" }),
    announceTarget({ info_hash: undefined }),
    announceTarget({ peer_id: "short" }),
    announceTarget({ port: 0 }),
  ];
  for (const target of failing) {
    const response = await client.request(target);
    parseFailure(response);
    const dictionary = parseBody(response);
    assert.ok(integerAt(dictionary, "interval") >= 60);
    assert.ok(integerAt(dictionary, "min interval") >= 60);
  }
});

suite.ownRow("H32 a blacklisted torrent: a failure with intervals", withMode("black"), async (
  { client },
) => {
  const response = await client.request(announceTarget({ info_hash: listed }));
  assert.match(parseFailure(response), /torrent/i);
  const dictionary = parseBody(response);
  assert.ok(integerAt(dictionary, "interval") >= 300);
  assert.ok(integerAt(dictionary, "min interval") >= 300);
  await client.refusal({ info_hash: listed, compact: 0, event: "started" });
  await client.expectUsable();
});

suite.ownRow("H32 a torrent not on the whitelist: a failure", withMode("white"), async (
  { client },
) => {
  await client.announce({ info_hash: listed });
  await client.refusal({ info_hash: randomBytes(20) });
  const { incomplete } = await client.announce({ info_hash: listed, port: 6882 });
  assert.equal(incomplete, 2);
});

suite.ownRow("H32 scrapes of refused torrents tell nothing", withMode("white"), async (
  { client },
) => {
  const refused = randomBytes(20);
  await client.announce({ info_hash: listed });
  const response = await client.request(scrapeTarget([listed, refused]));
  const dictionary = parseBody(response);
  if (dictionary.has("failure reason")) return;
  const counts = await client.scrape(listed, refused);
  assert.equal(counts.get(latin1(listed))?.incomplete, 1);
  assert.equal(counts.get(latin1(refused))?.incomplete ?? 0, 0);
});

const reloading = withMode("black");
suite.ownRow("a new list counts from the reload on", reloading, async ({ client, server }) => {
  const other = randomBytes(20);
  await client.announce({ info_hash: other });
  const since = server.server.records.length;
  await Deno.writeTextFile(`${server.server.directory}/list.txt`, `${toHex(other)}\n`);
  server.server.signal("SIGHUP");
  const isOutcome = ({ message }: { message: string }) => /access list/i.test(message);
  await server.server.waitForRecord(isOutcome, { since, what: "the reload's outcome" });
  await client.refusal({ info_hash: other });
  await client.announce({ info_hash: listed });
});

const denying = { configuration: { access_list: { deny_clients: ["127.0.0.1"] } } };
suite.ownRow("a denied client is told nothing and stores nothing", denying, async (context) => {
  const infoHash = randomBytes(20);
  // Closing the connection, silence and a failure are all ways to refuse.
  const response = await context.client.request(announceTarget({ info_hash: infoHash }))
    .catch(() => undefined);
  if (response?.status === 200) parseFailure(response);
  const sixth = await context.open("::1");
  assert.equal((await sixth.announce({ info_hash: infoHash })).incomplete, 1);
}, { ignore: !HAS_IPV6 });
