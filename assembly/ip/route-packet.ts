// Where a packet goes: the routing decision for one that came in and for one that this host sends (net/ipv4/route.c, net/ipv6/route.c).
import {
  DROP_BLACKHOLE,
  DROP_IP_INNOROUTES,
  DROP_IP_INVALID_DEST,
  DROP_IP_INVALID_SOURCE,
  DROP_IP_LOCALNET,
  DROP_IP_LOCAL_SOURCE,
  DROP_IP_OUTNOROUTES,
  DROP_IP_RPFILTER,
  DROP_NONE,
  DROP_NOT_FORWARDING,
  DROP_UNICAST_IN_L2_MULTICAST,
  ROUTE_ANYCAST,
  ROUTE_BLACKHOLE,
  ROUTE_BROADCAST,
  ROUTE_LOCAL,
  ROUTE_MULTICAST,
  ROUTE_PROHIBIT,
  ROUTE_UNICAST,
  ROUTE_UNREACHABLE,
} from "../layout/codes.ts";
import {
  FRAME_DEVICE,
  FRAME_MTU,
  FRAME_NETWORK,
  FRAME_NEXT_HOP,
  FRAME_PACKET_TYPE,
  FRAME_ROUTE_TYPE,
  PACKET_HOST,
} from "../layout/frame.ts";
import {
  DEV_ACCEPT_LOCAL,
  DEV_ADDRESSES,
  DEV_BC_FORWARDING,
  DEV_FORWARDING,
  DEV_MTU,
  DEV_ROUTE_LOCALNET,
  DEV_RP_FILTER,
  DEV_SEND_REDIRECTS,
  EXCEPTION_LOCKED,
  EXCEPTION_MTU,
  NS_EXCEPTIONS,
  NS_LOOPBACK,
  NS_POLICIES,
  NS_REDIRECTS,
  NS_SYSCTLS,
  ROUTE_DEVICE,
  ROUTE_MTU,
  ROUTE_SOURCE,
  ROUTE_TYPE,
  ROUTE_VIA,
  SYSCTL_ACCEPT_LOCAL,
  SYSCTL_BC_FORWARDING,
  SYSCTL_IPV6_FORWARDING,
  SYSCTL_ROUTE_LOCALNET,
  SYSCTL_RP_FILTER,
  SYSCTL_SEND_REDIRECTS,
} from "../layout/records.ts";
import { sourceOf } from "../fib/address.ts";
import * as address6 from "../fib/address6.ts";
import * as exceptions from "../fib/exception.ts";
import * as redirects from "../fib/redirect.ts";
import { addressType, isOwn, lookup, lookupFrom } from "../fib/route.ts";
import * as addresses from "../memory/addresses.ts";
import * as recorder from "../memory/recorder.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";

export const TO_LOCAL: i32 = 0;
export const TO_FORWARD: i32 = 1; // FRAME_DEVICE and FRAME_NEXT_HOP say where
export const TO_NOWHERE: i32 = 2; // drop with `reason`
export const TO_UNREACHABLE: i32 = 3; // drop with `reason` and tell the sender ICMP destination unreachable, `code`

export let reason: i32 = DROP_NONE;
export let code: i32 = 0;
/** The device that a packet to be forwarded leaves by, and its next hop. */
export let device: usize = 0;
export let nextHop: u32 = 0;
/** The longest packet that goes that way. */
export let mtu: u32 = 0;
/** The source address that goes with the way out. */
export let source: u32 = 0;

const NET_UNREACHABLE = 0;
const HOST_UNREACHABLE = 1;
const PKT_FILTERED = 13;

function refuse(why: i32): i32 {
  reason = why;
  return TO_NOWHERE;
}

function unreachableBy(why: i32, detail: i32): i32 {
  reason = why;
  code = detail;
  return TO_UNREACHABLE;
}

function sysctl(ns: usize, which: i32): u32 {
  return load<u32>(ns + NS_SYSCTLS + ((<usize>which) << 2));
}

/** Whether the sender is a neighbour on the device that its packet came by, as `sourceValid` found. */
let fromNeighbour: bool = false;

/**
 * Whether the source could be reached by the device that the packet came in by; `output` is where it would go, 0: to this host
 * (fib_validate_source).
 */
export function sourceValid(ns: usize, from: u32, to: u32, input: usize, output: usize): i32 {
  fromNeighbour = false;
  const filter = max<u32>(sysctl(ns, SYSCTL_RP_FILTER), load<u32>(input, DEV_RP_FILTER));
  if (!filter && (output != input || !sendsRedirects(ns, input))) {
    if (acceptsLocal(ns, input)) return DROP_NONE;
    // Rules of one's own may say more than the addresses of this host do (fib4_has_custom_rules).
    if (!load<usize>(ns, NS_POLICIES)) return isOwn(ns, from) ? DROP_IP_LOCAL_SOURCE : DROP_NONE;
  }
  const back = lookupFrom(ns, to, from);
  if (!back) return filter ? DROP_IP_RPFILTER : DROP_NONE;
  const type = load<u32>(back, ROUTE_TYPE);
  if (type == ROUTE_LOCAL && !acceptsLocal(ns, input)) return DROP_IP_LOCAL_SOURCE;
  if (type == ROUTE_UNREACHABLE || type == ROUTE_PROHIBIT || type == ROUTE_BLACKHOLE) {
    return filter ? DROP_IP_RPFILTER : DROP_NONE;
  }
  if (type != ROUTE_UNICAST && type != ROUTE_LOCAL) return DROP_IP_INVALID_SOURCE;
  if (load<usize>(back, ROUTE_DEVICE) == input) {
    fromNeighbour = !load<u32>(back, ROUTE_VIA);
    return DROP_NONE;
  }
  // A device without addresses has nothing to be judged by.
  const strict = filter == 1 || (filter != 0 && !load<usize>(input, DEV_ADDRESSES));
  return strict ? DROP_IP_RPFILTER : DROP_NONE;
}

function acceptsLocal(ns: usize, on: usize): bool {
  return sysctl(ns, SYSCTL_ACCEPT_LOCAL) != 0 || load<u32>(on, DEV_ACCEPT_LOCAL) != 0;
}

/** Whether packets to the broadcast address of a network go out there (bc_forwarding). */
function forwardsBroadcast(ns: usize, input: usize): bool {
  return sysctl(ns, SYSCTL_BC_FORWARDING) != 0 && load<u32>(input, DEV_BC_FORWARDING) != 0;
}

/** Whether a packet to an address that came in by a device is one to the broadcast address of a network and goes out there. */
export function forwardsBroadcastTo(ns: usize, to: u32, input: usize): bool {
  if (!input || !forwardsBroadcast(ns, input) || ipv4.isLimitedBroadcast(to) || ipv4.isZeroNet(to)) return false;
  return addressType(ns, to) == ROUTE_BROADCAST;
}

function sendsRedirects(ns: usize, on: usize): bool {
  return sysctl(ns, SYSCTL_SEND_REDIRECTS) != 0 || load<u32>(on, DEV_SEND_REDIRECTS) != 0;
}

function routesLocalnet(ns: usize, on: usize): bool {
  return sysctl(ns, SYSCTL_ROUTE_LOCALNET) != 0 || load<u32>(on, DEV_ROUTE_LOCALNET) != 0;
}

/** The decision for a packet that came in by `input` (ip_route_input_slow). */
export function incoming(ns: usize, frame: usize, input: usize): i32 {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const from = ipv4.source(ip);
  const to = ipv4.destination(ip);
  const loopback = input == load<usize>(ns, NS_LOOPBACK);
  const localnet = loopback || routesLocalnet(ns, input);
  if (ipv4.isMulticast(from) || ipv4.isLimitedBroadcast(from)) return refuse(DROP_IP_INVALID_SOURCE);
  if (ipv4.isLimitedBroadcast(to) || (from == 0 && to == 0)) {
    store<u32>(frame, ROUTE_BROADCAST, FRAME_ROUTE_TYPE);
    return TO_LOCAL;
  }
  if (ipv4.isMulticast(to)) return refuse(DROP_IP_INVALID_DEST);
  if (ipv4.isZeroNet(from)) return refuse(DROP_IP_INVALID_SOURCE);
  if (ipv4.isZeroNet(to)) return refuse(DROP_IP_INVALID_DEST);
  if (!localnet && (ipv4.isLoopback(to) || ipv4.isLoopback(from))) return refuse(DROP_IP_LOCALNET);

  const route = lookupFrom(ns, from, to);
  const type = route ? load<u32>(route, ROUTE_TYPE) : 0;
  store<u32>(frame, type, FRAME_ROUTE_TYPE);
  if (type == ROUTE_LOCAL || (type == ROUTE_BROADCAST && !forwardsBroadcast(ns, input))) {
    if (!loopback) {
      const bad = sourceValid(ns, from, to, input, 0);
      if (bad) return refuse(bad);
    }
    return TO_LOCAL;
  }
  if (!load<u32>(input, DEV_FORWARDING) && type != ROUTE_BROADCAST) return unreachableSilently(type);
  if (!route) return unreachableBy(DROP_IP_INNOROUTES, NET_UNREACHABLE);
  if (type == ROUTE_BLACKHOLE) return refuse(DROP_BLACKHOLE);
  if (type == ROUTE_UNREACHABLE) return unreachableBy(DROP_IP_INNOROUTES, HOST_UNREACHABLE);
  if (type == ROUTE_PROHIBIT) return unreachableBy(DROP_IP_INNOROUTES, PKT_FILTERED);
  const output = load<usize>(route, ROUTE_DEVICE);
  const bad = sourceValid(ns, from, to, input, output);
  if (bad) return refuse(bad);
  tellsSender = output == input && fromNeighbour && sendsRedirects(ns, output);
  // A unicast packet in a broadcast frame is not forwarded.
  if (load<u32>(frame, FRAME_PACKET_TYPE) != PACKET_HOST) return refuse(DROP_UNICAST_IN_L2_MULTICAST);
  take(route, to);
  // A router keeps to its devices' MTUs, whatever it has learned, but for what is locked (ip_forward_use_pmtu).
  if (load<usize>(ns, NS_EXCEPTIONS)) limit(ns, to, true);
  return TO_FORWARD;
}

/**
 * The decision for a packet of IPv6 that came in by `input` (ip6_route_input, ip6_forward). Its addresses have been looked at. One to a group
 * that the device has not joined goes nowhere, and without a reason: everybody on the link gets those.
 */
export function incomingSix(ns: usize, frame: usize, input: usize): i32 {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const to = ipv6.destination(ip);
  if (ipv6.isMulticast(to)) {
    store<u32>(frame, ROUTE_MULTICAST, FRAME_ROUTE_TYPE);
    return address6.isMember(input, to) ? TO_LOCAL : refuse(DROP_NONE);
  }
  if (ipv6.isOnLink(to)) {
    // Of several links only this one is meant.
    const isOwn = address6.isOn(input, to);
    store<u32>(frame, isOwn ? ROUTE_LOCAL : ROUTE_UNICAST, FRAME_ROUTE_TYPE);
    if (isOwn) return TO_LOCAL;
    if (!address6.linkLocalOf(input)) return refuse(DROP_NOT_FORWARDING);
    if (!maySix(ns, frame)) return TO_NOWHERE;
    onLink(ns, to, input);
    return TO_FORWARD;
  }
  const route = lookupFrom(ns, ipv6.source(ip), to);
  const type = route ? load<u32>(route, ROUTE_TYPE) : 0;
  store<u32>(frame, type, FRAME_ROUTE_TYPE);
  if (type == ROUTE_LOCAL || type == ROUTE_ANYCAST) return TO_LOCAL;
  if (!route || type == ROUTE_UNREACHABLE) return unreachableBy(DROP_IP_INNOROUTES, icmpv6.NO_ROUTE);
  if (type == ROUTE_BLACKHOLE) return refuse(DROP_BLACKHOLE);
  if (type == ROUTE_PROHIBIT) return unreachableBy(DROP_IP_INNOROUTES, icmpv6.ADMIN_PROHIBITED);
  if (!maySix(ns, frame)) return TO_NOWHERE;
  take(route, to);
  return TO_FORWARD;
}

/** Whether a namespace forwards a packet of IPv6; sets `reason` if not. */
function maySix(ns: usize, frame: usize): bool {
  reason = DROP_NONE;
  if (!sysctl(ns, SYSCTL_IPV6_FORWARDING)) reason = DROP_NOT_FORWARDING;
  else if (load<u32>(frame, FRAME_PACKET_TYPE) != PACKET_HOST) reason = DROP_UNICAST_IN_L2_MULTICAST;
  return reason == DROP_NONE;
}

/** As `outgoing`, to an address of IPv6. */
function outgoingSix(ns: usize, to: u32, from: u32): i32 {
  const route = lookupFrom(ns, from, to);
  const type = route ? load<u32>(route, ROUTE_TYPE) : 0;
  const isOwn = type == ROUTE_LOCAL || type == ROUTE_ANYCAST;
  // Who has no address is not answered.
  if (!route || to == addresses.ANY || (!isOwn && type != ROUTE_UNICAST)) {
    reason = type == ROUTE_BLACKHOLE ? DROP_BLACKHOLE : DROP_IP_OUTNOROUTES;
    return TO_NOWHERE;
  }
  take(route, to);
  locked = false;
  if (isOwn) {
    device = load<usize>(ns, NS_LOOPBACK);
    mtu = load<u32>(device, DEV_MTU);
    nextHop = to;
    source = type == ROUTE_LOCAL ? to : address6.select(ns, load<usize>(route, ROUTE_DEVICE), to);
    return TO_LOCAL;
  }
  const preferred = load<u32>(route, ROUTE_SOURCE);
  source = preferred ? preferred : address6.select(ns, device, to);
  if (load<usize>(ns, NS_REDIRECTS)) goShorter(ns, to);
  if (load<usize>(ns, NS_EXCEPTIONS)) limit(ns, to, false);
  return TO_FORWARD;
}

/** A router may have told of a shorter way than the one found. It holds for some time only, so nobody remembers it longer. */
function goShorter(ns: usize, to: u32): void {
  const via = redirects.find(ns, to);
  if (via) nextHop = via;
  recorder.spoil();
}

/** The decision for a packet of IPv6 to a group or to an address of the link itself: out of that device. */
export function onLink(ns: usize, to: u32, on: usize): void {
  device = on;
  nextHop = to;
  mtu = load<u32>(on, DEV_MTU);
  source = address6.select(ns, on, to);
}

/** Whether the sender of a packet to be forwarded should be told of the shorter way (IPSKB_DOREDIRECT). */
export let tellsSender: bool = false;
let taken: usize = 0;

/** Whether the way found last goes over a gateway. */
export function usesGateway(): bool {
  return load<u32>(taken, ROUTE_VIA) != 0;
}

/** Whether the way found last says itself which source goes with it. */
export function prefersSource(): bool {
  return taken != 0 && load<u32>(taken, ROUTE_SOURCE) != 0;
}

function take(route: usize, to: u32): void {
  taken = route;
  device = load<usize>(route, ROUTE_DEVICE);
  const via = load<u32>(route, ROUTE_VIA);
  const own = load<u32>(route, ROUTE_MTU);
  mtu = own ? own : load<u32>(device, DEV_MTU);
  nextHop = via ? via : to;
}

/** Whether the way found last takes so little that packets may be fragmented. */
let locked: bool = false;

/** Lowers `mtu` to what was learned about the way to an address (find_exception). */
function limit(ns: usize, to: u32, onlyLocked: bool): void {
  const exception = exceptions.find(ns, to);
  if (!exception) return;
  const isLocked = load<u32>(exception, EXCEPTION_LOCKED) != 0;
  if (onlyLocked && !isLocked) return;
  mtu = min<u32>(mtu, load<u32>(exception, EXCEPTION_MTU));
  locked = isLocked;
}

/** The flag of a packet of `bytes` bytes that goes the way found last: what fits is not to be fragmented (ip_dont_fragment). */
export function fragmentFlag(bytes: i32): i32 {
  return <u32>bytes > mtu || locked ? 0 : ipv4.FLAG_DF;
}

/** The same for a packet to an address that surely fits. */
export function fragmentFlagTo(ns: usize, to: u32): i32 {
  const exception = load<usize>(ns, NS_EXCEPTIONS) ? exceptions.find(ns, to) : 0;
  return exception && load<u32>(exception, EXCEPTION_LOCKED) ? 0 : ipv4.FLAG_DF;
}

/** No more than `bytes` fit on the way to an address: what this host sends there is no longer from now on (ip_rt_update_pmtu). */
export function learnMtu(ns: usize, to: u32, bytes: u32): void {
  if (outgoing(ns, to) == TO_FORWARD) exceptions.learn(ns, to, bytes, mtu);
}

/** The address of this host that goes with the way out of a packet that came in (ip_rt_get_source). */
export function sourceOut(): u32 {
  return sourceOf(taken, nextHop);
}

/** The decision for a packet with a source route that came in for this host: on to its next stop. */
export function toStop(ns: usize, stop: u32): i32 {
  const route = lookup(ns, stop);
  if (!route) return refuse(DROP_IP_INNOROUTES);
  take(route, stop);
  tellsSender = false;
  return TO_FORWARD;
}

/** A host that does not forward drops what is not for it. */
function unreachableSilently(type: u32): i32 {
  return refuse(type == ROUTE_BLACKHOLE ? DROP_BLACKHOLE : DROP_NOT_FORWARDING);
}

/** The decision for a packet that this host sends, `from` if that is known; sets `device`, `nextHop`, `mtu` and `source` (ip_route_output_key). */
export function outgoing(ns: usize, to: u32, from: u32 = 0): i32 {
  if (addresses.isSix(to)) return outgoingSix(ns, to, from);
  const route = lookupFrom(ns, from, to);
  const type = route ? load<u32>(route, ROUTE_TYPE) : 0;
  if (!route || type == ROUTE_UNREACHABLE || type == ROUTE_PROHIBIT || type == ROUTE_BLACKHOLE) {
    reason = type == ROUTE_BLACKHOLE ? DROP_BLACKHOLE : DROP_IP_INNOROUTES;
    return TO_NOWHERE;
  }
  source = sourceOf(route, to);
  take(route, to);
  locked = false;
  if (type != ROUTE_LOCAL) {
    // What comes from 127.0.0.0/8 leaves the host only where that is allowed (__mkroute_output).
    if (!ipv4.isLoopback(from) || routesLocalnet(ns, device)) {
      if (load<usize>(ns, NS_EXCEPTIONS)) limit(ns, to, false);
      return TO_FORWARD;
    }
    reason = DROP_IP_LOCALNET;
    return TO_NOWHERE;
  }
  device = load<usize>(ns, NS_LOOPBACK);
  mtu = load<u32>(device, DEV_MTU);
  nextHop = to;
  // What is sent to one of its own addresses comes from that address (127.0.0.1 for loopback addresses).
  if (!ipv4.isLoopback(to)) source = to;
  return TO_LOCAL;
}

/** Writes the last decision into a frame. */
export function remember(frame: usize): void {
  store<usize>(frame, device, FRAME_DEVICE);
  store<u32>(frame, nextHop, FRAME_NEXT_HOP);
  store<u32>(frame, mtu, FRAME_MTU);
}
