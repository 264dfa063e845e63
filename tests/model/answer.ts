/** Judges the bytes of an answer: the shape by BEP 15, the values by what the model expects. */
import {
  ACTION_ANNOUNCE,
  ACTION_CONNECT,
  ACTION_ERROR,
  ACTION_SCRAPE,
  toHex,
} from "../support/packets.ts";
import { keyOf, peerToText } from "./bytes.ts";
import { ANSWER_MAX } from "./codec.ts";
import type { AnnounceExpectation, Expectation, Triple } from "./model.ts";

/** Null for a legal answer, otherwise a sentence that says what is wrong. */
export function checkAnswer(expected: Expectation, answer: Uint8Array | null): string | null {
  if (expected.kind === "silence") {
    return answer === null ? null : `Answered (${expected.why}): ${toHex(answer)}`;
  }
  if (answer === null) {
    if (expected.kind === "silence or error") return null;
    return `No answer, expected ${expected.kind}${"why" in expected ? `: ${expected.why}` : ""}`;
  }
  if (answer.length > ANSWER_MAX) return `The answer has ${answer.length} bytes`;
  if (answer.length < 8) return `The answer has only ${answer.length} bytes`;
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  if (view.getUint32(4) !== expected.transactionId) {
    return `Transaction id ${view.getUint32(4)} instead of ${expected.transactionId}`;
  }
  switch (expected.kind) {
    case "connect":
      return checkConnect(view);
    case "announce":
      return checkAnnounce(expected, answer, view);
    case "scrape":
      return checkScrape(expected.triples, view);
    default:
      return checkError(expected.why, answer, view);
  }
}

function checkConnect(view: DataView): string | null {
  if (view.getUint32(0) !== ACTION_CONNECT) return `Action ${view.getUint32(0)} to a connect`;
  if (view.byteLength !== 16) return `The connect answer has ${view.byteLength} bytes`;
  return view.getUint32(8) === 0 && view.getUint32(12) === 0 ? "Connection id 0" : null;
}

function checkError(why: string, answer: Uint8Array, view: DataView): string | null {
  if (view.getUint32(0) !== ACTION_ERROR) return `Action ${view.getUint32(0)}, not error: ${why}`;
  const text = keyOf(answer, 8);
  if (!/^[\x20-\x7e]{1,100}$/.test(text)) return `Error text is not short ASCII: ${toHex(answer)}`;
  if (why === "invalid port" && !/port/i.test(text)) return `"${text}" instead of invalid port`;
  return null;
}

function checkScrape(triples: Triple[], view: DataView): string | null {
  if (view.getUint32(0) !== ACTION_SCRAPE) return `Action ${view.getUint32(0)} to a scrape`;
  if (view.byteLength !== 8 + 12 * triples.length) {
    return `${view.byteLength} bytes for ${triples.length} scraped torrents`;
  }
  for (let index = 0; index < triples.length; ++index) {
    const at = 8 + 12 * index;
    const found = [view.getUint32(at), view.getUint32(at + 4), view.getUint32(at + 8)];
    if (found.some((count, field) => count !== triples[index][field])) {
      return `Scrape [${index}] seeders, completed, leechers: ${found} instead of ${
        triples[index]
      }`;
    }
  }
  return null;
}

function checkAnnounce(
  expected: AnnounceExpectation,
  answer: Uint8Array,
  view: DataView,
): string | null {
  if (view.getUint32(0) !== ACTION_ANNOUNCE) return `Action ${view.getUint32(0)} to an announce`;
  if (answer.length < 20) return `The announce answer has ${answer.length} bytes`;
  const interval = view.getUint32(8);
  if (interval < expected.intervalMin || interval > expected.intervalMax) {
    return `Interval ${interval} is not ${expected.intervalMin}…${expected.intervalMax}`;
  }
  const [leechers, seeders] = [view.getUint32(12), view.getUint32(16)];
  if (leechers !== expected.leechers || seeders !== expected.seeders) {
    return `Leechers ${leechers}, seeders ${seeders} instead of ${expected.leechers}, ` +
      `${expected.seeders}`;
  }
  return checkPeers(expected, answer);
}

function checkPeers(expected: AnnounceExpectation, answer: Uint8Array): string | null {
  const { peerByteLength, peerCount, swarm } = expected;
  if (answer.length !== 20 + peerByteLength * peerCount) {
    return `${(answer.length - 20) / peerByteLength} peers of ${peerByteLength} bytes ` +
      `instead of ${peerCount}`;
  }
  let leechers = 0;
  const seen = new Set<string>();
  for (let start = 20; start < answer.length; start += peerByteLength) {
    const key = keyOf(answer, start, start + peerByteLength);
    if (key === expected.self) return "The announcer was sent to itself";
    const peer = swarm.peers.get(key);
    if (!peer) return `${peerToText(key)} is not in the swarm`;
    seen.add(key);
    if (peer.role === "leecher") ++leechers;
  }
  if (seen.size !== peerCount) return `${peerCount - seen.size} peers were sent twice`;
  if (leechers < expected.leechersFirst) {
    return `A seeder got ${leechers} leechers, ${expected.leechersFirst} were there`;
  }
  return null;
}
