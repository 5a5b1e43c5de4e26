// Whether a captured frame is one that a capture file wants: runs a compiled filter expression (layout/filter.ts) on its bytes.
import {
  FILTER_AND,
  FILTER_DESTINATION,
  FILTER_ETHER_HOST,
  FILTER_ETHER_TYPE,
  FILTER_FIRST,
  FILTER_IP_PROTO,
  FILTER_LENGTH,
  FILTER_NET,
  FILTER_NOT,
  FILTER_OPERATIONS,
  FILTER_OR,
  FILTER_PORT,
  FILTER_SOURCE,
  OPERATION_A,
  OPERATION_B,
  OPERATION_C,
  OPERATION_KIND,
  OPERATION_SIZE,
  OPERATION_WHERE,
} from "../layout/filter.ts";
import { get16, get32 } from "../memory/bytes.ts";
import * as ethernet from "../wire/ethernet.ts";
import * as ipv4 from "../wire/ipv4.ts";

const PROTO_SCTP: u32 = 132;

/** Runs a filter on a frame of `length` bytes. The stack is the bits of a number, the top one lowest. */
export function wants(filter: usize, frame: usize, length: u32): bool {
  let stack: u32 = 0;
  let at = filter + FILTER_FIRST;
  for (let left = load<u32>(filter, FILTER_OPERATIONS); left; left--, at += OPERATION_SIZE) {
    const kind = load<u32>(at, OPERATION_KIND);
    if (kind == FILTER_NOT) stack ^= 1;
    else if (kind == FILTER_AND) stack = ((stack >> 1) & ~1) | ((stack >> 1) & stack & 1);
    else if (kind == FILTER_OR) stack = (stack >> 1) | (stack & 1);
    else stack = (stack << 1) | (holds(kind, at, frame, length) ? 1 : 0);
  }
  return (stack & 1) != 0;
}

function holds(kind: u32, at: usize, frame: usize, length: u32): bool {
  const a = load<u32>(at, OPERATION_A);
  const b = load<u32>(at, OPERATION_B);
  if (kind == FILTER_LENGTH) return length >= a && length <= b;
  if (length < <u32>ethernet.ETHERNET_LENGTH) return false;
  const where = load<u32>(at, OPERATION_WHERE);
  if (kind == FILTER_ETHER_HOST) {
    const source = <u32>ethernet.sourceHigh(frame) == a && ethernet.sourceLow(frame) == b;
    const destination = <u32>ethernet.destinationHigh(frame) == a && ethernet.destinationLow(frame) == b;
    return (source && (where & FILTER_SOURCE) != 0) || (destination && (where & FILTER_DESTINATION) != 0);
  }
  const type = <u32>ethernet.etherType(frame);
  if (kind == FILTER_ETHER_TYPE) return type == a;
  const network = frame + ethernet.ETHERNET_LENGTH;
  const rest = length - <u32>ethernet.ETHERNET_LENGTH;
  if (kind == FILTER_NET && type == ethernet.TYPE_ARP && rest >= 28) {
    return addressIs(where, get32(network + 14), get32(network + 24), a, b);
  }
  if (type != ethernet.TYPE_IPV4 || rest < <u32>ipv4.IPV4_LENGTH) return false;
  if (kind == FILTER_NET) return addressIs(where, ipv4.source(network), ipv4.destination(network), a, b);
  const protocol = <u32>ipv4.protocol(network);
  if (kind == FILTER_IP_PROTO) return protocol == a;
  if (kind == FILTER_PORT) return portIs(network, rest, protocol, at);
  return false;
}

function addressIs(where: u32, source: u32, destination: u32, network: u32, mask: u32): bool {
  return (
    ((where & FILTER_SOURCE) != 0 && (source & mask) == network) ||
    ((where & FILTER_DESTINATION) != 0 && (destination & mask) == network)
  );
}

/** Ports stand in first fragments only. */
function portIs(ip: usize, rest: u32, protocol: u32, at: usize): bool {
  const wanted = load<u32>(at, OPERATION_C);
  const has = protocol == ipv4.PROTO_TCP || protocol == ipv4.PROTO_UDP || protocol == PROTO_SCTP;
  if (!has || (wanted && protocol != wanted) || ipv4.fragment(ip) & ipv4.OFFSET_MASK) return false;
  const header = <u32>ipv4.headerLength(ip);
  if (rest < header + 4) return false;
  const low = load<u32>(at, OPERATION_A);
  const high = load<u32>(at, OPERATION_B);
  const where = load<u32>(at, OPERATION_WHERE);
  const source = <u32>get16(ip + <usize>header);
  const destination = <u32>get16(ip + <usize>header + 2);
  return (
    ((where & FILTER_SOURCE) != 0 && source >= low && source <= high) ||
    ((where & FILTER_DESTINATION) != 0 && destination >= low && destination <= high)
  );
}
