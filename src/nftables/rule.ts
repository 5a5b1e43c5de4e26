// A rule in the making: what its expressions ask of a packet, and what its statement does. Expressions write here, not to the block.
import type { Address } from "../iptables/addresses.ts";
import type { MatchRecord } from "../iptables/extension.ts";
import type { AddressTest, InterfaceTest } from "../iptables/model.ts";
import type { NftFamily } from "./model.ts";

/** What a rule does: a number (TARGET_*) with its record, or a way to a chain. */
export type Action = { target: number; args?: number[] } | { chain: string; goto: boolean };

/** A match record, and the words that it stands for. */
export interface Condition {
  record: MatchRecord;
  text: string;
}

/** A verdict: a number (TARGET_*, perhaps with RULE_GOTO) and the offset of its chain. */
export interface Verdict {
  code: number;
  chain: number;
}

/** What expressions need to know of the table, and may add to the block. */
export interface Surroundings {
  /** The family of the table. */
  family: NftFamily;
  /** What stands for an address in a record. */
  address: (address: Address) => number;
  /** The words of `goto chain`, `drop` and the like as a verdict; undefined if they are none, or the chain is not there. */
  verdict: (text: string) => Verdict | undefined;
  /** A set or map of the table; undefined if there is none. */
  set: (name: string) => NamedSet | undefined;
  /** The offset of a set between braces: words as MAP_* in assembly/layout/rules.ts. */
  map: (words: readonly number[]) => number;
  /** The offset of words. */
  data: (words: readonly number[]) => number;
}

/** A set or map that rules name. */
export interface NamedSet {
  isMap: boolean;
  /** Its number among the sets that change while packets pass; undefined: it stays as it is, in the block. */
  number?: number;
  /** The offset in the block, for keys of the source or of the destination address. */
  at: (side: "source" | "destination") => number;
  /** Whether it has a key of this type. */
  isOf: (...type: string[]) => boolean;
}

export class RuleDraft {
  source?: AddressTest;
  destination?: AddressTest;
  protocol?: number;
  in?: InterfaceTest;
  out?: InterfaceTest;
  readonly conditions: Condition[] = [];
  action?: Action;
  /** The comment of the rule. */
  comment?: string;
}
