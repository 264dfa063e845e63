/** Rows U32–U39: what may follow byte 98 of an announce. (BEP 41; protocols.md A7.)
 *
 * Here each must be accepted and stored; what URLData was understood is for the core's own tests.
 */
import { strict as assert } from "node:assert";
import { ascii, concat, fromHex, randomBytes } from "../../support/packets.ts";
import { forEachDriver, Suite } from "../../support/suite.ts";

const ROWS: [name: string, options: Uint8Array][] = [
  ["U32 two zero bytes (aria2)", fromHex("0000")],
  ["U33 URLData /announce (libtorrent)", concat(fromHex("02 09"), ascii("/announce"))],
  [
    "U34 URLData, two NOPs, the end and two bytes more",
    concat(fromHex("02 0c"), ascii("/dir?a=b&c=d"), fromHex("01 01 00 ff ff")),
  ],
  [
    "U35 URLData in two chunks",
    concat(fromHex("02 ff"), ascii("/" + "a".repeat(254)), fromHex("02 0a"), ascii("b".repeat(10))),
  ],
  ["U36 URLData longer than the packet", fromHex("02 ff 41")],
  ["U37 unknown types 76 and 09", fromHex("76 00 09 02 ff ff 00")],
  ["U37 an unknown type 76 and the end", fromHex("76 00 00")],
  ["U38 empty URLData", fromHex("02 00")],
  ["U39 padding up to 1500 bytes", concat(fromHex("00"), new Uint8Array(1500 - 99).fill(0xff))],
  ["an option without its length", fromHex("02")],
  ["1402 NOPs", new Uint8Array(1402).fill(1)],
];

forEachDriver((driver, ignore) => {
  const suite = new Suite({ driver, ignore });
  for (const [name, options] of ROWS) {
    suite.row(`${name}: accepted`, async ({ client }) => {
      const infoHash = randomBytes(20);
      const reply = await client.announce({ infoHash, options });
      assert.equal(reply.leechers, 1);
      const counts = await client.counts(infoHash);
      assert.deepEqual(counts, { seeders: 0, completed: 0, leechers: 1 });
    });
  }
});
