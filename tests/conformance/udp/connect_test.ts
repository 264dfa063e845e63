/**
 * Rows U1–U9, U12–U14, U48, U53: connection ids, and what is dropped. (BEP 15, "connect";
 * protocols.md A3 and A6.)
 */
import { strict as assert } from "node:assert";
import {
  ACTION_ANNOUNCE,
  ACTION_SCRAPE,
  ascii,
  concat,
  fromHex,
  PROTOCOL_ID,
  randomBytes,
  toHex,
  writeConnect,
  writeHeader,
} from "../../support/packets.ts";
import { startServer } from "../../support/server.ts";
import { forEachDriver, Suite } from "../../support/suite.ts";
import { findFreePort, UdpClient } from "../../support/udp_client.ts";

forEachDriver((driver, ignore) => {
  const suite = new Suite({ driver, ignore });

  suite.row("U1 connect: 16 bytes, the transaction id, an id that is not 0", async ({ client }) => {
    const request = fromHex("0000041727101980 00000000 12345678");
    const reply = await client.exchange(request, "connect");
    assert.equal(reply.transactionId, 0x12345678);
    assert.notEqual(toHex(reply.connectionId), "0000000000000000");
  });

  suite.row("U2 ids of two source ports work from either", async ({ client, open }) => {
    const other = await open();
    assert.notEqual(client.sourcePort, other.sourcePort);
    const [own, others] = [client.connectionId, other.connectionId];
    for (const connectionId of [own, others]) {
      await client.announce({ connectionId });
      await other.announce({ connectionId });
    }
  });

  suite.row("U3 connect with 4 trailing bytes is answered", async ({ client }) => {
    const request = writeConnect(client.nextTransactionId());
    await client.exchange(concat(request, fromHex("deadbeef")), "connect");
  });

  suite.row("U4 connect with the magic off by one is dropped", async ({ client }) => {
    await client.expectDrops(
      writeConnect(client.nextTransactionId(), PROTOCOL_ID + 1n),
      writeConnect(client.nextTransactionId(), PROTOCOL_ID - 1n),
      writeConnect(client.nextTransactionId(), 0n),
    );
  });

  suite.row("U5 datagrams of 0, 1, 8 and 15 bytes are dropped", async ({ client }) => {
    const request = writeConnect(client.nextTransactionId());
    await client.expectDrops(...[0, 1, 8, 15].map((byteLength) => request.slice(0, byteLength)));
    const announce = client.announcePacket({});
    await client.expectDrops(...[0, 1, 8, 15].map((byteLength) => announce.slice(0, byteLength)));
  });

  suite.row("U6 transaction ids 0 and ffffffff are echoed", async ({ client }) => {
    for (const transactionId of [0, 0xffffffff, 0x80000000]) {
      const reply = await client.exchange(writeConnect(transactionId), "connect");
      assert.equal(reply.transactionId, transactionId);
      await client.announce({ transactionId });
    }
  });

  suite.row("U7 announce with a random connection id is dropped", async ({ client }) => {
    const infoHash = randomBytes(20);
    await client.expectDrops(
      client.announcePacket({ infoHash, connectionId: randomBytes(8) }),
      client.announcePacket({ infoHash, connectionId: new Uint8Array(8) }),
      client.announcePacket({ infoHash, connectionId: new Uint8Array(8).fill(255) }),
    );
    assert.deepEqual(await client.counts(infoHash), { seeders: 0, completed: 0, leechers: 0 });
  });

  suite.row("U8 a connection id of another source address is dropped", async ({ client, open }) => {
    const other = await open("127.0.0.2");
    await client.expectDrops(client.announcePacket({ connectionId: other.connectionId }));
    await other.expectDrops(other.announcePacket({ connectionId: client.connectionId }));
    await client.announce({});
    await other.announce({});
  });

  suite.row(
    "U9 16 bytes of action 1 or 2 with a bad id get no longer reply",
    async ({ client }) => {
      const transactionId = client.nextTransactionId();
      await client.expectDrops(
        writeHeader({ connectionId: randomBytes(8), action: ACTION_ANNOUNCE, transactionId }),
        writeHeader({ connectionId: randomBytes(8), action: ACTION_SCRAPE, transactionId }),
      );
    },
  );

  suite.row("U12 an id with any bit changed, its time too, is dropped", async ({ client }) => {
    const forgeries = Array.from({ length: 64 }, (_, bit) => {
      const connectionId = client.connectionId.slice();
      connectionId[bit >> 3] ^= 0x80 >> (bit & 7);
      return client.announcePacket({ connectionId });
    });
    await client.expectDrops(...forgeries);
    await client.announce({});
  });

  suite.row("U12 an id whose 16 bits of time were moved on is dropped", async ({ client }) => {
    const forgeries = [1, 2, 5, 60, 120, 121, 0x7fff, 0x8000].map((seconds) => {
      const connectionId = client.connectionId.slice();
      const view = new DataView(connectionId.buffer);
      view.setUint16(0, view.getUint16(0) + seconds);
      return client.announcePacket({ connectionId });
    });
    await client.expectDrops(...forgeries);
  });

  suite.row("U13 the magic constant is no connection id", async ({ client }) => {
    const connectionId = fromHex("0000041727101980");
    await client.expectDrops(client.announcePacket({ connectionId }));
  });

  suite.row("U53 a DHT ping is dropped", async ({ client }) => {
    const ping = ascii("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe");
    await client.expectDrops(ping);
  });

  suite.row("U48 actions 3, 4, 255 and ffffffff are dropped", async ({ client }) => {
    const { connectionId } = client;
    const packets = [3, 4, 255, 0xffffffff].flatMap((action) => {
      const transactionId = client.nextTransactionId();
      const header = writeHeader({ connectionId, action, transactionId });
      return [header, concat(header, new Uint8Array(82)), concat(header, randomBytes(94))];
    });
    await client.expectDrops(...packets);
  });

  Deno.test({
    name: `U14 an id of port X works on port Y of the same server [${driver}]`,
    ignore,
    fn: async () => {
      const second = `127.0.0.1:${findFreePort()}`;
      const address = ["127.0.0.1:0", second];
      await using server = await startServer({ driver, configuration: { network: { address } } });
      const first = server.addresses.find((candidate) => candidate !== second)!;
      await using client = new UdpClient("127.0.0.1", first);
      await client.connect();
      const infoHash = randomBytes(20);
      await client.announce({ infoHash });
      client.tracker.port = Number(second.split(":")[1]);
      assert.equal((await client.announce({ infoHash })).leechers, 1);
    },
  });
});
