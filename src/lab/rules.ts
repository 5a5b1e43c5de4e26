// The rules of a case's namespaces: iptables-restore, counters, and what a recording says that `statistic` chose.
import { NS_NFT, RULESET_STATES } from "../../assembly/layout/records.ts";
import {
  BLOCK_HEADER,
  MATCH_CONNLIMIT_STATE,
  MATCH_KIND,
  MATCH_KIND_CONNLIMIT,
  MATCH_KIND_LIMIT,
  MATCH_KIND_NTH,
  MATCH_KIND_QUOTA,
  MATCH_LIMIT_STATE,
  MATCH_NTH_EVERY,
  MATCH_NTH_STATE,
  MATCH_QUOTA_STATE,
  MATCH_SIZE,
  RULE_MATCH_COUNT,
  RULE_MATCHES,
  RULE_SIZE,
  STATE_SIZE,
} from "../../assembly/layout/rules.ts";
import { placeRules } from "../engine/rules.ts";
import { InputError } from "../errors.ts";
import type { Family } from "../iptables/addresses.ts";
import type { Counters, Rule, RuleSet, Table } from "../iptables/model.ts";
import type { NameTable } from "../iptables/names.ts";
import { printRule, printRules } from "../iptables/print.ts";
import { chainsByName, referenced, type RuleReference } from "../iptables/records.ts";
import { restore } from "../iptables/restore.ts";
import { setsNamed } from "../iptables/sets.ts";
import { countedBy, RULES_AT } from "../kernel/counters.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { Choice } from "./recording.ts";

/** counters.json of a namespace: table > chain > policy, its counters, the rules with theirs. */
export type CounterTables = Record<
  string,
  Record<
    string,
    { policy: string; pkts: number; bytes: number; rules: { rule: string; pkts: number; bytes: number }[] }
  >
>;

/** A count that no packet reaches: a rule with it matches only when its state has been set to it. */
const NEVER = 0xffffffff;
const ARMED = NEVER - 1;

/** Where the record of a match says which state is its own. */
const STATE_WORDS: ReadonlyMap<number, number> = new Map([
  [MATCH_KIND_NTH, MATCH_NTH_STATE],
  [MATCH_KIND_LIMIT, MATCH_LIMIT_STATE],
  [MATCH_KIND_QUOTA, MATCH_QUOTA_STATE],
  [MATCH_KIND_CONNLIMIT, MATCH_CONNLIMIT_STATE],
]);

/** Whose rules they are. */
export interface RulesOwner {
  ns: Handle;
  backend: "legacy" | "nft";
  /** Of iptables or of ip6tables. */
  family: Family;
  /** The ipsets that there are. */
  sets: ReadonlySet<string>;
  /** Whether `statistic --mode random` follows a recording. */
  replayed: boolean;
}

/** The rules of one namespace. */
export class NamespaceRules {
  readonly #kernel: Kernel;
  readonly #owner: RulesOwner;
  readonly #names: NameTable;
  #set: RuleSet = { tables: [] };
  #references: RuleReference[] = [];
  /** The compiled block. */
  #words: Uint32Array = new Uint32Array();
  /** Where the state lies of a rule that follows a recording, by `table chain index`. */
  readonly #states = new Map<string, number>();

  constructor(kernel: Kernel, owner: RulesOwner, names: NameTable) {
    this.#kernel = kernel;
    this.#owner = owner;
    this.#names = names;
  }

  /** `iptables-restore`, which sets counters of what the text names to zero. Throws an InputError. */
  restore(text: string, file: string, flush: boolean): void {
    this.#readCounters();
    const states = this.#readStates();
    const plain = text.replace(/^(:\S+ \S+) \[\d+:\d+\]/gm, "$1").replace(/^\[\d+:\d+\] /gm, "");
    this.#set = restore(this.#set, plain, { noflush: !flush, file, family: this.#owner.family });
    const missing = setsNamed(this.#set).find((name) => !this.#owner.sets.has(name));
    if (missing !== undefined)
      throw new InputError({ file }, `there is no ipset ${missing}; the namespace's .ipset file should create it`);
    if (this.#owner.backend === "legacy") {
      const rewritten = this.#rewritten(text);
      for (const chain of rewritten.flatMap(({ chains }) => chains)) {
        chain.counters = { packets: 0, bytes: 0 };
        for (const rule of chain.rules) states.delete(rule);
      }
    }
    const walked = this.#owner.replayed ? withoutChance(this.#set) : this.#set;
    const { block, words, rules } = placeRules(this.#kernel, walked, this.#names, file, this.#set);
    this.#references = rules;
    this.#words = words;
    this.#kernel.setWord(this.#owner.ns + NS_NFT, this.#owner.backend === "nft" ? 1 : 0);
    this.#kernel.enforceRules(this.#owner.ns, block, this.#owner.family);
    this.#writeCounters();
    this.#writeStates(states);
    this.#findChoices();
  }

  /** Makes the rules match as often in the step to come as a recording says. */
  follow(choices: readonly Choice[], file: string): void {
    for (const state of this.#states.values()) this.#kernel.setWord(state, 0);
    for (const choice of choices) {
      if (choice.kind !== "statistic") continue;
      const state = this.#states.get(`${choice.table} ${choice.chain} ${choice.index}`);
      if (state === undefined) continue;
      if (choice.hits > 1)
        throw new InputError({ file }, "a random choice that falls twice in a step is not emulated yet");
      this.#kernel.setWord(state, ARMED);
    }
  }

  /** iptables-save -c as data. */
  counters(): CounterTables {
    this.#readCounters();
    const tables = this.#set.tables.map(({ name, chains }) => {
      const entries = chains.map((chain) => {
        const own = chain.policy === undefined ? { packets: 0, bytes: 0 } : chain.counters;
        const rules = chain.rules.map((rule) => ({ rule: this.#text(chain.name, rule), ...shortly(rule.counters) }));
        return [chain.name, { policy: chain.policy ?? "-", ...shortly(own), rules }] as const;
      });
      return [name, Object.fromEntries(entries)] as const;
    });
    return Object.fromEntries(tables);
  }

  /** The rules with their counters as `iptables-save -c` prints them. */
  print(): string {
    this.#readCounters();
    return printRules(this.#set, { counters: true });
  }

  /** The rule with a RULE_INDEX: `filter FORWARD 3 (-A FORWARD ...)`, or the policy of a chain. */
  describe(index: number): string {
    const reference = this.#references[index];
    if (!reference) return "";
    const { table, chain, index: position } = reference;
    const { rule } = referenced(chainsByName(this.#set), reference);
    if (!rule || position === "policy") return `the policy of ${table} ${chain}`;
    return `${table} ${chain} ${position + 1} (${this.#text(chain, rule)})`;
  }

  /**
   * The tables that a text names. The legacy tool writes them anew as a whole: rules keep their counters, but policies do not,
   * and what matches such as `statistic` have counted begins again.
   */
  #rewritten(text: string): Table[] {
    const lines = new Set(text.split("\n"));
    return this.#set.tables.filter(({ name }) => lines.has(`*${name}`));
  }

  /**
   * A rule as its tools print it: nft keeps "not 0 to 80" as what is left of it, "81 to 65535", unless an option of TCP, for
   * which it has no words, is asked for, too.
   */
  #text(chain: string, rule: Rule): string {
    const text = printRule(chain, rule);
    if (this.#owner.backend === "legacy" || text.includes(" --tcp-option ")) return text;
    return text.replace(
      /! --([sd]port) 0:(\d+)/g,
      (_, name: string, last: string) => `--${name} ${Number(last) + 1}:65535`,
    );
  }

  #counted(): (Counters | undefined)[] {
    const chains = chainsByName(this.#set);
    return this.#references.map((reference) => {
      const { chain, rule } = referenced(chains, reference);
      return (reference.index === "policy" ? chain : rule)?.counters;
    });
  }

  #readCounters(): void {
    const values = this.#kernel.ruleCounters(this.#owner.ns, this.#owner.family);
    this.#counted().forEach((counters, i) => {
      if (counters) Object.assign(counters, countedBy(values, i));
    });
  }

  #writeCounters(): void {
    this.#counted().forEach((counters, i) => {
      if (counters)
        this.#kernel.setRuleCounter(this.#owner.ns, i, counters.packets, counters.bytes, this.#owner.family);
    });
  }

  /** The states of the matches of rule number `index`: where each lies in the kernel, and its match in the block. */
  #statesOf(index: number): { at: Handle; match: number }[] {
    const memory = this.#kernel.word(this.#owner.ns + RULES_AT[this.#owner.family] + RULESET_STATES);
    const rule = BLOCK_HEADER + index * RULE_SIZE;
    const matches = Array.from(
      { length: this.#word(rule + RULE_MATCH_COUNT) },
      (_, n) => this.#word(rule + RULE_MATCHES) + n * MATCH_SIZE,
    );
    return matches.flatMap((match) => {
      const word = STATE_WORDS.get(this.#word(match + MATCH_KIND));
      return word === undefined ? [] : [{ at: memory + this.#word(match + word) * STATE_SIZE, match }];
    });
  }

  /** What the matches of each rule have counted. */
  #readStates(): Map<Rule, number[]> {
    const states = new Map<Rule, number[]>();
    const chains = chainsByName(this.#set);
    this.#references.forEach((reference, i) => {
      const { rule } = referenced(chains, reference);
      const values = this.#statesOf(i).flatMap(({ at }) =>
        STATE_OFFSETS.map((offset) => this.#kernel.word(at + offset)),
      );
      if (rule && values.length > 0) states.set(rule, values);
    });
    return states;
  }

  #writeStates(states: ReadonlyMap<Rule, number[]>): void {
    const chains = chainsByName(this.#set);
    this.#references.forEach((reference, i) => {
      const { rule } = referenced(chains, reference);
      const values = (rule && states.get(rule)) ?? [];
      const addresses = this.#statesOf(i).flatMap(({ at }) => STATE_OFFSETS.map((offset) => at + offset));
      values.forEach((value, n) => {
        this.#kernel.setWord(addresses[n] ?? 0, value);
      });
    });
  }

  #findChoices(): void {
    this.#states.clear();
    this.#references.forEach(({ table, chain, index }, i) => {
      for (const { at, match } of this.#statesOf(i)) {
        const follows =
          this.#word(match + MATCH_KIND) === MATCH_KIND_NTH && this.#word(match + MATCH_NTH_EVERY) === ARMED;
        if (follows) this.#states.set(`${table} ${chain} ${index}`, at);
      }
    });
  }

  #word(offset: number): number {
    return this.#words[offset / 4] ?? 0;
  }
}

const STATE_OFFSETS = Array.from({ length: STATE_SIZE / 4 }, (_, i) => i * 4);

function shortly({ packets, bytes }: Counters): { pkts: number; bytes: number } {
  return { pkts: packets, bytes };
}

/** The same rules, with a count in the place of every random choice. */
function withoutChance(set: RuleSet): RuleSet {
  const fixed = (rule: Rule): Rule => ({
    ...rule,
    matches: rule.matches.map((match) =>
      match.kind === "statistic" && match.mode === "random"
        ? { kind: "statistic", mode: "nth", every: NEVER, packet: NEVER - 1, inverted: false }
        : match,
    ),
  });
  const tables = set.tables.map((table) => ({
    ...table,
    chains: table.chains.map((chain) => ({ ...chain, rules: chain.rules.map(fixed) })),
  }));
  return { tables };
}
