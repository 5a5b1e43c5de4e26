// SipHash-1-3 of one word, cut to 32 bits: what Linux calls hsiphash on machines of 64 bits (lib/siphash.c).
let v0: u64 = 0;
let v1: u64 = 0;
let v2: u64 = 0;
let v3: u64 = 0;

function round(): void {
  v0 += v1;
  v2 += v3;
  v1 = rotl<u64>(v1, 13) ^ v0;
  v3 = rotl<u64>(v3, 16) ^ v2;
  v0 = rotl<u64>(v0, 32);
  v2 += v1;
  v0 += v3;
  v1 = rotl<u64>(v1, 17) ^ v2;
  v3 = rotl<u64>(v3, 21) ^ v0;
  v2 = rotl<u64>(v2, 32);
}

/** The hash of a word's four bytes, the lowest first, under a key of two words. */
export function shortHash(word: u32, first: u64, second: u64): u32 {
  v0 = first ^ 0x736f6d6570736575;
  v1 = second ^ 0x646f72616e646f6d;
  v2 = first ^ 0x6c7967656e657261;
  v3 = second ^ 0x7465646279746573;
  // The last block: what is left of the message, and its length in the top byte.
  const block = ((<u64>4) << 56) | (<u64>word);
  v3 ^= block;
  round();
  v0 ^= block;
  v2 ^= 0xff;
  round();
  round();
  round();
  return <u32>(v0 ^ v1 ^ v2 ^ v3);
}
