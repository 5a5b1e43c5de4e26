// What a match or a target is: its word, its options, how it is read, printed and compiled. One object per file in matches/ and targets/.
import type { Address, Family } from "./addresses.ts";
import type { HookName, InterfaceTest, ProtocolTest, TableName } from "./model.ts";
import type { OptionSpec, Options } from "./options.ts";

/** A match record to be written; see MATCH_* in assembly/layout/rules.ts. */
export interface MatchRecord {
  kind: number;
  flags: number;
  /** At most six words. */
  args: number[];
}

/** A target: its number, and its record if it has one; see TARGET_* in assembly/layout/rules.ts. */
export interface TargetRecord {
  kind: number;
  /** At most eight words. */
  args?: number[];
}

/** What compiling may add to the block besides records. Offsets are bytes from the start of the block. */
export interface BlockBuilder {
  /** Of the rules. */
  readonly family: Family;
  /** What the kernel holds for an address: itself for IPv4, a number that stands for it for IPv6. */
  address(address: Address): number;
  /** The offset of an interface record; 0 if the test lets every device pass. */
  interface(test: InterfaceTest): number;
  /** The offset of a list of words. */
  data(words: readonly number[]): number;
  /** The offset of the list of words that was the first to be given under a key. */
  shared(key: string, words: readonly number[]): number;
  /** The number of a new state with these first values, at most four words. */
  state(values: readonly number[]): number;
  /** The number of an interned name. */
  name(kind: NameKind, name: string): number;
}

/** Names that the kernel knows as small numbers: `recent` lists, ipsets and tables of hashlimit. */
export type NameKind = "recent" | "set" | "hashlimit";

/** What an extension may see of the rule that is being read. */
export interface RuleHead {
  family: Family;
  protocol?: ProtocolTest | undefined;
}

interface Extension<T extends { kind: string }> {
  /** The word after `-m` or `-j`. */
  name: T["kind"];
  options: readonly OptionSpec[];
  /** Reads the options that were given; throws an InputError. */
  parse(options: Options, rule: RuleHead): T;
  /** The options as iptables-save prints them, beginning with a blank unless there are none. */
  print(value: T): string;
  /** Other words after `-m` or `-j`. */
  aliases?: readonly string[];
  /** The family that has it; both if left out. */
  family?: Family;
  /** The tables that the kernel allows it in; all if left out. */
  tables?: readonly TableName[];
  /** The hooks that the kernel allows it in, also through user chains; all if undefined. */
  hooks?(value: T): readonly HookName[] | undefined;
}

export interface MatchExtension<T extends { kind: string }> extends Extension<T> {
  /** The protocol whose `-p` loads this match without `-m`, and which it needs. */
  protocol?: number;
  /** The records that must all match; none if the match always does. */
  compile(match: T, block: BlockBuilder): MatchRecord[];
}

export interface TargetExtension<T extends { kind: string }> extends Extension<T> {
  compile(target: T, block: BlockBuilder): TargetRecord;
}
