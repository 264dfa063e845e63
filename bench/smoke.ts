/**
 * Runs every benchmark for a moment: that they run, and that the load tests find the answers of
 * every listener right, is all that this shows. Ends with status 1 when one does not.
 */
import { makeCertificate } from "./compare/install.ts";
import { NATIVE_GRANT } from "./native_grant.ts";
import { freeTcpPort, freeUdpPort, untilListens, untilUdpAnswers } from "./readiness.ts";

const root = new URL("..", import.meta.url).pathname;
const LOAD_SECONDS = 2;

interface Step {
  name: string;
  run(): Promise<boolean>;
}

function script(name: string, args: string[]): Step {
  return { name, run: () => succeeds(["run", "--quiet", "--allow-all", ...args]) };
}

async function succeeds(args: string[]): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, stdout: "inherit" });
  return (await command.output()).success;
}

/** A load test against a server of our own; it fails when an answer is wrong or none comes. */
interface LoadStep {
  protocol: "udp" | "http" | "ws";
  /** First lines of the server's configuration. */
  top?: string;
  /** Lines of the server's configuration, behind its `[network]` with the address. */
  network: string;
  /** Settings of the load test, behind its address and duration. */
  settings: string;
}

function load(name: string, { protocol, top = "", network, settings }: LoadStep): Step {
  return {
    name: `load test, ${name}`,
    async run() {
      const folder = await Deno.makeTempDir();
      const port = protocol === "udp" ? freeUdpPort() : freeTcpPort();
      const [server, client] = [`${folder}/server.toml`, `${folder}/client.toml`];
      await Deno.writeTextFile(
        server,
        `log_level = "error"\n${top}[network]\naddress = "127.0.0.1:${port}"\n${network}`,
      );
      await Deno.writeTextFile(
        client,
        `server_address = "127.0.0.1:${port}"\nduration = ${LOAD_SECONDS}\n${settings}`,
      );
      const process = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-net", "--allow-sys"],
          ...[NATIVE_GRANT, "main.ts", protocol, "-c", server],
        ],
        cwd: root,
        stdin: "null",
        stdout: "null",
      }).spawn();
      try {
        await (protocol === "udp" ? untilUdpAnswers(port) : untilListens(port));
        return await succeeds([
          "run",
          "-A",
          "--quiet",
          "main.ts",
          "load-test",
          protocol,
          "-c",
          client,
        ]);
      } finally {
        process.kill("SIGTERM");
        await process.status;
        await Deno.remove(folder, { recursive: true });
      }
    },
  };
}

/** Everything that a load test can send, at a size that a moment suffices for. */
const UDP_LOAD = "[network]\nrequests_in_flight = 64\n[requests]\nnumber_of_torrents = 1000\n" +
  "number_of_peers = 2000\npeer_leaving_probability = 0.1\npeer_completing_probability = 0.1\n";
const HTTP_LOAD = "num_connections = 16\npipelining_depth = 2\n[torrents]\nweight_scrape = 1\n" +
  "peer_leaving_probability = 0.1\n";
const WS_LOAD = "num_connections_per_worker = 16\n[torrents]\nnumber_of_torrents = 20\n" +
  "number_of_peers = 200\nweight_scrape = 1\npeer_leaving_probability = 0.1\n";
const RATE = "rate = 2000\n";

const tls = await Deno.makeTempDir();
const failures = new Map<string, string>();
await makeCertificate(tls, failures);
for (const [what, reason] of failures) throw new Error(`No ${what}: ${reason}`);
const SECURE_SERVER = `enable_tls = true\ntls_certificate_path = "${tls}/leaf.pem"\n` +
  `tls_private_key_path = "${tls}/leaf.key.pem"\n`;
const SECURE_LOAD = `num_workers = 2\nenable_tls = true\ntls_trusted_path = "${tls}/ca.pem"\n`;
const TWO = "socket_workers = 2\n";
const NATIVE = 'io = "native"\n';

const steps: Step[] = [
  script("two workers against one", ["bench/core_scaling.ts", "1"]),
  script("latency under housekeeping", ["bench/core_latency.ts", "1"]),
  load("UDP, Deno's sockets", { protocol: "udp", network: 'io = "deno"\n', settings: UDP_LOAD }),
  load("UDP, native", { protocol: "udp", network: NATIVE, settings: UDP_LOAD }),
  load("UDP at a rate", {
    protocol: "udp",
    network: NATIVE,
    settings: RATE + UDP_LOAD,
  }),
  load("HTTP", { protocol: "http", network: "", settings: HTTP_LOAD }),
  load("HTTP, native", { protocol: "http", network: NATIVE, settings: HTTP_LOAD }),
  load("HTTP at a rate, a connection each", {
    protocol: "http",
    network: "",
    settings: `${RATE}keep_alive = false\nnum_connections = 64\n`,
  }),
  load("WebTorrent", { protocol: "ws", network: "", settings: WS_LOAD }),
  load("WebTorrent, native", { protocol: "ws", network: NATIVE, settings: WS_LOAD }),
  load("UDP, two workers against two", {
    protocol: "udp",
    top: TWO,
    network: NATIVE,
    settings: `workers = 2\n${UDP_LOAD}`,
  }),
  load("HTTP over TLS, two workers against two", {
    protocol: "http",
    top: TWO,
    network: SECURE_SERVER,
    settings: SECURE_LOAD + HTTP_LOAD,
  }),
  load("HTTP over TLS, native", {
    protocol: "http",
    network: NATIVE + SECURE_SERVER,
    settings: SECURE_LOAD + HTTP_LOAD,
  }),
  load("WebTorrent over TLS, two workers against two", {
    protocol: "ws",
    top: TWO,
    network: SECURE_SERVER,
    settings: SECURE_LOAD + WS_LOAD,
  }),
];
let isFailed = false;
for (const { name, run } of steps) {
  const isOk = await run();
  console.log(`${isOk ? "ok" : "FAILED"}: ${name}`);
  isFailed ||= !isOk;
}
await Deno.remove(tls, { recursive: true });
Deno.exit(isFailed ? 1 : 0);
