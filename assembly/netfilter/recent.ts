// The lists of the recent match: per namespace and list name the addresses seen, each with its last stamps (xt_recent.c).
import { NS_RECENT } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { SECOND, now } from "../memory/clock.ts";

// A list: next list, name, entries newest first, their number. An entry: next, address, TTL, index and number of stamps, the stamps (u64).
const LIST_NEXT: usize = 0;
const LIST_NAME: usize = 4;
const LIST_ENTRIES: usize = 8;
const LIST_COUNT: usize = 12;
const ENTRY_NEXT: usize = 0;
const ENTRY_ADDRESS: usize = 4;
const ENTRY_TTL: usize = 8;
const ENTRY_INDEX: usize = 12;
const ENTRY_STAMPS: usize = 16;
const ENTRY_STAMP: usize = 24;
const STAMPS_MAX: u32 = 20; // ip_pkt_list_tot
const ENTRIES_MAX: u32 = 100; // ip_list_tot

function listOf(ns: usize, name: u32): usize {
  let list = load<usize>(ns, NS_RECENT);
  while (list) {
    if (load<u32>(list, LIST_NAME) == name) return list;
    list = load<usize>(list, LIST_NEXT);
  }
  list = allocate(16);
  store<usize>(list, load<usize>(ns, NS_RECENT), LIST_NEXT);
  store<u32>(list, name, LIST_NAME);
  store<usize>(ns, list, NS_RECENT);
  return list;
}

function find(list: usize, address: u32, ttl: u32): usize {
  let entry = load<usize>(list, LIST_ENTRIES);
  while (entry) {
    const stored = load<u32>(entry, ENTRY_TTL);
    if (load<u32>(entry, ENTRY_ADDRESS) == address && (!ttl || !stored || stored == ttl)) return entry;
    entry = load<usize>(entry, ENTRY_NEXT);
  }
  return 0;
}

function unlink(list: usize, entry: usize): void {
  let link = list + LIST_ENTRIES;
  while (load<usize>(link) != entry) link = load<usize>(link) + ENTRY_NEXT;
  store<usize>(link, load<usize>(entry, ENTRY_NEXT));
  store<u32>(list, load<u32>(list, LIST_COUNT) - 1, LIST_COUNT);
}

function link(list: usize, entry: usize): void {
  store<usize>(entry, load<usize>(list, LIST_ENTRIES), ENTRY_NEXT);
  store<usize>(list, entry, LIST_ENTRIES);
  store<u32>(list, load<u32>(list, LIST_COUNT) + 1, LIST_COUNT);
}

function stamp(list: usize, entry: usize, ttl: u32): void {
  const index = load<u32>(entry, ENTRY_INDEX) % STAMPS_MAX;
  store<u64>(entry + ENTRY_STAMP + ((<usize>index) << 3), now);
  store<u32>(entry, index + 1, ENTRY_INDEX);
  if (load<u32>(entry, ENTRY_STAMPS) < index + 1) store<u32>(entry, index + 1, ENTRY_STAMPS);
  store<u32>(entry, ttl, ENTRY_TTL);
  unlink(list, entry);
  link(list, entry);
}

function lastStamp(entry: usize): u64 {
  return load<u64>(entry + ENTRY_STAMP + ((<usize>(load<u32>(entry, ENTRY_INDEX) - 1)) << 3));
}

/** `--set`: notes the address now. The 101st address pushes out the one not seen for longest. */
export function set(ns: usize, name: u32, address: u32, ttl: u32, checkTtl: u32): void {
  const list = listOf(ns, name);
  let entry = find(list, address, checkTtl ? ttl : 0);
  if (entry) {
    stamp(list, entry, ttl);
    return;
  }
  if (load<u32>(list, LIST_COUNT) >= ENTRIES_MAX) {
    entry = load<usize>(list, LIST_ENTRIES);
    while (load<usize>(entry, ENTRY_NEXT)) entry = load<usize>(entry, ENTRY_NEXT);
    unlink(list, entry);
  } else {
    entry = allocate(<u32>ENTRY_STAMP + (STAMPS_MAX << 3));
  }
  store<u32>(entry, address, ENTRY_ADDRESS);
  store<u32>(entry, ttl, ENTRY_TTL);
  store<u64>(entry, now, ENTRY_STAMP);
  store<u32>(entry, 1, ENTRY_INDEX);
  store<u32>(entry, 1, ENTRY_STAMPS);
  link(list, entry);
}

/** `--remove`: true if the address was in the list. */
export function remove(ns: usize, name: u32, address: u32, ttl: u32): bool {
  const list = listOf(ns, name);
  const entry = find(list, address, ttl);
  if (!entry) return false;
  unlink(list, entry);
  return true;
}

/**
 * `--rcheck` and `--update`: whether the address was seen (`seconds`: not longer ago; `hits`: at least so often, each
 * within `seconds`). `update` notes a match; `reap` removes the oldest entry of the list if its last stamp is too old.
 */
export function check(
  ns: usize,
  name: u32,
  address: u32,
  ttl: u32,
  packetTtl: u32,
  seconds: u32,
  hits: u32,
  update: bool,
  reap: bool,
): bool {
  const list = listOf(ns, name);
  const entry = find(list, address, ttl);
  if (!entry) return false;
  const since: u64 = seconds && now > <u64>seconds * SECOND ? now - <u64>seconds * SECOND : 0;
  let matched = false;
  let seen: u32 = 0;
  const stamps = load<u32>(entry, ENTRY_STAMPS);
  for (let i: u32 = 0; i < stamps; i++) {
    if (load<u64>(entry + ENTRY_STAMP + ((<usize>i) << 3)) < since) continue;
    seen++;
    if (!hits || seen >= hits) {
      matched = true;
      break;
    }
  }
  if (reap) {
    let oldest = load<usize>(list, LIST_ENTRIES);
    while (load<usize>(oldest, ENTRY_NEXT)) oldest = load<usize>(oldest, ENTRY_NEXT);
    if (oldest != entry && lastStamp(oldest) < since) unlink(list, oldest);
  }
  if (update && matched) stamp(list, entry, packetTtl);
  return matched;
}
