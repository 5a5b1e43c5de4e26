// The rules of a case's namespaces: iptables-restore, counters, and what a recording says that `statistic` chose.
import { NS_RULE_STATES } from "../../assembly/layout/records.ts";
import {
  BLOCK_HEADER,
  MATCH_KIND,
  MATCH_KIND_NTH,
  MATCH_NTH_EVERY,
  MATCH_NTH_STATE,
  MATCH_SIZE,
  RULE_MATCH_COUNT,
  RULE_MATCHES,
  RULE_SIZE,
  STATE_SIZE,
} from "../../assembly/layout/rules.ts";
import { placeRules } from "../engine/rules.ts";
import { InputError } from "../errors.ts";
import type { Counters, Rule, RuleSet } from "../iptables/model.ts";
import type { NameTable } from "../iptables/names.ts";
import { printRule } from "../iptables/print.ts";
import { referenced, type RuleReference } from "../iptables/records.ts";
import { restore } from "../iptables/restore.ts";
import { missingSet } from "../iptables/sets.ts";
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

/** Whose rules they are. */
export interface RulesOwner {
  ns: Handle;
  backend: "legacy" | "nft";
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
  /** The state of the rule that follows a recording, by `table chain index`. */
  readonly #states = new Map<string, number>();

  constructor(kernel: Kernel, owner: RulesOwner, names: NameTable) {
    this.#kernel = kernel;
    this.#owner = owner;
    this.#names = names;
  }

  /** `iptables-restore`, which sets counters of what the text names to zero. Throws an InputError. */
  restore(text: string, file: string, flush: boolean): void {
    this.#readCounters();
    const plain = text.replace(/^(:\S+ \S+) \[\d+:\d+\]/gm, "$1").replace(/^\[\d+:\d+\] /gm, "");
    this.#set = restore(this.#set, plain, { noflush: !flush, file });
    const missing = missingSet(this.#set, this.#owner.sets);
    if (missing !== undefined)
      throw new InputError({ file }, `there is no ipset ${missing}; the namespace's .ipset file should create it`);
    if (this.#owner.backend === "legacy") this.#forgetPolicies(text);
    const walked = this.#owner.replayed ? withoutChance(this.#set) : this.#set;
    const { block, words, rules } = placeRules(this.#kernel, walked, this.#names, file, this.#set);
    this.#references = rules;
    this.#kernel.calls.loadRules(this.#owner.ns, block);
    this.#writeCounters();
    this.#findStates(words);
  }

  /** Makes the rules match as often in the step to come as a recording says. */
  follow(choices: readonly Choice[], file: string): void {
    const memory = this.#kernel.word(this.#owner.ns + NS_RULE_STATES);
    for (const state of this.#states.values()) this.#kernel.setWord(memory + state * STATE_SIZE, 0);
    for (const choice of choices) {
      if (choice.kind !== "statistic") continue;
      const state = this.#states.get(`${choice.table} ${choice.chain} ${choice.index}`);
      if (state === undefined) continue;
      if (choice.hits > 1)
        throw new InputError({ file }, "a random choice that falls twice in a step is not emulated yet");
      this.#kernel.setWord(memory + state * STATE_SIZE, ARMED);
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

  /** The legacy tool writes a whole table anew and keeps the counters of rules, but not those of policies. */
  #forgetPolicies(text: string): void {
    for (const { name, chains } of this.#set.tables) {
      if (!text.split("\n").includes(`*${name}`)) continue;
      for (const chain of chains) chain.counters = { packets: 0, bytes: 0 };
    }
  }

  /** A rule as its tools print it: nft keeps "not 0 to 80" as what is left of it, "81 to 65535". */
  #text(chain: string, rule: Rule): string {
    const text = printRule(chain, rule);
    if (this.#owner.backend === "legacy") return text;
    return text.replace(
      /! --([sd]port) 0:(\d+)/g,
      (_, name: string, last: string) => `--${name} ${Number(last) + 1}:65535`,
    );
  }

  #counted(): (Counters | undefined)[] {
    return this.#references.map((reference) => {
      const { chain, rule } = referenced(this.#set, reference);
      return (reference.index === "policy" ? chain : rule)?.counters;
    });
  }

  #readCounters(): void {
    const values = this.#kernel.ruleCounters(this.#owner.ns);
    this.#counted().forEach((counters, i) => {
      if (counters) Object.assign(counters, { packets: Number(values[2 * i]), bytes: Number(values[2 * i + 1]) });
    });
  }

  #writeCounters(): void {
    this.#counted().forEach((counters, i) => {
      if (counters) this.#kernel.setRuleCounter(this.#owner.ns, i, counters.packets, counters.bytes);
    });
  }

  #findStates(words: Uint32Array): void {
    this.#states.clear();
    const word = (offset: number): number => words[offset / 4] ?? 0;
    this.#references.forEach(({ table, chain, index }, i) => {
      const rule = BLOCK_HEADER + i * RULE_SIZE;
      for (let n = 0; n < word(rule + RULE_MATCH_COUNT); n++) {
        const match = word(rule + RULE_MATCHES) + n * MATCH_SIZE;
        if (word(match + MATCH_KIND) === MATCH_KIND_NTH && word(match + MATCH_NTH_EVERY) === ARMED)
          this.#states.set(`${table} ${chain} ${index}`, word(match + MATCH_NTH_STATE));
      }
    });
  }
}

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
