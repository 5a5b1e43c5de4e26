// The bridge's forwarding database: learning, ageing, looking up, and whether a frame may leave by a port (net/bridge/br_fdb.c, br_forward.c).
import { PORT_HAIRPIN, PORT_ISOLATED, PORT_LEARNING } from "../layout/codes.ts";
import {
  DEV_AGEING,
  DEV_FDB,
  DEV_MASTER,
  DEV_PORT_FLAGS,
  DEV_RUNNING,
  FDB_FLAGS,
  FDB_LOCAL,
  FDB_MAC_HIGH,
  FDB_MAC_LOW,
  FDB_PORT,
  FDB_SIZE,
  FDB_STATIC,
  FDB_UPDATED,
} from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import * as recorder from "../memory/recorder.ts";

let free: usize = 0;

function find(bridge: usize, high: u32, low: u32): usize {
  let entry = load<usize>(hash.bucket(load<usize>(bridge, DEV_FDB), hash.mix(high, low)));
  while (entry) {
    if (load<u32>(entry, FDB_MAC_LOW) == low && load<u32>(entry, FDB_MAC_HIGH) == high) return entry;
    entry = load<usize>(entry);
  }
  return 0;
}

/** Whether an entry is past its time. */
export function aged(bridge: usize, entry: usize): bool {
  return (
    !(load<u32>(entry, FDB_FLAGS) & (FDB_LOCAL | FDB_STATIC)) &&
    now - load<u64>(entry, FDB_UPDATED) >= load<u64>(bridge, DEV_AGEING)
  );
}

/** Adds an entry; `port` 0 is the bridge itself. */
export function addEntry(bridge: usize, high: u32, low: u32, port: usize, flags: u32): void {
  if (!free) free = allocate(64);
  const entry = take(free, FDB_SIZE);
  store<u32>(entry, high, FDB_MAC_HIGH);
  store<u32>(entry, low, FDB_MAC_LOW);
  store<usize>(entry, port, FDB_PORT);
  store<u32>(entry, flags, FDB_FLAGS);
  store<u64>(entry, now, FDB_UPDATED);
  recorder.spoil();
  const table = load<usize>(bridge, DEV_FDB);
  if (hash.crowded(table)) hash.grow(table, hashOfRecord);
  hash.insert(table, hash.mix(high, low), entry);
}

/** The hash that a record stands under. */
function hashOfRecord(entry: usize): u32 {
  return hash.mix(load<u32>(entry, FDB_MAC_HIGH), load<u32>(entry, FDB_MAC_LOW));
}

/** Forgets an address. */
export function removeEntry(bridge: usize, high: u32, low: u32): void {
  const entry = find(bridge, high, low);
  if (!entry) return;
  hash.remove(load<usize>(bridge, DEV_FDB), hash.mix(high, low), entry);
  give(free, entry);
  recorder.changed();
}

/** Notes behind which port an address is (br_fdb_update). The bridge's own addresses do not move; static entries do. */
export function learn(port: usize, high: u32, low: u32): void {
  if (!(load<u32>(port, DEV_PORT_FLAGS) & PORT_LEARNING)) return;
  const bridge = load<usize>(port, DEV_MASTER);
  const entry = find(bridge, high, low);
  if (!entry) {
    addEntry(bridge, high, low, port, 0);
    return;
  }
  if (load<u32>(entry, FDB_FLAGS) & FDB_LOCAL) return;
  if (load<usize>(entry, FDB_PORT) != port) recorder.changed();
  if (recorder.frame) recorder.note(recorder.LEARNED, entry);
  store<usize>(entry, port, FDB_PORT);
  store<u64>(entry, now, FDB_UPDATED);
}

export const FOUND_NONE: i32 = 0; // flood
export const FOUND_LOCAL: i32 = 1; // the bridge itself
export const FOUND_PORT: i32 = 2; // `foundPort`
export let foundPort: usize = 0;

/** Where an address is. An entry past its time counts as gone, and goes. */
export function lookup(bridge: usize, high: u32, low: u32): i32 {
  const entry = find(bridge, high, low);
  if (!entry) return FOUND_NONE;
  if (aged(bridge, entry)) {
    hash.remove(load<usize>(bridge, DEV_FDB), hash.mix(high, low), entry);
    give(free, entry);
    recorder.changed();
    return FOUND_NONE;
  }
  if (load<u32>(entry, FDB_FLAGS) & FDB_LOCAL) return FOUND_LOCAL;
  if (recorder.frame) recorder.note(recorder.FOUND, entry, <u32>bridge);
  foundPort = load<usize>(entry, FDB_PORT);
  return FOUND_PORT;
}

/** Forgets what was learned on a port, as when its link goes down. */
export function flush(bridge: usize, port: usize): void {
  recorder.changed();
  const table = load<usize>(bridge, DEV_FDB);
  const buckets = hash.bucketCount(table);
  for (let i: u32 = 0; i < buckets; i++) {
    let entry = load<usize>(hash.bucket(table, i));
    while (entry) {
      const next = load<usize>(entry);
      if (load<usize>(entry, FDB_PORT) == port && !(load<u32>(entry, FDB_FLAGS) & (FDB_LOCAL | FDB_STATIC))) {
        hash.remove(table, i, entry);
        give(free, entry);
      }
      entry = next;
    }
  }
}

/** Whether a frame that came in by `from` (0: from the bridge itself) may leave by `to` (should_deliver). */
export function mayLeave(from: usize, to: usize): bool {
  const flags = load<u32>(to, DEV_PORT_FLAGS);
  if (from == to && !(flags & PORT_HAIRPIN)) return false;
  if (from && flags & PORT_ISOLATED && load<u32>(from, DEV_PORT_FLAGS) & PORT_ISOLATED) return false;
  return load<u32>(to, DEV_RUNNING) != 0;
}
