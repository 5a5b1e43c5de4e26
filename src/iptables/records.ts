// Compiles a rule set to the block that the kernel walks; see assembly/layout/rules.ts.
import {
  BLOCK_ENTRIES,
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
import type { Family } from "./addresses.ts";
import { Block } from "./block.ts";
import { jumpedTo } from "./graph.ts";
import { findMatch, type Match } from "./matches/table.ts";
import type { MatchRecord } from "./extension.ts";
import {
  HOOK_NAMES,
  TABLE_NAMES,
  type AddressTest,
  type Chain,
  type Rule,
  type RuleSet,
  type Table,
  type Target,
} from "./model.ts";
import type { NameTable } from "./names.ts";
import { addressRecords, needsRecord, networkWords } from "./prefix.ts";
import { findTarget } from "./targets/table.ts";

/** Where the rule with a given RULE_INDEX, and so its counter pair, stands in the rule set. */
export interface RuleReference {
  /** One of iptables, or `ip kube-proxy` of nftables. */
  table: string;
  chain: string;
  /** From 0; the end of a user chain, an implicit RETURN, is its policy too. */
  index: number | "policy";
}

/** The rule with a number of a chain whose numbers begin at `first`, and which has `rules` rules. */
export function referenceTo(
  chain: { table: number; name: string },
  { first, rules }: { first: number; rules: number },
  index: number,
): RuleReference {
  const place = index - first;
  return { table: TABLE_NAMES[chain.table] ?? "filter", chain: chain.name, index: place === rules ? "policy" : place };
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
export function compileRules(ruleSet: RuleSet, names: NameTable, family: Family = "ipv4"): CompiledRules {
  const rules = referencesIn(ruleSet);
  const block = new Block(rules.length, names, family);
  compileTables(block, ruleSet);
  return { words: block.finish(), rules };
}

/** All rules and policies, in the order of their numbers. */
export function referencesIn(ruleSet: RuleSet): RuleReference[] {
  return inOrder(ruleSet).flatMap((table) => table.chains.flatMap((chain) => referencesOf(table, chain)));
}

/** Writes all tables to a block, from its first rule on. */
export function compileTables(block: Block, ruleSet: RuleSet): void {
  let first = 0;
  for (const table of inOrder(ruleSet)) first = compileTable(block, table, first);
}

function inOrder(ruleSet: RuleSet): Table[] {
  return TABLE_NAMES.flatMap((name) => ruleSet.tables.find((table) => table.name === name) ?? []);
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
    compileChain(block, index, tableNumber, chain, chain.rules.length);
    for (const rule of chain.rules) {
      const start = starts.get(jumpedTo(rule) ?? "");
      const offset = start === undefined ? undefined : block.ruleOffset(start);
      compileRule(block, block.ruleOffset(index), index, tableNumber, rule, offset);
      index++;
    }
    index++;
  }
  return index;
}

/** Writes what a chain needs besides its rules, the first of which has the number `index`: its policy, and where a hook begins. */
export function compileChain(
  block: Block,
  index: number,
  table: number,
  chain: { name: string; policy?: Chain["policy"] | undefined },
  rules: number,
): void {
  const hook = HOOK_NAMES.findIndex((name) => name === chain.name);
  if (hook >= 0) {
    const slot = (table * HOOK_COUNT + hook) * 4;
    block.set(BLOCK_ENTRIES + slot, block.ruleOffset(index));
    block.set(BLOCK_UNDERFLOWS + slot, block.ruleOffset(index + rules));
  }
  block.setTable(table);
  compilePolicy(block, block.ruleOffset(index + rules), index + rules, table, chain.policy);
}

/** Writes the end of a chain to the offset `at`. */
export function compilePolicy(
  block: Block,
  at: number,
  index: number,
  table: number,
  policy: Chain["policy"] | undefined,
): void {
  const policies = { ACCEPT: TARGET_ACCEPT, DROP: TARGET_DROP };
  block.set(at + RULE_FLAGS, RULE_PLAIN);
  block.set(at + RULE_TARGET, policy === undefined ? TARGET_RETURN : policies[policy]);
  block.set(at + RULE_INDEX, index);
  block.set(at + RULE_TABLE, table);
}

/** Writes a rule with number `index` to the offset `at`. `start` is the offset of the chain that it leads to. */
export function compileRule(
  block: Block,
  at: number,
  index: number,
  table: number,
  rule: Rule,
  start: number | undefined,
): void {
  const records = [...addressRecords(rule, block), ...rule.matches.flatMap((match) => compileMatch(match, block))];
  const goes = rule.target?.kind === "goto";
  writeRule(block, at, index, table, rule, records, () => ({ ...compileTarget(rule.target, block, start), goes }));
}

/** Writes a rule whose matches are compiled; `act` compiles what it does, `goes`: without a way back. */
export function writeRule(
  block: Block,
  at: number,
  index: number,
  table: number,
  rule: Pick<Rule, "source" | "destination" | "protocol" | "fragment" | "in" | "out">,
  records: readonly MatchRecord[],
  act: () => { target: number; argument: number; goes: boolean },
): void {
  const { source, destination, protocol, fragment } = rule;
  const input = rule.in ? block.interface(rule.in) : 0;
  const output = rule.out ? block.interface(rule.out) : 0;
  const matches = block.matches(records);
  const { target, argument, goes } = act();
  const isPlain = records.length === 0 && !fragment && input === 0 && output === 0;
  block.set(
    at + RULE_FLAGS,
    (isInverted(source) ? RULE_NOT_SRC : 0) |
      (isInverted(destination) ? RULE_NOT_DST : 0) |
      (rule.in?.inverted ? RULE_NOT_IN : 0) |
      (rule.out?.inverted ? RULE_NOT_OUT : 0) |
      (protocol?.inverted ? RULE_NOT_PROTO : 0) |
      (fragment ? (fragment.inverted ? RULE_NOT_FRAGMENT : RULE_FRAGMENT) : 0) |
      (goes ? RULE_GOTO : 0) |
      (isPlain ? RULE_PLAIN : 0),
  );
  writeAddress(block, at + RULE_SRC, at + RULE_SRC_MASK, source);
  writeAddress(block, at + RULE_DST, at + RULE_DST_MASK, destination);
  block.set(at + RULE_PROTO, protocol?.number ?? 0);
  block.set(at + RULE_IN, input);
  block.set(at + RULE_OUT, output);
  block.set(at + RULE_MATCHES, matches);
  block.set(at + RULE_MATCH_COUNT, records.length);
  block.set(at + RULE_TARGET, target);
  block.set(at + RULE_TARGET_ARG, argument);
  block.set(at + RULE_INDEX, index);
  block.set(at + RULE_TABLE, table);
}

/** Whether a test of the rule itself, not of a record, is inverted. */
function isInverted(test: AddressTest | undefined): boolean {
  return test !== undefined && test.inverted && !needsRecord(test);
}

function writeAddress(block: Block, at: number, maskAt: number, test: AddressTest | undefined): void {
  const [value, mask] = test && !needsRecord(test) ? networkWords(test, block).words : [0, 0];
  block.set(at, value);
  block.set(maskAt, mask);
}

export function compileMatch(match: Match, block: Block): MatchRecord[] {
  const extension = findMatch(match.kind);
  if (!extension) throw new TypeError(`no match ${match.kind}`);
  return extension.compile(match, block);
}

/** RULE_TARGET and RULE_TARGET_ARG. */
export function compileTarget(
  target: Target | undefined,
  block: Block,
  start?: number,
): { target: number; argument: number } {
  if (!target) return { target: TARGET_CONTINUE, argument: 0 };
  if (target.kind === "jump" || target.kind === "goto") {
    if (start === undefined) throw new TypeError(`no chain ${target.chain}`);
    return { target: TARGET_JUMP, argument: start };
  }
  const extension = findTarget(target.kind);
  if (!extension) throw new TypeError(`no target ${target.kind}`);
  const { kind, args } = extension.compile(target, block);
  return { target: kind, argument: args ? block.target(args) : 0 };
}
