/** Rows H1–H4, H13–H21, H28–H31 and H56: what an announce does and is told. (B3, B4 and D.) */
import { strict as assert } from "node:assert";
import { integerAt, stringAt } from "../../support/bencode.ts";
import { HAS_IPV6 } from "../../support/configuration.ts";
import type { HttpConnection } from "../../support/http_client.ts";
import { announceTarget, type ListedPeer, type Parameters } from "../../support/http_messages.ts";
import { forEachWay, HttpSuite } from "../../support/http_suite.ts";
import { randomBytes } from "../../support/packets.ts";

/** Peers in an answer to a client that does not say how many it wants (B3: `numwant`). */
const DEFAULT_PEER_COUNT = 50;

forEachWay((way) => {
  const suite = new HttpSuite(way);
  const row: HttpSuite["row"] = (...row) => suite.row(...row);

  row("H1 a valid announce: interval, counts and peers, strictly bencoded", async ({ client }) => {
    const response = await client.request(announceTarget());
    assert.equal(response.version, "HTTP/1.1");
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
    const infoHash = randomBytes(20);
    const first = await client.announce({ info_hash: infoHash, event: "started" });
    assert.deepEqual([first.complete, first.incomplete], [0, 1]);
    assert.deepEqual(first.dictionary.get("peers"), new Uint8Array());
    const second = await client.announce({ info_hash: infoHash, port: 6882, left: 0 });
    assert.deepEqual([second.complete, second.incomplete], [1, 1]);
    assert.deepEqual(second.peers, [{ address: "127.0.0.1", port: 6881 }]);
  });

  row("H2 without compact: compact", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash });
    for (const compact of [undefined, "", "2", "x", "00"]) {
      const answer = await client.announce({ info_hash: infoHash, port: 6882, compact });
      assert.equal(answer.list, undefined, `compact=${compact}`);
      assert.deepEqual(answer.peers, [{ address: "127.0.0.1", port: 6881 }]);
    }
  });

  const keepingIds = { configuration: { protocol: { peer_ids: true } } };
  suite.ownRow("H3 compact=0 where peer ids are kept: with them", keepingIds, async (context) => {
    const { client } = context;
    const infoHash = randomBytes(20);
    const peerId = randomBytes(20);
    await client.announce({ info_hash: infoHash, peer_id: peerId });
    const request = { info_hash: infoHash, port: 6882, left: 0, compact: 0 };
    const expected: ListedPeer[] = [{ ip: "127.0.0.1", port: 6881, peerId }];
    assert.deepEqual((await client.announce(request)).list, expected);
    const without = await client.announce({ ...request, no_peer_id: 1 });
    assert.deepEqual(without.list, [{ ip: "127.0.0.1", port: 6881 }], "H4");
    const restarted = randomBytes(20);
    await client.announce({ info_hash: infoHash, peer_id: restarted });
    const { list } = await client.announce(request);
    assert.deepEqual(list, [{ ip: "127.0.0.1", port: 6881, peerId: restarted }], "A restart");
  });

  row("H4 compact=0 and no_peer_id=1: dictionaries without ids", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash });
    for (const noPeerId of [1, undefined]) {
      const request = { info_hash: infoHash, port: 6882, compact: 0, no_peer_id: noPeerId };
      const { list, dictionary } = await client.announce(request);
      assert.deepEqual(list, [{ ip: "127.0.0.1", port: 6881 }]);
      assert.ok(!dictionary.has("peers6"));
    }
    const alone = await client.announce({ compact: 0 });
    assert.deepEqual(alone.list, [], "An empty list, not an empty string");
  });

  const LEECHERS: (string | undefined)[] = [undefined, "", "abc", "-1", "-0"];
  const HUGE = [
    "9223372036854775807",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "1".repeat(30),
    "1" + "0".repeat(29),
    "0.5",
    "00000001",
  ];
  for (const left of LEECHERS) {
    row(
      `H13 left ${left === undefined ? "missing" : `"${left}"`}: a leecher`,
      ({ client }) => expectCounted(client, { left }, { complete: 0, incomplete: 1 }),
    );
  }
  for (const left of HUGE) {
    row(
      `H14 left=${left}: a leecher`,
      ({ client }) => expectCounted(client, { left }, { complete: 0, incomplete: 1 }),
    );
  }
  for (const left of ["0", "00", "0".repeat(40)]) {
    row(
      `H15 left=${left}: a seeder`,
      ({ client }) => expectCounted(client, { left }, { complete: 1, incomplete: 0 }),
    );
  }

  for (const event of ["", "empty", "foo", "STARTED", "stopped%00", "stoppedx", "%73tarte"]) {
    const id = event === "" || event === "empty" ? "H16" : "H18";
    row(`${id} event=${event}: a periodic announce`, async ({ client }) => {
      const infoHash = randomBytes(20);
      await client.announce({ info_hash: infoHash, port: 6882 });
      const answer = await client.announce({ info_hash: infoHash, event });
      assert.equal(answer.incomplete, 2);
      assert.equal(answer.peers.length, 1);
    });
  }

  row("H17 event=paused: a partial seed, counted as incomplete", async ({ client }) => {
    const infoHash = randomBytes(20);
    const answer = await client.announce({ info_hash: infoHash, event: "paused", left: 7 });
    assert.deepEqual([answer.complete, answer.incomplete], [0, 1]);
    await client.announce({ info_hash: infoHash, port: 6882, left: 7 });
    assert.equal((await client.counts(infoHash)).incomplete, 2);
  });

  row("H17 partial seeds are no downloaders (BEP 21)", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash, event: "paused", left: 7 });
    const answer = await client.announce({ info_hash: infoHash, port: 6882, left: 7 });
    if (answer.dictionary.has("downloaders")) {
      assert.equal(integerAt(answer.dictionary, "downloaders"), 1);
    }
    assert.equal((await client.counts(infoHash)).incomplete, 2);
    assert.equal(await client.downloaders(infoHash), 1);
  });

  row("H19 event=stopped: the peer is gone, and gets no peers", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash, port: 6881 });
    await client.announce({ info_hash: infoHash, port: 6882 });
    const answer = await client.announce({ info_hash: infoHash, event: "stopped" });
    assert.equal(answer.incomplete, 1);
    assert.deepEqual(answer.dictionary.get("peers"), new Uint8Array());
    assert.deepEqual(answer.peers6, []);
    const { peers } = await client.announce({ info_hash: infoHash, port: 6882 });
    assert.deepEqual(peers, []);
  });

  row("H19 event=stopped of an unknown peer creates nothing", async ({ client }) => {
    await expectCounted(client, { event: "stopped" }, { complete: 0, incomplete: 0 });
  });

  row("H20 numwant: the default, none or as many as asked for", async ({ client }) => {
    const infoHash = randomBytes(20);
    await fill(client, { infoHash, peerCount: 60 });
    const count = async (numwant?: string) => {
      const request = { info_hash: infoHash, port: 6881, numwant };
      const { peers, incomplete } = await client.announce(request);
      assert.equal(incomplete, 61, "Counts do not depend on numwant");
      assert.equal(new Set(peers.map(({ port }) => port)).size, peers.length, "No peer twice");
      return peers.length;
    };
    for (const numwant of [undefined, "-1", "abc", "", "3x", "-99999999999999999999"]) {
      assert.equal(await count(numwant), DEFAULT_PEER_COUNT, `numwant=${numwant}`);
    }
    assert.equal(await count("0"), 0);
    assert.equal(await count("3"), 3);
    assert.equal(await count("003"), 3);
  });

  const fewPeers = { configuration: { protocol: { max_peers: 20 } } };
  suite.ownRow("H20 numwant is capped at max_peers", fewPeers, async ({ client }) => {
    const infoHash = randomBytes(20);
    await fill(client, { infoHash, peerCount: 30 });
    for (const numwant of ["20", "21", "100000", "4294967296", "99999999999999999999", undefined]) {
      const { peers } = await client.announce({ info_hash: infoHash, port: 6881, numwant });
      assert.equal(peers.length, 20, `numwant=${numwant}`);
    }
  });

  row("B2 values are percent-decoded whatever they are", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash, left: "%30", port: "%36881", event: "start%65d" });
    const { peers, complete } = await client.announce({ info_hash: infoHash, port: 6882 });
    assert.equal(complete, 1);
    assert.deepEqual(peers, [{ address: "127.0.0.1", port: 6881 }]);
  });

  row("H21 without uploaded and downloaded, or with nonsense", async ({ client }) => {
    await client.announce({ uploaded: undefined, downloaded: undefined });
    await client.announce({ uploaded: "", downloaded: "abc" });
    await client.announce({ uploaded: "-1", downloaded: "9".repeat(30) });
  });

  row("H28 IPv4 and IPv6 peers in one answer", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const sixth = await open("::1");
    await client.announce({ info_hash: infoHash, port: 4001 });
    await sixth.announce({ info_hash: infoHash, port: 6001 });
    for (const asking of [client, sixth]) {
      const answer = await asking.announce({ info_hash: infoHash, port: 9001 });
      assert.ok(answer.peers.some(({ port }) => port === 4001));
      assert.ok(answer.peers6.some(({ port }) => port === 6001));
      assert.ok(answer.peers6.every(({ address }) => address === "::1"));
      await asking.announce({ info_hash: infoHash, port: 9001, event: "stopped" });
    }
  }, { ignore: !HAS_IPV6 });

  row("H28 both families share numwant", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    await fill(client, { infoHash, peerCount: 30 });
    await fill(await open("::1"), { infoHash, peerCount: 30 });
    const answer = await client.announce({ info_hash: infoHash, numwant: 20 });
    assert.equal(answer.incomplete, 61);
    assert.equal(answer.peers.length + answer.peers6.length, 20);
    assert.ok(answer.peers.length > 0 && answer.peers6.length > 0, "Some of each family");
  }, { ignore: !HAS_IPV6 });

  row("H29 an IPv6-only swarm: peers empty, peers6 filled", async ({ open }) => {
    const infoHash = randomBytes(20);
    const client = await open("::1");
    await client.announce({ info_hash: infoHash, port: 6001 });
    const answer = await client.announce({ info_hash: infoHash, port: 6002 });
    assert.deepEqual(answer.dictionary.get("peers"), new Uint8Array());
    assert.deepEqual(answer.peers6, [{ address: "::1", port: 6001 }]);
  }, { ignore: !HAS_IPV6 });

  row("H30 compact=0: peers of both families in the one list", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    const sixth = await open("::1");
    await client.announce({ info_hash: infoHash, port: 4001 });
    await sixth.announce({ info_hash: infoHash, port: 6001 });
    const request = { info_hash: infoHash, port: 9001, compact: 0 };
    const { list, dictionary } = await client.announce(request);
    const sorted = list!.toSorted((a, b) => a.port - b.port);
    assert.deepEqual(sorted, [{ ip: "127.0.0.1", port: 4001 }, { ip: "::1", port: 6001 }]);
    assert.ok(!dictionary.has("peers6"));
  }, { ignore: !HAS_IPV6 });

  const telling = { configuration: { protocol: { external_ip: true } } };
  suite.ownRow("H31 the external ip: 4 or 16 bytes", telling, async ({ client, open }) => {
    const { dictionary } = await client.announce();
    assert.deepEqual(stringAt(dictionary, "external ip"), Uint8Array.of(127, 0, 0, 1));
    if (!HAS_IPV6) return;
    const sixth = await (await open("::1")).announce();
    const expected = new Uint8Array(16);
    expected[15] = 1;
    assert.deepEqual(stringAt(sixth.dictionary, "external ip"), expected);
  });

  row("H31 no external ip unless asked for", async ({ client }) => {
    const { dictionary } = await client.announce();
    assert.ok(!dictionary.has("external ip"));
  });

  row("H56 one peer id over IPv4 and IPv6 at once: two peers", async ({ client, open }) => {
    const request = { info_hash: randomBytes(20), ipv4: "8.8.8.8", ipv6: "2001:db8::1", key: "ab" };
    const sixth = await open("::1");
    await Promise.all([client.announce(request), sixth.announce(request)]);
    const answer = await client.announce(request);
    assert.equal(answer.incomplete, 2);
    assert.deepEqual(answer.peers, []);
    assert.deepEqual(answer.peers6, [{ address: "::1", port: 6881 }]);
  }, { ignore: !HAS_IPV6 });

  row("a completed download is counted once, and only without anything left", async (context) => {
    const { client } = context;
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash });
    await client.announce({ info_hash: infoHash, event: "completed", left: 7 });
    assert.equal((await client.counts(infoHash)).downloaded, 0);
    for (let repeat = 0; repeat < 2; repeat++) {
      await client.announce({ info_hash: infoHash, event: "completed", left: 0 });
      const counts = await client.counts(infoHash);
      assert.deepEqual(counts, { complete: 1, downloaded: 1, incomplete: 0 });
    }
    await client.announce({ info_hash: infoHash, left: 5 });
    const counts = await client.counts(infoHash);
    assert.deepEqual(counts, { complete: 0, downloaded: 1, incomplete: 1 }, "Downgraded");
  });

  row("a seeder gets leechers and no seeders", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.announce({ info_hash: infoHash, port: 2000 });
    for (const port of [7001, 7002]) await client.announce({ info_hash: infoHash, port, left: 0 });
    const request = { info_hash: infoHash, port: 7001, left: 0, numwant: 1 };
    assert.deepEqual((await client.announce(request)).peers.map(({ port }) => port), [2000]);
  });
});

/** Announces one peer to a new torrent, and expects these counts in the answer and in a scrape. */
async function expectCounted(
  client: HttpConnection,
  parameters: Parameters,
  expected: { complete: number; incomplete: number },
): Promise<void> {
  const infoHash = randomBytes(20);
  const { complete, incomplete } = await client.announce({ info_hash: infoHash, ...parameters });
  assert.deepEqual({ complete, incomplete }, expected);
  assert.deepEqual(await client.counts(infoHash), { ...expected, downloaded: 0 });
}

/** Announces leechers on the ports from 2000 on. */
async function fill(
  client: HttpConnection,
  options: { infoHash: Uint8Array; peerCount: number },
): Promise<void> {
  const { infoHash, peerCount } = options;
  for (let index = 0; index < peerCount; index++) {
    await client.announce({ info_hash: infoHash, port: 2000 + index, numwant: 0 });
  }
}
