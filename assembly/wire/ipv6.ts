// IPv6 (RFC 8200): fields of the header, and the extension headers between it and the transport header.
import { get16, get32, put16, put32 } from "../memory/bytes.ts";
import * as addresses from "../memory/addresses.ts";
import { LOOPBACK } from "../memory/addresses.ts";
import { PROTO_AH, PROTO_ICMP, PROTO_TCP, PROTO_UDP } from "./ipv4.ts";

const PAYLOAD_LENGTH: usize = 4;
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
export const SOURCE: usize = 8;
export const DESTINATION: usize = 24;
export const IPV6_LENGTH = 40;

export const PROTO_HOP_BY_HOP = 0;
export const PROTO_ROUTING = 43;
export const PROTO_FRAGMENT = 44;
export const PROTO_ICMPV6 = 58;
export const PROTO_NONE = 59;
export const PROTO_DESTINATION_OPTIONS = 60;
export const FRAGMENT_LENGTH: i32 = 8;

export function trafficClass(at: usize): i32 {
  return (get16(at) >> 4) & 255;
}
export function setTrafficClass(at: usize, value: i32): void {
  put16(at, (get16(at) & 0xf00f) | (value << 4));
}
export function payloadLength(at: usize): i32 {
  return get16(at + PAYLOAD_LENGTH);
}
/** Header and payload together. */
export function totalLength(at: usize): i32 {
  return IPV6_LENGTH + payloadLength(at);
}
export function nextHeader(at: usize): i32 {
  return <i32>load<u8>(at + NEXT_HEADER);
}
export function hopLimit(at: usize): i32 {
  return <i32>load<u8>(at + HOP_LIMIT);
}
export function setHopLimit(at: usize, hops: i32): void {
  store<u8>(at + HOP_LIMIT, <u8>hops);
}
export function setPayloadLength(at: usize, bytes: i32): void {
  put16(at + PAYLOAD_LENGTH, bytes);
}
export function source(at: usize): u32 {
  return addresses.numberOf(at + SOURCE);
}
export function destination(at: usize): u32 {
  return addresses.numberOf(at + DESTINATION);
}
export function setSource(at: usize, address: u32): void {
  v128.store(at + SOURCE, v128.load(addresses.bytesOf(address)));
}
export function setDestination(at: usize, address: u32): void {
  v128.store(at + DESTINATION, v128.load(addresses.bytesOf(address)));
}

/** What `walk` found behind the extension headers. */
export let protocol: i32 = 0;
/** Bytes from the IPv6 header to the transport header. */
export let headers: i32 = 0;
/** Where the last next-header field that was read stands, from the IPv6 header on. */
export let field: i32 = 0;
/** The fragment header, from the IPv6 header on; 0: there is none. */
export let fragmentHeader: i32 = 0;
/** Its offset and M bit in one word. */
export let fragment: i32 = 0;
/** Where the field stands that says that it follows. */
export let fragmentField: i32 = 0;
/** A second fragment header, which no packet should have, from the IPv6 header on; 0: there is none. */
export let secondFragment: i32 = 0;

/**
 * Goes over the extension headers of a packet of which `length` bytes are there, to the transport header or as far as a later fragment
 * shows them (ipv6_skip_exthdr). False: one is cut off.
 */
export function walk(at: usize, length: i32): bool {
  protocol = nextHeader(at);
  headers = IPV6_LENGTH;
  field = <i32>NEXT_HEADER;
  fragmentHeader = 0;
  fragment = 0;
  secondFragment = 0;
  while (isExtension(protocol)) {
    if (headers + 8 > length) return false;
    const header = at + <usize>headers;
    const bytes = extensionLength(header, protocol);
    if (protocol == PROTO_FRAGMENT && fragmentHeader) {
      if (!secondFragment) secondFragment = headers;
    } else if (protocol == PROTO_FRAGMENT) {
      fragmentHeader = headers;
      fragmentField = field;
      fragment = get16(header + 2) & 0xfff9;
    }
    if (headers + bytes > length) return false;
    field = headers;
    protocol = <i32>load<u8>(header);
    headers += bytes;
    if (fragment & 0xfff8) return true;
  }
  return true;
}

/**
 * As `walk`, but it sets `protocol`, `headers` and `fragment` alone, and headers may end behind the packet: all that is asked for is
 * what says where the next one begins (ipv6_skip_exthdr). False: not even that is there.
 */
export function skip(at: usize, length: i32): bool {
  protocol = nextHeader(at);
  headers = IPV6_LENGTH;
  fragment = 0;
  while (isExtension(protocol)) {
    if (headers + (protocol == PROTO_FRAGMENT ? 4 : 2) > length) return false;
    const header = at + <usize>headers;
    if (protocol == PROTO_FRAGMENT) fragment = get16(header + 2) & 0xfff9;
    if (fragment & 0xfff8) return true;
    const bytes = extensionLength(header, protocol);
    protocol = <i32>load<u8>(header);
    headers += bytes;
  }
  return protocol != PROTO_NONE;
}

/** Bytes of the extension header at `header`, which some next-header field called `proto`. */
export function extensionLength(header: usize, proto: i32): i32 {
  if (proto == PROTO_FRAGMENT) return FRAGMENT_LENGTH;
  const size = <i32>load<u8>(header, 1);
  return proto == PROTO_AH ? (size + 2) << 2 : (size + 1) << 3;
}

/** Goes over what every fragment of a packet must have: the headers up to a routing header, or else the hop-by-hop options (ip6_find_1stfragopt). */
export function walkUnfragmentable(at: usize, length: i32): void {
  protocol = nextHeader(at);
  headers = IPV6_LENGTH;
  field = <i32>NEXT_HEADER;
  let next = protocol;
  let seen = IPV6_LENGTH;
  while (
    (next == PROTO_HOP_BY_HOP || next == PROTO_ROUTING || next == PROTO_DESTINATION_OPTIONS) &&
    seen + 8 <= length
  ) {
    const start = seen;
    const isLast = next != PROTO_DESTINATION_OPTIONS;
    seen += extensionLength(at + <usize>start, next);
    next = <i32>load<u8>(at + <usize>start);
    if (!isLast) continue;
    protocol = next;
    headers = seen;
    field = start;
  }
}

/** Writes a fragment header. */
export function writeFragment(at: usize, proto: i32, offset: i32, more: bool, id: u32): void {
  store<u8>(at, <u8>proto);
  store<u8>(at + 1, 0);
  put16(at + 2, offset | (more ? 1 : 0));
  put32(at + 4, id);
}

export function isExtension(proto: i32): bool {
  return (
    proto == PROTO_HOP_BY_HOP ||
    proto == PROTO_ROUTING ||
    proto == PROTO_FRAGMENT ||
    proto == PROTO_DESTINATION_OPTIONS ||
    proto == PROTO_AH
  );
}

/** Whether a packet has no extension header, as nearly all have none. */
export function isPlain(at: usize): bool {
  const next = nextHeader(at);
  return next == PROTO_TCP || next == PROTO_UDP || next == PROTO_ICMPV6 || next == PROTO_ICMP;
}

/** Writes a header; `bytes` counts what follows it. */
export function write(at: usize, type: i32, label: u32, bytes: i32, proto: i32, hops: i32, from: u32, to: u32): void {
  put32(at, 0x60000000 | ((<u32>type) << 20) | label);
  put16(at + PAYLOAD_LENGTH, bytes);
  store<u8>(at + NEXT_HEADER, <u8>proto);
  store<u8>(at + HOP_LIMIT, <u8>hops);
  setSource(at, from);
  setDestination(at, to);
}

// Kinds of addresses (ipv6_addr_type).
export function isMulticast(address: u32): bool {
  return load<u8>(addresses.bytesOf(address)) == 0xff;
}
/** The scope of a multicast address: 1 interface-local, 2 link-local, ... */
export function multicastScope(address: u32): i32 {
  return (<i32>load<u8>(addresses.bytesOf(address), 1)) & 15;
}
export function isLinkLocal(address: u32): bool {
  return (get16(addresses.bytesOf(address)) & 0xffc0) == 0xfe80;
}
/** Whether an address is one of the link by its network, fe80::/64, as devices have them. */
export function isOnLink(address: u32): bool {
  const at = addresses.bytesOf(address);
  return get32(at) == 0xfe800000 && !get32(at + 4);
}
/** ::1, which never travels. */
export function isLoopback(address: u32): bool {
  return address == LOOPBACK;
}
/** Unique local addresses, fc00::/7 (RFC 4193). */
export function isUniqueLocal(address: u32): bool {
  return (load<u8>(addresses.bytesOf(address)) & 0xfe) == 0xfc;
}
/** Whether an address is the solicited-node group of another one: ff02::1:ffXX:XXXX (RFC 4291, 2.7.1). */
export function isSolicitedNodeOf(group: u32, address: u32): bool {
  const at = addresses.bytesOf(group);
  return (
    get32(at) == 0xff020000 &&
    !get32(at + 4) &&
    get32(at + 8) == 1 &&
    get32(at + 12) == (0xff000000 | (get32(addresses.bytesOf(address) + 12) & 0x00ffffff))
  );
}
/** Whether an address is any host's solicited-node group. */
export function isSolicitedNode(group: u32): bool {
  const at = addresses.bytesOf(group);
  return get32(at) == 0xff020000 && !get32(at + 4) && get32(at + 8) == 1 && load<u8>(at, 12) == 0xff;
}

/** Writes the solicited-node group of an address. */
export function writeSolicitedNode(to: usize, address: u32): void {
  put32(to, 0xff020000);
  put32(to + 4, 0);
  put32(to + 8, 1);
  put32(to + 12, 0xff000000 | (get32(addresses.bytesOf(address) + 12) & 0x00ffffff));
}

/** Writes the link-local address that goes with a link address: fe80::/64 and the modified EUI-64 (RFC 4291, appendix A). */
export function writeLinkLocal(to: usize, macHigh: u32, macLow: u32): void {
  put32(to, 0xfe800000);
  put32(to + 4, 0);
  put32(to + 8, ((macHigh ^ 0x0200) << 16) | ((macLow >> 16) & 0xff00) | 0xff);
  put32(to + 12, 0xfe000000 | (macLow & 0x00ffffff));
}

/** How many leading bits two addresses share. */
export function commonBits(a: u32, b: u32): i32 {
  const one = addresses.bytesOf(a);
  const other = addresses.bytesOf(b);
  for (let i: usize = 0; i < 16; i += 4) {
    const difference = get32(one + i) ^ get32(other + i);
    if (difference) return <i32>(i << 3) + <i32>clz<u32>(difference);
  }
  return 128;
}
