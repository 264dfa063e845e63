/** WebTorrent's swarms as plain maps: what every announce and scrape is to be told. */

/** The fields of a message that matter, as JSON.parse has them. */
export interface ModelMessage {
  info_hash: string;
  peer_id: string;
  left?: number | null;
  event?: string;
  numwant?: number;
  offers?: { offer_id: string; offer: { type: string; sdp: string } }[];
}

interface ModelPeer {
  socket: number;
  isSeeder: boolean;
  isCounted: boolean;
}

interface Counts {
  complete: number;
  incomplete: number;
}

/** Swarms by info hash; a peer belongs to the socket that announced it last. */
export class WsModel {
  readonly #swarms = new Map<string, Map<string, ModelPeer>>();
  readonly #completed = new Map<string, number>();
  /** Of each socket, its peer id by info hash. */
  readonly #sockets = new Map<number, Map<string, string>>();

  /** Carries an announce out; returns the counts, and how many offers find a receiver. */
  announce(socket: number, message: ModelMessage): Counts & { relays: number } {
    const { info_hash: hash, peer_id: id, event, left } = message;
    const swarm = this.#swarms.get(hash) ?? new Map<string, ModelPeer>();
    this.#swarms.set(hash, swarm);
    const own = this.#sockets.get(socket) ?? new Map<string, string>();
    this.#sockets.set(socket, own);
    const before = own.get(hash);
    if (before !== undefined && before !== id) this.#remove(swarm, before, socket);
    if (event === "stopped") {
      this.#remove(swarm, id, socket);
      own.delete(hash);
      return { ...this.#count(hash), relays: 0 };
    }
    const isCompleted = event === "completed";
    const isCounted = swarm.get(id)?.isCounted ?? false;
    const counts = isCompleted && left === 0;
    if (counts && !isCounted) this.#completed.set(hash, this.completed(hash) + 1);
    swarm.set(id, {
      socket,
      isSeeder: left === 0 || isCompleted,
      isCounted: isCounted || counts,
    });
    own.set(hash, id);
    const offers = isCompleted ? 0 : message.offers?.length ?? 0;
    const relays = Math.min(offers, message.numwant ?? Infinity, swarm.size - 1);
    return { ...this.#count(hash), relays };
  }

  /** The socket that an answer reaches, undefined where it reaches none. */
  answer(socket: number, hash: string, from: string, to: string): number | undefined {
    if (this.#sockets.get(socket)?.get(hash) !== from) return undefined;
    return this.#swarms.get(hash)?.get(to)?.socket;
  }

  scrape(hash: string): Counts & { downloaded: number } {
    return { ...this.#count(hash), downloaded: this.completed(hash) };
  }

  completed(hash: string): number {
    return this.#completed.get(hash) ?? 0;
  }

  /** The sockets of a swarm's peers but one. */
  others(hash: string, id: string): number[] {
    return [...this.#swarms.get(hash) ?? []].filter(([other]) => other !== id)
      .map(([, peer]) => peer.socket);
  }

  close(socket: number): void {
    for (const [hash, id] of this.#sockets.get(socket) ?? []) {
      this.#remove(this.#swarms.get(hash)!, id, socket);
    }
    this.#sockets.delete(socket);
  }

  #remove(swarm: Map<string, ModelPeer>, id: string, socket: number): void {
    if (swarm.get(id)?.socket === socket) swarm.delete(id);
  }

  #count(hash: string): Counts {
    const peers = [...this.#swarms.get(hash)?.values() ?? []];
    const complete = peers.filter(({ isSeeder }) => isSeeder).length;
    return { complete, incomplete: peers.length - complete };
  }
}
