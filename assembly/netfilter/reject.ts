// Whether REJECT may answer a packet: not one that was broken on its way, as far as its checksum tells (nf_reject_ipv4.c).
import { pseudo, valid } from "../wire/checksum.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as udp from "../wire/udp.ts";

const GRE_HEADER = 4;
const GRE_CHECKSUM: u8 = 0x80;

/** Whether the protocol of a packet is taken for one whose checksum covers all of it (nf_reject_verify_csum). */
export function isSummed(ip: usize, bytes: i32): bool {
  const protocol = ipv4.protocol(ip);
  const at = ipv4.payload(ip);
  if (protocol == ipv4.PROTO_UDP) return bytes < udp.UDP_LENGTH || udp.checksumField(at) != 0;
  if (protocol == ipv4.PROTO_GRE) return bytes < GRE_HEADER || (load<u8>(at) & GRE_CHECKSUM) != 0;
  return (
    protocol != ipv4.PROTO_SCTP &&
    protocol != ipv4.PROTO_UDPLITE &&
    protocol != ipv4.PROTO_ESP &&
    protocol != ipv4.PROTO_AH &&
    protocol != ipv4.PROTO_DCCP
  );
}

/**
 * Whether a packet with `bytes` bytes behind its header sums to all ones: payload, pseudo header, and its own header, too, the
 * checksum of which options may have made stale (nf_ip_checksum).
 */
export function sumsUp(ip: usize, bytes: i32): bool {
  const protocol = ipv4.protocol(ip);
  const hasPseudo = protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP;
  const start = hasPseudo ? pseudo(ipv4.source(ip), ipv4.destination(ip), protocol, bytes) : 0;
  return valid(ip, ipv4.headerLength(ip) + bytes, start);
}
