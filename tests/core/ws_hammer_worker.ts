/** A worker of ws_hammer_test.ts: many sockets, each of which judges whatever it receives. */
import { writeClientAddress } from "../../server/client_address.ts";
import type { Connection } from "../../wasm/http_core.ts";
import { WsCore } from "../../wasm/ws_core.ts";
import { concat } from "../support/packets.ts";
import { seededRandom } from "./harness.ts";
import { maskedFrame, readFrames, textOf, UPGRADE } from "./ws_harness.ts";
import {
  CONTESTED_IDS,
  CONTESTED_TORRENTS,
  descriptionText,
  LEAD_MAX,
  peerIdOf,
  relayText,
  senderOf,
  socketId,
  SOCKETS,
  stampOf,
  torrentHash,
  TORRENTS,
  WORKERS,
  type WsHammerOrder,
  type WsHammerPlan,
  type WsHammerReport,
} from "./ws_hammer.ts";

const REPLY_MS = 10_000;
const encoder = new TextEncoder();
const TORRENT_OF = new Map(
  Array.from({ length: TORRENTS }, (_, torrent) => [torrentHash(torrent), torrent]),
);

interface Offer {
  torrent: number;
  from: string;
  stamp: string;
}

/** One connection: where it is now, and wherever it has been. */
interface Socket {
  index: number;
  connection: Connection;
  members: Map<number, { id: number; isSeeder: boolean }>;
  /** `torrent id`, of every announce: what is relayed to it was meant for one of these. */
  was: Set<string>;
  offers: Offer[];
  replies: number;
}

class Hammer {
  readonly #plan: WsHammerPlan;
  readonly #core: WsCore;
  readonly #random: (bound: number) => number;
  readonly #sockets: Socket[];
  readonly #byConnection = new Map<Connection, Socket>();
  #offersSent = 0;
  readonly #offersReceived: string[] = [];
  #answersSent = 0;
  #answersReceived = 0;

  constructor(plan: WsHammerPlan) {
    this.#plan = plan;
    const { core, workerIndex, seed } = plan;
    this.#core = new WsCore(core, {
      workerIndex,
      connections: SOCKETS,
      slices: 64,
      servesHttp: false,
      seed: BigInt(seed),
    });
    this.#random = seededRandom(seed);
    this.#sockets = Array.from({ length: SOCKETS }, (_, index) => this.#connect(index));
  }

  run(): void {
    for (let step = 0; step < this.#plan.steps; ++step) {
      const socket = this.#sockets[this.#random(SOCKETS)]!;
      const kind = this.#random(100);
      if (kind < 3) this.#reconnect(socket);
      else if (kind < 30 && socket.offers.length > 0) this.#answer(socket, socket.offers.shift()!);
      else this.#announceAny(socket, kind >= 90);
      this.#deliver();
      this.#keepPace(step + 1);
    }
  }

  /** Tells how far it is, and waits for the others. */
  #keepPace(done: number): void {
    const progress = new Int32Array(this.#plan.progress);
    Atomics.store(progress, this.#plan.workerIndex % WORKERS, done);
    Atomics.notify(progress, this.#plan.workerIndex % WORKERS);
    for (let other = 0; other < WORKERS; ++other) {
      for (let steps = 0; (steps = Atomics.load(progress, other)) < done - LEAD_MAX;) {
        Atomics.wait(progress, other, steps, 1);
        this.#deliver();
      }
    }
  }

  /** Announces again what others may have taken over, so that its owner is known. */
  settle(): void {
    for (const socket of this.#sockets) {
      for (const [torrent, { id, isSeeder }] of socket.members) {
        if (id < CONTESTED_IDS) this.#announce(socket, torrent, { id, isSeeder, offers: 0 });
      }
    }
    this.#deliver();
  }

  close(): void {
    this.#deliver();
    for (const { connection, members } of this.#sockets) {
      this.#core.close(connection);
      members.clear();
    }
  }

  get report(): WsHammerReport {
    return {
      members: this.#sockets.flatMap(({ members }) =>
        Array.from(members, ([torrent, member]) => ({ torrent, ...member }))
      ),
      offersSent: this.#offersSent,
      offersReceived: this.#offersReceived,
      answersSent: this.#answersSent,
      answersReceived: this.#answersReceived,
    };
  }

  #connect(index: number): Socket {
    const core = this.#core;
    core.setSender(writeClientAddress(core.senderBytes, "192.0.2.1"), 40_000);
    const connection = core.open();
    const request = encoder.encode(UPGRADE);
    core.idleInput(connection).set(request);
    core.receive(connection, request.length);
    if (core.resume(connection) !== 0) throw new Error("More than an upgrade's answer");
    const socket = {
      index,
      connection,
      members: new Map(),
      was: new Set<string>(),
      offers: [],
      replies: 0,
    };
    this.#byConnection.set(connection, socket);
    return socket;
  }

  #reconnect({ index, connection }: Socket): void {
    this.#byConnection.delete(connection);
    this.#core.close(connection);
    this.#sockets[index] = this.#connect(index);
  }

  #announceAny(socket: Socket, isStopped: boolean): void {
    const random = this.#random;
    const torrent = random(2) === 0 ? 0 : random(TORRENTS);
    const isContested = torrent < CONTESTED_TORRENTS && random(4) === 0;
    const id = isContested ? random(CONTESTED_IDS) : socketId(this.#plan.workerIndex, socket.index);
    this.#announce(socket, torrent, {
      id,
      isSeeder: random(3) === 0,
      offers: random(4),
      isStopped,
    });
  }

  #announce(
    socket: Socket,
    torrent: number,
    announce: { id: number; isSeeder: boolean; offers: number; isStopped?: boolean },
  ): void {
    const { id, isSeeder, isStopped = false } = announce;
    const stamps = Array.from(
      { length: announce.offers },
      () => stampOf(this.#plan.workerIndex, id, this.#offersSent++),
    );
    if (isStopped) socket.members.delete(torrent);
    else socket.members.set(torrent, { id, isSeeder });
    socket.was.add(`${torrent} ${id}`);
    const offers = stamps.map((stamp) =>
      `{"offer_id":"${stamp}","offer":${descriptionText("offer", stamp)}}`
    );
    const before = socket.replies;
    this.#send(
      socket,
      `{"action":"announce","info_hash":${JSON.stringify(torrentHash(torrent))},"peer_id":${
        JSON.stringify(peerIdOf(id))
      },"left":${isSeeder ? 0 : 1},"event":${
        isStopped ? '"stopped"' : "null"
      },"offers":[${offers}]}`,
    );
    this.#deliver();
    // The other thread may have relayed to it, and not have said yet that it is ready.
    const until = performance.now() + REPLY_MS;
    while (socket.replies === before && performance.now() < until) this.#deliver();
    if (socket.replies !== before + 1) throw new Error("An announce has one reply");
  }

  #answer(socket: Socket, { torrent, from, stamp }: Offer): void {
    const member = socket.members.get(torrent);
    if (member === undefined) return;
    ++this.#answersSent;
    this.#send(
      socket,
      `{"action":"announce","info_hash":${JSON.stringify(torrentHash(torrent))},"peer_id":${
        JSON.stringify(peerIdOf(member.id))
      },"to_peer_id":${JSON.stringify(from)},"offer_id":"${stamp}","answer":${
        descriptionText("answer", stamp)
      }}`,
    );
  }

  #send({ connection }: Socket, text: string): void {
    const core = this.#core;
    const frame = maskedFrame(encoder.encode(text));
    for (let at = 0; at < frame.length;) {
      const input = core.inputOf(connection);
      const part = frame.subarray(at, at + input.length);
      input.set(part);
      core.receive(connection, part.length);
      at += part.length;
    }
    if (core.isEnding(connection)) throw new Error("A good message ended the connection");
  }

  /** Reads all that waits, for every socket that is ready. */
  #deliver(): void {
    const core = this.#core;
    for (let ready = core.nextReady(); ready !== 0; ready = core.nextReady()) {
      const pieces: Uint8Array[] = [];
      for (let span = core.outboxSpan(ready); span > 0; span = core.outboxSpan(ready)) {
        pieces.push(core.outboxOf(ready, span).slice());
        core.outboxSent(ready, span);
      }
      const socket = this.#byConnection.get(ready);
      if (socket === undefined) throw new Error("A connection that is closed is ready");
      for (const frame of readFrames(concat(...pieces))) this.#judge(socket, textOf(frame));
    }
  }

  /** Accepts a message or throws. */
  #judge(socket: Socket, text: string): void {
    const message = JSON.parse(text);
    if (message.interval !== undefined) {
      ++socket.replies;
      return;
    }
    const type = message.offer === undefined ? "answer" : "offer";
    const { peer_id: from, offer_id: stamp } = message;
    const torrent = TORRENT_OF.get(message.info_hash);
    if (torrent === undefined || typeof stamp !== "string") throw new Error(`Unexpected: ${text}`);
    if (text !== relayText({ torrent, from, stamp, type })) throw new Error(`Changed: ${text}`);
    if (type === "offer") {
      if (from !== peerIdOf(senderOf(stamp))) throw new Error(`In another's name: ${text}`);
      if (![...socket.was].some((was) => was.startsWith(`${torrent} `))) {
        throw new Error(`Outside of the swarm: ${text}`);
      }
      this.#offersReceived.push(stamp);
      socket.offers.push({ torrent, from, stamp });
      if (socket.offers.length > 20) socket.offers.shift();
    } else {
      if (!socket.was.has(`${torrent} ${senderOf(stamp)}`)) {
        throw new Error(`An answer to another peer's offer: ${text}`);
      }
      ++this.#answersReceived;
    }
  }
}

let hammer: Hammer;

const scope = self as unknown as {
  onmessage: (event: MessageEvent<WsHammerOrder>) => void;
  postMessage(report: WsHammerReport): void;
};
scope.onmessage = ({ data }) => {
  if (data === "settle") {
    hammer.settle();
  } else if (data === "close") {
    hammer.close();
  } else {
    hammer = new Hammer(data);
    hammer.run();
  }
  scope.postMessage(hammer.report);
};
