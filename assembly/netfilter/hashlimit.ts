// The hashlimit match: named tables with a token bucket for each group of packets (xt_hashlimit.c).
import { NS_HASHLIMITS } from "../layout/records.ts";
import * as L from "../layout/rules.ts";
import { allocate } from "../memory/arena.ts";
import { copy, get16 } from "../memory/bytes.ts";
import { MILLISECOND, SECOND, now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import { give, take } from "../memory/pool.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as packet from "./packet.ts";
import { under } from "../memory/prefix.ts";

// A table: next table, name, hash table of buckets, free list, when it was made, when it was last cleared of what is over, HASHLIMIT_*.
const TABLE_NEXT: usize = 0;
const TABLE_NAME: usize = 4;
const TABLE_BUCKETS: usize = 8;
const TABLE_FREE: usize = 12;
const TABLE_MADE: usize = 16;
const TABLE_CLEARED: usize = 24;
const TABLE_CONFIG: usize = 32;
const TABLE_SIZE: u32 = <u32>TABLE_CONFIG + L.HASHLIMIT_SIZE;

// A bucket: next of its chain, addresses, ports, how often bytes may still be refilled at once, credit in ns, last seen, expiry.
const BUCKET_SOURCE: usize = 4;
const BUCKET_DESTINATION: usize = 8;
const BUCKET_PORTS: usize = 12;
const BUCKET_REFILLS: usize = 16;
const BUCKET_CREDIT: usize = 24;
const BUCKET_SEEN: usize = 32;
const BUCKET_EXPIRES: usize = 40;
const BUCKET_SIZE: u32 = 48;

const PROTO_DCCP: u32 = 33;
const PROTO_ESP: u32 = 50;
const PROTO_AH: u32 = 51;
const PROTO_UDPLITE: u32 = 136;

function tableOf(ns: usize, name: u32, config: usize): usize {
  let table = load<usize>(ns, NS_HASHLIMITS);
  while (table && load<u32>(table, TABLE_NAME) != name) table = load<usize>(table, TABLE_NEXT);
  if (table) return table;
  table = allocate(TABLE_SIZE);
  store<u32>(table, name, TABLE_NAME);
  store<usize>(table, hash.newTable(64), TABLE_BUCKETS);
  store<u64>(table, now, TABLE_MADE);
  store<u64>(table, now, TABLE_CLEARED);
  copy(table + TABLE_CONFIG, config, L.HASHLIMIT_SIZE);
  store<usize>(table, load<usize>(ns, NS_HASHLIMITS), TABLE_NEXT);
  store<usize>(ns, table, NS_HASHLIMITS);
  return table;
}

function setting(table: usize, field: usize): u32 {
  return load<u32>(table + TABLE_CONFIG + field);
}

/** Forgets what was over at the last of the regular times (htable_gc). */
function clear(table: usize): void {
  const interval = <u64>setting(table, L.HASHLIMIT_INTERVAL) * MILLISECOND;
  const made = load<u64>(table, TABLE_MADE);
  const last = made + ((now - made) / interval) * interval;
  if (last <= load<u64>(table, TABLE_CLEARED)) return;
  store<u64>(table, last, TABLE_CLEARED);
  const buckets = load<usize>(table, TABLE_BUCKETS);
  for (let i: u32 = 0; i < hash.bucketCount(buckets); i++) {
    let record = load<usize>(hash.bucket(buckets, i));
    while (record) {
      const next = load<usize>(record);
      if (load<u64>(record, BUCKET_EXPIRES) <= last) {
        hash.remove(buckets, i, record);
        give(table + TABLE_FREE, record);
      }
      record = next;
    }
  }
}

let source: u32 = 0;
let destination: u32 = 0;
let ports: u32 = 0;

/** Reads the packet's group; false: it should have ports and is too short (hashlimit_init_dst). */
function readGroup(table: usize): bool {
  const mode = setting(table, L.HASHLIMIT_MODE);
  source = mode & L.MATCH_HASHLIMIT_SOURCE ? under(packet.source, setting(table, L.HASHLIMIT_SRC_MASK)) : 0;
  destination =
    mode & L.MATCH_HASHLIMIT_DESTINATION ? under(packet.destination, setting(table, L.HASHLIMIT_DST_MASK)) : 0;
  ports = 0;
  if (!(mode & (L.MATCH_HASHLIMIT_SPORT | L.MATCH_HASHLIMIT_DPORT))) return true;
  const at = portsAt(packet.protocol);
  if (at < 0) return true;
  if (packet.l4Length < at + 4) return false;
  const first = packet.l4 + <usize>at;
  if (mode & L.MATCH_HASHLIMIT_SPORT) ports = (<u32>get16(first)) << 16;
  if (mode & L.MATCH_HASHLIMIT_DPORT) ports |= <u32>get16(first + 2);
  return true;
}

/** Where a protocol has its ports, or what is taken for them; -1: nowhere (proto_ports_offset). */
function portsAt(protocol: u32): i32 {
  if (protocol == PROTO_AH) return 4;
  const has =
    protocol == ipv4.PROTO_TCP ||
    protocol == ipv4.PROTO_UDP ||
    protocol == ipv4.PROTO_SCTP ||
    protocol == PROTO_DCCP ||
    protocol == PROTO_ESP ||
    protocol == PROTO_UDPLITE;
  return has ? 0 : -1;
}

function hashOfGroup(): u32 {
  return hash.mix(hash.mix(source, destination), ports);
}

function find(table: usize): usize {
  let record = load<usize>(hash.bucket(load<usize>(table, TABLE_BUCKETS), hashOfGroup()));
  while (
    record &&
    (load<u32>(record, BUCKET_SOURCE) != source ||
      load<u32>(record, BUCKET_DESTINATION) != destination ||
      load<u32>(record, BUCKET_PORTS) != ports)
  ) {
    record = load<usize>(record);
  }
  return record;
}

function cost(table: usize): u64 {
  const high = <u64>setting(table, L.HASHLIMIT_COST_HIGH);
  return (high << 32) | (<u64>setting(table, L.HASHLIMIT_COST_LOW));
}

/** What fills a bucket of packets. */
function full(table: usize): u64 {
  return cost(table) * 1000 * <u64>setting(table, L.HASHLIMIT_BURST);
}

/** A new bucket, full; 0: there are too many. */
function begin(table: usize, bytes: bool): usize {
  const buckets = load<usize>(table, TABLE_BUCKETS);
  const most = setting(table, L.HASHLIMIT_MAX);
  if (most && hash.count(buckets) >= most) return 0;
  const record = take(table + TABLE_FREE, BUCKET_SIZE);
  store<u32>(record, source, BUCKET_SOURCE);
  store<u32>(record, destination, BUCKET_DESTINATION);
  store<u32>(record, ports, BUCKET_PORTS);
  store<u32>(record, setting(table, L.HASHLIMIT_BURST), BUCKET_REFILLS);
  store<u64>(record, bytes ? SECOND : full(table), BUCKET_CREDIT);
  store<u64>(record, now, BUCKET_SEEN);
  if (hash.crowded(buckets)) hash.grow(buckets, hashOfRecord);
  hash.insert(buckets, hashOfGroup(), record);
  return record;
}

/** The hash that a record stands under. */
function hashOfRecord(record: usize): u32 {
  const pair = hash.mix(load<u32>(record, BUCKET_SOURCE), load<u32>(record, BUCKET_DESTINATION));
  return hash.mix(pair, load<u32>(record, BUCKET_PORTS));
}

/** What the packet costs in bytes; a bucket that cannot pay is filled up at once as often as the burst says (hashlimit_byte_cost). */
function costInBytes(table: usize, record: usize): u64 {
  const chunks = ((<u64>packet.length) >> 4) + 1;
  const price = min<u64>((chunks * cost(table) * SECOND) >> 32, SECOND);
  const refills = load<u32>(record, BUCKET_REFILLS);
  if (load<u64>(record, BUCKET_CREDIT) < price && refills) {
    store<u32>(record, refills - 1, BUCKET_REFILLS);
    store<u64>(record, SECOND, BUCKET_CREDIT);
  }
  return price;
}

/** Whether a packet is within the limit of its group, and takes what it costs (hashlimit_mt_common). */
export function matches(block: usize, m: usize, flags: u32): bool {
  const config = block + <usize>load<u32>(m, L.MATCH_HASHLIMIT_CONFIG);
  const table = tableOf(packet.ns, load<u32>(m, L.MATCH_HASHLIMIT_TABLE), config);
  const inBytes = (setting(table, L.HASHLIMIT_MODE) & L.MATCH_HASHLIMIT_BYTES) != 0;
  clear(table);
  let record: usize = 0;
  if (readGroup(table)) {
    record = find(table);
    if (!record) record = begin(table, inBytes);
  }
  if (!record) {
    packet.setHotdrop();
    return (flags & L.MATCH_INVERT) != 0;
  }
  const most = inBytes ? SECOND : full(table);
  const credit = min<u64>(load<u64>(record, BUCKET_CREDIT) + now - load<u64>(record, BUCKET_SEEN), most);
  store<u64>(record, credit, BUCKET_CREDIT);
  store<u64>(record, now, BUCKET_SEEN);
  store<u64>(record, now + <u64>setting(table, L.HASHLIMIT_EXPIRE) * MILLISECOND, BUCKET_EXPIRES);
  const price = flags & L.MATCH_HASHLIMIT_BYTES ? costInBytes(table, record) : cost(table) * 1000;
  const left = load<u64>(record, BUCKET_CREDIT);
  if (left < price) return false;
  store<u64>(record, left - price, BUCKET_CREDIT);
  return true;
}
