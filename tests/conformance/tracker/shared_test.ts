/** One process for several protocols: what one of them is told, the others know. */
import { strict as assert } from "node:assert";
import { nativeIsAvailable } from "../../support/configuration.ts";
import { announceHttp, announceRefusal, scrapeHttp } from "../../support/http_announce.ts";
import { randomBytes } from "../../support/packets.ts";
import { runFailing, startServer } from "../../support/server.ts";
import { UdpClient } from "../../support/udp_client.ts";

const ADDRESS = "127.0.0.1:0";
const BOTH = {
  udp: { network: { address: ADDRESS } },
  http: { network: { address: ADDRESS } },
};

async function connectUdp(tracker: string): Promise<UdpClient> {
  const client = new UdpClient("127.0.0.1", tracker);
  await client.connect();
  return client;
}

for (const io of ["deno", "native"]) {
  Deno.test({
    name: `a peer that announces over UDP is returned over HTTP, and the reverse [${io}]`,
    ignore: io === "native" && !nativeIsAvailable(),
    async fn() {
      await using server = await startServer({
        driver: "tracker",
        configuration: { ...BOTH, udp: { network: { address: ADDRESS, io } } },
      });
      const http = server.addressOf("http");
      await using udp = await connectUdp(server.addressOf("udp"));
      const infoHash = randomBytes(20);
      await udp.announce({ infoHash, port: 1001 });
      const overHttp = await announceHttp(http, { infoHash, port: 1002, left: 0 });
      assert.deepEqual(overHttp.peers, [{ address: "127.0.0.1", port: 1001 }]);
      const overUdp = await udp.announce({ infoHash, port: 1003 });
      assert.deepEqual(overUdp.peers.map(({ port }) => port).sort(), [1001, 1002]);
      assert.deepEqual([overUdp.seeders, overUdp.leechers], [1, 2]);
      assert.deepEqual(await scrapeHttp(http, infoHash), await udp.counts(infoHash));
    },
  });
}

Deno.test("one access list holds for all protocols, and one reload replaces it", async () => {
  const [first, second] = [randomBytes(20), randomBytes(20)];
  await using server = await startServer({
    driver: "tracker",
    files: { "list.txt": `${first.toHex()}\n` },
    configuration: (directory) => ({
      ...BOTH,
      access_list: { mode: "black", path: `${directory}/list.txt` },
    }),
  });
  const http = server.addressOf("http");
  await using udp = await connectUdp(server.addressOf("udp"));
  const refused = async (infoHash: Uint8Array) => {
    await udp.exchange(udp.announcePacket({ infoHash }), "error");
    await announceRefusal(http, { infoHash });
  };
  await refused(first);
  await Deno.writeTextFile(`${server.directory}/list.txt`, `${second.toHex()}\n`);
  const since = server.records.length;
  server.signal("SIGHUP");
  await server.waitForRecord(({ message }) => message.startsWith("Reloaded"), {
    since,
    what: "the reload",
  });
  await refused(second);
  await udp.announce({ infoHash: first });
  await announceHttp(http, { infoHash: first, port: 1002 });
});

Deno.test("a protocol whose table is absent is off", async () => {
  await using server = await startServer({
    driver: "tracker",
    configuration: { http: { network: { address: ADDRESS } } },
  });
  assert.deepEqual(server.records.map(({ category }) => category), ["http"]);
});

Deno.test("socket_workers may be auto, for every protocol", async () => {
  await using server = await startServer({
    driver: "tracker",
    configuration: {
      udp: { socket_workers: "auto", network: { address: ADDRESS } },
      http: { socket_workers: "auto", network: { address: ADDRESS } },
    },
  });
  await announceHttp(server.addressOf("http"), {});
});

Deno.test("an address that cannot be had is told with its file, line and key", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await using server = await runFailing({
    driver: "tracker",
    configuration: { ...BOTH, http: { network: { address: `127.0.0.1:${port}` } } },
  });
  assert.equal((await server.ended).code, 69);
  assert.match(server.log, /riptide\.toml:\d+: "http\.network\.address": Cannot listen on/);
});
