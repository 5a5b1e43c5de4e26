// ICMPv6 errors: when one may be sent, how many, and what it quotes (icmp6_send in net/ipv6/icmp.c).
import { ROUTE_ANYCAST, ROUTE_LOCAL } from "../layout/codes.ts";
import {
  FRAME_INPUT,
  FRAME_LINE,
  FRAME_NETWORK,
  FRAME_PACKET_TYPE,
  PACKET_HOST,
  STAGE_OUTPUT,
} from "../layout/frame.ts";
import { NS_IPV6, NS_SYSCTLS, ROUTE_LENGTH, SYSCTL_ICMPV6_RATELIMIT } from "../layout/records.ts";
import { STEP_ANSWER } from "../layout/trace.ts";
import * as address6 from "../fib/address6.ts";
import { addressType, lookup } from "../fib/route.ts";
import * as addresses from "../memory/addresses.ts";
import * as backlog from "../memory/backlog.ts";
import { copy } from "../memory/bytes.ts";
import { MILLISECOND } from "../memory/clock.ts";
import * as trace from "../observe/trace.ts";
import { packetLength } from "../track/conntrack.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import * as ipv6 from "../wire/ipv6.ts";
import { attachRelated, globalAllows, peerAllows } from "./icmp-error.ts";
import { finish, newPacketFor, payloadOf } from "./packet.ts";
import * as route from "./route-packet.ts";

const LARGEST = 1280; // IPV6_MIN_MTU
const BURST_FACTOR: u64 = 6; // XRLIM_BURST_FACTOR

/** All but "packet too big" are limited; to a wide network more may be sent (icmpv6_xrlim_allow). Loopback is never limited. */
function limited(ns: usize, kind: i32, target: u32, toLoopback: bool): bool {
  if (kind == icmpv6.PACKET_TOO_BIG || toLoopback) return false;
  const milliseconds = load<u32>(ns + NS_SYSCTLS, SYSCTL_ICMPV6_RATELIMIT << 2);
  if (!milliseconds) return !peerAllows(ns, target, 0, BURST_FACTOR);
  const way = lookup(ns, target);
  const length = way ? load<u32>(way, ROUTE_LENGTH) : 128;
  const interval = (<u64>milliseconds * MILLISECOND) >> (<u64>((128 - length) >> 5));
  return !globalAllows(ns) || !peerAllows(ns, target, interval, BURST_FACTOR);
}

/** Whether a packet may not be answered with an error: it is one itself (is_ineligible). */
function isError(ip: usize, length: i32): bool {
  if (!ipv6.skip(ip, length) || ipv6.protocol != ipv6.PROTO_ICMPV6) return false;
  // One that is cut off may be an error, unless it is known to be a fragment.
  if (length < ipv6.headers + 1) return !ipv6.fragment;
  return icmpv6.isError(icmpv6.type(ip + <usize>ipv6.headers));
}

/** Whether an address is one of this host, and one of a link that of the device. */
function isOwn(ns: usize, input: usize, address: u32): bool {
  if (input && ipv6.isOnLink(address)) return address6.isOn(input, address);
  const type = addressType(ns, address);
  return type == ROUTE_LOCAL || type == ROUTE_ANYCAST;
}

/**
 * The address that an error about a packet for somebody else comes from: one of where the packet came in, unless the way back says which.
 */
function sourceFor(ns: usize, input: usize, to: u32): u32 {
  return input && !route.prefersSource() ? address6.select(ns, input, to) : route.source;
}

/**
 * Answers a packet with an ICMPv6 error of `kind` and `detail`; `rest` is the second word (MTU, pointer). Sends nothing where Linux would
 * not: to nobody, about groups (but for the MTU and unknown options), about other errors, and above the limits.
 */
export function sendError(ns: usize, frame: usize, kind: i32, detail: i32, rest: u32): void {
  if (!load<u32>(ns, NS_IPV6)) return;
  const ip = load<usize>(frame, FRAME_NETWORK);
  const from = ipv6.source(ip);
  const to = ipv6.destination(ip);
  const aboutGroups =
    kind == icmpv6.PACKET_TOO_BIG || (kind == icmpv6.PARAMETER_PROBLEM && detail == icmpv6.UNKNOWN_OPTION);
  const toGroup = ipv6.isMulticast(to) || load<u32>(frame, FRAME_PACKET_TYPE) != PACKET_HOST;
  if (toGroup && !aboutGroups) return;
  if (from == addresses.ANY || ipv6.isMulticast(from)) return;
  const length = packetLength(frame);
  if (isError(ip, length)) return;
  const input = load<usize>(frame, FRAME_INPUT);
  const own = !toGroup && isOwn(ns, input, to) ? to : 0;
  const onLink = ipv6.isOnLink(from);
  let toLoopback = false;
  if (onLink) {
    route.onLink(ns, from, input);
  } else {
    const decision = route.outgoing(ns, from, own);
    if (decision == route.TO_NOWHERE) return;
    toLoopback = decision == route.TO_LOCAL;
  }
  const source = own ? own : sourceFor(ns, input, from);
  if (!source || limited(ns, kind, from, toLoopback)) return;
  const quoted = min<i32>(length, LARGEST - ipv6.IPV6_LENGTH - icmpv6.ICMPV6_LENGTH);
  const answer = newPacketFor(ns, load<u32>(frame, FRAME_LINE), icmpv6.ICMPV6_LENGTH + quoted);
  const at = payloadOf(answer);
  copy(at + icmpv6.ICMPV6_LENGTH, ip, quoted);
  icmpv6.write(at, kind, detail, rest);
  icmpv6.seal(at, icmpv6.ICMPV6_LENGTH + quoted, source, from);
  attachRelated(frame, answer);
  finish(ns, answer, ipv6.PROTO_ICMPV6, source, from, icmpv6.ICMPV6_LENGTH + quoted, 0, 0, 0);
  if (onLink) store<usize>(answer, input, FRAME_INPUT);
  if (trace.on) trace.note(STEP_ANSWER, ns, frame, kind, detail);
  backlog.push(answer, STAGE_OUTPUT);
}
