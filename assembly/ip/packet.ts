// New packets of this host: a frame with room for the Ethernet header, the IPv4 or IPv6 header written, queued for output.
import {
  FRAME_DATA,
  FRAME_LENGTH,
  FRAME_LINE,
  FRAME_NAMESPACE,
  FRAME_NETWORK,
  FRAME_ORIGIN,
  FRAME_SUMMED,
  STAGE_OUTPUT,
} from "../layout/frame.ts";
import {
  NS_ID,
  NS_IP_ID,
  NS_SYSCTLS,
  SYSCTL_AUTO_FLOWLABELS,
  SYSCTL_DEFAULT_TTL,
  SYSCTL_IPV6_HOP_LIMIT,
} from "../layout/records.ts";
import { isSix, sumOf } from "../memory/addresses.ts";
import * as backlog from "../memory/backlog.ts";
import * as frames from "../memory/frames.ts";
import { mix } from "../memory/hash.ts";
import { ETHERNET_LENGTH } from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";

/** An empty packet; its payload goes to `payloadOf(frame)`. */
export function newPacket(ns: usize, line: u32): usize {
  return prepared(ns, frames.newPacket(), line);
}

/** The same with room for a payload of `bytes` bytes. */
export function newPacketFor(ns: usize, line: u32, bytes: i32): usize {
  return prepared(ns, frames.newPacketFor(ETHERNET_LENGTH + 60 + bytes), line);
}

function prepared(ns: usize, frame: usize, line: u32): usize {
  store<usize>(frame, load<usize>(frame, FRAME_DATA) + ETHERNET_LENGTH, FRAME_NETWORK);
  store<u32>(frame, line, FRAME_LINE);
  store<u32>(frame, load<u32>(ns, NS_ID), FRAME_ORIGIN);
  store<usize>(frame, ns, FRAME_NAMESPACE);
  // Everything sent from here on is sealed, and every change after that keeps its checksums right.
  store<u32>(frame, 1, FRAME_SUMMED);
  return frame;
}

export function payloadOf(frame: usize): usize {
  return load<usize>(frame, FRAME_NETWORK) + ipv4.IPV4_LENGTH;
}

/** The next identification of packets that may be fragmented. */
export function nextId(ns: usize): i32 {
  const id = (load<u32>(ns, NS_IP_ID) + 1) & 0xffff;
  store<u32>(ns, id, NS_IP_ID);
  return <i32>id;
}

/** Writes the header before `bytes` of payload and queues the packet. `flags` is 0 or FLAG_DF; IPv6 has neither it nor an `id`. */
export function send(
  ns: usize,
  frame: usize,
  protocol: i32,
  source: u32,
  destination: u32,
  bytes: i32,
  tos: i32,
  id: i32,
  flags: i32,
): void {
  finish(ns, frame, protocol, source, destination, bytes, tos, id, flags);
  backlog.push(frame, STAGE_OUTPUT);
}

/** Writes the header before `bytes` of payload. */
export function finish(
  ns: usize,
  frame: usize,
  protocol: i32,
  source: u32,
  destination: u32,
  bytes: i32,
  tos: i32,
  id: i32,
  flags: i32,
): void {
  const ip = load<usize>(frame, FRAME_NETWORK);
  if (isSix(destination)) {
    finishSix(ns, frame, ip, protocol, source, destination, bytes, tos);
    return;
  }
  const ttl = load<i32>(ns + NS_SYSCTLS, SYSCTL_DEFAULT_TTL << 2);
  ipv4.write(ip, tos, ipv4.IPV4_LENGTH + bytes, id, flags, ttl, protocol, source, destination);
  store<i32>(frame, ETHERNET_LENGTH + ipv4.IPV4_LENGTH + bytes, FRAME_LENGTH);
}

/** The header of IPv6 is longer: it begins further ahead of the payload, and the link header with it. */
function finishSix(
  ns: usize,
  frame: usize,
  ip: usize,
  protocol: i32,
  source: u32,
  destination: u32,
  bytes: i32,
  tos: i32,
): void {
  const hops = load<i32>(ns + NS_SYSCTLS, SYSCTL_IPV6_HOP_LIMIT << 2);
  const label = flowLabel(ns, protocol, source, destination, ip + ipv4.IPV4_LENGTH);
  placeSix(frame, ip, tos, label, protocol, source, destination, bytes, hops);
}

/** The same with a hop limit of its own, and no flow label. */
export function finishWithHops(frame: usize, protocol: i32, source: u32, to: u32, bytes: i32, hops: i32): void {
  placeSix(frame, load<usize>(frame, FRAME_NETWORK), 0, 0, protocol, source, to, bytes, hops);
}

function placeSix(
  frame: usize,
  ip: usize,
  tos: i32,
  label: u32,
  protocol: i32,
  source: u32,
  destination: u32,
  bytes: i32,
  hops: i32,
): void {
  const at = ip - <usize>(ipv6.IPV6_LENGTH - ipv4.IPV4_LENGTH);
  ipv6.write(at, tos, label, bytes, protocol, hops, source, destination);
  store<usize>(frame, at, FRAME_NETWORK);
  store<usize>(frame, at - ETHERNET_LENGTH, FRAME_DATA);
  store<i32>(frame, ETHERNET_LENGTH + ipv6.IPV6_LENGTH + bytes, FRAME_LENGTH);
}

/**
 * The flow label: the same for all packets of a flow, as far as others can tell at random (ip6_make_flowlabel). Linux hashes with a
 * secret of its boot.
 */
function flowLabel(ns: usize, protocol: i32, source: u32, destination: u32, transport: usize): u32 {
  if (!load<u32>(ns + NS_SYSCTLS, SYSCTL_AUTO_FLOWLABELS << 2)) return 0;
  const hasPorts = protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP;
  const ends = mix(sumOf(source), sumOf(destination));
  return mix(ends, hasPorts ? load<u32>(transport) : <u32>protocol) & 0xfffff;
}
