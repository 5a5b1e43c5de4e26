// UDP (RFC 768), and UDP-Lite (RFC 3828), which has how much its checksum covers in the place of the length.
import { isSix } from "../memory/addresses.ts";
import { get16 } from "../memory/bytes.ts";
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
  // IPv6 knows no datagram without a checksum (RFC 8200, 8.1).
  if (!checksumField(at)) return !isSix(destination);
  return valid(at, bytes, pseudo(source, destination, PROTO_UDP, bytes));
}

/** How many bytes the checksum of a UDP-Lite packet of `bytes` bytes covers; 0: it is not one that may be taken. */
export function liteCoverage(at: usize, bytes: i32): i32 {
  if (bytes < UDP_LENGTH || !checksumField(at)) return 0;
  const said = length(at);
  if (!said) return bytes;
  return said < UDP_LENGTH || said > bytes ? 0 : said;
}
/** Whether the checksum over the covered part is right, with `protocol` in the pseudo header. */
export function liteChecksumValid(at: usize, bytes: i32, source: u32, destination: u32, protocol: i32): bool {
  return valid(at, liteCoverage(at, bytes), pseudo(source, destination, protocol, bytes));
}

/** Writes the header before a payload that already stands behind it; `bytes` counts both. */
export function write(at: usize, from: i32, to: i32, bytes: i32, source: u32, destination: u32): void {
  const ports = (<u32>bswap<u16>(<u16>from)) | ((<u32>bswap<u16>(<u16>to)) << 16);
  const size = <u32>bswap<u16>(<u16>bytes);
  const start = pseudo(source, destination, PROTO_UDP, bytes) + (ports & 0xffff) + (ports >> 16) + size;
  const value = bswap<u16>(<u16>checksum(at + UDP_LENGTH, bytes - UDP_LENGTH, start));
  // Zero means "none", so a computed zero is sent as its twin.
  store<u64>(at, (<u64>ports) | ((<u64>(size | ((value ? <u32>value : 0xffff) << 16))) << 32));
}
