import { strict as assert } from "node:assert";
import { OfferBook, OfferShelf } from "../../../bench/load/ws_offers.ts";
import {
  defaultWsLoadConfig,
  parseWsLoadConfig,
  printWsLoadConfig,
  type WsLoadConfig,
} from "../../../bench/load/ws_config.ts";
import { createSdp, WsRequests } from "../../../bench/load/ws_requests.ts";
import { runWsLoad } from "../../../bench/load/ws.ts";

const ignore = Deno.build.os !== "linux";
const encoder = new TextEncoder();

Deno.test("parseWsLoadConfig() reads what printWsLoadConfig() writes, unchanged", () => {
  assert.deepEqual(parseWsLoadConfig(printWsLoadConfig()), defaultWsLoadConfig());
  assert.match(printWsLoadConfig(), /^server_address = "127\.0\.0\.1:3000"$/m);
  assert.match(printWsLoadConfig(), /^duration = 10$/m);
  assert.throws(() => parseWsLoadConfig("[torrents]\nsdp_bytes = 9"), /sdp_bytes is not from 40/);
});

Deno.test("WsRequests writes frames whose messages have the ids that were filled in", () => {
  const sdp = createSdp(200);
  const mask = Uint8Array.of(1, 2, 3, 4);
  const requests = new WsRequests({ offerCount: 2, sdp, scrapeTorrents: 2, mask });
  const hashes = encoder.encode("A".repeat(20) + "B".repeat(20));
  const output = new Uint8Array(4096);
  const end = requests.writeAnnounce(output, 7, {
    event: 2,
    isSeeder: false,
    hashes,
    hashOffset: 20,
    peerId: encoder.encode("C".repeat(20)),
    offerIds: encoder.encode("D".repeat(20) + "E".repeat(20)),
  });
  const announce = readFrame(output.subarray(7, end));
  assert.equal(announce.info_hash, "B".repeat(20));
  assert.equal(announce.peer_id, "C".repeat(20));
  assert.equal(announce.event, "started");
  assert.equal(announce.left, 50);
  assert.deepEqual(announce.offers, [
    { offer_id: "D".repeat(20), offer: { type: "offer", sdp } },
    { offer_id: "E".repeat(20), offer: { type: "offer", sdp } },
  ]);

  const answerEnd = requests.writeAnswer(output, 0, {
    infoHash: "F".repeat(20),
    peerId: encoder.encode("C".repeat(20)),
    toPeerId: "G".repeat(20),
    offerId: "H".repeat(20),
  });
  assert.deepEqual(readFrame(output.subarray(0, answerEnd)), {
    action: "announce",
    info_hash: "F".repeat(20),
    peer_id: "C".repeat(20),
    to_peer_id: "G".repeat(20),
    offer_id: "H".repeat(20),
    answer: { type: "answer", sdp },
  });

  let torrent = 0;
  const scrapeEnd = requests.writeScrape(output, 0, { hashes, torrent: () => torrent++ });
  assert.deepEqual(readFrame(output.subarray(0, scrapeEnd)).info_hash, [
    "A".repeat(20),
    "B".repeat(20),
  ]);
});

Deno.test("OfferShelf knows when an offer of any connection was made", () => {
  const shelf = new OfferShelf();
  const books = [shelf.open(3, 1), shelf.open(4, 1)];
  const ids = books.map((book, index) => new TextDecoder().decode(book.make(70 + index)));
  assert.deepEqual(ids.map((id) => shelf.madeAt(id)), [70, 71]);
  books[0]!.take(ids[0]!);
  assert.equal(shelf.madeAt(ids[0]!), 70, "also behind its answer");
  assert.equal(shelf.madeAt(`000005${ids[0]!.slice(6)}`), undefined);
  for (let batch = 0; batch < 300; ++batch) books[1]!.make(80);
  assert.equal(shelf.madeAt(ids[1]!), 0, "too old to remember");
});

Deno.test("OfferBook takes each of its ids back once, and no other", () => {
  const book = new OfferBook(12, 2);
  const ids = new TextDecoder().decode(book.make(77));
  const [first, second] = [ids.slice(0, 20), ids.slice(20)];
  assert.equal(book.take(first), 77);
  assert.equal(book.take(first), undefined);
  assert.equal(book.take(second), 77);
  assert.equal(new OfferBook(13, 2).take(first), undefined);
  assert.equal(book.take("x".repeat(20)), undefined);
  for (let batch = 0; batch < 300; ++batch) book.make(78);
  assert.equal(book.take(second), 0, "too old to remember");
});

for (const io of ["native", "deno"] as const) {
  Deno.test({ name: `runWsLoad() has offers answered, io = ${io}`, ignore }, async () => {
    await using tracker = startTracker();
    const config = { ...smallConfig(tracker.port), io };
    config.torrents.weight_scrape = 1;
    const report = await runWsLoad(config);
    assert.ok(report.valid, JSON.stringify(report));
    const { announce, scrape, offer, answer } = report.responses;
    assert.ok(announce! > 0 && scrape! > 0 && offer! > 0 && answer! > 0);
    const { relay_microseconds: relay, round_trip_microseconds: roundTrip } = report;
    assert.ok(relay!.p50 > 0 && relay!.p50 < roundTrip!.p50, "an answer takes two relays");
  });
}

for (
  const [name, counted, spoil] of [
    ["no JSON", "malformed", () => "oops"],
    ["without an interval", "malformed", (text: string) => text.replace(',"interval":120', "")],
    ["of an interval of 0", "impossible", (text: string) => text.replace(":120", ":0")],
    [
      "for another torrent",
      "unknown_transaction",
      (text: string) => text.replace(/"info_hash":"[^"]*"/, `"info_hash":"${"z".repeat(20)}"`),
    ],
  ] as const
) {
  Deno.test({ name: `runWsLoad() fails a tracker whose reply is ${name}`, ignore }, async () => {
    await using tracker = startTracker(spoil);
    const config = smallConfig(tracker.port);
    config.torrents.offers_per_request = 0;
    const report = await runWsLoad(config);
    assert.equal(report.valid, false);
    for (const [kind, count] of Object.entries(report.invalid)) {
      assert.equal(count > 0, kind === counted, `${kind}: ${count}`);
    }
  });
}

function smallConfig(port: number): WsLoadConfig {
  const config = defaultWsLoadConfig();
  config.server_address = `127.0.0.1:${port}`;
  config.duration = 0.5;
  config.num_connections_per_worker = 4;
  config.torrents.number_of_torrents = 2;
  config.torrents.number_of_peers = 100;
  config.torrents.offers_per_request = 3;
  return config;
}

/** Unmasks a frame and reads its message. */
function readFrame(frame: Uint8Array): Record<string, unknown> {
  const start = (frame[1]! & 127) === 126 ? 8 : 6;
  const mask = frame.subarray(start - 4, start);
  const payload = frame.slice(start).map((byte, index) => byte ^ mask[index & 3]!);
  return JSON.parse(new TextDecoder().decode(payload));
}

/** A tracker that passes offers and answers on; `spoil` may change its replies. */
function startTracker(spoil = (text: string) => text) {
  const peers = new Map<string, WebSocket>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => take(socket, JSON.parse(data));
    return response;
  });
  return {
    port: server.addr.port,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };

  // deno-lint-ignore no-explicit-any -- a message as it came
  function take(socket: WebSocket, message: any): void {
    const { action, info_hash, peer_id } = message;
    if (action === "scrape") {
      const counts = { complete: 0, incomplete: 1, downloaded: 0 };
      const files = Object.fromEntries(info_hash.map((hash: string) => [hash, counts]));
      return send(socket, JSON.stringify({ action, files }));
    }
    peers.set(peer_id, socket);
    if (message.answer !== undefined) {
      const { to_peer_id, offer_id, answer } = message;
      const text = JSON.stringify({ action, info_hash, peer_id, offer_id, answer });
      return send(peers.get(to_peer_id), text);
    }
    const reply = { action, info_hash, complete: 0, incomplete: 1, interval: 120 };
    send(socket, spoil(JSON.stringify(reply)));
    const others = [...peers].filter(([id]) => id !== peer_id);
    (message.offers ?? []).forEach((item: { offer_id: string; offer: unknown }, index: number) => {
      send(others[index]?.[1], JSON.stringify({ action, info_hash, peer_id, ...item }));
    });
  }

  function send(socket: WebSocket | undefined, text: string): void {
    if (socket?.readyState === WebSocket.OPEN) socket.send(text);
  }
}
