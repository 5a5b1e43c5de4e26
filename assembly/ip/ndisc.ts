// Neighbor Discovery: solicitations made, solicitations answered, advertisements learned (RFC 4861, net/ipv6/ndisc.c).
import {
  DROP_IPV6_NDISC_BAD_CODE,
  DROP_IPV6_NDISC_BAD_OPTIONS,
  DROP_IPV6_NDISC_FRAG,
  DROP_IPV6_NDISC_HOP_LIMIT,
  DROP_IPV6_NDISC_NS_OTHERHOST,
  DROP_NONE,
  DROP_PKT_TOO_SMALL,
  NUD_REACHABLE,
  NUD_STALE,
} from "../layout/codes.ts";
import { FRAME_DEVICE, FRAME_NETWORK, FRAME_NEXT_HOP, FRAME_MTU } from "../layout/frame.ts";
import {
  DEV_MAC_HIGH,
  DEV_MAC_LOW,
  DEV_MTU,
  NEIGH_STATE,
  NS_SYSCTLS,
  SYSCTL_IPV6_FORWARDING,
} from "../layout/records.ts";
import * as address6 from "../fib/address6.ts";
import * as addresses from "../memory/addresses.ts";
import { allocate } from "../memory/arena.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as neighbour from "./neighbour.ts";
import { finishWithHops, newPacket, payloadOf } from "./packet.ts";

const HOPS = 255; // a router would have lowered it: the message comes from the link itself

let scratch: usize = 0;

/** The group that hears solicitations for an address. */
function groupOf(address: u32): u32 {
  if (!scratch) scratch = allocate(16);
  ipv6.writeSolicitedNode(scratch, address);
  return addresses.numberOf(scratch);
}

/** A message about `target` from `source` to `to`, on its way out of a device. `option` 0: without a link address. */
function message(
  ns: usize,
  device: usize,
  kind: i32,
  flags: u32,
  source: u32,
  to: u32,
  target: u32,
  option: i32,
): usize {
  const frame = newPacket(ns, 0);
  const at = payloadOf(frame);
  icmpv6.write(at, kind, 0, flags);
  v128.store(icmpv6.target(at), v128.load(addresses.bytesOf(target)));
  let bytes = icmpv6.NEIGHBOUR_LENGTH;
  if (option) {
    const macHigh = load<u32>(device, DEV_MAC_HIGH);
    icmpv6.writeLinkOption(at + <usize>bytes, option, macHigh, load<u32>(device, DEV_MAC_LOW));
    bytes += icmpv6.LINK_OPTION_LENGTH;
  }
  return sealed(device, frame, at, bytes, source, to);
}

/** A message of `bytes` bytes that is written but for its checksum, with the header that it has on a link. */
export function sealed(device: usize, frame: usize, at: usize, bytes: i32, source: u32, to: u32): usize {
  icmpv6.seal(at, bytes, source, to);
  finishWithHops(frame, ipv6.PROTO_ICMPV6, source, to, bytes, HOPS);
  store<usize>(frame, device, FRAME_DEVICE);
  store<u32>(frame, to, FRAME_NEXT_HOP);
  store<u32>(frame, load<u32>(device, DEV_MTU), FRAME_MTU);
  return frame;
}

/**
 * A solicitation for an address: to its group, or as a probe to the address itself. It comes from the source of the packet that waits, if
 * that is an address of the device (`waiting`; 0: none waits), else from the link-local one (ndisc_solicit).
 */
export function solicitation(ns: usize, device: usize, address: u32, waiting: u32, probes: bool): usize {
  const own = waiting && address6.isOn(device, waiting) ? waiting : address6.linkLocalOf(device);
  const source = own ? own : addresses.ANY;
  const to = probes ? address : groupOf(address);
  const option = own ? icmpv6.OPTION_SOURCE_LINK : 0;
  return message(ns, device, icmpv6.NEIGHBOUR_SOLICITATION, 0, source, to, address, option);
}

/** Whether a message at `at` is one that only somebody on the link can have sent: DROP_NONE, or what is wrong (ndisc_rcv). */
export function isOfLink(ip: usize, at: usize): i32 {
  ipv6.walk(ip, ipv6.totalLength(ip));
  if (ipv6.fragmentHeader) return DROP_IPV6_NDISC_FRAG;
  if (ipv6.hopLimit(ip) != HOPS) return DROP_IPV6_NDISC_HOP_LIMIT;
  return icmpv6.code(at) ? DROP_IPV6_NDISC_BAD_CODE : DROP_NONE;
}

/** An advertisement to be sent, made by `receive`; 0: none. */
export let reply: usize = 0;
/** The entry that `receive` updated, whose waiting frames may go now; 0: none. */
export let updated: usize = 0;

/** Handles a solicitation or advertisement of `bytes` bytes at `at` that came in by a device (ndisc_rcv). A DROP_* code, or DROP_NONE. */
export function receive(ns: usize, device: usize, frame: usize, at: usize, bytes: i32): i32 {
  reply = 0;
  updated = 0;
  const ip = load<usize>(frame, FRAME_NETWORK);
  const bad = isOfLink(ip, at);
  if (bad) return bad;
  if (bytes < icmpv6.NEIGHBOUR_LENGTH) return DROP_PKT_TOO_SMALL;
  const target = addresses.numberOf(icmpv6.target(at));
  if (ipv6.isMulticast(target)) return DROP_IPV6_NDISC_NS_OTHERHOST;
  const source = ipv6.source(ip);
  const destination = ipv6.destination(ip);
  return icmpv6.type(at) == icmpv6.NEIGHBOUR_SOLICITATION
    ? solicited(ns, device, at, bytes, source, destination, target)
    : advertised(ns, device, at, bytes, destination, target);
}

/** Somebody asks for an address (ndisc_recv_ns). */
function solicited(ns: usize, device: usize, at: usize, bytes: i32, from: u32, to: u32, target: u32): i32 {
  const asksForDuplicates = from == addresses.ANY;
  if (asksForDuplicates && !ipv6.isSolicitedNode(to)) return DROP_IPV6_NDISC_BAD_OPTIONS;
  const link = icmpv6.linkAddress(at, bytes, icmpv6.OPTION_SOURCE_LINK, icmpv6.NEIGHBOUR_LENGTH);
  if (!icmpv6.wellFormed || (link && asksForDuplicates)) return DROP_IPV6_NDISC_BAD_OPTIONS;
  if (!address6.isOn(device, target)) return DROP_NONE;
  const router = load<u32>(ns + NS_SYSCTLS, SYSCTL_IPV6_FORWARDING << 2) != 0;
  if (asksForDuplicates) {
    const flags = icmpv6.flagsOf(router, false, true);
    reply = advertisement(ns, device, flags, target, addresses.ALL_NODES, true);
    return DROP_NONE;
  }
  const toGroup = ipv6.isMulticast(to);
  let entry = neighbour.lookup(ns, device, from);
  if (!entry && (!toGroup || link)) entry = neighbour.entryOf(ns, device, from);
  if (!entry) return DROP_NONE;
  if (link) {
    neighbour.update(entry, icmpv6.optionMacHigh(link), icmpv6.optionMacLow(link), NUD_STALE, true);
    updated = entry;
  }
  reply = advertisement(ns, device, icmpv6.flagsOf(router, true, toGroup), target, from, toGroup);
  return DROP_NONE;
}

function advertisement(ns: usize, device: usize, flags: u32, target: u32, to: u32, withLink: bool): usize {
  const option = withLink ? icmpv6.OPTION_TARGET_LINK : 0;
  return message(ns, device, icmpv6.NEIGHBOUR_ADVERTISEMENT, flags, target, to, target, option);
}

/** Somebody says where an address is (ndisc_recv_na): who is not known or asked for is not learned. */
function advertised(ns: usize, device: usize, at: usize, bytes: i32, to: u32, target: u32): i32 {
  const solicited = icmpv6.isSolicited(at);
  if (solicited && ipv6.isMulticast(to)) return DROP_IPV6_NDISC_BAD_OPTIONS;
  const link = icmpv6.linkAddress(at, bytes, icmpv6.OPTION_TARGET_LINK, icmpv6.NEIGHBOUR_LENGTH);
  if (!icmpv6.wellFormed) return DROP_IPV6_NDISC_BAD_OPTIONS;
  const entry = neighbour.lookup(ns, device, target);
  if (!entry || !load<u32>(entry, NEIGH_STATE) || address6.isOn(device, target)) return DROP_NONE;
  const state = solicited ? NUD_REACHABLE : NUD_STALE;
  if (link) {
    const overrides = icmpv6.overrides(at);
    neighbour.update(entry, icmpv6.optionMacHigh(link), icmpv6.optionMacLow(link), state, overrides);
  } else if (!neighbour.confirm(entry, state)) {
    return DROP_NONE;
  }
  updated = entry;
  return DROP_NONE;
}
