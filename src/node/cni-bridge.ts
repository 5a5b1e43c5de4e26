// The CNI plugin `bridge` with host-local addresses: a node's bridge, each pod's veth pair, and the masquerading of what leaves the cluster.
//
// The plugin's ipMasq (https://www.cni.dev/plugins/current/main/bridge/) accepts what stays in the pod's own subnet, a node's /24, and
// masquerades all else. Alone it would hide a pod's address from the pods of other nodes, which Kubernetes' network model forbids. Clusters
// with one subnet a node therefore exempt the cluster's pod range from masquerading, as ip-masq-agent does with nonMasqueradeCIDRs.
// Here one rule in POSTROUTING does that, between KUBE-POSTROUTING and the plugin's jumps; the plugin's own rules stay as it writes
// them. So only what leaves the pod range is masqueraded: to nodes, to the outside and to cluster IPs that no Service has.
import { createHash } from "node:crypto";
import { formatIpv4, parseCidr } from "../address.ts";
import type { Node, Pod } from "../kubernetes/objects.ts";
import type { Machine } from "../seam/machine.ts";
import { peerMac, podMac } from "./macs.ts";
import { comment, type RuleTable } from "./tables.ts";

/** The name of the network in its CNI configuration; it is part of the chains' names. */
export const NETWORK_NAME = "podwire";
export const BRIDGE = "vbr0";

/** What the plugin needs to know of a pod's place: its range on this node. */
export interface PodSubnet {
  /** `10.244.1.0/24` */
  network: string;
  prefix: number;
  /** The bridge's address, the first of the range. */
  gateway: string;
}

/** The node's pod range. Throws a TypeError if it is not a CIDR. */
export function podSubnet(node: Node): PodSubnet {
  const cidr = parseCidr(node.podCIDR);
  if (!cidr) throw new TypeError(`podCIDR ${node.podCIDR} of node ${node.name} is not an IPv4 CIDR`);
  const { network, prefix } = cidr;
  return { network: `${formatIpv4(network)}/${prefix}`, prefix, gateway: formatIpv4(network + 1) };
}

/** A pod's sandbox id: 64 hex digits that stay the same from run to run. */
export function containerId(pod: Pod): string {
  return createHash("sha256").update(`${pod.namespace}/${pod.name}`).digest("hex");
}

/** A chain of a CNI plugin: prefix and SHA-512 of network name and container id, cut to 28 characters. */
export function cniChain(network: string, container: string, prefix = "CNI-"): string {
  const digest = createHash("sha512")
    .update(network + container)
    .digest("hex");
  return (prefix + digest).slice(0, 28);
}

/** The comment on the rules of one container. */
export function containerComment(pod: Pod, before = ""): string {
  return comment(`${before}name: "${NETWORK_NAME}" id: "${containerId(pod)}"`);
}

/**
 * The name of a pod's veth end on the node: `veth` and 8 hex digits. The real plugin draws them at random; here they are a hash of
 * the pod's name, the next 8 digits if `taken` has the first.
 */
export function vethName(pod: Pod, taken: ReadonlySet<string> = new Set()): string {
  const digest = createHash("sha256").update(`${pod.namespace}/${pod.name}`).digest("hex");
  for (let at = 0; at < digest.length; at += 8) {
    const name = `veth${digest.slice(at, at + 8)}`;
    if (!taken.has(name)) return name;
  }
  throw new RangeError(`no free veth name for pod ${pod.namespace}/${pod.name}`);
}

/** Adds the bridge with its address to the node's machine. */
export function addBridge(machine: Machine, node: Node, mtu: number): void {
  const { gateway, prefix } = podSubnet(node);
  machine.bridges.push({ namespace: node.name, name: BRIDGE, mac: podMac(gateway), mtu });
  machine.addresses.push({ namespace: node.name, device: BRIDGE, cidr: `${gateway}/${prefix}` });
}

/** The plugin's ADD: the pod's namespace gets eth0 on the bridge, its address and a default route. */
export function connectPod(machine: Machine, node: Node, pod: Pod, mtu: number, hairpin: boolean): void {
  const { gateway, prefix } = podSubnet(node);
  const namespace = `${pod.namespace}/${pod.name}`;
  const name = vethName(pod, new Set(machine.veths.map(({ a }) => a.name)));
  machine.veths.push({
    a: { namespace: node.name, name, mac: peerMac(pod.podIP), bridge: BRIDGE, hairpin },
    b: { namespace, name: "eth0", mac: podMac(pod.podIP) },
    mtu,
  });
  machine.addresses.push({ namespace, device: "eth0", cidr: `${pod.podIP}/${prefix}` });
  machine.routes.push({ namespace, destination: "0.0.0.0/0", via: gateway, device: "eth0" });
}

/** Exempts traffic between the cluster's pods from masquerading. `podCIDR` is the whole cluster's. */
export function addPodRangeExemption(nat: RuleTable, podCIDR: string): void {
  nat.append("POSTROUTING", {
    source: podCIDR,
    destination: podCIDR,
    matches: [comment("pods keep their address inside the cluster")],
    target: "ACCEPT",
  });
}

/** The plugin's ipMasq rules for one pod. */
export function addPodMasquerade(nat: RuleTable, node: Node, pod: Pod): void {
  const chain = cniChain(NETWORK_NAME, containerId(pod));
  const matches = [containerComment(pod)];
  nat.append(chain, { destination: podSubnet(node).network, matches, target: "ACCEPT" });
  nat.append(chain, { destination: "! 224.0.0.0/4", matches, target: "MASQUERADE" });
  nat.append("POSTROUTING", { source: `${pod.podIP}/32`, matches, target: chain });
}
