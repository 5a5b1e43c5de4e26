// IP packets of either family: where things stand, whichever version the header says.
import { isSix as isSixAddress, sumOf } from "../memory/addresses.ts";
import { update16, update32 } from "./checksum.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";

/** Whether a packet is one of IPv6. */
export function isSix(at: usize): bool {
  return load<u8>(at) >> 4 == 6;
}

/** Bytes before the transport header, extension headers of IPv6 among them. The packet has been checked. */
export function headerLength(at: usize): i32 {
  if (!isSix(at)) return ipv4.headerLength(at);
  if (ipv6.isPlain(at)) return ipv6.IPV6_LENGTH;
  ipv6.walk(at, ipv6.totalLength(at));
  return ipv6.headers;
}

/** Where the transport header stands. */
export function payload(at: usize): usize {
  return at + <usize>headerLength(at);
}

/** The protocol of the transport header. */
export function protocol(at: usize): i32 {
  if (!isSix(at)) return ipv4.protocol(at);
  if (ipv6.isPlain(at)) return ipv6.nextHeader(at);
  ipv6.walk(at, ipv6.totalLength(at));
  return ipv6.protocol;
}

/** Whether it is a later fragment, which has no transport header. */
export function isLaterFragment(at: usize): bool {
  if (!isSix(at)) return (ipv4.fragment(at) & ipv4.OFFSET_MASK) != 0;
  if (ipv6.isPlain(at)) return false;
  ipv6.walk(at, ipv6.totalLength(at));
  return (ipv6.fragment & 0xfff8) != 0;
}

/** The source address: of IPv4, or the number of one of IPv6. */
export function source(at: usize): u32 {
  return isSix(at) ? ipv6.source(at) : ipv4.source(at);
}
export function destination(at: usize): u32 {
  return isSix(at) ? ipv6.destination(at) : ipv4.destination(at);
}
export function setSource(at: usize, address: u32): void {
  if (isSix(at)) ipv6.setSource(at, address);
  else ipv4.setSource(at, address);
}
export function setDestination(at: usize, address: u32): void {
  if (isSix(at)) ipv6.setDestination(at, address);
  else ipv4.setDestination(at, address);
}

/** TTL or hop limit. */
export function hops(at: usize): i32 {
  return isSix(at) ? ipv6.hopLimit(at) : ipv4.ttl(at);
}
/** Type of service or traffic class. */
export function tos(at: usize): i32 {
  return isSix(at) ? ipv6.trafficClass(at) : ipv4.tos(at);
}
export function setTos(at: usize, value: i32): void {
  if (isSix(at)) ipv6.setTrafficClass(at, value);
  else ipv4.setTos(at, value);
}

/** Changes an address of the pseudo header under the checksum at `field`. */
export function updateAddress(field: usize, before: u32, after: u32): void {
  if (isSixAddress(before)) update16(field, <i32>sumOf(before), <i32>sumOf(after));
  else update32(field, before, after);
}
