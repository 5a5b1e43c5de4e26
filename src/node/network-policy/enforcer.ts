// NetworkPolicies in a node's filter table: what is forwarded from or to an isolated pod of the node must be let through by a policy.
//
//   FORWARD -> NETPOL-FORWARD -> NETPOL-POD-OUT-... (the pod that sends) -> NETPOL-OUT-... (each policy that isolates it)
//                             -> NETPOL-POD-IN-...  (the pod that is called) -> NETPOL-IN-...
//
// A policy's chain marks what it lets through; a pod's chain returns what is marked and drops the rest. Answers return at once. All this
// stands in FORWARD, where bridged frames pass too (br_netfilter), where the destination of a Service is a pod already, and where the
// source is not masqueraded yet. INPUT and OUTPUT have no part in it: between a pod and its own node everything is allowed.
import { podAddress, type Family } from "../../kubernetes/families.ts";
import type { Node, Pod } from "../../kubernetes/objects.ts";
import { chainHash } from "../kube-proxy/names.ts";
import { podsOf } from "../kubelet.ts";
import { comment, hostBlock, type RuleTable, type RuleText } from "../tables.ts";
import { conditionsOf } from "./rules.ts";
import { policyName, PolicySelection, rulesOf, type Direction, type PolicyCluster } from "./select.ts";
import { PolicySets } from "./sets.ts";

const FORWARD = "NETPOL-FORWARD";
/** The bit that says that a policy lets the packet through; kube-proxy and portmap have 0x4000 and 0x2000. */
const ALLOWED = "0x10000";
/** iptables takes comments shorter than 256 characters. */
const LONGEST_COMMENT = 255;

const WORDS = {
  ingress: { pod: "NETPOL-POD-IN-", policy: "NETPOL-IN-", preposition: "to" },
  egress: { pod: "NETPOL-POD-OUT-", policy: "NETPOL-OUT-", preposition: "from" },
} as const;
const DIRECTIONS: readonly Direction[] = ["egress", "ingress"];

/** A pod that policies isolate in a direction, and the chain that drops what none of them lets through. */
export interface Isolation {
  chain: string;
  pod: string;
  direction: Direction;
  /** `default/deny-all`, in their order. */
  policies: string[];
}

/** Every isolation of a cluster. */
export function isolations(cluster: PolicyCluster): Isolation[] {
  if (cluster.networkPolicies.length === 0) return [];
  const selection = new PolicySelection(cluster);
  return cluster.pods.filter(({ podIP }) => podIP !== "").flatMap((pod) => isolationsOf(pod, selection));
}

function isolationsOf(pod: Pod, selection: PolicySelection): Isolation[] {
  return DIRECTIONS.flatMap((direction) => {
    const policies = selection.isolating(pod, direction).map(policyName);
    const path = `${pod.namespace}/${pod.name}`;
    if (policies.length === 0) return [];
    return [{ chain: WORDS[direction].pod + shortHash(`${path} ${direction}`), pod: path, direction, policies }];
  });
}

/** Neighbour solicitation and advertisement, which pass the bridge between pods of a node as any packet does (RFC 4861). */
const DISCOVERY = [135, 136] as const;

/** No policy means what finds neighbours: without it nobody could be reached at all. */
function discovery(type: number): RuleText {
  return {
    protocol: "ipv6-icmp",
    matches: [`-m icmp6 --icmpv6-type ${type}`, comment("neighbour discovery")],
    target: "RETURN",
  };
}

/** Chains have names of at most 28 characters. */
function shortHash(text: string): string {
  return chainHash(text).slice(0, 12);
}

function policyChain(policy: string, direction: Direction): string {
  return WORDS[direction].policy + shortHash(`${policy} ${direction}`);
}

/**
 * Adds the chains of a node's isolated pods to its filter table of a family, where chains have the same names as in the other one. Returns
 * the `ipset save` text that they need; empty if none.
 */
export function addNetworkPolicies(
  filter: RuleTable,
  cluster: PolicyCluster,
  node: Node,
  family: Family = "IPv4",
): string {
  const sets = new PolicySets(family);
  if (cluster.networkPolicies.length === 0) return "";
  const selection = new PolicySelection(cluster);
  const pods = podsOf(cluster, node).filter((pod) => podAddress(pod, family) !== undefined);
  const found = pods.flatMap((pod) => isolationsOf(pod, selection).map((isolation) => ({ pod, isolation })));
  if (found.length === 0) return "";
  filter.prepend("FORWARD", { matches: [comment("network policies")], target: FORWARD });
  filter.append(FORWARD, {
    matches: ["-m conntrack --ctstate RELATED,ESTABLISHED", comment("answers to what was let through")],
    target: "RETURN",
  });
  if (family === "IPv6") for (const type of DISCOVERY) filter.append(FORWARD, discovery(type));
  for (const direction of DIRECTIONS) {
    for (const { pod, isolation } of found)
      if (isolation.direction === direction) addPodChain(filter, podAddress(pod, family) ?? "", isolation);
    addPolicyChains(
      filter,
      sets,
      cluster,
      selection,
      direction,
      family,
      new Set(found.flatMap(({ isolation }) => (isolation.direction === direction ? isolation.policies : []))),
    );
  }
  return sets.print();
}

/**
 * ip_vs takes packets to Services at INPUT and sends them out by OUTPUT, so that they do not come by FORWARD: where it does, policies
 * are asked there, too. What the node itself sends is nobody's but its own. To be called when all policies have been added.
 */
export function guardVirtualServers(filter: RuleTable): void {
  if (!filter.has(FORWARD)) return;
  const matches = [comment("network policies of what ipvs sends on"), "-m addrtype ! --src-type LOCAL"];
  filter.prepend("OUTPUT", { matches, target: FORWARD });
}

function addPodChain(filter: RuleTable, address: string, isolation: Isolation): void {
  const { chain, direction, pod, policies } = isolation;
  const what = `${direction} ${WORDS[direction].preposition} ${pod}`;
  const [near, far] =
    direction === "ingress" ? (["destination", "source"] as const) : (["source", "destination"] as const);
  filter.append(FORWARD, { [near]: hostBlock(address), matches: [comment(cut(what))], target: chain });
  filter.append(chain, { target: `MARK --set-xmark 0x0/${ALLOWED}` });
  filter.append(chain, {
    [far]: hostBlock(address),
    matches: [comment("a pod can always call itself")],
    target: "RETURN",
  });
  for (const policy of policies)
    filter.append(chain, {
      matches: [comment(cut(`NetworkPolicy ${policy}`))],
      target: policyChain(policy, direction),
    });
  filter.append(chain, { matches: [`-m mark --mark ${ALLOWED}/${ALLOWED}`], target: "RETURN" });
  filter.append(chain, {
    matches: [comment(cut(`${what} denied by NetworkPolicy ${policies.join(", ")}`))],
    target: "DROP",
  });
}

function addPolicyChains(
  filter: RuleTable,
  sets: PolicySets,
  cluster: PolicyCluster,
  selection: PolicySelection,
  direction: Direction,
  family: Family,
  used: ReadonlySet<string>,
): void {
  for (const policy of cluster.networkPolicies) {
    const name = policyName(policy);
    if (!used.has(name)) continue;
    const chain = policyChain(name, direction);
    filter.declare(chain);
    rulesOf(policy, direction)?.forEach((rule, i) => {
      const note = comment(cut(`NetworkPolicy ${name} ${direction}[${i}]`));
      for (const { matches, ...condition } of conditionsOf(rule, i, { selection, sets, policy, direction, family }))
        filter.append(chain, {
          ...condition,
          matches: [...matches, note],
          target: `MARK --set-xmark ${ALLOWED}/${ALLOWED}`,
        });
    });
  }
}

function cut(text: string): string {
  return text.length <= LONGEST_COMMENT ? text : `${text.slice(0, LONGEST_COMMENT - 3)}...`;
}
