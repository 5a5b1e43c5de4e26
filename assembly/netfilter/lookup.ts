// Sets and maps of nftables that stand in a compiled rule set, and what the last look-up found (nft_lookup.c, nft_numgen.c).
import { NS_RANDOM } from "../layout/records.ts";
import * as L from "../layout/rules.ts";
import { allocate } from "../memory/arena.ts";
import { bytesOf, isSix } from "../memory/addresses.ts";
import { get16 } from "../memory/bytes.ts";
import { mix } from "../memory/hash.ts";
import { next32 } from "../memory/random.ts";
import * as packet from "./packet.ts";

/** The verdict of the element that was found last: TARGET_*, perhaps with RULE_GOTO, and the offset of its chain. */
export let verdict: u32 = 0;
export let chain: u32 = 0;

// The index of a map: a mask, then places, each the number of an element from 1 on; 0 is free.
const INDEX_MASK: usize = 0;
const INDEX_PLACES: usize = 4;

function elementAt(map: usize, place: u32): usize {
  return map + L.MAP_ELEMENTS + <usize>place * L.MAP_ELEMENT_SIZE;
}

/** Makes the index of each set and map of a block; those that are searched by ranges need none. */
export function indexMaps(block: usize, base: usize): void {
  const offset = load<u32>(block, L.BLOCK_MAPS);
  if (!offset) return;
  const list = base + <usize>offset;
  for (let i: u32 = 1; i <= load<u32>(list); i++) makeIndex(base + <usize>load<u32>(list + ((<usize>i) << 2)));
}

function makeIndex(map: usize): void {
  if (load<u32>(map, L.MAP_PARTS) & L.MAP_RANGES) return;
  const count = load<u32>(map, L.MAP_COUNT);
  let places: u32 = 4;
  while (places < count << 1) places <<= 1;
  const index = allocate(<u32>INDEX_PLACES + (places << 2));
  store<u32>(index, places - 1, INDEX_MASK);
  for (let i: u32 = 0; i < count; i++) {
    const element = elementAt(map, i);
    let place = mix(load<u32>(element, L.MAP_KEY_ADDRESS), load<u32>(element, L.MAP_KEY_PORT)) & (places - 1);
    while (load<u32>(index + ((<usize>place) << 2), INDEX_PLACES)) place = (place + 1) & (places - 1);
    store<u32>(index + ((<usize>place) << 2), i + 1, INDEX_PLACES);
  }
  store<usize>(map, index, L.MAP_INDEX);
}

/** The element of a key; 0: there is none. */
function find(map: usize, address: u32, port: u32): usize {
  const index = load<usize>(map, L.MAP_INDEX);
  const mask = load<u32>(index, INDEX_MASK);
  let place = mix(address, port) & mask;
  while (true) {
    const number = load<u32>(index + ((<usize>place) << 2), INDEX_PLACES);
    if (!number) return 0;
    const element = elementAt(map, number - 1);
    if (load<u32>(element, L.MAP_KEY_ADDRESS) == address && load<u32>(element, L.MAP_KEY_PORT) == port) return element;
    place = (place + 1) & mask;
  }
}

/** The element whose range holds an address; 0: none does. */
function findRange(map: usize, address: u32): usize {
  let low: u32 = 0;
  let high = load<u32>(map, L.MAP_COUNT);
  while (low < high) {
    const middle = (low + high) >> 1;
    const element = elementAt(map, middle);
    if (address < load<u32>(element, L.MAP_KEY_ADDRESS)) high = middle;
    else if (address > load<u32>(element, L.MAP_LAST_ADDRESS)) low = middle + 1;
    else return element;
  }
  return 0;
}

/** The same of IPv6, whose ranges are bytes in the block. */
function findRange6(block: usize, map: usize, address: u32): usize {
  if (!isSix(address)) return 0;
  const at = bytesOf(address);
  let low: u32 = 0;
  let high = load<u32>(map, L.MAP_COUNT);
  while (low < high) {
    const middle = (low + high) >> 1;
    const element = elementAt(map, middle);
    if (memory.compare(at, block + <usize>load<u32>(element, L.MAP_KEY_ADDRESS), 16) < 0) high = middle;
    else if (memory.compare(at, block + <usize>load<u32>(element, L.MAP_LAST_ADDRESS), 16) > 0) low = middle + 1;
    else return element;
  }
  return 0;
}

/** The element of a key of the packet; 0: there is none. */
function findKey(block: usize, map: usize, parts: u32, address: u32, port: u32): usize {
  if (!(parts & L.MAP_RANGES)) return find(map, address, port);
  return parts & L.MAP_RANGES6 ? findRange6(block, map, address) : findRange(map, address);
}

/** Whether the set or map of a match record has an element for the packet. One without ports that can be read is in none. */
export function matches(block: usize, m: usize, inverted: bool): bool {
  const map = block + <usize>load<u32>(m, L.MATCH_LOOKUP_MAP);
  const parts = load<u32>(map, L.MAP_PARTS);
  let address: u32 = 0;
  let port: u32 = 0;
  if (parts & L.MAP_HAS_SOURCE) address = packet.source;
  if (parts & L.MAP_HAS_DESTINATION) address = packet.destination;
  if (parts & L.MAP_HAS_PORT) {
    if (packet.fragmentOffset || packet.l4Length < 4) return false;
    port = (packet.protocol << 16) | (<u32>get16(packet.l4 + 2));
  }
  const element = findKey(block, map, parts, address, port);
  if (!element) return inverted;
  verdict = load<u32>(element, L.MAP_VERDICT);
  chain = load<u32>(element, L.MAP_CHAIN);
  return !inverted;
}

/** Draws a number and looks its verdict up; false: there is none for it. */
export function draws(block: usize, m: usize): bool {
  const modulus = <u64>load<u32>(m, L.MATCH_NUMGEN_MODULUS);
  const number = <usize>((<u64>next32(packet.ns + NS_RANDOM) * modulus) >> 32);
  const at = block + <usize>load<u32>(m, L.MATCH_NUMGEN_LIST) + (number << 3);
  verdict = load<u32>(at);
  chain = load<u32>(at, 4);
  return verdict != L.TARGET_CONTINUE;
}
