/** Row H55, the files that TLS starts from, and peers that do not speak it. (protocols.md B7.) */
import { strict as assert } from "node:assert";
import { Authority, type Certificate } from "../../support/certificates.ts";
import { within } from "../../support/deadline.ts";
import { HttpConnection } from "../../support/http_client.ts";
import { announceTarget, writeRequest } from "../../support/http_messages.ts";
import { HttpSuite, tlsConfiguration } from "../../support/http_suite.ts";
import { ascii, randomBytes } from "../../support/packets.ts";
import { runFailing, startServer } from "../../support/server.ts";
import { parseAddress } from "../../support/udp_client.ts";

const secure = new HttpSuite("https");
const plain = new HttpSuite("http");

const ALPN: [offered: string[], chosen: string | null][] = [
  [["h2", "http/1.1"], "http/1.1"],
  [["http/1.1"], "http/1.1"],
  [[], null],
];
for (const [offered, chosen] of ALPN) {
  secure.row(`H55 ALPN ${offered.join(", ") || "not offered"}: ${chosen}`, async ({ server }) => {
    const { hostname, port, authority } = server.endpoint();
    const options = { hostname, port, caCerts: [authority!], alpnProtocols: offered };
    using conn = await Deno.connectTls(options);
    const { alpnProtocol } = await conn.handshake();
    assert.equal(alpnProtocol, chosen);
  });
}

secure.row("H55 a client that speaks only h2 gets no connection or no HTTP/2", async (context) => {
  const { hostname, port, authority } = context.server.endpoint();
  const options = { hostname, port, caCerts: [authority!], alpnProtocols: ["h2"] };
  try {
    using conn = await Deno.connectTls(options);
    const { alpnProtocol } = await conn.handshake();
    assert.equal(alpnProtocol, null);
  } catch (error) {
    assert.ok(
      error instanceof Error && /NoApplicationProtocol|no_application/i.test(error.message),
    );
  }
  await context.client.expectUsable();
});

const NOT_TLS: Record<string, Uint8Array> = {
  "a plain request": ascii(writeRequest(announceTarget())),
  "random bytes": randomBytes(1000),
  "a ClientHello of random bytes": Uint8Array.of(0x16, 3, 1, 0, 200, 1, ...randomBytes(199)),
  "an alert": Uint8Array.of(0x15, 3, 3, 0, 2, 2, 40),
  "a record of the greatest length": Uint8Array.of(0x16, 3, 3, 0xff, 0xff, ...randomBytes(4000)),
};
for (const [name, bytes] of Object.entries(NOT_TLS)) {
  secure.row(`${name} where TLS is spoken: a close, and others go on`, async (context) => {
    const { hostname, port } = context.server.endpoint();
    await using client = await HttpConnection.open({ hostname, port });
    await client.send(bytes);
    const rest = await client.readRest();
    assert.ok(rest.length < 200, "An alert at most, or a hint in plain HTTP");
    await context.client.expectUsable();
  });
}

secure.row("connections that end within the handshake leave nothing behind", async (context) => {
  const { hostname, port } = context.server.endpoint();
  for (let count = 0; count < 50; count++) {
    using conn = await Deno.connect({ hostname, port });
    if (count % 2 === 1) await conn.write(Uint8Array.of(0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3));
  }
  await context.client.expectUsable();
  await (await context.open()).expectUsable();
});

plain.row("TLS where plain HTTP is spoken: no handshake, and others go on", async (context) => {
  const { hostname, port } = context.server.endpoint();
  const connecting = (async () => {
    using conn = await Deno.connectTls({ hostname, port });
    await conn.handshake();
  })();
  const failing = assert.rejects(connecting);
  await within(failing, { deadlineMs: 5000, what: "the handshake fails" });
  await context.client.expectUsable();
});

/** Spellings of certificate and key: openssl commands that make `cert` and `key`. */
const FORMATS: Record<string, { kind: "ec" | "rsa"; commands: (leaf: string) => string[] }> = {
  "PEM, RSA in PKCS#8": {
    kind: "rsa",
    commands: (leaf) => [
      `x509 -in ${leaf}.pem -out cert`,
      `pkcs8 -topk8 -nocrypt -in ${leaf}.key -out key`,
    ],
  },
  "PEM, RSA in PKCS#1": {
    kind: "rsa",
    commands: (
      leaf,
    ) => [`x509 -in ${leaf}.pem -out cert`, `rsa -in ${leaf}.key -traditional -out key`],
  },
  "PEM, EC in SEC1": {
    kind: "ec",
    commands: (leaf) => [`x509 -in ${leaf}.pem -out cert`, `ec -in ${leaf}.key -out key`],
  },
  "PEM with text around it": {
    kind: "ec",
    commands: (leaf) => [
      `x509 -in ${leaf}.pem -text -out cert`,
      `pkcs8 -topk8 -nocrypt -in ${leaf}.key -out key`,
    ],
  },
  "DER, RSA in PKCS#8": {
    kind: "rsa",
    commands: (leaf) => [
      `x509 -in ${leaf}.pem -outform DER -out cert`,
      `pkcs8 -topk8 -nocrypt -in ${leaf}.key -outform DER -out key`,
    ],
  },
  "DER, RSA in PKCS#1": {
    kind: "rsa",
    commands: (leaf) => [
      `x509 -in ${leaf}.pem -outform DER -out cert`,
      `rsa -in ${leaf}.key -traditional -outform DER -out key`,
    ],
  },
  "DER, EC in PKCS#8": {
    kind: "ec",
    commands: (leaf) => [
      `x509 -in ${leaf}.pem -outform DER -out cert`,
      `pkcs8 -topk8 -nocrypt -in ${leaf}.key -outform DER -out key`,
    ],
  },
};

const test = (name: string, fn: (authority: Authority) => Promise<void>) =>
  Deno.test({
    name: `${name} [https]`,
    sanitizeOps: false, // The servers of this file go on.
    fn: async () => {
      await using authority = await Authority.create();
      await fn(authority);
    },
  });

for (const [name, { kind, commands }] of Object.entries(FORMATS)) {
  test(`certificate and key: ${name}`, async (authority) => {
    const issued = await authority.issue({ key: kind });
    const leaf = issued.keyPath.split("/").at(-1)!.replace(".key", "");
    for (const command of commands(leaf)) await authority.openssl(command);
    await expectService(authority, {
      certificatePath: `${authority.directory}/cert`,
      keyPath: `${authority.directory}/key`,
    });
  });
}

test("a chain: clients that know only the root trust the leaf", async (root) => {
  const middle = await root.issueAuthority();
  await using _ = middle;
  const leaf = await middle.issue();
  const chainPath = `${root.directory}/chain.pem`;
  const chain = await Deno.readTextFile(leaf.certificatePath) + middle.certificate;
  await Deno.writeTextFile(chainPath, chain);
  await expectService(root, { certificatePath: chainPath, keyPath: leaf.keyPath });
});

/** Files that cannot serve, and what the message must name. */
const BAD: Record<string, (authority: Authority) => Promise<Certificate & { words: RegExp }>> = {
  async "a key of another certificate"(authority) {
    const [first, second] = [await authority.issue(), await authority.issue()];
    return { ...first, keyPath: second.keyPath, words: /leaf-2\.key/ };
  },
  async "an RSA key for an EC certificate"(authority) {
    const [first, second] = [await authority.issue(), await authority.issue({ key: "rsa" })];
    return { ...first, keyPath: second.keyPath, words: /leaf-2\.key/ };
  },
  async "a certificate that has expired"(authority) {
    return { ...await authority.issue({ days: -1 }), words: /leaf-1\.pem.*expired/i };
  },
  async "a certificate that is not there"(authority) {
    const leaf = await authority.issue();
    return { ...leaf, certificatePath: "/no/such/cert.pem", words: /\/no\/such\/cert\.pem/ };
  },
  async "a key that is not there"(authority) {
    return {
      ...await authority.issue(),
      keyPath: "/no/such/key.pem",
      words: /\/no\/such\/key\.pem/,
    };
  },
  async "an empty certificate"(authority) {
    const leaf = await authority.issue();
    await Deno.writeTextFile(leaf.certificatePath, "");
    return { ...leaf, words: /leaf-1\.pem/ };
  },
  async "a certificate of garbage"(authority) {
    const leaf = await authority.issue();
    await Deno.writeFile(leaf.certificatePath, randomBytes(500));
    return { ...leaf, words: /leaf-1\.pem/ };
  },
  async "a key of garbage"(authority) {
    const leaf = await authority.issue();
    await Deno.writeTextFile(
      leaf.keyPath,
      "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
    );
    return { ...leaf, words: /leaf-1\.key/ };
  },
  async "certificate and key the wrong way round"(authority) {
    const { certificatePath, keyPath } = await authority.issue();
    return { certificatePath: keyPath, keyPath: certificatePath, words: /leaf-1\.(key|pem)/ };
  },
  async "a key with a password"(authority) {
    const leaf = await authority.issue({ key: "rsa" });
    await authority.openssl("pkcs8 -topk8 -passout pass:x -in leaf-1.key -out locked.key");
    const keyPath = `${authority.directory}/locked.key`;
    return { ...leaf, keyPath, words: /locked\.key/ };
  },
};

for (const [name, make] of Object.entries(BAD)) {
  test(`${name}: a clear error before a socket opens`, async (authority) => {
    const { words, ...certificate } = await make(authority);
    await expectBadStart(tlsConfiguration(certificate), words);
  });
}

test("enable_tls without files: a clear error", async () => {
  await expectBadStart({ network: { enable_tls: true } }, /tls_certificate_path/);
});

async function expectService(authority: Authority, certificate: Certificate): Promise<void> {
  const configuration = tlsConfiguration(certificate);
  await using server = await startServer({ driver: "http", configuration });
  const { port } = parseAddress(server.address("127.0.0.1"));
  const endpoint = { hostname: "127.0.0.1", port, authority: authority.certificate };
  await using client = await HttpConnection.open(endpoint);
  await client.expectUsable();
}

async function expectBadStart(
  configuration: ReturnType<typeof tlsConfiguration>,
  words: RegExp,
): Promise<void> {
  const server = await runFailing({ driver: "http", configuration });
  assert.equal((await server.ended).code, 78, server.log);
  assert.match(server.log, words);
  assert.doesNotMatch(server.log, /^\s+at .+:\d+:\d+\)?$/m, "A stack trace");
  assert.doesNotMatch(server.log, /Uncaught/, "An uncaught error");
  assert.deepEqual(server.addresses, []);
}
