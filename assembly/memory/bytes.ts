// Copying and comparing short runs of bytes faster than a call to memory.copy (which costs more than it copies below 256 bytes).

/** Copies `length` bytes; may read and write up to 15 bytes past the end, so both buffers need that much room. */
export function copy(to: usize, from: usize, length: i32): void {
  if (length > 320) {
    memory.copy(to, from, <usize>length);
    return;
  }
  for (let i = 0; i < length; i += 16) v128.store(to + <usize>i, v128.load(from + <usize>i));
}

/** Fills `size` bytes, a multiple of 16, with zeros. */
export function clear(at: usize, size: usize): void {
  for (let i: usize = 0; i < size; i += 16) v128.store(at + i, i64x2(0, 0));
}

export function equal(a: usize, b: usize, length: i32): bool {
  for (let i: usize = 0; i < <usize>length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}

/** A 16-bit number in network byte order. */
export function get16(at: usize): i32 {
  return <i32>bswap<u16>(load<u16>(at));
}

export function put16(at: usize, value: i32): void {
  store<u16>(at, bswap<u16>(<u16>value));
}

/** A 32-bit number in network byte order. */
export function get32(at: usize): u32 {
  return bswap<u32>(load<u32>(at));
}

export function put32(at: usize, value: u32): void {
  store<u32>(at, bswap<u32>(value));
}
