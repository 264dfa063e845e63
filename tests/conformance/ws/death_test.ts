/**
 * The death of a WebTorrent worker: its clients are told by the end of their connections, their
 * peers are in no swarm any more, another worker takes its place and its addresses, and the clients
 * of other workers notice nothing but that.
 */
import { strict as assert } from "node:assert";
import {
  COUNT_CONNECTIONS_OPENED,
  COUNT_SHARDS_EMPTIED,
  WORKER_COUNT_MAX,
  WORKER_COUNTERS,
  WORKER_SIZE,
  WORKERS,
} from "../../../assembly/layout.ts";
import { readCounters } from "../../../server/counters.ts";
import { FragileTracker } from "../../support/fragile_tracker.ts";
import { randomBytes } from "../../support/packets.ts";
import { forEachDriver } from "../../support/suite.ts";
import { parseAddress } from "../../support/udp_client.ts";
import { makeOffers, WsConnection } from "../../support/ws_client.ts";

const DEADLINE_MS = 20_000;
const CLIENTS_EACH = 4;
/** Sockets are spread over workers by chance: so many are enough but once in 10^15 runs. */
const CLIENTS_MAX = 100;

interface Peer {
  client: WsConnection;
  peerId: Uint8Array;
  /** The number of the worker that serves it. */
  worker: number;
}

/** Opens connections to a tracker, closed when the test ends. */
class Peers implements AsyncDisposable {
  readonly #fragile: FragileTracker;
  readonly #clients = new AsyncDisposableStack();

  constructor(fragile: FragileTracker) {
    this.#fragile = fragile;
  }

  /** Connects, and finds out by which worker's counter has moved who serves it. */
  async connect(): Promise<Peer> {
    const { port } = parseAddress(this.#fragile.tracker.addresses[2]!);
    const before = this.#openedByWorker();
    const client = this.#clients.use(await WsConnection.open({ hostname: "127.0.0.1", port }));
    const after = this.#openedByWorker();
    const worker = after.findIndex((count, index) => count !== before[index]);
    assert.ok(worker >= 0, "A worker has opened it");
    return { client, peerId: randomBytes(20), worker };
  }

  /** Connects until each of two workers has clients enough. */
  async connectBoth(): Promise<[Peer[], Peer[]]> {
    const byWorker = new Map<number, Peer[]>();
    for (let count = 0; count < CLIENTS_MAX; ++count) {
      const peer = await this.connect();
      byWorker.set(peer.worker, [...byWorker.get(peer.worker) ?? [], peer]);
      const [one, other] = [...byWorker.values()];
      if (other === undefined) continue;
      if (Math.min(one!.length, other.length) >= CLIENTS_EACH) return [one!, other];
    }
    throw new Error("One worker has all connections");
  }

  #openedByWorker(): bigint[] {
    const { buffer } = this.#fragile.memory;
    return Array.from({ length: WORKER_COUNT_MAX }, (_, index) => {
      const address = WORKERS + index * WORKER_SIZE + WORKER_COUNTERS;
      return new BigUint64Array(buffer, address)[COUNT_CONNECTIONS_OPENED]!;
    });
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#clients[Symbol.asyncDispose]();
  }
}

/** Announces a torrent that is in another shard than those which have torrents. */
async function announceApart(fragile: FragileTracker, { client, peerId }: Peer) {
  while (true) {
    const free = fragile.shards.filter((shard) => fragile.torrentsOf(shard) === 0);
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, peerId });
    const shard = free.find((shard) => fragile.torrentsOf(shard) > 0);
    if (shard !== undefined) return { infoHash, shard };
  }
}

/** Waits until a swarm has no more than so many peers: a new worker clears up as it starts. */
async function untilLeft({ client }: Peer, infoHash: Uint8Array, count: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  let left: unknown;
  while (left !== count) {
    assert.ok(performance.now() < deadline, `${left} peers are left and not ${count}`);
    left = (await client.scrape(infoHash)).incomplete;
  }
}

forEachDriver((io, ignore) =>
  Deno.test({
    name: `the death of a worker ends its connections and peers, and nobody else's [${io}]`,
    ignore,
    sanitizeOps: false, // sockets of the worker that died
    sanitizeResources: false,
    async fn() {
      const fragile = await FragileTracker.start({ io, workers: 2, sweepsOnce: true });
      await using peers = new Peers(fragile);
      const [dying, rest] = await peers.connectBoth();
      const living = rest.slice(0, CLIENTS_EACH);
      const infoHash = randomBytes(20);
      for (const { client, peerId } of [...dying, ...living]) {
        await client.announce({ infoHash, peerId });
      }
      const [victim] = dying as [Peer, ...Peer[]];
      const apart = await announceApart(fragile, victim);
      await fragile.untilSwept();
      fragile.spoil(apart.shard);
      await victim.client.sendAnnounce({ infoHash: apart.infoHash, peerId: victim.peerId });

      await Promise.all(dying.map(({ client }) => client.untilEnded(DEADLINE_MS)));
      await fragile.untilRestarted(1);
      assert.equal(readCounters(fragile.memory)[COUNT_SHARDS_EMPTIED], 1);

      // The others' connections and peers are what they were, the dead worker's are gone.
      const [asker, ...others] = living as [Peer, ...Peer[]];
      await untilLeft(asker, infoHash, living.length);
      const extra = { offers: makeOffers(10) };
      await asker.client.announce({ infoHash, peerId: asker.peerId, extra });
      for (const { client } of others) {
        assert.ok("offer" in await client.receiveJson(), "Every peer that is left gets an offer");
        await client.expectQuiet();
      }

      // Whoever comes again may come to the worker that took the place, and meets the others.
      let again = await peers.connect();
      for (let tries = 0; again.worker !== victim.worker; ++tries) {
        assert.ok(tries < CLIENTS_MAX, "Nobody listens in the dead worker's place");
        again = await peers.connect();
      }
      const { incomplete } = await again.client.announce({ infoHash, peerId: again.peerId });
      assert.equal(incomplete, living.length + 1);
      const offers = makeOffers(living.length);
      await asker.client.announce({ infoHash, peerId: asker.peerId, extra: { offers } });
      assert.ok("offer" in await again.client.receiveJson(), "The newcomer is one of them");
      // The torrent of the shard that was emptied is one that nobody knows.
      const empty = { complete: 0, incomplete: 0, downloaded: 0 };
      assert.deepEqual(await again.client.scrape(apart.infoHash), empty);
      await fragile.tracker.stop();
    },
  })
);
