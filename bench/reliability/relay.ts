/** A relay of datagrams that loses some and delivers some late, both ways. */

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
