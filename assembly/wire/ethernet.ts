// Ethernet II (IEEE 802.3): two addresses and a type. Addresses travel as two numbers: bytes 0-1 (high) and bytes 2-5 (low).
import { get16, get32, put16, put32 } from "../memory/bytes.ts";

const DESTINATION: usize = 0;
const SOURCE: usize = 6;
const TYPE: usize = 12;
export const ETHERNET_LENGTH = 14;

export const TYPE_IPV4 = 0x0800;
export const TYPE_ARP = 0x0806;
export const TYPE_IPV6 = 0x86dd;
export const TAG_LENGTH = 4;

export function destinationHigh(at: usize): u32 {
  return <u32>get16(at + DESTINATION);
}
export function destinationLow(at: usize): u32 {
  return get32(at + DESTINATION + 2);
}
export function sourceHigh(at: usize): u32 {
  return <u32>get16(at + SOURCE);
}
export function sourceLow(at: usize): u32 {
  return get32(at + SOURCE + 2);
}
export function etherType(at: usize): i32 {
  return get16(at + TYPE);
}

export function setDestination(at: usize, high: u32, low: u32): void {
  put16(at + DESTINATION, <i32>high);
  put32(at + DESTINATION + 2, low);
}
export function setSource(at: usize, high: u32, low: u32): void {
  put16(at + SOURCE, <i32>high);
  put32(at + SOURCE + 2, low);
}
export function setType(at: usize, type: i32): void {
  put16(at + TYPE, type);
}

/** Whether a frame has a VLAN tag (IEEE 802.1Q, 802.1ad). */
export function isTagged(at: usize): bool {
  // In the order in which the bytes lie.
  const type = load<u16>(at + TYPE);
  return type == 0x0081 || type == 0xa888;
}
/** The VLAN of a tagged frame; 0: the tag says only a priority. */
export function vlanOf(at: usize): i32 {
  return get16(at + TYPE + 2) & 0xfff;
}
/** Moves the addresses up over the tag; the frame then begins TAG_LENGTH bytes later. */
export function removeTag(at: usize): void {
  const low = load<u32>(at, 8);
  store<u64>(at, load<u64>(at), 4);
  store<u32>(at, low, 12);
}

/** The group bit of an address: multicast or broadcast. */
export function isGroup(high: u32): bool {
  return (high & 0x0100) != 0;
}
export function isBroadcast(high: u32, low: u32): bool {
  return high == 0xffff && low == 0xffffffff;
}
/** 01:80:c2:00:00:0X, which bridges do not forward (IEEE 802.1D 7.12.6). */
export function isLinkLocal(high: u32, low: u32): bool {
  return high == 0x0180 && (low & 0xfffffff0) == 0xc2000000;
}
