// IPv4 (RFC 791): fields of the header, each change made together with the header checksum.
import { get16, get32, put16, put32 } from "../memory/bytes.ts";
import { checksum, foldMemory, update16, update32, valid } from "./checksum.ts";

const VERSION_IHL: usize = 0;
const TOS: usize = 1;
const TOTAL_LENGTH: usize = 2;
const ID: usize = 4;
const FRAGMENT: usize = 6;
const TTL: usize = 8;
const PROTOCOL: usize = 9;
const CHECKSUM: usize = 10;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;
export const IPV4_LENGTH = 20;

export const PROTO_ICMP = 1;
export const PROTO_IGMP = 2;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;
export const PROTO_SCTP = 132;
export const PROTO_GRE = 47;
export const PROTO_UDPLITE = 136;
export const PROTO_DCCP = 33;
export const PROTO_ESP = 50;
export const PROTO_AH = 51;

export const FLAG_DF = 0x4000;
export const FLAG_MF = 0x2000;
export const OFFSET_MASK = 0x1fff;

export function version(at: usize): i32 {
  return (<i32>load<u8>(at + VERSION_IHL)) >> 4;
}
/** Length of the header in bytes. */
export function headerLength(at: usize): i32 {
  return ((<i32>load<u8>(at + VERSION_IHL)) & 15) << 2;
}
export function tos(at: usize): i32 {
  return <i32>load<u8>(at + TOS);
}
export function totalLength(at: usize): i32 {
  return get16(at + TOTAL_LENGTH);
}
export function id(at: usize): i32 {
  return get16(at + ID);
}
/** Flags and fragment offset in one 16-bit word. */
export function fragment(at: usize): i32 {
  return get16(at + FRAGMENT);
}
/** Whether it is a fragment, the first one or a later one. */
export function isFragment(at: usize): bool {
  // 0x3fff, in the order in which the bytes lie.
  return (load<u16>(at + FRAGMENT) & 0xff3f) != 0;
}
export function ttl(at: usize): i32 {
  return <i32>load<u8>(at + TTL);
}
export function protocol(at: usize): i32 {
  return <i32>load<u8>(at + PROTOCOL);
}
export function source(at: usize): u32 {
  return get32(at + SOURCE);
}
export function destination(at: usize): u32 {
  return get32(at + DESTINATION);
}
export function checksumValid(at: usize): bool {
  return valid(at, headerLength(at), 0);
}
/** The address of the payload. */
export function payload(at: usize): usize {
  return at + <usize>headerLength(at);
}

export function setSource(at: usize, address: u32): void {
  update32(at + CHECKSUM, source(at), address);
  put32(at + SOURCE, address);
}
export function setDestination(at: usize, address: u32): void {
  update32(at + CHECKSUM, destination(at), address);
  put32(at + DESTINATION, address);
}

/**
 * One hop less. TTL is the high byte of a 16-bit word, so the word falls by 0x0100 and the checksum rises by as much,
 * with the end-around carry (RFC 1141; ip_decrease_ttl).
 */
export function decreaseTtl(at: usize): void {
  const before = get16(at + TTL);
  update16(at + CHECKSUM, before, before - 0x0100);
  put16(at + TTL, before - 0x0100);
}

export function setTtl(at: usize, value: i32): void {
  const before = get16(at + TTL);
  const after = (value << 8) | (before & 0xff);
  update16(at + CHECKSUM, before, after);
  put16(at + TTL, after);
}

export function setTos(at: usize, value: i32): void {
  const before = get16(at);
  const after = (before & 0xff00) | value;
  update16(at + CHECKSUM, before, after);
  put16(at, after);
}

/** Writes a header of 20 bytes, checksum included. `length` counts header and payload. */
export function write(
  at: usize,
  type: i32,
  length: i32,
  ident: i32,
  flags: i32,
  hops: i32,
  proto: i32,
  from: u32,
  to: u32,
): void {
  // Put together in registers and stored in whole words, which are then read as such without waiting for each other.
  const first = <u64>(0x45 | (((<u32>type) & 255) << 8) | (swapped(length) << 16));
  const second = <u64>(swapped(ident) | (swapped(flags) << 16));
  const third = <u64>(((<u32>hops) & 255) | (((<u32>proto) & 255) << 8));
  const source = <u64>bswap<u32>(from);
  const destination = <u64>bswap<u32>(to);
  const value = ~foldMemory(first + second + third + source + destination) & 0xffff;
  store<u64>(at, first | (second << 32));
  store<u32>(at + TTL, (<u32>third) | (value << 16));
  store<u64>(at + SOURCE, source | (destination << 32));
}

function swapped(value: i32): u32 {
  return <u32>bswap<u16>(<u16>value);
}

/** Writes the checksum of a header anew. */
export function seal(at: usize): void {
  put16(at + CHECKSUM, 0);
  put16(at + CHECKSUM, checksum(at, headerLength(at), 0));
}

export function setTotalLength(at: usize, length: i32): void {
  update16(at + CHECKSUM, totalLength(at), length);
  put16(at + TOTAL_LENGTH, length);
}

/** Makes a header that of a fragment: its total length, and flags and offset in one word. */
export function setFragment(at: usize, length: i32, word: i32): void {
  put16(at + TOTAL_LENGTH, length);
  put16(at + FRAGMENT, word);
  seal(at);
}

/** Makes a fragment's header that of the whole packet. */
export function setWhole(at: usize, length: i32, flags: i32, type: i32): void {
  store<u8>(at + TOS, <u8>type);
  setFragment(at, length, flags);
}

/** Counts `bytes` of options in the header. */
export function lengthen(at: usize, bytes: i32): void {
  store<u8>(at + VERSION_IHL, <u8>(0x40 | ((IPV4_LENGTH + bytes) >> 2)));
  put16(at + TOTAL_LENGTH, totalLength(at) + bytes);
  seal(at);
}

/** Completes a header that somebody else wrote: total length, identification, checksum. */
export function finish(at: usize, length: i32, ident: i32): void {
  put16(at + TOTAL_LENGTH, length);
  put16(at + ID, ident);
  seal(at);
}

// Kinds of addresses (include/linux/in.h).
export function isMulticast(address: u32): bool {
  return address >> 28 == 14;
}
export const LOOPBACK: u32 = 0x7f000001;
export function isLoopback(address: u32): bool {
  return address >> 24 == 127;
}
export function isLimitedBroadcast(address: u32): bool {
  return address == 0xffffffff;
}
/** 0.0.0.0 alone: Linux takes the rest of 0.0.0.0/8 for ordinary addresses. */
export function isZeroNet(address: u32): bool {
  return address == 0;
}
