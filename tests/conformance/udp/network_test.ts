/** Rows U49–U51 and U54: address families and local addresses. (protocols.md A2.) */
import { strict as assert } from "node:assert";
import { HAS_IPV6 } from "../../support/configuration.ts";
import { randomBytes } from "../../support/packets.ts";
import { canSendRaw, sendRaw } from "../../support/raw_socket.ts";
import { type ServerOptions, startServer } from "../../support/server.ts";
import { forEachDriver, Suite } from "../../support/suite.ts";
import { parseAddress, UdpClient } from "../../support/udp_client.ts";

const RAW = await canSendRaw();

/** An IPv6 address of this machine beside `::1`, if it has one. */
const OTHER_IPV6 = Deno.networkInterfaces().find(({ family, address }) =>
  family === "IPv6" && address !== "::1" && !address.startsWith("fe80")
)?.address;

forEachDriver((driver, ignore) => {
  const suite = new Suite({ driver, ignore });

  suite.row("U49 IPv6 peers are told of IPv6 peers only", async ({ client, open }) => {
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, port: 4001 });
    const first = await open("::1");
    const alone = await first.announce({ infoHash, port: 6001 });
    assert.deepEqual(alone.peers, []);
    const second = await open("::1");
    const reply = await second.announce({ infoHash, port: 6002 });
    assert.equal(reply.byteLength, 20 + 18);
    assert.deepEqual(reply.peers, [{ address: "::1", port: 6001 }]);
    const other = await client.announce({ infoHash, port: 4002 });
    assert.deepEqual(other.peers, [{ address: "127.0.0.1", port: 4001 }]);
  }, { ignore: !HAS_IPV6 });

  suite.row("U49 at most 76 IPv6 peers fit 1400 bytes", async ({ open }) => {
    const infoHash = randomBytes(20);
    const client = await open("::1");
    for (let port = 2000; port < 2100; port++) await client.announce({ infoHash, port });
    const { byteLength, peers } = await client.announce({ infoHash, numWant: 200 });
    assert.equal(peers.length, 76);
    assert.equal(byteLength, 20 + 76 * 18);
    assert.equal(new Set(peers.map(({ port }) => port)).size, 76, "No peer twice");
  }, { ignore: !HAS_IPV6 });

  suite.row("U54 a packet from source port 0 is ignored", async ({ client, server }) => {
    const { port } = parseAddress(server.address("127.0.0.1"));
    for (const [sourcePort, leechers] of [[6881, 1], [0, 0]]) {
      const infoHash = randomBytes(20);
      const packet = client.announcePacket({ infoHash });
      await sendRaw(packet, { sourcePort, destinationPort: port });
      const counts = await client.counts(infoHash);
      assert.deepEqual(counts, { seeders: 0, completed: 0, leechers }, `From port ${sourcePort}`);
    }
  }, { ignore: !RAW });

  const test = (name: string, needed: boolean, fn: () => Promise<void>) =>
    Deno.test({ name: `${name} [${driver}]`, ignore: ignore || !needed, fn });

  const start = (address: string | string[]) =>
    startServer({ driver, configuration: { network: { address } } } as ServerOptions);

  test("U50 an IPv4 client of a socket on [::] gets 6-byte peers", HAS_IPV6, async () => {
    await using server = await start("[::]:0");
    const { port } = parseAddress(server.addresses[0]);
    await using first = new UdpClient("127.0.0.1", { hostname: "127.0.0.1", port });
    await using second = new UdpClient("127.0.0.2", { hostname: "127.0.0.1", port });
    await using third = new UdpClient("::1", { hostname: "::1", port });
    for (const client of [first, second, third]) await client.connect();
    const infoHash = randomBytes(20);
    await first.announce({ infoHash, port: 4001 });
    await third.announce({ infoHash, port: 6001 });
    const reply = await second.announce({ infoHash, port: 4002 });
    assert.equal(reply.byteLength, 20 + 6);
    assert.deepEqual(reply.peers, [{ address: "127.0.0.1", port: 4001 }]);
    const sixth = await third.announce({ infoHash, port: 6002 });
    assert.deepEqual(sixth.peers, [{ address: "::1", port: 6001 }], "No ::ffff: peers");
  });

  test("U50 an IPv4 client keeps its id between a [::] and an IPv4 socket", HAS_IPV6, async () => {
    await using server = await start(["[::]:0", "127.0.0.1:0"]);
    const mapped = parseAddress(server.addresses.find((each) => each.startsWith("["))!);
    await using client = new UdpClient("127.0.0.1", server.address("127.0.0.1"));
    await client.connect();
    const infoHash = randomBytes(20);
    await client.announce({ infoHash });
    client.tracker = { hostname: "127.0.0.1", port: mapped.port };
    const reply = await client.announce({ infoHash });
    assert.equal(reply.leechers, 1, "The same peer");
  });

  test("U51 replies come from the listed address that was asked", true, async () => {
    await using first = await start(["127.0.0.1:0", "127.0.0.2:0"]);
    for (const address of first.addresses) await assertRepliesFrom("127.0.0.1", address);
    assert.deepEqual(first.addresses.map((each) => parseAddress(each).hostname).sort(), [
      "127.0.0.1",
      "127.0.0.2",
    ]);
  });

  test("U51 replies come from the address asked of a wildcard", driver === "native", async () => {
    await using server = await start("0.0.0.0:0");
    const { port } = parseAddress(server.addresses[0]);
    for (const asked of ["127.0.0.1", "127.0.0.2", "127.1.2.3"]) {
      await assertRepliesFrom("127.0.0.1", `${asked}:${port}`);
    }
  });

  const both = driver === "native" && HAS_IPV6;
  test("U51 the same on [::] for IPv4", both, async () => {
    await using server = await start("[::]:0");
    const { port } = parseAddress(server.addresses[0]);
    await assertRepliesFrom("127.0.0.1", `127.0.0.2:${port}`);
    await assertRepliesFrom("::1", `[::1]:${port}`);
  });

  test("U51 the same on [::] for IPv6", both && OTHER_IPV6 !== undefined, async () => {
    await using server = await start("[::]:0");
    const { port } = parseAddress(server.addresses[0]);
    await assertRepliesFrom("::1", `[${OTHER_IPV6}]:${port}`);
    await assertRepliesFrom(OTHER_IPV6!, `[::1]:${port}`);
  });
});

/** Connects, announces and scrapes from `hostname`; the client checks where replies come from. */
async function assertRepliesFrom(hostname: string, asked: string): Promise<void> {
  await using client = new UdpClient(hostname, asked);
  await client.connect();
  const infoHash = randomBytes(20);
  assert.equal((await client.announce({ infoHash })).leechers, 1);
  assert.equal((await client.counts(infoHash)).leechers, 1);
}
