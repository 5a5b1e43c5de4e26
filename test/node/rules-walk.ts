// A packet through the rules of a node as upstream's tests of kube-proxy follow one: nat PREROUTING, then the chains of filter that refuse.
import { BlockList, isIP } from "node:net";
import { parseRules, type ParsedRules } from "./rules-text.ts";

export interface Packet {
  from: string;
  to: string;
  port: number;
  protocol: string;
}

const REFUSING = ["KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-PROXY-FIREWALL"];

/**
 * Where a first packet goes: the endpoints that it may be sent to, joined by blanks, or ACCEPT, DROP or REJECT; then ` masqueraded` if it
 * is marked for that; empty if no rule wants it. `local`: the node's own addresses. Rules that ask for a state or a memory do not match.
 */
export function walk(text: string, packet: Packet, local: readonly string[]): string {
  const rules = parseRules(text);
  const found: string[] = [];
  const state = { found, masqueraded: false };
  runChain(rules, "nat", "PREROUTING", packet, local, state);
  const [sent] = found;
  const to = sent === undefined ? packet.to : sent.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  for (const chain of REFUSING) runChain(rules, "filter", chain, { ...packet, to }, local, state);
  return found.join(" ") + (state.masqueraded ? " masqueraded" : "");
}

function runChain(
  rules: ParsedRules,
  table: string,
  chain: string,
  packet: Packet,
  local: readonly string[],
  state: { found: string[]; masqueraded: boolean },
): boolean {
  for (const rule of rules.get(table)?.get(chain) ?? []) {
    const target = / -j (\S+)/.exec(` ${rule}`)?.[1];
    if (target === undefined || !matches(rule, packet, local)) continue;
    if (target === "KUBE-MARK-MASQ") state.masqueraded = true;
    else if (target === "DNAT") return end(state, / --to-destination (\S+)/.exec(rule)?.[1] ?? "");
    else if (!target.startsWith("KUBE-")) return end(state, target);
    else if (runChain(rules, table, target, packet, local, state) && !rule.includes("--probability")) return true;
  }
  return false;
}

function end(state: { found: string[] }, what: string): true {
  state.found.push(what);
  return true;
}

function matches(rule: string, { from, to, port, protocol }: Packet, local: readonly string[]): boolean {
  const asks = (option: string, holds: (value: string) => boolean): boolean => {
    const [, not, value] = new RegExp(`(?:^| )(! )?${option} (\\S+)`).exec(rule) ?? [];
    return value === undefined || holds(value) !== (not !== undefined);
  };
  return (
    asks("-s", (block) => inside(block, from)) &&
    asks("-d", (block) => inside(block, to)) &&
    asks("-p", (name) => name === protocol) &&
    asks("--dport", (text) => Number(text) === port) &&
    asks("--src-type", () => local.includes(from)) &&
    asks("--dst-type", () => local.includes(to)) &&
    !/--rcheck|--ctstate|--mark /.test(rule)
  );
}

function inside(block: string, address: string): boolean {
  const [network = "", prefix = ""] = block.split("/");
  const family = isIP(network) === 4 ? "ipv4" : "ipv6";
  if (isIP(network) !== isIP(address)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family);
  return list.check(address, family);
}
