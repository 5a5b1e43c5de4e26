// ICMP errors: when one may be sent, how many, and what it quotes (icmp_send in net/ipv4/icmp.c).
import { DIR_ORIGINAL, IP_CT_RELATED, IP_CT_RELATED_REPLY, ROUTE_LOCAL } from "../layout/codes.ts";
import {
  FRAME_CT,
  FRAME_CT_INFO,
  FRAME_INPUT,
  FRAME_LINE,
  FRAME_NETWORK,
  FRAME_PACKET_TYPE,
  PACKET_HOST,
  STAGE_OUTPUT,
} from "../layout/frame.ts";
import {
  NS_ICMP_CREDIT,
  NS_ICMP_STAMP,
  NS_PEERS,
  NS_SYSCTLS,
  SYSCTL_ERRORS_USE_INBOUND,
  SYSCTL_ICMP_MSGS_BURST,
  SYSCTL_ICMP_MSGS_PER_SEC,
  SYSCTL_ICMP_RATELIMIT,
  SYSCTL_ICMP_RATEMASK,
} from "../layout/records.ts";
import { STEP_ANSWER } from "../layout/trace.ts";
import { select } from "../fib/address.ts";
import { addressType } from "../fib/route.ts";
import { allocate } from "../memory/arena.ts";
import * as backlog from "../memory/backlog.ts";
import { copy } from "../memory/bytes.ts";
import { MILLISECOND, SECOND, now } from "../memory/clock.ts";
import * as hash from "../memory/hash.ts";
import * as trace from "../observe/trace.ts";
import { directionOf, packetLength } from "../track/conntrack.ts";
import { attach, hold } from "../track/table.ts";
import * as icmp from "../wire/icmp.ts";
import * as ipv4 from "../wire/ipv4.ts";
import { finish, newPacket, nextId, payloadOf } from "./packet.ts";
import * as options from "./options.ts";
import * as route from "./route-packet.ts";

const LARGEST = 576;
const BURST_FACTOR: u64 = 6; // XRLIM_BURST_FACTOR
const NO_ROUTE_BURST: u64 = 5; // ip_rt_error_burst, in ip_rt_error_cost of a second

const PEER_ADDRESS: usize = 4;
const PEER_TOKENS: usize = 8;
const PEER_LAST: usize = 16;
const PEER_REDIRECTS: usize = 24;
const PEER_SIZE: u32 = 32;
const REDIRECTS_MAX: u32 = 9; // ip_rt_redirect_number
const REDIRECT_LOAD: u64 = 20 * MILLISECOND;
const REDIRECT_SILENCE: u64 = REDIRECT_LOAD << 10;

function sysctl(ns: usize, which: i32): u32 {
  return load<u32>(ns + NS_SYSCTLS + ((<usize>which) << 2));
}

/** All of the host's limited messages share a bucket that fills by icmp_msgs_per_sec (icmp_global_allow). */
export function globalAllows(ns: usize): bool {
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

/** What is remembered of a host (struct inet_peer); a new one has been silent for a minute. */
function peerOf(ns: usize, address: u32): usize {
  const table = load<usize>(ns, NS_PEERS);
  let peer = load<usize>(hash.bucket(table, hash.mix(address, 1)));
  while (peer && load<u32>(peer, PEER_ADDRESS) != address) peer = load<usize>(peer);
  if (peer) return peer;
  peer = allocate(PEER_SIZE);
  store<u32>(peer, address, PEER_ADDRESS);
  store<i64>(peer, <i64>now - 60 * SECOND, PEER_LAST);
  hash.insert(table, hash.mix(address, 1), peer);
  return peer;
}

/** For how long nothing was sent to a host, or to be told to it. */
function silence(peer: usize): u64 {
  return <u64>(<i64>now - load<i64>(peer, PEER_LAST));
}

/**
 * Tells the sender of a packet that the next hop is its own neighbour: at most nine times, at growing intervals, until it has
 * been silent for a while (ip_rt_send_redirect). The caller sends it, as it goes out before the packet. 0: not now.
 */
export function makeRedirect(ns: usize, frame: usize, gateway: u32): usize {
  const peer = peerOf(ns, ipv4.source(load<usize>(frame, FRAME_NETWORK)));
  if (silence(peer) > REDIRECT_SILENCE) {
    store<u64>(peer, 0, PEER_TOKENS);
    store<u32>(peer, 0, PEER_REDIRECTS);
  }
  const sent = load<u32>(peer, PEER_REDIRECTS);
  if (sent < REDIRECTS_MAX && sent && silence(peer) <= REDIRECT_LOAD << (<u64>sent)) return 0;
  store<i64>(peer, now, PEER_LAST);
  if (sent >= REDIRECTS_MAX) return 0;
  store<u32>(peer, sent + 1, PEER_REDIRECTS);
  return makeError(ns, frame, icmp.REDIRECT, icmp.REDIRECT_HOST, gateway);
}

/**
 * Each host has a bucket of `burst` messages that fills by one in `interval`; redirects use it, too. What is not limited, `interval` 0,
 * empties it (inet_peer_xrlim_allow).
 */
export function peerAllows(ns: usize, address: u32, interval: u64, burst: u64): bool {
  const peer = peerOf(ns, address);
  const tokens = min<u64>(load<u64>(peer, PEER_TOKENS) + silence(peer), burst * interval);
  store<i64>(peer, now, PEER_LAST);
  const allowed = tokens >= interval;
  store<u64>(peer, allowed ? tokens - interval : tokens, PEER_TOKENS);
  return allowed;
}

/** Tells the sender of a packet that there is no way to its destination, by a limit of its own (ip_error). */
export function sendNoRoute(ns: usize, frame: usize, detail: i32): void {
  const from = ipv4.source(load<usize>(frame, FRAME_NETWORK));
  if (peerAllows(ns, from, SECOND, NO_ROUTE_BURST)) sendError(ns, frame, icmp.DEST_UNREACHABLE, detail, 0);
}

/** Whether a type is limited and over its limit; loopback is never limited. */
function limited(ns: usize, kind: i32, detail: i32, target: u32, toLoopback: bool): bool {
  if (kind == icmp.DEST_UNREACHABLE && detail == icmp.FRAG_NEEDED) return false;
  if (!((1 << kind) & sysctl(ns, SYSCTL_ICMP_RATEMASK)) || toLoopback) return false;
  const interval = <u64>sysctl(ns, SYSCTL_ICMP_RATELIMIT) * MILLISECOND;
  return !globalAllows(ns) || !peerAllows(ns, target, interval, BURST_FACTOR);
}

/** What answers a packet, an error or a reset, belongs to its connection, even before that is confirmed (nf_ct_attach). */
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
  const answer = makeError(ns, frame, kind, detail, rest);
  if (!answer) return;
  if (trace.on) trace.note(STEP_ANSWER, ns, frame, kind, detail);
  backlog.push(answer, STAGE_OUTPUT);
}

/** The address that an error about a packet for somebody else comes from: with icmp_errors_use_inbound_ifaddr one of where it came in. */
function ownSource(ns: usize, frame: usize, from: u32): u32 {
  const input = load<usize>(frame, FRAME_INPUT);
  if (!input || !sysctl(ns, SYSCTL_ERRORS_USE_INBOUND)) return route.source;
  const inbound = select(input, from);
  return inbound ? inbound : route.source;
}

/** The error, to be sent by the caller; 0: none is sent. */
function makeError(ns: usize, frame: usize, kind: i32, detail: i32, rest: u32): usize {
  const ip = load<usize>(frame, FRAME_NETWORK);
  const from = ipv4.source(ip);
  const to = ipv4.destination(ip);
  if (load<u32>(frame, FRAME_PACKET_TYPE) != PACKET_HOST) return 0;
  if (ipv4.fragment(ip) & ipv4.OFFSET_MASK) return 0;
  const toType = addressType(ns, to);
  if (from && addressType(ns, from) > <u32>ROUTE_LOCAL) return 0;
  if (toType > <u32>ROUTE_LOCAL && !route.forwardsBroadcastTo(ns, to, load<usize>(frame, FRAME_INPUT))) return 0;
  const length = packetLength(frame);
  const header = ipv4.headerLength(ip);
  if (ipv4.protocol(ip) == ipv4.PROTO_ICMP) {
    // Never an error about an error.
    if (length < header + 1 || icmp.isError(icmp.type(ip + <usize>header))) return 0;
    if (icmp.type(ip + <usize>header) > 18) return 0;
  }
  // Who has no address is this host itself (ip_route_output_key_hash_rcu).
  const target = from ? from : toType == ROUTE_LOCAL ? to : ipv4.LOOPBACK;
  const decision = route.outgoing(ns, target, toType == ROUTE_LOCAL ? to : 0);
  if (decision == route.TO_NOWHERE) return 0;
  const source = toType == ROUTE_LOCAL ? to : ownSource(ns, frame, target);
  if (!source) return 0;
  if (limited(ns, kind, detail, target, decision == route.TO_LOCAL)) return 0;

  options.echo(ns, frame);
  const quoted = min<i32>(length, LARGEST - ipv4.IPV4_LENGTH - options.echoed - icmp.ICMP_LENGTH);
  const answer = newPacket(ns, load<u32>(frame, FRAME_LINE));
  const at = payloadOf(answer);
  copy(at + icmp.ICMP_LENGTH, ip, quoted);
  icmp.write(at, kind, detail, rest, icmp.ICMP_LENGTH + quoted);
  attachRelated(frame, answer);
  const tos = (ipv4.tos(ip) & 0x1e) | 0xc0;
  finish(ns, answer, ipv4.PROTO_ICMP, source, target, icmp.ICMP_LENGTH + quoted, tos, nextId(ns), 0);
  options.build(answer, target);
  return answer;
}
