// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
import { isSix, sumOf } from "../memory/addresses.ts";
import { get16, put16 } from "../memory/bytes.ts";

/** The folded one's complement sum of `length` bytes, starting from `start`. */
export function sum(at: usize, length: i32, start: u32): u32 {
  let total: u64 = start;
  let i = 0;
  for (; i + 8 <= length; i += 8) {
    const word = load<u64>(at + <usize>i);
    total += (word & 0xffffffff) + (word >> 32);
  }
  for (; i + 2 <= length; i += 2) total += <u64>load<u16>(at + <usize>i);
  if (i < length) total += <u64>load<u8>(at + <usize>i);
  // The sum was taken in memory order; the checksum is told in network order.
  return <u32>bswap<u16>(<u16>foldMemory(total));
}

/** Folds a sum of words that were taken as they lie in memory to one of 16 bits, in the same order. */
export function foldMemory(sum: u64): u32 {
  let total = (sum & 0xffffffff) + (sum >> 32);
  total = (total & 0xffffffff) + (total >> 32);
  const folded = <u32>((total & 0xffff) + (total >> 16));
  return (folded & 0xffff) + (folded >> 16);
}

/** The sum of the pseudo header of TCP and UDP, to start `sum` with. Addresses are host-order numbers, or the numbers of IPv6's. */
export function pseudo(source: u32, destination: u32, protocol: i32, length: i32): u32 {
  if (isSix(destination)) return pseudoSix(source, destination, <u32>protocol + <u32>length);
  const total =
    (source >> 16) + (source & 0xffff) + (destination >> 16) + (destination & 0xffff) + <u32>protocol + <u32>length;
  const folded = (total & 0xffff) + (total >> 16);
  // `sum` starts in memory order.
  return <u32>bswap<u16>(<u16>((folded & 0xffff) + (folded >> 16)));
}

function pseudoSix(source: u32, destination: u32, rest: u32): u32 {
  const total = sumOf(source) + sumOf(destination) + rest;
  const folded = (total & 0xffff) + (total >> 16);
  return <u32>bswap<u16>(<u16>((folded & 0xffff) + (folded >> 16)));
}

/** The checksum to write over `length` bytes whose checksum field is zero. */
export function checksum(at: usize, length: i32, start: u32): i32 {
  return <i32>(~sum(at, length, start) & 0xffff);
}

/** Whether the bytes, checksum field included, sum to all ones. */
export function valid(at: usize, length: i32, start: u32): bool {
  return sum(at, length, start) == 0xffff;
}

/**
 * Changes one 16-bit word under the checksum at `field`. RFC 1624: HC' = ~(~HC + ~m + m').
 * The result is never made 0xffff from 0x0000 or back except as the equation gives it.
 */
export function update16(field: usize, before: i32, after: i32): void {
  let total = <u32>((~get16(field) & 0xffff) + (~before & 0xffff) + after);
  total = (total & 0xffff) + (total >> 16);
  total = (total & 0xffff) + (total >> 16);
  put16(field, <i32>(~total & 0xffff));
}

/** Changes a 32-bit word under the checksum at `field`. */
export function update32(field: usize, before: u32, after: u32): void {
  update16(field, <i32>(before >> 16), <i32>(after >> 16));
  update16(field, <i32>(before & 0xffff), <i32>(after & 0xffff));
}
