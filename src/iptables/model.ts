// The rule set of one network namespace as data: tables, chains, rules. Restored from text, printed, compiled.
import type { Network } from "./addresses.ts";
import type { Match } from "./matches/table.ts";
import type { Target } from "./targets/table.ts";

export type { Match, Target };

/** The tables in the order in which a hook calls them. */
export const TABLE_NAMES = ["raw", "mangle", "nat", "filter"] as const;
export type TableName = (typeof TABLE_NAMES)[number];

/** The built-in chains, which are netfilter's hooks, in hook order. */
export const HOOK_NAMES = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"] as const;
export type HookName = (typeof HOOK_NAMES)[number];

/** The built-in chains of each table, in hook order. */
export const BUILT_IN_CHAINS: Readonly<Record<TableName, readonly HookName[]>> = {
  raw: ["PREROUTING", "OUTPUT"],
  mangle: HOOK_NAMES,
  nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
};

export interface Counters {
  packets: number;
  bytes: number;
}

/** `-s` or `-d`: a packet's address matches if (address & mask) == value. */
export interface AddressTest extends Network {
  inverted: boolean;
}

/** `-i` or `-o`: a device name, or its beginning and a final `+`. */
export interface InterfaceTest {
  name: string;
  inverted: boolean;
}

/** `-p`: a protocol number, 1 to 255. */
export interface ProtocolTest {
  number: number;
  inverted: boolean;
}

/** What a rule asks of a packet and does with it. A rule without target only counts. */
export interface Rule {
  source?: AddressTest;
  destination?: AddressTest;
  in?: InterfaceTest;
  out?: InterfaceTest;
  protocol?: ProtocolTest;
  /** `-f`: second and further fragments only. IPv4 alone has it. */
  fragment?: { inverted: boolean };
  matches: Match[];
  target?: Target;
  counters: Counters;
}

/** A built-in chain has a policy, a user chain returns. The counters are those of the policy. */
export interface Chain {
  name: string;
  policy?: "ACCEPT" | "DROP";
  counters: Counters;
  rules: Rule[];
}

/** The built-in chains come first, in hook order; user chains follow in the order in which they were made. */
export interface Table {
  name: TableName;
  chains: Chain[];
}

/** A table that is not loaded is not there. */
export interface RuleSet {
  tables: Table[];
}

/** A table as the kernel makes it: built-in chains that accept. */
export function newTable(name: TableName): Table {
  return {
    name,
    chains: BUILT_IN_CHAINS[name].map((chain) => ({
      name: chain,
      policy: "ACCEPT",
      counters: { packets: 0, bytes: 0 },
      rules: [],
    })),
  };
}
