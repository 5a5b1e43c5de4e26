// iptables-save text in the making: tables of chains that the node's components append their rules to, then printed at once.
import { BUILT_IN_CHAINS, type HookName } from "../iptables/model.ts";
import { differenceOf, type RulesText, type TextChain, type TextChains } from "../iptables/rules-text.ts";
import { quote } from "../iptables/words.ts";

/** A rule in the parts that iptables-save prints first, then its matches in the order given. A leading `! ` negates. */
export interface RuleText {
  /** `10.0.0.0/8`; a /0 is not printed unless negated. */
  source?: string;
  destination?: string;
  in?: string;
  out?: string;
  protocol?: string;
  matches?: string[];
  /** The target with its options; a rule without target only counts. */
  target?: string;
}

/** `-m comment` as iptables-save prints it. */
export function comment(text: string): string {
  return `-m comment --comment ${quote(text)}`;
}

/** An address as the block that iptables prints: 10.0.0.1/32, fd00::1/128. */
export function hostBlock(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

function option(name: string, value: string | undefined): string {
  if (value === undefined) return "";
  if (value.startsWith("! ")) return ` ! ${name} ${value.slice(2)}`;
  return value.endsWith("/0") ? "" : ` ${name} ${value}`;
}

/** The rule as iptables-save prints it after `-A CHAIN`, with a leading blank. */
function printRule(rule: RuleText): string {
  return (
    option("-s", rule.source) +
    option("-d", rule.destination) +
    option("-i", rule.in) +
    option("-o", rule.out) +
    option("-p", rule.protocol) +
    (rule.matches ?? []).map((match) => ` ${match}`).join("") +
    (rule.target === undefined ? "" : ` -j ${rule.target}`)
  );
}

/** One table: its built-in chains, all with policy ACCEPT, and the user chains made so far. */
export class RuleTable {
  readonly name: "mangle" | "nat" | "filter";
  readonly #builtIn: readonly HookName[];
  readonly #chains = new Map<string, string[]>();
  /** What many nodes have in common: it does not change any more. Chains of its own that a table adds to stand in `#chains`. */
  readonly #common: CommonChains | undefined;

  constructor(name: "mangle" | "nat" | "filter", common?: CommonChains) {
    this.name = name;
    this.#common = common;
    this.#builtIn = BUILT_IN_CHAINS[name];
    for (const chain of this.#builtIn) this.#rules(chain);
  }

  /** Whether it began with common chains. */
  get hasCommon(): boolean {
    return this.#common !== undefined;
  }

  /** What stands in this table now, for tables that begin with it. It must not be added to after that. */
  freeze(): CommonChains {
    const user = this.#userChains();
    return { chains: this.#chains, user, ...this.#printUser(user) };
  }

  /** Makes user chains; one that exists keeps its rules. */
  declare(...chains: string[]): void {
    for (const chain of chains) if (!this.has(chain)) this.#rules(chain);
  }

  has(chain: string): boolean {
    return this.#chains.has(chain) || this.#common?.chains.has(chain) === true;
  }

  /** `-A`: adds at the end; makes the chain if it is new. */
  append(chain: string, rule: RuleText): void {
    this.#rules(chain).push(printRule(rule));
  }

  /** `-I`: adds at the head. */
  prepend(chain: string, rule: RuleText): void {
    this.#rules(chain).unshift(printRule(rule));
  }

  /** By table and chain: all chains, or those that are not simply the common ones. */
  *chains(which: "all" | "own"): Generator<[key: string, chain: TextChain]> {
    const builtIn = this.#builtIn as readonly string[];
    const names =
      which === "own" ? this.#chains.keys() : new Set([...(this.#common?.user ?? []), ...this.#chains.keys()]);
    for (const name of names) {
      const rules = this.#chains.get(name) ?? this.#common?.chains.get(name) ?? [];
      yield [`${this.name} ${name}`, builtIn.includes(name) ? { policy: "ACCEPT", rules } : { rules }];
    }
  }

  /** The table's part of iptables-save: built-in chains in hook order, then user chains by name. */
  print(): string {
    const builtIn = this.#builtIn.map((chain) => `:${chain} ACCEPT [0:0]\n`).join("");
    const first = this.#builtIn.map((chain) => printChain(chain, this.#rules(chain))).join("");
    const { declared, rules } = this.#printAllUser();
    return `*${this.name}\n${builtIn}${declared}${first}${rules}COMMIT\n`;
  }

  #printAllUser(): PrintedChains {
    const common = this.#common;
    const [begin, end] = [common?.user[0], common?.user.at(-1)];
    if (!common || begin === undefined || end === undefined) return this.#printUser(this.#userChains());
    const own = this.#userChains();
    // Chains that stand between the common ones, or are theirs, are put in their places one by one.
    if (own.some((chain) => chain >= begin && chain <= end))
      return this.#printUser([...new Set([...common.user, ...own])].sort());
    const before = this.#printUser(own.filter((chain) => chain < begin));
    const after = this.#printUser(own.filter((chain) => chain > end));
    return {
      declared: before.declared + common.declared + after.declared,
      rules: before.rules + common.rules + after.rules,
    };
  }

  #printUser(chains: readonly string[]): PrintedChains {
    return {
      declared: chains.map((chain) => `:${chain} - [0:0]\n`).join(""),
      rules: chains
        .map((chain) => printChain(chain, this.#chains.get(chain) ?? this.#common?.chains.get(chain) ?? []))
        .join(""),
    };
  }

  /** The user chains of this table's own, by name. */
  #userChains(): string[] {
    return [...this.#chains.keys()].filter((chain) => !(this.#builtIn as readonly string[]).includes(chain)).sort();
  }

  #rules(chain: string): string[] {
    let rules = this.#chains.get(chain);
    if (!rules) this.#chains.set(chain, (rules = this.#common?.chains.get(chain)?.slice() ?? []));
    return rules;
  }
}

interface PrintedChains {
  declared: string;
  rules: string;
}

/** Chains that many tables begin with; `user` by name. */
interface CommonChains extends PrintedChains {
  chains: ReadonlyMap<string, readonly string[]>;
  user: readonly string[];
}

function printChain(chain: string, rules: readonly string[]): string {
  return rules.map((rule) => `-A ${chain}${rule}\n`).join("");
}

/** The three tables that a node's components write to. */
export interface NodeTables {
  mangle: RuleTable;
  nat: RuleTable;
  filter: RuleTable;
  /** Tables of another node that are much like these. */
  like?: CommonTables;
}

/** Tables that many nodes begin with, or that are much like theirs. */
export interface CommonTables {
  text: string;
  chains: TextChains;
  /** Tables that begin with these. */
  make: () => NodeTables;
}

export function newNodeTables(): NodeTables {
  return { mangle: new RuleTable("mangle"), nat: new RuleTable("nat"), filter: new RuleTable("filter") };
}

/** iptables-save text of all three tables, in the order in which iptables-nft-save prints them. */
export function printTables(tables: NodeTables): string {
  return tables.mangle.print() + tables.filter.print() + tables.nat.print();
}

/** The same in two parts, if other tables are much like these. */
export function rulesOf(tables: NodeTables): RulesText {
  const { like, mangle, filter, nat } = tables;
  if (!like) return printTables(tables);
  const begun = [mangle, filter, nat].every((table) => table.hasCommon);
  const chains = new Map([mangle, filter, nat].flatMap((table) => [...table.chains(begun ? "own" : "all")]));
  return { common: like.text, own: differenceOf(like.chains, chains, { keepsGone: begun }) };
}

/** Tables for others to begin with. Nothing may be added to these any more. */
export function commonTables(tables: NodeTables): CommonTables {
  const { mangle, nat, filter } = tables;
  const text = printTables(tables);
  const common = { mangle: mangle.freeze(), nat: nat.freeze(), filter: filter.freeze() };
  const chains = new Map([mangle, filter, nat].flatMap((table) => [...table.chains("all")]));
  const like: CommonTables = {
    text,
    chains,
    make: () => ({
      mangle: new RuleTable("mangle", common.mangle),
      nat: new RuleTable("nat", common.nat),
      filter: new RuleTable("filter", common.filter),
      like,
    }),
  };
  return like;
}
