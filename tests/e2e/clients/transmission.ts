/** Runs Debian's transmission-daemon and asks it by its RPC. */
import { strict as assert } from "node:assert";
import { elapse, within } from "../../support/deadline.ts";
import { endProcess } from "../../support/processes.ts";
import { CLIENT_DEADLINE_MS, findFreeTcpPort, type Peer, type PeerOptions } from "./peer.ts";

/** Tells whether this machine has transmission-daemon. */
export async function hasTransmission(): Promise<boolean> {
  try {
    await new Deno.Command("transmission-daemon", { args: ["--version"] }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** An IPv4 address that is not a loopback one: Transmission refuses peers on 127.0.0.0/8. */
export const OUTER_IPV4 = Deno.networkInterfaces().find(({ family, address }) =>
  family === "IPv4" && !address.startsWith("127.") && !address.startsWith("169.254.")
)?.address;

/** The same for IPv6. */
export const OUTER_IPV6 = Deno.networkInterfaces().find(({ family, address }) =>
  family === "IPv6" && address !== "::1" && !address.startsWith("fe80:")
)?.address;

interface TrackerStats {
  hasAnnounced: boolean;
  lastAnnounceSucceeded: boolean;
  lastAnnounceResult: string;
}

interface TorrentState {
  percentDone: number;
  downloadedEver: number;
  errorString: string;
  status: number;
  trackerStats: TrackerStats[];
}

const FIELDS = ["percentDone", "downloadedEver", "errorString", "status", "trackerStats"];

export class TransmissionPeer implements Peer {
  readonly name = "transmission";
  readonly #process: Deno.ChildProcess;
  readonly #url: string;
  readonly #home: string;
  readonly #output: Promise<string>;
  #session = "";
  #hasEnded = false;

  /** Starts the daemon, waits for its RPC and adds the torrent. */
  static async start(options: PeerOptions): Promise<TransmissionPeer> {
    const home = await Deno.makeTempDir({ prefix: "riptide-transmission-" });
    const rpcPort = findFreeTcpPort();
    const settings = settingsFor(options, rpcPort);
    await Deno.writeTextFile(`${home}/settings.json`, JSON.stringify(settings));
    const peer = new TransmissionPeer(home, { rpcPort, authorityPath: options.authorityPath });
    try {
      const filename = options.torrent;
      await peer.#until(() => peer.#call("torrent-add", { filename }), "the RPC answers");
      await peer.#call("torrent-verify", {});
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
    return peer;
  }

  constructor(home: string, options: { rpcPort: number; authorityPath?: string }) {
    const { rpcPort, authorityPath } = options;
    this.#home = home;
    this.#url = `http://127.0.0.1:${rpcPort}/transmission/rpc`;
    this.#process = new Deno.Command("transmission-daemon", {
      args: ["--foreground", "--config-dir", home],
      env: authorityPath === undefined ? {} : { CURL_CA_BUNDLE: authorityPath },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#output = new Response(this.#process.stderr).text();
    this.#process.status.then(() => this.#hasEnded = true);
  }

  async untilAnnounced(): Promise<void> {
    await this.#untilState(
      ({ trackerStats: [tracker] }) => tracker?.lastAnnounceSucceeded,
      "Transmission has announced",
    );
  }

  async untilComplete(): Promise<void> {
    await this.#untilState(({ percentDone }) => percentDone === 1, "Transmission is complete");
  }

  async trackerError(): Promise<string> {
    const state = await this.#untilState(
      ({ trackerStats: [tracker] }) => tracker?.hasAnnounced && !tracker.lastAnnounceSucceeded,
      "Transmission reports the tracker's error",
    );
    return state.trackerStats[0].lastAnnounceResult;
  }

  async downloaded(): Promise<number> {
    return (await this.#state()).downloadedEver;
  }

  /**
   * Stops the torrent; the daemon goes on, as over HTTP it tells the tracker nothing at its end.
   */
  async stop(): Promise<void> {
    await this.#call("torrent-stop", {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#process);
    await this.#output;
    await Deno.remove(this.#home, { recursive: true }).catch(() => {});
  }

  async #state(): Promise<TorrentState> {
    const answer = await this.#call("torrent-get", { fields: FIELDS });
    const { torrents } = answer as { torrents: TorrentState[] };
    assert.equal(torrents.length, 1);
    return torrents[0];
  }

  async #untilState(
    holds: (state: TorrentState) => boolean,
    what: string,
  ): Promise<TorrentState> {
    let state: TorrentState | undefined;
    const describe = () => `${what}: ${Deno.inspect(state, { depth: 5 })}`;
    await this.#until(async () => {
      state = await this.#state();
      return holds(state);
    }, describe);
    return state!;
  }

  /** Asks again and again, because Transmission does not tell by itself. */
  async #until(holds: () => Promise<unknown>, what: string | (() => string)): Promise<void> {
    let isWanted = true;
    const asking = (async () => {
      while (isWanted) {
        assert.ok(!this.#hasEnded, "transmission-daemon has ended");
        if (await holds().catch(() => false)) return;
        await elapse(50);
      }
    })();
    try {
      await within(asking, { deadlineMs: CLIENT_DEADLINE_MS, what });
    } finally {
      isWanted = false;
    }
  }

  async #call(method: string, parameters: Record<string, unknown>): Promise<unknown> {
    const response = await fetch(this.#url, {
      method: "POST",
      headers: { "X-Transmission-Session-Id": this.#session },
      body: JSON.stringify({ method, arguments: parameters }),
    });
    if (response.status === 409) {
      this.#session = response.headers.get("X-Transmission-Session-Id") ?? "";
      await response.body?.cancel();
      return await this.#call(method, parameters);
    }
    const answer = await response.json();
    assert.equal(answer.result, "success", `${method}: ${answer.result}`);
    return answer.arguments;
  }
}

/** Settings that leave only the tracker to introduce peers. */
function settingsFor(options: PeerOptions, rpcPort: number): Record<string, unknown> {
  const { hostname } = options;
  return {
    // It announces from here too: from the IPv4 address unless that is any.
    "bind-address-ipv4": hostname.includes(":") ? "0.0.0.0" : hostname,
    "bind-address-ipv6": hostname.includes(":") ? hostname : "::",
    "download-dir": options.directory,
    "dht-enabled": false,
    "lpd-enabled": false,
    "pex-enabled": false,
    "utp-enabled": false,
    "port-forwarding-enabled": false,
    "peer-port": findFreeTcpPort(hostname),
    "peer-port-random-on-start": false,
    "preallocation": 0,
    "rpc-bind-address": "127.0.0.1",
    "rpc-port": rpcPort,
    "rpc-authentication-required": false,
    "rpc-host-whitelist-enabled": false,
    "rpc-whitelist-enabled": false,
  };
}
