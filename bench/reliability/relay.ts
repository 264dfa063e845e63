/**
 * Relays in front of a tracker, for a network that loses and delays: one of datagrams, which loses
 * some and delivers some late, both ways; one of connections, where a loss is what TCP makes of it.
 */
import { sleep } from "./traffic.ts";

export interface RelayOptions {
  /** Of 1: the share that is lost, and the share that is delivered late. */
  loss: number;
  late: number;
  lateMilliseconds: number;
}

/** A relay in front of a tracker; clients ask `address`. */
export class LossyRelay {
  readonly address: string;
  lost = 0;
  late = 0;
  passed = 0;
  readonly #socket: Deno.DatagramConn;
  readonly #options: RelayOptions;
  readonly #tracker: Deno.NetAddr;
  /** By the client's port: the socket that speaks to the tracker for it. */
  readonly #upstream = new Map<number, Deno.DatagramConn>();

  constructor(tracker: { port: number }, options: RelayOptions) {
    this.#options = options;
    this.#tracker = { transport: "udp", hostname: "127.0.0.1", port: tracker.port };
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    this.address = `127.0.0.1:${(this.#socket.addr as Deno.NetAddr).port}`;
    this.#pump(this.#socket, (bytes, from) => {
      this.#pass(() => this.#upstreamOf(from).send(bytes, this.#tracker));
    });
  }

  #upstreamOf(client: Deno.NetAddr): Deno.DatagramConn {
    let upstream = this.#upstream.get(client.port);
    if (upstream === undefined) {
      upstream = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
      this.#upstream.set(client.port, upstream);
      this.#pump(upstream, (bytes) => this.#pass(() => this.#socket.send(bytes, client)));
    }
    return upstream;
  }

  #pass(send: () => Promise<unknown>): void {
    const { loss, late, lateMilliseconds } = this.#options;
    const fate = Math.random();
    if (fate < loss) {
      ++this.lost;
    } else if (fate < loss + late) {
      ++this.late;
      setTimeout(() => send().catch(() => {}), lateMilliseconds);
    } else {
      ++this.passed;
      send().catch(() => {});
    }
  }

  async #pump(
    socket: Deno.DatagramConn,
    take: (bytes: Uint8Array, from: Deno.NetAddr) => void,
  ): Promise<void> {
    try {
      while (true) {
        const [bytes, from] = await socket.receive();
        take(bytes.slice(), from as Deno.NetAddr);
      }
    } catch { // closed
    }
  }

  close(): void {
    this.#socket.close();
    for (const upstream of this.#upstream.values()) upstream.close();
  }
}

/** What the kernel waits at least before it sends a segment again (Linux). */
const RETRANSMISSION_MILLISECONDS = 200;

/**
 * A relay of connections. Of what is read at once, a share comes as late as a lost segment does
 * that is sent again, and all that follows waits for it.
 */
export class LossyStreams {
  readonly address: string;
  late = 0;
  passed = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #loss: number;
  readonly #port: number;
  readonly #open = new Set<Deno.Conn>();

  /** @param loss Of 1. */
  constructor(tracker: { port: number }, loss: number) {
    this.#port = tracker.port;
    this.#loss = loss;
    this.address = `127.0.0.1:${this.#listener.addr.port}`;
    this.#accept();
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) this.#relay(client);
    } catch { // closed
    }
  }

  async #relay(client: Deno.TcpConn): Promise<void> {
    const ends: Deno.TcpConn[] = [client];
    try {
      const tracker = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
      ends.push(tracker);
      for (const end of ends) this.#open.add(end);
      await Promise.all([this.#pump(client, tracker), this.#pump(tracker, client)]);
    } catch { // one of them is gone, so the other one is to go
    }
    for (const end of ends) this.#end(end);
  }

  async #pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(16_384);
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      if (Math.random() < this.#loss) {
        ++this.late;
        await sleep(RETRANSMISSION_MILLISECONDS);
      } else {
        ++this.passed;
      }
      for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
    }
    await to.closeWrite();
  }

  #end(conn: Deno.Conn): void {
    this.#open.delete(conn);
    try {
      conn.close();
    } catch { // it is closed
    }
  }

  close(): void {
    this.#listener.close();
    for (const conn of this.#open) this.#end(conn);
  }
}
