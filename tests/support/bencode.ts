/**
 * Bencode (BEP 3) as the specification has it and not a byte more: the judge of what trackers
 * write.
 *
 * Refused, because some client somewhere refuses it: keys that are unsorted or there twice, leading
 * zeros, `-0`, lengths that lie, and anything after the last `e`.
 */
import { strict as assert } from "node:assert";

export type Value = bigint | Uint8Array | Value[] | Dictionary;

/** Keys as Latin-1 text, one character for each byte. */
export type Dictionary = Map<string, Value>;

const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const D = 0x64;
const E = 0x65;
const I = 0x69;
const L = 0x6c;

/** Arguments that one call may have. */
const LATIN1_STEP = 8192;

/** More than any tracker's answer nests. */
const DEPTH_MAX = 8;

/** Parses one value that must fill `bytes`; throws a SyntaxError that says what is wrong where. */
export function parseBencode(bytes: Uint8Array): Value {
  const parser = new Parser(bytes);
  const value = parser.parseValue(0);
  parser.expectEnd();
  return value;
}

/** Parses one dictionary that must fill `bytes`. */
export function parseDictionary(bytes: Uint8Array): Dictionary {
  const value = parseBencode(bytes);
  if (!(value instanceof Map)) throw new SyntaxError(`Not a dictionary: ${show(bytes)}`);
  return value;
}

/** Returns an entry that must be there, and a byte string. */
export function stringAt(dictionary: Dictionary, key: string): Uint8Array {
  const value = dictionary.get(key);
  if (!(value instanceof Uint8Array)) fail(dictionary, `"${key}" is no string`);
  return value;
}

/** Returns an entry that must be there, and an integer that fits a JavaScript number. */
export function integerAt(dictionary: Dictionary, key: string): number {
  const value = dictionary.get(key);
  if (typeof value !== "bigint") fail(dictionary, `"${key}" is no integer`);
  if (!Number.isSafeInteger(Number(value))) fail(dictionary, `"${key}" is too large`);
  return Number(value);
}

/** Returns an entry that must be there, and a dictionary. */
export function dictionaryAt(dictionary: Dictionary, key: string): Dictionary {
  const value = dictionary.get(key);
  if (!(value instanceof Map)) fail(dictionary, `"${key}" is no dictionary`);
  return value;
}

function fail(dictionary: Dictionary, what: string): never {
  assert.fail(`${what}: ${Deno.inspect(dictionary)}`);
}

/** Returns one character for each byte. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let offset = 0; offset < bytes.length; offset += LATIN1_STEP) {
    text += String.fromCharCode(...bytes.subarray(offset, offset + LATIN1_STEP));
  }
  return text;
}

class Parser {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  parseValue(depth: number): Value {
    if (depth > DEPTH_MAX) this.#fail("too deep");
    const first = this.#bytes[this.#offset];
    if (first === I) return this.#parseInteger();
    if (first === L) return this.#parseList(depth);
    if (first === D) return this.#parseDictionary(depth);
    return this.#parseString();
  }

  expectEnd(): void {
    if (this.#offset !== this.#bytes.length) this.#fail("bytes after the end");
  }

  #parseInteger(): bigint {
    this.#offset++;
    const isNegative = this.#bytes[this.#offset] === MINUS;
    if (isNegative) this.#offset++;
    const magnitude = this.#parseDigits(E);
    if (isNegative && magnitude === 0n) this.#fail("-0");
    return isNegative ? -magnitude : magnitude;
  }

  #parseList(depth: number): Value[] {
    this.#offset++;
    const list: Value[] = [];
    while (!this.#takeEnd()) list.push(this.parseValue(depth + 1));
    return list;
  }

  #parseDictionary(depth: number): Dictionary {
    this.#offset++;
    const dictionary: Dictionary = new Map();
    let last: string | undefined;
    while (!this.#takeEnd()) {
      const key = latin1(this.#parseString());
      // UTF-16 units up to U+00FF compare as the bytes do.
      if (last !== undefined && key === last) this.#fail(`key "${key}" twice`);
      if (last !== undefined && key < last) this.#fail(`key "${key}" after "${last}"`);
      last = key;
      dictionary.set(key, this.parseValue(depth + 1));
    }
    return dictionary;
  }

  #parseString(): Uint8Array {
    const length = this.#parseDigits(COLON);
    const end = this.#offset + Number(length);
    if (end > this.#bytes.length) this.#fail(`${length} bytes announced`);
    const string = this.#bytes.slice(this.#offset, end);
    this.#offset = end;
    return string;
  }

  /** Parses decimal digits and the byte that ends them. */
  #parseDigits(end: number): bigint {
    const begin = this.#offset;
    while (isDigit(this.#bytes[this.#offset])) this.#offset++;
    const digits = latin1(this.#bytes.subarray(begin, this.#offset));
    if (digits === "") this.#fail("a digit expected");
    if (digits.length > 1 && digits[0] === "0") this.#fail("a leading zero");
    if (this.#bytes[this.#offset] !== end) this.#fail(`"${String.fromCharCode(end)}" expected`);
    this.#offset++;
    return BigInt(digits);
  }

  #takeEnd(): boolean {
    if (this.#offset >= this.#bytes.length) this.#fail("the end is missing");
    if (this.#bytes[this.#offset] !== E) return false;
    this.#offset++;
    return true;
  }

  #fail(what: string): never {
    throw new SyntaxError(`Bad bencode, ${what} at byte ${this.#offset}: ${show(this.#bytes)}`);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

function show(bytes: Uint8Array): string {
  return JSON.stringify(latin1(bytes.subarray(0, 300)));
}
