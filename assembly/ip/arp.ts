// ARP: requests made, requests answered, answers learned (net/ipv4/arp.c).
import { NUD_REACHABLE, NUD_STALE, ROUTE_LOCAL } from "../layout/codes.ts";
import { FRAME_DATA, FRAME_LENGTH, FRAME_NETWORK, FRAME_PACKET_TYPE, PACKET_HOST } from "../layout/frame.ts";
import {
  DEV_ARP_IGNORE,
  DEV_MAC_HIGH,
  DEV_MAC_LOW,
  NEIGH_STATE,
  NS_SYSCTLS,
  SYSCTL_ARP_IGNORE,
} from "../layout/records.ts";
import { onLink, select } from "../fib/address.ts";
import { addressType, addressTypeOn } from "../fib/route.ts";
import * as frames from "../memory/frames.ts";
import * as arp from "../wire/arp.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as neighbour from "./neighbour.ts";

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

/** Whether a local address is not to be answered for on this device (arp_ignore). */
function ignored(ns: usize, device: usize, sender: u32, target: u32): bool {
  const level = max<u32>(load<u32>(ns + NS_SYSCTLS, SYSCTL_ARP_IGNORE << 2), load<u32>(device, DEV_ARP_IGNORE));
  if (level == 0) return false;
  if (level == 1) return addressTypeOn(ns, target, device) != ROUTE_LOCAL;
  if (level == 2) return addressTypeOn(ns, target, device) != ROUTE_LOCAL || !onLink(device, sender);
  return level == 8;
}

/** Handles a message that came in by a device (arp_process). False: it is not one that can be read. */
export function receive(ns: usize, device: usize, frame: usize): bool {
  reply = 0;
  updated = 0;
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

  if (operation == arp.ARP_REQUEST) {
    const local = addressType(ns, target) == ROUTE_LOCAL;
    if (local && !ignored(ns, device, sender, target)) {
      reply = message(device, arp.ARP_REPLY, target, macHigh, macLow, macHigh, macLow, sender);
      if (sender) {
        updated = neighbour.entryOf(ns, device, sender);
        neighbour.update(updated, macHigh, macLow, NUD_STALE, true);
      }
      return true;
    }
  }
  // An answer, or somebody else's question: it renews what is known already, it teaches nothing new.
  const entry = neighbour.lookup(ns, device, sender);
  if (!entry) return true;
  const unicastReply = operation == arp.ARP_REPLY && load<u32>(frame, FRAME_PACKET_TYPE) == PACKET_HOST;
  const gratuitous = sender == target;
  const overrides = !neighbour.locked(entry) || gratuitous;
  if (load<u32>(entry, NEIGH_STATE)) {
    neighbour.update(entry, macHigh, macLow, unicastReply ? NUD_REACHABLE : NUD_STALE, overrides);
    updated = entry;
  }
  return true;
}
