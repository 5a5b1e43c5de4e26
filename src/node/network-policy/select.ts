// What the policies of a cluster mean in addresses: whom they isolate, whom their peers are, and where a named port leads.
import { familyOfText, podAddress, podIPs, type Family } from "../../kubernetes/families.ts";
import type {
  Cluster,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyRule,
  Pod,
  Protocol,
} from "../../kubernetes/objects.ts";
import { selectorMatches } from "../../kubernetes/selectors.ts";

export type Direction = "ingress" | "egress";

/** The parts of a cluster that policies speak of. */
export type PolicyCluster = Pick<Cluster, "pods" | "namespaces" | "networkPolicies">;

/** The rules of a policy in a direction; undefined if it does not isolate in it. */
export function rulesOf(policy: NetworkPolicy, direction: Direction): NetworkPolicyRule[] | undefined {
  return direction === "ingress" ? policy.ingress : policy.egress;
}

/** A policy as people write it: `default/deny-all`. */
export function policyName({ namespace, name }: NetworkPolicy): string {
  return `${namespace}/${name}`;
}

export class PolicySelection {
  readonly #cluster: PolicyCluster;
  /** Pods with a network of their own. One on the host's network is to others its node, which no selector means. */
  readonly #pods: Pod[];
  readonly #labels: Map<string, Record<string, string>>;
  readonly #peers = new Map<NetworkPolicyPeer, string[]>();

  constructor(cluster: PolicyCluster) {
    this.#cluster = cluster;
    this.#pods = cluster.pods.filter(({ podIP, hostNetwork }) => podIP !== "" && !hostNetwork);
    this.#labels = new Map(cluster.namespaces.map(({ name, labels }) => [name, labels]));
  }

  /** The policies that isolate a pod in a direction, in their order. */
  isolating(pod: Pod, direction: Direction): NetworkPolicy[] {
    if (pod.hostNetwork) return [];
    return this.#cluster.networkPolicies.filter(
      (policy) =>
        rulesOf(policy, direction) !== undefined &&
        policy.namespace === pod.namespace &&
        selectorMatches(policy.podSelector, pod.labels),
    );
  }

  /** The addresses of a family of the pods that a peer selects; none for an address block. */
  addressesOf(peer: NetworkPolicyPeer, policy: NetworkPolicy, family: Family = "IPv4"): string[] {
    return this.#addressesOf(peer, policy).filter((ip) => familyOfText(ip) === family);
  }

  #addressesOf(peer: NetworkPolicyPeer, { namespace }: NetworkPolicy): string[] {
    const known = this.#peers.get(peer);
    if (known) return known;
    const { podSelector, namespaceSelector } = peer;
    const found =
      podSelector === undefined && namespaceSelector === undefined
        ? []
        : this.#pods.filter((pod) => {
            const inNamespace =
              namespaceSelector === undefined
                ? pod.namespace === namespace
                : selectorMatches(namespaceSelector, this.#labels.get(pod.namespace) ?? {});
            return inNamespace && (podSelector === undefined || selectorMatches(podSelector, pod.labels));
          });
    const addresses = found.flatMap((pod) => podIPs(pod));
    this.#peers.set(peer, addresses);
    return addresses;
  }

  /** Where a named port is, pod by pod, at addresses of a family. */
  namedPorts(name: string, protocol: Protocol, family: Family = "IPv4"): { address: string; port: number }[] {
    return this.#pods.flatMap((pod) => {
      const address = podAddress(pod, family);
      if (address === undefined) return [];
      return pod.containers
        .flatMap(({ ports }) => ports)
        .filter((port) => port.name === name && port.protocol === protocol)
        .map(({ containerPort }) => ({ address, port: containerPort }));
    });
  }
}
