/**
 * Real clients find each other through Riptide and move a real file.
 *
 * Every other way to find peers is off, and the torrents are private: only the tracker can have
 * introduced them. The refused torrent is the counter-proof: there nobody finds anybody.
 */
import { strict as assert } from "node:assert";
import { type Driver, HAS_IPV6 } from "../support/configuration.ts";
import { elapse } from "../support/deadline.ts";
import { EVENT_NONE, toHex } from "../support/packets.ts";
import { type Server, startServer } from "../support/server.ts";
import { forEachDriver } from "../support/suite.ts";
import { UdpClient } from "../support/udp_client.ts";
import { hasLibtorrent, LibtorrentPeer } from "./clients/libtorrent.ts";
import type { Peer, PeerOptions } from "./clients/peer.ts";
import { Torrent } from "./clients/torrent.ts";
import { hasTransmission, OUTER_IPV4, TransmissionPeer } from "./clients/transmission.ts";

type StartPeer = (options: PeerOptions) => Peer | Promise<Peer>;

const libtorrent: StartPeer = (options) => new LibtorrentPeer(options);
const transmission: StartPeer = (options) => TransmissionPeer.start(options);

const LIBTORRENT = await hasLibtorrent();
const TRANSMISSION = LIBTORRENT && await hasTransmission() && OUTER_IPV4 !== undefined;

/** A client of a swarm: what it is, and the address it has. */
interface Member {
  start: StartPeer;
  hostname: string;
}

/** Members in the order in which they come. */
interface Swarm {
  /** Addresses that the tracker listens on; each member asks the one that begins as its own. */
  addresses: string[];
  members: (Member & { isSeeder: boolean })[];
}

const seeder = (start: StartPeer, hostname: string) => ({ start, hostname, isSeeder: true });
const leecher = (start: StartPeer, hostname: string) => ({ start, hostname, isSeeder: false });

/**
 * Transmission 3.00 refuses peers on loopback addresses and knows one peer an address. So in a swarm
 * there is one, on an outer address, and clients on loopback addresses that come later and call it.
 */
const MIXED = [`127.0.0.1:0`, `${OUTER_IPV4}:0`];

forEachDriver((driver, ignore) => {
  const test = (name: string, possible: boolean, fn: () => Promise<void>) =>
    Deno.test({ name: `${name} [${driver}]`, ignore: ignore || !possible, fn });

  test("libtorrent: a seeder and two leechers on IPv4", LIBTORRENT, () =>
    moveFile(driver, {
      addresses: ["127.0.0.1:0"],
      members: [
        seeder(libtorrent, "127.0.0.1"),
        leecher(libtorrent, "127.0.0.1"),
        leecher(libtorrent, "127.0.0.1"),
      ],
    }));

  test(
    "libtorrent: a seeder and two leechers on IPv6",
    LIBTORRENT && HAS_IPV6,
    () =>
      moveFile(driver, {
        addresses: ["[::1]:0"],
        members: [
          seeder(libtorrent, "::1"),
          leecher(libtorrent, "::1"),
          leecher(libtorrent, "::1"),
        ],
      }),
  );

  test("Transmission seeds, two libtorrents leech", TRANSMISSION, () =>
    moveFile(driver, {
      addresses: MIXED,
      members: [
        seeder(transmission, OUTER_IPV4!),
        leecher(libtorrent, "127.0.0.2"),
        leecher(libtorrent, "127.0.0.3"),
      ],
    }));

  test("Transmission and libtorrent leech, libtorrent seeds", TRANSMISSION, () =>
    moveFile(driver, {
      addresses: MIXED,
      members: [
        leecher(transmission, OUTER_IPV4!),
        leecher(libtorrent, "127.0.0.2"),
        seeder(libtorrent, "127.0.0.3"),
      ],
    }));

  test(
    "a blacklisted torrent is refused to libtorrent",
    LIBTORRENT,
    () => refuse(driver, { start: libtorrent, hostname: "127.0.0.1" }),
  );

  test(
    "a blacklisted torrent is refused to Transmission",
    TRANSMISSION,
    () => refuse(driver, { start: transmission, hostname: OUTER_IPV4! }),
  );
});

/** Moves the file from the seeder to each leecher and checks what the tracker counted. */
async function moveFile(driver: Driver, swarm: Swarm): Promise<void> {
  await using torrent = await Torrent.create();
  const configuration = { network: { address: swarm.addresses } };
  await using server = await startServer({ driver, configuration });
  await using peers = new AsyncDisposableStack();
  const started = [];
  for (const { start, hostname, isSeeder } of swarm.members) {
    const path = await torrent.announcedAt(`udp://${trackerFor(server, hostname)}/announce`);
    const directory = await torrent.makeHome({ withFile: isSeeder });
    const peer = peers.use(await start({ torrent: path, directory, hostname }));
    await peer.untilAnnounced();
    started.push({ peer, directory, isSeeder });
  }
  for (const { peer } of started) await peer.untilComplete();

  const { hostname } = swarm.members[0];
  await using observer = await observe(server, hostname);
  await observer.untilCounts(torrent.infoHash, { seeders: 3, completed: 2, leechers: 0 });
  for (const { peer, directory, isSeeder } of started) {
    assert.ok(await torrent.isWholeIn(directory), `The file of ${peer.name}`);
    if (isSeeder) continue;
    assert.ok(await peer.downloaded() >= torrent.file.length, `${peer.name} got it from peers`);
  }
  for (const { peer } of started) await peer.stop();
  await observer.untilCounts(torrent.infoHash, { seeders: 0, completed: 2, leechers: 0 });
}

/** Sees both clients report the tracker's refusal, and nothing moved. */
async function refuse(driver: Driver, { start, hostname }: Member): Promise<void> {
  await using torrent = await Torrent.create();
  const configuration = (directory: string) => ({
    network: { address: `${hostname}:0` },
    access_list: { mode: "black", path: `${directory}/list.txt` },
  });
  const files = { "list.txt": toHex(torrent.infoHash) + "\n" };
  await using server = await startServer({ driver, configuration, files });
  const path = await torrent.announcedAt(`udp://${server.addresses[0]}/announce`);
  const directory = await torrent.makeHome({ withFile: true });
  await using seeder = await start({ torrent: path, directory, hostname });
  const empty = await torrent.makeHome({ withFile: false });
  await using leecher = await start({ torrent: path, directory: empty, hostname });

  await using observer = await observe(server, hostname);
  const text = await observer.refusal(torrent.infoHash);
  for (const peer of [seeder, leecher]) {
    const reported = await peer.trackerError();
    const expected = peer.tellsErrorText ? text : "tracker sent a failure message";
    assert.ok(reported.includes(expected), `${peer.name} reports "${reported}"`);
  }
  assert.equal(await leecher.downloaded(), 0);
}

/** Asks the tracker itself what it thinks. */
class Observer implements AsyncDisposable {
  readonly #client: UdpClient;

  constructor(client: UdpClient) {
    this.#client = client;
  }

  /** Scrapes until the counts are these; what clients report last may be still on its way. */
  async untilCounts(
    infoHash: Uint8Array,
    expected: { seeders: number; completed: number; leechers: number },
  ): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (true) {
      const counts = await this.#client.counts(infoHash);
      const isEqual = toText(counts) === toText(expected);
      if (isEqual || performance.now() > deadline) {
        assert.deepEqual(counts, expected);
        return;
      }
      await elapse(50);
    }
  }

  /** Returns the error text that the tracker gives for this torrent. */
  async refusal(infoHash: Uint8Array): Promise<string> {
    const packet = this.#client.announcePacket({ infoHash, event: EVENT_NONE });
    return (await this.#client.exchange(packet, "error")).message;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}

async function observe(server: Server, hostname: string): Promise<Observer> {
  const client = new UdpClient(hostname, trackerFor(server, hostname));
  await client.connect();
  return new Observer(client);
}

function toText(counts: { seeders: number; completed: number; leechers: number }): string {
  return [counts.seeders, counts.completed, counts.leechers].join();
}

/** Returns the tracker's address that a client on `hostname` can ask. */
function trackerFor(server: Server, hostname: string): string {
  if (hostname.includes(":")) return server.address("[::1]");
  return server.address(hostname.startsWith("127.") ? "127.0.0.1" : hostname);
}
