/** Runs Debian's python3-libtorrent. */
import { LineProcess } from "./line_process.ts";
import type { Peer, PeerOptions } from "./peer.ts";

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
  readonly #process: LineProcess;

  constructor(options: PeerOptions) {
    const { hostname, torrent, directory, authorityPath } = options;
    const listen = hostname.includes(":") ? `[${hostname}]:0` : `${hostname}:0`;
    this.#process = new LineProcess(PYTHON, {
      name: this.name,
      args: [PROGRAM, JSON.stringify({ torrent, directory, listen })],
      // OpenSSL's own way to trust further authorities.
      env: authorityPath === undefined ? {} : { SSL_CERT_FILE: authorityPath },
    });
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
    if (!this.#process.hasEnded) {
      await this.#process.closeInput();
      await this.#waitFor("stopped");
    }
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  #waitFor(name: string): Promise<Event> {
    const read = (line: string) => {
      const event: Event = JSON.parse(line);
      return event.event === name ? event : undefined;
    };
    return this.#process.waitFor(read, `"${name}"`);
  }
}
