// IP sets: named tables of addresses, networks, ports and their combinations, as the set match asks them (net/netfilter/ipset).
import {
  ELEMENT_ADDRESS,
  ELEMENT_LENGTHS,
  ELEMENT_NOMATCH,
  ELEMENT_OTHER,
  ELEMENT_PORT,
  ELEMENT_SIZE,
  NS_SETS,
  SET_ELEMENTS,
  SET_HAS_ADDRESS,
  SET_HAS_OTHER,
  SET_HAS_PORT,
  SET_LENGTHS,
  SET_LENGTHS_OTHER,
  SET_NAME,
  SET_NEXT,
  SET_PARTS,
  SET_PLAIN_PORT,
  SET_SIZE,
} from "../layout/records.ts";
import { maskOf } from "../fib/route.ts";
import { allocate } from "../memory/arena.ts";
import { get16 } from "../memory/bytes.ts";
import * as hash from "../memory/hash.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as packet from "./packet.ts";

const PROTO_UDPLITE: u32 = 136;

/** The set of a name in a namespace, 0 if there is none. */
export function find(ns: usize, name: u32): usize {
  let set = load<usize>(ns, NS_SETS);
  while (set && load<u32>(set, SET_NAME) != name) set = load<usize>(set, SET_NEXT);
  return set;
}

/** Makes a set; `parts` are SET_HAS_* bits, which say what its elements are made of, in their order. */
export function create(ns: usize, name: u32, parts: u32): usize {
  const set = allocate(SET_SIZE);
  store<u32>(set, name, SET_NAME);
  store<u32>(set, parts, SET_PARTS);
  store<usize>(set, hash.newTable(64), SET_ELEMENTS);
  store<usize>(set, load<usize>(ns, NS_SETS), SET_NEXT);
  store<usize>(ns, set, NS_SETS);
  return set;
}

function hashOf(address: u32, port: u32, other: u32, lengths: u32): u32 {
  return hash.mix(hash.mix(address, other), port ^ (lengths << 24));
}

/** Adds an element. Prefix lengths are 32 for addresses; `port` is protocol << 16 | port. */
export function add(
  set: usize,
  address: u32,
  length: u32,
  port: u32,
  other: u32,
  otherLength: u32,
  nomatch: u32,
): void {
  const network = address & maskOf(length);
  const otherNetwork = other & maskOf(otherLength);
  const lengths = (length << 8) | otherLength;
  const known = lookup(set, network, port, otherNetwork, lengths);
  if (known) {
    store<u32>(known, nomatch, ELEMENT_NOMATCH);
    return;
  }
  const element = allocate(ELEMENT_SIZE);
  store<u32>(element, network, ELEMENT_ADDRESS);
  store<u32>(element, port, ELEMENT_PORT);
  store<u32>(element, otherNetwork, ELEMENT_OTHER);
  store<u32>(element, lengths, ELEMENT_LENGTHS);
  store<u32>(element, nomatch, ELEMENT_NOMATCH);
  const elements = load<usize>(set, SET_ELEMENTS);
  if (hash.crowded(elements)) hash.grow(elements, hashOfRecord);
  hash.insert(elements, hashOf(network, port, otherNetwork, lengths), element);
  store<u64>(set, load<u64>(set, SET_LENGTHS) | ((<u64>1) << (<u64>length)), SET_LENGTHS);
  store<u64>(set, load<u64>(set, SET_LENGTHS_OTHER) | ((<u64>1) << (<u64>otherLength)), SET_LENGTHS_OTHER);
}

/** The hash that a record stands under. */
function hashOfRecord(element: usize): u32 {
  const address = load<u32>(element, ELEMENT_ADDRESS);
  const other = load<u32>(element, ELEMENT_OTHER);
  const lengths = load<u32>(element, ELEMENT_LENGTHS);
  return hashOf(address, load<u32>(element, ELEMENT_PORT), other, lengths);
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

/** The element that holds these, the longest prefixes first; 0 if there is none. */
function best(set: usize, address: u32, port: u32, other: u32): usize {
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
      if (element) return element;
    }
  }
  return 0;
}

function hasPorts(protocol: u32): bool {
  return (
    protocol == ipv4.PROTO_TCP ||
    protocol == ipv4.PROTO_UDP ||
    protocol == ipv4.PROTO_SCTP ||
    protocol == PROTO_UDPLITE ||
    protocol == ipv4.PROTO_ICMP
  );
}

/** Protocol << 16 | port of the packet, with ICMP's type and code for a port; -1: it has none that can be read (get_port). */
function portOf(source: bool): i64 {
  const protocol = packet.protocol;
  if (!hasPorts(protocol)) return protocol ? (<i64>protocol) << 16 : -1;
  if (packet.fragmentOffset || packet.l4Length < 4) return -1;
  const at = protocol == ipv4.PROTO_ICMP || source ? packet.l4 : packet.l4 + 2;
  return ((<i64>protocol) << 16) | (<i64>get16(at));
}

/**
 * Whether the packet is in a set. Bit i of `directions` is 1 if dimension i takes the source. `wantsNomatch`: an element marked
 * so counts, and the others do not.
 */
export function matches(set: usize, directions: u32, wantsNomatch: bool): bool {
  const parts = load<u32>(set, SET_PARTS);
  let dimension: u32 = 0;
  let address: u32 = 0;
  let other: u32 = 0;
  let port: i64 = 0;
  if (parts & SET_HAS_ADDRESS) address = (directions >> dimension++) & 1 ? packet.source : packet.destination;
  if (parts & SET_HAS_PORT) {
    port = portOf(((directions >> dimension++) & 1) != 0);
    if (port < 0) return false;
    if (parts & SET_PLAIN_PORT) {
      if (packet.protocol != ipv4.PROTO_TCP && packet.protocol != ipv4.PROTO_UDP) return false;
      port &= 0xffff;
    }
  }
  if (parts & SET_HAS_OTHER) other = (directions >> dimension) & 1 ? packet.source : packet.destination;
  const element = best(set, address, <u32>port, other);
  return element != 0 && (load<u32>(element, ELEMENT_NOMATCH) != 0) == wantsNomatch;
}
