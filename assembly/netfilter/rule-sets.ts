// Compiled rule sets: which of their rules the kernel knows, and putting one in force in a namespace.
import { NF_ACCEPT, NF_DROP } from "../layout/codes.ts";
import {
  CHAIN_COUNTER,
  CHAIN_POLICY,
  CHAIN_POLICY_RULE,
  CHAIN_RULE,
  CHAIN_SIZE,
  NS_CONNECTIONS,
  NS_TRACKING,
  RULESET_BASE,
  RULESET_BLOCK,
  RULESET_CHAINS,
  RULESET_STATES,
} from "../layout/records.ts";
import {
  BLOCK_BASE,
  BLOCK_ENTRIES,
  BLOCK_RULES,
  BLOCK_STATES,
  BLOCK_STATE_VALUES,
  BLOCK_TABLES,
  BLOCK_TRACKS,
  BLOCK_UNDERFLOWS,
  HOOK_COUNT,
  MATCH_KIND,
  MATCH_KIND_CONNLIMIT,
  MATCH_KIND_CONNMARK,
  MATCH_KIND_CT_EXPIRE,
  MATCH_KIND_CT_STATE,
  MATCH_SIZE,
  RULE_MATCHES,
  RULE_MATCH_COUNT,
  RULE_SIZE,
  RULE_TARGET,
  STATE_SIZE,
  TABLE_COUNT,
  TABLE_NAT,
  TABLE_NFT_NAT,
  TARGET_ACCEPT,
  TARGET_CONNMARK,
  TARGET_CT,
} from "../layout/rules.ts";
import { allocate } from "../memory/arena.ts";
import { copy } from "../memory/bytes.ts";
import * as recorder from "../memory/recorder.ts";
import { newConnectionTable } from "../track/table.ts";
import { counterOf, makeRoom } from "./counters.ts";
import { walks } from "./match.ts";
import { acts } from "./target.ts";

/** What the offsets in a set count from. */
export function baseOf(block: usize): usize {
  return block + load<usize>(block, BLOCK_BASE);
}

/** Looks at `count` rules of a set from `first` on: the number (from 1) of the first that the kernel does not know, or 0. */
export function admit(block: usize, first: usize, count: u32): u32 {
  const base = baseOf(block);
  let tracking: bool = (load<u32>(block, BLOCK_TABLES) & ((1 << TABLE_NAT) | (1 << TABLE_NFT_NAT))) != 0;
  let rule = first;
  for (let i: u32 = 1; i <= count; i++, rule += RULE_SIZE) {
    const target = load<i32>(rule, RULE_TARGET);
    if (!acts(target)) return i;
    if (target == TARGET_CONNMARK || target == TARGET_CT) tracking = true;
    let record = base + <usize>load<u32>(rule, RULE_MATCHES);
    for (let left = load<u32>(rule, RULE_MATCH_COUNT); left; left--, record += MATCH_SIZE) {
      const kind = load<i32>(record, MATCH_KIND);
      if (!walks(kind)) return i;
      if (needsTracking(kind)) tracking = true;
    }
  }
  if (tracking) store<u32>(block, 1, BLOCK_TRACKS);
  return 0;
}

function needsTracking(kind: i32): bool {
  if (kind >= MATCH_KIND_CT_STATE && kind <= MATCH_KIND_CT_EXPIRE) return true;
  return kind == MATCH_KIND_CONNMARK || kind == MATCH_KIND_CONNLIMIT;
}

/**
 * Puts a set in force in a namespace, as the `rules` of one of its families (RULESET_*). Its counters begin anew, unless it was made by
 * `changing` the one in force. States always do.
 */
export function enforce(ns: usize, rules: usize, block: usize, changing: bool): void {
  const before = changing ? load<u32>(load<usize>(rules, RULESET_BLOCK), BLOCK_RULES) : 0;
  store<usize>(rules, block, RULESET_BLOCK);
  store<usize>(rules, baseOf(block), RULESET_BASE);
  makeRoom(rules, load<u32>(block, BLOCK_RULES), before);
  findChains(rules);
  const size = load<u32>(block, BLOCK_STATES) * STATE_SIZE;
  const states = allocate(size + 16);
  copy(states, baseOf(block) + <usize>load<u32>(block, BLOCK_STATE_VALUES), <i32>size);
  store<usize>(rules, states, RULESET_STATES);
  if (!load<usize>(ns, NS_CONNECTIONS)) store<usize>(ns, newConnectionTable(), NS_CONNECTIONS);
  // Tracking stays on for good.
  if (load<u32>(block, BLOCK_TRACKS)) store<u32>(ns, 1, NS_TRACKING);
}

/** Notes for each hook and table where its chain begins and ends. */
function findChains(rules: usize): void {
  recorder.changed();
  const block = load<usize>(rules, RULESET_BLOCK);
  const base = load<usize>(rules, RULESET_BASE);
  const chains = allocate(HOOK_COUNT * TABLE_COUNT * <u32>CHAIN_SIZE);
  for (let hook: usize = 0; hook < <usize>HOOK_COUNT; hook++) {
    for (let table: usize = 0; table < <usize>TABLE_COUNT; table++) {
      const slot = block + ((table * HOOK_COUNT + hook) << 2);
      const entry = load<u32>(slot, BLOCK_ENTRIES);
      if (!entry) continue;
      const chain = chains + (hook * TABLE_COUNT + table) * CHAIN_SIZE;
      const rule = base + <usize>entry;
      const policy = base + <usize>load<u32>(slot, BLOCK_UNDERFLOWS);
      store<usize>(chain, rule, CHAIN_RULE);
      store<usize>(chain, policy, CHAIN_POLICY_RULE);
      store<usize>(chain, rule == policy ? counterOf(rules, policy) : 0, CHAIN_COUNTER);
      store<i32>(chain, load<i32>(policy, RULE_TARGET) == TARGET_ACCEPT ? NF_ACCEPT : NF_DROP, CHAIN_POLICY);
    }
  }
  store<usize>(rules, chains, RULESET_CHAINS);
}
