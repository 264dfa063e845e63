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
import { parseAddress, UdpClient } from "../support/udp_client.ts";
import { hasLibtorrent, LibtorrentPeer } from "./clients/libtorrent.ts";
import type { Peer, PeerOptions } from "./clients/peer.ts";
import { Torrent } from "./clients/torrent.ts";
import { hasTransmission, OUTER_IPV4, TransmissionPeer } from "./clients/transmission.ts";

type StartPeer = (options: PeerOptions) => Peer | Promise<Peer>;

const libtorrent: StartPeer = (options) => new LibtorrentPeer(options);
const transmission: StartPeer = (options) => TransmissionPeer.start(options);

const LIBTORRENT = await hasLibtorrent();
const TRANSMISSION = LIBTORRENT && await hasTransmission() && OUTER_IPV4 !== undefined;

interface Swarm {
  hostname: string;
  seeder: StartPeer;
  leechers: StartPeer[];
}

forEachDriver((driver, ignore) => {
  const test = (name: string, possible: boolean, fn: () => Promise<void>) =>
    Deno.test({ name: `${name} [${driver}]`, ignore: ignore || !possible, fn });

  test("libtorrent: a seeder and two leechers on IPv4", LIBTORRENT, () =>
    moveFile(driver, {
      hostname: "127.0.0.1",
      seeder: libtorrent,
      leechers: [libtorrent, libtorrent],
    }));

  test(
    "libtorrent: a seeder and two leechers on IPv6",
    LIBTORRENT && HAS_IPV6,
    () =>
      moveFile(driver, {
        hostname: "::1",
        seeder: libtorrent,
        leechers: [libtorrent, libtorrent],
      }),
  );

  test(
    "Transmission seeds, Transmission and libtorrent leech",
    TRANSMISSION,
    () =>
      moveFile(driver, {
        hostname: OUTER_IPV4!,
        seeder: transmission,
        leechers: [transmission, libtorrent],
      }),
  );

  test("libtorrent seeds, two Transmissions leech", TRANSMISSION, () =>
    moveFile(driver, {
      hostname: OUTER_IPV4!,
      seeder: libtorrent,
      leechers: [transmission, transmission],
    }));

  test(
    "a blacklisted torrent is refused to libtorrent",
    LIBTORRENT,
    () => refuse(driver, { hostname: "127.0.0.1", seeder: libtorrent, leechers: [libtorrent] }),
  );

  test(
    "a blacklisted torrent is refused to Transmission",
    TRANSMISSION,
    () => refuse(driver, { hostname: OUTER_IPV4!, seeder: transmission, leechers: [transmission] }),
  );
});

/** Moves the file from the seeder to each leecher and checks what the tracker counted. */
async function moveFile(driver: Driver, swarm: Swarm): Promise<void> {
  const { hostname } = swarm;
  await using torrent = await Torrent.create();
  const address = hostname.includes(":") ? `[${hostname}]:0` : `${hostname}:0`;
  await using server = await startServer({ driver, configuration: { network: { address } } });
  const path = await torrent.announcedAt(`udp://${server.addresses[0]}/announce`);
  await using peers = new AsyncDisposableStack();
  const start = async (startPeer: StartPeer, withFile: boolean) => {
    const directory = await torrent.makeHome({ withFile });
    const peer = peers.use(await startPeer({ torrent: path, directory, hostname }));
    await peer.untilAnnounced();
    return { peer, directory };
  };

  const seeder = await start(swarm.seeder, true);
  await seeder.peer.untilComplete();
  const leechers = [];
  for (const startPeer of swarm.leechers) leechers.push(await start(startPeer, false));
  for (const { peer } of leechers) await peer.untilComplete();
  for (const { peer, directory } of leechers) {
    assert.ok(await torrent.isWholeIn(directory), `The file of ${peer.name}`);
  }

  await using observer = await observe(server, hostname);
  await observer.untilCounts(torrent.infoHash, { seeders: 3, completed: 2, leechers: 0 });
  for (const { peer } of leechers) {
    assert.ok(await peer.downloaded() >= torrent.file.length, `${peer.name} got it from peers`);
  }
  for (const { peer } of [seeder, ...leechers]) await peer.stop();
  await observer.untilCounts(torrent.infoHash, { seeders: 0, completed: 2, leechers: 0 });
}

/** Sees both clients report the tracker's refusal, and nothing moved. */
async function refuse(driver: Driver, swarm: Swarm): Promise<void> {
  const { hostname } = swarm;
  await using torrent = await Torrent.create();
  const configuration = (directory: string) => ({
    network: { address: `${hostname}:0` },
    access_list: { mode: "black", path: `${directory}/list.txt` },
  });
  const files = { "list.txt": toHex(torrent.infoHash) + "\n" };
  await using server = await startServer({ driver, configuration, files });
  const path = await torrent.announcedAt(`udp://${server.addresses[0]}/announce`);
  const directory = await torrent.makeHome({ withFile: true });
  await using seeder = await swarm.seeder({ torrent: path, directory, hostname });
  const empty = await torrent.makeHome({ withFile: false });
  await using leecher = await swarm.leechers[0]({ torrent: path, directory: empty, hostname });

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
  const client = new UdpClient(hostname, parseAddress(server.addresses[0]));
  await client.connect();
  return new Observer(client);
}

function toText(counts: { seeders: number; completed: number; leechers: number }): string {
  return [counts.seeders, counts.completed, counts.leechers].join();
}
