// What a DNS server knows itself: answers from a zone, as CoreDNS' kubernetes plugin gives them.
import {
  DNS_A,
  DNS_AAAA,
  DNS_CNAME,
  DNS_NS,
  DNS_SOA,
  DNS_SRV,
  ENTRY_NAME,
  ENTRY_NAME_LENGTH,
  ENTRY_NEXT,
  ENTRY_PODS,
  ENTRY_RECORDS,
  GONE,
  RECORD_DATA,
  RECORD_LENGTH,
  RECORD_TTL,
  RECORD_TYPE,
  ZONE_BUCKETS,
  ZONE_HASH_PRIME,
  ZONE_HASH_START,
  ZONE_MASK,
} from "../layout/zone.ts";
import { allocate } from "../memory/arena.ts";
import { copy, put16, put32 } from "../memory/bytes.ts";
import * as answer from "./dns-message.ts";

// What came of a question.
export const ANSWERED: i32 = 0;
export const NO_DATA: i32 = 1; // the name exists, but has nothing of this type
export const NO_NAME: i32 = 2;
export const NOT_OURS: i32 = 3; // others may know the name
export const ALIAS: i32 = 4; // the name is an alias of `target`, which others may know; the alias itself is gathered

/** The name that an alias stands for, after ALIAS. */
export let target: usize = 0;

/** CoreDNS follows aliases so far. */
const ALIASES_MAX = 10;
/** What comes before the address in the data of an SRV record: priority, weight, port. */
const SRV_HEAD: usize = 6;

function lower(byte: u8): u8 {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

// The names that are others than in the zone that is asked, 0: none.
let changes: usize = 0;

/** The entry of a name, 0 if it does not exist. */
function find(zone: usize, name: usize, length: i32): usize {
  const changed = changes ? findIn(changes, name, length) : 0;
  if (!changed) return findIn(zone, name, length);
  return load<u32>(changed, ENTRY_RECORDS) == <u32>GONE ? 0 : changed;
}

function findIn(zone: usize, name: usize, length: i32): usize {
  let hash: u32 = ZONE_HASH_START;
  for (let i = 0; i < length; i++) hash = (hash ^ (<u32>lower(load<u8>(name + <usize>i)))) * ZONE_HASH_PRIME;
  let offset = load<u32>(zone + ZONE_BUCKETS + ((<usize>(hash & load<u32>(zone, ZONE_MASK))) << 2));
  while (offset) {
    const entry = zone + <usize>offset;
    if (load<i32>(entry, ENTRY_NAME_LENGTH) == length && sameName(entry + ENTRY_NAME, name, length)) return entry;
    offset = load<u32>(entry, ENTRY_NEXT);
  }
  return 0;
}

/** Whether two names of the same length are the same, whatever their case; the first is in lower case. */
export function sameName(stored: usize, asked: usize, length: i32): bool {
  for (let i: usize = 0; i < <usize>length; i++) if (load<u8>(stored + i) != lower(load<u8>(asked + i))) return false;
  return true;
}

function firstRecord(entry: usize): usize {
  return entry + ENTRY_NAME + ((<usize>load<u32>(entry, ENTRY_NAME_LENGTH) + 3) & ~3);
}

function nextRecord(record: usize): usize {
  return record + RECORD_DATA + ((<usize>load<u32>(record, RECORD_LENGTH) + 3) & ~3);
}

/** The first record of a type that an entry has, 0: none. */
function recordOf(entry: usize, type: i32): usize {
  let record = firstRecord(entry);
  for (let left = load<u32>(entry, ENTRY_RECORDS); left; left--, record = nextRecord(record)) {
    if (load<i32>(record, RECORD_TYPE) == type) return record;
  }
  return 0;
}

/** The entry at or above a name that begins a zone: the one with an SOA record. 0: the name lies in no zone. */
function apexOf(zone: usize, name: usize, length: i32): usize {
  let p = name;
  let left = length;
  while (left > 0) {
    const entry = find(zone, p, left);
    if (entry && recordOf(entry, DNS_SOA)) return entry;
    const label = <i32>load<u8>(p) + 1;
    p += <usize>label;
    left -= label;
  }
  return 0;
}

function addRecord(section: i32, owner: usize, record: usize): void {
  const length = load<i32>(record, RECORD_LENGTH);
  answer.add(
    section,
    owner,
    load<i32>(record, RECORD_TYPE),
    load<u32>(record, RECORD_TTL),
    record + RECORD_DATA,
    length,
  );
}

/** Adds the records of an entry that have `type` under the name `owner`; returns how many. */
function addRecords(section: i32, entry: usize, owner: usize, type: i32): i32 {
  let added = 0;
  let record = firstRecord(entry);
  for (let left = load<u32>(entry, ENTRY_RECORDS); left; left--, record = nextRecord(record)) {
    if (load<i32>(record, RECORD_TYPE) != type) continue;
    addRecord(section, owner, record);
    added++;
  }
  return added;
}

/** Gathers the answer to a question about a name of `length` bytes. `changed`: a block of names that are others than in the zone, 0: none. */
export function gather(zone: usize, changed: usize, name: usize, length: i32, type: i32): i32 {
  changes = changed;
  const outcome = lookUp(zone, name, length, type);
  if (outcome == NO_DATA || outcome == NO_NAME) addAuthority(zone, name, length);
  return outcome;
}

function lookUp(zone: usize, name: usize, length: i32, type: i32): i32 {
  const entry = find(zone, name, length);
  if (!entry) return withoutEntry(zone, name, length, type);
  if (addRecords(answer.ANSWER, entry, name, type)) {
    if (type == DNS_SRV || type == DNS_NS) addTargets(zone, entry, type);
    return ANSWERED;
  }
  const alias = recordOf(entry, DNS_CNAME);
  if (!alias || type == DNS_CNAME || !(type == DNS_A || type == DNS_AAAA)) return NO_DATA;
  return followAlias(zone, name, alias, type);
}

/** A name that has no entry may be a pod's: its address with dashes (`pods insecure`). */
function withoutEntry(zone: usize, name: usize, length: i32, type: i32): i32 {
  const label = <i32>load<u8>(name) + 1;
  const above = length > label ? find(zone, name + <usize>label, length - label) : 0;
  if (above && load<u32>(above, ENTRY_PODS)) {
    const size = readAddress(name) ? 4 : readAddress6(name) ? 16 : 0;
    if (size) return podAnswer(name, type, load<u32>(above, ENTRY_PODS), size);
  }
  return apexOf(zone, name, length) ? NO_NAME : NOT_OURS;
}

/** The answer about a pod whose address, of so many bytes, has been read. */
function podAnswer(name: usize, type: i32, ttl: u32, size: i32): i32 {
  const has = size == 4 ? DNS_A : DNS_AAAA;
  const data = type == has ? answer.room(size) : 0;
  if (!data) return NO_DATA;
  if (size == 4) put32(data, address);
  else copy(data, address6, 16);
  answer.add(answer.ANSWER, name, has, ttl, data, size);
  return ANSWERED;
}

/** Where 16 bytes of an address are read to. */
let address6: usize = 0;

/** Whether a label is an IPv6 address with dashes for colons, into `address6`. */
function readAddress6(label: usize): bool {
  if (!address6) address6 = allocate(16);
  const end = label + 1 + <usize>load<u8>(label);
  memory.fill(address6, 0, 16);
  let groups = 0;
  let gap = -1; // how many groups come before "--"
  let p = label + 1;
  if (p + 1 < end && isGap(p)) {
    gap = 0;
    p += 2;
  }
  while (p < end) {
    let value = 0;
    let digits = 0;
    while (p < end && load<u8>(p) != 45) {
      const digit = hexOf(lower(load<u8>(p)));
      if (digit < 0 || ++digits > 4) return false;
      value = (value << 4) | digit;
      p++;
    }
    if (!digits || groups == 8) return false;
    put16(address6 + ((<usize>groups) << 1), value);
    groups++;
    if (p == end) break;
    if (p + 1 < end && isGap(p)) {
      if (gap >= 0) return false;
      gap = groups;
      p += 2;
    } else if (++p == end) return false;
  }
  if (gap < 0) return groups == 8;
  if (groups == 8) return false;
  const behind = (<usize>(groups - gap)) << 1;
  memory.copy(address6 + 16 - behind, address6 + ((<usize>gap) << 1), behind);
  memory.fill(address6 + ((<usize>gap) << 1), 0, (<usize>(8 - groups)) << 1);
  return true;
}

function isGap(p: usize): bool {
  return load<u8>(p) == 45 && load<u8>(p + 1) == 45;
}

function hexOf(byte: u8): i32 {
  if (byte >= 48 && byte <= 57) return <i32>byte - 48;
  return byte >= 97 && byte <= 102 ? <i32>byte - 87 : -1;
}

let address: u32 = 0;

/** Whether a label is four numbers with dashes between, into `address`. */
function readAddress(label: usize): bool {
  const end = label + 1 + <usize>load<u8>(label);
  let parts = 0;
  let value = 0;
  let digits = 0;
  address = 0;
  for (let p = label + 1; p <= end; p++) {
    const byte = p < end ? load<u8>(p) : 45;
    if (byte == 45) {
      // Go's net.ParseIP takes no leading zeros.
      if (!digits || value > 255 || (digits > 1 && load<u8>(p - <usize>digits) == 48)) return false;
      address = (address << 8) | (<u32>value);
      parts++;
      value = 0;
      digits = 0;
    } else if (byte >= 48 && byte <= 57 && digits < 3) {
      value = value * 10 + <i32>(byte - 48);
      digits++;
    } else return false;
  }
  return parts == 4;
}

/** An alias is answered with itself and what its target has; in the zone without such a record there is no answer at all. */
function followAlias(zone: usize, name: usize, first: usize, type: i32): i32 {
  const before = answer.size();
  let owner = name;
  let alias = first;
  for (let steps = 0; steps < ALIASES_MAX; steps++) {
    addRecord(answer.ANSWER, owner, alias);
    const to = alias + RECORD_DATA;
    const length = load<i32>(alias, RECORD_LENGTH);
    const entry = find(zone, to, length);
    if (!entry) {
      if (apexOf(zone, to, length)) break;
      target = to;
      return ALIAS;
    }
    if (addRecords(answer.ANSWER, entry, to, type)) return ANSWERED;
    const next = recordOf(entry, DNS_CNAME);
    if (!next) break;
    owner = to;
    alias = next;
  }
  answer.cutTo(before);
  return NO_DATA;
}

/** The addresses of what SRV and NS records name. */
function addTargets(zone: usize, entry: usize, type: i32): void {
  let record = firstRecord(entry);
  for (let left = load<u32>(entry, ENTRY_RECORDS); left; left--, record = nextRecord(record)) {
    if (load<i32>(record, RECORD_TYPE) != type) continue;
    const name = record + RECORD_DATA + (type == DNS_SRV ? SRV_HEAD : 0);
    const length = load<i32>(record, RECORD_LENGTH) - (type == DNS_SRV ? <i32>SRV_HEAD : 0);
    const found = find(zone, name, length);
    if (!found || answer.holds(name, DNS_A) || answer.holds(name, DNS_AAAA)) continue;
    addRecords(answer.ADDITIONAL, found, name, DNS_A);
    addRecords(answer.ADDITIONAL, found, name, DNS_AAAA);
  }
}

/** The SOA of the zone, which says how long "no" may be remembered (RFC 2308). */
function addAuthority(zone: usize, name: usize, length: i32): void {
  const apex = apexOf(zone, name, length);
  const record = apex ? recordOf(apex, DNS_SOA) : 0;
  if (record) addRecord(answer.AUTHORITY, apex + ENTRY_NAME, record);
}
