/** UNIX sockets: whose address counts on them (protocols.md B8), what becomes of their files. */
import { strict as assert } from "node:assert";
import { HttpConnection } from "../../support/http_client.ts";
import { readTask } from "../../support/configuration.ts";
import { announceTarget, parseAnnounced, writeRequest } from "../../support/http_messages.ts";
import { randomBytes } from "../../support/packets.ts";
import { proxyHeaderV2 } from "../../support/proxy_protocol.ts";
import { runFailing, type Server, type ServerOptions, startServer } from "../../support/server.ts";

const EXIT_UNAVAILABLE = 69;
const EXIT_NO_PERMISSION = 77;

/** A directory for sockets, and how to start a server that may make them there. */
class Sockets implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "riptide-" });

  path(name: string): string {
    return `${this.directory}/${name}`;
  }

  options(names: string[], network: Record<string, boolean> = {}): ServerOptions {
    const address = names.map((name) => `unix:${this.path(name)}`);
    return {
      driver: "http",
      configuration: { socket_workers: names.length, network: { address, ...network } },
      run: [...readTask("http").run, `--allow-write=${names.map((it) => this.path(it)).join()}`],
    };
  }

  start(names: string[], network?: Record<string, boolean>): Promise<Server> {
    return startServer(this.options(names, network));
  }

  async connect(name: string): Promise<HttpConnection> {
    return HttpConnection.over(
      await Deno.connect({ transport: "unix", path: this.path(name) }),
    );
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Announces, and expects the peer to be stored at this address. */
async function expectPeer(
  client: HttpConnection,
  { headers, address }: { headers: string[]; address: string },
): Promise<void> {
  const infoHash = randomBytes(20);
  const announce = (port: number) =>
    client.request(announceTarget({ info_hash: infoHash, port }), { headers });
  parseAnnounced(await announce(6881));
  const { peers } = parseAnnounced(await announce(9));
  assert.deepEqual(peers, [{ address, port: 6881 }]);
}

Deno.test("H50 whoever comes by a UNIX socket is a trusted proxy", async () => {
  using sockets = new Sockets();
  await using _server = await sockets.start(["a"]);
  await using client = await sockets.connect("a");
  for (
    const header of [
      "X-Forwarded-For: 6.6.6.6, 9.9.9.9",
      "Forwarded: for=6.6.6.6, for=9.9.9.9;proto=https",
    ]
  ) await expectPeer(client, { headers: [header], address: "9.9.9.9" });
});

const UNNAMED = [
  [],
  ["X-Forwarded-For:"],
  ["X-Forwarded-For: , ,"],
  ["X-Forwarded-For: unknown"],
  ["Forwarded: for=_hidden"],
  ["Forwarded: , ,"],
];
Deno.test("H52 a request on a UNIX socket that names no client gets 400", async () => {
  using sockets = new Sockets();
  await using _server = await sockets.start(["a"]);
  for (const headers of UNNAMED) {
    await using client = await sockets.connect("a");
    // One that names its client goes before: nothing of it may stand for the next.
    await expectPeer(client, { headers: ["Forwarded: for=9.9.9.9"], address: "9.9.9.9" });
    const { status } = await client.request(announceTarget(), { headers });
    assert.equal(status, 400, headers[0] ?? "no header");
  }
});

Deno.test("H53 the PROXY protocol names the clients of a UNIX socket", async () => {
  using sockets = new Sockets();
  await using _server = await sockets.start(["a"], { proxy_protocol: true });
  for (
    const header of [
      "PROXY TCP4 9.9.9.9 127.0.0.1 5555 80\r\n",
      proxyHeaderV2({ source: "09090909" }),
    ]
  ) {
    await using client = await sockets.connect("a");
    await client.send(header);
    await expectPeer(client, { headers: [], address: "9.9.9.9" });
  }
  await using unnamed = await sockets.connect("a");
  await unnamed.send("PROXY UNKNOWN\r\n", writeRequest(announceTarget()));
  assert.equal((await unnamed.receive()).status, 400);
});

Deno.test("each of several UNIX sockets has a worker, and all share their torrents", async () => {
  using sockets = new Sockets();
  await using _server = await sockets.start(["a", "b"]);
  const infoHash = randomBytes(20);
  const headers = ["X-Forwarded-For: 9.9.9.9"];
  for (const [index, name] of ["a", "b"].entries()) {
    await using client = await sockets.connect(name);
    const target = announceTarget({ info_hash: infoHash, port: 1000 + index });
    const { incomplete } = parseAnnounced(await client.request(target, { headers }));
    assert.equal(incomplete, index + 1);
  }
});

Deno.test("a UNIX socket's file goes with its process, or its successor takes it", async () => {
  using sockets = new Sockets();
  const first = await sockets.start(["a"]);
  for (const main of [[], ["--take-over"]]) {
    const held = await runFailing({ ...sockets.options(["a"]), main });
    assert.equal((await held.ended).code, EXIT_UNAVAILABLE);
    assert.match(held.log, /another process holds it/);
  }
  await using client = await sockets.connect("a");
  await expectPeer(client, { headers: ["X-Forwarded-For: 9.9.9.9"], address: "9.9.9.9" });

  await first.kill(); // Nobody removes the file then.
  assert.ok(Deno.lstatSync(sockets.path("a")).isSocket);

  const second = await sockets.start(["a"]);
  await second.stop();
  assert.throws(() => Deno.lstatSync(sockets.path("a")), Deno.errors.NotFound);
});

Deno.test("a file that is no socket is left alone", async () => {
  using sockets = new Sockets();
  Deno.writeTextFileSync(sockets.path("a"), "precious");
  const server = await runFailing(sockets.options(["a"]));
  assert.equal((await server.ended).code, EXIT_UNAVAILABLE);
  assert.match(server.log, /a file that is no socket/);
  assert.equal(Deno.readTextFileSync(sockets.path("a")), "precious");
});

Deno.test("a UNIX socket without the permission for its file is refused at start", async () => {
  using sockets = new Sockets();
  const server = await runFailing({ ...sockets.options(["a"]), run: readTask("http").run });
  assert.equal((await server.ended).code, EXIT_NO_PERMISSION);
  assert.match(server.log, /--allow-write=/);
});
