/**
 * nginx and HAProxy before the HTTP and WebTorrent trackers, with the files of deploy/: clients
 * keep their own address, and cannot claim another.
 */
import { strict as assert } from "node:assert";
import bencode from "bencode";
import { Authority, type Certificate, hasOpenssl } from "../support/certificates.ts";
import { type Configuration, REPOSITORY } from "../support/configuration.ts";
import { within } from "../support/deadline.ts";
import { endProcess } from "../support/processes.ts";
import { randomBytes } from "../support/packets.ts";
import { startServer } from "../support/server.ts";
import { makeOffers, WsConnection } from "../support/ws_client.ts";

/** Where the client comes from; the proxy comes from 127.0.0.1. */
const CLIENT = "127.0.0.2";
const QUERY = `info_hash=${"%ab".repeat(20)}&peer_id=${"x".repeat(20)}&port=6881&left=0&compact=1`;

function hasProgram(name: string, flag = "-v"): boolean {
  try {
    return new Deno.Command(name, { args: [flag] }).outputSync().success;
  } catch {
    return false;
  }
}

function findFreePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A file of deploy/ with other ports. */
async function readDeployed(name: string, ports: { own: number; tracker: string }) {
  const text = await Deno.readTextFile(new URL(`deploy/${name}`, REPOSITORY));
  const replaced = text.replace(/(listen |bind :)80\b/, `$1${ports.own}`)
    .replace("127.0.0.1:3000", ports.tracker);
  assert.ok(replaced.includes(ports.tracker) && replaced.includes(String(ports.own)));
  return replaced;
}

/** Announces by curl, over two requests of one connection; returns the second answer. */
async function announce(port: number, headers: string[] = []): Promise<Record<string, unknown>> {
  const url = `http://127.0.0.1:${port}/announce?${QUERY}`;
  const { code, stdout, stderr } = await new Deno.Command("curl", {
    args: [
      ...["--silent", "--show-error", "--interface", CLIENT, ...headers],
      ...["--output", "/dev/null", url, "--output", "-", url],
    ],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return bencode.decode(stdout) as Record<string, unknown>;
}

async function runBehind(
  proxy: string,
  options: {
    /** Default: the HTTP tracker; `both`: HTTP and WebTorrent on one port. */
    driver?: "http" | "ws" | "both";
    network: Record<string, boolean | string[]>;
    /** Default: HTTP answers tell a client its address. */
    more?: Configuration;
    start: (directory: string, ports: { own: number; tracker: string }) => Promise<string[]>;
    use: (port: number) => Promise<void>;
  },
): Promise<void> {
  const { driver = "http", more = { protocol: { external_ip: true } } } = options;
  const port = driver === "both" ? findFreePort() : 0;
  const network = {
    address: [`127.0.0.1:${port}`],
    trusted_proxies: ["127.0.0.1/32"],
    ...options.network,
  };
  await using server = await startServer({
    driver: driver === "both" ? "tracker" : driver,
    configuration: driver === "both"
      ? { http: { network, ...more }, ws: { network } }
      : { network, ...more },
  });
  const own = findFreePort();
  const args = await options.start(server.directory, { own, tracker: server.address("127.0.0.1") });
  const process = new Deno.Command(proxy, { args, stdout: "null", stderr: "null" }).spawn();
  try {
    await within(untilConnected(own), { deadlineMs: 10_000, what: `${proxy} listens` });
    await options.use(own);
  } finally {
    await endProcess(process);
  }
}

/** Tries again while nobody listens. */
async function untilConnected(port: number): Promise<void> {
  while (true) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function externalIp(answer: Record<string, unknown>): string {
  return (answer["external ip"] as Uint8Array).join(".");
}

async function configureNginx(
  directory: string,
  ports: { own: number; tracker: string },
  certificate?: Certificate,
): Promise<string[]> {
  const deployed = await readDeployed("nginx.conf", ports);
  // As docs/WEBTORRENT.md says.
  const served = certificate === undefined ? deployed : deployed.replace(
    `listen ${ports.own};`,
    `listen ${ports.own} ssl;
    ssl_certificate ${certificate.certificatePath};
    ssl_certificate_key ${certificate.keyPath};`,
  );
  const conf = `daemon off; master_process off; pid ${directory}/pid; error_log stderr;
events {}
http {
  client_body_temp_path ${directory}/a; proxy_temp_path ${directory}/b;
  fastcgi_temp_path ${directory}/c; uwsgi_temp_path ${directory}/d; scgi_temp_path ${directory}/e;
  ${served}
}`;
  await Deno.writeTextFile(`${directory}/nginx.conf`, conf);
  return ["-e", "stderr", "-p", directory, "-c", `${directory}/nginx.conf`];
}

Deno.test({
  name: "nginx: WebTorrent is upgraded, relayed, and denied by the client's own address",
  ignore: !hasProgram("nginx") || !hasProgram("curl", "-V"),
  async fn() {
    await runBehind("nginx", {
      driver: "ws",
      network: {},
      more: { access_list: { deny_clients: ["192.0.2.0/24", "127.0.0.9/32"] } },
      start: configureNginx,
      async use(port) {
        const endpoint = { hostname: "127.0.0.1", port };
        // A header of the client's own is not believed.
        const headers = ["X-Forwarded-For: 192.0.2.1"];
        await using first = await WsConnection.open(endpoint, { headers });
        await using second = await WsConnection.open(endpoint);
        const infoHash = randomBytes(20);
        await first.announce({ infoHash, peerId: randomBytes(20) });
        const extra = { offers: makeOffers(1) };
        await second.announce({ infoHash, peerId: randomBytes(20), extra });
        assert.equal((await first.receive()).kind, "offer");
        const denied = await upgradeFrom("127.0.0.9", port);
        assert.doesNotMatch(denied, / 101 /);
        assert.match(await upgradeFrom(CLIENT, port), /^HTTP\/1\.1 101 /);
      },
    });
  },
});

/** Asks for an upgrade from an address, by curl, for two seconds; returns what came. */
async function upgradeFrom(address: string, port: number): Promise<string> {
  const headers = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ].flatMap((header) => ["--header", header]);
  const { stdout } = await new Deno.Command("curl", {
    args: [
      ...["--silent", "--include", "--http1.1", "--no-buffer", "--max-time", "2"],
      ...["--interface", address, ...headers, `http://127.0.0.1:${port}/`],
    ],
  }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: "nginx: clients keep their address, and cannot claim another",
  ignore: !hasProgram("nginx") || !hasProgram("curl", "-V"),
  async fn() {
    await runBehind("nginx", {
      network: {},
      start: configureNginx,
      async use(port) {
        const answer = await announce(port);
        assert.equal(externalIp(answer), CLIENT);
        assert.deepEqual([answer.complete, answer.incomplete], [1, 0]);
        const forged = await announce(port, ["--header", "X-Forwarded-For: 192.0.2.1"]);
        assert.equal(externalIp(forged), CLIENT);
      },
    });
  },
});

Deno.test({
  name: "nginx with TLS, and HTTP and WebTorrent on one port behind it",
  ignore: !hasProgram("nginx") || !await hasOpenssl(),
  async fn() {
    await using authority = await Authority.create();
    const certificate = await authority.issue({ days: 90 });
    await runBehind("nginx", {
      driver: "both",
      network: {},
      start: (directory, ports) => configureNginx(directory, ports, certificate),
      async use(port) {
        using client = Deno.createHttpClient({ caCerts: [authority.certificate] });
        const url = `https://127.0.0.1:${port}/announce?${QUERY}`;
        const answer = bencode.decode(await (await fetch(url, { client })).bytes());
        assert.equal(externalIp(answer as Record<string, unknown>), "127.0.0.1");
        const endpoint = { hostname: "127.0.0.1", port, authority: authority.certificate };
        await using first = await WsConnection.open(endpoint);
        await using second = await WsConnection.open(endpoint);
        const infoHash = randomBytes(20);
        await first.announce({ infoHash, peerId: randomBytes(20) });
        const extra = { offers: makeOffers(1) };
        await second.announce({ infoHash, peerId: randomBytes(20), extra });
        assert.equal((await first.receive()).kind, "offer");
      },
    });
  },
});

Deno.test({
  name: "HAProxy: the PROXY protocol tells the tracker who asks",
  ignore: !hasProgram("haproxy") || !hasProgram("curl", "-V"),
  async fn() {
    await runBehind("haproxy", {
      network: { proxy_protocol: true },
      async start(directory, ports) {
        await Deno.writeTextFile(
          `${directory}/haproxy.cfg`,
          await readDeployed("haproxy.cfg", ports),
        );
        return ["-db", "-f", `${directory}/haproxy.cfg`];
      },
      async use(port) {
        const answer = await announce(port);
        assert.equal(externalIp(answer), CLIENT);
        const forged = await announce(port, ["--header", "X-Forwarded-For: 192.0.2.1"]);
        assert.equal(externalIp(forged), CLIENT);
      },
    });
  },
});
