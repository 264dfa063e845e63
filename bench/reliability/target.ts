/**
 * A tracker of several protocols as a process of its own, for the runs that break something.
 *
 * It runs as `deno task tracker:native` does, with ports that were free a moment ago, so that a
 * second one can take them over.
 */
import { NATIVE_GRANT } from "../native_grant.ts";
import { sleep } from "./traffic.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const READY_MILLISECONDS = 20_000;
export const LIMIT_MIB = 256;

export interface Ports {
  udp: number;
  http: number;
  ws: number;
  metrics: number;
}

export interface TargetOptions {
  directory: string;
  /** TOML behind the protocols' tables. */
  more?: string;
  /** TOML within the tables `network` of HTTP and WebTorrent. */
  tcpNetwork?: string;
  ports: Ports;
  takeOver?: boolean;
  /** A file that runs instead of main.ts, and gets the same arguments. */
  program?: string;
  /** A shell line that starts `"$@"` in some special way. */
  shell?: string;
}

export class Target implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  /** What it logged, JSON lines. */
  readonly log: string[] = [];
  readonly #reading: Promise<void>;

  private constructor(process: Deno.ChildProcess) {
    this.process = process;
    this.#reading = this.#read();
  }

  /** Starts one and waits until it answers over HTTP. */
  static async start(options: TargetOptions): Promise<Target> {
    const { directory, ports, more = "", tcpNetwork = "" } = options;
    const path = `${directory}/tracker.toml`;
    await Deno.writeTextFile(
      path,
      `log_format = "json"
      memory = { limit_mib = ${LIMIT_MIB} }
      statistics = { interval = 0 }
      metrics = { address = "127.0.0.1:${ports.metrics}" }
      ${more}
      [udp]
      socket_workers = 2
      network = { address = "127.0.0.1:${ports.udp}", io = "native" }
      [http]
      socket_workers = 2
      network = { address = "127.0.0.1:${ports.http}" ${tcpNetwork} }
      [ws]
      socket_workers = 2
      network = { address = "127.0.0.1:${ports.ws}" ${tcpNetwork} }\n`,
    );
    const args = [
      ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-net", "--allow-sys"],
      ...[NATIVE_GRANT, `${ROOT}${options.program ?? "main.ts"}`],
      ...["tracker", "-c", path, ...(options.takeOver ? ["--take-over"] : [])],
    ];
    const [command, words] = options.shell === undefined
      ? [Deno.execPath(), args]
      : ["sh", ["-c", options.shell, "sh", Deno.execPath(), ...args]];
    const child = new Deno.Command(command, {
      args: words,
      cwd: ROOT,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const target = new Target(child);
    const isTold = () => target.log.filter((line) => line.includes("Listening on")).length === 3;
    const deadline = performance.now() + READY_MILLISECONDS;
    // One whose log goes elsewhere is asked instead.
    while (options.shell === undefined ? !isTold() : !await accepts(ports.http)) {
      if (performance.now() > deadline) throw new Error(`Not ready: ${target.log.join("\n")}`);
      await sleep(20);
    }
    return target;
  }

  /** Waits for a line of the log that holds this text. */
  async logged(text: string, since = 0): Promise<void> {
    const deadline = performance.now() + READY_MILLISECONDS;
    while (!this.log.slice(since).some((line) => line.includes(text))) {
      if (performance.now() > deadline) {
        throw new Error(
          `Never logged ${JSON.stringify(text)}: ${this.log.slice(since).join("\n")}`,
        );
      }
      await sleep(10);
    }
  }

  /** Ends it as an operator does; returns its exit status. */
  async stop(): Promise<number> {
    try {
      this.process.kill("SIGTERM");
    } catch { // it has ended
    }
    const { code } = await this.process.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.process.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      this.log.push(...lines);
    }
  }
}

async function accepts(port: number): Promise<boolean> {
  try {
    using _conn = await Deno.connect({ hostname: "127.0.0.1", port });
    return true;
  } catch {
    return false;
  }
}

/** Ports that nobody has at the moment. */
export function findPorts(): Ports {
  const udp = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const listeners = Array.from(
    { length: 3 },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const [http, ws, metrics] = listeners.map(({ addr }) => addr.port) as [number, number, number];
  const ports = { udp: (udp.addr as Deno.NetAddr).port, http, ws, metrics };
  udp.close();
  for (const listener of listeners) listener.close();
  return ports;
}
