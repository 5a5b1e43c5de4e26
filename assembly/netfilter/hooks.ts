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
import {
  DROP_NETFILTER_DROP,
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  MANIP_DST,
  MANIP_SRC,
  NF_ACCEPT,
  NF_DROP,
} from "../layout/codes.ts";
import { FRAME_CT, FRAME_CT_INFO } from "../layout/frame.ts";
import { NS_RULES, NS_TRACKING } from "../layout/records.ts";
import {
  BLOCK_TABLES,
  HOOK_FORWARD,
  HOOK_INPUT,
  HOOK_OUTPUT,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
  TABLE_FILTER,
  TABLE_MANGLE,
  TABLE_NAT,
  TABLE_RAW,
} from "../layout/rules.ts";
import { confirm, directionOf, enter, reason as trackReason } from "../track/conntrack.ts";
import * as nat from "../track/nat.ts";
import { PROTO_ICMP } from "../wire/ipv4.ts";
import * as packet from "./packet.ts";
import { walk } from "./walk.ts";

/** Why the last hook dropped: a DROP_* code. */
export let reason: i32 = 0;

function track(incoming: bool): i32 {
  if (!load<u32>(packet.ns, NS_TRACKING) || enter(packet.ns, packet.frame, incoming)) return NF_ACCEPT;
  reason = trackReason;
  return NF_DROP;
}

/** The first packet of a connection asks the nat table, every packet is translated (nf_nat_inet_fn). */
function translate(manip: u32): i32 {
  const frame = packet.frame;
  const entry = load<usize>(frame, FRAME_CT);
  if (!entry || !(load<u32>(load<usize>(packet.ns, NS_RULES), BLOCK_TABLES) & (1 << TABLE_NAT))) return NF_ACCEPT;
  const info = load<u32>(frame, FRAME_CT_INFO);
  const direction = directionOf(info);
  const related = info == IP_CT_RELATED || info == IP_CT_RELATED_REPLY;
  if (related && packet.protocol == PROTO_ICMP) {
    nat.translateError(entry, direction, manip, packet.ip, packet.length);
    packet.read();
    return NF_ACCEPT;
  }
  if (related || info == IP_CT_NEW) {
    if (!nat.initialized(entry, manip)) {
      const verdict = walk(TABLE_NAT);
      if (verdict != NF_ACCEPT) return verdict;
      if (!nat.initialized(entry, manip)) nat.setupNull(entry, manip);
    }
  }
  nat.translate(entry, direction, manip, packet.ip, packet.length);
  packet.read();
  return NF_ACCEPT;
}

function settle(): i32 {
  if (!load<u32>(packet.ns, NS_TRACKING) || confirm(packet.ns, packet.frame)) return NF_ACCEPT;
  reason = trackReason;
  return NF_DROP;
}

/** Takes a packet through a hook. Returns NF_ACCEPT, NF_DROP (with `reason`) or NF_REJECT. */
export function run(ns: usize, hook: i32, frame: usize, input: usize, output: usize): i32 {
  if (!load<usize>(ns, NS_RULES)) return NF_ACCEPT;
  packet.begin(ns, hook, frame, input, output);
  reason = DROP_NETFILTER_DROP;
  let verdict: i32 = NF_ACCEPT;
  switch (hook) {
    case HOOK_PREROUTING:
      verdict = walk(TABLE_RAW);
      if (verdict == NF_ACCEPT) verdict = track(true);
      if (verdict == NF_ACCEPT) verdict = walk(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = translate(MANIP_DST);
      break;
    case HOOK_INPUT:
      verdict = walk(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = walk(TABLE_FILTER);
      if (verdict == NF_ACCEPT) verdict = translate(MANIP_SRC);
      if (verdict == NF_ACCEPT) verdict = settle();
      break;
    case HOOK_FORWARD:
      verdict = walk(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = walk(TABLE_FILTER);
      break;
    case HOOK_OUTPUT:
      verdict = walk(TABLE_RAW);
      if (verdict == NF_ACCEPT) verdict = track(false);
      if (verdict == NF_ACCEPT) verdict = walk(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = translate(MANIP_DST);
      if (verdict == NF_ACCEPT) verdict = walk(TABLE_FILTER);
      break;
    case HOOK_POSTROUTING:
      verdict = walk(TABLE_MANGLE);
      if (verdict == NF_ACCEPT) verdict = translate(MANIP_SRC);
      if (verdict == NF_ACCEPT) verdict = settle();
      break;
  }
  return verdict;
}
