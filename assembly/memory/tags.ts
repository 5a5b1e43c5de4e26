// Hash tables for records that lie far apart: a slot keeps a record's whole hash beside its address, so that a search touches no
// record but one that fits, and neither does a table that grows.
//
// A table is { slots, mask, count } with linear probing; it is at most half full and never shrinks.
import { allocate } from "./arena.ts";

const SLOTS: usize = 0;
const MASK: usize = 4; // of an offset from the first slot
const COUNT: usize = 8;
const TABLE_SIZE: u32 = 16;

const HASH: usize = 0;
const RECORD: usize = 4; // 0: the slot is free
const SLOT_SHIFT: u32 = 3;

/** A new table; `slots` is a power of two. */
export function newTable(slots: u32): usize {
  const table = allocate(TABLE_SIZE);
  makeSlots(table, slots);
  return table;
}

function makeSlots(table: usize, slots: u32): void {
  store<usize>(table, allocate(slots << SLOT_SHIFT), SLOTS);
  store<u32>(table, (slots << SLOT_SHIFT) - 1, MASK);
  store<u32>(table, 0, COUNT);
}

/** The slot where the search for a hash begins. */
export function first(table: usize, hash: u32): usize {
  return load<usize>(table, SLOTS) + ((<usize>(hash << SLOT_SHIFT)) & load<u32>(table, MASK));
}

/** The slot where a search goes on. */
export function next(table: usize, slot: usize): usize {
  const slots = load<usize>(table, SLOTS);
  return slots + ((slot - slots + (1 << SLOT_SHIFT)) & load<u32>(table, MASK));
}

/** The record in a slot; 0 ends the search. */
export function recordIn(slot: usize): usize {
  return load<usize>(slot, RECORD);
}

/** Whether the record in a slot has a hash. */
export function fits(slot: usize, hash: u32): bool {
  return load<u32>(slot, HASH) == hash;
}

export function slotCount(table: usize): u32 {
  return (load<u32>(table, MASK) >> SLOT_SHIFT) + 1;
}

/** The record in slot number `index`, 0: none. */
export function recordAt(table: usize, index: u32): usize {
  return load<usize>(load<usize>(table, SLOTS) + <usize>(index << SLOT_SHIFT), RECORD);
}

/** The number of a free slot, of which there always is one. */
export function freeSlot(table: usize): u32 {
  let index: u32 = 0;
  while (recordAt(table, index)) index++;
  return index;
}

/** Whether a table must grow before a record more comes in. */
export function isFull(table: usize): bool {
  return load<u32>(table, COUNT) << 1 >= slotCount(table);
}

/** Whether a table that may grow should rather stay as it is, as it has much room again. */
export function isSparse(table: usize): bool {
  return load<u32>(table, COUNT) << 2 < slotCount(table);
}

/** Puts a record into a table that is not full. */
export function insert(table: usize, hash: u32, record: usize): void {
  let slot = first(table, hash);
  while (load<usize>(slot, RECORD)) slot = next(table, slot);
  store<u32>(slot, hash, HASH);
  store<usize>(slot, record, RECORD);
  store<u32>(table, load<u32>(table, COUNT) + 1, COUNT);
}

/** Takes a record out; it must be in the table under this hash. What stands behind it moves up, so that no search ends early. */
export function remove(table: usize, hash: u32, record: usize): void {
  let hole = first(table, hash);
  while (load<usize>(hole, RECORD) != record) hole = next(table, hole);
  const mask = load<u32>(table, MASK);
  for (let slot = next(table, hole); load<usize>(slot, RECORD); slot = next(table, slot)) {
    const fromHome = (<u32>(slot - first(table, load<u32>(slot, HASH)))) & mask;
    if (fromHome < ((<u32>(slot - hole)) & mask)) continue;
    store<u64>(hole, load<u64>(slot));
    hole = slot;
  }
  store<u64>(hole, 0);
  store<u32>(table, load<u32>(table, COUNT) - 1, COUNT);
}

/** Doubles the slots. */
export function grow(table: usize): void {
  const old = load<usize>(table, SLOTS);
  const slots = slotCount(table);
  makeSlots(table, slots << 1);
  for (let i: u32 = 0; i < slots; i++) {
    const slot = old + <usize>(i << SLOT_SHIFT);
    const record = load<usize>(slot, RECORD);
    if (record) insert(table, load<u32>(slot, HASH), record);
  }
}
