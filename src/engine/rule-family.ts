// Rule sets in the kernel that were made of one text by changes: which chains each has, and where its rules stand in their texts.
import { BLOCK_HEADER, RULE_SIZE } from "../../assembly/layout/rules.ts";
import { TABLE_NAMES, type Rule } from "../iptables/model.ts";
import type { QuickRules } from "../iptables/quick.ts";
import { referenceTo, type RuleReference } from "../iptables/records.ts";
import { readWhole } from "../iptables/rule.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";

/** Numbers that were given to the rules of a chain at once, and where those rules stand in a text. */
export interface Range {
  chain: number;
  first: number;
  /** Without the policy. */
  rules: number;
  text: string;
  /** By rule, from `offset` on. */
  starts: Uint32Array;
  ends: Uint32Array;
  offset: number;
}

/** What all sets have in common that were made of one text by changes. */
export interface Family {
  kernel: Kernel;
  quick: QuickRules;
  /** What offsets count from. */
  base: Handle;
  names: { table: number; name: string; hook: number; policy: "ACCEPT" | "DROP" | undefined }[];
  /** `nat KUBE-SERVICES` to its number. */
  numbers: Map<string, number>;
  /** In the order of their numbers. */
  ranges: Range[];
  /** By number of a rule: the chain that it leads to (-1: none), the one that it is in, and the hooks that it may be in. */
  to: number[];
  owner: number[];
  allowed: number[];
  room: Room;
  /** A change could not be made when some of it was written already: the family has no more members. */
  broken: boolean;
}

/** A chain of a set: its place in memory (0: the set has no such chain), its range, the hooks that lead to it. */
export interface PlacedChain {
  address: number;
  range: number;
  reached: number;
}

const NOWHERE: PlacedChain = { address: 0, range: 0, reached: 0 };
/** From this share on, what differs from other sets is not kept apart any more. */
const OWN_SHARE = 1 / 8;

/** Chains by number, for who looks at many of them. */
export class ChainList {
  readonly address: Uint32Array;
  readonly range: Uint32Array;
  readonly reached: Uint8Array;

  constructor(size: number) {
    this.address = new Uint32Array(size);
    this.range = new Uint32Array(size);
    this.reached = new Uint8Array(size);
  }

  at(chain: number): PlacedChain {
    const { address, range, reached } = this;
    return { address: address[chain] ?? 0, range: range[chain] ?? 0, reached: reached[chain] ?? 0 };
  }

  set(chain: number, placed: PlacedChain): void {
    this.address[chain] = placed.address;
    this.range[chain] = placed.range;
    this.reached[chain] = placed.reached;
  }

  /** The same with room for more. */
  copy(size: number): ChainList {
    const copy = new ChainList(Math.max(size, this.address.length));
    copy.address.set(this.address);
    copy.range.set(this.range);
    copy.reached.set(this.reached);
    return copy;
  }
}

/** The chains of a set by number: a list that sets have in common, and what differs in this one. */
export class Chains {
  readonly #common: ChainList;
  readonly #own: ReadonlyMap<number, PlacedChain>;

  constructor(common: ChainList, own: ReadonlyMap<number, PlacedChain> = new Map()) {
    this.#common = common;
    this.#own = own;
  }

  at(chain: number): PlacedChain {
    const own = this.#own.get(chain);
    if (own) return own;
    return chain < this.#common.address.length ? this.#common.at(chain) : NOWHERE;
  }

  /** A list of its own, with room for `size` chains. */
  list(size: number): ChainList {
    const list = this.#common.copy(size);
    for (const [chain, placed] of this.#own) list.set(chain, placed);
    return list;
  }

  /** What they are in a list in which these have been changed. */
  changed(list: ChainList, chains: Iterable<number>): Chains {
    const own = new Map(this.#own);
    for (const chain of chains) own.set(chain, list.at(chain));
    return own.size > this.#common.address.length * OWN_SHARE ? new Chains(list) : new Chains(this.#common, own);
  }
}

/** Memory for the records of rules, of which changes take what they need. */
export interface Room {
  at: Handle;
  bytes: number;
}

/** A set of a family. */
export class ChangeableRules {
  readonly family: Family;
  readonly block: Handle;
  /** Numbers of rules up to here. */
  readonly count: number;
  readonly #chains: Chains;

  constructor(family: Family, block: Handle, count: number, chains: Chains) {
    this.family = family;
    this.block = block;
    this.count = count;
    this.#chains = chains;
  }

  /** The set of a text that was compiled and placed at `block`. */
  static of(kernel: Kernel, block: Handle, text: string, quick: QuickRules): ChangeableRules {
    const { chains, starts, ends, count } = quick.survey;
    const owner = new Array<number>(count).fill(0);
    chains.forEach(({ first, rules }, chain) => owner.fill(chain, first, first + rules + 1));
    const family: Family = {
      kernel,
      quick,
      base: block,
      names: chains.map(({ table, name, hook, policy }) => ({ table, name, hook, policy })),
      numbers: new Map(chains.map(({ table, name }, chain) => [keyOf(table, name), chain])),
      ranges: chains.map(({ first, rules }, chain) => ({ chain, first, rules, text, starts, ends, offset: first })),
      to: Array.from(quick.graph.to),
      owner,
      allowed: Array.from(quick.allowed),
      room: { at: 0, bytes: 0 },
      broken: false,
    };
    const list = new ChainList(chains.length);
    chains.forEach(({ first }, chain) => {
      const address = block + BLOCK_HEADER + first * RULE_SIZE;
      list.set(chain, { address, range: chain, reached: quick.reached[chain] ?? 0 });
    });
    return new ChangeableRules(family, block, count, new Chains(list));
  }

  /** Whether it has a table (TABLE_*). */
  hasTable(table: number): boolean {
    return this.family.quick.survey.tables.some(({ number }) => number === table);
  }

  /** Where a rule stands; undefined for numbers that this set does not have. */
  reference(index: number): RuleReference | undefined {
    const range = this.#rangeOf(index);
    const chain = range && this.family.names[range.chain];
    if (!range || !chain) return undefined;
    return referenceTo(chain, range, index);
  }

  /** A rule; undefined for policies. */
  rule(index: number): Rule | undefined {
    const range = this.#rangeOf(index);
    const place = range ? index - range.first : 0;
    if (!range || place === range.rules) return undefined;
    const text = range.text.slice(range.starts[range.offset + place], range.ends[range.offset + place]);
    return readWhole(text, this.family.quick.block.family);
  }

  /** What ends the chain that a rule is in, and after how many rules. */
  end(index: number): { policy: "ACCEPT" | "DROP" | "RETURN"; rules: number } {
    const range = this.#rangeOf(index);
    return { policy: this.family.names[range?.chain ?? 0]?.policy ?? "RETURN", rules: range?.rules ?? 0 };
  }

  /** The range of a number that this set has. */
  #rangeOf(index: number): Range | undefined {
    const { ranges, owner } = this.family;
    const chain = owner[index];
    if (chain === undefined || index >= this.count || this.#chains.at(chain).address === 0) return undefined;
    const range = ranges[this.#chains.at(chain).range];
    return range && index >= range.first && index <= range.first + range.rules ? range : undefined;
  }

  get chains(): Chains {
    return this.#chains;
  }
}

/** By what a chain's number is found. */
export function keyOf(table: number, name: string): string {
  return `${TABLE_NAMES[table] ?? ""} ${name}`;
}
