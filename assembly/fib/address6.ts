// IPv6 addresses of devices, the routes and groups that come with them, and which one a packet without a source gets (net/ipv6/addrconf.c).
import { DEVICE_LOOPBACK, ROUTE_ANYCAST, ROUTE_LOCAL, ROUTE_UNICAST } from "../layout/codes.ts";
import {
  ADDR_LOCAL,
  ADDR_NEXT,
  ADDR_PREFIX,
  ADDR_SIZE,
  DEV_ADDRESSES6,
  DEV_KIND,
  DEV_MAC_HIGH,
  DEV_MAC_LOW,
  DEV_NAMESPACE,
  DEV_NEXT,
  NS_DEVICES,
  NS_IPV6,
  NS_LOOPBACK,
  NS_SYSCTLS,
  NS_TABLE_LOCAL6,
  NS_TABLE_MAIN6,
  SYSCTL_IPV6_FORWARDING,
} from "../layout/records.ts";
import * as addresses from "../memory/addresses.ts";
import { allocate } from "../memory/arena.ts";
import { blockOf } from "../memory/prefix.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as route from "./route.ts";

const METRIC_KERNEL: u32 = 256; // IP6_RT_PRIO_ADDRCONF
const METRIC_ANYCAST: u32 = 1; // an address that the host was given comes first

/** Gives a namespace IPv6 with its first address: the tables, and ::1 on its loopback device. */
export function begin(ns: usize): void {
  if (load<u32>(ns, NS_IPV6)) return;
  store<u32>(ns, 1, NS_IPV6);
  store<usize>(ns, route.newTable(), NS_TABLE_LOCAL6);
  store<usize>(ns, route.newTable(), NS_TABLE_MAIN6);
  append(load<usize>(ns, NS_LOOPBACK), addresses.LOOPBACK, 128);
}

/** Adds an address to a device, its link-local one first if it has none yet. */
export function addAddress(ns: usize, device: usize, address: u32, prefix: u32): void {
  begin(ns);
  const loops = load<i32>(device, DEV_KIND) == DEVICE_LOOPBACK;
  if (!loops && !linkLocalOf(device) && !ipv6.isLinkLocal(address)) {
    const bytes = allocate(16);
    ipv6.writeLinkLocal(bytes, load<u32>(device, DEV_MAC_HIGH), load<u32>(device, DEV_MAC_LOW));
    append(device, addresses.numberOf(bytes), 64);
  }
  append(device, address, prefix);
}

function append(device: usize, address: u32, prefix: u32): void {
  const ns = load<usize>(device, DEV_NAMESPACE);
  const record = allocate(ADDR_SIZE);
  store<u32>(record, address, ADDR_LOCAL);
  store<u32>(record, prefix, ADDR_PREFIX);
  let link = device + DEV_ADDRESSES6;
  while (load<usize>(link)) link = load<usize>(link) + ADDR_NEXT;
  store<usize>(link, record);
  route.flushCache(ns);
  route.add(load<usize>(ns, NS_TABLE_LOCAL6), address, 128, ROUTE_LOCAL, 0, device, address, 0);
  if (prefix == 128) return;
  route.add(load<usize>(ns, NS_TABLE_MAIN6), address, prefix, ROUTE_UNICAST, 0, device, 0, METRIC_KERNEL);
  // The anycast address of the network's routers is one of this host while it is one of them (addrconf_join_anycast).
  if (prefix > 126 || ipv6.isLinkLocal(address)) return;
  const network = blockOf(address, prefix);
  route.add(load<usize>(ns, NS_TABLE_LOCAL6), network, 128, ROUTE_ANYCAST, 0, device, 0, METRIC_ANYCAST);
}

/** The link-local address of a device, 0 if it has none. */
export function linkLocalOf(device: usize): u32 {
  let record = load<usize>(device, DEV_ADDRESSES6);
  while (record) {
    if (ipv6.isLinkLocal(load<u32>(record, ADDR_LOCAL))) return load<u32>(record, ADDR_LOCAL);
    record = load<usize>(record, ADDR_NEXT);
  }
  return 0;
}

/** Whether an address is one of the device itself (ipv6_chk_addr with a device). */
export function isOn(device: usize, address: u32): bool {
  let record = load<usize>(device, DEV_ADDRESSES6);
  while (record && load<u32>(record, ADDR_LOCAL) != address) record = load<usize>(record, ADDR_NEXT);
  return record != 0;
}

/** Whether the device listens to a group: all nodes, all routers if it is one, and those of its addresses (ipv6_chk_mcast_addr). */
export function isMember(device: usize, group: u32): bool {
  if (group == addresses.ALL_NODES) return true;
  const ns = load<usize>(device, DEV_NAMESPACE);
  if (group == addresses.ALL_ROUTERS) return load<u32>(ns + NS_SYSCTLS, SYSCTL_IPV6_FORWARDING << 2) != 0;
  for (let record = load<usize>(device, DEV_ADDRESSES6); record; record = load<usize>(record, ADDR_NEXT)) {
    if (ipv6.isSolicitedNodeOf(group, load<u32>(record, ADDR_LOCAL))) return true;
  }
  return false;
}

const SCOPE_LINK = 2;
const SCOPE_GLOBAL = 14;

function scopeOf(address: u32): i32 {
  if (ipv6.isMulticast(address)) return ipv6.multicastScope(address);
  return ipv6.isLinkLocal(address) || ipv6.isLoopback(address) ? SCOPE_LINK : SCOPE_GLOBAL;
}

/** The label of an address in the default policy table of the kernel, as far as addresses here differ (net/ipv6/addrlabel.c). */
function labelOf(address: u32): i32 {
  if (ipv6.isLoopback(address)) return 0;
  return ipv6.isUniqueLocal(address) ? 5 : 1;
}

/**
 * The source for packets to an address out of a device (ipv6_dev_get_saddr, RFC 6724): the address itself; the least scope that is
 * enough; one of that device; one with the label of the destination; the one with the longest prefix in common. 0: there is none.
 */
export function select(ns: usize, device: usize, to: u32): u32 {
  const scope = scopeOf(to);
  const label = labelOf(to);
  let best: u32 = 0;
  let score: i64 = -1;
  for (let on = load<usize>(ns, NS_DEVICES); on; on = load<usize>(on, DEV_NEXT)) {
    // Within the scope of a link only that link counts.
    if (scope <= SCOPE_LINK && on != device) continue;
    for (let record = load<usize>(on, DEV_ADDRESSES6); record; record = load<usize>(record, ADDR_NEXT)) {
      const own = load<u32>(record, ADDR_LOCAL);
      if (ipv6.isLoopback(own) && !ipv6.isLoopback(to)) continue;
      const ownScope = scopeOf(own);
      const fitting = ownScope >= scope ? 128 - ownScope : ownScope;
      const common = min<i32>(ipv6.commonBits(own, to), load<i32>(record, ADDR_PREFIX));
      const points =
        ((own == to ? <i64>1 : 0) << 40) |
        ((<i64>fitting) << 24) |
        ((on == device ? <i64>1 : 0) << 23) |
        ((labelOf(own) == label ? <i64>1 : 0) << 22) |
        (<i64>common);
      if (points <= score) continue;
      score = points;
      best = own;
    }
  }
  return best;
}
