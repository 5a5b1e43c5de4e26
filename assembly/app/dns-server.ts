// The cluster's DNS server: answers questions from the zone as CoreDNS' kubernetes plugin does.
import {
  DNS_A,
  DNS_CNAME,
  DNS_SOA,
  ENTRY_NAME,
  ENTRY_NAME_LENGTH,
  ENTRY_NEXT,
  ENTRY_RECORDS,
  RECORD_DATA,
  RECORD_LENGTH,
  RECORD_TTL,
  RECORD_TYPE,
  ZONE_APEX,
  ZONE_BUCKETS,
  ZONE_HASH_PRIME,
  ZONE_HASH_START,
  ZONE_MASK,
} from "../layout/zone.ts";
import { copy, get16 } from "../memory/bytes.ts";
import { allocate } from "../memory/arena.ts";
import * as dns from "../wire/dns.ts";

let zone: usize = 0;
let buffer: usize = 0;
const LIMIT: i32 = 512; // without EDNS

/** Where the zone block lies. */
export function setZone(block: usize): void {
  zone = block;
}

function lower(byte: u8): u8 {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** The entry of a name, 0 if it does not exist. */
function find(name: usize, length: i32): usize {
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

function sameName(stored: usize, asked: usize, length: i32): bool {
  for (let i: usize = 0; i < <usize>length; i++) if (load<u8>(stored + i) != lower(load<u8>(asked + i))) return false;
  return true;
}

function firstRecord(entry: usize): usize {
  return entry + ENTRY_NAME + ((<usize>load<u32>(entry, ENTRY_NAME_LENGTH) + 3) & ~3);
}

function nextRecord(record: usize): usize {
  return record + RECORD_DATA + ((<usize>load<u32>(record, RECORD_LENGTH) + 3) & ~3);
}

/** Whether a name lies in the zone: its end is the apex. */
function inZone(name: usize, length: i32): bool {
  const apex = zone + <usize>load<u32>(zone, ZONE_APEX);
  const size = load<i32>(apex, ENTRY_NAME_LENGTH);
  let p = name;
  const end = name + <usize>length;
  while (p < end) {
    if (<i32>(end - p) == size && sameName(apex + ENTRY_NAME, p, size)) return true;
    p += <usize>load<u8>(p) + 1;
  }
  return false;
}

/** The answer written last, and its length. */
export let answer: usize = 0;

let written: usize = 0;
let answerCount: i32 = 0;
let truncated: bool = false;

/** Adds the records of an entry that have `type`; `owner` is the compressed name to put before them. */
function addRecords(entry: usize, owner: i32, type: i32): void {
  let record = firstRecord(entry);
  for (let left = load<u32>(entry, ENTRY_RECORDS); left; left--, record = nextRecord(record)) {
    if (load<i32>(record, RECORD_TYPE) != type) continue;
    const length = load<i32>(record, RECORD_LENGTH);
    if (<i32>(written - answer) + 12 + length > LIMIT) {
      truncated = true;
      return;
    }
    const at = dns.writeRecord(written, owner, type, load<u32>(record, RECORD_TTL), length);
    copy(at, record + RECORD_DATA, length);
    written = at + <usize>length;
    answerCount++;
  }
}

/** Answers a query of `length` bytes at `at`. Returns the answer's length, 0 if it deserves none. */
export function respond(at: usize, length: i32): i32 {
  if (length < dns.DNS_HEADER || dns.flags(at) & dns.FLAG_RESPONSE || dns.questions(at) != 1) return 0;
  const name = at + dns.DNS_HEADER;
  const nameLength = dns.nameLength(name, min<i32>(length - dns.DNS_HEADER - 4, dns.NAME_MAX));
  if (!buffer) buffer = allocate(1024);
  answer = buffer;
  let bits = dns.FLAG_RESPONSE | (dns.flags(at) & dns.FLAG_RECURSION_DESIRED);
  if (!nameLength) {
    dns.writeHeader(answer, dns.id(at), bits | dns.RCODE_FORMERR, 0, 0, 0);
    return dns.DNS_HEADER;
  }
  const question = nameLength + 4;
  copy(answer + dns.DNS_HEADER, name, question);
  written = answer + dns.DNS_HEADER + <usize>question;
  answerCount = 0;
  truncated = false;
  let authorities = 0;
  const type = get16(name + <usize>nameLength);
  bits |= dns.FLAG_RECURSION_AVAILABLE;
  const entry = find(name, nameLength);
  if (!entry && !inZone(name, nameLength)) {
    // Nobody upstream to ask.
    bits |= dns.RCODE_SERVFAIL;
  } else {
    bits |= dns.FLAG_AUTHORITATIVE;
    if (entry) {
      addRecords(entry, dns.POINTER_TO_QUESTION, type);
      if (!answerCount && type != DNS_CNAME) followAlias(entry, type);
    }
    if (!answerCount) {
      if (!entry) bits |= dns.RCODE_NXDOMAIN;
      authorities = addAuthority();
    }
  }
  if (truncated) bits |= dns.FLAG_TRUNCATED;
  dns.writeHeader(answer, dns.id(at), bits, 1, answerCount, authorities);
  return <i32>(written - answer);
}

/** An alias is answered with itself and, if its target is in the zone, with what the target has. */
function followAlias(entry: usize, type: i32): void {
  const before = written;
  addRecords(entry, dns.POINTER_TO_QUESTION, DNS_CNAME);
  if (!answerCount) return;
  const target = before + 12;
  const next = find(target, <i32>(written - target));
  if (next && type == DNS_A) addRecords(next, 0xc000 | (<i32>(target - answer)), type);
}

/** The SOA of the zone, which says how long "no" may be remembered (RFC 2308). Returns the records added. */
function addAuthority(): i32 {
  const apex = zone + <usize>load<u32>(zone, ZONE_APEX);
  const size = load<i32>(apex, ENTRY_NAME_LENGTH);
  let record = firstRecord(apex);
  for (let left = load<u32>(apex, ENTRY_RECORDS); left; left--, record = nextRecord(record)) {
    if (load<i32>(record, RECORD_TYPE) != DNS_SOA) continue;
    const length = load<i32>(record, RECORD_LENGTH);
    copy(written, apex + ENTRY_NAME, size);
    // The name stands in full, so the record's head begins two bytes before its end.
    const at = dns.writeRecord(written + <usize>size - 2, 0, DNS_SOA, load<u32>(record, RECORD_TTL), length);
    copy(written, apex + ENTRY_NAME, size);
    copy(at, record + RECORD_DATA, length);
    written = at + <usize>length;
    return 1;
  }
  return 0;
}
