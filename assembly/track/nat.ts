// Network address translation: choosing the other tuple of a new connection, and rewriting packets to it (nf_nat_core.c, nf_nat_proto.c).
import {
  DIR_REPLY,
  IPS_DST_NAT,
  IPS_DST_NAT_DONE,
  IPS_SRC_NAT,
  IPS_SRC_NAT_DONE,
  MANIP_DST,
  MANIP_SRC,
} from "../layout/codes.ts";
import {
  CHOICE_OF_DESTINATION_PORT,
  CHOICE_OF_PORT,
  CT_NAMESPACE,
  CT_ORIGINAL,
  CT_REPLY,
  CT_SOURCE_LISTED,
  CT_STATUS,
  NS_CHOICES,
  NS_RANDOM,
  TUPLE_DST,
  TUPLE_PORTS,
  TUPLE_PROTO,
  TUPLE_SIZE,
  TUPLE_SRC,
  TUPLE_ZONE,
} from "../layout/records.ts";
import { isSix } from "../memory/addresses.ts";
import * as choices from "../memory/choices.ts";
import { hashAddress } from "../memory/jhash.ts";
import { next32 } from "../memory/random.ts";
import { get16, put16 } from "../memory/bytes.ts";
import { checksum, update16 } from "../wire/checksum.ts";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as tcp from "../wire/tcp.ts";
import * as udp from "../wire/udp.ts";
import * as ranges from "./nat-range.ts";
import * as sources from "./sources.ts";
import * as table from "./table.ts";
import * as tuple from "./tuple.ts";

// NF_NAT_RANGE_* (include/uapi/linux/netfilter/nf_nat.h).
export const RANGE_MAP_IPS = 1;
export const RANGE_PROTO_SPECIFIED = 2;
export const RANGE_PROTO_RANDOM = 4;
export const RANGE_PERSISTENT = 8;
export const RANGE_PROTO_RANDOM_FULLY = 16;
export const RANGE_PROTO_OFFSET = 32;
const RANGE_PROTO_RANDOM_ALL = RANGE_PROTO_RANDOM | RANGE_PROTO_RANDOM_FULLY;

const ATTEMPTS_MAX: u32 = 128;

/** The range that `setup` may choose from; set by the target before it calls. */
let flags: u32 = 0;
let minAddress: u32 = 0;
let maxAddress: u32 = 0;
let minPort: u32 = 0;
let maxPort: u32 = 0;
let basePort: u32 = 0;

export function setRange(bits: u32, lowAddress: u32, highAddress: u32, lowPort: u32, highPort: u32, base: u32): void {
  flags = bits;
  minAddress = lowAddress;
  maxAddress = highAddress;
  minPort = lowPort;
  maxPort = highPort;
  basePort = base;
}

/** Whether both translations of a connection have been chosen, and change nothing. */
export function isNull(entry: usize): bool {
  const done = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;
  return (load<u32>(entry, CT_STATUS) & (done | IPS_SRC_NAT | IPS_DST_NAT)) == done;
}

/** Whether a connection's translation at `manip` has been chosen. */
export function initialized(entry: usize, manip: u32): bool {
  return (load<u32>(entry, CT_STATUS) & (manip == MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE)) != 0;
}

/**
 * Whether another connection expects replies with the inverse of the current tuple (nf_nat_used_tuple). One that began with
 * the same tuple is no other: its packets come from the same socket, and confirmation sorts them out.
 */
function used(ns: usize, entry: usize): bool {
  const src = tuple.src;
  const dst = tuple.dst;
  const ports = tuple.ports;
  const proto = tuple.proto;
  tuple.invert();
  const record = table.find(ns);
  let taken = false;
  if (record && table.entryOf(record) != entry) {
    tuple.read(entry + CT_ORIGINAL);
    const other = table.entryOf(record) + CT_ORIGINAL;
    const sameZone = load<u32>(entry + CT_ORIGINAL, TUPLE_ZONE) == load<u32>(other, TUPLE_ZONE);
    taken = !(sameZone && tuple.matches(other));
  }
  tuple.set(src, dst, ports, proto);
  return taken;
}

/** The identifier that may be changed: a port, or the id of an ICMP query. */
function key(manip: u32): u32 {
  if (isIcmp() || manip == MANIP_SRC) return tuple.ports >> 16;
  return tuple.ports & 0xffff;
}

function setKey(manip: u32, value: u32): void {
  const ports =
    isIcmp() || manip == MANIP_SRC ? (tuple.ports & 0xffff) | (value << 16) : (tuple.ports & 0xffff0000) | value;
  tuple.set(tuple.src, tuple.dst, ports, tuple.proto);
}

function isIcmp(): bool {
  return tuple.proto == ipv4.PROTO_ICMP || tuple.proto == ipv6.PROTO_ICMPV6;
}

function hasPorts(): bool {
  return tuple.proto == ipv4.PROTO_TCP || tuple.proto == ipv4.PROTO_UDP || tuple.proto == ipv4.PROTO_SCTP;
}

function keyInRange(manip: u32): bool {
  if (!hasPorts() && !isIcmp()) return true;
  const value = key(manip);
  return value >= minPort && value <= maxPort;
}

function inRange(manip: u32): bool {
  const address = manip == MANIP_SRC ? tuple.src : tuple.dst;
  if (flags & RANGE_MAP_IPS) {
    const within = isSix(address)
      ? ranges.holds(address, minAddress, maxAddress)
      : address >= minAddress && address <= maxAddress;
    if (!within) return false;
  }
  return !(flags & RANGE_PROTO_SPECIFIED) || keyInRange(manip);
}

/** An address of the range; of several one by a hash of the others, so that a client keeps its own (find_best_ips_proto). */
function chooseAddress(manip: u32): void {
  if (!(flags & RANGE_MAP_IPS)) return;
  let address = minAddress;
  if (minAddress != maxAddress && isSix(address)) {
    address = ranges.choose(address, maxAddress, tuple.src, tuple.dst, (flags & RANGE_PERSISTENT) != 0);
  } else if (minAddress != maxAddress) {
    const spread = hashAddress(bswap<u32>(tuple.src), flags & RANGE_PERSISTENT ? 0 : bswap<u32>(tuple.dst));
    address = minAddress + <u32>((<u64>spread * <u64>(maxAddress - minAddress + 1)) >> 32);
  }
  if (manip == MANIP_SRC) tuple.set(address, tuple.dst, tuple.ports, tuple.proto);
  else tuple.set(tuple.src, address, tuple.ports, tuple.proto);
}

/** Looks for a free port (nf_nat_l4proto_unique_tuple): from a random place, in halving numbers of attempts. */
function chooseKey(ns: usize, entry: usize, manip: u32): void {
  let low: u32;
  let size: u32;
  if (flags & RANGE_PROTO_SPECIFIED) {
    low = min<u32>(minPort, maxPort);
    size = max<u32>(minPort, maxPort) - low + 1;
  } else if (isIcmp()) {
    low = 0;
    size = 65536;
  } else {
    if (manip == MANIP_DST) return;
    const port = key(manip);
    if (port >= 1024) {
      low = 1024;
      size = 65535 - 1024 + 1;
    } else if (port >= 512) {
      low = 600;
      size = 1023 - 600 + 1;
    } else {
      low = 1;
      size = 511;
    }
  }
  let offset: u32 = 0;
  if (flags & RANGE_PROTO_OFFSET) offset = key(manip) - basePort;
  else if (flags & RANGE_PROTO_RANDOM_ALL || manip == MANIP_SRC) offset = next32(ns + NS_RANDOM) & 0xffff;
  if (load<usize>(ns, NS_CHOICES)) {
    const record = entry + CT_ORIGINAL;
    const fixed = choices.take(
      ns,
      manip == MANIP_SRC ? CHOICE_OF_PORT : CHOICE_OF_DESTINATION_PORT,
      load<u32>(record, TUPLE_SRC),
      load<u32>(record, TUPLE_DST),
      load<u32>(record, TUPLE_PORTS),
      load<u32>(record, TUPLE_PROTO),
    );
    if (fixed) offset = choices.value + size - low;
  }
  let attempts = min<u32>(size, ATTEMPTS_MAX);
  while (true) {
    for (let i: u32 = 0; i < attempts; i++, offset++) {
      setKey(manip, low + (offset % size));
      if (!used(ns, entry)) return;
    }
    if (attempts >= size || attempts < 16) return;
    attempts >>= 1;
    offset = next32(ns + NS_RANDOM) & 0xffff;
  }
}

/**
 * Takes the translation that another connection from the same address and port was given, if it is in the range
 * (find_appropriate_src).
 */
function takeKnown(ns: usize, entry: usize): bool {
  const src = tuple.src;
  const dst = tuple.dst;
  const ports = tuple.ports;
  const proto = tuple.proto;
  const zone = load<u32>(entry + CT_ORIGINAL, TUPLE_ZONE);
  for (let other = sources.next(ns, 0, zone); other; other = sources.next(ns, other, zone)) {
    sources.readTranslated(other);
    tuple.set(tuple.src, dst, (tuple.ports & 0xffff0000) | (ports & 0xffff), proto);
    if (inRange(MANIP_SRC)) return true;
    tuple.set(src, dst, ports, proto);
  }
  return false;
}

/** Replaces the current tuple by one in the range whose replies nobody else expects, if there is one (get_unique_tuple). */
function chooseTuple(ns: usize, entry: usize, manip: u32): void {
  const random = (flags & RANGE_PROTO_RANDOM_ALL) != 0;
  if (manip == MANIP_SRC && !random) {
    const src = tuple.src;
    const ports = tuple.ports;
    if ((inRange(manip) || takeKnown(ns, entry)) && !used(ns, entry)) return;
    tuple.set(src, tuple.dst, ports, tuple.proto);
  }
  chooseAddress(manip);
  if (!random) {
    if (flags & RANGE_PROTO_SPECIFIED) {
      if (!(flags & RANGE_PROTO_OFFSET) && keyInRange(manip) && (minPort == maxPort || !used(ns, entry))) return;
    } else if (!used(ns, entry)) {
      return;
    }
  }
  if (hasPorts() || isIcmp()) chooseKey(ns, entry, manip);
}

/** Decides the translation of a new connection at `manip`, from the range set before (nf_nat_setup_info). */
export function setup(entry: usize, manip: u32): void {
  const ns = load<usize>(entry, CT_NAMESPACE);
  table.searchZoneOf(entry, DIR_REPLY);
  // What the packet looks like now: the inverse of the reply that is expected.
  tuple.read(entry + CT_REPLY);
  tuple.invert();
  const src = tuple.src;
  const dst = tuple.dst;
  const ports = tuple.ports;
  chooseTuple(ns, entry, manip);
  let status = load<u32>(entry, CT_STATUS);
  if (tuple.src != src || tuple.dst != dst || tuple.ports != ports) {
    status |= manip == MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT;
    tuple.invert();
    tuple.write(entry + CT_REPLY);
    if (manip == MANIP_SRC && !load<u32>(entry, CT_SOURCE_LISTED)) sources.list(entry);
  }
  store<u32>(entry, status | (manip == MANIP_SRC ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE), CT_STATUS);
}

/** No rule spoke: the addresses stay, but the tuple must still be nobody else's (nf_nat_alloc_null_binding). */
export function setupNull(entry: usize, manip: u32): void {
  tuple.read(entry + CT_REPLY);
  const address = manip == MANIP_SRC ? tuple.dst : tuple.src;
  setRange(RANGE_MAP_IPS, address, address, 0, 0, 0);
  setup(entry, manip);
}

// Where the current tuple says that a packet goes; rewriting takes its source (MANIP_SRC) or destination half.

/** Changes ports or id of the transport header and its checksum; `bytes` of it are there. */
function rewriteTransport(before: u32, address: u32, l4: usize, bytes: i32, manip: u32, ports: u32, proto: i32): void {
  const at: usize = manip == MANIP_SRC ? 0 : 2;
  const port = <i32>(manip == MANIP_SRC ? ports >> 16 : ports & 0xffff);
  if (proto == ipv4.PROTO_TCP || proto == ipv4.PROTO_SCTP) {
    if (bytes < 8) return;
    const was = get16(l4 + at);
    put16(l4 + at, port);
    // A quoted header may end before its checksum. SCTP's checksum (CRC32c) does not cover addresses.
    if (proto == ipv4.PROTO_SCTP || bytes < tcp.TCP_LENGTH) return;
    anyIp.updateAddress(l4 + tcp.TCP_CHECKSUM, before, address);
    update16(l4 + tcp.TCP_CHECKSUM, was, port);
  } else if (proto == ipv4.PROTO_UDP) {
    if (bytes < udp.UDP_LENGTH) return;
    const was = get16(l4 + at);
    put16(l4 + at, port);
    if (!udp.checksumField(l4)) return;
    anyIp.updateAddress(l4 + udp.UDP_CHECKSUM, before, address);
    update16(l4 + udp.UDP_CHECKSUM, was, port);
    if (!udp.checksumField(l4)) put16(l4 + udp.UDP_CHECKSUM, 0xffff);
  } else if (proto == ipv4.PROTO_ICMP) {
    if (bytes < icmp.ICMP_LENGTH || icmp.isError(icmp.type(l4))) return;
    const id = <i32>(ports >> 16);
    update16(l4 + icmp.ICMP_CHECKSUM, icmp.id(l4), id);
    put16(l4 + icmp.ICMP_ID, id);
  } else if (proto == ipv6.PROTO_ICMPV6) {
    if (bytes < icmpv6.ICMPV6_LENGTH) return;
    // Its checksum covers the addresses; identifiers are those of echo requests and their answers.
    anyIp.updateAddress(l4 + icmpv6.ICMPV6_CHECKSUM, before, address);
    const type = icmpv6.type(l4);
    if (type != icmpv6.ECHO_REQUEST && type != icmpv6.ECHO_REPLY) return;
    const id = <i32>(ports >> 16);
    update16(l4 + icmpv6.ICMPV6_CHECKSUM, icmpv6.id(l4), id);
    put16(l4 + icmpv6.ICMPV6_ID, id);
  }
}

/** Rewrites one half of a packet to the current tuple (nf_nat_ipv4_manip_pkt, nf_nat_ipv6_manip_pkt). */
export function rewrite(ip: usize, length: i32, manip: u32, six: bool): void {
  const address = manip == MANIP_SRC ? tuple.src : tuple.dst;
  if (six) {
    if (ipv6.walk(ip, length) && !(ipv6.fragment & 0xfff8)) {
      const l4 = ip + <usize>ipv6.headers;
      const before = manip == MANIP_SRC ? ipv6.source(ip) : ipv6.destination(ip);
      rewriteTransport(before, address, l4, length - ipv6.headers, manip, tuple.ports, ipv6.protocol);
    }
  } else if (!(ipv4.fragment(ip) & ipv4.OFFSET_MASK)) {
    const header = ipv4.headerLength(ip);
    const before = manip == MANIP_SRC ? ipv4.source(ip) : ipv4.destination(ip);
    const l4 = ip + <usize>header;
    rewriteTransport(before, address, l4, length - header, manip, tuple.ports, ipv4.protocol(ip));
  }
  if (six) {
    if (manip == MANIP_SRC) ipv6.setSource(ip, address);
    else ipv6.setDestination(ip, address);
  } else if (manip == MANIP_SRC) ipv4.setSource(ip, address);
  else ipv4.setDestination(ip, address);
}

/** The status bit that says whether a packet of this direction is translated at this place. */
function statusBit(manip: u32, direction: u32): u32 {
  const source = manip == MANIP_SRC;
  return source == (direction == DIR_REPLY) ? IPS_DST_NAT : IPS_SRC_NAT;
}

/** Translates a packet of a known connection at `manip` (nf_nat_packet). False: it stays as it is. */
export function translate(entry: usize, direction: u32, manip: u32, ip: usize, length: i32): bool {
  if (!(load<u32>(entry, CT_STATUS) & statusBit(manip, direction))) return false;
  tuple.read(entry + CT_ORIGINAL + (1 - direction) * TUPLE_SIZE);
  tuple.invert();
  rewrite(ip, length, manip, anyIp.isSix(ip));
  return true;
}

/**
 * Translates an ICMP error outside and inside (nf_nat_icmp_reply_translation). The quoted packet went the other way,
 * so inside it is the other half that changes.
 */
export function translateError(entry: usize, direction: u32, manip: u32, ip: usize, length: i32): void {
  if (!(load<u32>(entry, CT_STATUS) & statusBit(manip, direction))) return;
  const header = anyIp.headerLength(ip);
  const l4 = ip + <usize>header;
  const bytes = length - header;
  const inner = l4 + icmp.ICMP_LENGTH;
  // The quoted packet must look as its sender sent it: as the tuple of the other direction says.
  tuple.read(entry + CT_ORIGINAL + (1 - direction) * TUPLE_SIZE);
  const isSix = anyIp.isSix(ip);
  rewrite(inner, bytes - icmp.ICMP_LENGTH, 1 - manip, isSix);
  if (!isSix) {
    put16(l4 + icmp.ICMP_CHECKSUM, 0);
    put16(l4 + icmp.ICMP_CHECKSUM, checksum(l4, bytes, 0));
  }
  tuple.read(entry + CT_ORIGINAL + (1 - direction) * TUPLE_SIZE);
  tuple.set(tuple.src, tuple.dst, tuple.ports, ipv4.PROTO_ICMP);
  const address = manip == MANIP_SRC ? tuple.dst : tuple.src;
  if (manip == MANIP_SRC) anyIp.setSource(ip, address);
  else anyIp.setDestination(ip, address);
  if (isSix) icmpv6.seal(l4, bytes, ipv6.source(ip), ipv6.destination(ip));
}
