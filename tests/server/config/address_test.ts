/** Addresses and prefixes as an operator writes them. */

import assert from "node:assert/strict";
import {
  formatCidr,
  formatListenAddress,
  formatSocketAddress,
} from "../../../server/config/address.ts";
import {
  parseCidr,
  parseListenAddress,
  parseSocketAddress,
} from "../../../server/config/address.ts";

Deno.test("parseListenAddress() and formatListenAddress() agree", () => {
  for (const text of ["0.0.0.0:0", "255.1.2.3:65535", "[::]:3000", "[2001:db8::1]:1"]) {
    assert.equal(formatListenAddress(parseListenAddress(text)), text);
  }
  assert.deepEqual(parseListenAddress("[0::1]:80"), { hostname: "::1", port: 80, family: 6 });
  const bad = ["", ":1", "1.2.3:1", "01.2.3.4:1", "0x1.2.3.4:1", "1.2.3.4:", "1.2.3.4:65536", "::"];
  bad.push("[1.2.3.4]:1", "[::1]", "::1", "[fe80::1%eth0]:1", "[::ffff:1.2.3.4]:1", "1.2.3.4:1 ");
  for (const text of bad) assert.throws(() => parseListenAddress(text), SyntaxError, text);
});

Deno.test("parseCidr() and formatCidr() agree", () => {
  for (const text of ["0.0.0.0/0", "10.0.0.0/8", "1.2.3.4/32", "::/0", "fe80::/10", "::1/128"]) {
    assert.equal(formatCidr(parseCidr(text)), text);
  }
  assert.deepEqual(parseCidr("192.0.2.128/25"), {
    bytes: Uint8Array.of(192, 0, 2, 128),
    prefixLength: 25,
    family: 4,
  });
  const bad = ["", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "::/-1", "10.0.0.0/8/8", "10.0.0/8"];
  bad.push("10.0.0.1/31", "2001:db8::1/64", "::ffff:1.2.3.4/128", "10.0.0.0/1e1", "a/8", "::1%1/8");
  for (const text of bad) assert.throws(() => parseCidr(text), SyntaxError, text);
});

Deno.test("parseSocketAddress() and formatSocketAddress() agree", () => {
  for (const text of ["0.0.0.0:0", "[::]:3000", "unix:/run/riptide.sock", "unix:/a b"]) {
    assert.equal(formatSocketAddress(parseSocketAddress(text)), text);
  }
  assert.deepEqual(parseSocketAddress("unix:/run/a"), { path: "/run/a" });
  const bad = [
    "unix:",
    "unix:/",
    "unix:a",
    "unix:run/a",
    "unix:/run/",
    "/run/a",
    "UNIX:/run/a",
    "::",
  ];
  bad.push(`unix:/${"a".repeat(103)}`, `unix:/${"é".repeat(52)}`);
  for (const text of bad) assert.throws(() => parseSocketAddress(text), SyntaxError, text);
  parseSocketAddress(`unix:/${"a".repeat(102)}`);
});
