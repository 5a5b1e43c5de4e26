// iptables-save text to a block, with a way back from the number of a rule to the rule. Models are made when somebody asks.
import type { Family } from "./addresses.ts";
import type { IpSet } from "./ipset.ts";
import { type Rule, type RuleSet } from "./model.ts";
import type { NameTable } from "./names.ts";
import { parseRules } from "./parse.ts";
import { compileQuickly, type QuickRules } from "./quick.ts";
import { chainsByName, compileRules, referenced, referenceTo, type RuleReference } from "./records.ts";
import { readWhole } from "./rule.ts";
import { setsNamed } from "./sets.ts";
import type { SurveyedChain } from "./survey.ts";

/** A compiled text. Numbers of rules are those of the block (RULE_INDEX). */
export interface CompiledText {
  /** The block; little-endian words. */
  words: Uint32Array;
  /** Of rules and policies. */
  count: number;
  /** The ipsets that it names, each once. */
  sets: readonly string[];
  /** Where a rule stands; undefined if there is none of that number. */
  reference(index: number): RuleReference | undefined;
  /** What ends the chain that a rule is in, and after how many rules. */
  end(index: number): ChainEnd;
  /** A rule; undefined for policies. */
  rule(index: number): Rule | undefined;
  /** What a change goes on from; undefined for a text that was read by way of its model. */
  quick?: QuickRules;
  /** Of a text with a table of nftables. */
  nft?: NftWords;
  /** The whole set as parseRules reads it, anew each time: the caller's own, and nothing of it is kept. */
  model(): RuleSet;
}

/** The rules of a table of nftables in nft's words. Numbers are RULE_INDEX. */
export interface NftWords {
  /** The whole table. */
  text: string;
  /** undefined for rules of iptables and for policies. */
  rule(index: number): { text: string; comment?: string } | undefined;
  /** The condition of a rule that a match record stands for. */
  condition(index: number, match: number): string;
  /** Every rule, with its number. */
  rules(): Iterable<{ index: number; table: string; chain: string; text: string }>;
  /** The sets that rules add to, as ipsets of the namespace. */
  sets: readonly IpSet[];
}

export interface ChainEnd {
  policy: "ACCEPT" | "DROP" | "RETURN";
  rules: number;
}

/** Compiles iptables-save text. `file` is for error messages. Throws an InputError with file, line and option. */
export function compileText(text: string, names: NameTable, file: string, family: Family = "ipv4"): CompiledText {
  const quick = compileQuickly(text, names, family);
  const model = (): RuleSet => parseRules(text, file, family);
  return quick ? fromText(text, quick, model) : fromModel(model, names, family);
}

function fromText(text: string, quick: QuickRules, model: () => RuleSet): CompiledText {
  const { chains, count, starts, ends } = quick.survey;
  return {
    words: quick.words,
    count,
    sets: quick.block.sets,
    quick,
    reference(index) {
      const chain = index < count ? chainAt(chains, index) : undefined;
      return chain && referenceTo(chain, chain, index);
    },
    end(index) {
      const chain = chainAt(chains, index);
      return { policy: chain?.policy ?? "RETURN", rules: chain?.rules ?? 0 };
    },
    rule: (index) =>
      (ends[index] ?? 0) === 0 ? undefined : readWhole(text.slice(starts[index], ends[index]), quick.block.family),
    model,
  };
}

/** The chain that a rule is in: the last that begins at it or before. */
function chainAt(chains: readonly SurveyedChain[], index: number): SurveyedChain | undefined {
  let low = 0;
  let high = chains.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((chains[middle]?.first ?? 0) <= index) low = middle;
    else high = middle;
  }
  return chains[low];
}

function fromModel(model: () => RuleSet, names: NameTable, family: Family): CompiledText {
  const set = model();
  const { words, rules } = compileRules(set, names, family);
  const chains = chainsByName(set);
  const reference = (index: number): RuleReference | undefined => rules[index];
  return {
    words,
    count: rules.length,
    sets: setsNamed(set),
    reference,
    end(index) {
      const found = reference(index);
      const chain = found && referenced(chains, found).chain;
      return { policy: chain?.policy ?? "RETURN", rules: chain?.rules.length ?? 0 };
    },
    rule(index) {
      const found = reference(index);
      return found && referenced(chains, found).rule;
    },
    model,
  };
}
