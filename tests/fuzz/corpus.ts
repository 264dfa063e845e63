/**
 * Histories as text, one event a line:
 *
 *     # a comment
 *     from 192.0.2.1 6881        who sends what follows (IPv6 as 32 hex digits)
 *     clock 121                  so many seconds pass
 *     sweep
 *     access black 0000… 1111…   off, black or white, and the info hashes
 *     connect                    the sender asks for a connection id
 *     CID 00000001 00000000 …    a packet in hex; CID stands for the sender's last connection id
 */
import { fromHex } from "../model/bytes.ts";
import { parseRequest } from "../model/codec.ts";
import { Disagreement, type Session } from "../model/session.ts";
import { concat, toHex } from "../support/packets.ts";
import type { AccessMode, Source } from "../model/tracker.ts";
import { apply, type FuzzEvent } from "./events.ts";

/** Plays a history; throws the Disagreement if there is one. */
export function playText(session: Session, text: string): void {
  let source: Source = { address: Uint8Array.of(192, 0, 2, 1), port: 6881 };
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (word === "") continue;
    if (word === "from") source = { address: readAddress(rest[0]), port: Number(rest[1]) };
    else if (word === "connect") session.connect(source);
    else apply(session, readEvent(word, rest, source, session));
  }
}

function readEvent(word: string, rest: string[], source: Source, session: Session): FuzzEvent {
  switch (word) {
    case "clock":
      return { do: "clock", seconds: Number(rest[0]) };
    case "sweep":
      return { do: "sweep" };
    case "access":
      return {
        do: "access",
        mode: rest[0] as AccessMode,
        infoHashes: rest.slice(1).map(fromHex),
      };
    case "CID": {
      const id = session.lastIdOf(source) ?? session.connect(source);
      return { do: "packet", source, packet: concat(id, fromHex(rest.join(""))) };
    }
    default:
      return { do: "packet", source, packet: fromHex(word + rest.join("")) };
  }
}

function readAddress(text: string): Uint8Array {
  return text.includes(".") ? Uint8Array.from(text.split("."), Number) : fromHex(text);
}

/** Writes a history as text, playing it for the connection ids; it may end in a Disagreement. */
export function formatEvents(session: Session, events: readonly FuzzEvent[]): string {
  const lines: string[] = [];
  const ids = new Map<string, string>();
  let sender = "";
  for (const event of events) {
    if (event.do === "packet") {
      const from = formatSource(event.source);
      if (from !== sender) lines.push(sender = from);
    }
    lines.push(formatEvent(event, ids));
    try {
      const answer = apply(session, event);
      if (event.do === "packet" && isConnect(event)) {
        ids.set(toHex(event.source.address), toHex(answer!.subarray(8)));
      }
    } catch (error) {
      if (!(error instanceof Disagreement)) throw error;
      lines.push(`# ${error.message.split("\n")[0]}`);
    }
  }
  return lines.join("\n") + "\n";
}

function formatEvent(event: FuzzEvent, ids: Map<string, string>): string {
  switch (event.do) {
    case "clock":
      return `clock ${event.seconds}`;
    case "sweep":
      return "sweep";
    case "access":
      return ["access", event.mode, ...event.infoHashes.map(toHex)].join(" ");
    case "packet": {
      if (isConnect(event)) return "connect";
      const id = ids.get(toHex(event.source.address));
      const words = toHex(event.packet).match(/.{1,8}/g) ?? [];
      return words.slice(0, 2).join("") === id
        ? ["CID", ...words.slice(2)].join(" ")
        : words.join(" ");
    }
  }
}

function formatSource({ address, port }: Source): string {
  return `from ${address.length === 4 ? address.join(".") : toHex(address)} ${port}`;
}

/** Whether an event is what `connect` does. */
export function isConnect(event: FuzzEvent): boolean {
  return event.do === "packet" && event.source.port !== 0 && event.packet.length === 16 &&
    parseRequest(event.packet).action === "connect";
}
