// What state a TCP connection is in after a segment: the table of nf_conntrack_proto_tcp.c.
import { DIR_ORIGINAL } from "../layout/codes.ts";
import * as tcp from "../wire/tcp.ts";

export const NONE = 0; // only before the first segment
export const SYN_SENT = 1;
export const SYN_RECV = 2;
export const ESTABLISHED = 3;
export const FIN_WAIT = 4;
export const CLOSE_WAIT = 5;
export const LAST_ACK = 6;
export const TIME_WAIT = 7;
export const CLOSE = 8;
export const SYN_SENT2 = 9;
export const INVALID = 10;
export const IGNORE = 11;

export const INDEX_SYN = 0;
export const INDEX_SYNACK = 1;
export const INDEX_FIN = 2;
export const INDEX_ACK = 3;
export const INDEX_RST = 4;
export const INDEX_NONE = 5;

// Next state by direction, kind of segment and state; a hexadecimal digit each, states 0 (NONE) to 9 (SYN_SENT2) from the
// left: a = INVALID, b = IGNORE.
// original: syn, synack, fin, ack, rst
const ORIGINAL_SYN: u64 = 0x11bbbbb119;
const ORIGINAL_SYNACK: u64 = 0xaa2aaaaaa2;
const ORIGINAL_FIN: u64 = 0xaa4466678a;
const ORIGINAL_ACK: u64 = 0x3a3355778a;
const ANY_RST: u64 = 0xa888888888;
// reply
const REPLY_SYN: u64 = 0xa9aaaaa1a9;
const REPLY_SYNACK: u64 = 0xa2bbbbbbb2;
const REPLY_FIN: u64 = 0xaa4466678a;
const REPLY_ACK: u64 = 0xab2355778b;

export function nextState(direction: u32, index: i32, state: u32): u32 {
  let row: u64 = 0xaaaaaaaaaa;
  if (index == INDEX_RST) row = ANY_RST;
  else if (direction == DIR_ORIGINAL) {
    if (index == INDEX_SYN) row = ORIGINAL_SYN;
    else if (index == INDEX_SYNACK) row = ORIGINAL_SYNACK;
    else if (index == INDEX_FIN) row = ORIGINAL_FIN;
    else if (index == INDEX_ACK) row = ORIGINAL_ACK;
  } else {
    if (index == INDEX_SYN) row = REPLY_SYN;
    else if (index == INDEX_SYNACK) row = REPLY_SYNACK;
    else if (index == INDEX_FIN) row = REPLY_FIN;
    else if (index == INDEX_ACK) row = REPLY_ACK;
  }
  return <u32>((row >> ((9 - <u64>state) << 2)) & 15);
}

export function indexOf(bits: i32): i32 {
  if (bits & tcp.RST) return INDEX_RST;
  if (bits & tcp.SYN) return bits & tcp.ACK ? INDEX_SYNACK : INDEX_SYN;
  if (bits & tcp.FIN) return INDEX_FIN;
  return bits & tcp.ACK ? INDEX_ACK : INDEX_NONE;
}

/** Which flag combinations make sense at all; PSH, ECE and CWR do not count (tcp_valid_flags). */
export function flagsValid(bits: i32): bool {
  const essential = bits & (tcp.FIN | tcp.SYN | tcp.RST | tcp.ACK | tcp.URG);
  if (essential & tcp.SYN)
    return essential == tcp.SYN || essential == (tcp.SYN | tcp.URG) || essential == (tcp.SYN | tcp.ACK);
  if (essential & tcp.RST) return essential == tcp.RST || essential == (tcp.RST | tcp.ACK);
  return (essential & tcp.ACK) != 0;
}
