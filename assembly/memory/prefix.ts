// Blocks of addresses as routes, rules and sets have them, for both families: IPv4 by a mask over the number, IPv6 by the bytes behind it.
import { allocate } from "./arena.ts";
import { bytesOf, find, isSix, numberOf } from "./addresses.ts";

/** Room for the bytes of an address that is made of another. */
let scratch: usize = 0;

/** Whether an IPv6 address is in the block whose 16 bytes of value, and 16 of mask behind them, lie at `network`. */
export function holds(network: usize, address: u32): bool {
  if (!isSix(address)) return false;
  const rest = v128.xor(v128.and(v128.load(bytesOf(address)), v128.load(network, 16)), v128.load(network));
  return !v128.any_true(rest);
}

/** The 16 bytes of the mask of a prefix length below 128. */
function maskOf(length: u32): usize {
  if (!scratch) scratch = allocate(32);
  const mask = scratch + 16;
  memory.fill(mask, 0, 16);
  memory.fill(mask, 0xff, length >> 3);
  store<u8>(mask + <usize>(length >> 3), 0xff00 >> (length & 7));
  return mask;
}

/** The number of an IPv6 address with only those bits that the 16 bytes at `mask` have. */
export function maskedBy(address: u32, mask: usize): u32 {
  if (!scratch) scratch = allocate(32);
  v128.store(scratch, v128.and(v128.load(bytesOf(address)), v128.load(mask)));
  return numberOf(scratch);
}

/** The number of the block of a prefix length that an IPv6 address is in: of its first address. */
export function blockOf(address: u32, length: u32): u32 {
  if (length >= 128) return address;
  return maskedBy(address, maskOf(length));
}

/** The same, 0 if nobody has given it a number: then nothing is known of it. */
export function knownBlockOf(address: u32, length: u32): u32 {
  if (length >= 128) return address;
  const mask = maskOf(length);
  v128.store(scratch, v128.and(v128.load(bytesOf(address)), v128.load(mask)));
  return find(scratch);
}

/** The block that an address is in: `mask` is one for IPv4, a prefix length for IPv6. */
export function under(address: u32, mask: u32): u32 {
  return isSix(address) ? blockOf(address, mask) : address & mask;
}

/** An IPv6 address with the host bits of one address behind the prefix of another. */
export function joined(network: u32, length: u32, host: u32): u32 {
  if (length >= 128) return network;
  const mask = maskOf(length);
  v128.store(scratch, v128.bitselect(v128.load(bytesOf(network)), v128.load(bytesOf(host)), v128.load(mask)));
  return numberOf(scratch);
}

/** Whether an IPv6 address is one of those from the 16 bytes at `low` to those at `high`. */
export function between(address: u32, low: usize, high: usize): bool {
  if (!isSix(address)) return false;
  const at = bytesOf(address);
  return memory.compare(at, low, 16) >= 0 && memory.compare(at, high, 16) <= 0;
}
