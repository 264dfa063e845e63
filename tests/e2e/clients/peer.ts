/** What the end-to-end tests want of a BitTorrent client, whichever it is. */

/** The tests' patience with one client: real clients take a second or two. */
export const CLIENT_DEADLINE_MS = 60_000;

export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** Waits until the tracker has answered its announce. */
  untilAnnounced(): Promise<void>;
  /** Waits until it has the whole file. */
  untilComplete(): Promise<void>;
  /** Waits for the tracker's refusal and returns what the client reports. */
  trackerError(): Promise<string>;
  /** Returns how many bytes of the file it got from other peers. */
  downloaded(): Promise<number>;
  /** Leaves the swarm and tells the tracker, which may take until after this returns. */
  stop(): Promise<void>;
}

export interface PeerOptions {
  /** Path of the torrent file. */
  torrent: string;
  /** Where the file is, or is to be put. */
  directory: string;
  /** The local address it listens on and announces from. */
  hostname: string;
  /** Whether the file is there already. */
  withFile: boolean;
  /** Certificate (PEM) of an authority to trust. */
  authorityPath?: string;
}

/** Returns a TCP port that was free a moment ago, for clients that cannot take port 0. */
export function findFreeTcpPort(hostname = "127.0.0.1"): number {
  using listener = Deno.listen({ hostname, port: 0 });
  return listener.addr.port;
}
