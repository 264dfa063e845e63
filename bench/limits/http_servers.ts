/** HTTP servers that are measured: how each is started on its core, asked, and ended. */

const SERVER_CORE = "0";
const START_ATTEMPTS = 200;
const START_PAUSE_MILLISECONDS = 50;

/** Files of a certificate that nobody checks. */
export interface Certificate {
  certificatePath: string;
  keyPath: string;
  remove(): Promise<void>;
}

export interface HttpServer {
  name: string;
  isTls: boolean;
  /** The program and its arguments; `configPath` holds `config`. */
  command(options: { port: number; configPath: string }): string[];
  config(port: number): string;
}

/** A server that runs. */
export interface HttpTarget {
  /** Such as `http://127.0.0.1:4711`. */
  origin: string;
  port: number;
  processId: number;
  /** Gets a path; the connection ends with the answer. */
  ask(path: string): Promise<string>;
}

/** An announce of one of many peers of one torrent. */
export function announce(peer: number): string {
  return "/announce?info_hash=%00%11%22%33%44%55%66%77%88%99%aa%bb%cc%dd%ee%ff%01%02%03%04" +
    `&peer_id=-TR4100-${String(peer).padStart(12, "0")}&port=${10_000 + peer}` +
    "&uploaded=0&downloaded=0&left=1&numwant=50&key=ABCDEF01&compact=1&event=started";
}

/** Riptide from the checkout in `root`. */
export function riptide(root: string, options: { certificate?: Certificate }): HttpServer {
  const { certificate } = options;
  return {
    name: `riptide (${root})`,
    isTls: certificate !== undefined,
    command: ({ configPath }) => [
      ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--allow-read", "--allow-net"],
      ...["--allow-sys", `${root}/main.ts`, "http", "-c", configPath],
    ],
    config: (port) =>
      `log_level = "error"\n[network]\naddress = "127.0.0.1:${port}"\n` +
      "max_connections = 20000\nmax_connections_per_address = 20000\nkeep_alive_timeout = 3600\n" +
      (certificate === undefined ? "" : `enable_tls = true\ntls_certificate_path = "` +
        `${certificate.certificatePath}"\ntls_private_key_path = "${certificate.keyPath}"\n`) +
      "[protocol]\nmax_peers = 50\n",
  };
}

/** The floor: constant answers from the same sockets (bench/limits/deno_http_loop.ts). */
export function bareLoop(
  { isClosing, certificate }: { isClosing: boolean; certificate?: Certificate },
): HttpServer {
  return {
    name: "bare loop of Deno",
    isTls: certificate !== undefined,
    command: ({ port }) => [
      ...[Deno.execPath(), "run", "--quiet", "--allow-read", "--allow-net"],
      new URL("deno_http_loop.ts", import.meta.url).pathname,
      ...[String(port), ...(isClosing ? ["--close"] : [])],
      ...(certificate === undefined ? [] : [certificate.certificatePath, certificate.keyPath]),
    ],
    config: () => "",
  };
}

/** Starts a server, has it used, and ends it. */
export async function inServer<T>(
  server: HttpServer,
  use: (target: HttpTarget) => Promise<T>,
): Promise<T> {
  const port = freePort();
  const configPath = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(configPath, server.config(port));
  const child = new Deno.Command("taskset", {
    args: ["-c", SERVER_CORE, ...server.command({ port, configPath })],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  const target: HttpTarget = {
    origin: `${server.isTls ? "https" : "http"}://127.0.0.1:${port}`,
    port,
    processId: child.pid,
    ask: (path) => ask({ port, isTls: server.isTls, path }),
  };
  try {
    await untilAnswered(target);
    return await use(target);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(configPath);
  }
}

/** Makes a certificate for 127.0.0.1 by openssl. */
export async function makeCertificate(): Promise<Certificate> {
  const directory = await Deno.makeTempDir();
  const [certificatePath, keyPath] = [`${directory}/cert.pem`, `${directory}/key.pem`];
  const { success } = await new Deno.Command("openssl", {
    args: [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" "),
      ...["-keyout", keyPath, "-out", certificatePath, "-subj", "/CN=127.0.0.1"],
      ...["-addext", "basicConstraints=CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"],
    ],
    stderr: "null",
  }).output();
  if (!success) throw new Error("openssl cannot make a certificate");
  const remove = () => Deno.remove(directory, { recursive: true });
  return { certificatePath, keyPath, remove };
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

async function untilAnswered(target: HttpTarget): Promise<void> {
  for (let attempt = 0; attempt < START_ATTEMPTS; ++attempt) {
    try {
      await target.ask(announce(0));
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MILLISECONDS));
    }
  }
  throw new Error(`Nobody answers on port ${target.port}`);
}

async function ask(
  { port, isTls, path }: { port: number; isTls: boolean; path: string },
): Promise<string> {
  const scheme = isTls ? "https" : "http";
  const { success, stdout } = await new Deno.Command("curl", {
    args: ["-sk", "--output", "-", "--max-time", "5", `${scheme}://127.0.0.1:${port}${path}`],
  }).output();
  if (!success) throw new Error(`Nobody answers on port ${port}`);
  return new TextDecoder("latin1").decode(stdout);
}
