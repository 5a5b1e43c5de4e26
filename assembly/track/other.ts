// What conntrack asks of packets of UDP-Lite, SCTP and GRE before it follows them (nf_conntrack_proto_udp.c, _sctp.c, _gre.c).
import { get16, get32 } from "../memory/bytes.ts";
import { PROTO_UDP } from "../wire/ipv4.ts";
import * as udp from "../wire/udp.ts";

/** UDP-Lite: coverage within the packet, and a checksum, which the kernel sums with the number of UDP in the pseudo header. */
export function udpLiteValid(l4: usize, bytes: i32, check: bool, source: u32, destination: u32): bool {
  if (!udp.liteCoverage(l4, bytes)) return false;
  return !check || udp.liteChecksumValid(l4, bytes, source, destination, PROTO_UDP);
}

const GRE_PPTP_HEADER = 8;
const GRE_VERSION = 7;
const GRE_PROTOCOL: usize = 2;
const GRE_PPP = 0x880b;

/** GRE: any packet of version 0, of version 1 those that carry PPP. */
export function greValid(l4: usize, bytes: i32): bool {
  if (bytes < GRE_PPTP_HEADER || (get16(l4) & GRE_VERSION) != 1) return true;
  return get16(l4 + GRE_PROTOCOL) == GRE_PPP;
}

const SCTP_HEADER = 12;
const SCTP_TAG: usize = 4;
const SCTP_CHECKSUM: usize = 8;
const CHUNK_HEADER = 4;
const CHUNK_LENGTH: usize = 2;
const INIT = 1;
const INIT_ACK = 2;
const SACK = 3;
const ABORT = 6;
const COOKIE_ECHO = 10;
const COOKIE_ACK = 11;
const SHUTDOWN_COMPLETE = 14;

/** SCTP (RFC 9260): header and checksum, and chunks that may stand together (do_basic_checks). */
export function sctpValid(l4: usize, bytes: i32, check: bool): bool {
  if (bytes < SCTP_HEADER || (check && load<u32>(l4, SCTP_CHECKSUM) != sctpChecksum(l4, bytes))) return false;
  let count = 0;
  let alone = false;
  for (let at = SCTP_HEADER; at + CHUNK_HEADER <= bytes; count++) {
    const length = get16(l4 + <usize>at + CHUNK_LENGTH);
    if (!length) break;
    const type = <i32>load<u8>(l4 + <usize>at);
    if (type == INIT || type == INIT_ACK || type == SHUTDOWN_COMPLETE) alone = true;
    if (count && (alone || type == COOKIE_ACK || type == COOKIE_ECHO)) return false;
    at += (length + 3) & ~3;
  }
  return count > 0;
}

/** Whether an association may begin with the chunks of a valid packet (sctp_new). */
export function sctpBegins(l4: usize, bytes: i32): bool {
  for (let at = SCTP_HEADER; at + CHUNK_HEADER <= bytes;) {
    const length = get16(l4 + <usize>at + CHUNK_LENGTH);
    if (!length) break;
    const type = <i32>load<u8>(l4 + <usize>at);
    if (type < INIT || type == SACK || type == ABORT || type > COOKIE_ECHO) return false;
    if (type == INIT && get32(l4 + SCTP_TAG)) return false;
    at += (length + 3) & ~3;
  }
  return true;
}

const CRC32C: u32 = 0x82f63b78; // the polynomial of Castagnoli, bits reversed

/** CRC32c over the packet as if its checksum were zero, as it stands in memory (sctp_compute_cksum). */
function sctpChecksum(l4: usize, bytes: i32): u32 {
  let crc: u32 = 0xffffffff;
  for (let i = 0; i < bytes; i++) {
    const inChecksum = i >= <i32>SCTP_CHECKSUM && i < SCTP_HEADER;
    crc ^= inChecksum ? 0 : <u32>load<u8>(l4 + <usize>i);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ CRC32C : crc >> 1;
  }
  return ~crc;
}
