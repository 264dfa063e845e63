/** Row U52 and whom the access list and the list of denied clients let in. */
import { strict as assert } from "node:assert";
import type { Configuration } from "../../support/configuration.ts";
import { EVENT_STOPPED, randomBytes, toHex } from "../../support/packets.ts";
import { type Server, startServer } from "../../support/server.ts";
import { forEachDriver } from "../../support/suite.ts";
import { UdpClient } from "../../support/udp_client.ts";

const listed = randomBytes(20);
const alsoListed = randomBytes(20);

/** Every spelling that a list may use. */
const LIST = [
  "# comment",
  toHex(listed).toUpperCase() + "\r",
  "",
  "   ",
  toHex(alsoListed),
].join("\n");

forEachDriver((driver, ignore) => {
  const test = (
    name: string,
    configuration: (directory: string) => Configuration,
    judge: (server: Server) => Promise<void>,
  ) =>
    Deno.test({
      name: `${name} [${driver}]`,
      ignore,
      fn: async () => {
        const files = { "list.txt": LIST, "denied.txt": "# comment\n127.0.0.3\n127.0.4.0/24\n" };
        await using server = await startServer({ driver, configuration, files });
        await judge(server);
      },
    });

  const withMode = (mode: string) => (directory: string) => ({
    access_list: { mode, path: `${directory}/list.txt` },
  });

  test(
    "U52 a blacklisted torrent: an error with the transaction id",
    withMode("black"),
    (server) =>
      useClient(server, "127.0.0.1", async (client) => {
        for (const infoHash of [listed, alsoListed]) await expectRefusal(client, infoHash);
        await expectService(client, randomBytes(20));
      }),
  );

  test(
    "U52 a torrent not on the whitelist: an error",
    withMode("white"),
    (server) =>
      useClient(server, "127.0.0.1", async (client) => {
        for (const infoHash of [listed, alsoListed]) await expectService(client, infoHash);
        await expectRefusal(client, randomBytes(20));
      }),
  );

  test(
    "mode off lets everything in",
    withMode("off"),
    (server) =>
      useClient(server, "127.0.0.1", async (client) => {
        await expectService(client, listed);
        await expectService(client, randomBytes(20));
      }),
  );

  const denying = (directory: string): Configuration => ({
    network: { address: "0.0.0.0:0" },
    access_list: {
      deny_clients: ["127.0.0.2/32", "127.0.2.0/24", "::1/128"],
      deny_clients_path: `${directory}/denied.txt`,
    },
  });

  test("denied clients get silence, others are served", denying, async (server) => {
    const port = server.addresses[0].split(":").at(-1);
    await using allowed = new UdpClient("127.0.0.1", `127.0.0.1:${port}`);
    await allowed.connect();
    for (const hostname of ["127.0.0.2", "127.0.2.9", "127.0.3.9", "127.0.0.3", "127.0.4.7"]) {
      await using client = new UdpClient(hostname, `127.0.0.1:${port}`);
      if (hostname === "127.0.3.9") {
        await client.connect();
        continue;
      }
      await client.send(client.announcePacket({}));
      await client.expectSilence(allowed);
    }
  });
});

async function useClient(
  server: Server,
  hostname: string,
  use: (client: UdpClient) => Promise<void>,
): Promise<void> {
  await using client = new UdpClient(hostname, server.address("127.0.0.1"));
  await client.connect();
  await use(client);
}

async function expectRefusal(client: UdpClient, infoHash: Uint8Array): Promise<void> {
  const reply = await client.exchange(client.announcePacket({ infoHash }), "error");
  assert.match(reply.message, /not allowed|access list|disallowed|denied|forbidden/i);
  await client.exchange(client.announcePacket({ infoHash, event: EVENT_STOPPED }), "error");
}

async function expectService(client: UdpClient, infoHash: Uint8Array): Promise<void> {
  assert.equal((await client.announce({ infoHash })).leechers, 1);
  assert.equal((await client.counts(infoHash)).leechers, 1);
}
