// Whether the bytes behind an Ethernet header are an IPv4 packet at all (ip_rcv_core).
import { DROP_IP_CSUM, DROP_IP_INHDR, DROP_IP_INVALID_SOURCE, DROP_NONE, DROP_PKT_TOO_SMALL } from "../layout/codes.ts";
import { FRAME_DATA, FRAME_LENGTH, FRAME_NETWORK, FRAME_SUMMED } from "../layout/frame.ts";
import { isSix } from "../memory/addresses.ts";
import * as ipv4 from "../wire/ipv4.ts";

/** Checks the header and cuts off what the link padded. DROP_NONE: it may be trusted from here on. */
export function check(frame: usize): i32 {
  const data = load<usize>(frame, FRAME_DATA);
  const ip = load<usize>(frame, FRAME_NETWORK);
  const link = <i32>(ip - data);
  const there = load<i32>(frame, FRAME_LENGTH) - link;
  if (there < ipv4.IPV4_LENGTH) return DROP_IP_INHDR;
  const header = ipv4.headerLength(ip);
  if (header < ipv4.IPV4_LENGTH || ipv4.version(ip) != 4 || header > there) return DROP_IP_INHDR;
  if (!load<u32>(frame, FRAME_SUMMED) && !ipv4.checksumValid(ip)) return DROP_IP_CSUM;
  const total = ipv4.totalLength(ip);
  if (total > there) return DROP_PKT_TOO_SMALL;
  if (total < header) return DROP_IP_INHDR;
  // These stand for addresses of IPv6 here.
  if (isSix(ipv4.source(ip)) || isSix(ipv4.destination(ip))) return DROP_IP_INVALID_SOURCE;
  store<i32>(frame, link + total, FRAME_LENGTH);
  return DROP_NONE;
}
