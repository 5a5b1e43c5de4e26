// ICMP errors: when one may be sent, how many, and what it quotes (icmp_send in net/ipv4/icmp.c).
import { DIR_ORIGINAL, IP_CT_RELATED, IP_CT_RELATED_REPLY, ROUTE_LOCAL } from "../layout/codes.ts";
import { FRAME_CT, FRAME_CT_INFO, FRAME_LINE, FRAME_NETWORK, FRAME_PACKET_TYPE, PACKET_HOST } from "../layout/frame.ts";
import {
  NS_ICMP_CREDIT,
  NS_ICMP_STAMP,
  NS_PEERS,
  NS_SYSCTLS,
  SYSCTL_ICMP_MSGS_BURST,
  SYSCTL_ICMP_MSGS_PER_SEC,
  SYSCTL_ICMP_RATELIMIT,
  SYSCTL_ICMP_RATEMASK,
} from "../layout/records.ts";
import { addressType } from "../fib/route.ts";
import { allocate } from "../memory/arena.ts";
import { copy } from "../memory/bytes.ts";
import { MILLISECOND, SECOND, now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import { directionOf, packetLength } from "../track/conntrack.ts";
import { attach, hold } from "../track/table.ts";
import * as icmp from "../wire/icmp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import { newPacket, nextId, payloadOf, send } from "./packet.ts";
import * as route from "./route-packet.ts";

const LARGEST = 576;
const BURST_FACTOR: u64 = 6; // XRLIM_BURST_FACTOR

const PEER_ADDRESS: usize = 4;
const PEER_TOKENS: usize = 8;
const PEER_LAST: usize = 16;

function sysctl(ns: usize, which: i32): u32 {
  return load<u32>(ns + NS_SYSCTLS + ((<usize>which) << 2));
}

/** All of the host's limited messages share a bucket that fills by icmp_msgs_per_sec (icmp_global_allow). */
function globalAllows(ns: usize): bool {
  const burst = <u64>sysctl(ns, SYSCTL_ICMP_MSGS_BURST);
  const rate = <u64>sysctl(ns, SYSCTL_ICMP_MSGS_PER_SEC);
  const elapsed = now - load<u64>(ns, NS_ICMP_STAMP);
  let credit = <u64>load<u32>(ns, NS_ICMP_CREDIT);
  const gained = (min<u64>(elapsed, SECOND) * rate) / SECOND;
  if (gained) {
    credit = min<u64>(credit + gained, burst);
    store<u64>(ns, now, NS_ICMP_STAMP);
  }
  if (!credit) {
    store<u32>(ns, 0, NS_ICMP_CREDIT);
    return false;
  }
  store<u32>(ns, <u32>(credit - 1), NS_ICMP_CREDIT);
  return true;
}

/** Each target has a bucket of six messages that fills by one in icmp_ratelimit (inet_peer_xrlim_allow). */
function peerAllows(ns: usize, address: u32): bool {
  const interval = <u64>sysctl(ns, SYSCTL_ICMP_RATELIMIT) * MILLISECOND;
  if (!interval) return true;
  const table = load<usize>(ns, NS_PEERS);
  let peer = load<usize>(hash.bucket(table, hash.mix(address, 1)));
  while (peer && load<u32>(peer, PEER_ADDRESS) != address) peer = load<usize>(peer);
  if (!peer) {
    peer = allocate(24);
    store<u32>(peer, address, PEER_ADDRESS);
    store<u64>(peer, BURST_FACTOR * interval, PEER_TOKENS);
    store<u64>(peer, now, PEER_LAST);
    hash.insert(table, hash.mix(address, 1), peer);
  }
  const tokens = min<u64>(load<u64>(peer, PEER_TOKENS) + (now - load<u64>(peer, PEER_LAST)), BURST_FACTOR * interval);
  store<u64>(peer, now, PEER_LAST);
  const allowed = tokens >= interval;
  store<u64>(peer, allowed ? tokens - interval : tokens, PEER_TOKENS);
  return allowed;
}

/** Whether a type is limited and over its limit; loopback is never limited. */
function limited(ns: usize, kind: i32, detail: i32, target: u32, toLoopback: bool): bool {
  if (kind == icmp.DEST_UNREACHABLE && detail == icmp.FRAG_NEEDED) return false;
  if (!((1 << kind) & sysctl(ns, SYSCTL_ICMP_RATEMASK)) || toLoopback) return false;
  return !globalAllows(ns) || !peerAllows(ns, target);
}

/** The answer belongs to the connection of the packet that it is about, even before that is confirmed (nf_ct_attach). */
export function attachRelated(frame: usize, answer: usize): void {
  const entry = load<usize>(frame, FRAME_CT);
  if (!entry) return;
  const original = directionOf(load<u32>(frame, FRAME_CT_INFO)) == DIR_ORIGINAL;
  hold(entry);
  attach(answer, entry, original ? IP_CT_RELATED_REPLY : IP_CT_RELATED);
}

/**
 * Answers a packet with an ICMP error of `kind` and `detail`; `rest` is the second word (MTU, pointer, gateway). Sends
 * nothing where Linux would not: about broadcasts, later fragments, other errors, and above the rate limits.
 */
export function sendError(ns: usize, frame: usize, kind: i32, detail: i32, rest: u32): void {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const from = ipv4.source(ip);
  const to = ipv4.destination(ip);
  if (load<u32>(frame, FRAME_PACKET_TYPE) != PACKET_HOST) return;
  if (ipv4.fragment(ip) & ipv4.OFFSET_MASK) return;
  const toType = addressType(ns, to);
  if (toType > <u32>ROUTE_LOCAL || addressType(ns, from) > <u32>ROUTE_LOCAL) return;
  const length = packetLength(frame);
  const header = ipv4.headerLength(ip);
  if (ipv4.protocol(ip) == ipv4.PROTO_ICMP) {
    // Never an error about an error.
    if (length < header + 1 || icmp.isError(icmp.type(ip + <usize>header))) return;
    if (icmp.type(ip + <usize>header) > 18) return;
  }
  const decision = route.outgoing(ns, from);
  if (decision == route.TO_NOWHERE) return;
  const source = toType == ROUTE_LOCAL ? to : route.source;
  if (!source) return;
  if (limited(ns, kind, detail, from, decision == route.TO_LOCAL)) return;

  const quoted = min<i32>(length, LARGEST - ipv4.IPV4_LENGTH - icmp.ICMP_LENGTH);
  const answer = newPacket(ns, load<u32>(frame, FRAME_LINE));
  const at = payloadOf(answer);
  copy(at + icmp.ICMP_LENGTH, ip, quoted);
  icmp.write(at, kind, detail, rest, icmp.ICMP_LENGTH + quoted);
  attachRelated(frame, answer);
  const tos = (ipv4.tos(ip) & 0x1e) | 0xc0;
  send(ns, answer, ipv4.PROTO_ICMP, source, from, icmp.ICMP_LENGTH + quoted, tos, nextId(ns), 0);
}
