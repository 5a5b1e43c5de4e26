// Routing tables (FIB) of IPv4 and IPv6: longest prefix first, then least metric; the local table before the main one, as `ip rule` has it by default.
import {
  ROUTE_ANYCAST,
  ROUTE_BROADCAST,
  ROUTE_LOCAL,
  ROUTE_MULTICAST,
  ROUTE_UNICAST,
  ROUTE_UNREACHABLE,
} from "../layout/codes.ts";
import {
  CACHE_ADDRESS,
  CACHE_BITS,
  CACHE_LOCAL,
  CACHE_NEIGHBOUR,
  CACHE_ROUTE,
  CACHE_SIZE,
  CACHE_SLOTS,
  CACHE_VALID,
  COMMON_COUNT,
  COMMON_ENTRY,
  COMMON_FIRST,
  COMMON_LENGTH,
  COMMON_NETWORK,
  COMMON_VIA,
  DEV_UP,
  FIB_COMMON,
  FIB_COMMON_DEVICE,
  FIB_COMMON_EXCEPT,
  FIB_HASH,
  FIB_HOSTS,
  FIB_LENGTHS,
  FIB_LENGTHS_UPPER,
  FIB_SIZE,
  NS_IPV6,
  NS_POLICIES,
  NS_POLICIES6,
  NS_ROUTE_CACHE,
  NS_SYSCTLS,
  NS_TABLES,
  NS_TABLES6,
  NS_TABLE_LOCAL,
  NS_TABLE_LOCAL6,
  NS_TABLE_MAIN,
  NS_TABLE_MAIN6,
  POLICY_DESTINATION,
  POLICY_DESTINATION_MASK,
  POLICY_NEXT,
  POLICY_PRIORITY,
  POLICY_ROUTE,
  POLICY_SIZE,
  POLICY_SOURCE,
  POLICY_SOURCE_MASK,
  POLICY_TABLE,
  ROUTE_DEVICE,
  ROUTE_LENGTH,
  ROUTE_METRIC,
  ROUTE_MTU,
  ROUTE_NETWORK,
  ROUTE_SIZE,
  ROUTE_SOURCE,
  ROUTE_TYPE,
  ROUTE_VIA,
  SYSCTL_IPV6_FORWARDING,
  TABLE_FIB,
  TABLE_ID,
  TABLE_NEXT,
  TABLE_RECORD,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import * as hash from "../memory/hash.ts";
import * as recorder from "../memory/recorder.ts";
import { isSix } from "../memory/addresses.ts";
import { blockOf, knownBlockOf, under } from "../memory/prefix.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { isLimitedBroadcast, isMulticast, isZeroNet } from "../wire/ipv4.ts";

export const TABLE_MAIN: u32 = 254; // RT_TABLE_MAIN

export function newTable(): usize {
  const table = allocate(FIB_SIZE);
  store<usize>(table, hash.newTable(16), FIB_HASH);
  return table;
}

export function maskOf(length: u32): u32 {
  return length ? (<u32>0xffffffff) << (32 - length) : 0;
}

/** The hash that a record stands under. */
function hashOfRecord(route: usize): u32 {
  return hash.mix(load<u32>(route, ROUTE_NETWORK), load<u32>(route, ROUTE_LENGTH));
}

/** Adds a route, which it returns; of equal prefix and metric the first one stays in force. Whoever changes a table flushes the cache. */
export function add(
  table: usize,
  network: u32,
  length: u32,
  type: u32,
  via: u32,
  device: usize,
  source: u32,
  metric: u32,
  mtu: u32 = 0,
): usize {
  const route = allocate(ROUTE_SIZE);
  const base = isSix(network) ? blockOf(network, length) : network & maskOf(length);
  store<u32>(route, base, ROUTE_NETWORK);
  store<u32>(route, length, ROUTE_LENGTH);
  store<u32>(route, type, ROUTE_TYPE);
  store<u32>(route, via, ROUTE_VIA);
  store<usize>(route, device, ROUTE_DEVICE);
  store<u32>(route, source, ROUTE_SOURCE);
  store<u32>(route, metric, ROUTE_METRIC);
  store<u32>(route, mtu, ROUTE_MTU);
  const routes = load<usize>(table, FIB_HASH);
  if (hash.crowded(routes)) hash.grow(routes, hashOfRecord, true);
  hash.append(routes, hash.mix(base, length), route);
  if (length == 128) {
    store<u32>(table, 1, FIB_HOSTS);
  } else {
    const lengths = table + (length < 64 ? FIB_LENGTHS : FIB_LENGTHS_UPPER);
    const bit = <u64>(length & 63);
    store<u64>(lengths, load<u64>(lengths) | ((<u64>1) << bit));
  }
  return route;
}

/** The best route of one table of IPv6, 0 if none: the same as `lookupIn`. */
function lookupSixIn(table: usize, address: u32): usize {
  if (load<u32>(table, FIB_HOSTS)) {
    const found = bestOf(table, address, 128);
    if (found) return found;
  }
  for (let half: usize = 2; half--;) {
    let lengths = load<u64>(table + (half ? FIB_LENGTHS_UPPER : FIB_LENGTHS));
    while (lengths) {
      const bit = 63 - clz<u64>(lengths);
      lengths ^= (<u64>1) << bit;
      const length = <u32>bit + (half ? 64 : 0);
      const network = knownBlockOf(address, length);
      const found = network ? bestOf(table, network, length) : 0;
      if (found) return found;
    }
  }
  return 0;
}

/** Of the routes to a network the one with the least metric; routes over devices that are down do not count. 0: there is none. */
function bestOf(table: usize, network: u32, length: u32): usize {
  let best: usize = 0;
  let route = load<usize>(hash.bucket(load<usize>(table, FIB_HASH), hash.mix(network, length)));
  while (route) {
    if (load<u32>(route, ROUTE_NETWORK) == network && load<u32>(route, ROUTE_LENGTH) == length) {
      const device = load<usize>(route, ROUTE_DEVICE);
      const up = !device || load<u32>(device, DEV_UP) != 0;
      if (up && (!best || load<u32>(route, ROUTE_METRIC) < load<u32>(best, ROUTE_METRIC))) best = route;
    }
    route = load<usize>(route);
  }
  return best;
}

/** Removes the first route to a network out of a device, if there is one. Whoever changes a table flushes the cache. */
export function remove(table: usize, network: u32, length: u32, device: usize): void {
  const routes = load<usize>(table, FIB_HASH);
  const h = hash.mix(network & maskOf(length), length);
  let route = load<usize>(hash.bucket(routes, h));
  while (route) {
    const same =
      load<u32>(route, ROUTE_NETWORK) == (network & maskOf(length)) && load<u32>(route, ROUTE_LENGTH) == length;
    if (same && load<usize>(route, ROUTE_DEVICE) == device) {
      hash.remove(routes, h, route);
      return;
    }
    route = load<usize>(route);
  }
}

/** Adds the routes of a list, all but the one at `except`, out of a device. Each becomes a record of the table when it is first used. */
export function addCommon(table: usize, list: usize, except: u32, device: usize): void {
  store<usize>(table, list, FIB_COMMON);
  store<usize>(table, device, FIB_COMMON_DEVICE);
  store<u32>(table, except, FIB_COMMON_EXCEPT);
  let lengths = load<u64>(table, FIB_LENGTHS);
  for (let i: u32 = 0; i < load<u32>(list, COMMON_COUNT); i++)
    lengths |= (<u64>1) << (<u64>load<u32>(commonAt(list, i), COMMON_LENGTH));
  store<u64>(table, lengths, FIB_LENGTHS);
}

/** Makes records of all common routes, for who looks through the table. */
export function expandCommon(table: usize): void {
  const list = load<usize>(table, FIB_COMMON);
  if (!list) return;
  for (let i: u32 = 0; i < load<u32>(list, COMMON_COUNT); i++) {
    const entry = commonAt(list, i);
    const network = load<u32>(entry, COMMON_NETWORK);
    const length = load<u32>(entry, COMMON_LENGTH);
    let route = load<usize>(hash.bucket(load<usize>(table, FIB_HASH), hash.mix(network, length)));
    while (route && !isCommon(table, route, entry)) route = load<usize>(route);
    if (!route) takeCommon(table, network, length);
  }
}

function commonAt(list: usize, place: u32): usize {
  return list + COMMON_FIRST + <usize>place * COMMON_ENTRY;
}

/** Whether a route of the table was made of an entry. */
function isCommon(table: usize, route: usize, entry: usize): bool {
  return (
    load<u32>(route, ROUTE_NETWORK) == load<u32>(entry, COMMON_NETWORK) &&
    load<u32>(route, ROUTE_LENGTH) == load<u32>(entry, COMMON_LENGTH) &&
    load<u32>(route, ROUTE_VIA) == load<u32>(entry, COMMON_VIA) &&
    load<usize>(route, ROUTE_DEVICE) == load<usize>(table, FIB_COMMON_DEVICE)
  );
}

/** Makes a record of the common route to a network, 0 if there is none. */
function takeCommon(table: usize, network: u32, length: u32): usize {
  const list = load<usize>(table, FIB_COMMON);
  let low: u32 = 0;
  let high = load<u32>(list, COMMON_COUNT);
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = commonAt(list, middle);
    const other = load<u32>(entry, COMMON_NETWORK);
    if (other < network || (other == network && load<u32>(entry, COMMON_LENGTH) < length)) low = middle + 1;
    else high = middle;
  }
  if (low == load<u32>(list, COMMON_COUNT) || low == load<u32>(table, FIB_COMMON_EXCEPT)) return 0;
  const entry = commonAt(list, low);
  if (load<u32>(entry, COMMON_NETWORK) != network || load<u32>(entry, COMMON_LENGTH) != length) return 0;
  const device = load<usize>(table, FIB_COMMON_DEVICE);
  return add(table, network, length, ROUTE_UNICAST, load<u32>(entry, COMMON_VIA), device, 0, 0);
}

/** The best route of one table, 0 if none. Routes over devices that are down do not count. */
function lookupIn(table: usize, address: u32): usize {
  let lengths = load<u64>(table, FIB_LENGTHS);
  while (lengths) {
    const length = <u32>(63 - clz<u64>(lengths));
    lengths ^= (<u64>1) << (<u64>length);
    const network = address & maskOf(length);
    let best = bestOf(table, network, length);
    if (!best && load<usize>(table, FIB_COMMON) && load<u32>(load<usize>(table, FIB_COMMON_DEVICE), DEV_UP))
      best = takeCommon(table, network, length);
    if (best) return best;
  }
  return 0;
}

/** The cache entry of an address, filled (CACHE_*). */
export function cached(ns: usize, address: u32): usize {
  // The upper bits of a product depend on all bits of the address.
  const slot = (address * 0x9e3779b1) >>> (32 - CACHE_BITS);
  let cache = load<usize>(ns, NS_ROUTE_CACHE);
  if (!cache) {
    // Most namespaces of a large cluster never ask.
    cache = allocate(CACHE_SLOTS * CACHE_SIZE);
    store<usize>(ns, cache, NS_ROUTE_CACHE);
  }
  const entry = cache + <usize>slot * CACHE_SIZE;
  if (load<u32>(entry, CACHE_ADDRESS) != address || !load<u32>(entry, CACHE_VALID)) fill(ns, entry, address);
  return entry;
}

function fill(ns: usize, entry: usize, address: u32): void {
  if (isSix(address)) {
    fillSix(ns, entry, address);
    return;
  }
  const local = lookupIn(load<usize>(ns, NS_TABLE_LOCAL), address);
  store<u32>(entry, address, CACHE_ADDRESS);
  store<u32>(entry, 1, CACHE_VALID);
  store<usize>(entry, local, CACHE_LOCAL);
  store<usize>(entry, local ? local : lookupIn(load<usize>(ns, NS_TABLE_MAIN), address), CACHE_ROUTE);
  store<usize>(entry, 0, CACHE_NEIGHBOUR);
}

function fillSix(ns: usize, entry: usize, address: u32): void {
  const on = load<u32>(ns, NS_IPV6) != 0;
  let local = on ? lookupSixIn(load<usize>(ns, NS_TABLE_LOCAL6), address) : 0;
  const isOfRouters = local != 0 && load<u32>(local, ROUTE_TYPE) == ROUTE_ANYCAST;
  if (isOfRouters && !load<u32>(ns + NS_SYSCTLS, SYSCTL_IPV6_FORWARDING << 2)) local = 0;
  store<u32>(entry, address, CACHE_ADDRESS);
  store<u32>(entry, 1, CACHE_VALID);
  store<usize>(entry, local, CACHE_LOCAL);
  const other = on && !local ? lookupSixIn(load<usize>(ns, NS_TABLE_MAIN6), address) : local;
  store<usize>(entry, other, CACHE_ROUTE);
  store<usize>(entry, 0, CACHE_NEIGHBOUR);
}

/** Forgets what was found, as a table or a link has changed. */
export function flushCache(ns: usize): void {
  recorder.changed();
  const cache = load<usize>(ns, NS_ROUTE_CACHE);
  if (!cache) return;
  for (let i: usize = 0; i < <usize>CACHE_SLOTS; i++) store<u32>(cache + i * CACHE_SIZE, 0, CACHE_VALID);
}

/** The route to an address (fib_lookup), 0 if none. */
export function lookup(ns: usize, address: u32): usize {
  return load<usize>(cached(ns, address), CACHE_ROUTE);
}

/** A table of a family by its number: 254 is the main one, others are made when they are first asked for. */
export function tableOf(ns: usize, id: u32, six: bool): usize {
  if (id == TABLE_MAIN) return load<usize>(ns + (six ? NS_TABLE_MAIN6 : NS_TABLE_MAIN));
  const tables = ns + (six ? NS_TABLES6 : NS_TABLES);
  let record = load<usize>(tables);
  while (record && load<u32>(record, TABLE_ID) != id) record = load<usize>(record, TABLE_NEXT);
  if (!record) {
    record = allocate(TABLE_RECORD);
    store<u32>(record, id, TABLE_ID);
    store<usize>(record, newTable(), TABLE_FIB);
    store<usize>(record, load<usize>(tables), TABLE_NEXT);
    store<usize>(tables, record);
  }
  return load<usize>(record, TABLE_FIB);
}

/**
 * Adds a rule (fib_nl2rule) of the family that its addresses are of: packets that fit look into `table`, or with 0 have `type`:
 * ROUTE_BLACKHOLE, ROUTE_PROHIBIT or, as if no table had a route, ROUTE_UNREACHABLE.
 */
export function addPolicy(
  ns: usize,
  priority: u32,
  source: u32,
  sourceLength: u32,
  destination: u32,
  destinationLength: u32,
  table: usize,
  type: u32,
): void {
  recorder.changed();
  const policy = allocate(POLICY_SIZE);
  const route = allocate(ROUTE_SIZE);
  store<u32>(route, type, ROUTE_TYPE);
  store<u32>(policy, priority, POLICY_PRIORITY);
  const six = isSix(destination);
  const sourceMask = six ? sourceLength : maskOf(sourceLength);
  const destinationMask = six ? destinationLength : maskOf(destinationLength);
  store<u32>(policy, sourceMask, POLICY_SOURCE_MASK);
  store<u32>(policy, under(source, sourceMask), POLICY_SOURCE);
  store<u32>(policy, destinationMask, POLICY_DESTINATION_MASK);
  store<u32>(policy, under(destination, destinationMask), POLICY_DESTINATION);
  store<usize>(policy, table, POLICY_TABLE);
  store<usize>(policy, type == ROUTE_UNREACHABLE ? 0 : route, POLICY_ROUTE);
  let link = ns + (six ? NS_POLICIES6 : NS_POLICIES);
  while (load<usize>(link) && load<u32>(load<usize>(link), POLICY_PRIORITY) <= priority) {
    link = load<usize>(link) + POLICY_NEXT;
  }
  store<usize>(policy, load<usize>(link), POLICY_NEXT);
  store<usize>(link, policy);
}

/** The route of a packet from `source` to `destination`, by the rules if there are any (fib_lookup, fib6_rule_lookup); 0 if none. */
export function lookupFrom(ns: usize, source: u32, destination: u32): usize {
  const six = isSix(destination);
  let policy = load<usize>(ns + (six ? NS_POLICIES6 : NS_POLICIES));
  if (!policy) return lookup(ns, destination);
  const local = load<usize>(cached(ns, destination), CACHE_LOCAL);
  if (local) return local;
  for (; policy; policy = load<usize>(policy, POLICY_NEXT)) {
    if (!isIn(source, load<u32>(policy, POLICY_SOURCE), load<u32>(policy, POLICY_SOURCE_MASK), six)) continue;
    const network = load<u32>(policy, POLICY_DESTINATION);
    if (!isIn(destination, network, load<u32>(policy, POLICY_DESTINATION_MASK), six)) continue;
    const table = load<usize>(policy, POLICY_TABLE);
    if (!table) return load<usize>(policy, POLICY_ROUTE);
    const found = six ? lookupSixIn(table, destination) : lookupIn(table, destination);
    if (found) return found;
  }
  return lookup(ns, destination);
}

/** Whether an address is in the network of a rule; one that is not known yet is in that of all only. */
function isIn(address: u32, network: u32, mask: u32, six: bool): bool {
  if (!six) return (address & mask) == network;
  return !mask || (isSix(address) && knownBlockOf(address, mask) == network);
}

/** The type of an address by the local table (inet_addr_type): ROUTE_LOCAL, _BROADCAST, _MULTICAST or _UNICAST. */
export function addressType(ns: usize, address: u32): u32 {
  return addressTypeOn(ns, address, 0);
}

/** The same for one device (inet_dev_addr_type): an address of another device is unicast there. */
export function addressTypeOn(ns: usize, address: u32, device: usize): u32 {
  if (isSix(address) && ipv6.isMulticast(address)) return ROUTE_MULTICAST;
  if (isZeroNet(address) || isLimitedBroadcast(address)) return ROUTE_BROADCAST;
  if (isMulticast(address)) return ROUTE_MULTICAST;
  const route = load<usize>(cached(ns, address), CACHE_LOCAL);
  if (!route || (device && load<usize>(route, ROUTE_DEVICE) != device)) return ROUTE_UNICAST;
  return load<u32>(route, ROUTE_TYPE);
}

export function isLocal(ns: usize, address: u32): bool {
  return addressType(ns, address) == ROUTE_LOCAL;
}

/** The same for an address that is known to be one of a single host. */
export function isOwn(ns: usize, address: u32): bool {
  const route = load<usize>(cached(ns, address), CACHE_LOCAL);
  return route != 0 && load<u32>(route, ROUTE_TYPE) == ROUTE_LOCAL;
}
