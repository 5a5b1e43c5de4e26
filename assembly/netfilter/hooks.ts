// The five hooks: which tables a packet passes at each, and where connection tracking and NAT stand between them.
//
//                 PREROUTING          FORWARD            POSTROUTING
//   received --> raw                  mangle   --------> mangle        --> sent
//                conntrack --> route  filter             nat (source)
//                mangle      |                           confirm
//                nat (dest)  v                              ^
//                          INPUT      OUTPUT                |
//                          mangle     raw                   |
//                          filter     conntrack             |
//                          nat (src)  mangle                |
//                          confirm    nat (dest)            |
//                             |       filter ---------------+
//                             v          ^
//                           sockets -----+
//
// Where virtual services are, ip_vs stands after filter in INPUT and FORWARD, and before it in OUTPUT (ip_vs_ops4).
//
// A table of nftables has base chains of type filter after mangle, and before filter; its chains of type nat come before the nat table.
import {
  DROP_NETFILTER_DROP,
  IPS_CONFIRMED,
  IPS_DYING,
  IPS_FIXED_TIMEOUT,
  IPS_NAT_CLASH,
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  MANIP_DST,
  MANIP_SRC,
  NF_ACCEPT,
  NF_DROP,
} from "../layout/codes.ts";
import { FRAME_CT, FRAME_CT_INFO } from "../layout/frame.ts";
import {
  CHAIN_COUNTER,
  CHAIN_POLICY,
  CHAIN_POLICY_RULE,
  CHAIN_RULE,
  CHAIN_SIZE,
  CPU_NAT,
  CPU_TABLE,
  CT_STATUS,
  NS_IPVS,
  NS_RULES,
  NS_TRACKING,
  RULESET_BLOCK,
  RULESET_CHAINS,
} from "../layout/records.ts";
import {
  BLOCK_TABLES,
  HOOK_FORWARD,
  HOOK_INPUT,
  HOOK_OUTPUT,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
  TABLE_COUNT,
  TABLE_FILTER,
  TABLE_MANGLE,
  TABLE_NAT,
  TABLE_NFT_FILTER,
  TABLE_NFT_NAT,
  TABLE_NFT_PRE_NAT,
  TABLE_RAW,
} from "../layout/rules.ts";
import { STEP_CONFIRMED, STEP_HOOK, STEP_NAT, STEP_RULE, STEP_TABLE, STEP_TRACKED } from "../layout/trace.ts";
import * as ipvs from "../ipvs/hook.ts";
import { isSix } from "../memory/addresses.ts";
import * as cpu from "../memory/cpu.ts";
import * as recorder from "../memory/recorder.ts";
import { confirm, directionOf, enter, reason as trackReason } from "../track/conntrack.ts";
import * as nat from "../track/nat.ts";
import * as trace from "../observe/trace.ts";
import * as icmp from "../wire/icmp.ts";
import * as icmpv6 from "../wire/icmpv6.ts";
import { PROTO_ICMP } from "../wire/ipv4.ts";
import { PROTO_ICMPV6 } from "../wire/ipv6.ts";
import * as packet from "./packet.ts";
import { count, deny, walk } from "./walk.ts";

/** Why the last hook dropped: a DROP_* code. */
export let reason: i32 = 0;

/** The chains of the hook (CHAIN_*). */
let chains: usize = 0;

/** Lets a table decide. A chain without rules only counts what its policy lets through. */
function consult(table: usize): i32 {
  const chain = chains + table * CHAIN_SIZE;
  const rule = load<usize>(chain, CHAIN_RULE);
  if (!rule) return NF_ACCEPT;
  if (cpu.core) cpu.charge(CPU_TABLE);
  if (trace.on) trace.note(STEP_TABLE, packet.ns, packet.frame, <u32>table, packet.hook);
  const counter = load<usize>(chain, CHAIN_COUNTER);
  if (!counter) return walk(rule, load<usize>(chain, CHAIN_POLICY_RULE));
  count(counter);
  if (cpu.core) cpu.chargeRules(1);
  if (trace.on) {
    const index = packet.numberOf(load<usize>(chain, CHAIN_POLICY_RULE));
    trace.note(STEP_RULE, packet.ns, packet.frame, index, index);
  }
  const verdict = load<i32>(chain, CHAIN_POLICY);
  if (verdict != NF_ACCEPT) deny(load<usize>(chain, CHAIN_POLICY_RULE));
  return verdict;
}

function track(incoming: bool): i32 {
  if (!load<u32>(packet.ns, NS_TRACKING)) return NF_ACCEPT;
  const entered = enter(packet.ns, packet.frame, incoming);
  packet.forgetState();
  if (recorder.frame) recordTracked();
  if (trace.on) trace.note(STEP_TRACKED, packet.ns, packet.frame);
  if (entered) return NF_ACCEPT;
  reason = trackReason;
  return NF_DROP;
}

/** Only packets of connections that are in the table, and stay as they are, can be remembered, and those that begin one alike. */
function recordTracked(): void {
  const entry = load<usize>(packet.frame, FRAME_CT);
  const info = load<u32>(packet.frame, FRAME_CT_INFO);
  const status = entry ? load<u32>(entry, CT_STATUS) : 0;
  if (recorder.opening) {
    if (entry && info == IP_CT_NEW && !(status & IPS_CONFIRMED)) recorder.note(recorder.OPENED, entry);
    else recorder.spoil();
    return;
  }
  const settled = (status & (IPS_CONFIRMED | IPS_DYING | IPS_FIXED_TIMEOUT | IPS_NAT_CLASH)) == IPS_CONFIRMED;
  const ordinary = info == IP_CT_NEW || info == IP_CT_ESTABLISHED || info == IP_CT_ESTABLISHED_REPLY;
  if (settled && ordinary) recorder.note(recorder.TRACKED, entry, info);
  else recorder.spoil();
}

/** The first packet of a connection asks the nat table, every packet is translated (nf_nat_inet_fn). */
function translate(manip: u32): i32 {
  const frame = packet.frame;
  const entry = load<usize>(frame, FRAME_CT);
  const tables = load<u32>(load<usize>(packet.rules, RULESET_BLOCK), BLOCK_TABLES);
  if (!entry || !(tables & ((1 << TABLE_NAT) | (1 << TABLE_NFT_NAT)))) return NF_ACCEPT;
  const info = load<u32>(frame, FRAME_CT_INFO);
  const direction = directionOf(info);
  const related = info == IP_CT_RELATED || info == IP_CT_RELATED_REPLY;
  if (related) recorder.spoil();
  const errors = isSix(packet.destination) ? PROTO_ICMPV6 : PROTO_ICMP;
  if (related && packet.protocol == errors) {
    // Hosts that were told of each other would talk past the translation (nf_nat_icmp_reply_translation).
    const redirect = errors == PROTO_ICMP ? icmp.REDIRECT : icmpv6.REDIRECT;
    if (icmp.type(packet.l4) == redirect && !nat.isNull(entry)) return NF_DROP;
    nat.translateError(entry, direction, manip, packet.ip, packet.length);
    packet.read();
    return NF_ACCEPT;
  }
  if (related || info == IP_CT_NEW) {
    if (!nat.initialized(entry, manip)) {
      if (!recorder.opening) recorder.spoil();
      let verdict = consult(TABLE_NFT_NAT);
      if (verdict == NF_ACCEPT && !nat.initialized(entry, manip)) verdict = consult(TABLE_NAT);
      if (verdict != NF_ACCEPT) return verdict;
      if (!nat.initialized(entry, manip)) nat.setupNull(entry, manip);
    }
  }
  const source = packet.source;
  const destination = packet.destination;
  const ports = trace.on ? trace.portsOf(packet.ip, packet.length) : 0;
  if (nat.translate(entry, direction, manip, packet.ip, packet.length)) {
    if (cpu.core) cpu.charge(CPU_NAT);
    packet.read();
    if (trace.on) trace.note(STEP_NAT, packet.ns, packet.frame, manip, source, destination, ports);
  }
  return NF_ACCEPT;
}

/** ip_vs, in a namespace that has virtual services: answers of real servers first, then requests, `own` or others'. */
function balance(own: bool): i32 {
  let verdict = ipvs.toClient(packet.ns, packet.frame, packet.ip, packet.length);
  if (verdict == NF_ACCEPT) verdict = ipvs.toServer(packet.ns, packet.frame, packet.ip, packet.length, own);
  packet.read();
  return verdict;
}

/** The same for what is forwarded: errors about virtual services, and answers of real servers. */
function answer(): i32 {
  const verdict = ipvs.forwardedError(packet.ns, packet.frame, packet.ip, packet.length);
  return verdict == NF_ACCEPT ? ipvs.toClient(packet.ns, packet.frame, packet.ip, packet.length) : verdict;
}

function settle(): i32 {
  if (!load<u32>(packet.ns, NS_TRACKING)) return NF_ACCEPT;
  const isNew = load<u32>(packet.frame, FRAME_CT_INFO) == IP_CT_NEW;
  if (confirm(packet.ns, packet.frame)) {
    if (trace.on && isNew) trace.note(STEP_CONFIRMED, packet.ns, packet.frame);
    return NF_ACCEPT;
  }
  reason = trackReason;
  return NF_DROP;
}

/** Whether the namespace of the packet has virtual services, which are of IPv4. */
function hasServices(rules: usize): bool {
  return load<usize>(packet.ns, NS_IPVS) != 0 && rules == packet.ns + NS_RULES;
}

/** Takes a packet through a hook of a namespace that has `rules` for its family (RULESET_*). Returns NF_ACCEPT, NF_DROP (with `reason`), NF_REJECT or NF_STOLEN, of which ip_vs knows more. */
export function run(ns: usize, rules: usize, hook: i32, frame: usize, input: usize, output: usize): i32 {
  packet.begin(ns, rules, hook, frame, input, output);
  if (trace.on) trace.note(STEP_HOOK, ns, frame, hook, <u32>input, <u32>output);
  chains = load<usize>(rules, RULESET_CHAINS) + <usize>(hook * TABLE_COUNT * CHAIN_SIZE);
  reason = DROP_NETFILTER_DROP;
  let verdict: i32 = NF_ACCEPT;
  switch (hook) {
    case HOOK_PREROUTING:
      verdict = consult(TABLE_RAW);
      if (verdict == NF_ACCEPT) verdict = track(true);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_NFT_PRE_NAT);
      if (verdict == NF_ACCEPT) verdict = translate(MANIP_DST);
      break;
    case HOOK_INPUT:
      verdict = consult(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_NFT_FILTER);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_FILTER);
      if (verdict == NF_ACCEPT && hasServices(rules)) verdict = balance(false);
      if (verdict == NF_ACCEPT) verdict = translate(MANIP_SRC);
      if (verdict == NF_ACCEPT) verdict = settle();
      break;
    case HOOK_FORWARD:
      verdict = consult(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_NFT_FILTER);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_FILTER);
      if (verdict == NF_ACCEPT && hasServices(rules)) verdict = answer();
      break;
    case HOOK_OUTPUT:
      verdict = consult(TABLE_RAW);
      if (verdict == NF_ACCEPT) verdict = track(false);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_NFT_PRE_NAT);
      if (verdict == NF_ACCEPT) verdict = translate(MANIP_DST);
      if (verdict == NF_ACCEPT && hasServices(rules)) verdict = balance(true);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_NFT_FILTER);
      if (verdict == NF_ACCEPT) verdict = consult(TABLE_FILTER);
      break;
    case HOOK_POSTROUTING:
      verdict = consult(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = translate(MANIP_SRC);
      if (verdict == NF_ACCEPT) verdict = settle();
      break;
  }
  return verdict;
}
