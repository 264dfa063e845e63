/**
 * A tracker that is started with the flags that the doctor prints for its configuration, and with
 * no others, serves, reloads and stops.
 */
import { strict as assert } from "node:assert";
import { announce } from "../../../client/mod.ts";
import { Authority, type Certificate, hasOpenssl } from "../../support/certificates.ts";
import { findFreeTcpPort } from "../../e2e/clients/peer.ts";
import { nativeIsAvailable, REPOSITORY } from "../../support/configuration.ts";
import { within } from "../../support/deadline.ts";
import { readLines } from "../../support/lines.ts";
import { randomBytes } from "../../support/packets.ts";
import { endProcess } from "../../support/processes.ts";
import { parseAddress } from "../../support/udp_client.ts";
import { WsConnection } from "../../support/ws_client.ts";
import { examine, type Report } from "./examine.ts";

const START_DEADLINE_MS = 30_000;
const INFO_HASH = "ab".repeat(20);

interface Case {
  name: string;
  /** @param directory Has `list.txt`, `denied.txt`, and of a case with TLS its certificate. */
  toml(directory: string, certificate?: Certificate): string;
  args?: string[];
  needsNative?: boolean;
  hasTls?: boolean;
  /** How many addresses it listens on. */
  addressCount: number;
  /** What it says of open files. */
  openFiles?: RegExp;
}

const LISTS = (directory: string) =>
  `[access_list]
mode = "white"
path = "${directory}/list.txt"
deny_clients_path = "${directory}/denied.txt"
[metrics]
address = "127.0.0.1:0"`;

/** One of all protocols, with HTTP and WebTorrent over TLS on one port. */
const onOnePort = (tcpIo: string): Case["toml"] => (directory, certificate) => {
  const tls = `network = { address = "127.0.0.1:${findFreeTcpPort()}", io = "${tcpIo}", ` +
    `enable_tls = true, tls_certificate_path = "${certificate!.certificatePath}", ` +
    `tls_private_key_path = "${certificate!.keyPath}", max_connections = 500 }`;
  return `udp.network = { address = "127.0.0.1:0", io = "native" }
[http]\n${tls}\n[ws]\n${tls}\n${LISTS(directory)}`;
};

const CASES: Case[] = [
  {
    name: "udp",
    toml: () => 'network.address = ["127.0.0.1:0"]',
    args: ["--protocol", "udp"],
    addressCount: 1,
  },
  {
    name: "udp, native",
    toml: () => 'network = { address = "127.0.0.1:0", io = "native" }\nsocket_workers = 2',
    args: ["--protocol", "udp"],
    needsNative: true,
    addressCount: 1,
  },
  {
    name: "http",
    toml: () => 'network = { address = "127.0.0.1:0", keep_alive = true }\nsocket_workers = 2',
    addressCount: 1,
  },
  {
    name: "http on a UNIX socket",
    toml: (directory) => `network = { address = "unix:${directory}/s", keep_alive = true }`,
    addressCount: 1,
  },
  {
    name: "ws",
    toml: () => 'network = { address = "127.0.0.1:0", max_messages_per_second = 9 }',
    addressCount: 1,
  },
  {
    name: "tracker of all three, with lists and metrics",
    toml: (directory) =>
      `udp.network.address = "127.0.0.1:0"
http.network.address = "127.0.0.1:0"
ws.network.address = "127.0.0.1:0"
${LISTS(directory)}`,
    addressCount: 3,
  },
  ...["deno", "native"].map((tcpIo): Case => ({
    name: `tracker, native UDP, and HTTP and WebTorrent over TLS on one port, ${tcpIo}`,
    toml: onOnePort(tcpIo),
    needsNative: true,
    hasTls: true,
    addressCount: 3,
    openFiles: /\b628\b/, // one limit of connections for both, and what is open besides
  })),
];

for (const { name, toml, args = [], needsNative, hasTls, addressCount, openFiles } of CASES) {
  Deno.test({
    name: `doctor: its flags are enough to serve and reload: ${name}`,
    ignore: (needsNative && !nativeIsAvailable()) || (hasTls && !await hasOpenssl()),
    async fn() {
      const directory = await Deno.makeTempDir({ prefix: "riptide-doctor-test-" });
      await using authority = hasTls ? await Authority.create() : undefined;
      await Deno.writeTextFile(`${directory}/list.txt`, INFO_HASH);
      await Deno.writeTextFile(`${directory}/denied.txt`, "192.0.2.0/24");
      const configuration = toml(directory, await authority?.issue({ days: 90 }));
      const { configPath, stdout, code, stderr } = await examine(
        `memory.limit_mib = 64\n${configuration}`,
        [...args, "--json"],
      );
      try {
        const report: Report = JSON.parse(stdout);
        const errors = report.findings.filter(({ severity }) => severity === "error");
        assert.deepEqual([errors, stderr, code], [[], "", report.exitStatus]);
        assert.ok(report.findings.some(({ subject }) => subject === "trial start"));
        const files = report.findings.find(({ subject }) => subject === "open files")?.what;
        if (openFiles !== undefined) assert.match(files!, openFiles);
        await run(report.command!, addressCount, async (listening) => {
          for (const [protocol, address] of listening) {
            await ask(protocol, address, authority?.certificate);
          }
        });
      } finally {
        await Deno.remove(configPath);
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

/** Starts the command, has it asked, reloads it, has it asked again, and stops it. */
async function run(
  command: string,
  addressCount: number,
  ask: (listening: [protocol: string, address: string][]) => Promise<void>,
): Promise<void> {
  const tracker = new Deno.Command(Deno.execPath(), {
    args: command.split(" ").slice(1),
    cwd: REPOSITORY,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log: string[] = [];
  const lines = readLines(tracker.stderr);
  const listening: [string, string][] = [];
  const readUntil = async (holds: (message: string) => boolean) => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`It ended: ${log.join("\n")}`);
      log.push(value);
      const { category, message, properties } = JSON.parse(value);
      if (message.startsWith("Listening on ")) listening.push([category, properties.address]);
      if (holds(message)) return;
    }
  };
  const wait = (holds: (message: string) => boolean, what: string) =>
    within(readUntil(holds), {
      deadlineMs: START_DEADLINE_MS,
      what: () => `${what}; log: ${log.join("\n")}`,
    });
  try {
    await wait(() => listening.length === addressCount, "it listens");
    await ask(listening);
    tracker.kill("SIGHUP");
    await wait((message) => message.startsWith("Reloaded after SIGHUP"), "it reloads");
    await ask(listening);
    tracker.kill("SIGTERM");
    for await (const line of lines) log.push(line);
    assert.equal((await tracker.status).code, 0, log.join("\n"));
    assert.ok(log.every((line) => !/"level":"(error|fatal)"/.test(line)), log.join("\n"));
  } finally {
    await endProcess(tracker);
  }
}

/** Announces as a client of the protocol does. */
async function ask(protocol: string, address: string, authority?: string): Promise<void> {
  if (address.startsWith("unix:")) return await askUnix(address.slice("unix:".length));
  if (authority !== undefined && protocol !== "udp") return await askTls(address, authority);
  const scheme = protocol === "ws" ? "ws:" : `${protocol}:`;
  const { seeders, leechers } = await announce(`${scheme}//${address}/announce`, {
    infoHash: INFO_HASH,
    port: 6881,
    left: 1,
  });
  assert.deepEqual([seeders, leechers], [0, 1]);
}

function announceTarget(): string {
  return `/announce?info_hash=${"%ab".repeat(20)}&peer_id=${randomBytes(10).toHex()}&port=6881` +
    "&left=1&compact=1";
}

/** Over TLS on the address that HTTP and WebTorrent share, both. */
async function askTls(address: string, authority: string): Promise<void> {
  using client = Deno.createHttpClient({ caCerts: [authority] });
  const get = await fetch(`https://${address}${announceTarget()}`, { client });
  assert.match(await get.text(), /^d8:complete/);
  const { hostname, port } = parseAddress(address);
  await using visitor = await WsConnection.open({ hostname, port, authority });
  await visitor.announce({ infoHash: Uint8Array.fromHex(INFO_HASH), peerId: randomBytes(20) });
}

async function askUnix(path: string): Promise<void> {
  using conn = await Deno.connect({ transport: "unix", path });
  const head = `GET ${announceTarget()} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\n` +
    "Connection: close\r\n\r\n";
  await conn.write(new TextEncoder().encode(head));
  assert.match(await new Response(conn.readable).text(), /^HTTP\/1\.1 200 [^]*d8:complete/);
}
