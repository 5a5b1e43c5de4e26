// What is different for IPv6 in a frame's life: checks, extension headers, forwarding, ICMPv6 and Neighbor Discovery (net/ipv6).
import {
  DROP_ICMP_CSUM,
  DROP_ICMP_IGNORED,
  DROP_IPV6DISABLED,
  DROP_IPV6_BAD_EXTHDR,
  DROP_IP_INADDRERRORS,
  DROP_IP_INVALID_DEST,
  DROP_IP_INVALID_SOURCE,
  DROP_IP_NOPROTO,
  DROP_NETFILTER_DROP,
  DROP_NONE,
  DROP_OTHERHOST,
  DROP_PKT_TOO_BIG,
  DROP_PKT_TOO_SMALL,
  DROP_TTL_EXPIRED,
  DROP_UNHANDLED_PROTO,
  DEVICE_LOOPBACK,
  ROUTE_LOCAL,
  USED_ARP,
  USED_SOCKET,
  USED_SPLIT,
} from "../layout/codes.ts";
import * as F from "../layout/frame.ts";
import * as R from "../layout/records.ts";
import * as T from "../layout/trace.ts";
import { HOOK_FORWARD, HOOK_INPUT, HOOK_OUTPUT, HOOK_POSTROUTING, HOOK_PREROUTING } from "../layout/rules.ts";
import * as address6 from "../fib/address6.ts";
import { sendError } from "../ip/icmpv6-error.ts";
import * as fragment from "../ip/fragment.ts";
import * as ndisc from "../ip/ndisc.ts";
import { finish, newPacketFor, payloadOf } from "../ip/packet.ts";
import * as redirect from "../ip/redirect.ts";
import * as route from "../ip/route-packet.ts";
import * as split from "../ip/split.ts";
import * as balancer from "../ip/virtual-server.ts";
import * as addresses from "../memory/addresses.ts";
import * as backlog from "../memory/backlog.ts";
import { copy, get32 } from "../memory/bytes.ts";
import * as recorder from "../memory/recorder.ts";
import { drop } from "../observe/drops.ts";
import * as trace from "../observe/trace.ts";
import * as tcp from "../socket/tcp.ts";
import {
  NO_MTU,
  echoAnswered,
  findsServer,
  icmpErrorAbout,
  linkOutput,
  partsLeave,
  passes,
  sendWaiting,
  tcpReceive,
  traceRoute,
  udpReceive,
} from "../path.ts";
import { packetLength } from "../track/conntrack.ts";
import * as track from "../track/table.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";

const ROUTING_TYPE = 2; // of a routing header
const SEGMENTS_LEFT = 3;
const ROUTING_RPL: u8 = 3;
const ROUTING_SEGMENTS: u8 = 4;
const LEAST_MTU: u32 = 1280; // IPV6_MIN_MTU

/** Whether the bytes behind an Ethernet header are an IPv6 packet; cuts off what the link padded (ip6_rcv_core). */
export function check(frame: usize): i32 {
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  const link = <i32>(ip - load<usize>(frame, F.FRAME_DATA));
  const there = load<i32>(frame, F.FRAME_LENGTH) - link;
  if (there < ipv6.IPV6_LENGTH) return DROP_PKT_TOO_SMALL;
  if (load<u8>(ip) >> 4 != 6) return DROP_UNHANDLED_PROTO;
  const total = ipv6.totalLength(ip);
  if (total > there) return DROP_PKT_TOO_SMALL;
  const from = ipv6.source(ip);
  const to = ipv6.destination(ip);
  const loops = load<i32>(load<usize>(frame, F.FRAME_DEVICE), R.DEV_KIND) == DEVICE_LOOPBACK;
  if (!from || !to) return DROP_IP_INADDRERRORS;
  if (ipv6.isMulticast(from) || (ipv6.isLoopback(from) && !loops)) return DROP_IP_INVALID_SOURCE;
  if (ipv6.isLoopback(to) && !loops) return DROP_IP_INVALID_DEST;
  if (ipv6.isMulticast(to) && ipv6.multicastScope(to) < 2 && !(loops && ipv6.multicastScope(to) == 1)) {
    return DROP_IP_INVALID_DEST;
  }
  store<i32>(frame, link + total, F.FRAME_LENGTH);
  return DROP_NONE;
}

/** An IPv6 packet comes in by a device (ipv6_rcv). */
export function receive(ns: usize, device: usize, arrived: usize): void {
  recorder.spoil();
  let frame = arrived;
  if (load<i32>(frame, F.FRAME_PACKET_TYPE) == F.PACKET_OTHERHOST) {
    drop(ns, frame, DROP_OTHERHOST);
    return;
  }
  if (!load<u32>(ns, R.NS_IPV6) || load<u32>(ns + R.NS_SYSCTLS, R.SYSCTL_IPV6_DISABLE << 2)) {
    drop(ns, frame, DROP_IPV6DISABLED);
    return;
  }
  const flags = load<u32>(frame, F.FRAME_FLAGS);
  if (flags & F.FRAME_IS_PREROUTED) {
    // br_netfilter has checked the packet and called this hook already (ip_sabotage_in).
    store<u32>(frame, flags & ~F.FRAME_IS_PREROUTED, F.FRAME_FLAGS);
  } else {
    const bad = check(frame);
    if (bad) {
      drop(ns, frame, bad);
      return;
    }
    if (!optionsOfHops(ns, frame)) return;
    frame = gathered(ns, arrived, fragment.FOR_TRACKING_IN);
    if (!frame || !passes(ns, HOOK_PREROUTING, frame, device, 0)) return;
  }
  const decision = route.incomingSix(ns, frame, device);
  if (trace.on) traceRoute(ns, frame, decision, 1);
  if (decision == route.TO_LOCAL) {
    deliver(ns, device, frame);
  } else if (decision == route.TO_FORWARD) {
    forward(ns, device, frame);
  } else {
    const reason = route.reason;
    if (decision == route.TO_UNREACHABLE) sendError(ns, frame, icmpv6.DEST_UNREACHABLE, route.code, 0);
    if (reason) drop(ns, frame, reason);
    else track.consume(frame, USED_ARP);
  }
}

/** Connection tracking looks at whole packets only (nf_defrag_ipv6). 0: it is a fragment that waits for the others. */
export function gathered(ns: usize, frame: usize, user: u32): usize {
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (ipv6.isPlain(ip) || !load<u32>(ns, R.NS_TRACKING)) return frame;
  if (!ipv6.walk(ip, packetLength(frame)) || !ipv6.fragmentHeader) return frame;
  return fragment.gatherSix(ns, frame, user);
}

/** Reads hop-by-hop options, which every router does. False: the packet is gone (ipv6_parse_hopopts). */
function optionsOfHops(ns: usize, frame: usize): bool {
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (ipv6.nextHeader(ip) != ipv6.PROTO_HOP_BY_HOP) return true;
  return optionsPass(ns, frame, ipv6.IPV6_LENGTH);
}

/** Goes over the options of a header at `offset` from the IPv6 header on (ip6_parse_tlv): what nobody knows says itself what to do. */
function optionsPass(ns: usize, frame: usize, offset: i32): bool {
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  const length = packetLength(frame);
  const end = offset + 8 <= length ? offset + ((<i32>load<u8>(ip + <usize>offset + 1) + 1) << 3) : length + 1;
  if (end > length) {
    drop(ns, frame, DROP_IPV6_BAD_EXTHDR);
    return false;
  }
  for (let at = offset + 2; at < end;) {
    const kind = <i32>load<u8>(ip + <usize>at);
    if (kind == 0) {
      at++;
      continue;
    }
    const size = at + 2 <= end ? 2 + <i32>load<u8>(ip + <usize>at + 1) : end;
    if (at + size > end) {
      drop(ns, frame, DROP_IPV6_BAD_EXTHDR);
      return false;
    }
    // PadN and the router alert ask for nothing; the two upper bits of an unknown type say what to do.
    const action = kind == 1 || kind == 5 ? 0 : kind >> 6;
    if (action) {
      const tells = action == 2 || (action == 3 && !ipv6.isMulticast(ipv6.destination(ip)));
      if (tells) sendError(ns, frame, icmpv6.PARAMETER_PROBLEM, icmpv6.UNKNOWN_OPTION, <u32>at);
      drop(ns, frame, DROP_UNHANDLED_PROTO);
      return false;
    }
    at += size;
  }
  return true;
}

function hopsLeft(ns: usize, frame: usize, ip: usize): bool {
  if (ipv6.hopLimit(ip) > 1) return true;
  sendError(ns, frame, icmpv6.TIME_EXCEEDED, 0, 0);
  drop(ns, frame, DROP_TTL_EXPIRED);
  return false;
}

/** A packet for somebody else (ip6_forward). The routing decision was made just before. */
function forward(ns: usize, input: usize, frame: usize): void {
  route.remember(frame);
  const device = route.device;
  const mtu = max<u32>(route.mtu, LEAST_MTU);
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (!hopsLeft(ns, frame, ip)) return;
  const from = ipv6.source(ip);
  if (device == input) {
    tellOfNeighbour(ns, input, frame);
  } else {
    if (ipv6.isLinkLocal(from)) sendError(ns, frame, icmpv6.DEST_UNREACHABLE, icmpv6.NOT_NEIGHBOUR, 0);
    if (ipv6.isLinkLocal(from) || from == addresses.ANY || ipv6.isLoopback(from)) {
      drop(ns, frame, DROP_IP_INADDRERRORS);
      return;
    }
  }
  if (!fits(ns, frame, mtu)) return;
  ipv6.setHopLimit(ip, ipv6.hopLimit(ip) - 1);
  if (!passes(ns, HOOK_FORWARD, frame, input, device)) return;
  leave(ns, frame, input);
}

/** The sender of a packet that goes back to its link is told of the shorter way. The telling goes out before the packet. */
function tellOfNeighbour(ns: usize, input: usize, frame: usize): void {
  recorder.spoil();
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  const told = redirect.make(ns, input, ip, packetLength(frame), load<u32>(frame, F.FRAME_NEXT_HOP));
  if (told) sendOnLink(ns, load<usize>(told, F.FRAME_DEVICE), told);
}

/** A packet put together from fragments fits as they did. */
function fits(ns: usize, frame: usize, mtu: u32): bool {
  const largest = load<u32>(frame, F.FRAME_FRAGMENT_MAX);
  if (<u32>packetLength(frame) <= mtu || (largest && largest <= mtu)) return true;
  sendError(ns, frame, icmpv6.PACKET_TOO_BIG, 0, mtu);
  drop(ns, frame, DROP_PKT_TOO_BIG);
  return false;
}

/** A packet to a virtual address goes on, as it is, to a server (ip_vs_in, ip_vs_dr_xmit_v6). False: it is for this host itself. */
function balanced(ns: usize, frame: usize): bool {
  const outcome = balancer.chooseSix(ns, frame, packetLength(frame));
  if (outcome == balancer.NOT_OURS) return false;
  if (outcome == balancer.NO_SERVER) {
    sendError(ns, frame, icmpv6.DEST_UNREACHABLE, icmpv6.PORT_UNREACHABLE, 0);
    drop(ns, frame, DROP_NETFILTER_DROP);
    return true;
  }
  if (!findsServer(ns, frame, 0)) return true;
  const device = route.device;
  const mtu = max<u32>(route.mtu, LEAST_MTU);
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  if (!hopsLeft(ns, frame, ip) || !fits(ns, frame, mtu)) return true;
  ipv6.setHopLimit(ip, ipv6.hopLimit(ip) - 1);
  if (passes(ns, HOOK_OUTPUT, frame, 0, device)) leave(ns, frame, 0);
  return true;
}

/** A packet for this host (ip6_input, ip6_protocol_deliver_rcu). */
function deliver(ns: usize, device: usize, frame: usize): void {
  if (!passes(ns, HOOK_INPUT, frame, device, 0)) return;
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  const plain = ipv6.isPlain(ip) || ipv6.walk(ip, packetLength(frame));
  if (!plain && ipv6.protocol == ipv6.PROTO_FRAGMENT && !ipv6.fragmentHeader) {
    fragmentsProblem(ns, frame, ipv6.headers);
    return;
  }
  let whole = frame;
  if (!ipv6.isPlain(ip) && ipv6.fragment) {
    whole = fragment.gatherSix(ns, frame, fragment.FOR_HOST);
    if (!whole) return;
  }
  deliverWhole(ns, device, whole);
}

/** A fragment header at `offset` is cut, or is one too many: a packet has been, or is to be, put together by another. */
function fragmentsProblem(ns: usize, frame: usize, offset: i32): void {
  sendError(ns, frame, icmpv6.PARAMETER_PROBLEM, icmpv6.HEADER_FIELD, <u32>offset);
  drop(ns, frame, DROP_IPV6_BAD_EXTHDR);
}

/**
 * Does what extension headers ask of the host that a packet is for; `ipv6.walk` has gone over them. False: the packet is gone
 * (ipv6_destopt_rcv, ipv6_rthdr_rcv).
 */
function headersPass(ns: usize, frame: usize, ip: usize, length: i32): bool {
  let next = ipv6.nextHeader(ip);
  let field: i32 = 6;
  for (let at = ipv6.IPV6_LENGTH; ipv6.isExtension(next);) {
    const header = ip + <usize>at;
    if (next == ipv6.PROTO_HOP_BY_HOP && at != ipv6.IPV6_LENGTH) {
      // It stands behind another one, where nobody takes it.
      sendError(ns, frame, icmpv6.PARAMETER_PROBLEM, icmpv6.UNKNOWN_NEXT_HEADER, <u32>field);
      drop(ns, frame, DROP_IP_NOPROTO);
      return false;
    }
    if (next == ipv6.PROTO_DESTINATION_OPTIONS && !optionsPass(ns, frame, at)) return false;
    if (next == ipv6.PROTO_ROUTING && isRefusedRouting(frame, header)) {
      drop(ns, frame, DROP_IPV6_BAD_EXTHDR);
      return false;
    }
    if (next == ipv6.PROTO_ROUTING && load<u8>(header, SEGMENTS_LEFT)) {
      sendError(ns, frame, icmpv6.PARAMETER_PROBLEM, icmpv6.HEADER_FIELD, <u32>at + 2);
      drop(ns, frame, DROP_IPV6_BAD_EXTHDR);
      return false;
    }
    field = at;
    at += ipv6.extensionLength(header, next);
    next = <i32>load<u8>(header);
  }
  return ipv6.walk(ip, length);
}

/** Whether nobody takes a routing header, and nobody is told: one of segment or RPL routing, which are off, or one to several hosts. */
function isRefusedRouting(frame: usize, header: usize): bool {
  const kind = load<u8>(header, ROUTING_TYPE);
  if (kind == ROUTING_RPL || kind == ROUTING_SEGMENTS) return true;
  const to = ipv6.destination(load<usize>(frame, F.FRAME_NETWORK));
  return ipv6.isMulticast(to) || load<i32>(frame, F.FRAME_PACKET_TYPE) != F.PACKET_HOST;
}

function deliverWhole(ns: usize, device: usize, frame: usize): void {
  const ip = load<usize>(frame, F.FRAME_NETWORK);
  const length = packetLength(frame);
  if (load<usize>(ns, R.NS_BALANCER) && balanced(ns, frame)) return;
  if (!ipv6.walk(ip, length)) {
    drop(ns, frame, DROP_IPV6_BAD_EXTHDR);
    return;
  }
  const another = load<u32>(frame, F.FRAME_FRAGMENT_MAX) ? ipv6.fragmentHeader : ipv6.secondFragment;
  if (another) {
    fragmentsProblem(ns, frame, another);
    return;
  }
  if (ipv6.headers != ipv6.IPV6_LENGTH && !headersPass(ns, frame, ip, length)) return;
  const protocol = ipv6.protocol;
  const at = ip + <usize>ipv6.headers;
  const bytes = length - ipv6.headers;
  const field = ipv6.field;
  if (protocol == ipv4.PROTO_TCP) tcpReceive(ns, frame);
  else if (protocol == ipv4.PROTO_UDP) udpReceive(ns, frame);
  else if (protocol == ipv6.PROTO_ICMPV6) icmpReceive(ns, device, frame, ip, at, bytes);
  else {
    if (protocol != ipv6.PROTO_NONE)
      sendError(ns, frame, icmpv6.PARAMETER_PROBLEM, icmpv6.UNKNOWN_NEXT_HEADER, <u32>field);
    drop(ns, frame, DROP_IP_NOPROTO);
  }
}

/** ICMPv6 for this host (icmpv6_rcv). */
function icmpReceive(ns: usize, device: usize, frame: usize, ip: usize, at: usize, bytes: i32): void {
  if (bytes < icmpv6.ICMPV6_LENGTH) {
    drop(ns, frame, DROP_PKT_TOO_SMALL);
    return;
  }
  const from = ipv6.source(ip);
  const to = ipv6.destination(ip);
  if (!load<u32>(frame, F.FRAME_SUMMED) && !icmpv6.checksumValid(at, bytes, from, to)) {
    drop(ns, frame, DROP_ICMP_CSUM);
    return;
  }
  const type = icmpv6.type(at);
  if (type == icmpv6.NEIGHBOUR_SOLICITATION || type == icmpv6.NEIGHBOUR_ADVERTISEMENT) {
    discover(ns, device, frame, at, bytes);
    return;
  }
  if (type == icmpv6.REDIRECT) {
    redirected(ns, device, frame, at, bytes);
    return;
  }
  if (trace.on) trace.note(T.STEP_SOCKET, ns, frame);
  if (type == icmpv6.ECHO_REQUEST) echo(ns, device, frame, ip, at, bytes);
  else if (type == icmpv6.ECHO_REPLY) echoAnswered(ns, frame, to, icmpv6.id(at), icmpv6.sequence(at));
  else if (type >= icmpv6.DEST_UNREACHABLE && type <= icmpv6.PARAMETER_PROBLEM) {
    heard(ns, frame, at, bytes);
  } else if (icmpv6.isError(type)) {
    drop(ns, frame, DROP_ICMP_IGNORED);
    return;
  }
  track.consume(frame, USED_SOCKET);
}

/** An ICMPv6 error tells the socket whose packet it quotes. */
function heard(ns: usize, frame: usize, at: usize, bytes: i32): void {
  const inner = at + icmpv6.ICMPV6_LENGTH;
  const quoted = bytes - icmpv6.ICMPV6_LENGTH;
  if (quoted < ipv6.IPV6_LENGTH || !ipv6.walk(inner, quoted) || quoted < ipv6.headers + 8) return;
  const tooLarge = icmpv6.type(at) == icmpv6.PACKET_TOO_BIG;
  const mtu = tooLarge ? max<u32>(icmpv6.mtu(at), LEAST_MTU) : NO_MTU;
  const l4 = inner + <usize>ipv6.headers;
  const protocol = ipv6.protocol;
  icmpErrorAbout(ns, frame, protocol, ipv6.source(inner), ipv6.destination(inner), l4, quoted - ipv6.headers, mtu);
}

/** An echo request is sent back with the same data (icmpv6_echo_reply). */
function echo(ns: usize, device: usize, frame: usize, ip: usize, at: usize, bytes: i32): void {
  const to = ipv6.source(ip);
  const asked = ipv6.destination(ip);
  const linkLocal = ipv6.isOnLink(to);
  // A group's address, or that of any router, is nobody's own (icmpv6_echo_reply).
  const isOwn = load<u32>(frame, F.FRAME_ROUTE_TYPE) == ROUTE_LOCAL;
  if (linkLocal) route.onLink(ns, to, device);
  else if (route.outgoing(ns, to, isOwn ? asked : 0) == route.TO_NOWHERE) return;
  // Without an address of its own the answer leaves by the device that was asked, or not at all.
  if (!isOwn && route.device != device && !address6.isOn(device, to)) return;
  const own = isOwn ? asked : route.source;
  const answer = newPacketFor(ns, load<u32>(frame, F.FRAME_LINE), bytes);
  const reply = payloadOf(answer);
  copy(reply, at, bytes);
  store<u8>(reply, <u8>icmpv6.ECHO_REPLY);
  icmpv6.seal(reply, bytes, own, to);
  finish(ns, answer, ipv6.PROTO_ICMPV6, own, to, bytes, ipv6.trafficClass(ip), 0, 0);
  if (linkLocal) store<usize>(answer, device, F.FRAME_INPUT);
  store<u32>(answer, load<u32>(answer, F.FRAME_FLAGS) | F.FRAME_IS_ECHO, F.FRAME_FLAGS);
  backlog.push(answer, F.STAGE_OUTPUT);
}

/** A message of Neighbor Discovery: whoever asks is known by that, so what waited for it goes before the answer. */
function discover(ns: usize, device: usize, frame: usize, at: usize, bytes: i32): void {
  const bad = ndisc.receive(ns, device, frame, at, bytes);
  if (bad) {
    drop(ns, frame, bad);
    return;
  }
  track.consume(frame, USED_SOCKET);
  const reply = ndisc.reply;
  if (ndisc.updated) sendWaiting(ns, ndisc.updated);
  if (reply) sendOnLink(ns, device, reply);
}

/** A router tells of a shorter way; one that quotes a segment is believed if there is a connection that may have sent it. */
function redirected(ns: usize, device: usize, frame: usize, at: usize, bytes: i32): void {
  const bad = redirect.receive(ns, device, frame, at, bytes);
  if (bad) {
    drop(ns, frame, bad);
    return;
  }
  const segment = redirect.segment;
  if (redirect.worth && (!segment || tcp.maySend(ns, redirect.sender, redirect.receiver, segment))) {
    redirect.believe(ns, device);
    if (redirect.updated) sendWaiting(ns, redirect.updated);
  }
  track.consume(frame, USED_SOCKET);
}

/** Asks for an address on a link, in place of ARP; `waiting` is the packet that waits for the answer, 0: it is a probe. */
export function ask(ns: usize, device: usize, address: u32, waiting: usize): void {
  const source = waiting ? ipv6.source(load<usize>(waiting, F.FRAME_NETWORK)) : 0;
  sendOnLink(ns, device, ndisc.solicitation(ns, device, address, source, !waiting));
}

/** A message of the link goes the way of all packets of this host, but its device is given (ndisc_send_skb). */
function sendOnLink(ns: usize, device: usize, frame: usize): void {
  if (!passes(ns, HOOK_OUTPUT, frame, 0, device)) return;
  leave(ns, frame, 0);
}

/** The decision for a packet of this host: addresses of one link mean the one that the packet's cause came by. */
export function outgoing(ns: usize, frame: usize, to: u32): i32 {
  const input = load<usize>(frame, F.FRAME_INPUT);
  if (input && (ipv6.isOnLink(to) || ipv6.isMulticast(to))) {
    const isOwn = address6.isOn(input, to);
    route.onLink(ns, to, isOwn ? load<usize>(ns, R.NS_LOOPBACK) : input);
    return isOwn ? route.TO_LOCAL : route.TO_FORWARD;
  }
  return route.outgoing(ns, to, ipv6.source(load<usize>(frame, F.FRAME_NETWORK)));
}

/** POSTROUTING, then on to the neighbour (ip6_output, ip6_finish_output2). `input`: where a forwarded packet came in. */
export function leave(ns: usize, frame: usize, input: usize): void {
  const device = load<usize>(frame, F.FRAME_DEVICE);
  if (!passes(ns, HOOK_POSTROUTING, frame, input, device)) return;
  const mtu = load<i32>(frame, F.FRAME_MTU);
  const largest = load<i32>(frame, F.FRAME_FRAGMENT_MAX);
  if (packetLength(frame) > mtu || (largest && packetLength(frame) > largest)) {
    cut(ns, device, frame, mtu, largest);
    return;
  }
  linkOutput(ns, device, frame);
}

/** A packet leaves in fragments: one of this host, or one that came so (ip6_fragment). */
function cut(ns: usize, device: usize, frame: usize, mtu: i32, largest: i32): void {
  const isOwn = !load<usize>(frame, F.FRAME_INPUT);
  if (largest > mtu || (!isOwn && !largest)) {
    sendError(ns, frame, icmpv6.PACKET_TOO_BIG, 0, <u32>mtu);
    drop(ns, frame, DROP_PKT_TOO_BIG);
    return;
  }
  split.splitSix(ns, frame, mtu);
  partsLeave(ns, device);
  track.consume(frame, USED_SPLIT);
}

/** The link address of a group: 33:33 and its last four bytes (RFC 2464, 7). */
export function addressGroup(at: usize, group: u32): void {
  ethernet.setDestination(at, 0x3333, get32(addresses.bytesOf(group) + 12));
}
