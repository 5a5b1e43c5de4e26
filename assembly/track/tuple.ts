// What identifies a connection in one direction: addresses, ports (or ICMP id, type and code) and protocol.
import { DIR_ORIGINAL } from "../layout/codes.ts";
import { TUPLE_DIR, TUPLE_DST, TUPLE_PORTS, TUPLE_PROTO, TUPLE_SRC, TUPLE_ZONE } from "../layout/records.ts";
import { get32 } from "../memory/bytes.ts";
import { mix } from "../memory/hash.ts";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";

/** The tuple read or computed last. */
export let src: u32 = 0;
export let dst: u32 = 0;
export let ports: u32 = 0;
export let proto: u32 = 0;

/** The zones in which tuples are the same or not: of connections in their original direction, and of replies. */
export let zone: u32 = 0;
export let replyZone: u32 = 0;

export function setZones(original: u32, reply: u32): void {
  zone = original;
  replyZone = reply;
}

export function set(source: u32, destination: u32, portPair: u32, protocol: u32): void {
  src = source;
  dst = destination;
  ports = portPair;
  proto = protocol;
}

/** Reads a stored tuple. */
export function read(tuple: usize): void {
  set(
    load<u32>(tuple, TUPLE_SRC),
    load<u32>(tuple, TUPLE_DST),
    load<u32>(tuple, TUPLE_PORTS),
    load<u32>(tuple, TUPLE_PROTO),
  );
}

/** Stores the current tuple. */
export function write(tuple: usize): void {
  store<u32>(tuple, src, TUPLE_SRC);
  store<u32>(tuple, dst, TUPLE_DST);
  store<u32>(tuple, ports, TUPLE_PORTS);
  store<u32>(tuple, proto, TUPLE_PROTO);
}

/** Whether a stored tuple equals the current one. */
export function matches(tuple: usize): bool {
  return (
    load<u32>(tuple, TUPLE_SRC) == src &&
    load<u32>(tuple, TUPLE_DST) == dst &&
    load<u32>(tuple, TUPLE_PORTS) == ports &&
    load<u32>(tuple, TUPLE_PROTO) == proto
  );
}

/** Whether a stored tuple is in the current zone of its direction (nf_ct_zone_equal). */
export function inZone(tuple: usize): bool {
  const here = load<u32>(tuple, TUPLE_DIR) == DIR_ORIGINAL ? zone : replyZone;
  return load<u32>(tuple, TUPLE_ZONE) == here;
}

/**
 * Both directions of a connection that is not translated have one hash, and so stand side by side in the table: what is looked for in
 * one direction has most likely been loaded for the other.
 */
function hashBoth(source: u32, destination: u32, pair: u32, protocol: u32): u32 {
  return mix(mix(source, pair >> 16) + mix(destination, pair & 0xffff), protocol);
}

export function hash(): u32 {
  return hashBoth(src, dst, ports, proto);
}

export function hashOf(tuple: usize): u32 {
  return hashBoth(
    load<u32>(tuple, TUPLE_SRC),
    load<u32>(tuple, TUPLE_DST),
    load<u32>(tuple, TUPLE_PORTS),
    load<u32>(tuple, TUPLE_PROTO),
  );
}

/** The same for IPv6: false, too, if an extension header is cut off or it is a later fragment. */
function parseSix(ip: usize, length: i32): bool {
  if (length < ipv6.IPV6_LENGTH || !ipv6.walk(ip, length) || ipv6.fragment & 0xfff8) return false;
  src = ipv6.source(ip);
  dst = ipv6.destination(ip);
  proto = <u32>ipv6.protocol;
  ports = 0;
  const l4 = ip + <usize>ipv6.headers;
  if (!hasPorts(proto) && proto != ipv6.PROTO_ICMPV6) return true;
  if (length - ipv6.headers < 8) return false;
  if (proto != ipv6.PROTO_ICMPV6) ports = get32(l4);
  else ports = ((<u32>icmpv6.id(l4)) << 16) | ((<u32>icmpv6.type(l4)) << 8) | (<u32>icmpv6.code(l4));
  return true;
}

/** The ICMPv6 type that answers a query, -1 if the type is none (invmap of nf_conntrack_proto_icmpv6.c). */
function answerTypeSix(type: u32): i32 {
  if (type == 128) return 129;
  if (type == 129) return 128;
  if (type == 139) return 140;
  return type == 140 ? 139 : -1;
}

/** The ICMP type that answers a query, -1 if the type is none (invmap of nf_conntrack_proto_icmp.c). */
function answerType(type: u32): i32 {
  if (type == 8) return 0;
  if (type == 0) return 8;
  if (type == 13) return 14;
  if (type == 14) return 13;
  if (type == 15) return 16;
  if (type == 16) return 15;
  if (type == 17) return 18;
  if (type == 18) return 17;
  return -1;
}

/** Turns the current tuple into that of the other direction; false if it has none. */
export function invert(): bool {
  const was = src;
  src = dst;
  dst = was;
  if (proto == ipv4.PROTO_ICMP || proto == ipv6.PROTO_ICMPV6) {
    const type = (ports >> 8) & 255;
    const answer = proto == ipv4.PROTO_ICMP ? answerType(type) : answerTypeSix(type);
    if (answer < 0) return false;
    ports = (ports & 0xffff00ff) | ((<u32>answer) << 8);
  } else {
    ports = rotl<u32>(ports, 16);
  }
  return true;
}

function hasPorts(protocol: u32): bool {
  return (
    protocol == ipv4.PROTO_TCP ||
    protocol == ipv4.PROTO_UDP ||
    protocol == ipv4.PROTO_SCTP ||
    protocol == ipv4.PROTO_UDPLITE
  );
}

/**
 * Reads the tuple of a packet whose IP header stands at `ip`, with `length` bytes from there on.
 * False if the transport header is cut off. Protocols without ports get ports 0, as nf_conntrack_proto_generic does.
 */
export function parse(ip: usize, length: i32): bool {
  return parseAs(ip, length, anyIp.isSix(ip));
}

/** The same for a packet that is quoted: it is of the family of the one around it, whatever its header says. */
export function parseAs(ip: usize, length: i32, six: bool): bool {
  if (six) return parseSix(ip, length);
  const header = ipv4.headerLength(ip);
  src = ipv4.source(ip);
  dst = ipv4.destination(ip);
  proto = <u32>ipv4.protocol(ip);
  ports = 0;
  const l4 = ip + <usize>header;
  const rest = length - header;
  if (hasPorts(proto)) {
    if (rest < 8) return false;
    ports = get32(l4);
  } else if (proto == ipv4.PROTO_ICMP) {
    if (rest < 8) return false;
    ports = ((<u32>icmp.id(l4)) << 16) | ((<u32>icmp.type(l4)) << 8) | (<u32>icmp.code(l4));
  }
  return true;
}
