// Compiles a rule set to the block that the kernel walks; see assembly/layout/rules.ts.
import {
  BLOCK_DEPTH,
  BLOCK_ENTRIES,
  BLOCK_TABLES,
  BLOCK_UNDERFLOWS,
  HOOK_COUNT,
  RULE_DST,
  RULE_DST_MASK,
  RULE_FLAGS,
  RULE_FRAGMENT,
  RULE_GOTO,
  RULE_IN,
  RULE_INDEX,
  RULE_MATCH_COUNT,
  RULE_MATCHES,
  RULE_NOT_DST,
  RULE_NOT_FRAGMENT,
  RULE_NOT_IN,
  RULE_NOT_OUT,
  RULE_NOT_PROTO,
  RULE_NOT_SRC,
  RULE_OUT,
  RULE_PLAIN,
  RULE_PROTO,
  RULE_SRC,
  RULE_SRC_MASK,
  RULE_TABLE,
  RULE_TARGET,
  RULE_TARGET_ARG,
  TARGET_ACCEPT,
  TARGET_CONTINUE,
  TARGET_DROP,
  TARGET_JUMP,
  TARGET_RETURN,
} from "../../assembly/layout/rules.ts";
import { Block } from "./block.ts";
import { jumpedTo, jumpOrder } from "./graph.ts";
import { findMatch, type Match } from "./matches/table.ts";
import type { MatchRecord } from "./extension.ts";
import { HOOK_NAMES, TABLE_NAMES, type Chain, type Rule, type RuleSet, type Table, type TableName } from "./model.ts";
import type { NameTable } from "./names.ts";
import { findTarget } from "./targets/table.ts";

/** Where the rule with a given RULE_INDEX, and so its counter pair, stands in the rule set. */
export interface RuleReference {
  table: TableName;
  chain: string;
  /** From 0; the end of a user chain, an implicit RETURN, is its policy too. */
  index: number | "policy";
}

export interface CompiledRules {
  /** The block; little-endian words. */
  words: Uint32Array;
  /** In the order of RULE_INDEX. */
  rules: RuleReference[];
}

/** The chains of a rule set by table and name. */
export type ChainsByName = ReadonlyMap<string, ReadonlyMap<string, Chain>>;

export function chainsByName(set: RuleSet): ChainsByName {
  return new Map(set.tables.map(({ name, chains }) => [name, new Map(chains.map((chain) => [chain.name, chain]))]));
}

/** The chain that a reference names, and the rule unless it is the policy; undefined for what the set does not have. */
export function referenced(
  chains: ChainsByName,
  { table, chain, index }: RuleReference,
): { chain?: Chain; rule?: Rule } {
  const found = chains.get(table)?.get(chain);
  const rule = index === "policy" ? undefined : found?.rules[index];
  return { ...(found ? { chain: found } : {}), ...(rule ? { rule } : {}) };
}

/** Compiles a checked rule set (as parseRules and restore give it). Equal sets compiled with one NameTable give equal blocks. */
export function compileRules(ruleSet: RuleSet, names: NameTable): CompiledRules {
  const tables = TABLE_NAMES.flatMap((name) => ruleSet.tables.find((table) => table.name === name) ?? []);
  const rules = tables.flatMap((table) => table.chains.flatMap((chain) => referencesOf(table, chain)));
  const block = new Block(rules.length, names);
  let depth = 0;
  let bits = 0;
  let first = 0;
  for (const table of tables) {
    bits |= 1 << TABLE_NAMES.indexOf(table.name);
    depth = Math.max(depth, jumpDepth(table));
    first = compileTable(block, table, first);
  }
  block.set(BLOCK_TABLES, bits);
  block.set(BLOCK_DEPTH, depth);
  return { words: block.finish(), rules };
}

function referencesOf(table: Table, chain: Chain): RuleReference[] {
  const base = { table: table.name, chain: chain.name };
  return [...chain.rules.map((_, index) => ({ ...base, index })), { ...base, index: "policy" as const }];
}

/** Writes a table's rules from index `first` on; gives the index after the last. */
function compileTable(block: Block, table: Table, first: number): number {
  const starts = new Map<string, number>();
  let next = first;
  for (const chain of table.chains) {
    starts.set(chain.name, next);
    next += chain.rules.length + 1;
  }
  const tableNumber = TABLE_NAMES.indexOf(table.name);
  let index = first;
  for (const chain of table.chains) {
    const hook = HOOK_NAMES.findIndex((name) => name === chain.name);
    if (hook >= 0) {
      const slot = (tableNumber * HOOK_COUNT + hook) * 4;
      block.set(BLOCK_ENTRIES + slot, block.ruleOffset(index));
      block.set(BLOCK_UNDERFLOWS + slot, block.ruleOffset(index + chain.rules.length));
    }
    for (const rule of chain.rules) compileRule(block, index++, tableNumber, rule, starts);
    compilePolicy(block, index++, tableNumber, chain);
  }
  return index;
}

function compileRule(
  block: Block,
  index: number,
  table: number,
  rule: Rule,
  starts: ReadonlyMap<string, number>,
): void {
  const at = block.ruleOffset(index);
  const { source, destination, protocol, fragment } = rule;
  const records = rule.matches.flatMap((match) => compileMatch(match, block));
  const input = rule.in ? block.interface(rule.in) : 0;
  const output = rule.out ? block.interface(rule.out) : 0;
  const isPlain = records.length === 0 && !fragment && input === 0 && output === 0;
  block.set(
    at + RULE_FLAGS,
    (source?.inverted ? RULE_NOT_SRC : 0) |
      (destination?.inverted ? RULE_NOT_DST : 0) |
      (rule.in?.inverted ? RULE_NOT_IN : 0) |
      (rule.out?.inverted ? RULE_NOT_OUT : 0) |
      (protocol?.inverted ? RULE_NOT_PROTO : 0) |
      (fragment ? (fragment.inverted ? RULE_NOT_FRAGMENT : RULE_FRAGMENT) : 0) |
      (rule.target?.kind === "goto" ? RULE_GOTO : 0) |
      (isPlain ? RULE_PLAIN : 0),
  );
  block.set(at + RULE_SRC, source?.value ?? 0);
  block.set(at + RULE_SRC_MASK, source?.mask ?? 0);
  block.set(at + RULE_DST, destination?.value ?? 0);
  block.set(at + RULE_DST_MASK, destination?.mask ?? 0);
  block.set(at + RULE_PROTO, protocol?.number ?? 0);
  block.set(at + RULE_IN, input);
  block.set(at + RULE_OUT, output);
  block.set(at + RULE_MATCHES, block.matches(records));
  block.set(at + RULE_MATCH_COUNT, records.length);
  const [target, argument] = compileTarget(block, rule, starts);
  block.set(at + RULE_TARGET, target);
  block.set(at + RULE_TARGET_ARG, argument);
  block.set(at + RULE_INDEX, index);
  block.set(at + RULE_TABLE, table);
}

function compilePolicy(block: Block, index: number, table: number, chain: Chain): void {
  const at = block.ruleOffset(index);
  const policies = { ACCEPT: TARGET_ACCEPT, DROP: TARGET_DROP };
  block.set(at + RULE_FLAGS, RULE_PLAIN);
  block.set(at + RULE_TARGET, chain.policy === undefined ? TARGET_RETURN : policies[chain.policy]);
  block.set(at + RULE_INDEX, index);
  block.set(at + RULE_TABLE, table);
}

function compileMatch(match: Match, block: Block): MatchRecord[] {
  const extension = findMatch(match.kind);
  if (!extension) throw new TypeError(`no match ${match.kind}`);
  return extension.compile(match, block);
}

/** RULE_TARGET and RULE_TARGET_ARG. */
function compileTarget(
  block: Block,
  { target }: Rule,
  starts: ReadonlyMap<string, number>,
): readonly [target: number, argument: number] {
  if (!target) return [TARGET_CONTINUE, 0];
  if (target.kind === "jump" || target.kind === "goto") {
    const start = starts.get(target.chain);
    if (start === undefined) throw new TypeError(`no chain ${target.chain}`);
    return [TARGET_JUMP, block.ruleOffset(start)];
  }
  const extension = findTarget(target.kind);
  if (!extension) throw new TypeError(`no target ${target.kind}`);
  const { kind, args } = extension.compile(target, block);
  return [kind, args ? block.target(args) : 0];
}

/** The most jumps that a packet in this table can have to return from at once. */
function jumpDepth(table: Table): number {
  const result = jumpOrder(table);
  if ("loop" in result) throw new TypeError(`chain ${result.loop.chain.name} loops`);
  const depths = new Map<string, number>();
  let most = 0;
  for (const chain of result.order) {
    const depth = depths.get(chain.name) ?? 0;
    most = Math.max(most, depth);
    for (const rule of chain.rules) {
      const next = jumpedTo(rule);
      if (next === undefined) continue;
      const below = depth + (rule.target?.kind === "jump" ? 1 : 0);
      depths.set(next, Math.max(depths.get(next) ?? 0, below));
    }
  }
  return most;
}
