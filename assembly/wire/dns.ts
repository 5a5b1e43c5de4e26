// DNS messages (RFC 1035): the header, questions, and names in wire form.
import { get16, put16, put32 } from "../memory/bytes.ts";

const ID: usize = 0;
const FLAGS: usize = 2;
const QUESTIONS: usize = 4;
const ANSWERS: usize = 6;
const AUTHORITIES: usize = 8;
const ADDITIONAL: usize = 10;
export const DNS_HEADER = 12;

export const FLAG_RESPONSE = 0x8000;
export const FLAG_AUTHORITATIVE = 0x0400;
export const FLAG_TRUNCATED = 0x0200;
export const FLAG_RECURSION_DESIRED = 0x0100;
export const FLAG_RECURSION_AVAILABLE = 0x0080;
export const RCODE_NXDOMAIN = 3;
export const RCODE_SERVFAIL = 2;
export const RCODE_FORMERR = 1;
export const CLASS_IN = 1;
/** The longest name in wire form. */
export const NAME_MAX = 255;
/** A name that is the question's: a pointer to the byte behind the header. */
export const POINTER_TO_QUESTION = 0xc00c;

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

export function writeHeader(at: usize, ident: i32, bits: i32, question: i32, answer: i32, authority: i32): void {
  put16(at + ID, ident);
  put16(at + FLAGS, bits);
  put16(at + QUESTIONS, question);
  put16(at + ANSWERS, answer);
  put16(at + AUTHORITIES, authority);
  put16(at + ADDITIONAL, 0);
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

/** Writes the head of a record (everything before its data); returns the address of the data. */
export function writeRecord(at: usize, name: i32, type: i32, ttl: u32, length: i32): usize {
  put16(at, name);
  put16(at + 2, type);
  put16(at + 4, CLASS_IN);
  put32(at + 6, ttl);
  put16(at + 10, length);
  return at + 12;
}
