// What a packet has to do with IP sets: whether it is in one, and what the SET target adds, deletes and maps for it (xt_set.c).
import { FRAME_MARK } from "../layout/frame.ts";
import {
  ELEMENT_MARK,
  ELEMENT_MARK_MASK,
  ELEMENT_NOMATCH,
  SET_FIRST_PORT,
  SET_HAS_ADDRESS,
  SET_HAS_COUNTERS,
  SET_HAS_MARKS,
  SET_HAS_OTHER,
  SET_HAS_PORT,
  SET_LAST_PORT,
  SET_LENGTHS,
  SET_LENGTHS_OTHER,
  SET_OF_IPV6,
  SET_OF_NETWORKS,
  SET_OF_OTHER_NETWORKS,
  SET_PARTS,
  SET_PLAIN_PORT,
  SET_TIMEOUT,
} from "../layout/records.ts";
import * as L from "../layout/rules.ts";
import { isSix } from "../memory/addresses.ts";
import { get16 } from "../memory/bytes.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as packet from "./packet.ts";
import * as sets from "./set.ts";

/** The element that a packet stands for in a set, as `read` found it. */
let address: u32 = 0;
let port: u32 = 0;
let other: u32 = 0;

function isIcmp(protocol: u32): bool {
  return protocol == (isSix(packet.source) ? <u32>ipv6.PROTO_ICMPV6 : <u32>ipv4.PROTO_ICMP);
}

function hasPorts(protocol: u32): bool {
  return (
    protocol == ipv4.PROTO_TCP ||
    protocol == ipv4.PROTO_UDP ||
    protocol == ipv4.PROTO_SCTP ||
    protocol == ipv4.PROTO_UDPLITE ||
    isIcmp(protocol)
  );
}

/** Protocol << 16 | port of the packet, with ICMP's type and code for a port; -1: it has none that can be read (get_port). */
function portOf(source: bool): i64 {
  const protocol = packet.protocol;
  if (!hasPorts(protocol)) return protocol ? (<i64>protocol) << 16 : -1;
  if (packet.fragmentOffset || packet.l4Length < 4) return -1;
  const at = isIcmp(protocol) || source ? packet.l4 : packet.l4 + 2;
  return ((<i64>protocol) << 16) | (<i64>get16(at));
}

/**
 * Reads what the packet has for the dimensions of a set; bit i of `directions` is 1 if dimension i of `count` takes the source. False:
 * it has no ports that can be read, the set has more dimensions, or is of the other family.
 */
function read(set: usize, directions: u32, count: u32): bool {
  const parts = load<u32>(set, SET_PARTS);
  if (count < <u32>popcnt<u32>(parts & (SET_HAS_ADDRESS | SET_HAS_PORT | SET_HAS_OTHER))) return false;
  if (!(parts & SET_PLAIN_PORT) && isSix(packet.source) != ((parts & SET_OF_IPV6) != 0)) return false;
  let dimension: u32 = 0;
  address = 0;
  port = 0;
  other = 0;
  if (parts & SET_HAS_ADDRESS) address = (directions >> dimension++) & 1 ? packet.source : packet.destination;
  if (parts & SET_HAS_PORT) {
    const found = portOf(((directions >> dimension++) & 1) != 0);
    if (found < 0) return false;
    port = <u32>found;
    if (parts & SET_PLAIN_PORT) {
      if (packet.protocol != ipv4.PROTO_TCP && packet.protocol != ipv4.PROTO_UDP) return false;
      port &= 0xffff;
      if (port < load<u32>(set, SET_FIRST_PORT) || port > load<u32>(set, SET_LAST_PORT)) return false;
    }
  }
  if (parts & SET_HAS_OTHER) other = (directions >> dimension) & 1 ? packet.source : packet.destination;
  return true;
}

/** Whether the packet is in the set of a match record; an element that is marked `nomatch` is so only if the match asks for it. */
export function matches(block: usize, m: usize, flags: u32): bool {
  const set = sets.find(packet.ns, load<u32>(m, L.MATCH_SET_NAME));
  if (!set || !read(set, load<u32>(m, L.MATCH_SET_DIRECTIONS), load<u32>(m, L.MATCH_SET_COUNT))) return false;
  const counters = load<u32>(m, L.MATCH_SET_COUNTERS);
  const bytes = flags & L.MATCH_SET_UNCOUNTED ? 0 : <u32>packet.length;
  const element = sets.best(set, address, port, other, counters ? block + <usize>counters : 0, bytes);
  const wantsNomatch = (flags & L.MATCH_SET_RETURN_NOMATCH) != 0;
  return element != 0 && (load<u32>(element, ELEMENT_NOMATCH) != 0) == wantsNomatch;
}

/** The set that a SET record names at a place, with what the packet has for it; 0: none, or the packet has nothing. */
function named(record: usize, at: usize): usize {
  const name = load<u32>(record + at);
  if (name == L.TARGET_SET_NONE) return 0;
  const sides = load<u32>(record + at, L.TARGET_SET_ADD_SIDES - L.TARGET_SET_ADD);
  const set = sets.find(packet.ns, name);
  return set && read(set, sides >> 8, sides & 255) ? set : 0;
}

/** The SET target: adds, then deletes, then maps (set_target_v3). */
export function change(record: usize): void {
  const adds = named(record, L.TARGET_SET_ADD);
  if (adds) add(adds, record);
  const deletes = named(record, L.TARGET_SET_DELETE);
  if (deletes) sets.del(deletes, address, firstLength(deletes), port, other, otherLength(deletes));
  const maps = named(record, L.TARGET_SET_MAP);
  if (maps && load<u32>(record, L.TARGET_SET_FLAGS) & L.TARGET_SET_MAP_MARK) takeMark(maps);
}

/** A packet adds a network of the longest length that the set has. */
function firstLength(set: usize): u32 {
  return load<u32>(set, SET_PARTS) & SET_OF_NETWORKS ? sets.longestLength(set, SET_LENGTHS) : wholeLength(set);
}

function otherLength(set: usize): u32 {
  return load<u32>(set, SET_PARTS) & SET_OF_OTHER_NETWORKS
    ? sets.longestLength(set, SET_LENGTHS_OTHER)
    : wholeLength(set);
}

/** The prefix length of an address. */
function wholeLength(set: usize): u32 {
  return load<u32>(set, SET_PARTS) & SET_OF_IPV6 ? 128 : 32;
}

function add(set: usize, record: usize): void {
  const own = load<u32>(record, L.TARGET_SET_TIMEOUT);
  const seconds = own == L.TARGET_SET_NONE ? load<u32>(set, SET_TIMEOUT) : own;
  const renews = (load<u32>(record, L.TARGET_SET_FLAGS) & L.TARGET_SET_EXIST) != 0;
  const element = sets.add(set, address, firstLength(set), port, other, otherLength(set), seconds, renews);
  if (!element || !(load<u32>(set, SET_PARTS) & (SET_HAS_COUNTERS | SET_HAS_MARKS))) return;
  sets.carry(element, 1, <u64>packet.length, 0, 0);
}

/** The packet takes the mark of the element that it is. */
function takeMark(set: usize): void {
  const element = sets.best(set, address, port, other, 0, <u32>packet.length);
  if (!element || load<u32>(element, ELEMENT_NOMATCH) || !(load<u32>(set, SET_PARTS) & SET_HAS_MARKS)) return;
  const mark = load<u32>(packet.frame, FRAME_MARK) & ~load<u32>(element, ELEMENT_MARK_MASK);
  store<u32>(packet.frame, mark ^ load<u32>(element, ELEMENT_MARK), FRAME_MARK);
}
