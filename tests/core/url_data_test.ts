/** Rows U32–U39: the URLData that the core reads behind byte 98 of an announce (BEP 41). */
import { strict as assert } from "node:assert";
import { DATAGRAM_IN_SIZE, URL_DATA_MAX } from "../../assembly/layout.ts";
import { ascii, concat, fromHex } from "../support/packets.ts";
import { writeAnnounce } from "../model/packets.ts";
import { compileCore, Harness, torrentHash } from "./harness.ts";

const ROWS: [name: string, options: Uint8Array, urlData: string][] = [
  ["U32 two zero bytes (aria2)", fromHex("0000"), ""],
  ["U33 /announce", concat(fromHex("02 09"), ascii("/announce")), "/announce"],
  [
    "U34 the example, two NOPs, the end and two bytes more",
    concat(fromHex("02 0c"), ascii("/dir?a=b&c=d"), fromHex("01 01 00 ff ff")),
    "/dir?a=b&c=d",
  ],
  [
    "U35 two chunks of 255 and 10 bytes are joined",
    concat(fromHex("02 ff"), ascii("/" + "a".repeat(254)), fromHex("02 0a"), ascii("0123456789")),
    "/" + "a".repeat(254) + "0123456789",
  ],
  ["U36 a length beyond the packet", fromHex("02 ff 41"), ""],
  [
    "U36 a length beyond the packet behind a good one",
    concat(fromHex("02 02"), ascii("/a"), fromHex("02 05"), ascii("/bcd")),
    "/a",
  ],
  ["U37 an unknown type 76 and the end", fromHex("76 00 00"), ""],
  [
    "U37 an unknown type 9 of length 2 is skipped",
    concat(fromHex("09 02 02 01 02 03"), ascii("/xy")),
    "/xy",
  ],
  ["U38 empty", fromHex("02 00"), ""],
  ["U38 empty, then not", concat(fromHex("02 00 02 01"), ascii("/")), "/"],
  ["U39 padding behind the end", concat(fromHex("00"), new Uint8Array(1401).fill(2)), ""],
  ["a type without its length", fromHex("02"), ""],
  ["the end ends it", concat(fromHex("00 02 01"), ascii("/")), ""],
  ["any bytes are data", concat(fromHex("02 04 00 01 02 ff")), "\x00\x01\x02\xff"],
];

for (const build of ["release", "debug"] as const) {
  const harness = new Harness(await compileCore(build));
  harness.become(Uint8Array.of(192, 0, 2, 1));
  const announce = (options: Uint8Array): Uint8Array => {
    const packet = writeAnnounce({
      connectionId: harness.connectionId,
      infoHash: torrentHash(1),
      port: 6881,
      options,
    });
    assert.equal(harness.send(packet, { address: Uint8Array.of(192, 0, 2, 1) })![3], 1);
    return harness.core.urlData;
  };

  for (const [name, options, urlData] of ROWS) {
    Deno.test(`${name} [${build}]`, () => {
      assert.equal(String.fromCharCode(...announce(options)), urlData);
      // What the announce before left behind is not seen.
      assert.equal(announce(new Uint8Array(0)).length, 0);
    });
  }

  Deno.test(`U35 as many chunks as fit a datagram are joined [${build}]`, () => {
    const chunk = concat(fromHex("02 fd"), new Uint8Array(253).fill(0x61));
    const chunks = concat(...new Array(7).fill(chunk));
    assert.ok(98 + chunks.length <= DATAGRAM_IN_SIZE && 7 * 253 <= URL_DATA_MAX);
    assert.equal(announce(chunks).length, 7 * 253);
  });

  Deno.test(`options cut at every byte give a beginning of the data [${build}]`, () => {
    const options = concat(
      fromHex("01 09 03 020102 02 03"),
      ascii("/ab"),
      fromHex("01 02 02"),
      ascii("cd"),
      fromHex("00"),
    );
    for (let end = 0; end <= options.length; ++end) {
      const urlData = String.fromCharCode(...announce(options.subarray(0, end)));
      assert.equal(urlData, end < 11 ? "" : end < 16 ? "/ab" : "/abcd", `${end} bytes`);
    }
  });
}
