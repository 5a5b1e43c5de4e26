// The walker: what ipt_do_table does, rule by rule. Over long runs of rules it passes with the index, or by looking at their keys four
// at once; if it is told to do neither, it is the reference that both must equal.
import { MATCHER_INDEX, MATCHER_PLAIN, NF_ACCEPT, NF_DROP } from "../layout/codes.ts";
import {
  MATCH_CT_STATES,
  MATCH_FLAGS,
  MATCH_INVERT,
  MATCH_KIND,
  MATCH_KIND_CONNLIMIT,
  MATCH_KIND_CT_STATE,
  MATCH_KIND_HASHLIMIT,
  MATCH_KIND_LIMIT,
  MATCH_KIND_NTH,
  MATCH_KIND_NUMGEN,
  MATCH_KIND_QUOTA,
  MATCH_KIND_RANDOM,
  MATCH_KIND_RECENT,
  MATCH_SIZE,
  RULE_DST,
  RULE_DST_MASK,
  RULE_FLAGS,
  RULE_FRAGMENT,
  RULE_GOTO,
  RULE_IN,
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
  RULE_RUN,
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
  TARGET_VERDICT,
} from "../layout/rules.ts";
import { NS_ID, RULESET_BASE } from "../layout/records.ts";
import { FRAME_LINE } from "../layout/frame.ts";
import {
  MISS_DESTINATION,
  MISS_FRAGMENT,
  MISS_INPUT,
  MISS_MATCH,
  MISS_OUTPUT,
  MISS_PROTOCOL,
  MISS_SOURCE,
  STEP_MISS,
  STEP_RULE,
} from "../layout/trace.ts";
import { allocate } from "../memory/arena.ts";
import * as cpu from "../memory/cpu.ts";
import * as recorder from "../memory/recorder.ts";
import { denied } from "../observe/lines.ts";
import * as notes from "../observe/notes.ts";
import * as trace from "../observe/trace.ts";
import { counterOf } from "./counters.ts";
import * as index from "./index.ts";
import * as lookup from "./lookup.ts";
import { matches } from "./match.ts";
import * as packet from "./packet.ts";
import { CONTINUE, apply } from "./target.ts";

const STACK_MAX: u32 = 4096;
let stack: usize = 0;

/** How walks find the next rule of a run that can match (MATCHER_*); the outcome is the same. */
let matcher: u32 = MATCHER_INDEX;

export function setMatcher(which: u32): void {
  matcher = which;
}

/** Counts the packet in a counter pair. */
export function count(counter: usize): void {
  if (recorder.frame) recorder.note(recorder.COUNTED_BYTES, counter);
  store<u64>(counter, load<u64>(counter) + 1);
  store<u64>(counter, load<u64>(counter, 8) + <u64>packet.length, 8);
}

/** Notes the rule that denies the packet with the packet's line. */
export function deny(rule: usize): void {
  denied(load<u32>(packet.frame, FRAME_LINE), load<u32>(packet.ns, NS_ID), packet.numberOf(rule));
  if (notes.on) notes.denies(packet.ns, packet.frame, packet.numberOf(rule));
}

/** Interfaces and fragment bits: what ip_packet_match asks besides addresses and protocol. */
function restMatches(block: usize, rule: usize, flags: u32): bool {
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
    if (load<i32>(record, MATCH_KIND) == MATCH_KIND_CT_STATE) {
      // The commonest one, answered here.
      const found = (packet.state() & load<u32>(record, MATCH_CT_STATES)) != 0;
      if (found == ((load<u32>(record, MATCH_FLAGS) & MATCH_INVERT) != 0)) return false;
    } else if (!matches(block, record)) {
      return false;
    }
    record += MATCH_SIZE;
  }
  return true;
}

/** Rules that the index has passed over since the last one that matched, while packets are traced. */
let passedOver: u32 = 0;

/** Walks a chain to a verdict: NF_ACCEPT, NF_DROP or what a target says (netfilter/target.ts). `policy` is its last rule. */
export function walk(first: usize, policy: usize): i32 {
  const block = load<usize>(packet.rules, RULESET_BASE);
  if (!stack) stack = allocate(STACK_MAX << 2);
  let depth: u32 = 0;
  let rule = first;
  let start = first; // of the rules looked at since the last that matched
  let source = packet.source;
  let destination = packet.destination;
  packet.clearHotdrop();
  while (true) {
    const run = load<usize>(rule, RULE_RUN);
    if (run && matcher != MATCHER_PLAIN) {
      const from = rule;
      rule = matcher == MATCHER_INDEX ? index.seek(run, from) : index.scan(run, from);
      if (trace.on && matcher == MATCHER_INDEX) passedOver += <u32>(rule - from) / RULE_SIZE;
      // What stands behind a run may be the beginning of another.
      if (rule == index.endOf(run)) continue;
    }
    // Most rules end here, so what decides about them stands first and in the fewest words: addresses, then protocol.
    const flags = load<u32>(rule, RULE_FLAGS);
    const dst = (destination & load<u32>(rule, RULE_DST_MASK)) == load<u32>(rule, RULE_DST);
    if (dst == ((flags & RULE_NOT_DST) != 0)) {
      rule += RULE_SIZE;
      continue;
    }
    const src = (source & load<u32>(rule, RULE_SRC_MASK)) == load<u32>(rule, RULE_SRC);
    const protocol = load<u32>(rule, RULE_PROTO);
    if (
      src == ((flags & RULE_NOT_SRC) != 0) ||
      (protocol && (protocol == packet.protocol) == ((flags & RULE_NOT_PROTO) != 0)) ||
      (!(flags & RULE_PLAIN) &&
        (!restMatches(block, rule, flags) || (load<u32>(rule, RULE_MATCH_COUNT) && !extensionsMatch(block, rule))))
    ) {
      if (packet.hotdrop) {
        if (cpu.core) cpu.chargeRules(<u32>(rule - start) / RULE_SIZE + 1);
        passedOver = 0;
        return NF_DROP;
      }
      rule += RULE_SIZE;
      continue;
    }
    count(counterOf(packet.rules, rule));
    if (cpu.core) cpu.chargeRules(<u32>(rule - start) / RULE_SIZE + 1);
    if (trace.on) noteRule(block, start, rule);
    let target = load<i32>(rule, RULE_TARGET);
    let argument = load<u32>(rule, RULE_TARGET_ARG);
    let goes = flags & RULE_GOTO;
    if (target == TARGET_VERDICT) {
      target = lookup.verdict & ~RULE_GOTO;
      argument = lookup.chain;
      goes = lookup.verdict & RULE_GOTO;
    }
    if (target == TARGET_CONTINUE) {
      rule += RULE_SIZE;
    } else if (target == TARGET_JUMP) {
      const to = block + <usize>argument;
      if (!goes) {
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
        rule = policy;
      }
    } else if (target == TARGET_ACCEPT) {
      return NF_ACCEPT;
    } else if (target == TARGET_DROP) {
      deny(rule);
      return NF_DROP;
    } else {
      const verdict = apply(target, block + <usize>argument);
      if (verdict != CONTINUE) {
        if (verdict != NF_ACCEPT) deny(rule);
        else if (notes.on) notes.decided(packet.ns, packet.frame, packet.numberOf(rule));
        return verdict;
      }
      packet.read();
      source = packet.source;
      destination = packet.destination;
      rule += RULE_SIZE;
    }
    start = rule;
  }
}

/** Notes a rule that matched, the first one looked at being `start`; if asked, with those between that did not, and why. */
function noteRule(block: usize, start: usize, rule: usize): void {
  if (trace.verbose) {
    for (let other = start; other < rule; other += RULE_SIZE) {
      const index = packet.numberOf(other);
      trace.note(STEP_MISS, packet.ns, packet.frame, index, missedBy(block, other), missedMatch);
    }
  }
  trace.note(STEP_RULE, packet.ns, packet.frame, packet.numberOf(rule), packet.numberOf(start), passedOver);
  passedOver = 0;
}

/** Which match `missedBy` meant with MISS_MATCH. */
let missedMatch: u32 = 0;

/** The condition (MISS_*) that a rule which did not match failed first. Matches with a memory are not asked a second time. */
function missedBy(block: usize, rule: usize): u32 {
  const flags = load<u32>(rule, RULE_FLAGS);
  const protocol = load<u32>(rule, RULE_PROTO);
  const input = load<u32>(rule, RULE_IN);
  const output = load<u32>(rule, RULE_OUT);
  missedMatch = 0;
  const src = (packet.source & load<u32>(rule, RULE_SRC_MASK)) == load<u32>(rule, RULE_SRC);
  if (src == ((flags & RULE_NOT_SRC) != 0)) return MISS_SOURCE;
  const dst = (packet.destination & load<u32>(rule, RULE_DST_MASK)) == load<u32>(rule, RULE_DST);
  if (dst == ((flags & RULE_NOT_DST) != 0)) return MISS_DESTINATION;
  if (protocol && (protocol == packet.protocol) == ((flags & RULE_NOT_PROTO) != 0)) return MISS_PROTOCOL;
  if (input && packet.nameMatches(block + input, packet.input) == ((flags & RULE_NOT_IN) != 0)) return MISS_INPUT;
  if (output && packet.nameMatches(block + output, packet.output) == ((flags & RULE_NOT_OUT) != 0)) return MISS_OUTPUT;
  if (!restMatches(block, rule, flags)) return MISS_FRAGMENT;
  const count = load<u32>(rule, RULE_MATCH_COUNT);
  let record = block + load<u32>(rule, RULE_MATCHES);
  for (let i: u32 = 0; i < count; i++, record += MATCH_SIZE) {
    missedMatch = i;
    if (hasMemory(load<i32>(record, MATCH_KIND))) {
      if (i + 1 == count) break;
    } else if (!matches(block, record)) {
      break;
    }
  }
  return MISS_MATCH;
}

/** Whether asking a match changes what it answers next. */
function hasMemory(kind: i32): bool {
  return (
    kind == MATCH_KIND_RANDOM ||
    kind == MATCH_KIND_NTH ||
    kind == MATCH_KIND_NUMGEN ||
    kind == MATCH_KIND_RECENT ||
    kind == MATCH_KIND_LIMIT ||
    kind == MATCH_KIND_HASHLIMIT ||
    kind == MATCH_KIND_QUOTA ||
    kind == MATCH_KIND_CONNLIMIT
  );
}
