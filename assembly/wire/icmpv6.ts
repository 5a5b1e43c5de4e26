// ICMPv6 (RFC 4443) and the messages of Neighbor Discovery (RFC 4861).
import { copy, get16, get32, put16, put32 } from "../memory/bytes.ts";
import { checksum, pseudo, valid } from "./checksum.ts";
import { PROTO_ICMPV6 } from "./ipv6.ts";

const TYPE: usize = 0;
const CODE: usize = 1;
export const ICMPV6_CHECKSUM: usize = 2;
export const ICMPV6_ID: usize = 4;
export const ICMPV6_LENGTH = 8;

export const DEST_UNREACHABLE = 1;
export const PACKET_TOO_BIG = 2;
export const TIME_EXCEEDED = 3;
export const PARAMETER_PROBLEM = 4;
export const ECHO_REQUEST = 128;
export const ECHO_REPLY = 129;
export const NEIGHBOUR_SOLICITATION = 135;
export const NEIGHBOUR_ADVERTISEMENT = 136;
export const REDIRECT = 137;
const GROUP_REPORT_2 = 143;

// Codes of DEST_UNREACHABLE.
export const NO_ROUTE = 0;
export const ADMIN_PROHIBITED = 1;
export const NOT_NEIGHBOUR = 2;
export const ADDRESS_UNREACHABLE = 3;
export const PORT_UNREACHABLE = 4;
// Codes of PARAMETER_PROBLEM.
export const HEADER_FIELD = 0;
export const UNKNOWN_NEXT_HEADER = 1;
export const UNKNOWN_OPTION = 2;
export const INCOMPLETE = 3; // a first fragment without all headers
export const FRAGMENT_TIME = 1; // of TIME_EXCEEDED

const FLAGS: usize = 4;
const TARGET: usize = 8;
const OPTIONS: usize = 24;
const FLAG_ROUTER: u32 = 0x80000000;
const FLAG_SOLICITED: u32 = 0x40000000;
const FLAG_OVERRIDE: u32 = 0x20000000;
export const OPTION_SOURCE_LINK = 1;
export const OPTION_TARGET_LINK = 2;
export const OPTION_PACKET = 4; // "redirected header": as much of a packet as fits
export const NEIGHBOUR_LENGTH = 24; // of a solicitation or advertisement without options
export const LINK_OPTION_LENGTH = 8;
export const REDIRECT_LENGTH = 40; // of a redirect without options
export const PACKET_OPTION_LENGTH = 8; // before the packet

export function type(at: usize): i32 {
  return <i32>load<u8>(at + TYPE);
}
export function code(at: usize): i32 {
  return <i32>load<u8>(at + CODE);
}
export function id(at: usize): i32 {
  return get16(at + ICMPV6_ID);
}
export function sequence(at: usize): i32 {
  return get16(at + 6);
}
/** The MTU that "packet too big" tells. */
export function mtu(at: usize): u32 {
  return get32(at + 4);
}
/** Errors quote the packet that caused them and never cause another. */
export function isError(kind: i32): bool {
  return kind < 128;
}
/** What connection tracking leaves alone: groups, routers and neighbours of the link (noct_valid_new of nf_conntrack_proto_icmpv6.c). */
export function isOfLink(kind: i32): bool {
  return (kind >= 130 && kind <= 136) || kind == GROUP_REPORT_2;
}
export function checksumValid(at: usize, bytes: i32, source: u32, destination: u32): bool {
  return valid(at, bytes, pseudo(source, destination, PROTO_ICMPV6, bytes));
}

/** Writes the checksum over header and payload, `bytes` of them. */
export function seal(at: usize, bytes: i32, source: u32, destination: u32): void {
  put16(at + ICMPV6_CHECKSUM, 0);
  put16(at + ICMPV6_CHECKSUM, checksum(at, bytes, pseudo(source, destination, PROTO_ICMPV6, bytes)));
}

/** Writes the first 8 bytes, without the checksum. */
export function write(at: usize, kind: i32, detail: i32, rest: u32): void {
  store<u8>(at + TYPE, <u8>kind);
  store<u8>(at + CODE, <u8>detail);
  put16(at + ICMPV6_CHECKSUM, 0);
  put32(at + 4, rest);
}

/** Where the target of a solicitation or advertisement stands. */
export function target(at: usize): usize {
  return at + TARGET;
}
/** Where the destination stands that a redirect is about. */
export function redirected(at: usize): usize {
  return at + OPTIONS;
}
export function isSolicited(at: usize): bool {
  return (get32(at + FLAGS) & FLAG_SOLICITED) != 0;
}
export function overrides(at: usize): bool {
  return (get32(at + FLAGS) & FLAG_OVERRIDE) != 0;
}
/** The flags of an advertisement. */
export function flagsOf(router: bool, solicited: bool, forces: bool): u32 {
  return (router ? FLAG_ROUTER : 0) | (solicited ? FLAG_SOLICITED : 0) | (forces ? FLAG_OVERRIDE : 0);
}

/** Where the first option of a kind stands, of those from byte `from` on; 0: there is none. `wellFormed`: they can be read. */
export function findOption(at: usize, bytes: i32, option: i32, from: i32): usize {
  wellFormed = true;
  let found: usize = 0;
  let p = from;
  while (p + 2 <= bytes) {
    const size = (<i32>load<u8>(at + <usize>p + 1)) << 3;
    if (!size || p + size > bytes) {
      wellFormed = false;
      return 0;
    }
    const isLong = (option != OPTION_SOURCE_LINK && option != OPTION_TARGET_LINK) || size == LINK_OPTION_LENGTH;
    if (<i32>load<u8>(at + <usize>p) == option && isLong && !found) found = at + <usize>p;
    p += size;
  }
  return found;
}

/** Where the link address of such an option stands, 0: the message has none. */
export function linkAddress(at: usize, bytes: i32, option: i32, from: i32): usize {
  const found = findOption(at, bytes, option, from);
  return found ? found + 2 : 0;
}
export let wellFormed: bool = true;

/** Writes an option with a link address. */
export function writeLinkOption(at: usize, option: i32, macHigh: u32, macLow: u32): void {
  store<u8>(at, <u8>option);
  store<u8>(at + 1, 1);
  put16(at + 2, <i32>macHigh);
  put32(at + 4, macLow);
}
export function optionMacHigh(link: usize): u32 {
  return <u32>get16(link);
}
export function optionMacLow(link: usize): u32 {
  return get32(link + 2);
}

/** Writes an option of `size` bytes, a multiple of 8, with the beginning of the packet at `ip`. */
export function writePacketOption(at: usize, ip: usize, size: i32): void {
  store<u8>(at, <u8>OPTION_PACKET);
  store<u8>(at + 1, <u8>(size >> 3));
  put16(at + 2, 0);
  put32(at + 4, 0);
  copy(at + PACKET_OPTION_LENGTH, ip, size - PACKET_OPTION_LENGTH);
}
