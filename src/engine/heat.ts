// The rules of all namespaces by heat: their counters added up, rule by rule. Only those that packets matched are put into words.
import { survey } from "../iptables/survey.ts";
import { TABLE_NAMES } from "../iptables/model.ts";
import { chainsOf } from "../iptables/rules-text.ts";
import { printRule } from "../iptables/print.ts";
import type { RuleHeat, RuleHits } from "../seam/plan.ts";
import { textOf } from "./rule-words.ts";
import type { CountedRule, LoadedRules } from "./rules.ts";

/** Adds up what each namespace's rules have counted. Namespaces with one set share its rules, and so do sets with rules alike. */
export function heatOf(namespaces: Iterable<{ loaded: LoadedRules; counted: readonly CountedRule[] }>): RuleHeat {
  const hits = new Map<string, RuleHits>();
  const chains = new Map<string, Set<string>>();
  const seen = new Set<LoadedRules>();
  const commons = { ipv4: new Set<string>(), ipv6: new Set<string>() };
  for (const { loaded, counted } of namespaces) {
    if (!seen.has(loaded)) addRules(loaded, chains, commons[loaded.family]);
    seen.add(loaded);
    for (const { index, packets, bytes } of counted) {
      const reference = packets === 0 ? undefined : loaded.reference(index);
      const rule = reference && textOf(loaded, index);
      if (rule === undefined || !reference) continue;
      const { table, chain } = reference;
      const text = rule.replace(`-A ${chain} `, "");
      const key = `${loaded.family} ${table} ${chain} ${text}`;
      const family = loaded.family === "ipv6" ? { family: loaded.family } : {};
      const known = hits.get(key) ?? { ...family, table, chain, text, packets: 0, bytes: 0, namespaces: 0 };
      hits.set(key, known);
      known.packets += packets;
      known.bytes += bytes;
      known.namespaces++;
    }
  }
  const all = [...chains.values()].reduce((sum, rules) => sum + rules.size, 0);
  return { hit: [...hits.values()].sort((a, b) => b.packets - a.packets), idle: Math.max(0, all - hits.size) };
}

/** Adds the rules of a set, as they are written, to those of each chain; `commons` has the common parts of its family that were added before. */
function addRules(loaded: LoadedRules, chains: Map<string, Set<string>>, commons: Set<string>): void {
  const { family, text, model, nft } = loaded;
  const rulesOf = (table: string | undefined, chain: string): Set<string> => {
    const key = `${family} ${table} ${chain}`;
    const rules = chains.get(key) ?? new Set();
    chains.set(key, rules);
    return rules;
  };
  for (const rule of nft?.rules() ?? []) rulesOf(rule.table, rule.chain).add(rule.text);
  if (typeof text !== "string") {
    const parts = commons.has(text.common) ? [text.own] : [text.common, text.own];
    commons.add(text.common);
    for (const [key, { rules }] of parts.flatMap((part) => [...chainsOf(part)])) {
      const [table, chain = ""] = key.split(" ");
      for (const rule of rules) rulesOf(table, chain).add(rule);
    }
    return;
  }
  const known = loaded.survey ?? survey(text);
  if (!known) {
    for (const { name: table, chains } of model().tables)
      for (const { name, rules } of chains)
        for (const rule of rules) rulesOf(table, name).add(printRule("", rule).slice("-A ".length));
    return;
  }
  const { starts, ends } = known;
  for (const { table, name, first, rules } of known.chains) {
    const own = rulesOf(TABLE_NAMES[table], name);
    for (let index = first; index < first + rules; index++) own.add(text.slice(starts[index], ends[index]));
  }
}
