// A rule set as a table, letter for letter as `iptables -L` and `ip6tables -L` 1.8.9 print it: chain by chain, columns, then each match in its own words.
import { formatAddress, formatBareNetwork, type Family } from "./addresses.ts";
import { icmp6Name } from "./matches/icmp.ts";
import type { Match } from "./matches/table.ts";
import type { AddressTest, Chain, InterfaceTest, Rule, Table } from "./model.ts";
import { printMatch } from "./print.ts";
import { formatProtocol } from "./protocols.ts";
import { findTarget, type ExtensionTarget } from "./targets/table.ts";
import type { TargetExtension } from "./extension.ts";
import { formatHex } from "./values.ts";

export interface ListOptions {
  /** `-n`: addresses, and in this version protocols, as numbers. */
  numeric: boolean;
  /** `-v`: counters and interfaces. */
  verbose: boolean;
  /** `-x`: counters without K, M and G. */
  exact: boolean;
  /** `--line-numbers` */
  lineNumbers: boolean;
  /** Of the rules; IPv4 if left out. */
  family?: Family;
}

/** The chains of a table, or the one that is named, with their rules. */
export function listTable(table: Table, options: ListOptions, chain?: string): string {
  const builtIn = table.chains.filter(({ policy }) => policy !== undefined);
  const user = table.chains.filter(({ policy }) => policy === undefined);
  user.sort((a, b) => (a.name < b.name ? -1 : 1));
  return [...builtIn, ...user]
    .filter(({ name }) => chain === undefined || name === chain)
    .map((one) => listChain(table, one, options))
    .join("\n");
}

function listChain(table: Table, chain: Chain, options: ListOptions): string {
  const columns =
    (options.lineNumbers ? "num  " : "") +
    (options.verbose ? (options.exact ? "    pkts      bytes " : " pkts bytes ") : "") +
    `target     prot opt ${options.verbose ? "in     out     " : ""}source               destination         `;
  const rules = chain.rules.map((rule, i) => listRule(rule, i + 1, options));
  return [headOf(table, chain, options), columns, ...rules, ""].join("\n");
}

function headOf(table: Table, { name, policy, counters }: Chain, { verbose, exact }: ListOptions): string {
  if (policy === undefined) return `Chain ${name} (${references(table, name)} references)`;
  const { packets, bytes } = counters;
  const counted = verbose ? ` ${shortened(packets, exact)} packets, ${shortened(bytes, exact)} bytes` : "";
  return `Chain ${name} (policy ${policy}${counted})`;
}

function references(table: Table, name: string): number {
  const rules = table.chains.flatMap((chain) => chain.rules);
  return rules.filter(({ target }) => (target?.kind === "jump" || target?.kind === "goto") && target.chain === name)
    .length;
}

/** Counters above five digits lose their last ones (xtables_print_num). */
function shortened(value: number, exact: boolean): string {
  if (exact || value <= 99999) return `${value}`;
  let left = Math.floor((value + 500) / 1000);
  if (left <= 9999) return `${left}K`;
  left = Math.floor((left + 500) / 1000);
  if (left <= 9999) return `${left}M`;
  left = Math.floor((left + 500) / 1000);
  return left <= 9999 ? `${left}G` : `${Math.floor((left + 500) / 1000)}T`;
}

function counter(value: number, exact: boolean): string {
  if (exact) return `${`${value}`.padStart(8)} `;
  const text = shortened(value, false);
  return /\d$/.test(text) ? `${text.padStart(5)} ` : `${text.slice(0, -1).padStart(4)}${text.slice(-1)} `;
}

function listRule(rule: Rule, number: number, options: ListOptions): string {
  const { numeric, verbose, exact, lineNumbers } = options;
  const { target, protocol, counters } = rule;
  let text = lineNumbers ? `${`${number}`.padEnd(4)} ` : "";
  if (verbose)
    text +=
      counter(counters.packets, exact) +
      (exact ? `${counters.bytes}`.padStart(10) + " " : counter(counters.bytes, exact));
  const name =
    target === undefined ? "" : target.kind === "jump" || target.kind === "goto" ? target.chain : target.kind;
  text += `${name.padEnd(9)} ${protocol?.inverted ? "!" : " "}`;
  text += `${(numeric ? `${protocol?.number ?? 0}` : protocol ? formatProtocol(protocol.number) : "all").padEnd(4)} `;
  text += `${rule.fragment?.inverted ? "!" : "-"}${rule.fragment ? "f" : "-"} `;
  if (verbose) text += ` ${device(rule.in)} ${device(rule.out)} `;
  text += `${address(rule.source, options)} ${address(rule.destination, options)} `;
  if (target?.kind === "goto") text += "[goto] ";
  for (const match of rule.matches) text += ` ${matchWords(match, numeric)}`;
  if (target && target.kind !== "jump" && target.kind !== "goto") {
    const words = targetWords(target);
    if (words !== "") text += ` ${words}`;
  }
  return text;
}

function device(test: InterfaceTest | undefined): string {
  return `${test?.inverted ? "!" : ""}${test?.name ?? "*"}`.padEnd(6);
}

function address(test: AddressTest | undefined, { numeric, family = "ipv4" }: ListOptions): string {
  const all = !numeric ? "anywhere" : family === "ipv4" ? "0.0.0.0/0" : "::/0";
  const text = test === undefined || Number(test.mask) === 0 ? all : formatBareNetwork(test);
  return `${test?.inverted ? "!" : " "}${text.padEnd(19)}`;
}

/** A match in its own words. Those of the rarer ones are as iptables-save has them. */
function matchWords(match: Match, numeric: boolean): string {
  // " -m kind --option value" without its first two words.
  const saved = printMatch(match).replace(/^ -m \S+ ?/, "");
  switch (match.kind) {
    case "comment":
      return `/* ${match.text} */`;
    case "tcp":
    case "udp":
    case "sctp":
      return portWords(match, saved);
    case "mark":
      return `mark match ${saved.replace("--mark ", "")}`;
    case "connmark":
      return `connmark match  ${saved.replace("--mark ", "")}`;
    case "conntrack":
    case "state":
    case "set":
      return saved.replaceAll("--", "");
    case "addrtype":
      return `ADDRTYPE match ${saved.replace(/(! )?--(src|dst)-type /g, (_, not: string | undefined, end: string) => `${end}-type ${not ? "!" : ""}`).replace("--limit-iface-", "limit-")}`;
    case "multiport":
      return `multiport ${saved.replace(/^(! )?--(\w+) /, (_, not: string | undefined, which: string) => `${which} ${not ? " !" : ""}`)}`;
    case "statistic":
      return `statistic ${saved.replaceAll("--", "")}`;
    case "limit":
      return `limit: avg ${/--limit (\S+)/.exec(saved)?.[1] ?? ""} burst ${match.burst}`;
    case "recent":
      return recentWords(match);
    case "icmp":
      return `icmptype ${match.inverted ? "!" : ""}${match.type}${match.code === undefined ? "" : ` code ${match.code}`}`;
    case "icmp6":
      return icmp6Words(match, numeric);
    case "ttl":
    case "hl":
      return hopWords(match);
    case "physdev":
      return `PHYSDEV match ${saved}`;
    case "length":
      return saved.replace("--", "");
    default:
      return `-m ${match.kind} ${saved}`.trim();
  }
}

/** By its name unless numbers are asked for. */
function icmp6Words({ type, code, inverted }: Match & { kind: "icmp6" }, numeric: boolean): string {
  const name = numeric ? undefined : icmp6Name(type, code);
  const not = inverted ? "!" : "";
  if (name !== undefined) return `ipv6-icmp ${not}${name}`;
  return `ipv6-icmp${inverted ? " " : ""}${not}type ${type}${code === undefined ? "" : ` code ${code}`}`;
}

/** `TTL match TTL == 64`. */
function hopWords({ kind, mode, value, inverted }: Match & { kind: "ttl" | "hl" }): string {
  const name = kind.toUpperCase();
  const sign = { eq: inverted ? "!=" : "==", lt: "<", gt: ">" }[mode];
  return `${name} match ${name} ${sign} ${value}`;
}

function portWords(match: Match & { kind: "tcp" | "udp" | "sctp" }, saved: string): string {
  const words: string[] = [match.kind];
  const range = (letter: string, test: { min: number; max: number; inverted: boolean } | undefined): void => {
    if (!test) return;
    const not = test.inverted ? "!" : "";
    if (test.min === test.max) words.push(`${letter}pt:${not}${test.min}`);
    else words.push(`${letter}pts:${not}${test.min}:${test.max}`);
  };
  range("s", match.sport);
  range("d", match.dport);
  if (match.kind === "tcp") {
    const { option, flags } = match;
    if (option) words.push(`option=${option.inverted ? "!" : ""}${option.number}`);
    if (flags) words.push(`flags:${flags.inverted ? "!" : ""}${formatHex(flags.mask, 2)}/${formatHex(flags.set, 2)}`);
  }
  return words.length === 1 && saved !== "" ? `${match.kind} ${saved}` : words.join(" ");
}

function recentWords(match: Match & { kind: "recent" }): string {
  const operations = { set: "SET", rcheck: "CHECK", update: "UPDATE", remove: "REMOVE" } as const;
  const { seconds, reap, hits, ttl, name, address: side, mask } = match;
  const words = [`${match.inverted ? "! " : ""}recent: ${operations[match.operation]}`];
  if (seconds !== undefined) words.push(`seconds: ${seconds}`);
  if (reap) words.push("reap");
  if (hits !== undefined) words.push(`hit_count: ${hits}`);
  if (ttl) words.push("TTL-Match");
  words.push(`name: ${name} side: ${side === "source" ? "source" : "dest"} mask: ${formatAddress(mask)}`);
  return words.join(" ");
}

function targetWords(target: ExtensionTarget): string {
  const extension: TargetExtension<ExtensionTarget> | undefined = findTarget(target.kind);
  const saved = (extension?.print(target) ?? "").trim();
  switch (target.kind) {
    case "DNAT":
    case "SNAT":
    case "NETMAP":
      return saved.replace(/^--to(-\w+)? /, "to:").replaceAll("--", "");
    case "REDIRECT":
      return saved.replace("--to-ports", "redir ports").replaceAll("--", "");
    case "MASQUERADE":
      return saved.replace("--to-ports", "masq ports:").replaceAll("--", "");
    case "MARK":
      return `MARK ${markWords(target.value, target.mask)}`;
    case "CONNMARK":
      if (target.mode === "set") return `CONNMARK ${markWords(target.value, target.mask)}`;
      return `CONNMARK ${target.mode}${connmarkMasks(target.packetMask, target.connectionMask)}`;
    case "LOG":
      return `LOG flags ${logFlags(target.flags)} level ${target.level}${target.prefix === "" ? "" : ` prefix "${target.prefix}"`}`;
    case "TCPMSS":
      return `TCPMSS ${saved.replace("--clamp-mss-to-pmtu", "clamp to PMTU").replace("--set-mss", "set")}`;
    case "CT":
      return `CT ${saved.replaceAll("--", "")}`;
    case "TTL":
    case "HL": {
      const words = { set: "set to", inc: "increment by", dec: "decrement by" };
      return `${target.kind} ${words[target.mode]} ${target.value}`;
    }
    case "DSCP":
      return `DSCP ${saved.replace("--set-dscp", "set")}`;
    case "TOS":
      return `TOS ${saved.replace("--set-tos", "set")}`;
    default:
      return saved.replaceAll("--", "");
  }
}

/** `and`, `or`, `xor`, `set`: what a value and a mask come to. */
function markWords(value: number, mask: number): string {
  if (value === 0) return `and ${formatHex(~mask >>> 0)}`;
  if (value === mask) return `or ${formatHex(value)}`;
  if (mask === 0) return `xor ${formatHex(value)}`;
  if (mask === 0xffffffff) return `set ${formatHex(value)}`;
  return `xset ${formatHex(value)}/${formatHex(mask)}`;
}

function connmarkMasks(packet: number, connection: number): string {
  if (packet === 0xffffffff && connection === 0xffffffff) return "";
  if (packet === connection) return ` mask ${formatHex(packet)}`;
  return ` nfmask ${formatHex(packet)} ctmask ~${formatHex(connection)}`;
}

function logFlags(flags: readonly string[]): number {
  const order = ["log-tcp-sequence", "log-tcp-options", "log-ip-options", "log-uid", "nflog", "log-macdecode"];
  return flags.reduce((bits, name) => bits | (1 << order.indexOf(name)), 0);
}
