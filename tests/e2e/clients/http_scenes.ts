/**
 * Real clients find each other over HTTP and HTTPS and move a real file. As in udp_scenes.ts, each
 * of the two has a file.
 */
import { HAS_IPV6 } from "../../support/configuration.ts";
import type { Scheme } from "../../support/http_client.ts";
import { HttpServer } from "../../support/http_suite.ts";
import type { HttpServerOptions } from "../../support/http_suite.ts";
import type { ScrapeCounts } from "../../support/packets.ts";
import { ARIA2, aria2, leecher, LIBTORRENT, libtorrent, type Member } from "./swarm.ts";
import { moveFile, refuse, refusing, seeder, type SwarmMember, type Tracker } from "./swarm.ts";
import { TRANSMISSION, transmission } from "./swarm.ts";
import { Torrent } from "./torrent.ts";
import { OUTER_IPV4, OUTER_IPV6 } from "./transmission.ts";

/** See udp_scenes.ts: Transmission 3.00 wants an outer address, and to be called from others. */
const MIXED = [`127.0.0.1:0`, `${OUTER_IPV4}:0`];

/** Names for which the tracker's certificate is issued. */
const NAMES = ["127.0.0.1", "::1", OUTER_IPV4, OUTER_IPV6].filter((it) => it !== undefined)
  .map((address) => `IP:${address}`);

/** Registers the tests of one scheme. */
export function testHttpClients(scheme: Scheme): void {
  const test = (name: string, possible: boolean, fn: () => Promise<void>) =>
    Deno.test({ name: `${name} [${scheme}]`, ignore: !possible, fn });

  const testMove = (
    name: string,
    possible: boolean,
    swarm: { addresses: string[]; members: SwarmMember[] },
  ) =>
    test(name, possible, async () => {
      const configuration = { network: { address: swarm.addresses } };
      const { hostname } = swarm.members[0];
      await using tracker = await HttpTracker.start(scheme, { configuration, hostname });
      await moveFile(tracker, swarm.members);
    });

  const START = { libtorrent, aria2 };
  const PRESENT = { libtorrent: LIBTORRENT, aria2: ARIA2 };
  for (const name of ["libtorrent", "aria2"] as const) {
    for (const hostname of ["127.0.0.1", "::1"]) {
      const isIpv6 = hostname === "::1";
      const start = START[name];
      testMove(
        `${name}: a seeder and two leechers on ${isIpv6 ? "IPv6" : "IPv4"}`,
        PRESENT[name] && (HAS_IPV6 || !isIpv6),
        {
          addresses: [isIpv6 ? "[::1]:0" : "127.0.0.1:0"],
          members: [seeder(start, hostname), leecher(start, hostname), leecher(start, hostname)],
        },
      );
    }
  }

  testMove("aria2 seeds, libtorrent leeches", LIBTORRENT && ARIA2, {
    addresses: ["127.0.0.1:0"],
    members: [seeder(aria2, "127.0.0.1"), leecher(libtorrent, "127.0.0.2")],
  });

  testMove("Transmission seeds, libtorrent and aria2 leech", TRANSMISSION && ARIA2, {
    addresses: MIXED,
    members: [
      seeder(transmission, OUTER_IPV4!),
      leecher(libtorrent, "127.0.0.2"),
      leecher(aria2, "127.0.0.1"),
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

  testMove("Transmission leeches, libtorrent seeds, on IPv6", TRANSMISSION && !!OUTER_IPV6, {
    addresses: ["[::1]:0", `[${OUTER_IPV6}]:0`],
    members: [leecher(transmission, OUTER_IPV6!), seeder(libtorrent, "::1")],
  });

  const REFUSED: Record<string, Member & { possible: boolean }> = {
    libtorrent: { start: libtorrent, hostname: "127.0.0.1", possible: LIBTORRENT },
    aria2: { start: aria2, hostname: "127.0.0.1", possible: ARIA2 },
    Transmission: { start: transmission, hostname: OUTER_IPV4!, possible: TRANSMISSION },
  };
  for (const [name, { possible, ...member }] of Object.entries(REFUSED)) {
    test(`a blacklisted torrent is refused to ${name}`, possible, async () => {
      await using torrent = await Torrent.create();
      const { hostname } = member;
      const options = { ...refusing(torrent, hostname), hostname };
      await using tracker = await HttpTracker.start(scheme, options);
      await refuse(tracker, torrent, member);
    });
  }
}

class HttpTracker implements Tracker {
  readonly isTextLost = false;
  readonly #server: HttpServer;
  readonly #hostname: string;

  private constructor(server: HttpServer, hostname: string) {
    this.#server = server;
    this.#hostname = hostname;
  }

  /** @param options.hostname Where the tests themselves ask it. */
  static async start(
    scheme: Scheme,
    options: HttpServerOptions & { hostname: string },
  ): Promise<HttpTracker> {
    const { hostname, ...others } = options;
    return new HttpTracker(await HttpServer.start(scheme, { ...others, names: NAMES }), hostname);
  }

  get authorityPath(): string | undefined {
    return this.#server.authority?.certificatePath;
  }

  url(hostname: string): string {
    return `${this.#server.scheme}://${this.#server.server.addressFor(hostname)}/announce`;
  }

  async counts(infoHash: Uint8Array): Promise<ScrapeCounts> {
    await using client = await this.#server.open(this.#hostname);
    const { complete, downloaded, incomplete } = await client.counts(infoHash);
    return { seeders: complete, completed: downloaded, leechers: incomplete };
  }

  async refusal(infoHash: Uint8Array): Promise<string> {
    await using client = await this.#server.open(this.#hostname);
    return await client.refusal({ info_hash: infoHash });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}
