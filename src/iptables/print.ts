// A rule set to text, letter for letter as iptables-save 1.8.9 prints it, without its comment lines, which hold the date.
import { formatNetwork } from "./addresses.ts";
import type { MatchExtension, TargetExtension } from "./extension.ts";
import { findMatch, type Match } from "./matches/table.ts";
import type { AddressTest, Chain, Counters, InterfaceTest, Rule, RuleSet, Table, TableName } from "./model.ts";
import { formatProtocol } from "./protocols.ts";
import { findTarget, type ExtensionTarget } from "./targets/table.ts";
import { not } from "./values.ts";

export interface PrintOptions {
  /** Puts `[packets:bytes]` before each rule, as `iptables-save -c` does. */
  counters?: boolean;
  /** Only this table. */
  table?: TableName;
}

// The order in which iptables-save visits the tables.
export const PRINT_ORDER: readonly TableName[] = ["mangle", "raw", "filter", "nat"];

/** The text of the rule set; it ends with a line break, or is empty if there is no table. User chains come in the order of their names. */
export function printRules(ruleSet: RuleSet, options: PrintOptions = {}): string {
  let text = "";
  for (const name of PRINT_ORDER) {
    const table = ruleSet.tables.find((candidate) => candidate.name === name);
    if (table && (options.table === undefined || options.table === name))
      text += printTable(table, options.counters ?? false);
  }
  return text;
}

function printTable(table: Table, counters: boolean): string {
  const builtIn = table.chains.filter((chain) => chain.policy !== undefined);
  const user = table.chains.filter((chain) => chain.policy === undefined);
  const chains = [...builtIn, ...user.sort(byName)];
  const lines = [`*${table.name}`];
  for (const chain of chains) lines.push(`:${chain.name} ${chain.policy ?? "-"} ${printCounters(chain.counters)}`);
  for (const chain of chains)
    for (const rule of chain.rules)
      lines.push((counters ? `${printCounters(rule.counters)} ` : "") + printRule(chain.name, rule));
  lines.push("COMMIT", "");
  return lines.join("\n");
}

// By character codes, whatever the locale.
function byName(a: Chain, b: Chain): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** One rule as `-A CHAIN ...`. */
export function printRule(chain: string, rule: Rule): string {
  let text = `-A ${chain}${printAddress("-s", rule.source)}${printAddress("-d", rule.destination)}`;
  text += printInterface("-i", rule.in) + printInterface("-o", rule.out);
  if (rule.protocol) text += ` ${not(rule.protocol.inverted)}-p ${formatProtocol(rule.protocol.number)}`;
  if (rule.fragment) text += ` ${not(rule.fragment.inverted)}-f`;
  for (const match of rule.matches) text += printMatch(match);
  const target = rule.target;
  if (!target) return text;
  if (target.kind === "jump") return `${text} -j ${target.chain}`;
  if (target.kind === "goto") return `${text} -g ${target.chain}`;
  return text + printTarget(target);
}

/** `[packets:bytes]` */
export function printCounters({ packets, bytes }: Counters): string {
  return `[${packets}:${bytes}]`;
}

function printAddress(option: string, test: AddressTest | undefined): string {
  return test ? ` ${not(test.inverted)}${option} ${formatNetwork(test)}` : "";
}

function printInterface(option: string, test: InterfaceTest | undefined): string {
  return test ? ` ${not(test.inverted)}${option} ${test.name}` : "";
}

/** One match, with a space before it: ` -m tcp --dport 80`. */
export function printMatch(match: Match): string {
  const extension: MatchExtension<Match> | undefined = findMatch(match.kind);
  return ` -m ${match.kind}${extension?.print(match) ?? ""}`;
}

function printTarget(target: ExtensionTarget): string {
  const extension: TargetExtension<ExtensionTarget> | undefined = findTarget(target.kind);
  return ` -j ${target.kind}${extension?.print(target) ?? ""}`;
}
