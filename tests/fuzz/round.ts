/**
 * A round of fuzzing: one fresh tracker, thousands of packets, time passing, lists reloaded.
 *
 * All of it follows from the seed and the round's number, and from the tracker's answers to
 * connects, which are fixed by its keys: a round can be repeated, recorded and cut down.
 */
import type { CoreTracker } from "../model/core_tracker.ts";
import { Session } from "../model/session.ts";
import type { AccessMode, Limits, Source } from "../model/tracker.ts";
import { writeConnect } from "../model/packets.ts";
import { apply, type FuzzEvent } from "./events.ts";
import { Ledger } from "./ledger.ts";
import { PacketMaker } from "./packets.ts";
import { Random } from "./random.ts";

export const ROUND_PACKETS = 100_000;

export const FUZZ_LIMITS: Limits = {
  maxScrapeTorrents: 70,
  maxResponsePeers: 8,
  defaultResponsePeers: 4,
  announceIntervalSeconds: 900,
  maxPeerAgeSeconds: 1800,
  maxConnectionAgeSeconds: 120,
};

export interface RoundOptions {
  seed: number;
  number: number;
  packets: number;
  /** Is told every event before it is applied; packets are valid until the next one. */
  record?: (event: FuzzEvent) => void;
}

const SOURCE_COUNT = 24;
const MODES: AccessMode[] = ["off", "off", "off", "black", "white"];

/** Plays a round; throws the Disagreement if there is one. */
export function playRound(tracker: CoreTracker, options: RoundOptions): void {
  const random = new Random(options.seed, options.number);
  const ledger = new Ledger(tracker);
  const session = new Session(ledger, FUZZ_LIMITS);
  const play = (event: FuzzEvent) => {
    options.record?.(event);
    return apply(session, event);
  };
  const sources = Array.from({ length: SOURCE_COUNT }, (_, index) => makeSource(index));
  const ids = sources.map(() => new Uint8Array(8));
  const infoHashes = Array.from({ length: 48 }, (_, index) => new Uint8Array(20).fill(index));
  const maker = new PacketMaker(random, infoHashes);
  let idsSeconds = -Infinity;
  for (let count = 0; count < options.packets; ++count) {
    if (count % 512 === 0) {
      play({ do: "clock", seconds: random.oneIn(8) ? random.below(2500) : random.below(30) });
    }
    if (session.model.now - idsSeconds > 100 && !random.oneIn(200)) {
      idsSeconds = session.model.now;
      sources.forEach((source, index) => {
        ids[index] = play({ do: "packet", packet: writeConnect(index), source })!.slice(8);
      });
    }
    if (random.oneIn(3000)) play({ do: "sweep" });
    if (random.oneIn(10_000)) {
      play({ do: "access", mode: random.pick(MODES), infoHashes: infoHashes.slice(0, 20) });
    }
    const sender = random.below(SOURCE_COUNT);
    // One in 32 carries the id of somebody else.
    const owner = random.oneIn(32) ? random.below(SOURCE_COUNT) : sender;
    const source = random.oneIn(256) ? { ...sources[sender], port: 0 } : sources[sender];
    play({ do: "packet", packet: maker.next(ids[owner]), source });
  }
  play({ do: "clock", seconds: FUZZ_LIMITS.maxPeerAgeSeconds + 1 });
  play({ do: "sweep" });
  ledger.check();
}

function makeSource(index: number): Source {
  if (index % 3 !== 0) return { address: Uint8Array.of(198, 18, 0, index), port: 1024 + index };
  const address = new Uint8Array(16);
  address.set([0x20, 0x01, 0x0d, 0xb8]);
  address[15] = index;
  return { address, port: 1024 + index };
}
