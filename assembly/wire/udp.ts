// UDP (RFC 768).
import { get16, put16 } from "../memory/bytes.ts";
import { checksum, pseudo, valid } from "./checksum.ts";
import { PROTO_UDP } from "./ipv4.ts";

const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const LENGTH: usize = 4;
export const UDP_CHECKSUM: usize = 6;
export const UDP_LENGTH = 8;

export function sourcePort(at: usize): i32 {
  return get16(at + SOURCE_PORT);
}
export function destinationPort(at: usize): i32 {
  return get16(at + DESTINATION_PORT);
}
export function length(at: usize): i32 {
  return get16(at + LENGTH);
}
/** The checksum as it stands; 0 means that the sender made none. */
export function checksumField(at: usize): i32 {
  return get16(at + UDP_CHECKSUM);
}
export function checksumValid(at: usize, bytes: i32, source: u32, destination: u32): bool {
  return !checksumField(at) || valid(at, bytes, pseudo(source, destination, PROTO_UDP, bytes));
}

/** Writes the header before a payload that already stands behind it; `bytes` counts both. */
export function write(at: usize, from: i32, to: i32, bytes: i32, source: u32, destination: u32): void {
  put16(at + SOURCE_PORT, from);
  put16(at + DESTINATION_PORT, to);
  put16(at + LENGTH, bytes);
  put16(at + UDP_CHECKSUM, 0);
  const value = checksum(at, bytes, pseudo(source, destination, PROTO_UDP, bytes));
  // Zero means "none", so a computed zero is sent as its twin.
  put16(at + UDP_CHECKSUM, value ? value : 0xffff);
}
