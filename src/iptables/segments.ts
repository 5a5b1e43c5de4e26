// Parts of rules that come again and again, `-m tcp --dport 80` or `-j MARK --set-xmark 0x4000/0x4000`: each is read and compiled once.
import { TARGET_DNAT } from "../../assembly/layout/rules.ts";
import { formatNetwork, type Family } from "./addresses.ts";
import { Block } from "./block.ts";
import type { MatchRecord } from "./extension.ts";
import { compileMatch, compileTarget } from "./records.ts";
import { ALL_HOOKS, ALL_TABLES, limitsOf, type Limits } from "./limits.ts";
import type { AddressTest, Rule } from "./model.ts";
import { NameTable } from "./names.ts";
import { prefixRecord } from "./prefix.ts";
import { readWhole } from "./rule.ts";
import type { NatTarget } from "./targets/nat.ts";

/** A match by its text: its records, and where the kernel allows it. */
export interface MatchPart extends Limits {
  number: number;
  records: readonly MatchRecord[];
}

/** A target by its text: RULE_TARGET, RULE_TARGET_ARG, and where the kernel allows it. */
export interface TargetPart extends Limits {
  target: number;
  argument: number;
}

/** The records of one rule's matches: where they lie, and how many they are. */
export interface Matched {
  offset: number;
  count: number;
}

/** The parts that were met behind one `-p`. */
export interface Scope {
  /** What stands before them, `-p tcp`; empty if there is no protocol. */
  protocol: string;
  matches: Map<string, MatchPart | null>;
  targets: Map<string, TargetPart | null>;
}

/** The parts of one rule set. `null` stands for what has to be read with its whole rule. */
export class Parts {
  readonly #block: Block;
  readonly #scopes = new Map<string, Scope>();
  readonly #addresses = new Map<string, MatchPart>();
  #parts = 0;
  /** By sequence and the number of one more match. */
  readonly #numbers = new Map<number, number>();
  readonly #sequences: (readonly MatchRecord[])[] = [[]];
  readonly #matched: Matched[] = [];

  constructor(block: Block) {
    this.#block = block;
  }

  /** `protocol` is what a rule has for it, `-p tcp` or `! -p udp`, or nothing. */
  scope(protocol: string): Scope {
    const known = this.#scopes.get(protocol);
    if (known) return known;
    const scope = { protocol, matches: new Map(), targets: new Map() };
    this.#scopes.set(protocol, scope);
    return scope;
  }

  /** `text` is `-m NAME ...`. */
  match(text: string, { matches, protocol }: Scope): MatchPart | null {
    const known = matches.get(text);
    if (known !== undefined) return known;
    const part = this.#readMatch(text, protocol);
    matches.set(text, part);
    return part;
  }

  /** `text` is `-j NAME ...`. */
  target(text: string, { targets, protocol }: Scope): TargetPart | null {
    const known = targets.get(text);
    if (known !== undefined) return known;
    const rule = readAlone(text, protocol, this.#block.family);
    const plain = rule?.matches.length === 0 && rule.target?.kind !== "jump" && rule.target?.kind !== "goto";
    const part = rule && plain ? { ...compileTarget(rule.target, this.#block), ...limitsOf(rule) } : null;
    targets.set(text, part);
    return part;
  }

  /** The number of a sequence of matches: `before` (0: none) with one more. */
  sequence(before: number, part: MatchPart): number {
    const key = before * 0x100000 + part.number;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#sequences.length;
    this.#sequences.push([...(this.#sequences[before] ?? []), ...part.records]);
    this.#numbers.set(key, number);
    return number;
  }

  /** The records of a sequence in the block. */
  matched(sequence: number): Matched {
    const known = this.#matched[sequence];
    if (known) return known;
    const records = this.#sequences[sequence] ?? [];
    const matched = { offset: this.#block.matches(records), count: records.length };
    this.#matched[sequence] = matched;
    return matched;
  }

  /** `-s fd00::/64`, if it needs a record. */
  address(option: "-s" | "-d", test: AddressTest): MatchPart {
    const text = `${test.inverted ? "! " : ""}${option} ${formatNetwork(test)}`;
    const known = this.#addresses.get(text);
    if (known) return known;
    const record = prefixRecord(test, option === "-s" ? "source" : "destination", this.#block);
    const part = { number: ++this.#parts, records: [record], tables: ALL_TABLES, hooks: ALL_HOOKS };
    this.#addresses.set(text, part);
    return part;
  }

  #readMatch(text: string, protocol: string): MatchPart | null {
    const rule = readAlone(text, protocol, this.#block.family);
    const [match, ...more] = rule?.matches ?? [];
    if (!rule || !match || more.length > 0 || rule.target) return null;
    // What keeps a state has one of its own in every rule.
    const scratch = new Block(0, new NameTable(() => 0), this.#block.family);
    compileMatch(match, scratch);
    if (scratch.states > 0) return null;
    return { number: ++this.#parts, records: compileMatch(match, this.#block), ...limitsOf(rule) };
  }
}

/** `-j DNAT --to-destination ADDRESS:PORT` by its numbers. */
export class Endpoints {
  readonly #block: Block;
  readonly #known = new Map<number, number>();
  readonly #limits: Limits;

  constructor(block: Block) {
    this.#block = block;
    this.#limits = limitsOf({ matches: [], target: endpoint(0, 0), counters: { packets: 0, bytes: 0 } });
  }

  target(address: number, port: number): TargetPart {
    const key = address * 65536 + port;
    const known = this.#known.get(key);
    if (known !== undefined) return { target: TARGET_DNAT, argument: known, ...this.#limits };
    const { argument } = compileTarget(endpoint(address, port), this.#block);
    this.#known.set(key, argument);
    return { target: TARGET_DNAT, argument, ...this.#limits };
  }
}

function endpoint(address: number, port: number): NatTarget {
  const one = (value: number) => ({ min: value, max: value });
  return {
    kind: "DNAT",
    addresses: one(address),
    ports: one(port),
    random: false,
    randomFully: false,
    persistent: false,
  };
}

/** A rule of nothing else; undefined if it is not understood. */
function readAlone(text: string, protocol: string, family: Family): Rule | undefined {
  return readWhole(`${protocol} ${text}`, family);
}
