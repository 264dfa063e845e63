/** Client addresses as Deno tells them, read as ipaddr.js reads them. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { writeClientAddress } from "../../server/client_address.ts";

const RUNS = 20_000;
const SEED = 20_261_124;

/** What the core must get: the bytes, and whether they are of IPv6. */
function expected(hostname: string): { bytes: number[]; isIpv6: boolean } {
  const address = ipaddr.parse(hostname.replace(/%.*/, ""));
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()) {
    return { bytes: address.toIPv4Address().toByteArray(), isIpv6: false };
  }
  return { bytes: address.toByteArray(), isIpv6: address.kind() === "ipv6" };
}

function read(hostname: string): { bytes: number[]; isIpv6: boolean } {
  // What the datagram before has left there.
  const bytes = new Uint8Array(16).fill(0xa5);
  const isIpv6 = writeClientAddress(bytes, hostname);
  return { bytes: [...bytes.subarray(0, isIpv6 ? 16 : 4)], isIpv6 };
}

const byte = fc.integer({ min: 0, max: 255 });
const ipv4Bytes = fc.array(byte, { minLength: 4, maxLength: 4 });
/** Runs of zeros in every place, which `::` then stands for. */
const ipv6Bytes = fc.array(fc.oneof(byte, fc.constant(0), fc.constant(0)), {
  minLength: 16,
  maxLength: 16,
});
const zone = fc.constantFrom("", "%1", "%eth0", "%br-2f:1");

function ipv6Text(bytes: number[]): string {
  return (ipaddr.fromByteArray(bytes) as ipaddr.IPv6).toRFC5952String();
}

Deno.test("random IPv4 addresses", () => {
  fc.assert(
    fc.property(ipv4Bytes, (bytes) => {
      assert.deepEqual(read(bytes.join(".")), { bytes, isIpv6: false });
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

Deno.test("random IPv6 addresses, with and without a zone", () => {
  fc.assert(
    fc.property(ipv6Bytes, zone, (bytes, zone) => {
      const hostname = ipv6Text(bytes) + zone;
      assert.deepEqual(read(hostname), expected(hostname), hostname);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

Deno.test("random IPv4 clients of an IPv6 socket", () => {
  fc.assert(
    fc.property(ipv4Bytes, (bytes) => {
      assert.deepEqual(read(`::ffff:${bytes.join(".")}`), { bytes, isIpv6: false });
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

Deno.test("addresses at the edges", () => {
  for (
    const hostname of [
      "0.0.0.0",
      "255.255.255.255",
      "127.0.0.1",
      "::",
      "::1",
      "1::",
      "::ffff:0:0:0",
      "::ffff:0",
      "fe80::1%lo",
      "fe80::%2",
      "2001:db8::",
      "1:2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7::",
      "::2:3:4:5:6:7:8",
      "1::3:4:5:6:7:8",
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
      "64:ff9b::c000:201",
      "ABCD:EF01::2345",
    ]
  ) assert.deepEqual(read(hostname), expected(hostname), hostname);
});

Deno.test("addresses as Deno itself writes them", async () => {
  for (const hostname of ["127.0.0.1", "::1", "::"]) {
    let server: Deno.DatagramConn;
    try {
      server = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    } catch {
      continue; // This machine has no IPv6.
    }
    const { port } = server.addr as Deno.NetAddr;
    const isMapped = hostname === "::";
    const family = hostname === "::1" ? "::1" : "127.0.0.1";
    const client = Deno.listenDatagram({ transport: "udp", hostname: family, port: 0 });
    try {
      await client.send(new Uint8Array(1), { transport: "udp", hostname: family, port });
      const [, from] = await server.receive();
      const found = read((from as Deno.NetAddr).hostname);
      assert.deepEqual(found, expected(family));
      if (isMapped) assert.equal(found.isIpv6, false);
    } finally {
      client.close();
      server.close();
    }
  }
});
