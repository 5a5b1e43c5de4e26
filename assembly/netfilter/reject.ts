// Whether REJECT may answer a packet: not one that was broken on its way, as far as its checksum tells (nf_reject_ipv4.c).
import { FRAME_CT, FRAME_NETWORK } from "../layout/frame.ts";
import { NS_SYSCTLS, SYSCTL_CT_CHECKSUM } from "../layout/records.ts";
import { HOOK_INPUT } from "../layout/rules.ts";
import { packetLength } from "../track/conntrack.ts";
import { pseudo, valid } from "../wire/checksum.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as tcp from "../wire/tcp.ts";
import * as udp from "../wire/udp.ts";

function transportLength(frame: usize): i32 {
  return packetLength(frame) - anyIp.headerLength(load<usize>(frame, FRAME_NETWORK));
}

/** Whether a TCP segment may be answered with a reset at a hook (nf_reject_ip_tcphdr_get). */
export function mayReset(ns: usize, frame: usize, hook: i32): bool {
  if (transportLength(frame) < tcp.TCP_LENGTH) return false;
  return (hook == HOOK_INPUT && wasChecked(ns, frame)) || sumsUp(frame);
}

/** Whether the sender of a packet may be told with an ICMP error (nf_send_unreach). */
export function mayTell(ns: usize, frame: usize): bool {
  return !isSummed(frame) || wasChecked(ns, frame) || sumsUp(frame);
}

/** Whether connection tracking has found the checksum right before. */
function wasChecked(ns: usize, frame: usize): bool {
  if (!load<usize>(frame, FRAME_CT) || !load<u32>(ns + NS_SYSCTLS, SYSCTL_CT_CHECKSUM << 2)) return false;
  const protocol = anyIp.protocol(load<usize>(frame, FRAME_NETWORK));
  return protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP || protocol == ipv4.PROTO_ICMP;
}

/** Whether the protocol of a packet is taken for one whose checksum covers all of it (nf_reject_verify_csum). */
function isSummed(frame: usize): bool {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const protocol = anyIp.protocol(ip);
  if (protocol == ipv4.PROTO_UDP) {
    return transportLength(frame) < udp.UDP_LENGTH || udp.checksumField(anyIp.payload(ip)) != 0;
  }
  return (
    protocol != ipv4.PROTO_GRE &&
    protocol != ipv4.PROTO_SCTP &&
    protocol != ipv4.PROTO_UDPLITE &&
    protocol != ipv4.PROTO_ESP &&
    protocol != ipv4.PROTO_AH &&
    protocol != ipv4.PROTO_DCCP
  );
}

/**
 * Whether a packet as a whole sums to all ones: payload, pseudo header, and its own header, too, the checksum of which options
 * may have made stale (nf_ip_checksum).
 */
function sumsUp(frame: usize): bool {
  const ip = load<usize>(frame, FRAME_NETWORK);
  if (anyIp.isSix(ip)) return sumsUpSix(ip, transportLength(frame));
  const protocol = ipv4.protocol(ip);
  const hasPseudo = protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP;
  const start = hasPseudo ? pseudo(ipv4.source(ip), ipv4.destination(ip), protocol, transportLength(frame)) : 0;
  return valid(ip, packetLength(frame), start);
}

/** The same for IPv6, whose header has no checksum (nf_ip6_checksum). */
function sumsUpSix(ip: usize, bytes: i32): bool {
  const protocol = anyIp.protocol(ip);
  return valid(anyIp.payload(ip), bytes, pseudo(anyIp.source(ip), anyIp.destination(ip), protocol, bytes));
}
