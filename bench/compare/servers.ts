/** The servers that are compared: their commands, their configurations, and what they can serve. */

import type { Protocol, Scenario } from "./scenarios.ts";

/** A server, and how to run it. */
export interface Server {
  name: string;
  protocol: Protocol;
  /** Riptide, another tracker, or a physical limit. */
  role: "own" | "rival" | "limit";
  canServe(scenario: Scenario): boolean;
  /** The program and its arguments; PORT and CONFIG stand for what is not known yet. */
  command(scenario: Scenario): string[];
  /** The text of the file that CONFIG names, with PORT; empty: it needs none. */
  config(scenario: Scenario): string;
}

/** Where things are. */
export interface Places {
  /** Root of the repository. */
  root: string;
  /** Holds `bin/`, `node_modules/`, `limits/` and `tls/`. */
  cache: string;
}

const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";
/** What the load tests ask for. */
const UDP_PEERS = 30;

const isPlain = ({ workers, tls }: Scenario) => workers === 1 && !tls;

/** All servers, those whose program is missing included. */
export function allServers(places: Places): Server[] {
  return [riptides, aquatics, nodes, limits].flatMap((make) => make(places));
}

function riptides({ root, cache }: Places): Server[] {
  const deno = (arguments_: string[]) => [
    Deno.execPath(),
    ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-net", "--allow-sys"],
    ...arguments_,
  ];
  const udp = (io: "deno" | "native"): Server => ({
    name: `riptide udp, ${io === "native" ? "native" : "sandboxed"}`,
    protocol: "udp",
    role: "own",
    canServe: ({ workers, isLarge }) => io === "native" || (workers === 1 && !isLarge),
    command: () => [
      ...deno(io === "native" ? [`--allow-ffi=${LIBC}`] : []),
      ...[`${root}main.ts`, "udp", "-c", "CONFIG"],
    ],
    config: ({ workers, isLarge }) =>
      `socket_workers = ${workers}\n[network]\naddress = "127.0.0.1:PORT"\nio = "${io}"\n` +
      (io === "native" ? "socket_recv_buffer_size = 8000000\n" : "") +
      `[protocol]\nmax_response_peers = ${UDP_PEERS}\n` +
      `[memory]\nlimit_mib = ${isLarge ? 4096 : 1024}\n`,
  });
  const tcp = (protocol: "http" | "ws"): Server => ({
    name: `riptide ${protocol}`,
    protocol,
    role: "own",
    canServe: () => true,
    command: () => deno([`${root}main.ts`, protocol, "-c", "CONFIG"]),
    config: ({ workers, tls, isLarge }) =>
      `socket_workers = ${workers}\n[network]\naddress = "127.0.0.1:PORT"\n` +
      (tls
        ? `enable_tls = true\ntls_certificate_path = "${cache}/tls/leaf.pem"\n` +
          `tls_private_key_path = "${cache}/tls/leaf.key.pem"\n`
        : "") +
      `[memory]\nlimit_mib = ${isLarge ? 4096 : 1024}\n`,
  });
  return [udp("native"), udp("deno"), tcp("http"), tcp("ws")];
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
    config: ({ workers, tls }) =>
      `socket_workers = ${workers}\nswarm_workers = 1\nlog_level = "error"\n` +
      '[network]\naddress = "127.0.0.1:PORT"\n' +
      (tls
        ? `enable_tls = true\ntls_certificate_path = "${cache}/tls/leaf.pem"\n` +
          `tls_private_key_path = "${cache}/tls/leaf.key.pem"\n`
        : ""),
  });
  return [udp, tcp("http"), tcp("ws")];
}

/** The reference implementation; it has one thread and no TLS of its own. */
function nodes({ cache }: Places): Server[] {
  return (["udp", "http", "ws"] as const).map((protocol) => ({
    name: `bittorrent-tracker 11.2.3 ${protocol}`,
    protocol,
    role: "rival",
    canServe: (scenario) => isPlain(scenario) && !scenario.isLarge,
    command: () => ["node", `${cache}/bittorrent_tracker.mjs`, "PORT", protocol],
    config: () => "",
  }));
}

/** What the machine, and Deno on it, allow at most. They keep nothing, so nothing grows. */
function limits({ root, cache }: Places): Server[] {
  const canServe = (scenario: Scenario) => isPlain(scenario) && !/^growth/.test(scenario.name);
  const limit = (name: string, protocol: Protocol, command: string[]): Server => ({
    name,
    protocol,
    role: "limit",
    canServe,
    command: () => command,
    config: () => "",
  });
  const deno = [Deno.execPath(), "run", "--quiet", "--allow-read", "--allow-net"];
  const denoHttp = [...deno, `${root}bench/limits/deno_http_loop.ts`, "PORT"];
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
      ...limit("Deno.listen loop", "http", denoHttp),
      canServe: ({ name, workers }) => workers === 1 && !/^growth|^pipelined/.test(name),
      command: ({ tls }) =>
        tls ? [...denoHttp, `${cache}/tls/leaf.pem`, `${cache}/tls/leaf.key.pem`] : denoHttp,
    },
  ];
}
