// The targets that do something: one case for each TARGET_*, in the words of the kernel's xt_*.c. The next one goes here.
import {
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  MANIP_DST,
  MANIP_SRC,
  NF_ACCEPT,
  NF_DROP,
} from "../layout/codes.ts";
import {
  FRAME_CT,
  FRAME_CT_INFO,
  FRAME_FLAGS,
  FRAME_HAS_ZONE,
  FRAME_IS_UNTRACKED,
  FRAME_LENGTH,
  FRAME_MARK,
  FRAME_NEXT_HOP,
  FRAME_ZONE_SHIFT,
} from "../layout/frame.ts";
import {
  ADDR_LOCAL,
  ADDR_NEXT,
  CT_MARK,
  DEV_ADDRESSES,
  DEV_ADDRESSES6,
  DEV_MTU,
  EXCEPTION_MTU,
  NS_EXCEPTIONS,
  ROUTE_DEVICE,
  ROUTE_MTU,
} from "../layout/records.ts";
import * as L from "../layout/rules.ts";
import { select } from "../fib/address.ts";
import * as address6 from "../fib/address6.ts";
import * as exceptions from "../fib/exception.ts";
import { lookup } from "../fib/route.ts";
import { LOOPBACK, isSix } from "../memory/addresses.ts";
import { get16, get32, put16 } from "../memory/bytes.ts";
import * as recorder from "../memory/recorder.ts";
import * as nat from "../track/nat.ts";
import { update16, update32 } from "../wire/checksum.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as tcp from "../wire/tcp.ts";
import * as packet from "./packet.ts";
import { joined } from "../memory/prefix.ts";
import * as sets from "./set-packet.ts";

/** Outcomes besides NF_DROP and NF_ACCEPT. */
export const CONTINUE = 8; // the next rule
export const NF_REJECT = 9; // drop, and tell the sender as `rejection` says

/** The record of the REJECT target that spoke last. */
export let rejection: usize = 0;

/** Lets a target act on the packet. */
export function apply(kind: i32, record: usize): i32 {
  if (kind != L.TARGET_MARK && !(kind == L.TARGET_DNAT && recorder.opening && isFixed(record))) recorder.spoil();
  switch (kind) {
    case L.TARGET_REJECT:
      rejection = record;
      return NF_REJECT;
    case L.TARGET_MARK: {
      const mark = load<u32>(packet.frame, FRAME_MARK);
      const mask = load<u32>(record, L.TARGET_MARK_MASK);
      store<u32>(packet.frame, (mark & ~mask) ^ load<u32>(record, L.TARGET_MARK_VALUE), FRAME_MARK);
      return CONTINUE;
    }
    case L.TARGET_CONNMARK:
      connmark(record);
      return CONTINUE;
    case L.TARGET_DNAT:
      return translate(record, MANIP_DST, 0);
    case L.TARGET_SNAT:
      return translate(record, MANIP_SRC, 0);
    case L.TARGET_MASQUERADE:
      return masquerade(record);
    case L.TARGET_REDIRECT:
      return redirect(record);
    case L.TARGET_NETMAP:
      return netmap(record);
    case L.TARGET_TCPMSS:
      return clampMss(load<u32>(record, L.TARGET_TCPMSS_MSS));
    case L.TARGET_DSCP:
      anyIp.setTos(packet.ip, (anyIp.tos(packet.ip) & 3) | (load<i32>(record, L.TARGET_DSCP_VALUE) << 2));
      return CONTINUE;
    case L.TARGET_TOS: {
      const mask = load<i32>(record, L.TARGET_TOS_MASK);
      anyIp.setTos(packet.ip, ((anyIp.tos(packet.ip) & ~mask) ^ load<i32>(record, L.TARGET_TOS_VALUE)) & 255);
      return CONTINUE;
    }
    case L.TARGET_TTL:
      changeTtl(record);
      return CONTINUE;
    case L.TARGET_CT:
      chooseTracking(record);
      return CONTINUE;
    case L.TARGET_SET:
      sets.change(record);
      return CONTINUE;
    default:
      // The host refuses rule sets with kinds that are not listed in `acts` below.
      return unreachable();
  }
}

/** Whether a translation leaves no choice: one address, and one port or the packet's own. */
function isFixed(record: usize): bool {
  return (
    !(
      load<u32>(record, L.TARGET_NAT_FLAGS) & ~(nat.RANGE_MAP_IPS | nat.RANGE_PROTO_SPECIFIED | nat.RANGE_PERSISTENT)
    ) &&
    load<u32>(record, L.TARGET_NAT_MIN_IP) == load<u32>(record, L.TARGET_NAT_MAX_IP) &&
    load<u32>(record, L.TARGET_NAT_MIN_PORT) == load<u32>(record, L.TARGET_NAT_MAX_PORT)
  );
}

/** Whether this kernel knows a kind of target. */
export function acts(kind: i32): bool {
  return kind >= 0 && kind < L.TARGET_KIND_COUNT;
}

/** How the packet is tracked: not at all, or in a zone (xt_ct_target). */
function chooseTracking(record: usize): void {
  const flags = load<u32>(packet.frame, FRAME_FLAGS);
  if (load<usize>(packet.frame, FRAME_CT) || flags & (FRAME_IS_UNTRACKED | FRAME_HAS_ZONE)) return;
  if (load<u32>(record, L.TARGET_CT_NOTRACK)) {
    store<u32>(packet.frame, flags | FRAME_IS_UNTRACKED, FRAME_FLAGS);
    return;
  }
  const zone = load<u32>(record, L.TARGET_CT_ZONE) << FRAME_ZONE_SHIFT;
  store<u32>(packet.frame, flags | FRAME_HAS_ZONE | zone | load<u32>(record, L.TARGET_CT_WHERE), FRAME_FLAGS);
}

function connmark(record: usize): void {
  const entry = load<usize>(packet.frame, FRAME_CT);
  if (!entry) return;
  const mark = load<u32>(packet.frame, FRAME_MARK);
  const held = load<u32>(entry, CT_MARK);
  const heldMask = load<u32>(record, L.TARGET_CONNMARK_CT_MASK);
  const markMask = load<u32>(record, L.TARGET_CONNMARK_NF_MASK);
  const mode = load<i32>(record, L.TARGET_CONNMARK_MODE);
  if (mode == L.TARGET_CONNMARK_SET) {
    store<u32>(entry, (held & ~heldMask) ^ load<u32>(record, L.TARGET_CONNMARK_VALUE), CT_MARK);
  } else if (mode == L.TARGET_CONNMARK_SAVE) {
    store<u32>(entry, (held & ~heldMask) ^ (mark & markMask), CT_MARK);
  } else {
    store<u32>(packet.frame, (mark & ~markMask) ^ (held & heldMask), FRAME_MARK);
  }
}

/** The flags of a record are NF_NAT_RANGE_*, which nat.ts takes as they are. `address` stands in for the record's own. */
function translate(record: usize, manip: u32, address: u32): i32 {
  const entry = load<usize>(packet.frame, FRAME_CT);
  const info = load<u32>(packet.frame, FRAME_CT_INFO);
  if (!entry || (info != IP_CT_NEW && info != IP_CT_RELATED && info != IP_CT_RELATED_REPLY)) return NF_ACCEPT;
  const flags = load<u32>(record, L.TARGET_NAT_FLAGS) | (address ? L.TARGET_NAT_IPS : 0);
  nat.setRange(
    flags,
    address ? address : load<u32>(record, L.TARGET_NAT_MIN_IP),
    address ? address : load<u32>(record, L.TARGET_NAT_MAX_IP),
    load<u32>(record, L.TARGET_NAT_MIN_PORT),
    load<u32>(record, L.TARGET_NAT_MAX_PORT),
    load<u32>(record, L.TARGET_NAT_BASE_PORT),
  );
  if (nat.initialized(entry, manip)) return NF_ACCEPT;
  nat.setup(entry, manip);
  return NF_ACCEPT;
}

/** The address of the device that the packet leaves by; none: it is dropped (nf_nat_masquerade_ipv4, nf_nat_masquerade_ipv6). */
function masquerade(record: usize): i32 {
  if (packet.source == 0) return NF_ACCEPT;
  if (isSix(packet.destination)) {
    const own = address6.select(packet.ns, packet.output, packet.destination);
    return own ? translate(record, MANIP_SRC, own) : NF_DROP;
  }
  const address = select(packet.output, load<u32>(packet.frame, FRAME_NEXT_HOP));
  return address ? translate(record, MANIP_SRC, address) : NF_DROP;
}

/** This host: 127.0.0.1 for its own packets, else the first address of the device that they came in by (nf_nat_redirect_ipv4). */
function redirect(record: usize): i32 {
  if (isSix(packet.destination)) return redirect6(record);
  if (packet.hook == L.HOOK_OUTPUT) return translate(record, MANIP_DST, 0x7f000001);
  const first = load<usize>(packet.input, DEV_ADDRESSES);
  return first ? translate(record, MANIP_DST, load<u32>(first, ADDR_LOCAL)) : NF_DROP;
}

/** The same for IPv6: ::1, else the first address of the device that has the scope of the packet's (nf_nat_redirect_ipv6). */
function redirect6(record: usize): i32 {
  if (packet.hook == L.HOOK_OUTPUT) return translate(record, MANIP_DST, LOOPBACK);
  const to = packet.destination;
  const onLink = ipv6.isLinkLocal(to) || (ipv6.isMulticast(to) && ipv6.multicastScope(to) == 2);
  let own = load<usize>(packet.input, DEV_ADDRESSES6);
  while (own && ipv6.isLinkLocal(load<u32>(own, ADDR_LOCAL)) != onLink) own = load<usize>(own, ADDR_NEXT);
  return own ? translate(record, MANIP_DST, load<u32>(own, ADDR_LOCAL)) : NF_DROP;
}

function netmap(record: usize): i32 {
  const source = packet.hook == L.HOOK_POSTROUTING || packet.hook == L.HOOK_INPUT;
  const network = load<u32>(record, L.TARGET_NAT_MIN_IP);
  const mask = load<u32>(record, L.TARGET_NAT_MAX_IP);
  const before = source ? packet.source : packet.destination;
  const address = isSix(network) ? joined(network, mask, before) : (before & ~mask) | network;
  return translate(record, source ? MANIP_SRC : MANIP_DST, address);
}

/** The longest packet that goes to an address, and 65535 if there is no way. */
function mtuTo(address: u32): i32 {
  const way = lookup(packet.ns, address);
  if (!way) return 65535;
  const exception = load<usize>(packet.ns, NS_EXCEPTIONS) ? exceptions.find(packet.ns, address) : 0;
  const own = exception ? load<i32>(exception, EXCEPTION_MTU) : load<i32>(way, ROUTE_MTU);
  const device = load<usize>(way, ROUTE_DEVICE);
  return own || !device ? own : load<i32>(device, DEV_MTU);
}

/** Sets the MSS of a SYN; clamping takes the lesser MTU of both ways, less both headers, and never raises it (tcpmss_mangle_packet). */
function clampMss(mss: u32): i32 {
  if (packet.fragmentOffset) return CONTINUE;
  if (packet.l4Length < tcp.TCP_LENGTH) return NF_DROP;
  const header = tcp.headerLength(packet.l4);
  if (header < tcp.TCP_LENGTH || header > packet.l4Length) return NF_DROP;
  const clamps = mss == L.TARGET_TCPMSS_CLAMP;
  const limit = clamps
    ? min<i32>(mtuTo(packet.destination), mtuTo(packet.source)) - (isSix(packet.source) ? 60 : 40)
    : <i32>mss;
  if (limit <= 0) return NF_DROP;
  for (let i = tcp.TCP_LENGTH; i + 4 <= header;) {
    const at = packet.l4 + <usize>i;
    const kind = load<u8>(at);
    if (kind == 2 && load<u8>(at + 1) == 4) {
      const before = get16(at + 2);
      if (before <= limit) return CONTINUE;
      // An option may stand at an odd place; then the checksum's words lie across it.
      if (i & 1) {
        update16(packet.l4 + tcp.TCP_CHECKSUM, <i32>bswap<u16>(<u16>before), <i32>bswap<u16>(<u16>limit));
      } else {
        update16(packet.l4 + tcp.TCP_CHECKSUM, before, limit);
      }
      put16(at + 2, limit);
      return CONTINUE;
    }
    i += kind < 2 ? 1 : max<i32>(<i32>load<u8>(at + 1), 1);
  }
  if (packet.l4Length == header && header < 60) addMss(min<i32>(limit, isSix(packet.source) ? 1220 : 536));
  return CONTINUE;
}

/** A SYN without data gets the option that it does not have; its sender counts on 536 bytes without it (RFC 1122), 1220 of IPv6. */
function addMss(mss: i32): void {
  const length = packet.l4Length;
  const option = packet.l4 + tcp.TCP_LENGTH;
  memory.copy(option + 4, option, <usize>(length - tcp.TCP_LENGTH));
  put16(option, 0x0204);
  put16(option + 2, mss);
  const sum = packet.l4 + tcp.TCP_CHECKSUM;
  update16(sum, length, length + 4);
  update32(sum, 0, get32(option));
  const before = tcp.offsetWord(packet.l4);
  tcp.setOffsetWord(packet.l4, before + 0x1000);
  update16(sum, before, before + 0x1000);
  if (isSix(packet.source)) ipv6.setPayloadLength(packet.ip, ipv6.payloadLength(packet.ip) + 4);
  else ipv4.setTotalLength(packet.ip, ipv4.totalLength(packet.ip) + 4);
  store<u32>(packet.frame, load<u32>(packet.frame, FRAME_LENGTH) + 4, FRAME_LENGTH);
}

function changeTtl(record: usize): void {
  const value = load<i32>(record, L.TARGET_TTL_VALUE);
  const mode = load<i32>(record, L.TARGET_TTL_MODE);
  const before = anyIp.hops(packet.ip);
  let after = value;
  if (mode == L.TARGET_TTL_INC) after = min<i32>(before + value, 255);
  else if (mode == L.TARGET_TTL_DEC) after = max<i32>(before - value, 0);
  if (after == before) return;
  if (isSix(packet.source)) ipv6.setHopLimit(packet.ip, after);
  else ipv4.setTtl(packet.ip, after);
}
