// What NetworkPolicies say, straight from the API's words and with no idea of iptables: the judge of the property test.
import { cidrContains, parseCidr, parseIpv4 } from "../../src/address.ts";
import type {
  Cluster,
  ContainerPort,
  Labels,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyRule,
  Pod,
} from "../../src/kubernetes/objects.ts";

type Selector = NetworkPolicy["podSelector"];

/** Whether `from` may open a connection to a port of `to`. */
export function mayCall(cluster: Cluster, from: Pod, to: Pod, port: ContainerPort): boolean {
  if (from === to) return true;
  const leaves = permits(cluster, from, to, "egress", to, port);
  return leaves && permits(cluster, to, from, "ingress", to, port);
}

function permits(
  cluster: Cluster,
  isolated: Pod,
  other: Pod,
  direction: "ingress" | "egress",
  called: Pod,
  port: ContainerPort,
): boolean {
  const policies = cluster.networkPolicies.filter(
    (policy) =>
      policy.namespace === isolated.namespace && policy[direction] && selects(policy.podSelector, isolated.labels),
  );
  if (policies.length === 0) return true;
  return policies.some((policy) =>
    (policy[direction] ?? []).some((rule) => ruleAllows(cluster, policy, rule, other, called, port)),
  );
}

function ruleAllows(
  cluster: Cluster,
  policy: NetworkPolicy,
  { peers, ports }: NetworkPolicyRule,
  other: Pod,
  called: Pod,
  port: ContainerPort,
): boolean {
  const isPeer = peers.length === 0 || peers.some((peer) => peerIs(cluster, policy, peer, other));
  return isPeer && (ports.length === 0 || ports.some((allowed) => portIs(allowed, called, port)));
}

function peerIs(cluster: Cluster, policy: NetworkPolicy, peer: NetworkPolicyPeer, other: Pod): boolean {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (ipBlock) {
    const holds = (cidr: string): boolean => {
      const block = parseCidr(cidr);
      return block !== undefined && cidrContains(block, parseIpv4(other.podIP) ?? 0);
    };
    return holds(ipBlock.cidr) && !ipBlock.except.some(holds);
  }
  const labels = cluster.namespaces.find(({ name }) => name === other.namespace)?.labels ?? {};
  const there = namespaceSelector ? selects(namespaceSelector, labels) : other.namespace === policy.namespace;
  return there && (!podSelector || selects(podSelector, other.labels));
}

function portIs(allowed: NetworkPolicyPort, called: Pod, { containerPort, protocol }: ContainerPort): boolean {
  if (allowed.protocol !== protocol) return false;
  if (allowed.port === undefined) return true;
  if (typeof allowed.port === "number")
    return containerPort >= allowed.port && containerPort <= (allowed.endPort ?? allowed.port);
  return called.containers
    .flatMap(({ ports }) => ports)
    .some((port) => port.name === allowed.port && port.protocol === protocol && port.containerPort === containerPort);
}

function selects({ matchLabels, matchExpressions }: Selector, labels: Labels): boolean {
  for (const key in matchLabels) if (labels[key] !== matchLabels[key]) return false;
  return matchExpressions.every(({ key, operator, values }) => {
    const value = labels[key];
    if (operator === "Exists") return value !== undefined;
    if (operator === "DoesNotExist") return value === undefined;
    const among = value !== undefined && values.includes(value);
    return operator === "In" ? among : !among;
  });
}
