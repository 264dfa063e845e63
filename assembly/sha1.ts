/**
 * SHA-1 (FIPS 180-4) of one short message, as the handshake of RFC 6455 has it: no secret depends
 * on it.
 */
import { loadWire32, storeWire32, storeWire64 } from "./bytes";

const BLOCK_SIZE: u32 = 64;
const END_MARK: u8 = 0x80;
const LENGTH_SIZE: u32 = 8;

/**
 * Writes the digest, 20 bytes, at `out`.
 * @param ptr The message; room for padding it to whole blocks lies behind it.
 * @param words 320 bytes of scratch.
 */
export function sha1(ptr: usize, byteLength: u32, words: usize, out: usize): void {
  const padded = (byteLength + LENGTH_SIZE + BLOCK_SIZE) & ~(BLOCK_SIZE - 1);
  memory.fill(ptr + byteLength, 0, padded - byteLength);
  store<u8>(ptr + byteLength, END_MARK);
  storeWire64(ptr + padded - LENGTH_SIZE, (<u64> byteLength) << 3);
  storeWire32(out, 0x67452301);
  storeWire32(out + 4, 0xefcdab89);
  storeWire32(out + 8, 0x98badcfe);
  storeWire32(out + 12, 0x10325476);
  storeWire32(out + 16, 0xc3d2e1f0);
  for (let offset: u32 = 0; offset < padded; offset += BLOCK_SIZE) {
    addBlock(ptr + offset, words, out);
  }
}

function addBlock(block: usize, words: usize, digest: usize): void {
  for (let turn: u32 = 0; turn < 16; ++turn) {
    store<u32>(words + (turn << 2), loadWire32(block + (turn << 2)));
  }
  for (let turn: u32 = 16; turn < 80; ++turn) {
    const word = words + (turn << 2);
    const mixed = load<u32>(word - 12) ^ load<u32>(word - 32) ^ load<u32>(word - 56) ^
      load<u32>(word - 64);
    store<u32>(word, rotl<u32>(mixed, 1));
  }
  let a = loadWire32(digest);
  let b = loadWire32(digest + 4);
  let c = loadWire32(digest + 8);
  let d = loadWire32(digest + 12);
  let e = loadWire32(digest + 16);
  for (let turn: u32 = 0; turn < 80; ++turn) {
    let mixed: u32;
    if (turn < 20) mixed = ((b & c) | (~b & d)) + 0x5a827999;
    else if (turn < 40) mixed = (b ^ c ^ d) + 0x6ed9eba1;
    else if (turn < 60) mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    else mixed = (b ^ c ^ d) + 0xca62c1d6;
    mixed += rotl<u32>(a, 5) + e + load<u32>(words + (turn << 2));
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = mixed;
  }
  storeWire32(digest, loadWire32(digest) + a);
  storeWire32(digest + 4, loadWire32(digest + 4) + b);
  storeWire32(digest + 8, loadWire32(digest + 8) + c);
  storeWire32(digest + 12, loadWire32(digest + 12) + d);
  storeWire32(digest + 16, loadWire32(digest + 16) + e);
}
