// Connection tracking at PREROUTING and OUTPUT, and confirmation at the end of INPUT and POSTROUTING (nf_conntrack_core.c).
import {
  DIR_ORIGINAL,
  DIR_REPLY,
  DROP_CONNTRACK_INSERT_FAILED,
  DROP_CONNTRACK_TABLE_FULL,
  DROP_NONE,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DYING,
  IPS_EXPECTED,
  IPS_DST_NAT_DONE,
  IPS_FIXED_TIMEOUT,
  IPS_NAT_CLASH,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT_DONE,
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IP_CT_NONE,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
} from "../layout/codes.ts";
import {
  FRAME_CT,
  FRAME_CT_INFO,
  FRAME_DATA,
  FRAME_FLAGS,
  FRAME_HAS_ZONE,
  FRAME_IS_UNTRACKED,
  FRAME_LENGTH,
  FRAME_MARK,
  FRAME_NETWORK,
  FRAME_SUMMED,
  FRAME_ZONE_BITS,
  FRAME_ZONE_OF_MARK,
  FRAME_ZONE_ORIGINAL,
  FRAME_ZONE_REPLY,
  FRAME_ZONE_SHIFT,
} from "../layout/frame.ts";
import {
  CPU_INSERT,
  CPU_LOOKUP,
  CT_ORIGINAL,
  CT_REPLY,
  CT_STATUS,
  CT_STREAM_FROM,
  NS_CONNECTION_COUNT,
  NS_SYSCTLS,
  SYSCTL_CT_CHECKSUM,
  SYSCTL_CT_DROP_CLASH,
  SYSCTL_CT_GENERIC,
  SYSCTL_CT_ICMP,
  SYSCTL_CT_ICMPV6,
  SYSCTL_CT_MAX,
  SYSCTL_CT_UDP,
  SYSCTL_CT_UDP_STREAM,
  TUPLE_DIR,
  TUPLE_DST,
  TUPLE_ZONE,
} from "../layout/records.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as cpu from "../memory/cpu.ts";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as tcp from "../wire/tcp.ts";
import * as udp from "../wire/udp.ts";
import * as other from "./other.ts";
import * as table from "./table.ts";
import * as trackTcp from "./tcp.ts";
import * as tcpState from "./tcp-state.ts";
import * as tuple from "./tuple.ts";

const GRE_SECONDS = 30;
const GRE_STREAM_SECONDS = 180;

/** Why `enter` or `confirm` refused a frame: a DROP_* code. */
export let reason: i32 = DROP_NONE;

/** The direction that a ctinfo value says. */
export function directionOf(info: u32): u32 {
  return info >= <u32>IP_CT_ESTABLISHED_REPLY ? DIR_REPLY : DIR_ORIGINAL;
}

function sysctl(ns: usize, which: i32): u32 {
  return load<u32>(ns + NS_SYSCTLS + ((<usize>which) << 2));
}

function refresh(ns: usize, entry: usize, seconds: u32): void {
  if (!(load<u32>(entry, CT_STATUS) & IPS_FIXED_TIMEOUT)) table.setEnd(ns, entry, now + <u64>seconds * SECOND);
}

/** Bytes from the IP header to the end of the packet. */
export function packetLength(frame: usize): i32 {
  return <i32>(
    (load<usize>(frame, FRAME_DATA) + <usize>load<u32>(frame, FRAME_LENGTH) - load<usize>(frame, FRAME_NETWORK))
  );
}

/** Whether the transport header is whole and plausible, and its checksum right if `check` asks. */
export function transportValid(ip: usize, length: i32, check: bool): bool {
  const six = anyIp.isSix(ip);
  const proto = six ? anyIp.protocol(ip) : ipv4.protocol(ip);
  const header = six ? anyIp.headerLength(ip) : ipv4.headerLength(ip);
  const l4 = ip + <usize>header;
  const bytes = length - header;
  if (proto == ipv4.PROTO_TCP) {
    if (bytes < tcp.TCP_LENGTH) return false;
    const header = tcp.headerLength(l4);
    if (header < tcp.TCP_LENGTH || header > bytes) return false;
    if (check && !tcp.checksumValid(l4, bytes, anyIp.source(ip), anyIp.destination(ip))) return false;
    return tcpState.flagsValid(tcp.flags(l4));
  }
  if (proto == ipv4.PROTO_UDP) {
    if (bytes < udp.UDP_LENGTH) return false;
    const said = udp.length(l4);
    if (said > bytes || said < udp.UDP_LENGTH) return false;
    return !check || udp.checksumValid(l4, bytes, anyIp.source(ip), anyIp.destination(ip));
  }
  if (proto == ipv4.PROTO_ICMP) {
    if (bytes < icmp.ICMP_LENGTH) return false;
    if (check && !icmp.checksumValid(l4, bytes)) return false;
    return icmp.type(l4) <= 18;
  }
  if (six && proto == ipv6.PROTO_ICMPV6) {
    return (
      bytes >= icmpv6.ICMPV6_LENGTH &&
      (!check || icmpv6.checksumValid(l4, bytes, anyIp.source(ip), anyIp.destination(ip)))
    );
  }
  if (proto == ipv4.PROTO_UDPLITE) {
    return other.udpLiteValid(l4, bytes, check, anyIp.source(ip), anyIp.destination(ip));
  }
  if (proto == ipv4.PROTO_SCTP) return other.sctpValid(l4, bytes, check);
  return proto != ipv4.PROTO_GRE || other.greValid(l4, bytes);
}

/** ICMP errors belong to the connection of the packet that they quote, behind `before` bytes. False: INVALID. */
function enterError(ns: usize, frame: usize, ip: usize, l4: usize, bytes: i32, before: i32): bool {
  const inner = l4 + <usize>before;
  const quoted = bytes - before;
  if (!anyIp.isSix(ip)) {
    if (quoted < ipv4.IPV4_LENGTH || ipv4.headerLength(inner) < ipv4.IPV4_LENGTH) return false;
    if (quoted < ipv4.headerLength(inner) + 8) return false;
    if (ipv4.fragment(inner) & ipv4.OFFSET_MASK) return false;
  } else if (quoted < ipv6.IPV6_LENGTH) return false;
  if (!tuple.parseAs(inner, quoted, anyIp.isSix(ip)) || !tuple.invert()) return false;
  // Whoever sent the quoted packet must be the one who is told.
  if (anyIp.destination(load<usize>(frame, FRAME_NETWORK)) != tuple.dst) return false;
  const record = table.find(ns);
  if (!record) return false;
  const entry = table.entryOf(record);
  // It must go to whom the quoted packet came from, or somebody makes it up.
  if (anyIp.destination(ip) != load<u32>(record, TUPLE_DST)) return false;
  // The quoted packet went the other way than the one that its inverted tuple names.
  const info = load<u32>(record, TUPLE_DIR) == DIR_REPLY ? IP_CT_RELATED_REPLY : IP_CT_RELATED;
  table.hold(entry);
  table.attach(frame, entry, info);
  return true;
}

/** Whether a message of ICMPv6 is a redirect from the link that quotes a packet first of all (nf_conntrack_icmpv6_redirect). */
function isRedirect(ip: usize, l4: usize, bytes: i32): bool {
  if (icmpv6.type(l4) != icmpv6.REDIRECT || icmpv6.code(l4) || ipv6.hopLimit(ip) != 255) return false;
  if (bytes < icmpv6.REDIRECT_LENGTH + icmpv6.PACKET_OPTION_LENGTH || !ipv6.isLinkLocal(ipv6.source(ip))) return false;
  const option = l4 + icmpv6.REDIRECT_LENGTH;
  return load<u8>(option) == <u8>icmpv6.OPTION_PACKET && load<u8>(option, 1) != 0;
}

/** A first packet: a new entry, or 0 with `reason` set (table full) or not (INVALID). The current tuple is the packet's. */
function begin(ns: usize, l4: usize, bytes: i32): usize {
  const proto = tuple.proto;
  if (proto == ipv4.PROTO_ICMP) {
    const type = icmp.type(l4);
    if (type != 8 && type != 13 && type != 15 && type != 17) return 0;
  }
  if (proto == ipv6.PROTO_ICMPV6 && icmpv6.type(l4) != icmpv6.ECHO_REQUEST && icmpv6.type(l4) != 139) return 0;
  if (proto == ipv4.PROTO_SCTP && !other.sctpBegins(l4, bytes)) return 0;
  const limit = sysctl(ns, SYSCTL_CT_MAX);
  if (limit && load<u32>(ns, NS_CONNECTION_COUNT) >= limit) {
    table.sweep(ns);
    if (load<u32>(ns, NS_CONNECTION_COUNT) >= limit) {
      reason = DROP_CONNTRACK_TABLE_FULL;
      return 0;
    }
  }
  const entry = table.newEntry(ns);
  tuple.write(entry + CT_ORIGINAL);
  store<u32>(entry + CT_ORIGINAL, tuple.zone, TUPLE_ZONE);
  store<u32>(entry + CT_REPLY, tuple.replyZone, TUPLE_ZONE);
  if (!tuple.invert()) {
    table.put(entry);
    return 0;
  }
  tuple.write(entry + CT_REPLY);
  if (proto == ipv4.PROTO_TCP && !trackTcp.begin(entry, ns, l4, bytes)) {
    table.put(entry);
    return 0;
  }
  // A UDP conversation counts as a stream once it has lasted two seconds.
  if (proto == ipv4.PROTO_UDP) store<u64>(entry, now + 2 * SECOND, CT_STREAM_FROM);
  return entry;
}

/** Lets the protocol follow its connection. Returns trackTcp.TRACK_*. */
export function follow(ns: usize, entry: usize, direction: u32, proto: i32, l4: usize, bytes: i32): i32 {
  if (proto == ipv4.PROTO_TCP) {
    const outcome = trackTcp.follow(entry, ns, direction, l4, bytes);
    if (outcome == trackTcp.TRACK_ACCEPT && trackTcp.timeout) refresh(ns, entry, trackTcp.timeout);
    return outcome;
  }
  if (proto == ipv4.PROTO_UDP) {
    const status = load<u32>(entry, CT_STATUS);
    let stream = false;
    if (status & IPS_SEEN_REPLY) stream = now > load<u64>(entry, CT_STREAM_FROM);
    refresh(ns, entry, sysctl(ns, stream ? SYSCTL_CT_UDP_STREAM : SYSCTL_CT_UDP));
    if (stream && !(status & IPS_NAT_CLASH)) store<u32>(entry, status | IPS_ASSURED, CT_STATUS);
    return trackTcp.TRACK_ACCEPT;
  }
  if (proto == ipv4.PROTO_GRE || proto == ipv4.PROTO_UDPLITE) {
    const answered = (load<u32>(entry, CT_STATUS) & IPS_SEEN_REPLY) != 0;
    if (answered) store<u32>(entry, load<u32>(entry, CT_STATUS) | IPS_ASSURED, CT_STATUS);
    if (proto == ipv4.PROTO_GRE) refresh(ns, entry, answered ? GRE_STREAM_SECONDS : GRE_SECONDS);
    else refresh(ns, entry, sysctl(ns, answered ? SYSCTL_CT_UDP_STREAM : SYSCTL_CT_UDP));
    return trackTcp.TRACK_ACCEPT;
  }
  let seconds = proto == ipv4.PROTO_ICMP ? SYSCTL_CT_ICMP : SYSCTL_CT_GENERIC;
  if (proto == ipv6.PROTO_ICMPV6) seconds = SYSCTL_CT_ICMPV6;
  refresh(ns, entry, sysctl(ns, seconds));
  return trackTcp.TRACK_ACCEPT;
}

/**
 * Begins and confirms the connection of a first packet, whose header stands at `ip`, as `enter`, NAT and `confirm` would if it becomes
 * a packet to `address` and `port` there, and `status` says what has been decided (IPS_*). False: it is not the first, its tuples are
 * not free, or there is no room; nothing has been changed that they would not change.
 */
export function open(ns: usize, ip: usize, length: i32, address: u32, port: u32, status: u32): bool {
  tuple.setZones(0, 0);
  if (!tuple.parse(ip, length)) return false;
  const source = tuple.src;
  const target = tuple.dst;
  const sent = tuple.ports;
  const answered = (port << 16) | (sent >> 16);
  const proto = tuple.proto;
  tuple.set(address, source, answered, proto);
  table.ask(ns);
  tuple.set(source, target, sent, proto);
  if (table.find(ns)) return false;
  const l4 = ip + <usize>ipv4.headerLength(ip);
  const bytes = length - ipv4.headerLength(ip);
  const entry = begin(ns, l4, bytes);
  if (!entry) return false;
  const outcome = follow(ns, entry, DIR_ORIGINAL, <i32>proto, l4, bytes);
  tuple.set(address, source, answered, proto);
  if (outcome != trackTcp.TRACK_ACCEPT || table.find(ns)) {
    table.put(entry);
    return false;
  }
  tuple.write(entry + CT_REPLY);
  store<u32>(entry, status, CT_STATUS);
  table.insert(entry);
  table.put(entry);
  return true;
}

/** The zone that the CT target chose for a packet counts from here on (nf_ct_zone_tmpl). */
function takeZone(frame: usize, flags: u32): void {
  tuple.setZones(0, 0);
  if (!(flags & FRAME_HAS_ZONE)) return;
  const ofMark = (flags & FRAME_ZONE_OF_MARK) != 0;
  const zone = ofMark ? load<u32>(frame, FRAME_MARK) & 0xffff : flags >> FRAME_ZONE_SHIFT;
  tuple.setZones(flags & FRAME_ZONE_ORIGINAL ? zone : 0, flags & FRAME_ZONE_REPLY ? zone : 0);
  store<u32>(frame, flags & ~FRAME_ZONE_BITS, FRAME_FLAGS);
}

/**
 * Finds or begins the connection of a packet (nf_conntrack_in). The frame then points at its entry, or at none: INVALID.
 * False: the packet must be dropped, `reason` says why.
 */
export function enter(ns: usize, frame: usize, incoming: bool): bool {
  reason = DROP_NONE;
  // Over loopback a packet comes by a second time and keeps what it was.
  const flags = load<u32>(frame, FRAME_FLAGS);
  if (load<usize>(frame, FRAME_CT) || flags & FRAME_IS_UNTRACKED) return true;
  if (cpu.core) cpu.charge(CPU_LOOKUP);
  takeZone(frame, flags);
  store<u32>(frame, IP_CT_NONE, FRAME_CT_INFO);
  const ip = load<usize>(frame, FRAME_NETWORK);
  const length = packetLength(frame);
  const six = anyIp.isSix(ip);
  if (six ? anyIp.isLaterFragment(ip) : (ipv4.fragment(ip) & ipv4.OFFSET_MASK) != 0) return true;
  // The checksum is looked at only on the way in.
  const check = incoming && !load<u32>(frame, FRAME_SUMMED) && sysctl(ns, SYSCTL_CT_CHECKSUM) != 0;
  if (!transportValid(ip, length, check)) return true;
  const header = six ? anyIp.headerLength(ip) : ipv4.headerLength(ip);
  const l4 = ip + <usize>header;
  const bytes = length - header;
  const proto = six ? anyIp.protocol(ip) : ipv4.protocol(ip);
  if (six && proto == ipv6.PROTO_NONE) return true;
  if (proto == ipv4.PROTO_ICMP && icmp.isError(icmp.type(l4))) {
    enterError(ns, frame, ip, l4, bytes, icmp.ICMP_LENGTH);
    return true;
  }
  if (six && proto == ipv6.PROTO_ICMPV6) {
    if (icmpv6.isOfLink(icmpv6.type(l4))) {
      store<u32>(frame, load<u32>(frame, FRAME_FLAGS) | FRAME_IS_UNTRACKED, FRAME_FLAGS);
      return true;
    }
    if (icmpv6.isError(icmpv6.type(l4))) {
      enterError(ns, frame, ip, l4, bytes, icmpv6.ICMPV6_LENGTH);
      return true;
    }
    if (isRedirect(ip, l4, bytes)) {
      enterError(ns, frame, ip, l4, bytes, icmpv6.REDIRECT_LENGTH + icmpv6.PACKET_OPTION_LENGTH);
      return true;
    }
  }
  while (true) {
    if (!tuple.parse(ip, length)) return true;
    const record = table.find(ns);
    let entry: usize;
    let direction: u32 = DIR_ORIGINAL;
    if (record) {
      entry = table.entryOf(record);
      direction = load<u32>(record, TUPLE_DIR);
      table.hold(entry);
    } else {
      entry = begin(ns, l4, bytes);
      if (!entry) return reason == DROP_NONE;
    }
    const status = load<u32>(entry, CT_STATUS);
    let info: u32 = IP_CT_NEW;
    if (direction == DIR_REPLY) info = IP_CT_ESTABLISHED_REPLY;
    else if (status & IPS_SEEN_REPLY) info = IP_CT_ESTABLISHED;
    else if (status & IPS_EXPECTED) info = IP_CT_RELATED;

    const outcome = follow(ns, entry, direction, proto, l4, bytes);
    if (outcome == trackTcp.TRACK_INVALID) {
      table.put(entry);
      return true;
    }
    if (outcome == trackTcp.TRACK_REPEAT) {
      table.remove(entry);
      table.put(entry);
      continue;
    }
    table.attach(frame, entry, info);
    if (outcome == trackTcp.TRACK_KILL) table.remove(entry);
    else if (info == IP_CT_ESTABLISHED_REPLY) {
      store<u32>(entry, load<u32>(entry, CT_STATUS) | IPS_SEEN_REPLY, CT_STATUS);
    }
    return true;
  }
}

/**
 * Puts a new connection into the table once its first packet has passed every rule (nf_confirm). False: another
 * connection has one of the tuples by now, and the packet must be dropped.
 */
export function confirm(ns: usize, frame: usize): bool {
  const entry = load<usize>(frame, FRAME_CT);
  if (!entry) return true;
  if (load<u32>(entry, CT_STATUS) & (IPS_CONFIRMED | IPS_DYING)) return true;
  if (directionOf(load<u32>(frame, FRAME_CT_INFO)) != DIR_ORIGINAL) return true;
  if (cpu.core) cpu.charge(CPU_INSERT);
  tuple.read(entry + CT_ORIGINAL);
  table.searchZoneOf(entry, DIR_ORIGINAL);
  let other = table.find(ns);
  if (!other) {
    tuple.read(entry + CT_REPLY);
    table.searchZoneOf(entry, DIR_REPLY);
    other = table.find(ns);
  }
  if (!other) {
    table.insert(entry);
    return true;
  }
  if (resolveClash(ns, frame, entry, table.entryOf(other))) return true;
  reason = DROP_CONNTRACK_INSERT_FAILED;
  return false;
}

/**
 * Two first packets of one conversation were under way at once, as A and AAAA questions from one socket are on a machine with
 * several processors. Where the protocol allows it (UDP), the later one joins the entry of the first if both were translated
 * alike; else its own entry is kept for the reply alone (nf_ct_resolve_clash; kernels before 2020 dropped the packet, and so
 * does a namespace that is told to). False: it must be dropped.
 */
function resolveClash(ns: usize, frame: usize, entry: usize, other: usize): bool {
  tuple.read(entry + CT_ORIGINAL);
  if (tuple.proto != ipv4.PROTO_UDP) return false;
  const translated = (load<u32>(other, CT_STATUS) & (IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE)) != 0;
  let same = tuple.matches(other + CT_ORIGINAL);
  tuple.read(entry + CT_REPLY);
  same = same && tuple.matches(other + CT_REPLY);
  if (same || !translated) {
    table.hold(other);
    table.put(entry);
    table.attach(frame, other, load<u32>(frame, FRAME_CT_INFO));
    return true;
  }
  if (sysctl(ns, SYSCTL_CT_DROP_CLASH) || table.find(ns)) return false;
  table.insertReply(entry);
  return true;
}
