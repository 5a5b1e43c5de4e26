// iptables-save text in the making: tables of chains that the node's components append their rules to, then printed at once.
import { BUILT_IN_CHAINS, type HookName } from "../iptables/model.ts";
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

  constructor(name: "mangle" | "nat" | "filter") {
    this.name = name;
    this.#builtIn = BUILT_IN_CHAINS[name];
    for (const chain of this.#builtIn) this.#chains.set(chain, []);
  }

  /** Makes user chains; one that exists keeps its rules. */
  declare(...chains: string[]): void {
    for (const chain of chains) this.#rules(chain);
  }

  has(chain: string): boolean {
    return this.#chains.has(chain);
  }

  /** `-A`: adds at the end; makes the chain if it is new. */
  append(chain: string, rule: RuleText): void {
    this.#rules(chain).push(printRule(rule));
  }

  /** `-I`: adds at the head. */
  prepend(chain: string, rule: RuleText): void {
    this.#rules(chain).unshift(printRule(rule));
  }

  /** The table's part of iptables-save: built-in chains in hook order, then user chains by name. */
  print(): string {
    const user = [...this.#chains.keys()]
      .filter((chain) => !(this.#builtIn as readonly string[]).includes(chain))
      .sort();
    const lines = [`*${this.name}`];
    for (const chain of this.#builtIn) lines.push(`:${chain} ACCEPT [0:0]`);
    for (const chain of user) lines.push(`:${chain} - [0:0]`);
    for (const chain of [...this.#builtIn, ...user])
      for (const rule of this.#rules(chain)) lines.push(`-A ${chain}${rule}`);
    lines.push("COMMIT", "");
    return lines.join("\n");
  }

  #rules(chain: string): string[] {
    let rules = this.#chains.get(chain);
    if (!rules) this.#chains.set(chain, (rules = []));
    return rules;
  }
}

/** The three tables that a node's components write to. */
export interface NodeTables {
  mangle: RuleTable;
  nat: RuleTable;
  filter: RuleTable;
}

export function newNodeTables(): NodeTables {
  return { mangle: new RuleTable("mangle"), nat: new RuleTable("nat"), filter: new RuleTable("filter") };
}

/** iptables-save text of all three tables, in the order in which iptables-nft-save prints them. */
export function printTables(tables: NodeTables): string {
  return tables.mangle.print() + tables.filter.print() + tables.nat.print();
}
