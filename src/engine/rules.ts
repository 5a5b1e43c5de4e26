// The rule sets of a plan: each distinct text is compiled once and lies once in memory, whatever the number of its namespaces, and so
// does what distinct texts have in common.
import { BLOCK_HEADER, RULE_OF_IPV6 } from "../../assembly/layout/rules.ts";
import { InputError } from "../errors.ts";
import type { Family } from "../iptables/addresses.ts";
import { parseSets } from "../iptables/ipset.ts";
import { compileText, type ChainEnd, type CompiledText, type NftWords } from "../iptables/compile.ts";
import { parseRules } from "../iptables/parse.ts";
import { wholeText, type RulesText, type SharedRules } from "../iptables/rules-text.ts";
import { SavedRules } from "../iptables/saved.ts";
import { setsInText } from "../iptables/sets.ts";
import { survey, type Survey } from "../iptables/survey.ts";
import { printRule, printRules } from "../iptables/print.ts";
import { chainsByName, compileRules, referenced, type ChainsByName, type RuleReference } from "../iptables/records.ts";
import { NameTable } from "../iptables/names.ts";
import { compileWithTable } from "../nftables/compile.ts";
import type { Counters, Rule, RuleSet } from "../iptables/model.ts";
import { countedBy, countedIn, type RuleCounters } from "../kernel/counters.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { CommentNames } from "../pcap/comments.ts";
import type { NamespaceConfig } from "../seam/machine.ts";
import type { ChangedName } from "../seam/change.ts";
import type { Denial, Plan, RuleHeat } from "../seam/plan.ts";
import type { PlacedChange } from "./changes.ts";
import type { NamespaceResult, PlacedNamespace } from "./job.ts";
import { heatOf } from "./heat.ts";
import { changeRules, type ChangedRules } from "./rule-change.ts";
import { ChangeableRules, keyOf } from "./rule-family.ts";
import { textOf } from "./rule-words.ts";
import { numberSets, type NumberedSet } from "./sets.ts";

export interface LoadedRules extends Omit<CompiledText, "words" | "quick"> {
  family: Family;
  block: Handle;
  text: RulesText;
  /** Of the text, if the numbers of its rules are those of the block. */
  survey?: Survey;
  /** What a change goes on from; undefined for a text that was read by way of its model. */
  changeable(): ChangeableRules | undefined;
}

/** What a rule, or a policy, has counted. */
export interface CountedRule extends Counters {
  /** RULE_INDEX */
  index: number;
}

/** What the namespaces have for one family. */
interface OfFamily {
  byNamespace: Map<string, LoadedRules>;
  /** What a namespace has from which moment on, the latest last. */
  history: Map<string, { atNs: number; loaded: LoadedRules }[]>;
  /** Sets by their text. */
  byText: Map<string, LoadedRules>;
  /** By the common part and the own one. */
  shared: Map<string, Map<string, LoadedRules>>;
  saved: SavedRules;
}

/** What a rule set is loaded with besides its text. */
interface Source {
  family: Family;
  /** For error messages. */
  file: string;
  /** A table of nftables that was loaded after it. */
  nft?: string | undefined;
  /** Whether it is to be changed, which takes memory. */
  changes: boolean;
}

/** The set that a change of another leaves behind. */
interface Change {
  loaded: LoadedRules;
  /** Of a set that was made by changing the one before: whose counters begin anew, and whose go on under other numbers. */
  counters?: Omit<ChangedRules, "rules">;
}

export class RuleSets {
  readonly #families: Record<Family, OfFamily> = { ipv4: newFamily("ipv4"), ipv6: newFamily("ipv6") };
  /** All sets, in the order in which they were made. */
  readonly #all = new Set<LoadedRules>();
  readonly #sets = new Map<string, NumberedSet[]>();
  /** The rules that a change loads, by its place in the plan. */
  readonly #later = new Map<number, Change>();
  readonly #kernel: Kernel;
  readonly #names: NameTable;

  /** Compiles all rules of a plan. Throws an InputError for what the parser or the kernel does not know. */
  constructor(plan: Plan, kernel: Kernel) {
    this.#kernel = kernel;
    this.#names = new NameTable((address) => kernel.addressNumber6(address));
    const changing = (plan.changes ?? []).some(({ action }) => action.kind === "rules");
    for (const namespace of plan.machines.flatMap(({ namespaces }) => namespaces)) this.#add(namespace, changing);
    const made = new Map<LoadedRules, Map<string, Change>>();
    (plan.changes ?? []).forEach(({ atNs, namespace, action }, i) => {
      if (action.kind !== "rules") return;
      const { family = "ipv4" } = action;
      const { history } = this.#families[family];
      const before = history.get(namespace)?.at(-1)?.loaded;
      if (!before) throw new Error(`${namespace} has no rules of ${family} to change`);
      const done = made.get(before) ?? new Map<string, Change>();
      made.set(before, done);
      const key = `${action.restored}\n${action.nft ?? ""}`;
      const change = done.get(key) ?? this.#change(before, action, fileOf(family, namespace));
      done.set(key, change);
      this.#later.set(i, change);
      history.get(namespace)?.push({ atNs, loaded: change.loaded });
    });
    for (const { history } of Object.values(this.#families))
      for (const [name, entries] of history)
        this.#addNftSets(
          name,
          entries.map(({ loaded }) => loaded),
        );
  }

  /** Loads what a namespace has at the start. */
  #add({ name, rules, ipv6Rules, sets = "", nft, ipv6Nft, ipvs }: NamespaceConfig, changes: boolean): void {
    if (rules === undefined && ipv6Rules === undefined) return;
    const known = parseSets(sets + (ipvs?.sets ?? ""), `ipsets of ${name}`);
    this.#sets.set(name, numberSets(known, this.#names));
    for (const [family, text, table] of [
      ["ipv4", rules, nft],
      ["ipv6", ipv6Rules, ipv6Nft],
    ] as const) {
      if (text === undefined) continue;
      const file = fileOf(family, name);
      const loaded = this.#load(text, { family, file, changes, nft: table });
      this.#families[family].byNamespace.set(name, loaded);
      this.#families[family].history.set(name, [{ atNs: 0, loaded }]);
      const there = [...known, ...(loaded.nft?.sets ?? [])];
      const missing = loaded.sets.find((set) => there.every((one) => one.name !== set));
      if (missing !== undefined) throw new InputError({ file }, `there is no ipset ${missing} on this machine`);
    }
  }

  /** Sets that rules of nftables add to are there from the start, also those that a change brings. */
  #addNftSets(namespace: string, history: readonly LoadedRules[]): void {
    const sets = new Map(history.flatMap(({ nft }) => nft?.sets ?? []).map((set) => [set.name, set]));
    this.#sets.get(namespace)?.push(...numberSets([...sets.values()], this.#names));
  }

  #load(rules: RulesText, source: Source): LoadedRules {
    const { nft } = source;
    const loaded =
      nft !== undefined
        ? this.#loadWithTable(wholeText(rules), nft, source)
        : typeof rules === "string"
          ? this.#loadWhole(rules, source)
          : this.#loadShared(rules, source);
    this.#all.add(loaded);
    return loaded;
  }

  #loadWhole(text: string, source: Source): LoadedRules {
    const { byText } = this.#families[source.family];
    const loaded = byText.get(text) ?? load(text, source, this.#kernel, this.#names);
    byText.set(text, loaded);
    return loaded;
  }

  #loadWithTable(text: string, nft: string, { family, file }: Source): LoadedRules {
    const key = `${text}${nft}`;
    const { byText } = this.#families[family];
    const known = byText.get(key);
    if (known) return known;
    const { words, ...compiled } = compileWithTable(text, nft, this.#names, file, family);
    const loaded = place({ ...compiled, family, text, changeable: () => undefined }, words, this.#kernel, file);
    byText.set(key, loaded);
    return loaded;
  }

  #loadShared(rules: SharedRules, source: Source): LoadedRules {
    const { common, own } = rules;
    const { shared } = this.#families[source.family];
    const alike = shared.get(common) ?? new Map<string, LoadedRules>();
    shared.set(common, alike);
    const known = alike.get(own);
    if (known) return known;
    const before = this.#loadWhole(common, { ...source, changes: true });
    const from = before.changeable();
    const changed = from && changeRules(from, own);
    const loaded = changed
      ? loadedFrom(changed.rules, before, rules, source.file)
      : this.#loadWhole(wholeText(rules), source);
    alike.set(own, loaded);
    return loaded;
  }

  #change(
    before: LoadedRules,
    { restored, rules, nft }: { restored: string; rules: RulesText; nft?: string | undefined },
    file: string,
  ): Change {
    const from = before.changeable();
    const changed = from && changeRules(from, restored);
    const { family } = before;
    if (!changed) return { loaded: this.#load(rules, { family, file, nft, changes: true }) };
    const loaded = loadedFrom(changed.rules, before, rules, file);
    this.#all.add(loaded);
    return { loaded, counters: { anew: changed.anew, kept: changed.kept } };
  }

  /** The changes of a plan for the workers. `namesBlock`: places the block of names that have changed. */
  place(
    plan: Plan,
    namespaces: readonly string[],
    namesBlock: (names: readonly ChangedName[]) => Handle,
  ): PlacedChange[] {
    const sets = [...this.#all];
    const current = { ipv4: new Map(this.#families.ipv4.byNamespace), ipv6: new Map(this.#families.ipv6.byNamespace) };
    const chains = new Map<LoadedRules, ChainsByName>();
    const chainsOf = (loaded: LoadedRules): ChainsByName => {
      const known = chains.get(loaded) ?? chainsByName(loaded.model());
      chains.set(loaded, known);
      return known;
    };
    // Most syncs leave the sets as they are, or change those of all nodes alike.
    const ipvsSets = new Map<string, NumberedSet[]>();
    const setsOf = (text: string): NumberedSet[] => {
      const known = ipvsSets.get(text) ?? numberSets(parseSets(text, "ipsets of kube-proxy"), this.#names);
      ipvsSets.set(text, known);
      return known;
    };
    return (plan.changes ?? []).map(({ atNs, namespace, action }, index) => {
      const placed = { index, atNs, namespace, namespaceId: namespaces.indexOf(namespace) };
      const change = this.#later.get(index);
      if (action.kind === "names") return { ...placed, action: { kind: "names", block: namesBlock(action.names) } };
      if (action.kind === "ipvs") {
        const { added, removed } = action.change.sets;
        return { ...placed, action: { ...action, added: setsOf(added), removed: setsOf(removed) } };
      }
      if (action.kind !== "rules") return { ...placed, action };
      const { family = "ipv4" } = action;
      const before = current[family].get(namespace);
      if (!change || !before) throw new Error(`${namespace} has no rules to change`);
      const { loaded, counters } = change;
      current[family].set(namespace, loaded);
      const rules = { kind: "rules", family, block: loaded.block, ruleSet: sets.indexOf(loaded) } as const;
      if (counters) return { ...placed, action: { ...rules, changed: true, ...counters } };
      const kept = keptRules(before, loaded, action.restored, chainsOf);
      return { ...placed, action: { ...rules, changed: false, kept } };
    });
  }

  /** What a namespace has at a moment. */
  #at(namespace: string, atNs: number, family: Family = "ipv4"): LoadedRules | undefined {
    return this.#families[family].history.get(namespace)?.findLast((entry) => entry.atNs <= atNs)?.loaded;
  }

  /** Whether a namespace has rules of a family. */
  has(namespace: string, family: Family = "ipv4"): boolean {
    return this.#families[family].byNamespace.has(namespace);
  }

  /** A namespace's compiled rules and its sets. */
  of(namespace: string): Omit<PlacedNamespace, "id"> {
    const { ipv4, ipv6 } = this.#families;
    return {
      rules: ipv4.byNamespace.get(namespace)?.block ?? 0,
      rules6: ipv6.byNamespace.get(namespace)?.block ?? 0,
      sets: this.#sets.get(namespace) ?? [],
    };
  }

  /** The rule with a number (RULE_INDEX, with RULE_OF_IPV6 for rules of ip6tables) as a denial. */
  denial(namespace: string, number: number, atNs: number): Denial | null {
    const { family, index } = ruleOf(number);
    const loaded = this.#at(namespace, atNs, family);
    const reference = loaded?.reference(index);
    if (!loaded || !reference) return null;
    const { table, chain } = reference;
    return { namespace, table, chain, rule: textOf(loaded, index) ?? `-P ${chain} DROP` };
  }

  /**
   * The rule, and where it stands, that a number of a namespace means (RULE_INDEX, with RULE_OF_IPV6 for rules of ip6tables); no rule
   * for a policy. `index` is its number in the set alone. `nft`: it is one of nftables.
   */
  ruleAt(
    namespace: string,
    number: number,
  ):
    | { reference: RuleReference; index: number; end: ChainEnd; family: Family; rule?: Rule; nft?: NftWords }
    | undefined {
    const { family, index } = ruleOf(number);
    const loaded = this.#families[family].byNamespace.get(namespace);
    const reference = loaded?.reference(index);
    if (!loaded || !reference) return undefined;
    const rule = loaded.rule(index);
    const nft = loaded.nft?.rule(index) && loaded.nft;
    return { reference, index, end: loaded.end(index), family, ...(rule && { rule }), ...(nft && { nft }) };
  }

  /** The texts of all rules, set by set, and which set each of these namespaces has for each family (-1: none). */
  texts(namespaces: readonly string[]): Pick<CommentNames, "rules" | "ruleSets"> {
    const sets = [...this.#all];
    const numbersOf = (family: Family): number[] =>
      namespaces.map((name) => {
        const loaded = this.#families[family].byNamespace.get(name);
        return loaded ? sets.indexOf(loaded) : -1;
      });
    return {
      rules: sets.map((set) => Array.from({ length: set.count }, (_, index) => noteText(set, index))),
      ruleSets: { ipv4: numbersOf("ipv4"), ipv6: numbersOf("ipv6") },
    };
  }

  /** `iptables-save -c`, or ip6tables-save, of a namespace at a moment with the counters that the kernel has kept. */
  print(namespace: string, counters: RuleCounters, atNs: number, family: Family = "ipv4"): string {
    const loaded = this.#at(namespace, atNs, family);
    if (!loaded) return "";
    const text = wholeText(loaded.text);
    const { survey: found = survey(text) } = loaded;
    const numberOf = found && numbersIn(loaded, found);
    const counted = new Map([...countedIn(counters)].map(({ index, ...value }) => [numberOf?.(index) ?? -1, value]));
    const saved = found && this.#families[family].saved.print(text, found, counted);
    return saved ?? printRules(this.counted(namespace, counters, atNs, family), { counters: true });
  }

  /** A namespace's table of nftables at a moment, as nft lists it; undefined if it has none. */
  printTable(namespace: string, atNs: number, family: Family = "ipv4"): string | undefined {
    return this.#at(namespace, atNs, family)?.nft?.text;
  }

  /** The sets of that table that rules add to, by name, with the numbers that the kernel knows them by. */
  tableSets(namespace: string, atNs: number, family: Family = "ipv4"): [name: string, number: number][] {
    const sets = this.#at(namespace, atNs, family)?.nft?.sets ?? [];
    return numberSets(sets, this.#names).map(({ number }, i) => [sets[i]?.name.split(" ").at(-1) ?? "", number]);
  }

  /** The rules of these namespaces at a moment by what they have counted. */
  heat(namespaces: readonly Pick<NamespaceResult, "name" | "counters" | "counters6">[], atNs: number): RuleHeat {
    const of = (family: Family, name: string, counters: RuleCounters) => {
      const loaded = this.#at(name, atNs, family);
      return loaded ? [{ loaded, counted: [...countedIn(counters)] }] : [];
    };
    return heatOf(
      namespaces.flatMap(({ name, counters, counters6 }) => [
        ...of("ipv4", name, counters),
        ...of("ipv6", name, counters6),
      ]),
    );
  }

  /** The rules of a namespace at a moment with the counters that the kernel has kept. */
  counted(namespace: string, counters: RuleCounters, atNs: number, family: Family = "ipv4"): RuleSet {
    const loaded = this.#at(namespace, atNs, family);
    if (!loaded) return { tables: [] };
    const set = loaded.model();
    const chains = chainsByName(set);
    for (let index = 0; index < loaded.count; index++) {
      const reference = loaded.reference(index);
      const { chain, rule } = reference ? referenced(chains, reference) : {};
      const value = countedBy(counters, index);
      if (rule) rule.counters = value;
      else if (chain?.policy !== undefined) chain.counters = value;
    }
    return set;
  }
}

function newFamily(family: Family): OfFamily {
  return {
    byNamespace: new Map(),
    history: new Map(),
    byText: new Map(),
    shared: new Map(),
    saved: new SavedRules(family),
  };
}

/** What stands for the text of a namespace in error messages. */
function fileOf(family: Family, namespace: string): string {
  return `${family === "ipv4" ? "rules" : "IPv6 rules"} of ${namespace}`;
}

function ruleOf(number: number): { family: Family; index: number } {
  return { family: number & RULE_OF_IPV6 ? "ipv6" : "ipv4", index: number & ~RULE_OF_IPV6 };
}

/** From the numbers of a set's rules to those in a survey of its text; undefined for one that it does not have. */
function numbersIn(loaded: LoadedRules, found: Survey): (index: number) => number | undefined {
  if (found === loaded.survey) return (index) => index;
  const chains = new Map(found.chains.map((chain) => [keyOf(chain.table, chain.name), chain]));
  return (index) => {
    const reference = loaded.reference(index);
    const chain = reference && chains.get(`${reference.table} ${reference.chain}`);
    if (!chain) return undefined;
    return chain.first + (reference.index === "policy" ? chain.rules : reference.index);
  };
}

/** Pairs of RULE_INDEX, old and new, of the rules that stay as they are: in whole user chains, in built-in chains one by one. */
function keptRules(
  before: LoadedRules,
  after: LoadedRules,
  restored: string,
  chainsOf: (loaded: LoadedRules) => ChainsByName,
): Uint32Array {
  const rewritten = new Set<string>();
  let restoring = "";
  for (const line of restored.split("\n")) {
    if (line.startsWith("*")) restoring = line.slice(1);
    else if (line.startsWith(":")) rewritten.add(`${restoring} ${line.slice(1, line.indexOf(" "))}`);
  }
  const old = new Map(references(before).map(([i, { table, chain, index }]) => [`${table} ${chain} ${index}`, i]));
  const pairs: number[] = [];
  const texts = new Map<string, string[]>();
  const [chainsBefore, chainsAfter] = [chainsOf(before), chainsOf(after)];
  for (const [which, { nft }] of Object.entries({ before, after }))
    for (const { table, chain, text } of nft?.rules() ?? []) {
      const key = `${which} ${table} ${chain}`;
      texts.set(key, [...(texts.get(key) ?? []), text]);
    }
  const textsOf = (chains: ChainsByName, table: string, chain: string, which: string): string[] => {
    const key = `${which} ${table} ${chain}`;
    const known = texts.get(key) ?? (chains.get(table)?.get(chain)?.rules ?? []).map((rule) => printRule(chain, rule));
    texts.set(key, known);
    return known;
  };
  references(after).forEach(([i, { table, chain, index }]) => {
    if (rewritten.has(`${table} ${chain}`)) return;
    const was = textsOf(chainsBefore, table, chain, "before");
    const is = textsOf(chainsAfter, table, chain, "after");
    const builtIn = chainsAfter.get(table)?.get(chain)?.policy !== undefined;
    if (!builtIn && (was.length !== is.length || was.some((text, j) => text !== is[j]))) return;
    const from = old.get(`${table} ${chain} ${index === "policy" ? index : was.indexOf(is[index] ?? "")}`);
    if (from !== undefined) pairs.push(from, i);
  });
  return Uint32Array.from(pairs);
}

/** The numbers that a set has, with where their rules stand. A set that was made by changes does not have all numbers. */
function references(loaded: LoadedRules): [index: number, reference: RuleReference][] {
  return Array.from({ length: loaded.count }, (_, index) => [index, loaded.reference(index)] as const).flatMap(
    ([index, reference]): [number, RuleReference][] => (reference ? [[index, reference]] : []),
  );
}

function load(text: string, { family, file, changes }: Source, kernel: Kernel, names: NameTable): LoadedRules {
  const { words, quick, ...compiled } = compileText(text, names, file, family);
  const survey = quick && { survey: quick.survey };
  const loaded = place({ ...compiled, family, text, ...survey, changeable: () => undefined }, words, kernel, file);
  if (!changes || !quick) return loaded;
  let changeable: ChangeableRules | undefined;
  return { ...loaded, changeable: () => (changeable ??= ChangeableRules.of(kernel, loaded.block, text, quick)) };
}

/** Hands a compiled set to the kernel. */
function place(compiled: Omit<LoadedRules, "block">, words: Uint32Array, kernel: Kernel, file: string): LoadedRules {
  const { block, unknown } = placeBlock(kernel, words, compiled.count);
  const reference = unknown === undefined ? undefined : compiled.reference(unknown);
  if (reference) throw notEmulated(file, compiled.model(), reference);
  return { ...compiled, block };
}

/** What was made by changing `before`; `text` is what is there then. */
function loadedFrom(rules: ChangeableRules, before: LoadedRules, text: RulesText, file: string): LoadedRules {
  const own = typeof text === "string" ? [] : setsInText(text.own);
  const { family } = before;
  return {
    family,
    block: rules.block,
    text,
    count: rules.count,
    sets: own.length === 0 ? before.sets : [...new Set([...before.sets, ...own])],
    reference: (index) => rules.reference(index),
    rule: (index) => rules.rule(index),
    end: (index) => rules.end(index),
    model: () => parseRules(wholeText(text), file, family),
    changeable: () => rules,
  };
}

/** Hands a block of `count` rules to the kernel; `unknown` is the number of the first rule that it does not know. */
function placeBlock(kernel: Kernel, words: Uint32Array, count: number): { block: Handle; unknown?: number } {
  const block = kernel.placeWords(words);
  const first = block + BLOCK_HEADER;
  const unknown = kernel.calls.admitRules(block, first, count);
  kernel.calls.indexRules(block, first, count, 0);
  kernel.calls.indexMaps(block);
  return unknown === 0 ? { block } : { block, unknown: unknown - 1 };
}

function notEmulated(file: string, set: RuleSet, reference: RuleReference): InputError {
  return new InputError({ file }, `${ruleText(set, reference)} has a match or a target that is not emulated yet`);
}

/** A compiled rule set in the kernel's memory. */
export interface PlacedRules {
  block: Handle;
  words: Uint32Array;
  /** In the order of RULE_INDEX. */
  rules: RuleReference[];
}

/**
 * Compiles a rule set and hands it to the kernel. Throws an InputError for a match or target that the kernel does not know;
 * it shows the rule as `written` has it, which has the same rules in the same places.
 */
export function placeRules(
  kernel: Kernel,
  set: RuleSet,
  names: NameTable,
  file: string,
  written: RuleSet = set,
): PlacedRules {
  const { words, rules } = compileRules(set, names);
  const { block, unknown } = placeBlock(kernel, words, rules.length);
  const reference = unknown === undefined ? undefined : rules[unknown];
  if (reference) throw notEmulated(file, written, reference);
  return { block, words, rules };
}

/** `filter FORWARD 1 -m comment ... -j KUBE-FORWARD`. */
function noteText(loaded: LoadedRules, index: number): string {
  const reference = loaded.reference(index);
  const text = textOf(loaded, index);
  if (!reference) return "";
  const { table, chain, index: place } = reference;
  if (place === "policy" || text === undefined) return `the policy of ${table} ${chain}`;
  return `${table} ${chain} ${place + 1} ${text.replace(`-A ${chain} `, "")}`;
}

/** A rule as iptables-save prints it, with its table. */
function ruleText(set: RuleSet, reference: RuleReference): string {
  const { table, chain } = reference;
  const { rule } = referenced(chainsByName(set), reference);
  return rule ? `"-t ${table} ${printRule(chain, rule)}"` : `the policy of ${chain} in table ${table}`;
}
