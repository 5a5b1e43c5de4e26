// The packet that a table looks at: what every match and target may ask, read once when a hook begins.
import {
  IPS_DST_NAT,
  IPS_SRC_NAT,
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
} from "../layout/codes.ts";
import { FRAME_CT, FRAME_CT_INFO, FRAME_FLAGS, FRAME_IS_UNTRACKED, FRAME_NETWORK } from "../layout/frame.ts";
import { CT_STATUS, DEV_NAME, NS_RULES6 } from "../layout/records.ts";
import {
  IFACE_MASK,
  IFACE_NAME,
  MATCH_CT_DNAT,
  MATCH_CT_ESTABLISHED,
  MATCH_CT_INVALID,
  MATCH_CT_NEW,
  MATCH_CT_RELATED,
  MATCH_CT_SNAT,
  MATCH_CT_UNTRACKED,
  RULE_INDEX,
  RULE_OF_IPV6,
} from "../layout/rules.ts";
import { packetLength } from "../track/conntrack.ts";
import * as anyIp from "../wire/ip.ts";
import * as ipv4 from "../wire/ipv4.ts";
import * as ipv6 from "../wire/ipv6.ts";

export let ns: usize = 0;
/** The rules in force for its family (RULESET_*). */
export let rules: usize = 0;
export let hook: i32 = 0;
export let frame: usize = 0;
export let input: usize = 0; // device, 0 in OUTPUT and POSTROUTING
export let output: usize = 0; // device, 0 in PREROUTING and INPUT
export let ip: usize = 0;
export let length: i32 = 0; // of the packet, from the IP header on
export let l4: usize = 0;
export let l4Length: i32 = 0;
export let source: u32 = 0;
export let destination: u32 = 0;
export let protocol: u32 = 0;
export let fragmentOffset: i32 = 0;

/** The number of a rule among all of the namespace: RULE_INDEX, with RULE_OF_IPV6 if it is one of ip6tables. */
export function numberOf(rule: usize): u32 {
  return load<u32>(rule, RULE_INDEX) | (rules == ns + NS_RULES6 ? <u32>RULE_OF_IPV6 : 0);
}

/** A match found the packet so broken that it must be dropped at once (par.hotdrop). */
export let hotdrop: bool = false;

export function clearHotdrop(): void {
  hotdrop = false;
}

export function setHotdrop(): void {
  hotdrop = true;
}

/** Turns to a packet at a hook of a namespace with `ruleset` for its family (RULESET_*). */
export function begin(namespace: usize, ruleset: usize, at: i32, packet: usize, from: usize, to: usize): void {
  ns = namespace;
  rules = ruleset;
  hook = at;
  frame = packet;
  input = from;
  output = to;
  read();
}

/** Reads the header again, after a target has changed it. */
export function read(): void {
  stateBits = 0;
  ip = load<usize>(frame, FRAME_NETWORK);
  length = packetLength(frame);
  if (anyIp.isSix(ip)) {
    readSix();
    return;
  }
  const header = ipv4.headerLength(ip);
  l4 = ip + <usize>header;
  l4Length = length - header;
  source = ipv4.source(ip);
  destination = ipv4.destination(ip);
  protocol = <u32>ipv4.protocol(ip);
  fragmentOffset = ipv4.fragment(ip) & ipv4.OFFSET_MASK;
}

function readSix(): void {
  ipv6.walk(ip, length);
  l4 = ip + <usize>ipv6.headers;
  l4Length = length - ipv6.headers;
  protocol = <u32>ipv6.protocol;
  fragmentOffset = ipv6.fragment >> 3;
  source = ipv6.source(ip);
  destination = ipv6.destination(ip);
}

/** What `state` said last, 0: not asked since the connection may have changed. */
let stateBits: u32 = 0;

/** The frame has been given a connection. */
export function forgetState(): void {
  stateBits = 0;
}

/** The state of the packet's connection as xt_conntrack has it: MATCH_CT_* bits. */
export function state(): u32 {
  if (stateBits) return stateBits;
  const entry = load<usize>(frame, FRAME_CT);
  const info = load<u32>(frame, FRAME_CT_INFO);
  let bits: u32 = MATCH_CT_INVALID;
  if (entry) {
    if (info == IP_CT_NEW) bits = MATCH_CT_NEW;
    else if (info == IP_CT_ESTABLISHED || info == IP_CT_ESTABLISHED_REPLY) bits = MATCH_CT_ESTABLISHED;
    else if (info == IP_CT_RELATED || info == IP_CT_RELATED_REPLY) bits = MATCH_CT_RELATED;
    const status = load<u32>(entry, CT_STATUS);
    if (status & IPS_SRC_NAT) bits |= MATCH_CT_SNAT;
    if (status & IPS_DST_NAT) bits |= MATCH_CT_DNAT;
  } else if (load<u32>(frame, FRAME_FLAGS) & FRAME_IS_UNTRACKED) {
    bits = MATCH_CT_UNTRACKED;
  }
  stateBits = bits;
  return bits;
}

/** Whether a device's name fits an interface record; no device has the empty name. */
export function nameMatches(record: usize, device: usize): bool {
  for (let i: usize = 0; i < 16; i += 8) {
    const name: u64 = device ? load<u64>(device + DEV_NAME + i) : 0;
    if (
      (name & load<u64>(record + IFACE_MASK + i)) !=
      (load<u64>(record + IFACE_NAME + i) & load<u64>(record + IFACE_MASK + i))
    ) {
      return false;
    }
  }
  return true;
}
