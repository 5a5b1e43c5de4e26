// Addresses of devices, the routes that come with them, and which one a packet without a source gets.
import { ROUTE_BROADCAST, ROUTE_LOCAL, ROUTE_UNICAST } from "../layout/codes.ts";
import {
  ADDR_BROADCAST,
  ADDR_LOCAL,
  ADDR_MASK,
  ADDR_NEXT,
  ADDR_PREFIX,
  ADDR_SECONDARY,
  ADDR_SIZE,
  DEV_ADDRESSES,
  DEV_ADDRESSES_END,
  DEV_NAMESPACE,
  DEV_NEXT,
  NS_DEVICES,
  NS_TABLE_LOCAL,
  NS_TABLE_MAIN,
  ROUTE_DEVICE,
  ROUTE_SOURCE,
  ROUTE_VIA,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import * as route from "./route.ts";

/** Adds an address with the routes that the kernel adds for it (fib_add_ifaddr). */
export function addAddress(ns: usize, device: usize, address: u32, prefix: u32): void {
  const mask = route.maskOf(prefix);
  const record = allocate(ADDR_SIZE);
  const broadcast = prefix < 31 ? address | ~mask : 0;
  store<u32>(record, address, ADDR_LOCAL);
  store<u32>(record, mask, ADDR_MASK);
  store<u32>(record, prefix, ADDR_PREFIX);
  store<u32>(record, broadcast, ADDR_BROADCAST);
  // A device of ip_vs has as many addresses as there are Services: those of their own are not held against each other.
  const mayShare = prefix < 32 || route.addressTypeOn(ns, address, device) == ROUTE_LOCAL;
  if (mayShare && isShared(device, address, mask)) store<u32>(record, 1, ADDR_SECONDARY);
  const end = load<usize>(device, DEV_ADDRESSES_END);
  store<usize>(end ? end : device + DEV_ADDRESSES, record);
  store<usize>(device, record + ADDR_NEXT, DEV_ADDRESSES_END);
  route.flushCache(ns);
  const local = load<usize>(ns, NS_TABLE_LOCAL);
  route.add(local, address, 32, ROUTE_LOCAL, 0, device, address, 0);
  if (address >> 24 == 127) {
    route.add(local, address & mask, prefix, ROUTE_LOCAL, 0, device, address, 0);
    return;
  }
  if (broadcast) route.add(local, broadcast, 32, ROUTE_BROADCAST, 0, device, address, 0);
  if (prefix < 32 && !load<u32>(record, ADDR_SECONDARY)) {
    route.add(load<usize>(ns, NS_TABLE_MAIN), address & mask, prefix, ROUTE_UNICAST, 0, device, address, 0);
  }
}

/** Whether the device has another address with the same network. */
function isShared(device: usize, address: u32, mask: u32): bool {
  let other = load<usize>(device, DEV_ADDRESSES);
  while (other) {
    if (load<u32>(other, ADDR_MASK) == mask && ((load<u32>(other, ADDR_LOCAL) ^ address) & mask) == 0) return true;
    other = load<usize>(other, ADDR_NEXT);
  }
  return false;
}

/** Takes away an address of its own (/32), with its route (fib_del_ifaddr). */
export function removeAddress(ns: usize, device: usize, address: u32): void {
  let link = device + DEV_ADDRESSES;
  while (load<usize>(link) && load<u32>(load<usize>(link), ADDR_LOCAL) != address) link = load<usize>(link) + ADDR_NEXT;
  const record = load<usize>(link);
  if (!record) return;
  store<usize>(link, load<usize>(record, ADDR_NEXT));
  if (load<usize>(device, DEV_ADDRESSES_END) == record + ADDR_NEXT) store<usize>(device, link, DEV_ADDRESSES_END);
  route.remove(load<usize>(ns, NS_TABLE_LOCAL), address, 32, device);
  route.flushCache(ns);
}

/**
 * The source for packets to `destination` out of a device (inet_select_addr): the primary address on its network, or the
 * first. A device that has none but loopback addresses, which are of host scope, borrows one from the others.
 */
export function select(device: usize, destination: u32): u32 {
  const own = selectOn(device, destination);
  if (own) return own;
  let other = load<usize>(load<usize>(device, DEV_NAMESPACE), NS_DEVICES);
  while (other) {
    const address = selectOn(other, 0);
    if (address) return address;
    other = load<usize>(other, DEV_NEXT);
  }
  return 0;
}

function selectOn(device: usize, destination: u32): u32 {
  let first: u32 = 0;
  let record = load<usize>(device, DEV_ADDRESSES);
  while (record) {
    const address = load<u32>(record, ADDR_LOCAL);
    if (!load<u32>(record, ADDR_SECONDARY) && address >> 24 != 127) {
      if (((address ^ destination) & load<u32>(record, ADDR_MASK)) == 0) return address;
      if (!first) first = address;
    }
    record = load<usize>(record, ADDR_NEXT);
  }
  return first;
}

/** The source address that goes with a route (fib_result_prefsrc), 0 if its device has none. */
export function sourceOf(found: usize, destination: u32): u32 {
  const preferred = load<u32>(found, ROUTE_SOURCE);
  if (preferred) return preferred;
  const device = load<usize>(found, ROUTE_DEVICE);
  const via = load<u32>(found, ROUTE_VIA);
  return device ? select(device, via ? via : destination) : 0;
}

/** Whether two addresses are on the same network of the device (inet_addr_onlink). */
export function sharesNetwork(device: usize, a: u32, b: u32): bool {
  let record = load<usize>(device, DEV_ADDRESSES);
  while (record) {
    const local = load<u32>(record, ADDR_LOCAL);
    if ((((local ^ a) | (local ^ b)) & load<u32>(record, ADDR_MASK)) == 0) return true;
    record = load<usize>(record, ADDR_NEXT);
  }
  return false;
}

/** Whether an address is on a network of the device (inet_addr_onlink). */
export function onLink(device: usize, address: u32): bool {
  let record = load<usize>(device, DEV_ADDRESSES);
  while (record) {
    if (((load<u32>(record, ADDR_LOCAL) ^ address) & load<u32>(record, ADDR_MASK)) == 0) return true;
    record = load<usize>(record, ADDR_NEXT);
  }
  return false;
}
