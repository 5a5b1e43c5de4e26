// IPv6 addresses as numbers: what holds an IPv4 address in a word holds one of IPv6 by its number, and equal numbers are equal addresses.
//
// The addresses that a host knows beforehand have the same number on all machines (SHARED_ADDRESSES); what a machine meets besides it
// numbers itself, so that its numbers do not depend on what others meet, nor on which worker they belong to.
import {
  ADDRESSES_COUNT,
  ADDRESSES_RECORDS,
  ADDRESSES_ROOM,
  ADDRESSES_SIZE,
  ADDRESSES_SLOTS,
  ADDRESS_SIZE,
  ADDRESS_SUM,
  MACHINE_ADDRESSES,
  NUMBERS_OF_IPV6,
  NUMBERS_OF_MACHINE,
  SHARED_ADDRESSES,
} from "../layout/records.ts";
import { allocate } from "./arena.ts";
import { machine } from "./clock.ts";
import { mix } from "./hash.ts";

/** Addresses that the kernel itself knows. */
export const ANY: u32 = <u32>NUMBERS_OF_IPV6; // ::
export const LOOPBACK: u32 = ANY + 1; // ::1
export const ALL_NODES: u32 = ANY + 2; // ff02::1
export const ALL_ROUTERS: u32 = ANY + 3; // ff02::2

const FIRST_ROOM: u32 = 32;
const ROOM_MAX: u32 = <u32>NUMBERS_OF_MACHINE;

/** Gives the addresses that the kernel itself knows their numbers, if no instance has done so yet. */
export function begin(): void {
  if (load<usize>(<usize>SHARED_ADDRESSES)) return;
  const table = newTable(FIRST_ROOM);
  const bytes = allocate(16);
  put(table, bytes);
  store<u8>(bytes, 1, 15);
  put(table, bytes);
  store<u16>(bytes, 0x02ff);
  put(table, bytes);
  store<u8>(bytes, 2, 15);
  put(table, bytes);
  atomic.cmpxchg<u32>(<usize>SHARED_ADDRESSES, 0, <u32>table);
}

/** Whether a number is that of an IPv6 address. */
export function isSix(address: u32): bool {
  return address >> 23 == 1;
}

function holderOf(number: u32): usize {
  return number & (<u32>NUMBERS_OF_MACHINE) ? machine + MACHINE_ADDRESSES : <usize>SHARED_ADDRESSES;
}

function recordOf(number: u32): usize {
  const table = load<usize>(holderOf(number));
  const place = number & (ROOM_MAX - 1);
  // A packet of IPv4 may have such an address somewhere: then it is none.
  if (!table || place >= load<u32>(table, ADDRESSES_COUNT)) {
    return load<usize>(load<usize>(<usize>SHARED_ADDRESSES), ADDRESSES_RECORDS);
  }
  return load<usize>(table, ADDRESSES_RECORDS) + <usize>place * ADDRESS_SIZE;
}

/** Where the 16 bytes of an address lie, in network order. */
export function bytesOf(number: u32): usize {
  return recordOf(number);
}

/** The sum of the eight words of an address, folded to 16 bits. */
export function sumOf(number: u32): u32 {
  return load<u32>(recordOf(number), ADDRESS_SUM);
}

/** The number of the 16 bytes at `at`, 0 if nobody has given them one. */
export function find(at: usize): u32 {
  const hash = hashOf(at);
  const shared = placeIn(load<usize>(<usize>SHARED_ADDRESSES), at, hash);
  if (shared) return <u32>NUMBERS_OF_IPV6 + shared - 1;
  const own = placeIn(load<usize>(machine, MACHINE_ADDRESSES), at, hash);
  return own ? <u32>(NUMBERS_OF_IPV6 | NUMBERS_OF_MACHINE) + own - 1 : 0;
}

/** The same; an address that has no number is given one by the machine. 0: it has no number left. */
export function numberOf(at: usize): u32 {
  const known = find(at);
  return known ? known : add(machine + MACHINE_ADDRESSES, at, <u32>(NUMBERS_OF_IPV6 | NUMBERS_OF_MACHINE));
}

/** Gives an address a number that all machines know, if it has none. While machines run one instance alone may do so. */
export function share(at: usize): u32 {
  begin();
  const known = placeIn(load<usize>(<usize>SHARED_ADDRESSES), at, hashOf(at));
  return known ? <u32>NUMBERS_OF_IPV6 + known - 1 : add(<usize>SHARED_ADDRESSES, at, <u32>NUMBERS_OF_IPV6);
}

function hashOf(at: usize): u32 {
  return mix(mix(load<u32>(at), load<u32>(at, 4)), mix(load<u32>(at, 8), load<u32>(at, 12)));
}

function equals(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8);
}

/** The place of an address in a table, counted from 1; 0: it is not there. */
function placeIn(table: usize, at: usize, hash: u32): u32 {
  if (!table) return 0;
  const mask = (load<u32>(table, ADDRESSES_ROOM) << 1) - 1;
  const slots = load<usize>(table, ADDRESSES_SLOTS);
  const records = load<usize>(table, ADDRESSES_RECORDS);
  let slot = hash & mask;
  let place = load<u32>(slots + ((<usize>slot) << 2));
  while (place && !equals(records + <usize>(place - 1) * ADDRESS_SIZE, at)) {
    slot = (slot + 1) & mask;
    place = load<u32>(slots + ((<usize>slot) << 2));
  }
  return place;
}

function newTable(room: u32): usize {
  const table = allocate(ADDRESSES_SIZE);
  store<u32>(table, room, ADDRESSES_ROOM);
  store<usize>(table, allocate(room * <u32>ADDRESS_SIZE), ADDRESSES_RECORDS);
  store<usize>(table, allocate(room << 3), ADDRESSES_SLOTS);
  return table;
}

/** Adds an address to the table that a word points at; its number counts from `first`. */
function add(holder: usize, at: usize, first: u32): u32 {
  let table = load<usize>(holder);
  const count = table ? load<u32>(table, ADDRESSES_COUNT) : 0;
  if (count == ROOM_MAX) return 0;
  if (!table || count == load<u32>(table, ADDRESSES_ROOM)) {
    const larger = newTable(table ? count << 1 : FIRST_ROOM);
    for (let i: u32 = 0; i < count; i++) put(larger, load<usize>(table, ADDRESSES_RECORDS) + <usize>i * ADDRESS_SIZE);
    table = larger;
    store<usize>(holder, table);
  }
  put(table, at);
  return first + count;
}

function put(table: usize, at: usize): void {
  const place = load<u32>(table, ADDRESSES_COUNT);
  const record = load<usize>(table, ADDRESSES_RECORDS) + <usize>place * ADDRESS_SIZE;
  v128.store(record, v128.load(at));
  store<u32>(record, sum(record), ADDRESS_SUM);
  const mask = (load<u32>(table, ADDRESSES_ROOM) << 1) - 1;
  const slots = load<usize>(table, ADDRESSES_SLOTS);
  let slot = hashOf(at) & mask;
  while (load<u32>(slots + ((<usize>slot) << 2))) slot = (slot + 1) & mask;
  store<u32>(slots + ((<usize>slot) << 2), place + 1);
  store<u32>(table, place + 1, ADDRESSES_COUNT);
}

function sum(record: usize): u32 {
  let total: u32 = 0;
  for (let i: usize = 0; i < 16; i += 2) total += <u32>bswap<u16>(load<u16>(record + i));
  total = (total & 0xffff) + (total >> 16);
  return (total & 0xffff) + (total >> 16);
}
