// DNS messages (RFC 1035): the header, questions, and names in wire form.
import { get16, put16, put32 } from "../memory/bytes.ts";

const ID: usize = 0;
const FLAGS: usize = 2;
const QUESTIONS: usize = 4;
const ANSWERS: usize = 6;
const AUTHORITIES: usize = 8;
const ADDITIONAL: usize = 10;
export const DNS_HEADER = 12;
const OPT = 41;

export const FLAG_RESPONSE = 0x8000;
export const FLAG_AUTHORITATIVE = 0x0400;
export const FLAG_TRUNCATED = 0x0200;
export const FLAG_RECURSION_DESIRED = 0x0100;
export const FLAG_RECURSION_AVAILABLE = 0x0080;
export const FLAG_AUTHENTIC_DATA = 0x0020;
export const RCODE_MASK = 15;
export const RCODE_NXDOMAIN = 3;
export const RCODE_SERVFAIL = 2;
export const RCODE_FORMERR = 1;
export const CLASS_IN = 1;
/** The longest name in wire form. */
export const NAME_MAX = 255;
/** The head of a record behind its name: type, class, TTL, length. */
export const RECORD_HEAD = 10;
export const POINTER = 0xc000;
const POINTER_MASK = 0x3fff;
/** EDNS' record (RFC 6891): an empty name, the size of what its sender takes, flags. */
export const OPT_LENGTH = 11;

export function id(at: usize): i32 {
  return get16(at + ID);
}
export function flags(at: usize): i32 {
  return get16(at + FLAGS);
}
export function questions(at: usize): i32 {
  return get16(at + QUESTIONS);
}
export function answers(at: usize): i32 {
  return get16(at + ANSWERS);
}

export function authorities(at: usize): i32 {
  return get16(at + AUTHORITIES);
}
export function additionals(at: usize): i32 {
  return get16(at + ADDITIONAL);
}

export function writeHeader(
  at: usize,
  ident: i32,
  bits: i32,
  question: i32,
  answer: i32,
  authority: i32,
  additional: i32,
): void {
  put16(at + ID, ident);
  put16(at + FLAGS, bits);
  put16(at + QUESTIONS, question);
  put16(at + ANSWERS, answer);
  put16(at + AUTHORITIES, authority);
  put16(at + ADDITIONAL, additional);
}

/** The length of an uncompressed name, its final zero included; 0 if it runs past `limit` bytes or is compressed. */
export function nameLength(at: usize, limit: i32): i32 {
  let i = 0;
  while (i < limit) {
    const label = <i32>load<u8>(at + <usize>i);
    if (label > 63) return 0;
    i += label + 1;
    if (!label) return i;
  }
  return 0;
}

/** Skips a name, compressed or not; the address behind it, 0 if it runs past `end`. */
export function skipName(at: usize, end: usize): usize {
  let p = at;
  while (p < end) {
    const label = load<u8>(p);
    if (label >= 0xc0) return p + 2;
    if (!label) return p + 1;
    p += <usize>label + 1;
  }
  return 0;
}

/** Where the name that begins or points here goes on: pointers that lead back are followed. 0: a pointer that does not. */
export function follow(message: usize, at: usize): usize {
  let p = at;
  while (load<u8>(p) >= 0xc0) {
    const to = message + <usize>(get16(p) & POINTER_MASK);
    if (to >= p) return 0;
    p = to;
  }
  return p;
}

/** Writes what stands between a record's name and its data; returns the address of the data. */
export function writeRecord(at: usize, type: i32, ttl: u32, length: i32): usize {
  put16(at, type);
  put16(at + 2, CLASS_IN);
  put32(at + 4, ttl);
  put16(at + 8, length);
  return at + RECORD_HEAD;
}

/** Writes EDNS' record for a host that takes datagrams of `size` bytes; returns the address behind it. */
export function writeOpt(at: usize, size: i32): usize {
  store<u8>(at, 0);
  put16(at + 1, OPT);
  put16(at + 3, size);
  put32(at + 5, 0);
  put16(at + 9, 0);
  return at + OPT_LENGTH;
}

/** The size of datagrams that the sender of a query takes, as its OPT record says; 0 without one. */
export function ednsSize(message: usize, end: usize): i32 {
  let p = message + DNS_HEADER;
  for (let left = questions(message); left > 0; left--) {
    p = skipName(p, end);
    if (!p) return 0;
    p += 4;
  }
  for (let left = answers(message) + authorities(message) + additionals(message); left > 0; left--) {
    p = skipName(p, end);
    if (!p || p + RECORD_HEAD > end) return 0;
    if (get16(p) == OPT) return get16(p + 2);
    p += <usize>(RECORD_HEAD + get16(p + 8));
  }
  return 0;
}
