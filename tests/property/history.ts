/**
 * Random histories of a tracker: steps as plain records, and what plays them.
 *
 * Steps name members of the small world by index, so that histories shrink well and can be pasted
 * into a test. Every datagram is judged by the model on its way.
 */
import fc from "fast-check";
import {
  concat,
  EVENT_COMPLETED,
  EVENT_PAUSED,
  EVENT_STARTED,
  EVENT_STOPPED,
} from "../support/packets.ts";
import { writeAnnounce, writeScrape } from "../model/packets.ts";
import type { Session } from "../model/session.ts";
import type { AccessMode, Limits, Source } from "../model/tracker.ts";
import { ADDRESSES, crowdMember, type Family, INFO_HASHES, PORTS } from "./world.ts";

/** Which connection id a request carries. */
export type IdChoice =
  | "own"
  | "someone else's"
  | "last"
  | "first ever"
  | "flipped"
  | "zero"
  | "magic";

export type Step =
  | { do: "connect"; who: number }
  | {
    do: "announce";
    who: number;
    port: number;
    torrent: number;
    event: number;
    left: bigint;
    numWant: number;
    id: IdChoice;
    options: Uint8Array;
  }
  | { do: "scrape"; who: number; torrents: number[]; tail: number; id: IdChoice }
  | { do: "raw"; who: number; sourcePort: number; packet: Uint8Array }
  | { do: "clock"; seconds: number }
  | { do: "sweep" }
  | { do: "reload"; mode: AccessMode; torrents: number[] }
  | {
    do: "crowd";
    torrent: number;
    family: Family;
    first: number;
    count: number;
    seederPercent: number;
    event: number;
  }
  | { do: "leave"; torrent: number; family: Family; first: number; count: number };

export interface HistoryShape {
  stepsMax: number;
  crowdMax: number;
  /** The largest step of the clock, in seconds. */
  clockMax: number;
  /** What the tracker runs with: the clock likes to step to the edge of an age. */
  limits: Limits;
}

export function anyHistory(shape: HistoryShape): fc.Arbitrary<Step[]> {
  return fc.array(anyStep(shape), { minLength: 1, maxLength: shape.stepsMax, size: "max" });
}

function anyStep({ crowdMax, clockMax, limits }: HistoryShape): fc.Arbitrary<Step> {
  const ages = [limits.maxPeerAgeSeconds, limits.maxConnectionAgeSeconds];
  const step = <Kind extends Step["do"]>(
    kind: Kind,
    fields: { [F in keyof Omit<Extract<Step, { do: Kind }>, "do">]: fc.Arbitrary<unknown> },
  ) => fc.record({ do: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<Step>;
  const who = fc.nat(ADDRESSES.length - 1);
  const torrent = fc.nat(INFO_HASHES.length - 1);
  const torrents = fc.array(torrent, { maxLength: 6 });
  const id = anyIdChoice();
  const family = fc.constantFrom(4, 6);
  const weighted = [
    { weight: 1, arbitrary: step("connect", { who }) },
    {
      weight: 20,
      arbitrary: step("announce", {
        who,
        torrent,
        port: fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...PORTS) }, fc.constant(0)),
        event: fc.oneof(fc.constantFrom(0, 1, 1, 2, 3, 4), fc.constantFrom(5, 0xffffffff)),
        left: fc.constantFrom(0n, 0n, 1n, 16384n, 1n << 32n, (1n << 63n) - 1n, (1n << 64n) - 1n),
        numWant: fc.constantFrom(-1, 0, 1, 2, 5, 1000, 0x7fffffff, -0x80000000),
        id,
        options: fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 40 })),
      }),
    },
    {
      weight: 5,
      arbitrary: step("scrape", {
        who,
        torrents,
        tail: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(19)),
        id,
      }),
    },
    {
      weight: 1,
      arbitrary: step("raw", {
        who,
        sourcePort: fc.constantFrom(0, 1, 6881),
        packet: fc.uint8Array({ maxLength: 120 }),
      }),
    },
    {
      weight: 3,
      arbitrary: step("clock", {
        seconds: fc.oneof(
          fc.nat(2),
          fc.nat(clockMax),
          fc.constantFrom(...ages, ...ages.map((age) => age + 1)),
        ),
      }),
    },
    { weight: 3, arbitrary: step("sweep", {}) },
    {
      weight: 1,
      arbitrary: step("reload", {
        mode: fc.constantFrom("off", "off", "black", "white"),
        torrents,
      }),
    },
  ];
  if (crowdMax > 0) {
    const first = fc.oneof(fc.constant(0), fc.nat(crowdMax));
    const count = fc.oneof(fc.nat(140), fc.nat(crowdMax));
    weighted.push(
      {
        weight: 8,
        arbitrary: step("crowd", {
          torrent,
          family,
          first,
          count,
          seederPercent: fc.nat(100),
          event: fc.constantFrom(EVENT_STARTED, EVENT_COMPLETED, EVENT_PAUSED),
        }),
      },
      { weight: 6, arbitrary: step("leave", { torrent, family, first, count }) },
    );
  }
  return fc.oneof({ maxDepth: 1 }, ...weighted);
}

function anyIdChoice(): fc.Arbitrary<IdChoice> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.constant<IdChoice>("own") },
    { weight: 4, arbitrary: fc.constant<IdChoice>("last") },
    fc.constantFrom<IdChoice>("someone else's", "first ever", "flipped", "zero", "magic"),
  );
}

/** Plays a history; throws the Disagreement if there is one. */
export function play(session: Session, history: readonly Step[]): void {
  const player = new Player(session);
  for (const step of history) player.play(step);
  player.finish();
}

class Player {
  readonly #session: Session;
  readonly #firstIds = new Map<number, Uint8Array>();
  #transactionId = 0xfffffff0;

  constructor(session: Session) {
    this.#session = session;
  }

  play(step: Step): void {
    const session = this.#session;
    switch (step.do) {
      case "connect":
        session.connect(sourceOf(step.who));
        break;
      case "announce":
        session.send(
          writeAnnounce({
            ...step,
            connectionId: this.#id(step.who, step.id),
            transactionId: this.#nextTransactionId(),
            infoHash: INFO_HASHES[step.torrent],
            ipAddress: 0x08080808,
          }),
          sourceOf(step.who),
        );
        break;
      case "scrape": {
        const id = this.#id(step.who, step.id);
        const infoHashes = step.torrents.map((torrent) => INFO_HASHES[torrent]);
        const packet = writeScrape(id, infoHashes, this.#nextTransactionId());
        session.send(concat(packet, new Uint8Array(step.tail)), sourceOf(step.who));
        break;
      }
      case "raw":
        session.send(step.packet, { ...sourceOf(step.who), port: step.sourcePort });
        break;
      case "clock":
        session.advance(step.seconds);
        break;
      case "sweep":
        session.sweep();
        break;
      case "reload":
        session.loadAccessList(step.mode, step.torrents.map((torrent) => INFO_HASHES[torrent]));
        break;
      case "crowd":
        this.#crowd(step, (index) => ({
          left: index % 100 < step.seederPercent ? 0n : 1n,
          event: step.event,
        }));
        break;
      case "leave":
        this.#crowd(step, () => ({ left: 1n, event: EVENT_STOPPED }));
        break;
    }
  }

  /** Asks for all torrents in both families. */
  finish(): void {
    for (const address of [ADDRESSES[0], ADDRESSES[3]]) {
      const source = { address, port: 6881 };
      this.#session.send(writeScrape(this.#session.idOf(source), [...INFO_HASHES]), source);
    }
    this.#session.checkTotals();
  }

  /** Members `first` and so on of a crowd announce, some of them ask for many peers. */
  #crowd(
    { torrent, family, first, count }:
      | Extract<Step, { do: "leave" }>
      | Extract<Step, { do: "crowd" }>,
    fieldsOf: (index: number) => { left: bigint; event: number },
  ): void {
    for (let index = first; index < first + count; ++index) {
      const { source, port } = crowdMember(family, index);
      const packet = writeAnnounce({
        connectionId: this.#session.idOf(source),
        infoHash: INFO_HASHES[torrent],
        numWant: index % 32 === 0 ? 200 : 2,
        port,
        ...fieldsOf(index),
      });
      this.#session.send(packet, source);
    }
  }

  #nextTransactionId(): number {
    return this.#transactionId = (this.#transactionId + 1) >>> 0;
  }

  #id(who: number, choice: IdChoice): Uint8Array {
    if (choice === "last") {
      const last = this.#session.lastIdOf(sourceOf(who));
      if (last) return last;
    }
    const own = this.#session.idOf(sourceOf(who));
    if (!this.#firstIds.has(who)) this.#firstIds.set(who, own);
    switch (choice) {
      case "own":
      case "last":
        return own;
      case "someone else's":
        return this.#session.idOf(sourceOf((who + 1) % ADDRESSES.length));
      case "first ever":
        return this.#firstIds.get(who)!;
      case "flipped":
        return own.map((byte, index) => index === who ? byte ^ (1 << who) : byte);
      case "zero":
        return new Uint8Array(8);
      case "magic":
        return Uint8Array.of(0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80);
    }
  }
}

function sourceOf(who: number): Source {
  return { address: ADDRESSES[who], port: 50000 + who };
}
