// TCP (RFC 9293): fields of the header and the options that Linux uses.
import { get16, get32, put16, put32 } from "../memory/bytes.ts";
import { checksum, pseudo, valid } from "./checksum.ts";
import { PROTO_TCP } from "./ipv4.ts";

const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const SEQUENCE: usize = 4;
const ACKNOWLEDGEMENT: usize = 8;
const OFFSET: usize = 12;
const FLAGS: usize = 13;
const WINDOW: usize = 14;
export const TCP_CHECKSUM: usize = 16;
const URGENT: usize = 18;
export const TCP_LENGTH = 20;

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WSCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;
const OPTION_TIMESTAMPS = 8;

export function sourcePort(at: usize): i32 {
  return get16(at + SOURCE_PORT);
}
export function destinationPort(at: usize): i32 {
  return get16(at + DESTINATION_PORT);
}
export function sequence(at: usize): u32 {
  return get32(at + SEQUENCE);
}
export function acknowledgement(at: usize): u32 {
  return get32(at + ACKNOWLEDGEMENT);
}
/** Length of header and options in bytes. */
export function headerLength(at: usize): i32 {
  return ((<i32>load<u8>(at + OFFSET)) >> 4) << 2;
}
/** The 16-bit word of header length and flags. */
export function offsetWord(at: usize): i32 {
  return get16(at + OFFSET);
}
export function setOffsetWord(at: usize, word: i32): void {
  put16(at + OFFSET, word);
}
export function flags(at: usize): i32 {
  return <i32>load<u8>(at + FLAGS);
}
export function window(at: usize): i32 {
  return get16(at + WINDOW);
}
export function checksumValid(at: usize, bytes: i32, source: u32, destination: u32): bool {
  return valid(at, bytes, pseudo(source, destination, PROTO_TCP, bytes));
}

/** What `readOptions` found; a scale of -1, an MSS of 0: the option is absent. */
export let optionMss: i32 = 0;
export let optionScale: i32 = -1;
export let optionSack: bool = false;
export let optionTimestamps: bool = false;
export let optionValue: u32 = 0;
export let optionEcho: u32 = 0;
/** Where the blocks of a SACK option begin, and how many there are. */
export let optionBlocks: usize = 0;
export let optionBlockCount: i32 = 0;

export function blockStart(i: i32): u32 {
  return get32(optionBlocks + ((<usize>i) << 3));
}
export function blockEnd(i: i32): u32 {
  return get32(optionBlocks + ((<usize>i) << 3) + 4);
}

/** Reads the options between the fixed header and `headerLength`, which the caller has checked. */
export function readOptions(at: usize): void {
  optionMss = 0;
  optionScale = -1;
  optionSack = false;
  optionTimestamps = false;
  optionBlockCount = 0;
  let p = at + TCP_LENGTH;
  const end = at + <usize>headerLength(at);
  while (p < end) {
    const kind = <i32>load<u8>(p);
    if (kind == OPTION_END) return;
    if (kind == OPTION_NOP) {
      p++;
      continue;
    }
    if (p + 2 > end) return;
    const size = <usize>load<u8>(p + 1);
    if (size < 2 || p + size > end) return;
    if (kind == OPTION_MSS && size == 4) optionMss = get16(p + 2);
    else if (kind == OPTION_WSCALE && size == 3) optionScale = min<i32>(<i32>load<u8>(p + 2), 14);
    else if (kind == OPTION_SACK_PERMITTED && size == 2) optionSack = true;
    else if (kind == OPTION_SACK && size >= 10 && (size & 7) == 2) {
      optionBlocks = p + 2;
      optionBlockCount = <i32>((size - 2) >> 3);
    } else if (kind == OPTION_TIMESTAMPS && size == 10) {
      optionTimestamps = true;
      optionValue = get32(p + 2);
      optionEcho = get32(p + 6);
    }
    p += size;
  }
}

/** Writes the fixed header without its checksum; `header` counts the options too. */
export function write(at: usize, from: i32, to: i32, seq: u32, ack: u32, header: i32, bits: i32, win: i32): void {
  put16(at + SOURCE_PORT, from);
  put16(at + DESTINATION_PORT, to);
  put32(at + SEQUENCE, seq);
  put32(at + ACKNOWLEDGEMENT, ack);
  store<u8>(at + OFFSET, <u8>(header << 2));
  store<u8>(at + FLAGS, <u8>bits);
  put16(at + WINDOW, win);
  put16(at + TCP_CHECKSUM, 0);
  put16(at + URGENT, 0);
}

/** Writes the checksum over `bytes` of header and payload. */
export function seal(at: usize, bytes: i32, source: u32, destination: u32): void {
  put16(at + TCP_CHECKSUM, checksum(at, bytes, pseudo(source, destination, PROTO_TCP, bytes)));
}

/**
 * Writes the options of a SYN in Linux's order (tcp_options_write): MSS; SACK permitted and timestamps share a line;
 * NOP and window scale. Returns the bytes written.
 */
export function writeSynOptions(
  at: usize,
  mss: i32,
  sack: bool,
  timestamps: bool,
  value: u32,
  echo: u32,
  scale: i32,
): i32 {
  let p = at;
  store<u8>(p, OPTION_MSS);
  store<u8>(p + 1, 4);
  put16(p + 2, mss);
  p += 4;
  if (timestamps) {
    store<u8>(p, sack ? OPTION_SACK_PERMITTED : OPTION_NOP);
    store<u8>(p + 1, sack ? 2 : OPTION_NOP);
    store<u8>(p + 2, OPTION_TIMESTAMPS);
    store<u8>(p + 3, 10);
    put32(p + 4, value);
    put32(p + 8, echo);
    p += 12;
  } else if (sack) {
    store<u8>(p, OPTION_NOP);
    store<u8>(p + 1, OPTION_NOP);
    store<u8>(p + 2, OPTION_SACK_PERMITTED);
    store<u8>(p + 3, 2);
    p += 4;
  }
  if (scale >= 0) {
    store<u8>(p, OPTION_NOP);
    store<u8>(p + 1, OPTION_WSCALE);
    store<u8>(p + 2, 3);
    store<u8>(p + 3, <u8>scale);
    p += 4;
  }
  return <i32>(p - at);
}

/** Writes NOP, NOP and the head of a SACK option of `count` blocks; returns where the blocks go. */
export function writeSackHead(at: usize, count: i32): usize {
  put32(at, 0x01010502 + ((<u32>count) << 3));
  return at + 4;
}

/** Writes one block; returns where the next goes. */
export function writeBlock(at: usize, start: u32, end: u32): usize {
  put32(at, start);
  put32(at + 4, end);
  return at + 8;
}

/** Writes NOP, NOP, timestamps: 12 bytes. */
export function writeTimestamps(at: usize, value: u32, echo: u32): void {
  put32(at, 0x0101080a);
  put32(at + 4, value);
  put32(at + 8, echo);
}
