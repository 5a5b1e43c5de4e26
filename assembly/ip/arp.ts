// ARP: requests made, requests answered, answers learned (net/ipv4/arp.c).
import { DROP_NONE, NUD_REACHABLE, NUD_STALE, ROUTE_LOCAL, ROUTE_UNICAST } from "../layout/codes.ts";
import { FRAME_DATA, FRAME_LENGTH, FRAME_NETWORK, FRAME_PACKET_TYPE, PACKET_HOST } from "../layout/frame.ts";
import {
  DEV_ARP_ACCEPT,
  DEV_ARP_ANNOUNCE,
  DEV_ARP_FILTER,
  DEV_ARP_IGNORE,
  DEV_FORWARDING,
  DEV_MAC_HIGH,
  DEV_MAC_LOW,
  DEV_NEIGH_PROXY_DELAY,
  DEV_PROXY_ARP,
  NEIGH_STATE,
  NS_SYSCTLS,
  ROUTE_DEVICE,
  ROUTE_TYPE,
  SYSCTL_ARP_ACCEPT,
  SYSCTL_ARP_ANNOUNCE,
  SYSCTL_ARP_FILTER,
  SYSCTL_ARP_IGNORE,
  SYSCTL_PROXY_ARP,
} from "../layout/records.ts";
import { onLink, select, sharesNetwork } from "../fib/address.ts";
import { addressType, addressTypeOn, lookupFrom } from "../fib/route.ts";
import { isSix } from "../memory/addresses.ts";
import * as frames from "../memory/frames.ts";
import * as arp from "../wire/arp.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as neighbour from "./neighbour.ts";
import * as route from "./route-packet.ts";

/** A message in a frame of its own, ready to be sent out of a device. */
function message(
  device: usize,
  operation: i32,
  sourceAddress: u32,
  toHigh: u32,
  toLow: u32,
  targetHigh: u32,
  targetLow: u32,
  targetAddress: u32,
): usize {
  const frame = frames.newPacket();
  const at = load<usize>(frame, FRAME_DATA);
  const macHigh = load<u32>(device, DEV_MAC_HIGH);
  const macLow = load<u32>(device, DEV_MAC_LOW);
  ethernet.setDestination(at, toHigh, toLow);
  ethernet.setSource(at, macHigh, macLow);
  ethernet.setType(at, ethernet.TYPE_ARP);
  const body = at + ethernet.ETHERNET_LENGTH;
  arp.write(body, operation, macHigh, macLow, sourceAddress, targetHigh, targetLow, targetAddress);
  store<usize>(frame, body, FRAME_NETWORK);
  store<u32>(frame, ethernet.ETHERNET_LENGTH + arp.ARP_LENGTH, FRAME_LENGTH);
  return frame;
}

/** A request for an address, to everybody or (`toHigh`, `toLow`) to the one who had it. */
export function request(device: usize, address: u32, source: u32, toHigh: u32, toLow: u32): usize {
  const from = source ? source : select(device, address);
  return message(device, arp.ARP_REQUEST, from, toHigh, toLow, 0, 0, address);
}

/** A reply to be sent, made by `receive`; 0: none. */
export let reply: usize = 0;
/** The entry that `receive` updated, whose waiting frames may go now; 0: none. */
export let updated: usize = 0;

/** What is set for all devices and for one: the higher of the two (IN_DEV_MAXCONF), which for switches is either (IN_DEV_ORCONF). */
function setting(ns: usize, device: usize, forAll: i32, field: usize): u32 {
  return max<u32>(load<u32>(ns + NS_SYSCTLS + ((<usize>forAll) << 2)), load<u32>(device + field));
}

/** Whether a local address is not to be answered for on this device (arp_ignore). */
function ignored(ns: usize, device: usize, sender: u32, target: u32): bool {
  const level = setting(ns, device, SYSCTL_ARP_IGNORE, DEV_ARP_IGNORE);
  if (level == 0) return false;
  if (level == 1 || (level == 2 && !sender)) return addressTypeOn(ns, target, device) != ROUTE_LOCAL;
  if (level == 2) return addressTypeOn(ns, target, device) != ROUTE_LOCAL || !sharesNetwork(device, target, sender);
  return level == 8;
}

/** Whether packets to the sender would go another way than by this device (arp_filter). */
function filtered(ns: usize, device: usize, sender: u32): bool {
  if (!setting(ns, device, SYSCTL_ARP_FILTER, DEV_ARP_FILTER)) return false;
  return route.outgoing(ns, sender) == route.TO_NOWHERE || route.device != device;
}

const ANSWER: i32 = 0;
const SILENCE: i32 = 1; // it is for this host, which has nothing to say
const NOT_FOR_US: i32 = 2; // it may still tell of its sender

/** What to do with a request: for an address of this host, or with proxy_arp for one behind another device. */
function decide(ns: usize, device: usize, sender: u32, target: u32): i32 {
  const isLocal = addressType(ns, target) == ROUTE_LOCAL;
  // A duplicate address check teaches nothing.
  if (!sender) return isLocal && !ignored(ns, device, sender, target) ? ANSWER : SILENCE;
  if (isMartian(sender)) return NOT_FOR_US;
  if (isLocal) {
    if (route.sourceValid(ns, sender, target, device, 0) != DROP_NONE) return NOT_FOR_US;
    return ignored(ns, device, sender, target) || filtered(ns, device, sender) ? SILENCE : ANSWER;
  }
  if (!load<u32>(device, DEV_FORWARDING) || !setting(ns, device, SYSCTL_PROXY_ARP, DEV_PROXY_ARP)) return NOT_FOR_US;
  const way = lookupFrom(ns, sender, target);
  if (!way || load<u32>(way, ROUTE_TYPE) != ROUTE_UNICAST) return NOT_FOR_US;
  const output = load<usize>(way, ROUTE_DEVICE);
  if (output == device) return NOT_FOR_US;
  return route.sourceValid(ns, sender, target, device, output) == DROP_NONE ? ANSWER : NOT_FOR_US;
}

/** Whether an address can be no sender's (ip_route_input_slow). */
function isMartian(address: u32): bool {
  return (
    ipv4.isMulticast(address) || ipv4.isLimitedBroadcast(address) || ipv4.isZeroNet(address) || ipv4.isLoopback(address)
  );
}

/** Whether a host that is not known yet may make itself known (arp_accept). */
function accepts(ns: usize, device: usize, sender: u32): bool {
  const level = setting(ns, device, SYSCTL_ARP_ACCEPT, DEV_ARP_ACCEPT);
  return level == 1 || (level == 2 && onLink(device, sender));
}

/** Whether a message tells everybody where its sender is (arp_is_garp). */
function isGratuitous(ns: usize, at: usize): bool {
  if (arp.sender(at) != arp.target(at)) return false;
  if (arp.operation(at) == arp.ARP_REPLY && !arp.namesItself(at)) return false;
  return addressType(ns, arp.sender(at)) == ROUTE_UNICAST;
}

/** The milliseconds that a reply for somebody else may be held back (proxy_delay); 0: `reply` goes at once. */
export let held: u32 = 0;

/** Handles a message that came in by a device (arp_process). False: it is not one that can be read. */
export function receive(ns: usize, device: usize, frame: usize): bool {
  reply = 0;
  updated = 0;
  held = 0;
  const at = load<usize>(frame, FRAME_NETWORK);
  const length = load<i32>(frame, FRAME_LENGTH) - ethernet.ETHERNET_LENGTH;
  if (length < arp.ARP_LENGTH || !arp.isIpv4OverEthernet(at)) return false;
  const operation = arp.operation(at);
  if (operation != arp.ARP_REQUEST && operation != arp.ARP_REPLY) return false;
  const sender = arp.sender(at);
  const target = arp.target(at);
  const macHigh = arp.senderMacHigh(at);
  const macLow = arp.senderMacLow(at);
  if (ipv4.isMulticast(target) || ipv4.isLoopback(target)) return false;
  // Such addresses stand for those of IPv6 here.
  if (isSix(target) || isSix(sender)) return false;
  const toHost = load<u32>(frame, FRAME_PACKET_TYPE) == PACKET_HOST;

  const decision = operation == arp.ARP_REQUEST ? decide(ns, device, sender, target) : NOT_FOR_US;
  if (decision == ANSWER) {
    reply = message(device, arp.ARP_REPLY, target, macHigh, macLow, macHigh, macLow, sender);
    if (sender) {
      updated = neighbour.entryOf(ns, device, sender);
      neighbour.update(updated, macHigh, macLow, NUD_STALE, true);
    }
    if (!toHost && addressType(ns, target) != ROUTE_LOCAL) held = load<u32>(device, DEV_NEIGH_PROXY_DELAY);
  }
  if (decision != NOT_FOR_US || !sender) return true;
  // An answer, or somebody else's question: it renews what is known already, and only with arp_accept teaches anything new.
  const gratuitous = isGratuitous(ns, at);
  let entry = neighbour.lookup(ns, device, sender);
  if (!entry) {
    const isReply = operation == arp.ARP_REPLY && addressType(ns, sender) == ROUTE_UNICAST;
    if (!(gratuitous || isReply) || !accepts(ns, device, sender)) return true;
    entry = neighbour.entryOf(ns, device, sender);
  } else if (!load<u32>(entry, NEIGH_STATE)) {
    return true;
  }
  const unicastReply = operation == arp.ARP_REPLY && toHost;
  const overrides = !neighbour.locked(entry) || gratuitous;
  neighbour.update(entry, macHigh, macLow, unicastReply ? NUD_REACHABLE : NUD_STALE, overrides);
  updated = entry;
  return true;
}

/** The address that a request for another one comes from, by the packet that waits for the answer (arp_announce); 0: the device's own. */
export function announced(ns: usize, device: usize, target: u32, waiting: u32): u32 {
  const level = setting(ns, device, SYSCTL_ARP_ANNOUNCE, DEV_ARP_ANNOUNCE);
  if (level >= 2 || addressType(ns, waiting) != ROUTE_LOCAL) return 0;
  return level == 0 || sharesNetwork(device, target, waiting) ? waiting : 0;
}
