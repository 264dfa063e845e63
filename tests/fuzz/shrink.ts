/** Cuts a failed round down to a history short enough to read (Zeller's ddmin, in outline). */
import type { CoreTracker } from "../model/core_tracker.ts";
import { Disagreement, Session } from "../model/session.ts";
import { formatEvents, isConnect } from "./corpus.ts";
import { apply, type FuzzEvent } from "./events.ts";
import { FUZZ_LIMITS, playRound, type RoundOptions } from "./round.ts";

const REPLAYS_MAX = 2000;

/** The text of a short history that fails like the round does. */
export function shortestHistory(makeTracker: () => CoreTracker, options: RoundOptions): string {
  const recorded: FuzzEvent[] = [];
  const record = (event: FuzzEvent) => {
    recorded.push(event.do === "packet" ? { ...event, packet: event.packet.slice() } : event);
  };
  try {
    playRound(makeTracker(), { ...options, record });
  } catch (error) {
    if (!(error instanceof Disagreement)) throw error;
  }
  const newSession = () => new Session(makeTracker(), FUZZ_LIMITS);
  return formatEvents(newSession(), shrink(newSession, recorded));
}

/** Leaves out what the failure does not need. */
export function shrink(newSession: () => Session, events: FuzzEvent[]): FuzzEvent[] {
  const failure = failureOf(newSession(), events);
  // What failed only as a whole (counters that do not add up) cannot be cut down.
  if (failure === null) return events;
  let kept = events;
  let replays = 0;
  for (let size = kept.length >> 1; size >= 1; size >>= 1) {
    for (let start = kept.length - size; start > -size && replays < REPLAYS_MAX; start -= size) {
      const from = Math.max(start, 0);
      // Without its connect an id would look forged to the model: these go last.
      const without = kept.filter((event, index) =>
        index < from || index >= from + size || (size > 1 && isConnect(event))
      );
      if (without.length === kept.length) continue;
      ++replays;
      if (failureOf(newSession(), without) === failure) kept = without;
    }
  }
  return kept;
}

/** What goes wrong, without its numbers; null where nothing does. */
function failureOf(session: Session, events: readonly FuzzEvent[]): string | null {
  try {
    for (const event of events) apply(session, event);
    return null;
  } catch (error) {
    if (!(error instanceof Disagreement)) throw error;
    return error.message.split("\n")[0].replaceAll(/[0-9a-f]{2,}|\d+/g, "#");
  }
}
