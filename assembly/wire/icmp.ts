// ICMP (RFC 792).
import { get16, put16, put32 } from "../memory/bytes.ts";
import { checksum, valid } from "./checksum.ts";

const TYPE: usize = 0;
const CODE: usize = 1;
export const ICMP_CHECKSUM: usize = 2;
export const ICMP_ID: usize = 4;
const SEQUENCE: usize = 6;
export const ICMP_LENGTH = 8;

export const ECHO_REPLY = 0;
export const DEST_UNREACHABLE = 3;
export const SOURCE_QUENCH = 4;
export const REDIRECT = 5;
export const ECHO_REQUEST = 8;
export const TIME_EXCEEDED = 11;
export const PARAMETER_PROBLEM = 12;

export const NET_UNREACHABLE = 0;
export const HOST_UNREACHABLE = 1;
export const PROT_UNREACHABLE = 2;
export const PORT_UNREACHABLE = 3;
export const FRAG_NEEDED = 4;
export const SOURCE_ROUTE_FAILED = 5;
export const REDIRECT_HOST = 1; // of REDIRECT
export const PKT_FILTERED = 13;
export const FRAGMENT_TIME = 1; // of TIME_EXCEEDED

export function type(at: usize): i32 {
  return <i32>load<u8>(at + TYPE);
}
export function code(at: usize): i32 {
  return <i32>load<u8>(at + CODE);
}
export function id(at: usize): i32 {
  return get16(at + ICMP_ID);
}
export function sequence(at: usize): i32 {
  return get16(at + SEQUENCE);
}
/** The MTU that "fragmentation needed" tells. */
export function mtu(at: usize): u32 {
  return <u32>get16(at + SEQUENCE);
}
export function checksumValid(at: usize, bytes: i32): bool {
  return valid(at, bytes, 0);
}

/** Whether a type is an error, which quotes the packet that caused it and never causes another. */
export function isError(kind: i32): bool {
  return (
    kind == DEST_UNREACHABLE ||
    kind == SOURCE_QUENCH ||
    kind == REDIRECT ||
    kind == TIME_EXCEEDED ||
    kind == PARAMETER_PROBLEM
  );
}

/** Writes the 8-byte header before a payload that already stands behind it; `bytes` counts both. */
export function write(at: usize, kind: i32, detail: i32, rest: u32, bytes: i32): void {
  store<u8>(at + TYPE, <u8>kind);
  store<u8>(at + CODE, <u8>detail);
  put16(at + ICMP_CHECKSUM, 0);
  put32(at + ICMP_ID, rest);
  put16(at + ICMP_CHECKSUM, checksum(at, bytes, 0));
}

/** Turns a request in place into its reply. */
export function setType(at: usize, kind: i32, bytes: i32): void {
  store<u8>(at + TYPE, <u8>kind);
  put16(at + ICMP_CHECKSUM, 0);
  put16(at + ICMP_CHECKSUM, checksum(at, bytes, 0));
}
