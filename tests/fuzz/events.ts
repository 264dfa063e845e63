/** What a fuzzed tracker is put through: events as plain records, and what applies them. */
import type { Session } from "../model/session.ts";
import type { AccessMode, Source } from "../model/tracker.ts";

export type FuzzEvent =
  | { do: "packet"; packet: Uint8Array; source: Source }
  | { do: "clock"; seconds: number }
  | { do: "sweep" }
  | { do: "access"; mode: AccessMode; infoHashes: readonly Uint8Array[] };

/** Applies one event to tracker and model; throws the Disagreement if there is one. */
export function apply(session: Session, event: FuzzEvent): Uint8Array | null {
  switch (event.do) {
    case "packet":
      return session.send(event.packet, event.source);
    case "clock":
      session.advance(event.seconds);
      break;
    case "sweep":
      session.sweep();
      break;
    case "access":
      session.loadAccessList(event.mode, event.infoHashes);
      break;
  }
  return null;
}
