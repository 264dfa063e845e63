/**
 * Memory of idle WebSocket connections: of the WebTorrent tracker, and beyond a bare loop of Deno's
 * sockets that only reads.
 *
 *     deno run -A bench/limits/ws_memory.ts [--connections 15000] [--certificate PEM --key PEM]
 *
 * Each connection of the tracker has been upgraded and has announced one torrent. Resident memory
 * is read before the first connection and when all of them are idle.
 */
import { parseArgs } from "node:util";
import { connect, createKey, writeUpgradeRequest } from "../../protocols/ws/client.ts";
import { writeFrame } from "../../protocols/ws/frames.ts";
import { writeAnnounce } from "../../protocols/ws/messages.ts";
import { freeTcpPort, untilListens } from "../readiness.ts";

const AT_ONCE = 64;
const SETTLE_MILLISECONDS = 3_000;

const { values: args } = parseArgs({
  options: {
    connections: { type: "string", default: "15000" },
    certificate: { type: "string" },
    key: { type: "string" },
    authority: { type: "string" },
  },
});
const connectionCount = Number(args.connections);

/** The floor: connections that a loop reads from, into 512 bytes each. */
const BARE_LOOP = `
const [port, certificate, key] = Deno.args;
const address = { hostname: "127.0.0.1", port: Number(port) };
const listener = certificate === undefined ? Deno.listen(address) : Deno.listenTls({
  ...address, cert: Deno.readTextFileSync(certificate), key: Deno.readTextFileSync(key),
});
for await (const conn of listener) serve(conn).catch(() => {});
async function serve(conn) {
  const buffer = new Uint8Array(512);
  while (await conn.read(buffer) !== null) await conn.write(buffer.subarray(0, 1));
}
`;

function commandOf(kind: "riptide" | "bare", port: number, path: string): string[] {
  if (kind === "riptide") {
    return ["run", "--quiet", "--no-prompt", "--allow-all", MAIN, "ws", "-c", path];
  }
  const tls = args.certificate === undefined ? [] : [args.certificate, args.key!];
  return ["run", "--quiet", "--allow-all", path, String(port), ...tls];
}

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

async function measure(kind: "riptide" | "bare"): Promise<number> {
  const port = freeTcpPort();
  const path = await Deno.makeTempFile({ suffix: kind === "riptide" ? ".toml" : ".js" });
  const tls = args.certificate === undefined
    ? ""
    : `enable_tls = true\ntls_certificate_path = "${args.certificate}"\n` +
      `tls_private_key_path = "${args.key}"\n`;
  const config = `log_level = "error"\n[network]\naddress = "127.0.0.1:${port}"\n${tls}` +
    `max_connections = ${connectionCount + 10}\n` +
    `max_connections_per_address = ${connectionCount + 10}\nwebsocket_ping_interval = 3600\n`;
  await Deno.writeTextFile(path, kind === "riptide" ? config : BARE_LOOP);
  const server = new Deno.Command(Deno.execPath(), {
    args: commandOf(kind, port, path),
    stdin: "null",
    stdout: "null",
  }).spawn();
  const connections: Deno.Conn[] = [];
  try {
    await untilListens(port);
    const before = await residentBytes(server.pid);
    let toOpen = connectionCount;
    const openSome = async () => {
      while (toOpen-- > 0) connections.push(await open(kind, port));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, openSome));
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLISECONDS));
    return (await residentBytes(server.pid) - before) / connectionCount;
  } finally {
    connections.forEach((connection) => connection.close());
    server.kill("SIGKILL");
    await server.status;
    await Deno.remove(path);
  }
}

async function open(kind: "riptide" | "bare", port: number): Promise<Deno.Conn> {
  const caCerts = args.authority === undefined
    ? undefined
    : [await Deno.readTextFile(args.authority)];
  const conn = await connect({ hostname: "127.0.0.1", port, caCerts });
  const buffer = new Uint8Array(1024);
  await conn.write(new TextEncoder().encode(writeUpgradeRequest(createKey(), { host: "x" })));
  await conn.read(buffer);
  if (kind === "bare") return conn;
  const infoHash = crypto.getRandomValues(new Uint8Array(20));
  const announce = writeAnnounce({ infoHash, peerId: infoHash, left: 1, offers: [] });
  await conn.write(writeFrame(new TextEncoder().encode(announce)));
  if ((await conn.read(buffer) ?? 0) < 20) throw new Error("No answer to an announce");
  return conn;
}

async function residentBytes(processId: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${processId}/status`);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(text)![1]) * 1024;
}

for (const kind of ["bare", "riptide"] as const) {
  console.log(`${kind}: ${Math.round(await measure(kind))} bytes a connection`);
}
