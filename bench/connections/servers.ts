/** Servers that run on while several loads visit them in turn: ours, and bare loops of Deno. */

import type { Certificate } from "../limits/http_servers.ts";
import { NATIVE_GRANT } from "../native_grant.ts";
import { freeTcpPort, freeUdpPort, untilListens, untilUdpAnswers } from "../readiness.ts";

const BENCH = new URL("..", import.meta.url).pathname;
/** This checkout. */
export const ROOT = new URL("../..", import.meta.url).pathname;
/** What the open files of these machines allow. */
const CONNECTIONS_MAX = 19_000;

/** How to run a server. */
export interface ServerKind {
  name: string;
  transport: "udp" | "tcp";
  /** Cores that it may use, as taskset wants them; the load has core 1. */
  cores: string;
  /** V8's flags, behind which the rest of the command stands. */
  command(options: { port: number; configPath: string; flags: string[] }): string[];
  config(port: number): string;
}

export interface RiptideOptions {
  protocol: "udp" | "http" | "ws";
  io: string;
  root?: string;
  workers?: number;
  cores?: string;
  certificate?: Certificate;
}

/** Riptide, from this checkout or another. */
export function riptide(options: RiptideOptions): ServerKind {
  const { protocol, io, root = ROOT, workers = 1, cores = "0", certificate } = options;
  const isUdp = protocol === "udp";
  return {
    name: `riptide ${protocol}${certificate === undefined ? "" : " TLS"}` +
      `${io === "deno" ? "" : `, ${io}`}${workers === 1 ? "" : `, ${workers} workers`}` +
      (root === ROOT ? "" : ` (${root})`),
    transport: isUdp ? "udp" : "tcp",
    cores,
    command: ({ configPath, flags }) => [
      ...[Deno.execPath(), "run", "--quiet", "--no-prompt", ...flags],
      ...["--allow-read", "--allow-net", "--allow-sys"],
      ...(io === "native" ? [NATIVE_GRANT] : []),
      ...[`${root}/main.ts`, protocol, "-c", configPath],
    ],
    config: (port) =>
      `socket_workers = ${workers}\nlog_level = "error"\n[network]\n` +
      `address = "127.0.0.1:${port}"\n` +
      // Versions that know no other way over TCP know no key for it.
      (isUdp || io !== "deno" ? `io = "${io}"\n` : "") +
      (isUdp ? "" : `max_connections = ${CONNECTIONS_MAX}\n` +
        `max_connections_per_address = ${CONNECTIONS_MAX}\n`) +
      (protocol === "http" ? "keep_alive_timeout = 3600\n" : "") +
      (protocol === "ws" ? "websocket_ping_interval = 3600\n" : "") +
      (certificate === undefined ? "" : "enable_tls = true\n" +
        `tls_certificate_path = "${certificate.certificatePath}"\n` +
        `tls_private_key_path = "${certificate.keyPath}"\n`) +
      "[memory]\nlimit_mib = 1024\n",
  };
}

/**
 * A loop of Deno's sockets.
 * @param script A file of bench/, which is given the port, more words, and a certificate's files.
 */
export function bareLoop(
  { name, script, words = [], certificate }: {
    name: string;
    script: string;
    words?: string[];
    certificate?: Certificate;
  },
): ServerKind {
  return {
    name: `${name}${certificate === undefined ? "" : " TLS"}`,
    transport: "tcp",
    cores: "0",
    command: ({ port, flags }) => [
      ...[Deno.execPath(), "run", "--quiet", "--no-prompt", ...flags],
      ...["--allow-read", "--allow-net", `${BENCH}${script}`, String(port), ...words],
      ...(certificate === undefined ? [] : [certificate.certificatePath, certificate.keyPath]),
    ],
    config: () => "",
  };
}

/** A server that runs. */
export interface RunningServer {
  name: string;
  port: number;
  processId: number;
  stop(): Promise<void>;
}

/** Starts a server on its cores and waits until it answers. */
export async function startServer(
  kind: ServerKind,
  { flags = [] }: { flags?: string[] } = {},
): Promise<RunningServer> {
  const port = kind.transport === "udp" ? freeUdpPort() : freeTcpPort();
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(configPath, kind.config(port));
  const child = new Deno.Command("taskset", {
    args: ["-c", kind.cores, ...kind.command({ port, configPath, flags })],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  const stop = async () => {
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(configPath);
  };
  try {
    await (kind.transport === "udp" ? untilUdpAnswers(port) : untilListens(port));
    return { name: kind.name, port, processId: child.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Gives this process, and the threads and processes that it starts, the other core. */
export async function takeLoadCore(): Promise<void> {
  const args = ["-a", "-p", "-c", "1", String(Deno.pid)];
  const { success } = await new Deno.Command("taskset", { args, stdout: "null" }).output();
  if (!success) throw new Error("taskset cannot pin this process");
}
