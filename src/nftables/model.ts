// A table of nftables as nft lists it: sets and maps with their elements, chains with their rules in nft's words.
import type { Family } from "../iptables/addresses.ts";
import type { HookName } from "../iptables/model.ts";

/** The families whose tables podwire loads. */
export type NftFamily = "ip" | "ip6";

/** Where a base chain stands among the others at its hook. */
export interface BaseChain {
  type: "filter" | "nat";
  hook: HookName;
  priority: number;
  policy: "ACCEPT" | "DROP";
}

export interface NftChain {
  name: string;
  /** Of a chain that a hook calls. */
  base?: BaseChain;
  rules: NftRule[];
}

/** A rule; `line` is where it stands in the text, from 1. */
export interface NftRule {
  text: string;
  line: number;
}

export interface NftElement {
  /** Its parts as they are written, comments left out. */
  key: string[];
  /** Of a map: `goto chain`, `drop`. */
  verdict?: string;
}

export interface NftSet {
  name: string;
  /** `ipv4_addr . inet_proto . inet_service` as a list. */
  type: string[];
  isMap: boolean;
  /** Rules add elements to it. */
  dynamic: boolean;
  /** Seconds that elements stay; 0: for ever. */
  timeout: number;
  /** The most elements. */
  size: number;
  elements: NftElement[];
  line: number;
}

export interface NftTable {
  family: NftFamily;
  name: string;
  sets: NftSet[];
  chains: NftChain[];
}

/** The family of a table as rules of iptables have it. */
export function ruleFamily({ family }: Pick<NftTable, "family">): Family {
  return family === "ip" ? "ipv4" : "ipv6";
}

/** How a table is named in traces and reports: `ip kube-proxy`. */
export function tableName({ family, name }: NftTable): string {
  return `${family} ${name}`;
}
