// kube-proxy's iptables rules in ipvs mode: jumps, masquerading and filters, which ask sets and do not grow with the Services.
import { parseProtocol } from "../../../iptables/protocols.ts";
import { comment, type NodeTables, type RuleText } from "../../tables.ts";
import { localDetector, type ProxyContext } from "../context.ts";
import { networkForm } from "../ip.ts";
import { addForwarding, addMasquerade } from "../static.ts";
import type { IpvsState } from "./services.ts";
import type { ProxySets, SetName } from "./sets.ts";

const CHAINS = {
  nat: ["KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ"],
  filter: [
    "KUBE-FORWARD",
    "KUBE-NODE-PORT",
    "KUBE-PROXY-FIREWALL",
    "KUBE-SOURCE-RANGES-FIREWALL",
    "KUBE-IPVS-FILTER",
    "KUBE-IPVS-OUT-FILTER",
  ],
} as const;

/** In the order in which kube-proxy ensures them; each goes to the head of its chain, so the chains read backwards. */
const JUMPS = [
  ["nat", "OUTPUT", "KUBE-SERVICES", "kubernetes service portals"],
  ["nat", "PREROUTING", "KUBE-SERVICES", "kubernetes service portals"],
  ["nat", "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules"],
  ["filter", "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules"],
  ["filter", "INPUT", "KUBE-NODE-PORT", "kubernetes health check rules"],
  ["filter", "INPUT", "KUBE-PROXY-FIREWALL", "kube-proxy firewall rules"],
  ["filter", "FORWARD", "KUBE-PROXY-FIREWALL", "kube-proxy firewall rules"],
  ["filter", "INPUT", "KUBE-IPVS-FILTER", "kubernetes ipvs access filter"],
  ["filter", "OUTPUT", "KUBE-IPVS-OUT-FILTER", "kubernetes ipvs access filter"],
] as const;

type Directions = "dst" | "dst,dst" | "dst,dst,src" | "src,dst";

/** A rule for each set that is not empty: table, chain, set, what of the packet is looked up, target, protocol. */
const BY_SET: readonly (readonly ["nat" | "filter", string, SetName, Directions, string, string?])[] = [
  ["nat", "KUBE-POSTROUTING", "LOOP-BACK", "dst,dst,src", "MASQUERADE"],
  ["nat", "KUBE-SERVICES", "LOAD-BALANCER", "dst,dst", "KUBE-LOAD-BALANCER"],
  ["nat", "KUBE-LOAD-BALANCER", "LOAD-BALANCER-LOCAL", "dst,dst", "RETURN"],
  ["nat", "KUBE-NODE-PORT", "NODE-PORT-LOCAL-TCP", "dst", "RETURN", "tcp"],
  ["nat", "KUBE-NODE-PORT", "NODE-PORT-TCP", "dst", "KUBE-MARK-MASQ", "tcp"],
  ["nat", "KUBE-NODE-PORT", "NODE-PORT-LOCAL-UDP", "dst", "RETURN", "udp"],
  ["nat", "KUBE-NODE-PORT", "NODE-PORT-UDP", "dst", "KUBE-MARK-MASQ", "udp"],
  ["nat", "KUBE-NODE-PORT", "NODE-PORT-LOCAL-SCTP-HASH", "dst,dst", "RETURN", "sctp"],
  ["nat", "KUBE-NODE-PORT", "NODE-PORT-SCTP-HASH", "dst,dst", "KUBE-MARK-MASQ", "sctp"],
  ["filter", "KUBE-PROXY-FIREWALL", "LOAD-BALANCER-FW", "dst,dst", "KUBE-SOURCE-RANGES-FIREWALL"],
  ["filter", "KUBE-SOURCE-RANGES-FIREWALL", "LOAD-BALANCER-SOURCE-CIDR", "dst,dst,src", "RETURN"],
  ["filter", "KUBE-SOURCE-RANGES-FIREWALL", "LOAD-BALANCER-SOURCE-IP", "dst,dst,src", "RETURN"],
];

function bare(sets: ProxySets, name: SetName, directions: Directions): string {
  return `-m set --match-set ${sets.nameOf(name)} ${directions}`;
}

function named(sets: ProxySets, name: SetName, directions: Directions): string[] {
  return [comment(sets.commentOf(name)), bare(sets, name, directions)];
}

/** Makes the chains and the jumps to them. */
export function addIpvsChains(tables: NodeTables): void {
  for (const table of ["nat", "filter"] as const) tables[table].declare(...CHAINS[table]);
  for (const [table, from, to, text] of JUMPS) tables[table].prepend(from, { matches: [comment(text)], target: to });
}

/** Appends the rules of a sync, in the order in which kube-proxy writes them (writeIptablesRules). */
export function addIpvsRules(tables: NodeTables, { sets, guarded }: IpvsState, context: ProxyContext): void {
  const { nat, filter } = tables;
  nat.append("KUBE-SERVICES", { source: context.ipFamily === "IPv4" ? "127.0.0.0/8" : "::1/128", target: "RETURN" });
  for (const [table, chain, name, directions, target, protocol] of BY_SET)
    if (!sets.isEmpty(name))
      tables[table].append(chain, {
        ...(protocol === undefined ? {} : { protocol }),
        matches: named(sets, name, directions),
        target,
      });
  addClusterIPRule(tables, sets, context);
  if (!sets.isEmpty("EXTERNAL-IP")) {
    const matches = named(sets, "EXTERNAL-IP", "dst,dst");
    nat.append("KUBE-SERVICES", { matches, target: "KUBE-MARK-MASQ" });
    addExternalRules(tables, matches);
  }
  if (!sets.isEmpty("EXTERNAL-IP-LOCAL")) addExternalRules(tables, named(sets, "EXTERNAL-IP-LOCAL", "dst,dst"));
  nat.append("KUBE-SERVICES", { matches: ["-m addrtype --dst-type LOCAL"], target: "KUBE-NODE-PORT" });
  nat.append("KUBE-LOAD-BALANCER", { target: "KUBE-MARK-MASQ" });
  filter.append("KUBE-SOURCE-RANGES-FIREWALL", { target: "DROP" });
  for (const { address, protocol, port } of guarded)
    filter.append("KUBE-IPVS-OUT-FILTER", {
      source: networkForm(address),
      matches: [`-m ipvs --vproto ${parseProtocol(protocol) ?? protocol} --vaddr ${address} --vport ${port}`],
      target: "DROP",
    });
  for (const name of ["CLUSTER-IP", "LOAD-BALANCER"] as const)
    if (!sets.isEmpty(name)) nat.append("KUBE-SERVICES", { matches: [bare(sets, name, "dst,dst")], target: "ACCEPT" });
  addForwarding(tables, context);
  addAccessFilter(tables, sets, context);
  addMasquerade(tables, context);
}

/** Who is no pod of the cluster is masqueraded; where that cannot be told, the node itself, whose source is the address that it calls. */
function addClusterIPRule({ nat }: NodeTables, sets: ProxySets, context: ProxyContext): void {
  if (sets.isEmpty("CLUSTER-IP")) return;
  const who: RuleText = context.masqueradeAll ? {} : (localDetector(context)?.notLocal ?? {});
  const isBlind = !context.masqueradeAll && localDetector(context) === undefined;
  const matches = named(sets, "CLUSTER-IP", isBlind ? "src,dst" : "dst,dst");
  nat.append("KUBE-SERVICES", { ...who, matches, target: "KUBE-MARK-MASQ" });
}

/** What comes from off the machine, or is for an address that is local anyway. */
function addExternalRules({ nat }: NodeTables, matches: readonly string[]): void {
  const fromOutside = ["-m physdev ! --physdev-is-in", "-m addrtype ! --src-type LOCAL"];
  nat.append("KUBE-SERVICES", { matches: [...matches, ...fromOutside], target: "ACCEPT" });
  nat.append("KUBE-SERVICES", { matches: [...matches, "-m addrtype --dst-type LOCAL"], target: "ACCEPT" });
}

/** kube-ipvs0 makes addresses of Services local; what listens on all addresses of the node must not answer there. */
function addAccessFilter({ filter }: NodeTables, sets: ProxySets, { ipFamily }: ProxyContext): void {
  const health = named(sets, "HEALTH-CHECK-NODE-PORT", "dst");
  filter.append("KUBE-NODE-PORT", { matches: health, target: "ACCEPT" });
  const open = [
    ["LOAD-BALANCER", "dst,dst"],
    ["CLUSTER-IP", "dst,dst"],
    ["EXTERNAL-IP", "dst,dst"],
    ["EXTERNAL-IP-LOCAL", "dst,dst"],
    ["HEALTH-CHECK-NODE-PORT", "dst"],
  ] as const;
  for (const [name, directions] of open)
    filter.append("KUBE-IPVS-FILTER", { matches: [bare(sets, name, directions)], target: "RETURN" });
  filter.append("KUBE-IPVS-FILTER", {
    matches: ["-m conntrack --ctstate NEW", bare(sets, "IPVS-IPS", "dst")],
    target: `REJECT --reject-with ${ipFamily === "IPv4" ? "icmp-port-unreachable" : "icmp6-port-unreachable"}`,
  });
}
