// Redirects of Neighbor Discovery: a router tells its neighbour of a shorter way, and a host believes it (RFC 4861, 8; net/ipv6/ndisc.c).
import {
  DROP_IPV6_NDISC_BAD_OPTIONS,
  DROP_NONE,
  DROP_PKT_TOO_SMALL,
  NUD_STALE,
  ROUTE_LOCAL,
  ROUTE_UNICAST,
} from "../layout/codes.ts";
import { FRAME_NETWORK } from "../layout/frame.ts";
import {
  DEV_ACCEPT_REDIRECTS6,
  NEIGH_MAC_HIGH,
  NEIGH_MAC_LOW,
  NS_LOOPBACK,
  NS_SYSCTLS,
  ROUTE_DEVICE,
  ROUTE_TYPE,
  ROUTE_VIA,
  SYSCTL_IPV6_FORWARDING,
} from "../layout/records.ts";
import * as address6 from "../fib/address6.ts";
import * as redirects from "../fib/redirect.ts";
import { lookup } from "../fib/route.ts";
import * as addresses from "../memory/addresses.ts";
import { SECOND } from "../memory/clock.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import { PROTO_TCP } from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { peerAllows } from "./icmp-error.ts";
import { isOfLink, sealed } from "./ndisc.ts";
import * as neighbour from "./neighbour.ts";
import { newPacketFor, payloadOf } from "./packet.ts";

const LARGEST = 1280; // IPV6_MIN_MTU, which a redirect with what it quotes does not go beyond
const BURST: u64 = 6; // XRLIM_BURST_FACTOR

/**
 * Tells the sender of a packet of `length` bytes at `ip` that `target`, a neighbour of its own, is the shorter way to the packet's
 * destination: with the target's link address if it is known, and as much of the packet as fits. A destination and a sender are told of
 * once a second, after a burst (ip6_forward, ndisc_send_redirect). 0: not now, or not at all.
 */
export function make(ns: usize, device: usize, ip: usize, length: i32, target: u32): usize {
  const to = ipv6.source(ip);
  const about = ipv6.destination(ip);
  if (!peerAllows(ns, about, SECOND, BURST)) return 0;
  const own = address6.linkLocalOf(device);
  if (!own || (target != about && !ipv6.isLinkLocal(target))) return 0;
  const out = ipv6.isLinkLocal(to) ? device : deviceTo(ns, device, to);
  if (!out) return 0;
  if (!peerAllows(ns, to, SECOND, BURST)) return 0;
  const frame = newPacketFor(ns, 0, LARGEST);
  const at = payloadOf(frame);
  icmpv6.write(at, icmpv6.REDIRECT, 0, 0);
  v128.store(icmpv6.target(at), v128.load(addresses.bytesOf(target)));
  v128.store(icmpv6.redirected(at), v128.load(addresses.bytesOf(about)));
  let bytes = icmpv6.REDIRECT_LENGTH;
  const entry = neighbour.entryOf(ns, device, target);
  if (neighbour.isValid(entry)) {
    const macHigh = load<u32>(entry, NEIGH_MAC_HIGH);
    icmpv6.writeLinkOption(at + <usize>bytes, icmpv6.OPTION_TARGET_LINK, macHigh, load<u32>(entry, NEIGH_MAC_LOW));
    bytes += icmpv6.LINK_OPTION_LENGTH;
  }
  const room = LARGEST - ipv6.IPV6_LENGTH - bytes;
  const quoted = min<i32>(room, length + icmpv6.PACKET_OPTION_LENGTH) & ~7;
  icmpv6.writePacketOption(at + <usize>bytes, ip, quoted);
  return sealed(out, frame, at, bytes + quoted, own, to);
}

/** The device if an address is straight behind it, over no gateway, or that of this host if it is one of its own; 0: neither. */
function deviceTo(ns: usize, device: usize, address: u32): usize {
  const way = lookup(ns, address);
  if (!way || load<u32>(way, ROUTE_VIA)) return 0;
  if (load<u32>(way, ROUTE_TYPE) == ROUTE_LOCAL) return load<usize>(ns, NS_LOOPBACK);
  const isBehind = load<u32>(way, ROUTE_TYPE) == ROUTE_UNICAST && load<usize>(way, ROUTE_DEVICE) == device;
  return isBehind ? device : 0;
}

/** Where the header of the TCP segment stands that `receive` found quoted, and who sent it to whom; 0: it quotes none. */
export let segment: usize = 0;
export let sender: u32 = 0;
export let receiver: u32 = 0;
/** The entry that `believe` updated, whose waiting frames may go now; 0: none. */
export let updated: usize = 0;

let message: usize = 0;
let link: usize = 0; // the target's link address in the message
let about: u32 = 0; // the destination whose way is meant

/**
 * Reads a redirect of `bytes` bytes at `at` (ndisc_redirect_rcv). A DROP_* code, or DROP_NONE; `worth` says whether it is one to
 * believe, if there is a connection for `segment`.
 */
export function receive(ns: usize, device: usize, frame: usize, at: usize, bytes: i32): i32 {
  worth = false;
  segment = 0;
  const ip = load<usize>(frame, FRAME_NETWORK);
  const bad = isOfLink(ip, at);
  if (bad) return bad;
  if (bytes < icmpv6.REDIRECT_LENGTH) return DROP_PKT_TOO_SMALL;
  const router = ipv6.source(ip);
  if (!ipv6.isLinkLocal(router)) return DROP_NONE;
  link = icmpv6.linkAddress(at, bytes, icmpv6.OPTION_TARGET_LINK, icmpv6.REDIRECT_LENGTH);
  const packet = icmpv6.findOption(at, bytes, icmpv6.OPTION_PACKET, icmpv6.REDIRECT_LENGTH);
  if (!icmpv6.wellFormed) return DROP_IPV6_NDISC_BAD_OPTIONS;
  message = at;
  about = addresses.numberOf(icmpv6.redirected(at));
  if (packet && !readQuoted(packet)) return DROP_NONE;
  worth = isTrusted(ns, device, router);
  return DROP_NONE;
}
/** Whether what `receive` read is to be believed. */
export let worth: bool = false;

/** Reads the packet that a redirect quotes. False: nobody would hear of it, as sockets of UDP do not (ip6_sk_redirect wants a device). */
function readQuoted(option: usize): bool {
  const inner = option + icmpv6.PACKET_OPTION_LENGTH;
  const quoted = ((<i32>load<u8>(option + 1)) << 3) - icmpv6.PACKET_OPTION_LENGTH;
  if (quoted < ipv6.IPV6_LENGTH || !ipv6.walk(inner, quoted) || quoted < ipv6.headers + 8) return false;
  if (ipv6.protocol == PROTO_TCP) {
    segment = inner + <usize>ipv6.headers;
    sender = ipv6.source(inner);
    receiver = ipv6.destination(inner);
    return true;
  }
  if (ipv6.protocol != ipv6.PROTO_ICMPV6) return false;
  about = ipv6.destination(inner);
  return true;
}

/**
 * Whether a host takes a redirect from a router: from the one that it sends to so far, of which connections of TCP do not make sure
 * (rt6_do_redirect, ip6_route_redirect).
 */
function isTrusted(ns: usize, device: usize, router: u32): bool {
  if (load<u32>(ns + NS_SYSCTLS, SYSCTL_IPV6_FORWARDING << 2) || !load<u32>(device, DEV_ACCEPT_REDIRECTS6))
    return false;
  const to = addresses.numberOf(icmpv6.redirected(message));
  const target = addresses.numberOf(icmpv6.target(message));
  if (ipv6.isMulticast(to) || (target != to && !ipv6.isLinkLocal(target))) return false;
  const way = lookup(ns, about);
  if (!way || load<u32>(way, ROUTE_TYPE) != ROUTE_UNICAST) return false;
  if (segment) return true;
  const gateway = load<u32>(way, ROUTE_VIA);
  if (!gateway || load<usize>(way, ROUTE_DEVICE) != device) return false;
  return router == gateway || router == redirects.find(ns, about);
}

/** Goes the way that the redirect read last tells of, from now on. */
export function believe(ns: usize, device: usize): void {
  const target = addresses.numberOf(icmpv6.target(message));
  const entry = neighbour.entryOf(ns, device, target);
  updated = link ? entry : 0;
  if (link) neighbour.update(entry, icmpv6.optionMacHigh(link), icmpv6.optionMacLow(link), NUD_STALE, true);
  redirects.learn(ns, addresses.numberOf(icmpv6.redirected(message)), target);
}
