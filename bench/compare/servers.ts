/** The servers that are compared: their commands, their configurations, and what they can serve. */

import type { Protocol, Scenario } from "./scenarios.ts";

/** A server, and how to run it. */
export interface Server {
  name: string;
  protocol: Protocol;
  /** Riptide, another tracker, or a physical limit. */
  role: "own" | "rival" | "limit";
  canServe(scenario: Scenario): boolean;
  /** The program and its arguments; PORT, CONFIG and LIST stand for what is not known yet. */
  command(scenario: Scenario): string[];
  /** The text of the file that CONFIG names, with PORT and LIST; empty: it needs none. */
  config(scenario: Scenario): string;
  /** It serves listed torrents only: LIST stands for a file of those of the load test. */
  isListed?: boolean;
}

/** Where things are. */
export interface Places {
  /** Root of the repository. */
  root: string;
  /** Holds `bin/`, `node_modules/`, `opentracker/`, `limits/` and `tls/`. */
  cache: string;
}

/** What the load tests ask for. */
const UDP_PEERS = 30;

const isPlain = ({ workers, tls }: Scenario) => workers === 1 && !tls;
/** Rows for all; growth and latency are for those that come near each other. */
const isForAll = ({ isGrowth, shareOfMost }: Scenario) => !isGrowth && shareOfMost === undefined;

/** All servers, those whose program is missing included. */
export function allServers(places: Places): Server[] {
  return [riptides, aquatics, opentrackers, nodes, limits].flatMap((make) => make(places));
}

/**
 * What the task that runs a protocol natively grants, from deno.json; undefined: there is none.
 * Without a library of TLS among it, the native driver serves plain connections only.
 */
function nativeGrant(root: string, protocol: Protocol): string | undefined {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${root}deno.json`));
  const command: string | undefined = tasks[`${protocol}:native`]?.command;
  return command?.split(" ").find((word) => word.startsWith("--allow-ffi="));
}

function riptides({ root, cache }: Places): Server[] {
  const deno = (arguments_: string[]) => [
    Deno.execPath(),
    ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-net", "--allow-sys"],
    ...arguments_,
  ];
  const grantOf = (protocol: Protocol, io: "deno" | "native") =>
    io === "native" ? [nativeGrant(root, protocol)!] : [];
  const nameOf = (protocol: Protocol, io: "deno" | "native") =>
    `riptide ${protocol}, ${io === "native" ? "native" : "sandboxed"}`;
  const memory = ({ isLarge }: Scenario) => `[memory]\nlimit_mib = ${isLarge ? 4096 : 1024}\n`;
  const udp = (io: "deno" | "native"): Server => ({
    name: nameOf("udp", io),
    protocol: "udp",
    role: "own",
    canServe: ({ workers, isLarge }) => io === "native" || (workers === 1 && !isLarge),
    command: () => deno([...grantOf("udp", io), `${root}main.ts`, "udp", "-c", "CONFIG"]),
    config: (scenario) =>
      `socket_workers = ${scenario.workers}\n[network]\naddress = "127.0.0.1:PORT"\n` +
      `io = "${io}"\n` +
      (io === "native" ? "socket_recv_buffer_size = 8000000\n" : "") +
      `[protocol]\nmax_response_peers = ${UDP_PEERS}\n${memory(scenario)}`,
  });
  const tcp = (protocol: "http" | "ws", io: "deno" | "native"): Server => ({
    name: nameOf(protocol, io),
    protocol,
    role: "own",
    canServe: ({ tls }) => io === "deno" || !tls || nativeGrant(root, protocol)!.includes("libssl"),
    command: () => deno([...grantOf(protocol, io), `${root}main.ts`, protocol, "-c", "CONFIG"]),
    config: (scenario) =>
      `socket_workers = ${scenario.workers}\n[network]\naddress = "127.0.0.1:PORT"\n` +
      (io === "native" ? 'io = "native"\n' : "") + tlsKeys(scenario, cache) + memory(scenario),
  });
  return [
    ...[udp("native"), udp("deno")],
    ...(["http", "ws"] as const).flatMap((protocol) => [
      ...(nativeGrant(root, protocol) === undefined ? [] : [tcp(protocol, "native")]),
      tcp(protocol, "deno"),
    ]),
  ];
}

function tlsKeys({ tls }: Scenario, cache: string): string {
  return tls
    ? `enable_tls = true\ntls_certificate_path = "${cache}/tls/leaf.pem"\n` +
      `tls_private_key_path = "${cache}/tls/leaf.key.pem"\n`
    : "";
}

/** Its authors advise one swarm worker, and socket workers for the rest of the cores. */
function aquatics({ cache }: Places): Server[] {
  const udp: Server = {
    name: "aquatic_udp 0.9.0",
    protocol: "udp",
    role: "rival",
    canServe: () => true,
    command: () => [`${cache}/bin/aquatic_udp`, "-c", "CONFIG"],
    config: ({ workers }) =>
      `socket_workers = ${workers}\nlog_level = "error"\n[network]\naddress = "127.0.0.1:PORT"\n` +
      `socket_recv_buffer_size = 8000000\n[protocol]\nmax_response_peers = ${UDP_PEERS}\n` +
      "[statistics]\ninterval = 0\n",
  };
  const tcp = (protocol: "http" | "ws"): Server => ({
    name: `aquatic_${protocol} 0.9.0`,
    protocol,
    role: "rival",
    canServe: () => true,
    command: () => [`${cache}/bin/aquatic_${protocol}`, "-c", "CONFIG"],
    config: (scenario) =>
      `socket_workers = ${scenario.workers}\nswarm_workers = 1\nlog_level = "error"\n` +
      '[network]\naddress = "127.0.0.1:PORT"\n' +
      (scenario.isClosing ? "keep_alive = false\n" : "") + tlsKeys(scenario, cache),
  });
  return [udp, tcp("http"), tcp("ws")];
}

/** Debian's build: it has one thread, serves listed torrents only, and keeps no connection. */
function opentrackers({ cache }: Places): Server[] {
  const base = `${cache}/opentracker/usr`;
  return (["udp", "http"] as const).map((protocol) => ({
    name: `opentracker 2021-08-23 ${protocol}`,
    protocol,
    role: "rival",
    isListed: true,
    canServe: (scenario) =>
      isPlain(scenario) && scenario.shareOfMost === undefined && !scenario.isLarge &&
      (protocol === "udp" || scenario.isClosing),
    command:
      () => ["env", `LD_LIBRARY_PATH=${base}/lib`, `${base}/bin/opentracker`, "-f", "CONFIG"],
    config: () =>
      `listen.${protocol === "udp" ? "udp" : "tcp"} 127.0.0.1:PORT\n` +
      "access.whitelist LIST\ntracker.rootdir /\n",
  }));
}

/** The reference implementation; it has one thread and no TLS of its own. */
function nodes({ cache }: Places): Server[] {
  return (["udp", "http", "ws"] as const).map((protocol) => ({
    name: `bittorrent-tracker 11.2.3 ${protocol}`,
    protocol,
    role: "rival",
    canServe: (scenario) => isPlain(scenario) && isForAll(scenario),
    command: () => ["node", `${cache}/bittorrent_tracker.mjs`, "PORT", protocol],
    config: () => "",
  }));
}

/** What the machine, and Deno on it, allow at most. They keep nothing, so nothing grows. */
function limits({ root, cache }: Places): Server[] {
  const isAsked = (scenario: Scenario) => isForAll(scenario) && scenario.workers === 1;
  const limit = (name: string, protocol: Protocol, command: string[]): Server => ({
    name,
    protocol,
    role: "limit",
    canServe: (scenario) => isAsked(scenario) && !scenario.tls,
    command: () => command,
    config: () => "",
  });
  const deno = [Deno.execPath(), "run", "--quiet", "--allow-read", "--allow-net"];
  return [
    limit("C: recvmmsg and sendmmsg", "udp", [`${cache}/limits/udp_echo`, "PORT"]),
    {
      ...limit("Deno.listenDatagram loop", "udp", [
        ...deno,
        ...[`${root}bench/limits/deno_udp.ts`, "-c", "CONFIG"],
      ]),
      config: () => '[network]\naddress = "127.0.0.1:PORT"\n',
    },
    limit("C: epoll", "http", [`${cache}/limits/http_echo`, "PORT"]),
    {
      ...limit("Deno.listen loop", "http", []),
      canServe: (scenario) => isAsked(scenario) && scenario.name !== "pipelined",
      command: ({ isClosing, tls }) => [
        ...[...deno, `${root}bench/limits/deno_http_loop.ts`, "PORT"],
        ...(isClosing ? ["--close"] : []),
        ...(tls ? [`${cache}/tls/leaf.pem`, `${cache}/tls/leaf.key.pem`] : []),
      ],
    },
    // They relay nothing: a frame for a frame is all that they are compared in.
    {
      ...limit("C: epoll, WebSocket", "ws", [`${cache}/limits/ws_echo`, "PORT"]),
      canServe: ({ name }) => name === "no-offers",
    },
    {
      ...limit("Deno.listen loop, WebSocket", "ws", [
        ...deno,
        ...[`${root}bench/limits/deno_ws_loop.ts`, "PORT"],
      ]),
      canServe: ({ name }) => name === "no-offers",
    },
  ];
}
