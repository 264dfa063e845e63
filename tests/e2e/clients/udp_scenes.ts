/**
 * Real clients find each other over UDP and move a real file. A file of its own registers the tests
 * of each driver: they wait more than they work, so files of them run side by side.
 */
import { type Driver, HAS_IPV6 } from "../../support/configuration.ts";
import { EVENT_NONE } from "../../support/packets.ts";
import { type Server, startServer } from "../../support/server.ts";
import { UdpClient } from "../../support/udp_client.ts";
import { leecher, LIBTORRENT, libtorrent, type Member, moveFile } from "./swarm.ts";
import { refuse, refusing, seeder, type SwarmMember, type Tracker } from "./swarm.ts";
import { TRANSMISSION, transmission } from "./swarm.ts";
import { Torrent } from "./torrent.ts";
import { OUTER_IPV4 } from "./transmission.ts";

/**
 * Transmission 3.00 refuses peers on loopback addresses and knows one peer an address. So in a
 * swarm there is one, on an outer address, and clients on loopback addresses that come later and
 * call it.
 */
const MIXED = [`127.0.0.1:0`, `${OUTER_IPV4}:0`];

/** Registers the tests of one driver. */
export function testUdpClients(driver: Driver, ignore: boolean): void {
  const test = (name: string, possible: boolean, fn: () => Promise<void>) =>
    Deno.test({ name: `${name} [${driver}]`, ignore: ignore || !possible, fn });

  const testMove = (
    name: string,
    possible: boolean,
    swarm: { addresses: string[]; members: SwarmMember[] },
  ) =>
    test(name, possible, async () => {
      const configuration = { network: { address: swarm.addresses } };
      await using server = await startServer({ driver, configuration });
      await using tracker = await UdpTracker.of(server, swarm.members[0].hostname);
      await moveFile(tracker, swarm.members);
    });

  testMove("libtorrent: a seeder and two leechers on IPv4", LIBTORRENT, {
    addresses: ["127.0.0.1:0"],
    members: [
      seeder(libtorrent, "127.0.0.1"),
      leecher(libtorrent, "127.0.0.1"),
      leecher(libtorrent, "127.0.0.1"),
    ],
  });

  testMove("libtorrent: a seeder and two leechers on IPv6", LIBTORRENT && HAS_IPV6, {
    addresses: ["[::1]:0"],
    members: [seeder(libtorrent, "::1"), leecher(libtorrent, "::1"), leecher(libtorrent, "::1")],
  });

  testMove("Transmission seeds, two libtorrents leech", TRANSMISSION, {
    addresses: MIXED,
    members: [
      seeder(transmission, OUTER_IPV4!),
      leecher(libtorrent, "127.0.0.2"),
      leecher(libtorrent, "127.0.0.3"),
    ],
  });

  testMove("Transmission and libtorrent leech, libtorrent seeds", TRANSMISSION, {
    addresses: MIXED,
    members: [
      leecher(transmission, OUTER_IPV4!),
      leecher(libtorrent, "127.0.0.2"),
      seeder(libtorrent, "127.0.0.3"),
    ],
  });

  test(
    "a blacklisted torrent is refused to libtorrent",
    LIBTORRENT,
    () => testRefusal(driver, { start: libtorrent, hostname: "127.0.0.1" }),
  );

  test(
    "a blacklisted torrent is refused to Transmission",
    TRANSMISSION,
    () => testRefusal(driver, { start: transmission, hostname: OUTER_IPV4! }),
  );
}

async function testRefusal(driver: Driver, member: Member): Promise<void> {
  await using torrent = await Torrent.create();
  await using server = await startServer({ driver, ...refusing(torrent, member.hostname) });
  await using tracker = await UdpTracker.of(server, member.hostname);
  await refuse(tracker, torrent, member);
}

class UdpTracker implements Tracker {
  readonly isTextLost = true;
  readonly #server: Server;
  readonly #client: UdpClient;

  private constructor(server: Server, client: UdpClient) {
    this.#server = server;
    this.#client = client;
  }

  static async of(server: Server, hostname: string): Promise<UdpTracker> {
    const client = new UdpClient(hostname, server.addressFor(hostname));
    await client.connect();
    return new UdpTracker(server, client);
  }

  url(hostname: string): string {
    return `udp://${this.#server.addressFor(hostname)}/announce`;
  }

  async counts(infoHash: Uint8Array) {
    return await this.#client.counts(infoHash);
  }

  async refusal(infoHash: Uint8Array): Promise<string> {
    const packet = this.#client.announcePacket({ infoHash, event: EVENT_NONE });
    return (await this.#client.exchange(packet, "error")).message;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}
