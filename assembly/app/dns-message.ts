// A DNS answer in the making: records gathered by section, then written plain, or compressed and cut off where they do not fit.
import { DNS_A, DNS_AAAA, DNS_CNAME, DNS_NS, DNS_OPT, DNS_PTR, DNS_SOA } from "../layout/zone.ts";
import { allocate } from "../memory/arena.ts";
import { copy, get16, get32, put16 } from "../memory/bytes.ts";
import { next32 } from "../memory/random.ts";
import * as dns from "../wire/dns.ts";

export const ANSWER: i32 = 0;
export const AUTHORITY: i32 = 1;
export const ADDITIONAL: i32 = 2;

// One record: its name and data lie elsewhere, with names in full. 32 bytes.
const OWNER: usize = 0;
const TYPE: usize = 4;
const TTL: usize = 8;
const DATA: usize = 12;
const LENGTH: usize = 16;
const SECTION: usize = 20;
const SHIFT: usize = 5;
const RECORDS_MAX = 4096;

/** What fits into a message over TCP. */
export const LARGEST = 65535;
/** Plain messages over UDP that are longer than this are compressed all the same (request.Scrub). */
const FRAGMENTS_BEYOND = 1480;
const LABELS_MAX = 1024;
const SPACE: usize = 0x20000;

let records: usize = 0;
let count: i32 = 0;
let space: usize = 0; // names and data that lie nowhere else
let used: usize = 0;
let labels: usize = 0; // offsets of the names written so far, for pointers
let labelCount: i32 = 0;

/** The message written last. Two bytes before it are free, for its length over TCP. */
export let message: usize = 0;
let end: usize = 0;

/** Begins a new answer. */
export function begin(): void {
  if (!records) {
    records = allocate(RECORDS_MAX << (<i32>SHIFT));
    space = allocate(<u32>SPACE);
    labels = allocate(LABELS_MAX << 2);
    message = allocate(LARGEST + 1024) + 64;
  }
  count = 0;
  used = 0;
}

/** Adds a record behind those there are; sections come in their order. */
export function add(section: i32, owner: usize, type: i32, ttl: u32, data: usize, length: i32): void {
  if (count == RECORDS_MAX) return;
  const record = records + ((<usize>count) << SHIFT);
  store<usize>(record, owner, OWNER);
  store<i32>(record, type, TYPE);
  store<u32>(record, ttl, TTL);
  store<usize>(record, data, DATA);
  store<i32>(record, length, LENGTH);
  store<i32>(record, section, SECTION);
  count++;
}

/** Takes back the records behind the first `size`. */
export function cutTo(size: i32): void {
  count = size;
}

export function size(): i32 {
  return count;
}

/** Room for names and data that the message is to have; 0: there is none left. */
export function room(bytes: i32): usize {
  const at = space + used;
  if (used + <usize>bytes + 64 > SPACE) return 0;
  used += <usize>bytes;
  return at;
}

/** Whether a record of this name and type is among those gathered. */
export function holds(owner: usize, type: i32): bool {
  const length = dns.nameLength(owner, dns.NAME_MAX);
  for (let i = 0; i < count; i++) {
    const record = records + ((<usize>i) << SHIFT);
    if (load<i32>(record, TYPE) != type) continue;
    if (sameBytes(load<usize>(record, OWNER), owner, length)) return true;
  }
  return false;
}

function sameBytes(a: usize, b: usize, length: i32): bool {
  for (let i: usize = 0; i < <usize>length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}

/** Puts the addresses of each section into another order, as CoreDNS' loadbalance does: with the random numbers of `state`. */
export function shuffle(state: usize): void {
  for (let section = ANSWER; section <= ADDITIONAL; section++) {
    let first = 0;
    while (first < count && !isAddress(first, section)) first++;
    let last = first;
    while (last < count && isAddress(last, section)) last++;
    const length = last - first;
    if (length == 2) {
      if (!(next32(state) & 1)) swap(first, first + 1);
    } else if (length > 2) {
      for (let i = 0; i < length; i++) {
        const j = i + <i32>((next32(state) & 0xffff) % <u32>(length - i));
        if (i != j) swap(first + i, first + j);
      }
    }
  }
}

function isAddress(i: i32, section: i32): bool {
  const record = records + ((<usize>i) << SHIFT);
  const type = load<i32>(record, TYPE);
  return load<i32>(record, SECTION) == section && (type == DNS_A || type == DNS_AAAA);
}

function swap(a: i32, b: i32): void {
  const left = records + ((<usize>a) << SHIFT);
  const right = records + ((<usize>b) << SHIFT);
  for (let i: usize = 0; i < 24; i += 4) {
    const word = load<u32>(left + i);
    store<u32>(left + i, load<u32>(right + i));
    store<u32>(right + i, word);
  }
}

/**
 * Writes the message, in answer to a query of which `question` bytes follow the header; returns its length. Without `limit` bytes to
 * spare it is compressed, and what does not fit then is left out and the message marked as truncated. `edns` 0: no OPT record.
 */
export function write(query: usize, question: i32, bits: i32, limit: i32, edns: i32): i32 {
  let length = dns.DNS_HEADER + question + (edns ? dns.OPT_LENGTH : 0);
  for (let i = 0; i < count; i++) length += plainLength(records + ((<usize>i) << SHIFT));
  const compress = length > limit || (limit != LARGEST && length > FRAGMENTS_BEYOND);
  copy(message + dns.DNS_HEADER, query + dns.DNS_HEADER, question);
  end = message + dns.DNS_HEADER + <usize>question;
  labelCount = 0;
  if (compress) noteName(message + dns.DNS_HEADER, dns.DNS_HEADER);
  const last = message + <usize>(limit - (edns ? dns.OPT_LENGTH : 0));
  let answers = 0;
  let authorities = 0;
  let additionals = 0;
  for (let i = 0; i < count; i++) {
    const record = records + ((<usize>i) << SHIFT);
    const before = end;
    // Room for the longest is behind the largest message; what is too much is taken back.
    writeOne(record, compress);
    if (end > last) {
      end = before;
      bits |= dns.FLAG_TRUNCATED;
      break;
    }
    const section = load<i32>(record, SECTION);
    if (section == ANSWER) answers++;
    else if (section == AUTHORITY) authorities++;
    else additionals++;
  }
  if (edns) {
    end = dns.writeOpt(end, edns);
    additionals++;
  }
  dns.writeHeader(message, dns.id(query), bits, question ? 1 : 0, answers, authorities, additionals);
  return <i32>(end - message);
}

function plainLength(record: usize): i32 {
  return dns.nameLength(load<usize>(record, OWNER), dns.NAME_MAX) + dns.RECORD_HEAD + load<i32>(record, LENGTH);
}

function writeOne(record: usize, compress: bool): void {
  const type = load<i32>(record, TYPE);
  const ttl = load<u32>(record, TTL);
  const data = load<usize>(record, DATA);
  const length = load<i32>(record, LENGTH);
  writeName(load<usize>(record, OWNER), compress);
  const head = end;
  end = dns.writeRecord(head, type, ttl, length);
  if (!compress || !(type == DNS_CNAME || type == DNS_PTR || type == DNS_NS || type == DNS_SOA)) {
    copy(end, data, length);
    end += <usize>length;
    return;
  }
  const from = end;
  writeName(data, true);
  if (type == DNS_SOA) {
    const mailbox = data + <usize>dns.nameLength(data, dns.NAME_MAX);
    writeName(mailbox, true);
    copy(end, mailbox + <usize>dns.nameLength(mailbox, dns.NAME_MAX), 20);
    end += 20;
  }
  put16(head + 8, <i32>(end - from));
}

/** Writes a name, in full or with a pointer to as much of it as stands in the message already. */
function writeName(name: usize, compress: bool): void {
  if (!compress) {
    const length = dns.nameLength(name, dns.NAME_MAX);
    copy(end, name, length);
    end += <usize>length;
    return;
  }
  let p = name;
  while (load<u8>(p)) {
    const known = knownName(p);
    if (known) {
      put16(end, dns.POINTER | known);
      end += 2;
      return;
    }
    noteLabel(<i32>(end - message));
    const label = <i32>load<u8>(p) + 1;
    copy(end, p, label);
    end += <usize>label;
    p += <usize>label;
  }
  store<u8>(end, 0);
  end++;
}

function noteLabel(offset: i32): void {
  if (labelCount == LABELS_MAX || offset >= 0x4000) return;
  store<i32>(labels + ((<usize>labelCount) << 2), offset);
  labelCount++;
}

/** The name in full at an offset of the message may be pointed to, as may each of its ends. */
function noteName(name: usize, offset: i32): void {
  let p = name;
  while (load<u8>(p)) {
    noteLabel(offset + <i32>(p - name));
    p += <usize>load<u8>(p) + 1;
  }
}

/** The offset at which a name stands in the message, 0: nowhere. */
function knownName(name: usize): i32 {
  for (let i = 0; i < labelCount; i++) {
    const offset = load<i32>(labels + ((<usize>i) << 2));
    if (standsAt(name, message + <usize>offset)) return offset;
  }
  return 0;
}

function standsAt(name: usize, place: usize): bool {
  let p = name;
  let q = place;
  while (true) {
    q = dns.follow(message, q);
    if (!q) return false;
    const label = <i32>load<u8>(p);
    if (<i32>load<u8>(q) != label) return false;
    if (!label) return true;
    if (!sameBytes(p, q, label + 1)) return false;
    p += <usize>label + 1;
    q += <usize>label + 1;
  }
}

/** A name of another message in full, in room of its own; 0: it is none, or there is no room. */
export function fullName(from: usize, at: usize, limit: usize): usize {
  const copied = room(dns.NAME_MAX + 17);
  if (!copied) return 0;
  let to = copied;
  let p = at;
  while (true) {
    p = dns.follow(from, p);
    if (!p || p >= limit) return 0;
    const label = <i32>load<u8>(p);
    if (<i32>(to - copied) + label + 1 > dns.NAME_MAX || p + <usize>label + 1 > limit) return 0;
    copy(to, p, label + 1);
    to += <usize>label + 1;
    if (!label) return copied;
    p += <usize>label + 1;
  }
}

/**
 * Gathers the records of another server's message: of its answers, and with `all` of its authority section too, each with the TTL
 * given. False: it is not well-formed.
 */
export function addFrom(from: usize, length: i32, ttl: u32, all: bool): bool {
  const limit = from + <usize>length;
  let p = dns.skipName(from + dns.DNS_HEADER, limit);
  if (!p) return false;
  p += 4;
  const answers = dns.answers(from);
  const total = answers + (all ? dns.authorities(from) : 0);
  for (let i = 0; i < total; i++) {
    const owner = fullName(from, p, limit);
    p = dns.skipName(p, limit);
    if (!owner || !p || p + dns.RECORD_HEAD > limit) return false;
    const type = get16(p);
    const bytes = get16(p + 8);
    const data = p + dns.RECORD_HEAD;
    p = data + <usize>bytes;
    if (p > limit) return false;
    if (type == DNS_OPT) continue;
    const section = i < answers ? ANSWER : AUTHORITY;
    if (type == DNS_CNAME || type == DNS_PTR || type == DNS_NS) {
      const name = fullName(from, data, limit);
      if (!name) return false;
      add(section, owner, type, ttl, name, dns.nameLength(name, dns.NAME_MAX));
    } else if (type == DNS_SOA) {
      if (!addSoa(section, owner, ttl, from, data, limit)) return false;
    } else add(section, owner, type, ttl, data, bytes);
  }
  return true;
}

function addSoa(section: i32, owner: usize, ttl: u32, from: usize, data: usize, limit: usize): bool {
  const server = fullName(from, data, limit);
  const second = dns.skipName(data, limit);
  const mailbox = second ? fullName(from, second, limit) : 0;
  const numbers = mailbox ? dns.skipName(second, limit) : 0;
  if (!server || !numbers || numbers + 20 > limit) return false;
  const first = dns.nameLength(server, dns.NAME_MAX);
  const other = dns.nameLength(mailbox, dns.NAME_MAX);
  const whole = room(first + other + 20 + 16);
  if (!whole) return false;
  copy(whole, server, first);
  copy(whole + <usize>first, mailbox, other);
  copy(whole + <usize>(first + other), numbers, 20);
  add(section, owner, DNS_SOA, ttl, whole, first + other + 20);
  return true;
}

/** How long another server's message may be kept, in seconds: its least TTL, of "no" what the SOA says, within CoreDNS' bounds. */
export function lifetime(from: usize, length: i32, shortest: u32, longest: u32): u32 {
  const limit = from + <usize>length;
  let least = longest;
  let p = dns.skipName(from + dns.DNS_HEADER, limit) + 4;
  for (let left = dns.answers(from) + dns.authorities(from); left > 0; left--) {
    p = dns.skipName(p, limit);
    if (!p || p + dns.RECORD_HEAD > limit) return 0;
    least = min<u32>(least, get32(p + 4));
    const bytes = <usize>get16(p + 8);
    const data = p + dns.RECORD_HEAD;
    if (data + bytes > limit) return 0;
    if (get16(p) == DNS_SOA && bytes >= 20) least = min<u32>(least, get32(data + bytes - 4));
    p = data + bytes;
  }
  return max<u32>(least, shortest);
}
