/** Runs Debian's aria2 and reads its log. */
import { LineProcess } from "./line_process.ts";
import { findFreeTcpPort, type Peer, type PeerOptions } from "./peer.ts";

/** What leaves only the tracker to introduce peers, and a log that tells what happens. */
const OPTIONS = [
  "--no-conf",
  "--enable-dht=false",
  "--enable-dht6=false",
  "--bt-enable-lpd=false",
  "--enable-peer-exchange=false",
  "--seed-ratio=0",
  "--file-allocation=none",
  "--quiet",
  "--log=-",
  "--log-level=info",
];

/** Tells whether this machine has aria2. */
export async function hasAria2(): Promise<boolean> {
  try {
    return (await new Deno.Command("aria2c", { args: ["--version"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export class Aria2Peer implements Peer {
  readonly name = "aria2";
  readonly #process: LineProcess;

  constructor(options: PeerOptions) {
    const { hostname, torrent, directory, authorityPath } = options;
    this.#process = new LineProcess("aria2c", {
      name: this.name,
      args: [
        ...OPTIONS,
        `--interface=${hostname}`,
        `--listen-port=${findFreeTcpPort(hostname)}`,
        `--dir=${directory}`,
        `--stop-with-process=${Deno.pid}`,
        ...(options.withFile ? ["--check-integrity"] : []),
        ...(authorityPath === undefined ? [] : [`--ca-certificate=${authorityPath}`]),
        torrent,
      ],
    });
  }

  async untilAnnounced(): Promise<void> {
    await this.#untilLine(/Response received:/, "a response of the tracker");
  }

  async untilComplete(): Promise<void> {
    await this.#untilLine(/Seeder state,/, "seeding");
  }

  async trackerError(): Promise<string> {
    return await this.#untilLine(/failure reason/i, "a failure reason");
  }

  /** What it told the tracker. */
  downloaded(): Promise<number> {
    const matches = this.#process.lines.map((line) => /^GET .*&downloaded=(\d+)&/.exec(line));
    return Promise.resolve(Math.max(0, ...matches.map((match) => Number(match?.[1] ?? 0))));
  }

  async stop(): Promise<void> {
    // The gentle signal: it tells the tracker "stopped" and waits for the reply.
    this.#process.signal("SIGINT");
    try {
      await this.#process.untilEnded();
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  #untilLine(pattern: RegExp, what: string): Promise<string> {
    return this.#process.waitFor((line) => pattern.test(line) ? line : undefined, what);
  }
}
