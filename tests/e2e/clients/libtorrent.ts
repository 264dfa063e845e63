/** Runs Debian's python3-libtorrent. */
import { strict as assert } from "node:assert";
import { within } from "../../support/deadline.ts";
import { readLines } from "../../support/lines.ts";
import { CLIENT_DEADLINE_MS, type Peer, type PeerOptions } from "./peer.ts";

/** Debian's own Python: one that comes first in PATH may not see Debian's packages. */
const PYTHON = "/usr/bin/python3";
const PROGRAM = new URL("libtorrent_peer.py", import.meta.url).pathname;

/** Tells whether this machine has python3-libtorrent. */
export async function hasLibtorrent(): Promise<boolean> {
  try {
    return (await new Deno.Command(PYTHON, { args: ["-c", "import libtorrent"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

interface Event {
  event: string;
  message?: string;
  peers?: number;
  downloaded?: number;
}

export class LibtorrentPeer implements Peer {
  readonly name = "libtorrent";
  readonly tellsErrorText = false;
  readonly #process: Deno.ChildProcess;
  readonly #events: Event[] = [];
  readonly #ended: Promise<void>;
  #status?: Deno.CommandStatus;
  #wake = () => {};

  constructor(options: PeerOptions) {
    const { hostname, torrent, directory } = options;
    const listen = hostname.includes(":") ? `[${hostname}]:0` : `${hostname}:0`;
    this.#process = new Deno.Command(PYTHON, {
      args: [PROGRAM, JSON.stringify({ torrent, directory, listen })],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#ended = this.#collect();
  }

  async untilAnnounced(): Promise<void> {
    await this.#waitFor("announced");
  }

  async untilComplete(): Promise<void> {
    await this.#waitFor("complete");
  }

  async trackerError(): Promise<string> {
    return (await this.#waitFor("tracker_error")).message!;
  }

  /** Ends the client, which tells at its end what it got. */
  async downloaded(): Promise<number> {
    await this.stop();
    return (await this.#waitFor("status")).downloaded!;
  }

  async stop(): Promise<void> {
    if (!this.#status) {
      await this.#process.stdin.close().catch(() => {});
      await this.#waitFor("stopped");
    }
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#status) this.#process.kill("SIGKILL");
    await this.#process.stdin.close().catch(() => {});
    await this.#ended;
  }

  async #collect(): Promise<void> {
    for await (const line of readLines(this.#process.stdout)) {
      this.#events.push(JSON.parse(line));
      this.#wake();
    }
    this.#status = await this.#process.status;
    this.#wake();
  }

  async #waitFor(name: string): Promise<Event> {
    const find = () => this.#events.find(({ event }) => event === name);
    const found = async () => {
      while (!find()) {
        assert.ok(!this.#status, `libtorrent ended: ${this.#describe()}`);
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    await within(found(), {
      deadlineMs: CLIENT_DEADLINE_MS,
      what: () => `"${name}" of libtorrent; events: ${this.#describe()}`,
    });
    return find()!;
  }

  #describe(): string {
    return JSON.stringify({ events: this.#events, status: this.#status });
  }
}
