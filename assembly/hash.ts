/**
 * SipHash (Aumasson and Bernstein, 2012): the keyed hash of everything that an attacker may choose.
 *
 * 2-4 is the MAC of connection ids; 1-3 places info hashes and peers in their tables, where the
 * result is never shown to anybody.
 */

/**
 * @param keyPtr 16 bytes of secret.
 * @param byteLength Bytes at dataPtr; up to 7 bytes behind them are read and masked out.
 */
export function sipHash(
  keyPtr: usize,
  dataPtr: usize,
  byteLength: u32,
  compressionRounds: u32,
  finalizationRounds: u32,
): u64 {
  const key0 = load<u64>(keyPtr);
  const key1 = load<u64>(keyPtr, 8);
  let v0 = key0 ^ 0x736f6d6570736575;
  let v1 = key1 ^ 0x646f72616e646f6d;
  let v2 = key0 ^ 0x6c7967656e657261;
  let v3 = key1 ^ 0x7465646279746573;
  const lastWord = byteLength >> 3;
  // One turn a word, one for the tail with the length, one to finalize.
  for (let index: u32 = 0; index <= lastWord + 1; ++index) {
    let rounds = compressionRounds;
    let word: u64 = 0;
    if (index < lastWord) {
      word = load<u64>(dataPtr + (index << 3));
    } else if (index == lastWord) {
      const tailMask = ((<u64> 1) << ((byteLength & 7) << 3)) - 1;
      word = (load<u64>(dataPtr + (index << 3)) & tailMask) | ((<u64> byteLength) << 56);
    } else {
      v2 ^= 0xff;
      rounds = finalizationRounds;
    }
    v3 ^= word;
    for (; rounds > 0; --rounds) {
      v0 += v1;
      v1 = rotl<u64>(v1, 13) ^ v0;
      v0 = rotl<u64>(v0, 32);
      v2 += v3;
      v3 = rotl<u64>(v3, 16) ^ v2;
      v0 += v3;
      v3 = rotl<u64>(v3, 21) ^ v0;
      v2 += v1;
      v1 = rotl<u64>(v1, 17) ^ v2;
      v2 = rotl<u64>(v2, 32);
    }
    v0 ^= word;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}

/**
 * SipHash-1-3 of 20 bytes, the length of an info hash: its three words wait in registers, and one
 * short loop takes one of them a round, then none, where `sipHash` has a loop within a loop.
 */
export function sipHash20(keyPtr: usize, dataPtr: usize): u64 {
  const key0 = load<u64>(keyPtr);
  const key1 = load<u64>(keyPtr, 8);
  let v0 = key0 ^ 0x736f6d6570736575;
  let v1 = key1 ^ 0x646f72616e646f6d;
  let v2 = key0 ^ 0x6c7967656e657261;
  let v3 = key1 ^ 0x7465646279746573;
  let word = load<u64>(dataPtr);
  let second = load<u64>(dataPtr, 8);
  let third = (<u64> load<u32>(dataPtr, 16)) | ((<u64> 20) << 56);
  for (let round: u32 = 0; round < 6; ++round) {
    if (round == 3) v2 ^= 0xff;
    v3 ^= word;
    v0 += v1;
    v1 = rotl<u64>(v1, 13) ^ v0;
    v0 = rotl<u64>(v0, 32);
    v2 += v3;
    v3 = rotl<u64>(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl<u64>(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl<u64>(v1, 17) ^ v2;
    v2 = rotl<u64>(v2, 32);
    v0 ^= word;
    word = second;
    second = third;
    third = 0;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}
