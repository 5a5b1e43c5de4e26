// Jenkins' hash over four words, as the kernel's jhash2 has it (include/linux/jhash.h): where Linux lets a hash choose, the choice is the same.

/** The hash of the words `word`, 0, 0, 0: an IPv4 address in the room of an IPv6 one. */
export function hashAddress(word: u32, initial: u32): u32 {
  return hashWords(word, 0, 0, 0, initial);
}

/** The same of the 16 bytes at `at`. */
export function hashAddress6(at: usize, initial: u32): u32 {
  return hashWords(load<u32>(at), load<u32>(at, 4), load<u32>(at, 8), load<u32>(at, 12), initial);
}

function hashWords(first: u32, second: u32, third: u32, fourth: u32, initial: u32): u32 {
  let a: u32 = 0xdeadbeef + (4 << 2) + initial;
  let b = a;
  let c = a;
  a += first;
  b += second;
  c += third;
  a -= c;
  a ^= rotl<u32>(c, 4);
  c += b;
  b -= a;
  b ^= rotl<u32>(a, 6);
  a += c;
  c -= b;
  c ^= rotl<u32>(b, 8);
  b += a;
  a -= c;
  a ^= rotl<u32>(c, 16);
  c += b;
  b -= a;
  b ^= rotl<u32>(a, 19);
  a += c;
  c -= b;
  c ^= rotl<u32>(b, 4);
  b += a;

  a += fourth;
  c ^= b;
  c -= rotl<u32>(b, 14);
  a ^= c;
  a -= rotl<u32>(c, 11);
  b ^= a;
  b -= rotl<u32>(a, 25);
  c ^= b;
  c -= rotl<u32>(b, 16);
  a ^= c;
  a -= rotl<u32>(c, 4);
  b ^= a;
  b -= rotl<u32>(a, 14);
  c ^= b;
  c -= rotl<u32>(b, 24);
  return c;
}
