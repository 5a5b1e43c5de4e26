// The matches: one case for each MATCH_KIND_*, in the words of the kernel's xt_*.c and nft_*.c. The next one goes here.
import { DEVICE_LOOPBACK, ROUTE_LOCAL, ROUTE_UNICAST } from "../layout/codes.ts";
import {
  FRAME_CT,
  FRAME_CT_INFO,
  FRAME_DATA,
  FRAME_MARK,
  FRAME_PACKET_TYPE,
  FRAME_PHYS_IN,
  FRAME_PHYS_OUT,
} from "../layout/frame.ts";
import {
  CT_MARK,
  CT_ORIGINAL,
  CT_REPLY,
  CT_STATUS,
  CT_TIMEOUT,
  DEV_KIND,
  NS_NFT,
  NS_RANDOM,
  RULESET_STATES,
  ROUTE_DEVICE,
  ROUTE_TYPE,
  TUPLE_DST,
  TUPLE_PORTS,
  TUPLE_PROTO,
  TUPLE_SRC,
} from "../layout/records.ts";
import * as L from "../layout/rules.ts";
import { addressType, addressTypeOn, lookupFrom } from "../fib/route.ts";
import { ANY, isSix } from "../memory/addresses.ts";
import { SECOND, now } from "../memory/clock.ts";
import { get16, get32 } from "../memory/bytes.ts";
import { next32 } from "../memory/random.ts";
import * as recorder from "../memory/recorder.ts";
import { connectionOf, isOurs } from "../ipvs/hook.ts";
import { VSCONN_PORTS, VSCONN_PROTO, VSCONN_VIRTUAL } from "../layout/ipvs.ts";
import { directionOf } from "../track/conntrack.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as icmp from "../wire/icmp.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";
import * as tcp from "../wire/tcp.ts";
import * as connlimit from "./connlimit.ts";
import * as hashlimit from "./hashlimit.ts";
import * as lookup from "./lookup.ts";
import * as packet from "./packet.ts";
import * as prefix from "../memory/prefix.ts";
import * as recent from "./recent.ts";
import * as sets from "./set-packet.ts";

/**
 * Whether a match says the same of every packet between the same addresses and ports, with the same devices, TOS, mark and state
 * of its connection, until `recorder.changed`.
 */
function repeats(m: usize): bool {
  switch (load<i32>(m, L.MATCH_KIND)) {
    case L.MATCH_KIND_TCP:
      return !(load<u32>(m, L.MATCH_TCP_FLAGS) & 255) && !load<u32>(m, L.MATCH_TCP_OPTION);
    case L.MATCH_KIND_UDP:
    case L.MATCH_KIND_MULTIPORT:
    case L.MATCH_KIND_CT_STATE:
    case L.MATCH_KIND_CT_ADDRESS:
    case L.MATCH_KIND_CT_PORT:
    case L.MATCH_KIND_CT_PROTO:
    case L.MATCH_KIND_CT_DIRECTION:
    case L.MATCH_KIND_MARK:
    case L.MATCH_KIND_ADDRTYPE:
    case L.MATCH_KIND_PHYSDEV:
    case L.MATCH_KIND_TOS:
    case L.MATCH_KIND_DSCP:
    case L.MATCH_KIND_IPRANGE:
    case L.MATCH_KIND_PKTTYPE:
    case L.MATCH_KIND_MAC:
    case L.MATCH_KIND_RPFILTER:
    case L.MATCH_KIND_LOOKUP:
    case L.MATCH_KIND_PREFIX6:
      return true;
    default:
      return false;
  }
}

/** Whether it also says the same of packets from other source ports that begin a connection, those of TCP with nothing but SYN. */
function repeatsForOpening(m: usize, flags: u32): bool {
  switch (load<i32>(m, L.MATCH_KIND)) {
    case L.MATCH_KIND_TCP:
      return !asksSource(m, flags) && !load<u32>(m, L.MATCH_TCP_OPTION);
    case L.MATCH_KIND_UDP:
      return !asksSource(m, flags);
    case L.MATCH_KIND_MULTIPORT:
      return !(flags & L.MATCH_PORTS_SOURCE);
    case L.MATCH_KIND_CT_PORT:
      return false;
    default:
      return repeats(m);
  }
}

/** Whether one match record of a rule holds for the packet. */
export function matches(block: usize, m: usize): bool {
  const flags = load<u32>(m, L.MATCH_FLAGS);
  if (recorder.frame && !(recorder.opening ? repeatsForOpening(m, flags) : repeats(m))) recorder.spoil();
  const inverted = (flags & L.MATCH_INVERT) != 0;
  switch (load<i32>(m, L.MATCH_KIND)) {
    case L.MATCH_KIND_TCP:
      return tcpMatches(m, flags);
    case L.MATCH_KIND_UDP:
      return portsMatch(m, flags, 8);
    case L.MATCH_KIND_SCTP:
      return portsMatch(m, flags, 12);
    case L.MATCH_KIND_ICMP:
      return icmpMatches(m, flags);
    case L.MATCH_KIND_MULTIPORT:
      return multiportMatches(block, m, flags, inverted);
    case L.MATCH_KIND_CT_STATE:
      return ((packet.state() & load<u32>(m, L.MATCH_CT_STATES)) != 0) != inverted;
    case L.MATCH_KIND_CT_STATUS:
    case L.MATCH_KIND_CT_ADDRESS:
    case L.MATCH_KIND_CT_PORT:
    case L.MATCH_KIND_CT_PROTO:
    case L.MATCH_KIND_CT_DIRECTION:
    case L.MATCH_KIND_CT_EXPIRE:
      return connectionMatches(block, m, flags, inverted);
    case L.MATCH_KIND_MARK:
      return markMatches(m, load<u32>(packet.frame, FRAME_MARK)) != inverted;
    case L.MATCH_KIND_CONNMARK: {
      const entry = load<usize>(packet.frame, FRAME_CT);
      return entry != 0 && markMatches(m, load<u32>(entry, CT_MARK)) != inverted;
    }
    case L.MATCH_KIND_ADDRTYPE:
      return addrtypeMatches(m, flags);
    case L.MATCH_KIND_RANDOM:
      return next32(packet.ns + NS_RANDOM) >>> 1 < load<u32>(m, L.MATCH_RANDOM_PROBABILITY) != inverted;
    case L.MATCH_KIND_NTH:
      return nthMatches(m) != inverted;
    case L.MATCH_KIND_RECENT:
      return recentMatches(block, m, flags) != inverted;
    case L.MATCH_KIND_LIMIT:
      return limitMatches(m) != inverted;
    case L.MATCH_KIND_HASHLIMIT:
      return hashlimit.matches(block, m, flags) != inverted;
    case L.MATCH_KIND_QUOTA:
      return quotaMatches(m) != inverted;
    case L.MATCH_KIND_IPVS:
      return ipvsMatches(m, flags, inverted);
    case L.MATCH_KIND_PHYSDEV:
      return physdevMatches(block, m, flags);
    case L.MATCH_KIND_SET:
      return sets.matches(block, m, flags) != inverted;
    case L.MATCH_KIND_CONNLIMIT:
      return connlimitMatches(m, flags, inverted);
    case L.MATCH_KIND_RPFILTER:
      return reversePathMatches(flags) != inverted;
    case L.MATCH_KIND_LENGTH:
      return within(<u32>(isSix(packet.source) ? packet.length : ipv4.totalLength(packet.ip)), m) != inverted;
    case L.MATCH_KIND_TOS:
      return (
        (((<u32>anyIp.tos(packet.ip)) & load<u32>(m, L.MATCH_TOS_MASK)) == load<u32>(m, L.MATCH_TOS_VALUE)) != inverted
      );
    case L.MATCH_KIND_DSCP:
      return ((<u32>anyIp.tos(packet.ip)) >> 2 == load<u32>(m, L.MATCH_DSCP_VALUE)) != inverted;
    case L.MATCH_KIND_TTL:
      return ttlMatches(m) != inverted;
    case L.MATCH_KIND_ECN:
      return ecnMatches(m, flags);
    case L.MATCH_KIND_IPRANGE:
      return flags & L.MATCH_IPRANGE_SIX ? iprange6Matches(block, m, flags) : iprangeMatches(m, flags);
    case L.MATCH_KIND_PKTTYPE:
      return (load<u32>(packet.frame, FRAME_PACKET_TYPE) == load<u32>(m, L.MATCH_PKTTYPE)) != inverted;
    case L.MATCH_KIND_MAC:
      return macMatches(m, inverted);
    case L.MATCH_KIND_U32:
      return u32Matches(block, m) != inverted;
    case L.MATCH_KIND_LOOKUP:
      return lookup.matches(block, m, inverted);
    case L.MATCH_KIND_NUMGEN:
      return lookup.draws(block, m);
    case L.MATCH_KIND_PREFIX6: {
      const address = flags & L.MATCH_PREFIX6_DESTINATION ? packet.destination : packet.source;
      return prefix.holds(block + load<u32>(m, L.MATCH_PREFIX6_NETWORK), address) != inverted;
    }
    default:
      // The host refuses rule sets with kinds that are not listed in `walks` below.
      return unreachable();
  }
}

/** Whether this walker knows a kind of match. */
export function walks(kind: i32): bool {
  return kind > 0 && kind < L.MATCH_KIND_COUNT;
}

/** MIN and MAX stand in the first two arguments. */
function within(value: u32, m: usize): bool {
  return value >= load<u32>(m, L.MATCH_ARGS) && value <= load<u32>(m, L.MATCH_ARGS + 4);
}

function portIn(port: u32, m: usize, at: usize, inverted: bool): bool {
  return (port >= load<u32>(m + at) && port <= load<u32>(m + at + 4)) != inverted;
}

/** Source and destination port of a header that must have `header` bytes. */
function portsMatch(m: usize, flags: u32, header: i32): bool {
  if (!packet.fragmentOffset && packet.l4Length >= header) return portsFit(m, flags);
  if (isNative(m, flags)) return packet.l4Length >= lastAsked(m, flags) && portsFit(m, flags);
  if (!packet.fragmentOffset) packet.setHotdrop();
  return false;
}

function portsFit(m: usize, flags: u32): bool {
  return (
    portIn(<u32>get16(packet.l4), m, L.MATCH_SPORT_MIN, (flags & L.MATCH_NOT_SPORT) != 0) &&
    portIn(<u32>get16(packet.l4 + 2), m, L.MATCH_DPORT_MIN, (flags & L.MATCH_NOT_DPORT) != 0)
  );
}

function asksSource(m: usize, flags: u32): bool {
  return (
    (flags & L.MATCH_NOT_SPORT) != 0 || load<u32>(m, L.MATCH_SPORT_MIN) > 0 || load<u32>(m, L.MATCH_SPORT_MAX) < 0xffff
  );
}

function asksDestination(m: usize, flags: u32): bool {
  return (
    (flags & L.MATCH_NOT_DPORT) != 0 || load<u32>(m, L.MATCH_DPORT_MIN) > 0 || load<u32>(m, L.MATCH_DPORT_MAX) < 0xffff
  );
}

/**
 * Whether iptables-nft wrote a match of TCP or UDP in nft's own words: each field is taken from where it would be, even in a later
 * fragment, and if the packet ends before it the rule does not match (nft_payload_fast_eval). What asks nothing or for an
 * option is left to xt_tcpudp.
 */
function isNative(m: usize, flags: u32): bool {
  if (!load<u32>(packet.ns, NS_NFT)) return false;
  const kind = load<i32>(m, L.MATCH_KIND);
  if (kind == L.MATCH_KIND_SCTP || (kind == L.MATCH_KIND_TCP && load<u32>(m, L.MATCH_TCP_OPTION))) return false;
  return lastAsked(m, flags) > 0;
}

/** How many bytes of the header a match of TCP or UDP asks for. */
function lastAsked(m: usize, flags: u32): i32 {
  const asksFlags = load<i32>(m, L.MATCH_KIND) == L.MATCH_KIND_TCP && (load<u32>(m, L.MATCH_TCP_FLAGS) & 255) != 0;
  return asksFlags ? 14 : asksDestination(m, flags) ? 4 : asksSource(m, flags) ? 2 : 0;
}

function tcpMatches(m: usize, flags: u32): bool {
  // A fragment that would overwrite the flags is an attack.
  if (packet.fragmentOffset == 1 && !isNative(m, flags)) packet.setHotdrop();
  if (!portsMatch(m, flags, tcp.TCP_LENGTH)) return false;
  const test = load<u32>(m, L.MATCH_TCP_FLAGS);
  const bits = <u32>tcp.flags(packet.l4);
  if (((bits & (test & 255)) == ((test >> 8) & 255)) == ((flags & L.MATCH_NOT_TCP_FLAGS) != 0)) return false;
  const option = load<u32>(m, L.MATCH_TCP_OPTION);
  if (!option) return true;
  const header = tcp.headerLength(packet.l4);
  if (header < tcp.TCP_LENGTH || header > packet.l4Length) {
    packet.setHotdrop();
    return false;
  }
  return hasTcpOption(option, header) != ((flags & L.MATCH_NOT_TCP_OPTION) != 0);
}

function hasTcpOption(option: u32, header: i32): bool {
  let i = tcp.TCP_LENGTH;
  while (i < header) {
    const kind = <u32>load<u8>(packet.l4 + <usize>i);
    if (kind == option) return true;
    if (kind < 2) i++;
    else {
      const size = i + 1 < header ? <i32>load<u8>(packet.l4 + <usize>i + 1) : 0;
      i += size ? size : 1;
    }
  }
  return false;
}

function icmpMatches(m: usize, flags: u32): bool {
  if (packet.fragmentOffset) return false;
  if (packet.l4Length < icmp.ICMP_LENGTH) {
    packet.setHotdrop();
    return false;
  }
  const type = load<i32>(m, L.MATCH_ICMP_TYPE);
  const code = icmp.code(packet.l4);
  const found =
    (type == 255 && !(flags & L.MATCH_ICMP_SIX)) ||
    (icmp.type(packet.l4) == type &&
      code >= load<i32>(m, L.MATCH_ICMP_CODE_MIN) &&
      code <= load<i32>(m, L.MATCH_ICMP_CODE_MAX));
  return found != ((flags & L.MATCH_INVERT) != 0);
}

function multiportMatches(block: usize, m: usize, flags: u32, inverted: bool): bool {
  if (packet.fragmentOffset) return false;
  if (packet.l4Length < 4) {
    packet.setHotdrop();
    return false;
  }
  const list = block + load<u32>(m, L.MATCH_PORTS_LIST);
  const count = load<u32>(m, L.MATCH_PORTS_COUNT);
  const source = <u32>get16(packet.l4);
  const destination = <u32>get16(packet.l4 + 2);
  for (let i: u32 = 0; i < count; i++) {
    const range = load<u32>(list + ((<usize>i) << 2));
    const low = range & 0xffff;
    const high = range >> 16;
    if (flags & L.MATCH_PORTS_SOURCE && source >= low && source <= high) return !inverted;
    if (flags & L.MATCH_PORTS_DESTINATION && destination >= low && destination <= high) return !inverted;
  }
  return inverted;
}

function connectionMatches(block: usize, m: usize, flags: u32, inverted: bool): bool {
  const entry = load<usize>(packet.frame, FRAME_CT);
  if (!entry) return (flags & L.MATCH_CT_AFTER_STATE) != 0;
  let found: bool = false;
  const which = load<i32>(m, L.MATCH_CT_WHICH);
  const tuple = entry + (which >= L.MATCH_CT_REPLY_SOURCE ? CT_REPLY : CT_ORIGINAL);
  const isSource = which == L.MATCH_CT_ORIGINAL_SOURCE || which == L.MATCH_CT_REPLY_SOURCE;
  switch (load<i32>(m, L.MATCH_KIND)) {
    case L.MATCH_KIND_CT_STATUS:
      found = (load<u32>(entry, CT_STATUS) & load<u32>(m, L.MATCH_CT_STATUSES)) != 0;
      break;
    case L.MATCH_KIND_CT_ADDRESS: {
      const address = isSource ? load<u32>(tuple, TUPLE_SRC) : load<u32>(tuple, TUPLE_DST);
      const value = load<u32>(m, L.MATCH_CT_VALUE);
      if (flags & L.MATCH_CT_PREFIX6) found = prefix.holds(block + value, address);
      else found = (address & load<u32>(m, L.MATCH_CT_MASK)) == value;
      break;
    }
    case L.MATCH_KIND_CT_PORT: {
      const ports = load<u32>(tuple, TUPLE_PORTS);
      const port = isSource ? ports >> 16 : ports & 0xffff;
      found = port >= load<u32>(m, L.MATCH_CT_MIN) && port <= load<u32>(m, L.MATCH_CT_MAX);
      break;
    }
    case L.MATCH_KIND_CT_PROTO:
      found = load<u32>(entry + CT_ORIGINAL, TUPLE_PROTO) == load<u32>(m, L.MATCH_CT_PROTO);
      break;
    case L.MATCH_KIND_CT_DIRECTION:
      found = directionOf(load<u32>(packet.frame, FRAME_CT_INFO)) == load<u32>(m, L.MATCH_CT_DIRECTION);
      break;
    default:
      found = within(secondsLeft(entry), m);
  }
  return found != inverted;
}

/** Seconds until a connection's entry expires, 0 if it is over. */
function secondsLeft(entry: usize): u32 {
  const timeout = load<u64>(entry, CT_TIMEOUT);
  return timeout > now ? <u32>((timeout - now) / SECOND) : 0;
}

function markMatches(m: usize, mark: u32): bool {
  return (mark & load<u32>(m, L.MATCH_MARK_MASK)) == load<u32>(m, L.MATCH_MARK_VALUE);
}

function addrtypeMatches(m: usize, flags: u32): bool {
  const device =
    flags & L.MATCH_ADDRTYPE_LIMIT_IN ? packet.input : flags & L.MATCH_ADDRTYPE_LIMIT_OUT ? packet.output : 0;
  const src = load<u32>(m, L.MATCH_ADDRTYPE_SOURCE);
  const dst = load<u32>(m, L.MATCH_ADDRTYPE_DESTINATION);
  if (src && hasType(packet.source, device, src) == ((flags & L.MATCH_ADDRTYPE_NOT_SOURCE) != 0)) return false;
  return !dst || hasType(packet.destination, device, dst) != ((flags & L.MATCH_ADDRTYPE_NOT_DESTINATION) != 0);
}

function hasType(address: u32, device: usize, mask: u32): bool {
  const type = device ? addressTypeOn(packet.ns, address, device) : addressType(packet.ns, address);
  return ((1 << type) & mask) != 0;
}

function stateOf(m: usize, at: usize): usize {
  return load<usize>(packet.rules, RULESET_STATES) + <usize>load<u32>(m + at) * L.STATE_SIZE;
}

function nthMatches(m: usize): bool {
  const state = stateOf(m, L.MATCH_NTH_STATE);
  const count = load<u32>(state);
  const next = count == load<u32>(m, L.MATCH_NTH_EVERY) ? 0 : count + 1;
  store<u32>(state, next);
  return next == 0;
}

function recentMatches(block: usize, m: usize, flags: u32): bool {
  const own = flags & L.MATCH_RECENT_DESTINATION ? packet.destination : packet.source;
  const mask = load<u32>(m, L.MATCH_RECENT_MASK6);
  let address = own;
  if (!isSix(own)) address &= load<u32>(m, L.MATCH_RECENT_MASK);
  else if (mask) address = prefix.maskedBy(own, block + mask);
  const name = load<u32>(m, L.MATCH_RECENT_LIST);
  // The TTL as it was before this host took one off.
  let ttl = <u32>anyIp.hops(packet.ip);
  if (packet.output && (packet.hook == L.HOOK_FORWARD || packet.hook == L.HOOK_POSTROUTING) && packet.input) ttl++;
  const checkTtl = flags & L.MATCH_RECENT_TTL ? ttl : 0;
  switch (load<i32>(m, L.MATCH_RECENT_OP)) {
    case L.MATCH_RECENT_SET:
      recent.set(packet.ns, name, address, ttl, checkTtl);
      return true;
    case L.MATCH_RECENT_REMOVE:
      return recent.remove(packet.ns, name, address, checkTtl);
    default:
      return recent.check(
        packet.ns,
        name,
        address,
        checkTtl,
        ttl,
        load<u32>(m, L.MATCH_RECENT_SECONDS),
        load<u32>(m, L.MATCH_RECENT_HITS),
        load<i32>(m, L.MATCH_RECENT_OP) == L.MATCH_RECENT_UPDATE,
        (flags & L.MATCH_RECENT_REAP) != 0,
      );
  }
}

/** A token bucket: time fills it, a packet that finds AVERAGE in it takes it out (xt_limit.c). */
function limitMatches(m: usize): bool {
  const state = stateOf(m, L.MATCH_LIMIT_STATE);
  const cost = <u64>load<u32>(m, L.MATCH_LIMIT_AVERAGE) * 100000;
  const full = cost * <u64>load<u32>(m, L.MATCH_LIMIT_BURST);
  const credit = min<u64>(load<u64>(state, 8) + (now - load<u64>(state)), full);
  store<u64>(state, now);
  const pays = credit >= cost;
  store<u64>(state, pays ? credit - cost : credit, 8);
  return pays;
}

function quotaMatches(m: usize): bool {
  const state = stateOf(m, L.MATCH_QUOTA_STATE);
  const left = load<u64>(state);
  const fits = left >= <u64>packet.length;
  store<u64>(state, fits ? left - <u64>packet.length : 0);
  return fits;
}

/** Whatever is asked of a connection, there must be one (ipvs_mt of xt_ipvs.c). */
function ipvsMatches(m: usize, flags: u32, inverted: bool): bool {
  if (!(flags & L.MATCH_IPVS_CONNECTION)) return isOurs(packet.frame) != inverted;
  const c = connectionOf(packet.ns, packet.frame, packet.ip, packet.length);
  if (!c) return false;
  if (flags & L.MATCH_IPVS_PROTO) {
    const same = load<u32>(c, VSCONN_PROTO) == load<u32>(m, L.MATCH_IPVS_VPROTO);
    if (same == ((flags & L.MATCH_IPVS_NOT_PROTO) != 0)) return false;
  }
  if (flags & L.MATCH_IPVS_ADDRESS) {
    const same = (load<u32>(c, VSCONN_VIRTUAL) & load<u32>(m, L.MATCH_IPVS_VMASK)) == load<u32>(m, L.MATCH_IPVS_VADDR);
    if (same == ((flags & L.MATCH_IPVS_NOT_ADDRESS) != 0)) return false;
  }
  if (!(flags & L.MATCH_IPVS_PORT)) return true;
  const same = (load<u32>(c, VSCONN_PORTS) & 0xffff) == load<u32>(m, L.MATCH_IPVS_VPORT);
  return same != ((flags & L.MATCH_IPVS_NOT_PORT) != 0);
}

function physdevMatches(block: usize, m: usize, flags: u32): bool {
  const from = load<usize>(packet.frame, FRAME_PHYS_IN);
  const to = load<usize>(packet.frame, FRAME_PHYS_OUT);
  const bridged = from != 0 && to != 0;
  if (flags & L.MATCH_PHYSDEV_TEST_IN && !from) return false;
  if (flags & L.MATCH_PHYSDEV_NOT_TEST_IN && from) return false;
  if (flags & L.MATCH_PHYSDEV_TEST_OUT && !to) return false;
  if (flags & L.MATCH_PHYSDEV_NOT_TEST_OUT && to) return false;
  if (flags & L.MATCH_PHYSDEV_TEST_BRIDGED && !bridged) return false;
  if (flags & L.MATCH_PHYSDEV_NOT_TEST_BRIDGED && bridged) return false;
  const input = load<u32>(m, L.MATCH_PHYSDEV_IN);
  if (input && packet.nameMatches(block + input, from) == ((flags & L.MATCH_PHYSDEV_NOT_IN) != 0)) return false;
  const output = load<u32>(m, L.MATCH_PHYSDEV_OUT);
  return !output || packet.nameMatches(block + output, to) != ((flags & L.MATCH_PHYSDEV_NOT_OUT) != 0);
}

function ttlMatches(m: usize): bool {
  const ttl = <u32>anyIp.hops(packet.ip);
  const value = load<u32>(m, L.MATCH_TTL_VALUE);
  const mode = load<i32>(m, L.MATCH_TTL_MODE);
  return mode == L.MATCH_TTL_EQ ? ttl == value : mode == L.MATCH_TTL_LT ? ttl < value : ttl > value;
}

function ecnMatches(m: usize, flags: u32): bool {
  if (flags & L.MATCH_ECN_TEST_IP) {
    const found = ((<u32>anyIp.tos(packet.ip)) & 3) == load<u32>(m, L.MATCH_ECN_ECT);
    if (found == ((flags & L.MATCH_ECN_NOT_IP) != 0)) return false;
  }
  if (!(flags & (L.MATCH_ECN_TEST_ECE | L.MATCH_ECN_TEST_CWR))) return true;
  if (packet.fragmentOffset) return false;
  if (packet.l4Length < tcp.TCP_LENGTH) {
    packet.setHotdrop();
    return false;
  }
  const bits = tcp.flags(packet.l4);
  if (flags & L.MATCH_ECN_TEST_ECE && ((bits & 64) != 0) == ((flags & L.MATCH_ECN_NOT_ECE) != 0)) return false;
  return !(flags & L.MATCH_ECN_TEST_CWR) || ((bits & 128) != 0) != ((flags & L.MATCH_ECN_NOT_CWR) != 0);
}

function iprangeMatches(m: usize, flags: u32): bool {
  if (flags & L.MATCH_IPRANGE_SRC) {
    const found =
      packet.source >= load<u32>(m, L.MATCH_IPRANGE_SRC_MIN) && packet.source <= load<u32>(m, L.MATCH_IPRANGE_SRC_MAX);
    if (found == ((flags & L.MATCH_IPRANGE_NOT_SRC) != 0)) return false;
  }
  if (!(flags & L.MATCH_IPRANGE_DST)) return true;
  const found =
    packet.destination >= load<u32>(m, L.MATCH_IPRANGE_DST_MIN) &&
    packet.destination <= load<u32>(m, L.MATCH_IPRANGE_DST_MAX);
  return found != ((flags & L.MATCH_IPRANGE_NOT_DST) != 0);
}

function iprange6Matches(block: usize, m: usize, flags: u32): bool {
  if (flags & L.MATCH_IPRANGE_SRC) {
    const low = block + load<u32>(m, L.MATCH_IPRANGE_SRC_MIN);
    const found = prefix.between(packet.source, low, block + load<u32>(m, L.MATCH_IPRANGE_SRC_MAX));
    if (found == ((flags & L.MATCH_IPRANGE_NOT_SRC) != 0)) return false;
  }
  if (!(flags & L.MATCH_IPRANGE_DST)) return true;
  const low = block + load<u32>(m, L.MATCH_IPRANGE_DST_MIN);
  const found = prefix.between(packet.destination, low, block + load<u32>(m, L.MATCH_IPRANGE_DST_MAX));
  return found != ((flags & L.MATCH_IPRANGE_NOT_DST) != 0);
}

function macMatches(m: usize, inverted: bool): bool {
  if (!packet.input) return false;
  const at = load<usize>(packet.frame, FRAME_DATA);
  const high = (ethernet.sourceHigh(at) << 16) | (ethernet.sourceLow(at) >> 16);
  const low = ethernet.sourceLow(at) & 0xffff;
  return (high == load<u32>(m, L.MATCH_MAC_HIGH) && low == load<u32>(m, L.MATCH_MAC_LOW)) != inverted;
}

function connlimitMatches(m: usize, flags: u32, inverted: bool): bool {
  const address = flags & L.MATCH_CONNLIMIT_DESTINATION ? packet.destination : packet.source;
  const key = prefix.under(address, load<u32>(m, L.MATCH_CONNLIMIT_MASK));
  const entry = load<usize>(packet.frame, FRAME_CT);
  const connections = connlimit.count(stateOf(m, L.MATCH_CONNLIMIT_STATE), key, entry);
  if (!connections) {
    packet.setHotdrop();
    return false;
  }
  return connections > load<u32>(m, L.MATCH_CONNLIMIT_LIMIT) != inverted;
}

/** Whether the source would be reached by the device that the packet came by (rpfilter_lookup_reverse). */
function reversePathMatches(flags: u32): bool {
  if (!packet.input || load<i32>(packet.input, DEV_KIND) == DEVICE_LOOPBACK) return true;
  const to = packet.destination;
  if (isSix(to)) return reversePathMatches6(flags);
  if (ipv4.isZeroNet(packet.source) && (ipv4.isLimitedBroadcast(to) || to >> 8 == 0xe00000)) return true;
  const known = ipv4.isMulticast(to) || ipv4.isLimitedBroadcast(to) || ipv4.isZeroNet(to) ? 0 : to;
  return leadsBack(lookupFrom(packet.ns, known, packet.source), flags);
}

/** The same for IPv6; an address of a link is reached by the device that it was met on (ip6t_rpfilter.c). */
function reversePathMatches6(flags: u32): bool {
  if (packet.source == ANY || ipv6.isLinkLocal(packet.source)) return true;
  return leadsBack(lookupFrom(packet.ns, packet.destination, packet.source), flags);
}

/** Whether a way to the source, 0 if there is none, is one that rpfilter takes. */
function leadsBack(way: usize, flags: u32): bool {
  if (!way) return false;
  const type = load<u32>(way, ROUTE_TYPE);
  const acceptsLocal = type == <u32>ROUTE_LOCAL && flags & L.MATCH_RPFILTER_ACCEPT_LOCAL;
  if (type != <u32>ROUTE_UNICAST && !acceptsLocal) return false;
  return load<usize>(way, ROUTE_DEVICE) == packet.input || (flags & L.MATCH_RPFILTER_LOOSE) != 0;
}

/** The tests of xt_u32: take four bytes somewhere, mask, shift, jump on, compare with ranges. */
function u32Matches(block: usize, m: usize): bool {
  let p = block + load<u32>(m, L.MATCH_U32_PROGRAM);
  const end = <u32>packet.length;
  for (let tests = load<u32>(m, L.MATCH_U32_TESTS); tests; tests--) {
    const steps = load<u32>(p);
    let at: u32 = load<u32>(p, 8);
    p += 4;
    if (at + 4 > end || at + 4 < at) return false;
    let value = get32(packet.ip + <usize>at);
    for (let i: u32 = 1; i < steps; i++) {
      const operand = load<u32>(p + ((<usize>i) << 3), 4);
      switch (load<i32>(p + ((<usize>i) << 3))) {
        case L.MATCH_U32_AND:
          value &= operand;
          break;
        case L.MATCH_U32_LEFT:
          value = operand < 32 ? value << operand : 0;
          break;
        case L.MATCH_U32_RIGHT:
          value = operand < 32 ? value >> operand : 0;
          break;
        default:
          if (at + value < at) return false;
          at += value;
          if (at + operand < at || at + operand + 4 > end || at + operand + 4 < at) return false;
          at += operand;
          value = get32(packet.ip + <usize>at);
      }
    }
    p += (<usize>steps) << 3;
    const ranges = load<u32>(p);
    p += 4;
    let found = false;
    for (let i: u32 = 0; i < ranges; i++, p += 8) found = found || (value >= load<u32>(p) && value <= load<u32>(p, 4));
    if (!found) return false;
  }
  return true;
}
