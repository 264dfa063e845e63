/**
 * Real clients find each other through a tracker and move a real file, over any protocol.
 *
 * Every other way to find peers is off, and the torrents are private: only the tracker can have
 * introduced them. The refused torrent is the counter-proof: there nobody finds anybody.
 */
import { strict as assert } from "node:assert";
import { elapse } from "../../support/deadline.ts";
import { type ScrapeCounts, toHex } from "../../support/packets.ts";
import { Aria2Peer, hasAria2 } from "./aria2.ts";
import { hasLibtorrent, LibtorrentPeer } from "./libtorrent.ts";
import type { Peer, PeerOptions } from "./peer.ts";
import { Torrent } from "./torrent.ts";
import { hasTransmission, OUTER_IPV4, TransmissionPeer } from "./transmission.ts";

export type StartPeer = (options: PeerOptions) => Peer | Promise<Peer>;

export const aria2: StartPeer = (options) => new Aria2Peer(options);
export const libtorrent: StartPeer = (options) => new LibtorrentPeer(options);
export const transmission: StartPeer = (options) => TransmissionPeer.start(options);

export const ARIA2 = await hasAria2();
export const LIBTORRENT = await hasLibtorrent();
/** Transmission needs an address that is no loopback one, and others to find there. */
export const TRANSMISSION = LIBTORRENT && await hasTransmission() && OUTER_IPV4 !== undefined;

/** A running tracker, as the clients of one torrent need it. */
export interface Tracker extends AsyncDisposable {
  /** The announce URL for a client on this address. */
  url(hostname: string): string;
  /** Certificate (PEM) of the authority that clients must trust, if any. */
  readonly authorityPath?: string;
  /** Asks the tracker itself what it thinks. */
  counts(infoHash: Uint8Array): Promise<ScrapeCounts>;
  /** Returns the error text that the tracker gives for this torrent. */
  refusal(infoHash: Uint8Array): Promise<string>;
  /** Whether libtorrent drops that text (2.0.8 does, over UDP). */
  readonly isTextLost: boolean;
}

/** A client of a swarm: what it is, and the address it has. */
export interface Member {
  start: StartPeer;
  hostname: string;
}

export type SwarmMember = Member & { isSeeder: boolean };

export const seeder = (start: StartPeer, hostname: string) => ({ start, hostname, isSeeder: true });
export const leecher = (start: StartPeer, hostname: string) => (
  { start, hostname, isSeeder: false }
);

/** Moves the file to each leecher, members coming in order, and checks what the tracker counted. */
export async function moveFile(tracker: Tracker, members: SwarmMember[]): Promise<void> {
  await using torrent = await Torrent.create();
  await using peers = new AsyncDisposableStack();
  const started = [];
  for (const { start, hostname, isSeeder } of members) {
    const path = await torrent.announcedAt(tracker.url(hostname));
    const directory = await torrent.makeHome({ withFile: isSeeder });
    const { authorityPath } = tracker;
    const options = { torrent: path, directory, hostname, withFile: isSeeder, authorityPath };
    const peer = peers.use(await start(options));
    await peer.untilAnnounced();
    started.push({ peer, directory, isSeeder });
  }
  for (const { peer } of started) await peer.untilComplete();

  const completed = members.filter(({ isSeeder }) => !isSeeder).length;
  const { infoHash } = torrent;
  await untilCounts(tracker, infoHash, { seeders: members.length, completed, leechers: 0 });
  for (const { peer, directory, isSeeder } of started) {
    assert.ok(await torrent.isWholeIn(directory), `The file of ${peer.name}`);
    if (isSeeder) continue;
    assert.ok(await peer.downloaded() >= torrent.file.length, `${peer.name} got it from peers`);
  }
  for (const { peer } of started) await peer.stop();
  await untilCounts(tracker, infoHash, { seeders: 0, completed, leechers: 0 });
}

/** How a tracker is started that refuses a torrent. */
export function refusing(torrent: Torrent, hostname: string) {
  return {
    configuration: (directory: string) => ({
      network: { address: `${hostname}:0` },
      access_list: { mode: "black", path: `${directory}/list.txt` },
    }),
    files: { "list.txt": toHex(torrent.infoHash) + "\n" },
  };
}

/** Sees two clients report the tracker's refusal of `torrent`, and nothing moved. */
export async function refuse(
  tracker: Tracker,
  torrent: Torrent,
  { start, hostname }: Member,
): Promise<void> {
  const path = await torrent.announcedAt(tracker.url(hostname));
  await using peers = new AsyncDisposableStack();
  const started = [];
  for (const withFile of [true, false]) {
    const directory = await torrent.makeHome({ withFile });
    const { authorityPath } = tracker;
    const options = { torrent: path, directory, hostname, withFile, authorityPath };
    started.push(peers.use(await start(options)));
  }
  const text = await tracker.refusal(torrent.infoHash);
  for (const peer of started) {
    const reported = await peer.trackerError();
    const isLost = tracker.isTextLost && peer.name === "libtorrent";
    const expected = isLost ? "tracker sent a failure message" : text;
    assert.ok(reported.includes(expected), `${peer.name} reports "${reported}"`);
  }
  assert.equal(await started[1].downloaded(), 0);
}

/** Asks until the counts are these; what clients report last may be still on its way. */
async function untilCounts(
  tracker: Tracker,
  infoHash: Uint8Array,
  expected: ScrapeCounts,
): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (true) {
    const counts = await tracker.counts(infoHash);
    if (toText(counts) === toText(expected) || performance.now() > deadline) {
      assert.deepEqual(counts, expected);
      return;
    }
    await elapse(50);
  }
}

function toText({ seeders, completed, leechers }: ScrapeCounts): string {
  return [seeders, completed, leechers].join();
}
