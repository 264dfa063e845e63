/** Row W37: WebTorrent and HTTP in one process, on one torrent. (D.) */
import { strict as assert } from "node:assert";
import { HttpConnection } from "../../support/http_client.ts";
import { randomBytes } from "../../support/packets.ts";
import { startServer } from "../../support/server.ts";
import { parseAddress } from "../../support/udp_client.ts";
import { makeOffers, WsConnection } from "../../support/ws_client.ts";

Deno.test("W37 HTTP gets no WebTorrent peers, and offers reach no peers of HTTP", async () => {
  const network = { address: "127.0.0.1:0" };
  await using server = await startServer({
    driver: "tracker",
    configuration: { http: { network }, ws: { network } },
  });
  const endpoints = server.addresses.map((address) => {
    const { port } = parseAddress(address);
    return { hostname: "127.0.0.1", port };
  });
  assert.equal(endpoints.length, 2);
  // WebTorrent starts first.
  await using web = await WsConnection.open(endpoints[0]);
  await using http = await HttpConnection.open(endpoints[1]);
  const infoHash = randomBytes(20);
  await http.announce({ info_hash: infoHash, port: 4001 });
  const extra = { offers: makeOffers(5), left: 0 };
  const counts = await web.announce({ infoHash, peerId: randomBytes(20), extra });
  assert.deepEqual(counts, { complete: 1, incomplete: 0 });
  await web.expectQuiet();
  const answer = await http.announce({ info_hash: infoHash, port: 4002 });
  assert.deepEqual(answer.peers.map(({ port }) => port), [4001]);
  assert.deepEqual(answer.peers6, []);
  assert.equal(answer.incomplete, 2);
  assert.equal((await http.counts(infoHash)).complete, 0);
});
