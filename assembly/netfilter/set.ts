// IP sets: named tables of addresses, networks, ports and their combinations, with what elements carry besides (net/netfilter/ipset).
import {
  ELEMENT_ADDRESS,
  ELEMENT_BYTES,
  ELEMENT_EXPIRES,
  ELEMENT_LARGE_SIZE,
  ELEMENT_LENGTHS,
  ELEMENT_MARK,
  ELEMENT_MARK_MASK,
  ELEMENT_NOMATCH,
  ELEMENT_OTHER,
  ELEMENT_PACKETS,
  ELEMENT_PORT,
  ELEMENT_SIZE,
  NS_SETS,
  SET_ELEMENTS,
  SET_FREE,
  SET_HAS_COUNTERS,
  SET_HAS_MARKS,
  SET_HAS_TIMEOUTS,
  SET_LENGTHS,
  SET_LENGTHS_OTHER,
  SET_LENGTH_COUNTS,
  SET_MAX,
  SET_OF_IPV6,
  SET_NAME,
  SET_NEXT,
  SET_PARTS,
  SET_SIZE,
  SET_TIMEOUT,
} from "../layout/records.ts";
import {
  SET_COUNTER_BYTES,
  SET_COUNTER_EQ,
  SET_COUNTER_GT,
  SET_COUNTER_HIGH,
  SET_COUNTER_LOW,
  SET_COUNTER_LT,
  SET_COUNTER_NE,
  SET_COUNTER_OP,
} from "../layout/rules.ts";
import { maskOf } from "../fib/route.ts";
import { isSix } from "../memory/addresses.ts";
import { allocate } from "../memory/arena.ts";
import { SECOND, now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import { blockOf, knownBlockOf } from "../memory/prefix.ts";

// Prefix lengths of the first address, and of the second one behind them, that are counted.
const LENGTHS: i32 = 33;
const LENGTHS6: i32 = 129;

/** The set of a name in a namespace, 0 if there is none. */
export function find(ns: usize, name: u32): usize {
  let set = load<usize>(ns, NS_SETS);
  while (set && load<u32>(set, SET_NAME) != name) set = load<usize>(set, SET_NEXT);
  return set;
}

/**
 * Makes a set; `parts` are SET_HAS_* bits, which say what its elements are made of, in their order, and what they carry. They stay
 * for `timeout` seconds unless they say how long (0: for ever), and there are `most` of them at most.
 */
export function create(ns: usize, name: u32, parts: u32, timeout: u32, most: u32): usize {
  const set = allocate(SET_SIZE);
  store<u32>(set, name, SET_NAME);
  store<u32>(set, parts, SET_PARTS);
  store<u32>(set, timeout, SET_TIMEOUT);
  store<u32>(set, most, SET_MAX);
  store<usize>(set, hash.newTable(64), SET_ELEMENTS);
  store<usize>(set, allocate((2 * lengthsOf(parts)) << 2), SET_LENGTH_COUNTS);
  store<usize>(set, load<usize>(ns, NS_SETS), SET_NEXT);
  store<usize>(ns, set, NS_SETS);
  return set;
}

function lengthsOf(parts: u32): i32 {
  return parts & SET_OF_IPV6 ? LENGTHS6 : LENGTHS;
}

/** The network of a prefix length that an address is in; 0 for a part that a set does not have. */
function networkOf(address: u32, length: u32): u32 {
  return isSix(address) ? blockOf(address, length) : address & maskOf(length);
}

function has(set: usize, part: u32): bool {
  return (load<u32>(set, SET_PARTS) & part) != 0;
}

function hashOf(address: u32, port: u32, other: u32, lengths: u32): u32 {
  return hash.mix(hash.mix(address, other), port ^ (lengths << 24));
}

/** The hash that a record stands under. */
function hashOfRecord(element: usize): u32 {
  const address = load<u32>(element, ELEMENT_ADDRESS);
  const other = load<u32>(element, ELEMENT_OTHER);
  const lengths = load<u32>(element, ELEMENT_LENGTHS);
  return hashOf(address, load<u32>(element, ELEMENT_PORT), other, lengths);
}

/** Whether an element's time is over; nobody has deleted it yet. */
function expired(element: usize): bool {
  const end = load<u64>(element, ELEMENT_EXPIRES);
  return end != 0 && end < now;
}

/**
 * Adds an element that stays for so many seconds (0: for ever; only in a set with timeouts). Prefix lengths are 32 for addresses;
 * `port` is protocol << 16 | port. One that is there is renewed if `renews`. Returns its address, 0 if it was there or the set is full
 * (mtype_add).
 */
export function add(
  set: usize,
  address: u32,
  length: u32,
  port: u32,
  other: u32,
  otherLength: u32,
  seconds: u32,
  renews: bool,
): usize {
  const network = networkOf(address, length);
  const otherNetwork = networkOf(other, otherLength);
  const lengths = (length << 8) | otherLength;
  let element = lookup(set, network, port, otherNetwork, lengths);
  if (element && !renews && !expired(element)) return 0;
  if (!element) {
    element = insert(set, network, port, otherNetwork, lengths);
    if (!element) return 0;
  }
  store<u32>(element, 0, ELEMENT_NOMATCH);
  const stays = has(set, SET_HAS_TIMEOUTS) ? seconds : 0;
  store<u64>(element, stays ? now + <u64>stays * SECOND : 0, ELEMENT_EXPIRES);
  if (has(set, SET_HAS_COUNTERS | SET_HAS_MARKS)) carry(element, 0, 0, 0, 0);
  return element;
}

/** What an element of a set with counters or marks carries. */
export function carry(element: usize, packets: u64, bytes: u64, mark: u32, markMask: u32): void {
  store<u64>(element, packets, ELEMENT_PACKETS);
  store<u64>(element, bytes, ELEMENT_BYTES);
  store<u32>(element, mark, ELEMENT_MARK);
  store<u32>(element, markMask, ELEMENT_MARK_MASK);
}

/** A new element; 0: there is no room. */
function insert(set: usize, network: u32, port: u32, otherNetwork: u32, lengths: u32): usize {
  const elements = load<usize>(set, SET_ELEMENTS);
  const most = load<u32>(set, SET_MAX);
  if (hash.count(elements) >= most) {
    sweep(set);
    if (hash.count(elements) >= most) return 0;
  }
  const large = has(set, SET_HAS_COUNTERS | SET_HAS_MARKS);
  const element = take(set + SET_FREE, large ? ELEMENT_LARGE_SIZE : ELEMENT_SIZE);
  store<u32>(element, network, ELEMENT_ADDRESS);
  store<u32>(element, port, ELEMENT_PORT);
  store<u32>(element, otherNetwork, ELEMENT_OTHER);
  store<u32>(element, lengths, ELEMENT_LENGTHS);
  if (hash.crowded(elements)) hash.grow(elements, hashOfRecord);
  hash.insert(elements, hashOf(network, port, otherNetwork, lengths), element);
  countLength(set, SET_LENGTHS, lengths >> 8, 1);
  countLength(set, SET_LENGTHS_OTHER, lengths & 255, 1);
  return element;
}

/** Counts the elements with a prefix length and keeps the bits of those that there are. */
function countLength(set: usize, bits: usize, length: u32, by: i32): void {
  const at = countsOf(set, bits) + ((<usize>length) << 2);
  const count = load<i32>(at) + by;
  store<i32>(at, count);
  if (has(set, SET_OF_IPV6)) return;
  const bit = (<u64>1) << (<u64>length);
  const others = load<u64>(set + bits) & ~bit;
  store<u64>(set + bits, count ? others | bit : others);
}

/** How many elements have each prefix length, of the first address (SET_LENGTHS) or the second. */
function countsOf(set: usize, bits: usize): usize {
  const first: usize = bits == SET_LENGTHS ? 0 : (<usize>lengthsOf(load<u32>(set, SET_PARTS))) << 2;
  return load<usize>(set, SET_LENGTH_COUNTS) + first;
}

/** The longest prefix length below one that elements of a set of IPv6 have; -1: none. */
function lengthBelow(set: usize, bits: usize, length: i32): i32 {
  const counts = countsOf(set, bits);
  let next = length - 1;
  while (next >= 0 && !load<u32>(counts + ((<usize>next) << 2))) next--;
  return next;
}

function remove(set: usize, element: usize): void {
  const lengths = load<u32>(element, ELEMENT_LENGTHS);
  countLength(set, SET_LENGTHS, lengths >> 8, -1);
  countLength(set, SET_LENGTHS_OTHER, lengths & 255, -1);
  hash.remove(load<usize>(set, SET_ELEMENTS), hashOfRecord(element), element);
  give(set + SET_FREE, element);
}

/** Deletes an element, if it is there (mtype_del). */
export function del(set: usize, address: u32, length: u32, port: u32, other: u32, otherLength: u32): void {
  const lengths = (length << 8) | otherLength;
  const element = lookup(set, networkOf(address, length), port, networkOf(other, otherLength), lengths);
  if (element && !expired(element)) remove(set, element);
}

/** Deletes every element whose time is over. */
function sweep(set: usize): void {
  if (!has(set, SET_HAS_TIMEOUTS)) return;
  const elements = load<usize>(set, SET_ELEMENTS);
  for (let i: u32 = 0; i < hash.bucketCount(elements); i++) {
    let element = load<usize>(hash.bucket(elements, i));
    while (element) {
      const next = load<usize>(element);
      if (expired(element)) remove(set, element);
      element = next;
    }
  }
}

/** The longest prefix length of the networks in a set, that of an address if it is empty; a packet adds such a network (INIT_CIDR). */
export function longestLength(set: usize, bits: usize): u32 {
  if (has(set, SET_OF_IPV6)) {
    const longest = lengthBelow(set, bits, LENGTHS6);
    return longest < 0 ? 128 : longest;
  }
  const lengths = load<u64>(set + bits);
  return lengths ? 63 - <u32>clz<u64>(lengths) : 32;
}

function lookup(set: usize, address: u32, port: u32, other: u32, lengths: u32): usize {
  let element = load<usize>(hash.bucket(load<usize>(set, SET_ELEMENTS), hashOf(address, port, other, lengths)));
  while (element) {
    if (
      load<u32>(element, ELEMENT_ADDRESS) == address &&
      load<u32>(element, ELEMENT_PORT) == port &&
      load<u32>(element, ELEMENT_OTHER) == other &&
      load<u32>(element, ELEMENT_LENGTHS) == lengths
    ) {
      return element;
    }
    element = load<usize>(element);
  }
  return 0;
}

/**
 * The element that holds these and the longest prefixes first; 0 if there is none (mtype_test). `counts` is an
 * address of SET_COUNTER_* that counters must agree with, once `bytes` (0: the packet is not counted) are added to them.
 */
export function best(set: usize, address: u32, port: u32, other: u32, counts: usize, bytes: u32): usize {
  if (has(set, SET_OF_IPV6)) return best6(set, address, port, other, counts, bytes);
  let lengths = load<u64>(set, SET_LENGTHS);
  while (lengths) {
    const length = 63 - clz<u64>(lengths);
    lengths ^= (<u64>1) << length;
    let others = load<u64>(set, SET_LENGTHS_OTHER);
    while (others) {
      const otherLength = 63 - clz<u64>(others);
      others ^= (<u64>1) << otherLength;
      const network = address & maskOf(<u32>length);
      const pair = <u32>((length << 8) | otherLength);
      const element = lookup(set, network, port, other & maskOf(<u32>otherLength), pair);
      if (element && !expired(element) && agrees(set, element, counts, bytes)) return element;
    }
  }
  return 0;
}

function best6(set: usize, address: u32, port: u32, other: u32, counts: usize, bytes: u32): usize {
  for (let length = LENGTHS6 - 1; length >= 0; length--) {
    length = lengthBelow(set, SET_LENGTHS, length + 1);
    if (length < 0) break;
    const network = knownBlockOf(address, length);
    if (!network) continue;
    for (let otherLength = LENGTHS6 - 1; otherLength >= 0; otherLength--) {
      otherLength = lengthBelow(set, SET_LENGTHS_OTHER, otherLength + 1);
      if (otherLength < 0) break;
      const otherNetwork = other ? knownBlockOf(other, otherLength) : 0;
      if (other && !otherNetwork) continue;
      const element = lookup(set, network, port, otherNetwork, (length << 8) | otherLength);
      if (element && !expired(element) && agrees(set, element, counts, bytes)) return element;
    }
  }
  return 0;
}

/** Counts the packet and compares (ip_set_match_extensions). */
function agrees(set: usize, element: usize, counts: usize, bytes: u32): bool {
  if (!has(set, SET_HAS_COUNTERS)) return true;
  if (bytes) {
    store<u64>(element, load<u64>(element, ELEMENT_PACKETS) + 1, ELEMENT_PACKETS);
    store<u64>(element, load<u64>(element, ELEMENT_BYTES) + <u64>bytes, ELEMENT_BYTES);
  }
  if (!counts) return true;
  return (
    compares(load<u64>(element, ELEMENT_PACKETS), counts) &&
    compares(load<u64>(element, ELEMENT_BYTES), counts + SET_COUNTER_BYTES)
  );
}

function compares(value: u64, counter: usize): bool {
  const bound = ((<u64>load<u32>(counter, SET_COUNTER_HIGH)) << 32) | (<u64>load<u32>(counter, SET_COUNTER_LOW));
  switch (load<i32>(counter, SET_COUNTER_OP)) {
    case SET_COUNTER_EQ:
      return value == bound;
    case SET_COUNTER_NE:
      return value != bound;
    case SET_COUNTER_LT:
      return value < bound;
    case SET_COUNTER_GT:
      return value > bound;
    default:
      return true;
  }
}
