/**
 * Judges HTTP answers in place, without a string or an object for each: `protocols/http/client.ts`
 * reads them whole at thirty times the cost. A tracker may order keys as it likes.
 */

import { ANNOUNCE, ERROR, SCRAPE } from "./counters.ts";

/** Set by `AnswerReader.readHead()` where the head has not come whole. */
export const INCOMPLETE = 0;
/** It is none of HTTP/1, or says no length. */
export const BROKEN = -1;

const IPV4_PEER = 6;
const IPV6_PEER = 18;
const DEPTH_MAX = 8;
/** Digits of a number that stays exact. */
const DIGITS_MAX = 15;

const key = (text: string) => new TextEncoder().encode(text);
const CONTENT_LENGTH = key("content-length:");
const CONNECTION_CLOSE = key("connection: close");
const COMPLETE = key("complete");
const INCOMPLETE_PEERS = key("incomplete");
const DOWNLOADED = key("downloaded");
const INTERVAL = key("interval");
const PEERS = key("peers");
const PEERS6 = key("peers6");
const FILES = key("files");
const FAILURE = key("failure reason");

/** Reads one answer after the other; its fields hold what the last one said. */
export class AnswerReader {
  status = 0;
  bodyStart = 0;
  /** Of head and body. */
  byteLength = 0;
  /** The tracker closes the connection. */
  isLast = false;

  complete = -1;
  incomplete = -1;
  interval = -1;
  /** Peers of both families; -1: none were sent. */
  peers = -1;
  /** Torrents of a scrape; -1: it is none. */
  files = -1;
  isFailure = false;

  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #end = 0;

  /** Finds where the answer ends that begins at `start`. @returns INCOMPLETE, BROKEN or 1. */
  readHead(bytes: Uint8Array, start: number): number {
    let lineStart = start;
    let length = -1;
    this.isLast = false;
    for (let at = start; at + 1 < bytes.length; ++at) {
      if (bytes[at] !== 13 || bytes[at + 1] !== 10) continue;
      if (at === lineStart) {
        if (length < 0 || this.status === 0) return BROKEN;
        this.bodyStart = at + 2;
        this.byteLength = this.bodyStart - start + length;
        return 1;
      }
      if (lineStart === start) this.status = readStatus(bytes, start);
      else if (beginsWith(bytes, lineStart, CONTENT_LENGTH)) {
        length = readLength(bytes, lineStart + CONTENT_LENGTH.length, at);
      } else if (beginsWith(bytes, lineStart, CONNECTION_CLOSE)) this.isLast = true;
      lineStart = at + 2;
    }
    return INCOMPLETE;
  }

  /** Reads a body. @returns ANNOUNCE, SCRAPE or ERROR; BROKEN: it is bencode of none of them. */
  readBody(bytes: Uint8Array, start: number, end: number): number {
    this.complete =
      this.incomplete =
      this.interval =
      this.peers =
      this.files =
        -1;
    this.isFailure = false;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    if (!this.#readDictionary(0)) return BROKEN;
    // aquatic_http 0.9 ends its bodies with a line end.
    if (this.#at === end - 2 && bytes[end - 2] === 13 && bytes[end - 1] === 10) this.#at = end;
    if (this.#at !== end) return BROKEN;
    if (this.isFailure) return ERROR;
    if (this.files >= 0) return SCRAPE;
    const isAnnounce = this.complete >= 0 && this.incomplete >= 0 && this.interval >= 0 &&
      this.peers >= 0;
    return isAnnounce ? ANNOUNCE : BROKEN;
  }

  #readDictionary(depth: number): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#at++] !== 0x64 || depth > DEPTH_MAX) return false;
    while (bytes[this.#at] !== 0x65) {
      const keyLength = this.#readString();
      if (keyLength < 0) return false;
      const keyStart = this.#at - keyLength;
      if (!(depth === 0 ? this.#readMember(keyStart, keyLength) : this.#skip(depth))) return false;
    }
    ++this.#at;
    return true;
  }

  /** Reads the value of a key of the outermost dictionary. */
  #readMember(start: number, length: number): boolean {
    const { complete, incomplete, interval } = this;
    if (this.#isKey(start, length, COMPLETE)) {
      return (this.complete = this.#readInteger()) >= 0 && complete < 0;
    }
    if (this.#isKey(start, length, INCOMPLETE_PEERS)) {
      return (this.incomplete = this.#readInteger()) >= 0 && incomplete < 0;
    }
    if (this.#isKey(start, length, INTERVAL)) {
      return (this.interval = this.#readInteger()) >= 0 && interval < 0;
    }
    if (this.#isKey(start, length, PEERS)) return this.#readPeers(IPV4_PEER);
    if (this.#isKey(start, length, PEERS6)) return this.#readPeers(IPV6_PEER);
    if (this.#isKey(start, length, FILES)) return this.#readFiles();
    if (this.#isKey(start, length, FAILURE)) this.isFailure = true;
    return this.#skip(0);
  }

  #readPeers(stride: number): boolean {
    const length = this.#readString();
    if (length < 0 || length % stride !== 0) return false;
    this.peers = Math.max(0, this.peers) + length / stride;
    return true;
  }

  /** A dictionary of info hashes with three counts each. */
  #readFiles(): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#at++] !== 0x64 || this.files >= 0) return false;
    this.files = 0;
    while (bytes[this.#at] !== 0x65) {
      if (this.#readString() !== 20 || !this.#readCounts()) return false;
      ++this.files;
    }
    ++this.#at;
    return true;
  }

  #readCounts(): boolean {
    const bytes = this.#bytes;
    let counts = 0;
    if (bytes[this.#at++] !== 0x64) return false;
    while (bytes[this.#at] !== 0x65) {
      const length = this.#readString();
      if (length < 0) return false;
      const start = this.#at - length;
      const isCount = this.#isKey(start, length, COMPLETE) ||
        this.#isKey(start, length, INCOMPLETE_PEERS) || this.#isKey(start, length, DOWNLOADED);
      if (isCount ? this.#readInteger() < 0 : !this.#skip(1)) return false;
      if (isCount) ++counts;
    }
    ++this.#at;
    return counts === 3;
  }

  #isKey(start: number, length: number, name: Uint8Array): boolean {
    return length === name.length && beginsWith(this.#bytes, start, name);
  }

  /** Passes over any value. */
  #skip(depth: number): boolean {
    const kind = this.#bytes[this.#at];
    if (kind === 0x69) return this.#readInteger() >= 0;
    if (kind === 0x64) return this.#readDictionary(depth + 1);
    if (kind !== 0x6c) return this.#readString() >= 0;
    if (depth > DEPTH_MAX) return false;
    ++this.#at;
    while (this.#bytes[this.#at] !== 0x65) if (!this.#skip(depth + 1)) return false;
    ++this.#at;
    return true;
  }

  /** @returns Bytes of the string, which end where reading goes on, or -1. */
  #readString(): number {
    const length = this.#readDigits(0x3a);
    if (length < 0 || this.#at + length > this.#end) return -1;
    this.#at += length;
    return length;
  }

  #readInteger(): number {
    return this.#bytes[this.#at++] === 0x69 ? this.#readDigits(0x65) : -1;
  }

  /** A whole number up to the byte that ends it, without needless zeros; or -1. */
  #readDigits(stop: number): number {
    const start = this.#at;
    let value = 0;
    for (; this.#at < this.#end; ++this.#at) {
      const digit = this.#bytes[this.#at]! - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const count = this.#at - start;
    const isSound = count > 0 && count <= DIGITS_MAX && this.#at < this.#end &&
      this.#bytes[this.#at] === stop && (count === 1 || this.#bytes[start] !== 0x30);
    ++this.#at;
    return isSound ? value : -1;
  }
}

/** The number in `HTTP/1.1 200 OK`, 0 where it is none of HTTP/1. */
function readStatus(bytes: Uint8Array, at: number): number {
  const isHttp = bytes[at] === 0x48 && bytes[at + 5] === 0x31 && bytes[at + 8] === 0x20;
  const value = bytes[at + 9]! * 100 + bytes[at + 10]! * 10 + bytes[at + 11]! - 0x30 * 111;
  return isHttp && value >= 100 && value <= 599 ? value : 0;
}

/** A decimal between blanks, -1 where there is none. */
function readLength(bytes: Uint8Array, start: number, end: number): number {
  let value = -1;
  for (let at = start; at < end; ++at) {
    const digit = bytes[at]! - 0x30;
    if (digit >= 0 && digit <= 9) value = Math.max(0, value) * 10 + digit;
    else if (bytes[at] !== 0x20) return -1;
  }
  return value;
}

/** Compares with lower-case text; capital letters are the same. */
function beginsWith(bytes: Uint8Array, start: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; ++index) {
    const byte = bytes[start + index]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== text[index]) return false;
  }
  return true;
}
