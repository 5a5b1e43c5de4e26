// The linear walker: what ipt_do_table does, rule by rule. It is the reference that any faster way must equal.
import { NF_ACCEPT, NF_DROP } from "../layout/codes.ts";
import {
  BLOCK_ENTRIES,
  BLOCK_UNDERFLOWS,
  HOOK_COUNT,
  MATCH_SIZE,
  RULE_DST,
  RULE_DST_MASK,
  RULE_FLAGS,
  RULE_FRAGMENT,
  RULE_GOTO,
  RULE_IN,
  RULE_INDEX,
  RULE_MATCHES,
  RULE_MATCH_COUNT,
  RULE_NOT_DST,
  RULE_NOT_FRAGMENT,
  RULE_NOT_IN,
  RULE_NOT_OUT,
  RULE_NOT_PROTO,
  RULE_NOT_SRC,
  RULE_OUT,
  RULE_PLAIN,
  RULE_PROTO,
  RULE_SIZE,
  RULE_SRC,
  RULE_SRC_MASK,
  RULE_TARGET,
  RULE_TARGET_ARG,
  TARGET_ACCEPT,
  TARGET_CONTINUE,
  TARGET_DROP,
  TARGET_JUMP,
  TARGET_RETURN,
} from "../layout/rules.ts";
import { NS_COUNTERS, NS_RULES } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { matches } from "./match.ts";
import * as packet from "./packet.ts";
import { CONTINUE, apply } from "./target.ts";

const STACK_MAX: u32 = 4096;
let stack: usize = 0;

/** Addresses, interfaces, protocol and fragment bits: ip_packet_match. */
function headMatches(block: usize, rule: usize): bool {
  const flags = load<u32>(rule, RULE_FLAGS);
  const src = (packet.source & load<u32>(rule, RULE_SRC_MASK)) == load<u32>(rule, RULE_SRC);
  const dst = (packet.destination & load<u32>(rule, RULE_DST_MASK)) == load<u32>(rule, RULE_DST);
  if (src == ((flags & RULE_NOT_SRC) != 0) || dst == ((flags & RULE_NOT_DST) != 0)) return false;
  const protocol = load<u32>(rule, RULE_PROTO);
  if (protocol && (protocol == packet.protocol) == ((flags & RULE_NOT_PROTO) != 0)) return false;
  if (flags & RULE_PLAIN) return true;
  const input = load<u32>(rule, RULE_IN);
  if (input && packet.nameMatches(block + input, packet.input) == ((flags & RULE_NOT_IN) != 0)) return false;
  const output = load<u32>(rule, RULE_OUT);
  if (output && packet.nameMatches(block + output, packet.output) == ((flags & RULE_NOT_OUT) != 0)) return false;
  if (flags & RULE_FRAGMENT && !packet.fragmentOffset) return false;
  if (flags & RULE_NOT_FRAGMENT && packet.fragmentOffset) return false;
  return true;
}

/** Whether all match records of a rule hold, in their order. */
function extensionsMatch(block: usize, rule: usize): bool {
  let record = block + load<u32>(rule, RULE_MATCHES);
  for (let left = load<u32>(rule, RULE_MATCH_COUNT); left; left--) {
    if (!matches(block, record)) return false;
    record += MATCH_SIZE;
  }
  return true;
}

function countRule(rule: usize): void {
  const counter = load<usize>(packet.ns, NS_COUNTERS) + ((<usize>load<u32>(rule, RULE_INDEX)) << 4);
  store<u64>(counter, load<u64>(counter) + 1);
  store<u64>(counter, load<u64>(counter, 8) + <u64>packet.length, 8);
}

/** Walks one table at the packet's hook. Returns NF_ACCEPT, NF_DROP or what a target says (netfilter/target.ts). */
export function walk(table: i32): i32 {
  const block = load<usize>(packet.ns, NS_RULES);
  const slot = (<usize>(table * HOOK_COUNT + packet.hook)) << 2;
  const entry = load<u32>(block + slot, BLOCK_ENTRIES);
  if (!entry) return NF_ACCEPT;
  let rule = block + entry;
  if (entry == load<u32>(block + slot, BLOCK_UNDERFLOWS)) {
    // Nothing but the policy.
    countRule(rule);
    return load<i32>(rule, RULE_TARGET) == TARGET_ACCEPT ? NF_ACCEPT : NF_DROP;
  }
  if (!stack) stack = allocate(STACK_MAX << 2);
  let depth: u32 = 0;
  packet.clearHotdrop();
  while (true) {
    if (!headMatches(block, rule) || (load<u32>(rule, RULE_MATCH_COUNT) && !extensionsMatch(block, rule))) {
      if (packet.hotdrop) return NF_DROP;
      rule += RULE_SIZE;
      continue;
    }
    countRule(rule);
    const target = load<i32>(rule, RULE_TARGET);
    if (target == TARGET_CONTINUE) {
      rule += RULE_SIZE;
    } else if (target == TARGET_JUMP) {
      const to = block + load<u32>(rule, RULE_TARGET_ARG);
      if (!(load<u32>(rule, RULE_FLAGS) & RULE_GOTO)) {
        if (depth == STACK_MAX) return NF_DROP;
        store<usize>(stack + ((<usize>depth) << 2), rule + RULE_SIZE);
        depth++;
      }
      rule = to;
    } else if (target == TARGET_RETURN) {
      if (depth) {
        depth--;
        rule = load<usize>(stack + ((<usize>depth) << 2));
      } else {
        rule = block + load<u32>(block + slot, BLOCK_UNDERFLOWS);
      }
    } else if (target == TARGET_ACCEPT) {
      return NF_ACCEPT;
    } else if (target == TARGET_DROP) {
      return NF_DROP;
    } else {
      const verdict = apply(target, block + load<u32>(rule, RULE_TARGET_ARG));
      if (verdict != CONTINUE) return verdict;
      packet.read();
      rule += RULE_SIZE;
    }
  }
}
