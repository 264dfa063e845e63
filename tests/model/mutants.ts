/** Trackers with one bug each, around a right one: what the histories must be able to find. */
import { Reference } from "./reference.ts";
import type { Limits, TrackerUnderTest } from "./tracker.ts";

type Packet = Uint8Array;
type Answer = Uint8Array | null;

export interface Mutant {
  name: string;
  make(limits: Limits): TrackerUnderTest;
}

/** A tracker around a right one. */
function wrapping(wrap: (tracker: TrackerUnderTest) => TrackerUnderTest) {
  return (limits: Limits): TrackerUnderTest => wrap(new Reference(limits));
}

/** A tracker that reads another packet than was sent. */
function reading(change: (packet: Packet, view: DataView) => Packet | void) {
  return wrapping((tracker) => ({
    ...bound(tracker),
    handle: (packet, source) => {
      const copy = packet.slice();
      const changed = copy.length >= 16 ? change(copy, new DataView(copy.buffer)) : undefined;
      return tracker.handle(changed ?? copy, source);
    },
  }));
}

/** A tracker that sends another answer than is right. */
function answering(change: (answer: Packet, view: DataView, packet: Packet) => Answer | void) {
  return wrapping((tracker) => ({
    ...bound(tracker),
    handle: (packet, source) => {
      const answer = tracker.handle(packet, source)?.slice() ?? null;
      if (answer === null) return null;
      const changed = change(answer, new DataView(answer.buffer), packet);
      return changed === undefined ? answer : changed;
    },
  }));
}

function bound(tracker: TrackerUnderTest): TrackerUnderTest {
  return {
    handle: (packet, source) => tracker.handle(packet, source),
    setNow: (seconds) => tracker.setNow(seconds),
    sweep: () => tracker.sweep(),
    loadAccessList: (mode, infoHashes) => tracker.loadAccessList(mode, infoHashes),
  };
}

const isAnnounce = (packet: Packet) => packet.length >= 98 && packet[11] === 1;
const isAnnounceAnswer = (answer: Packet) => answer[3] === 1;

export const MUTANTS: Mutant[] = [
  {
    name: "reads only the low half of left",
    make: reading((packet, view) => {
      if (isAnnounce(packet)) view.setUint32(64, 0);
    }),
  },
  {
    name: "takes stopped for a periodic announce",
    make: reading((packet, view) => {
      if (isAnnounce(packet) && view.getUint32(80) === 3) view.setUint32(80, 0);
    }),
  },
  {
    name: "forgets that paused is not leeching",
    make: reading((packet, view) => {
      if (isAnnounce(packet) && view.getUint32(80) === 4) view.setUint32(80, 0);
    }),
  },
  {
    name: "takes num_want 0 for the default",
    make: reading((packet, view) => {
      if (isAnnounce(packet) && view.getInt32(92) === 0) view.setInt32(92, -1);
    }),
  },
  {
    name: "takes completed for a periodic announce",
    make: reading((packet, view) => {
      if (isAnnounce(packet) && view.getUint32(80) === 1) view.setUint32(80, 0);
    }),
  },
  {
    name: "believes the port 0",
    make: reading((packet, view) => {
      if (isAnnounce(packet) && view.getUint16(96) === 0) view.setUint16(96, 1);
    }),
  },
  {
    name: "refuses announces with options",
    make: wrapping((tracker) => ({
      ...bound(tracker),
      handle: (packet, source) =>
        isAnnounce(packet) && packet.length > 98 ? null : tracker.handle(packet, source),
    })),
  },
  {
    name: "rounds ragged scrapes down",
    make: reading((packet) => {
      if (packet[11] === 2) return packet.subarray(0, packet.length - (packet.length - 16) % 20);
    }),
  },
  {
    name: "swaps leechers and seeders",
    make: answering((answer, view) => {
      if (!isAnnounceAnswer(answer)) return;
      const leechers = view.getUint32(12);
      view.setUint32(12, view.getUint32(16));
      view.setUint32(16, leechers);
    }),
  },
  {
    name: "scrapes in the order of announces",
    make: answering((answer, view) => {
      if (answer[3] !== 2 || answer.length < 20) return;
      const seeders = view.getUint32(8);
      view.setUint32(8, view.getUint32(16));
      view.setUint32(16, seeders);
    }),
  },
  {
    name: "sends a peer twice",
    make: answering((answer) => {
      if (isAnnounceAnswer(answer) && answer.length === 32) answer.copyWithin(26, 20, 26);
    }),
  },
  {
    name: "sends one peer too few",
    make: answering((answer) => {
      if (isAnnounceAnswer(answer) && answer.length > 20) return answer.subarray(0, -6);
    }),
  },
  {
    name: "answers stopped with nothing",
    make: answering((_answer, _view, packet) => {
      if (isAnnounce(packet) && packet[83] === 3) return null;
    }),
  },
  {
    name: "never expires a peer",
    make: wrapping((tracker) => ({ ...bound(tracker), sweep: () => {} })),
  },
  {
    name: "expires peers a second late",
    make: (limits) => new Reference({ ...limits, maxPeerAgeSeconds: limits.maxPeerAgeSeconds + 1 }),
  },
  {
    name: "expires peers a second early",
    make: (limits) => new Reference({ ...limits, maxPeerAgeSeconds: limits.maxPeerAgeSeconds - 1 }),
  },
  {
    name: "accepts connection ids a second too long",
    make: (limits) =>
      new Reference({ ...limits, maxConnectionAgeSeconds: limits.maxConnectionAgeSeconds + 1 }),
  },
  {
    name: "ignores the access list",
    make: wrapping((tracker) => ({ ...bound(tracker), loadAccessList: () => {} })),
  },
  {
    name: "takes white for black",
    make: wrapping((tracker) => ({
      ...bound(tracker),
      loadAccessList: (mode, infoHashes) =>
        tracker.loadAccessList(
          mode === "white" ? "black" : mode === "black" ? "white" : "off",
          infoHashes,
        ),
    })),
  },
];
