// The rules that kube-proxy writes whatever the Services are: jumps from the built-in chains, marks, masquerading, forwarding.
import { MARTIAN_GUARD } from "../kubelet-chains.ts";
import { comment, type NodeTables, type RuleText } from "../tables.ts";
import { localhostNodePorts, masqueradeMark, nodePortIPs, nodePortsEverywhere, type ProxyContext } from "./context.ts";
import { networkForm } from "./ip.ts";

const NEW = "-m conntrack --ctstate NEW";

/** A jump that kube-proxy ensures in a built-in chain. */
interface Jump {
  table: "nat" | "filter";
  from: string;
  to: string;
  matches: string[];
}

function jump(table: "nat" | "filter", from: string, to: string, text?: string, match?: string): Jump {
  const matches = [...(match === undefined ? [] : [match]), ...(text === undefined ? [] : [comment(text)])];
  return { table, from, to, matches };
}

/** In the order in which kube-proxy ensures them; each goes to the head of its chain, so the chains read backwards. */
const JUMPS: readonly Jump[] = [
  jump("filter", "INPUT", "KUBE-EXTERNAL-SERVICES", "kubernetes externally-visible service portals", NEW),
  jump("filter", "FORWARD", "KUBE-EXTERNAL-SERVICES", "kubernetes externally-visible service portals", NEW),
  jump("filter", "INPUT", "KUBE-NODEPORTS", "kubernetes health check service ports"),
  jump("filter", "FORWARD", "KUBE-SERVICES", "kubernetes service portals", NEW),
  jump("filter", "OUTPUT", "KUBE-SERVICES", "kubernetes service portals", NEW),
  jump("filter", "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules"),
  jump("filter", "INPUT", "KUBE-PROXY-FIREWALL", "kubernetes load balancer firewall", NEW),
  jump("filter", "OUTPUT", "KUBE-PROXY-FIREWALL", "kubernetes load balancer firewall", NEW),
  jump("filter", "FORWARD", "KUBE-PROXY-FIREWALL", "kubernetes load balancer firewall", NEW),
  jump("nat", "OUTPUT", "KUBE-SERVICES", "kubernetes service portals"),
  jump("nat", "PREROUTING", "KUBE-SERVICES", "kubernetes service portals"),
  jump("nat", "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules"),
  jump("filter", "INPUT", "KUBE-FIREWALL"),
  jump("filter", "OUTPUT", "KUBE-FIREWALL"),
];

/** Makes the chains and jumps that come before any Service. `kubelet`: whether KUBE-FIREWALL and its jumps are there already. */
export function addBaseChains(tables: NodeTables, kubelet: boolean): void {
  for (const table of [tables.mangle, tables.nat, tables.filter]) table.declare("KUBE-PROXY-CANARY");
  tables.nat.declare("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ");
  tables.filter.declare("KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD", "KUBE-NODEPORTS");
  tables.filter.declare("KUBE-PROXY-FIREWALL", "KUBE-FIREWALL");
  for (const { table, from, to, matches } of JUMPS)
    if (to !== "KUBE-FIREWALL" || !kubelet) tables[table].prepend(from, { matches, target: to });
}

/** The rules that follow those of the Services. `kubelet`: whether the guard of KUBE-FIREWALL is there already. */
export function addStaticRules(tables: NodeTables, context: ProxyContext, kubelet: boolean): void {
  for (const rule of nodePortJumps(context)) tables.nat.append("KUBE-SERVICES", rule);
  addMasquerade(tables, context);
  addForward(tables, context);
  if (localhostNodePorts(context) && !kubelet) tables.filter.append("KUBE-FIREWALL", MARTIAN_GUARD);
}

/** The last rules of KUBE-SERVICES: what is addressed to the node itself may be for a node port. */
function nodePortJumps(context: ProxyContext): RuleText[] {
  const note = comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain");
  const target = "KUBE-NODEPORTS";
  if (!nodePortsEverywhere(context))
    return nodePortIPs(context).map((ip) => ({ destination: networkForm(ip), matches: [note], target }));
  const rule: RuleText = { matches: [note, "-m addrtype --dst-type LOCAL"], target };
  if (localhostNodePorts(context)) return [rule];
  return [{ ...rule, destination: context.ipFamily === "IPv4" ? "! 127.0.0.0/8" : "! ::1/128" }];
}

/** KUBE-MARK-MASQ marks, KUBE-POSTROUTING masquerades what is marked and takes the mark off again. */
export function addMasquerade(tables: NodeTables, context: ProxyContext): void {
  const mark = masqueradeMark(context);
  tables.nat.append("KUBE-POSTROUTING", { matches: [`-m mark ! --mark ${mark}/${mark}`], target: "RETURN" });
  tables.nat.append("KUBE-POSTROUTING", { target: `MARK --set-xmark ${mark}/0x0` });
  tables.nat.append("KUBE-POSTROUTING", {
    matches: [comment("kubernetes service traffic requiring SNAT")],
    target: context.randomFully ? "MASQUERADE --random-fully" : "MASQUERADE",
  });
  tables.nat.append("KUBE-MARK-MASQ", { target: `MARK --set-xmark ${mark}/${mark}` });
}

function addForward(tables: NodeTables, context: ProxyContext): void {
  // A packet out of its connection's window would pass with its address untranslated and make the client reset.
  if (!context.conntrackTCPBeLiberal)
    tables.filter.append("KUBE-FORWARD", {
      matches: [
        "-m conntrack --ctstate INVALID",
        ...(context.nfacct ? ["-m nfacct --nfacct-name  ct_state_invalid_dropped_pkts"] : []),
      ],
      target: "DROP",
    });
  addForwarding(tables, context);
}

/** Lets through what is marked, and what belongs to a connection, whatever the policy of FORWARD is. */
export function addForwarding(tables: NodeTables, context: ProxyContext): void {
  const mark = masqueradeMark(context);
  tables.filter.append("KUBE-FORWARD", {
    matches: [comment("kubernetes forwarding rules"), `-m mark --mark ${mark}/${mark}`],
    target: "ACCEPT",
  });
  tables.filter.append("KUBE-FORWARD", {
    matches: [comment("kubernetes forwarding conntrack rule"), "-m conntrack --ctstate RELATED,ESTABLISHED"],
    target: "ACCEPT",
  });
}
