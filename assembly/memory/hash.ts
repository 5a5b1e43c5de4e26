// Hash tables of records chained through their first word: a table is { buckets, mask, count } and never shrinks.
import { allocate } from "./arena.ts";

const BUCKETS: usize = 0;
const MASK: usize = 4;
const COUNT: usize = 8;
const SIZE: u32 = 16;

/** A new table; `buckets` is a power of two. */
export function newTable(buckets: u32): usize {
  const table = allocate(SIZE);
  store<usize>(table, allocate(buckets << 2), BUCKETS);
  store<u32>(table, buckets - 1, MASK);
  return table;
}

/** Mixes two words into a hash (Murmur3's finaliser over their sum). */
export function mix(a: u32, b: u32): u32 {
  let h = a * 0x9e3779b1 + rotl<u32>(b, 15) * 0x85ebca6b;
  h ^= h >> 16;
  h *= 0x85ebca6b;
  h ^= h >> 13;
  h *= 0xc2b2ae35;
  return h ^ (h >> 16);
}

/** The address of the bucket's head word. */
export function bucket(table: usize, hash: u32): usize {
  return load<usize>(table, BUCKETS) + ((<usize>(hash & load<u32>(table, MASK))) << 2);
}

export function count(table: usize): u32 {
  return load<u32>(table, COUNT);
}

export function bucketCount(table: usize): u32 {
  return load<u32>(table, MASK) + 1;
}

/** Puts a record at the head of its bucket. */
export function insert(table: usize, hash: u32, record: usize): void {
  const head = bucket(table, hash);
  store<usize>(record, load<usize>(head));
  store<usize>(head, record);
  store<u32>(table, load<u32>(table, COUNT) + 1, COUNT);
}

/** Puts a record at the end of its bucket, so that older ones are found first. */
export function append(table: usize, hash: u32, record: usize): void {
  let link = bucket(table, hash);
  while (load<usize>(link)) link = load<usize>(link);
  store<usize>(record, 0);
  store<usize>(link, record);
  store<u32>(table, load<u32>(table, COUNT) + 1, COUNT);
}

/** Takes a record out; it must be in the table under this hash. */
export function remove(table: usize, hash: u32, record: usize): void {
  let link = bucket(table, hash);
  while (load<usize>(link) != record) link = load<usize>(link);
  store<usize>(link, load<usize>(record));
  store<u32>(table, load<u32>(table, COUNT) - 1, COUNT);
}

/** Whether the table is due to grow: more records than buckets. */
export function crowded(table: usize): bool {
  return load<u32>(table, COUNT) > load<u32>(table, MASK);
}

/**
 * Doubles the buckets and moves every record into its own; `hashOf` says under which hash a record stands. With `inOrder` records
 * of one bucket keep their order, for tables that are filled with `append`; else it turns round, as it did when they came in.
 */
export function grow(table: usize, hashOf: (record: usize) => u32, inOrder: bool = false): void {
  const old = load<usize>(table, BUCKETS);
  const buckets = bucketCount(table);
  store<usize>(table, allocate(buckets << 3), BUCKETS);
  store<u32>(table, (buckets << 1) - 1, MASK);
  store<u32>(table, 0, COUNT);
  for (let i: u32 = 0; i < buckets; i++) {
    let record = load<usize>(old + ((<usize>i) << 2));
    while (record) {
      const next = load<usize>(record);
      if (inOrder) append(table, hashOf(record), record);
      else insert(table, hashOf(record), record);
      record = next;
    }
  }
}
