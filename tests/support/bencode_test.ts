import { strict as assert } from "node:assert";
import bencode from "bencode";
import { type Dictionary, integerAt, latin1, parseBencode, parseDictionary } from "./bencode.ts";
import { ascii, randomBytes } from "./packets.ts";

/** What npm's bencode accepts or some tracker has sent, and what is wrong with it. */
const REFUSED: Record<string, RegExp> = {
  "": /digit expected/,
  "i01e": /leading zero/,
  "i-0e": /-0/,
  "i-01e": /leading zero/,
  "ie": /digit expected/,
  "i-e": /digit expected/,
  "i1": /"e" expected/,
  "i1.5e": /"e" expected/,
  "i+1e": /digit expected/,
  "02:ab": /leading zero/,
  "3:ab": /3 bytes announced/,
  "2ab": /":" expected/,
  "-1:a": /digit expected/,
  "d1:bi1e1:ai1ee": /key "a" after "b"/,
  "d1:ai1e1:ai1ee": /key "a" twice/,
  "di1e1:ae": /digit expected/,
  "d1:ae": /digit expected/,
  "d1:ai1e": /end is missing/,
  "li1e": /end is missing/,
  "dee": /bytes after the end/,
  "de\r\n": /bytes after the end/,
  "i1ei2e": /bytes after the end/,
  "lllllllllleeeeeeeeee": /too deep/,
};

for (const [text, error] of Object.entries(REFUSED)) {
  Deno.test(`parseBencode() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseBencode(ascii(text)), error);
  });
}

Deno.test("parseBencode() reads every kind of value", () => {
  const value = parseBencode(ascii("d0:0:1:ai-12e1:bli0e3:xyze1:cdee")) as Dictionary;
  assert.deepEqual([...value.keys()], ["", "a", "b", "c"]);
  assert.equal(value.get("a"), -12n);
  assert.deepEqual(value.get("b"), [0n, ascii("xyz")]);
  assert.deepEqual(value.get("c"), new Map());
});

Deno.test("parseBencode() orders keys by their bytes", () => {
  for (let repeat = 0; repeat < 100; repeat++) {
    const keys = Array.from({ length: 5 }, () => latin1(randomBytes(2)));
    const sorted = [...new Set(keys)].sort();
    const write = (order: string[]) =>
      Uint8Array.from(`d${order.map((key) => `2:${key}i1e`).join("")}e`, (it) => it.charCodeAt(0));
    assert.deepEqual([...parseDictionary(write(sorted)).keys()], sorted);
    if (sorted.length > 1) assert.throws(() => parseDictionary(write(sorted.toReversed())));
  }
});

Deno.test("parseBencode() reads what npm's bencode writes", () => {
  const bytes = Uint8Array.from(bencode.encode({ interval: 1800, peers: "", list: [1, "two"] }));
  const dictionary = parseDictionary(bytes);
  assert.equal(integerAt(dictionary, "interval"), 1800);
  assert.deepEqual(dictionary.get("peers"), new Uint8Array());
  assert.deepEqual(dictionary.get("list"), [1n, ascii("two")]);
});

Deno.test("parseDictionary() refuses other values", () => {
  for (const text of ["i1e", "0:", "le"]) {
    assert.throws(() => parseDictionary(ascii(text)), /Not a/);
  }
});
