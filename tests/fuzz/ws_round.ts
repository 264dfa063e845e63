/**
 * Oracles of WebTorrent's fuzz. Histories of 50 sockets on two workers agree with the model: the
 * same counts, as many relays to distinct receivers, every relayed byte as it was sent. Texts that
 * were broken at random are refused exactly where JSON.parse refuses them, and what is relayed of
 * them is what JSON.parse finds in them. Never a trap.
 */
import { strict as assert } from "node:assert";
import {
  jsonOf,
  maskedFrame,
  type Peer,
  type Sent,
  textOf,
  WsHarness,
} from "../core/ws_harness.ts";
import { type ModelMessage, WsModel } from "../model/ws_model.ts";
import { concat } from "../support/packets.ts";
import { Random } from "./random.ts";

const SOCKETS = 50;
const TORRENTS = 6;
const PEER_IDS = 60;
const CONNECTIONS_CLOSED_ONE_IN = 40;
const encoder = new TextEncoder();

/** A binary string of 20 characters; few of them, so that they meet. */
function idOf(number: number): string {
  let id = "";
  for (let index = 0; index < 20; ++index) {
    id += String.fromCharCode((number * 97 + index * 31) & 255);
  }
  return id;
}

/** JSON of a value in one of its many spellings. */
function spell(random: Random, value: unknown): string {
  const blank = () => random.oneIn(6) ? random.pick([" ", "\n", "\t", "\r\n  "]) : "";
  if (typeof value === "string") return spellString(random, value);
  if (Array.isArray(value)) {
    return `[${blank()}${value.map((item) => spell(random, item) + blank()).join(`,${blank()}`)}]`;
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).filter(([, item]) => item !== undefined)
      .map(([key, item]) =>
        `${blank()}${spell(random, key)}${blank()}:${blank()}${spell(random, item)}${blank()}`
      );
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

/** JSON of a string: as JSON.stringify has it, with a few more of its characters escaped. */
function spellString(random: Random, value: string): string {
  const plain = JSON.stringify(value);
  let text = '"';
  for (let at = 1; at < plain.length - 1;) {
    const code = plain.charCodeAt(at);
    const isEscape = code === 0x5c;
    const isPair = code >= 0xd800 && code < 0xe000; // JSON.stringify escapes lone surrogates.
    const length = isEscape ? (plain[at + 1] === "u" ? 6 : 2) : isPair ? 2 : 1;
    text += length === 1 && random.oneIn(8)
      ? `\\u${code.toString(16).padStart(4, "0")}`
      : plain.slice(at, at + length);
    at += length;
  }
  return text + '"';
}

/** Frames of a text: whole or in fragments, cut anywhere. */
function send(random: Random, harness: WsHarness, peer: Peer, text: Uint8Array): void {
  const frames: Uint8Array[] = [];
  const pieces = random.oneIn(4) ? 1 + random.below(4) : 1;
  for (let piece = 0, at = 0; piece < pieces; ++piece) {
    const end = piece === pieces - 1 ? text.length : at + random.below(text.length - at + 1);
    const opcode = piece === 0 ? 1 + random.below(2) : 0;
    frames.push(maskedFrame(text.subarray(at, end), { opcode, final: piece === pieces - 1 }));
    at = end;
  }
  for (const frame of frames) {
    const at = random.oneIn(3) ? random.below(frame.length) : 0;
    if (at > 0) harness.receive(peer, frame.subarray(0, at));
    harness.receive(peer, frame.subarray(at));
  }
}

/** The text of the member `name` of a JSON text that `spell` wrote, told by what it begins with. */
function isRelayOf(text: string, offerText: string, kind: "offer" | "answer"): boolean {
  return text.endsWith(`,"${kind}":${offerText}}`);
}

class History {
  readonly #random: Random;
  readonly #harness: WsHarness;
  readonly #model = new WsModel();
  readonly #sockets: Peer[];
  #offerCount = 0;

  constructor(module: WebAssembly.Module, random: Random) {
    this.#random = random;
    this.#harness = new WsHarness(module, { workers: 2, connections: SOCKETS, limitMib: 16 });
    this.#sockets = Array.from({ length: SOCKETS }, (_, index) => this.#harness.connect(index % 2));
  }

  step(): void {
    const random = this.#random;
    const socket = random.below(SOCKETS);
    if (random.oneIn(CONNECTIONS_CLOSED_ONE_IN)) {
      this.#harness.close(this.#sockets[socket]!);
      this.#model.close(socket);
      this.#sockets[socket] = this.#harness.connect(socket % 2);
      return;
    }
    this.#sockets.forEach((peer) => peer.received.length = 0);
    const hash = idOf(1_000 + random.below(TORRENTS));
    if (random.oneIn(8)) this.#scrape(socket, hash);
    else if (random.oneIn(4)) this.#answer(socket, hash);
    else this.#announce(socket, hash);
  }

  #announce(socket: number, hash: string): void {
    const random = this.#random;
    const offers = Array.from({ length: random.below(5) }, () => ({
      offer_id: idOf(++this.#offerCount),
      offer: { type: "offer", sdp: `v=0\r\no=${this.#offerCount} "\\ é€\u0001\r\n`.repeat(3) },
    }));
    const message: ModelMessage = {
      info_hash: hash,
      peer_id: idOf(random.below(PEER_IDS)),
      left: random.pick([undefined, null, 0, 0, 5, -1]),
      event: random.pick([undefined, "started", "completed", "stopped", "update"]),
      numwant: random.pick([undefined, 0, 1, 3, 50]),
      offers: random.oneIn(5) ? undefined : offers,
    };
    const texts = offers.map(({ offer }) => spell(random, offer));
    const members = Object.entries({ action: "announce", ...message, offers: undefined })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${spell(random, key)}:${spell(random, value)}`);
    if (message.offers !== undefined) {
      const items = offers.map(({ offer_id }, index) =>
        `{"offer":${texts[index]},"offer_id":${spell(random, offer_id)}}`
      );
      members.splice(random.below(members.length), 0, `"offers":[${items.join(",")}]`);
    }
    send(random, this.#harness, this.#sockets[socket]!, encoder.encode(`{${members.join()}}`));
    const { relays, ...counts } = this.#model.announce(socket, message);
    const [reply, ...rest] = this.#sockets[socket]!.received;
    assert.deepEqual(jsonOf(reply!), {
      action: "announce",
      info_hash: hash,
      ...counts,
      interval: 120,
    });
    const others = this.#model.others(hash, message.peer_id);
    const received: [socket: number, sent: Sent][] = this.#sockets.flatMap((peer, index) =>
      (index === socket ? rest : peer.received).map((sent): [number, Sent] => [index, sent])
    );
    assert.equal(received.length, relays);
    const ids = new Set<string>();
    for (const [receiver, sent] of received) {
      const relay = jsonOf(sent);
      const index = offers.findIndex(({ offer_id }) => offer_id === relay.offer_id);
      assert.ok(isRelayOf(textOf(sent), texts[index]!, "offer"), "The bytes of the offer");
      assert.deepEqual([relay.info_hash, relay.peer_id], [hash, message.peer_id]);
      ids.add(relay.offer_id);
      const place = others.indexOf(receiver);
      assert.ok(place >= 0, "A peer of the swarm, once");
      others.splice(place, 1);
    }
    assert.equal(ids.size, relays, "Each offer once");
  }

  #answer(socket: number, hash: string): void {
    const random = this.#random;
    const [from, to] = [idOf(random.below(PEER_IDS)), idOf(random.below(PEER_IDS))];
    const answer = { type: "answer", sdp: "v=0\r\n\u0080\u{1d11e}" };
    const text = spell(random, answer);
    const head = {
      action: "announce",
      info_hash: hash,
      peer_id: from,
      to_peer_id: to,
      offer_id: "x",
    };
    const message = `{"answer":${text},${spell(random, head).slice(1)}`;
    send(random, this.#harness, this.#sockets[socket]!, encoder.encode(message));
    const receiver = this.#model.answer(socket, hash, from, to);
    this.#sockets.forEach(({ received }, index) => {
      assert.equal(received.length, index === receiver ? 1 : 0);
    });
    if (receiver === undefined) return;
    const [sent] = this.#sockets[receiver]!.received;
    assert.ok(isRelayOf(textOf(sent!), text, "answer"), "The bytes of the answer");
    assert.equal(jsonOf(sent!).peer_id, from);
  }

  #scrape(socket: number, hash: string): void {
    const unknown = idOf(77);
    const message = spell(this.#random, { action: "scrape", info_hash: [hash, unknown] });
    send(this.#random, this.#harness, this.#sockets[socket]!, encoder.encode(message));
    assert.deepEqual(jsonOf(this.#sockets[socket]!.received[0]!), {
      action: "scrape",
      files: {
        [hash]: this.#model.scrape(hash),
        [unknown]: { complete: 0, incomplete: 0, downloaded: 0 },
      },
    });
  }
}

/** Plays a history of so many messages against the model. */
export function playHistory(module: WebAssembly.Module, seed: number, messages: number): void {
  const history = new History(module, new Random(seed, 1));
  for (let step = 0; step < messages; ++step) history.step();
}

const MARKS = encoder.encode('{}[]":,\\u0e-+.ntf \n\u0001é');

/** Breaks a text in a few places. */
function mutate(random: Random, text: Uint8Array): Uint8Array {
  let bytes = text.slice();
  for (let change = random.below(4); change > 0; --change) {
    const at = random.below(bytes.length);
    const kind = random.below(4);
    if (kind === 0) bytes[at] = random.bits() >>> 24;
    else if (kind === 1) bytes[at] = MARKS[random.below(MARKS.length)]!;
    else if (kind === 2) bytes = bytes.slice(0, Math.max(1, at));
    else bytes = concat(bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 9)));
  }
  return bytes;
}

/** Sends texts that are broken, each on a connection that a break may end. */
export function playBroken(module: WebAssembly.Module, seed: number, messages: number): void {
  const random = new Random(seed, 2);
  const harness = new WsHarness(module, { connections: 8, limitMib: 16 });
  const bystander = harness.connect();
  harness.say(bystander, { action: "announce", info_hash: idOf(1), peer_id: idOf(2) });
  let peer = harness.connect();
  for (let message = 0; message < messages; ++message) {
    bystander.received.length = 0;
    peer.received.length = 0;
    const offer = { type: "offer", sdp: 'v=0\r\n"\\\u0001é€', more: [1, -2.5e3, { a: null }] };
    const bytes = mutate(
      random,
      encoder.encode(spell(random, {
        action: "announce",
        info_hash: idOf(1),
        peer_id: idOf(3),
        offers: [{ offer_id: idOf(4), offer }],
      })),
    );
    send(random, harness, peer, bytes);
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      assert.ok(peer.core.isEnding(peer.connection), "1007");
      harness.close(peer);
      peer = harness.connect();
      continue;
    }
    const isInvalid = peer.received.some((sent) =>
      jsonOf(sent)["failure reason"]?.startsWith("invalid message")
    );
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    assert.equal(isInvalid, !isObject, text);
    for (const sent of bystander.received) {
      const { offer: relayed } = jsonOf(sent);
      const { offers } = value as { offers: { offer: unknown }[] };
      assert.ok(offers.some((item) => JSON.stringify(item?.offer) === JSON.stringify(relayed)));
    }
  }
}
