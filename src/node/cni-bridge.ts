// The CNI plugin `bridge` with host-local addresses: a node's bridge, each pod's veth pair, and the masquerading of what leaves the cluster.
//
// The plugin's ipMasq (https://www.cni.dev/plugins/current/main/bridge/) accepts what stays in the pod's own subnet, a node's /24, and
// masquerades all else. Alone it would hide a pod's address from the pods of other nodes, which Kubernetes' network model forbids. Clusters
// with one subnet a node therefore exempt the cluster's pod range from masquerading, as ip-masq-agent does with nonMasqueradeCIDRs.
// Here one rule in POSTROUTING does that, between KUBE-POSTROUTING and the plugin's jumps; the plugin's own rules stay as it writes
// them. So only what leaves the pod range is masqueraded: to nodes, to the outside and to cluster IPs that no Service has.
import { createHash } from "node:crypto";
import { formatIpv4, parseCidr } from "../address.ts";
import { formatIpv6, parseCidr6 } from "../address6.ts";
import { nodeRange, podAddress, podIPs, type Family } from "../kubernetes/families.ts";
import type { Node, Pod } from "../kubernetes/objects.ts";
import type { Machine } from "../seam/machine.ts";
import { peerMac, podMac } from "./macs.ts";
import { comment, hostBlock, type RuleTable } from "./tables.ts";

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

/** The node's pod range of a family. Throws a TypeError if it is not a CIDR. */
export function podSubnet(node: Node, family: Family = "IPv4"): PodSubnet {
  const range = nodeRange(node, family) ?? "";
  const six = family === "IPv6" ? parseCidr6(range) : undefined;
  if (six)
    return {
      network: `${formatIpv6(six.network)}/${six.prefix}`,
      prefix: six.prefix,
      gateway: formatIpv6(six.network + 1n),
    };
  const cidr = parseCidr(range);
  if (!cidr) throw new TypeError(`podCIDR ${range} of node ${node.name} is not an ${family} CIDR`);
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

/** The node's pod ranges, of IPv4 first. */
function podSubnets(node: Node): PodSubnet[] {
  const families = (["IPv4", "IPv6"] as const).filter((family) => nodeRange(node, family) !== undefined);
  return families.map((family) => podSubnet(node, family));
}

/** Adds the bridge with its addresses to the node's machine. */
export function addBridge(machine: Machine, node: Node, mtu: number): void {
  const subnets = podSubnets(node);
  machine.bridges.push({ namespace: node.name, name: BRIDGE, mac: podMac(subnets[0]?.gateway ?? ""), mtu });
  for (const { gateway, prefix } of subnets)
    machine.addresses.push({ namespace: node.name, device: BRIDGE, cidr: `${gateway}/${prefix}` });
}

/** The plugin's ADD: the pod's namespace gets eth0 on the bridge, of each family its address and a default route. */
export function connectPod(machine: Machine, node: Node, pod: Pod, mtu: number, hairpin: boolean): void {
  const namespace = `${pod.namespace}/${pod.name}`;
  const name = vethName(pod, new Set(machine.veths.map(({ a }) => a.name)));
  const own = podAddress(pod, "IPv4") ?? pod.podIP;
  machine.veths.push({
    a: { namespace: node.name, name, mac: peerMac(own), bridge: BRIDGE, hairpin },
    b: { namespace, name: "eth0", mac: podMac(own) },
    mtu,
  });
  for (const address of podIPs(pod)) {
    const six = address.includes(":");
    const { gateway, prefix } = podSubnet(node, six ? "IPv6" : "IPv4");
    machine.addresses.push({ namespace, device: "eth0", cidr: `${address}/${prefix}` });
    machine.routes.push({ namespace, destination: six ? "::/0" : "0.0.0.0/0", via: gateway, device: "eth0" });
  }
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

/** What of all addresses is multicast, which is not masqueraded. */
const MULTICAST = { IPv4: "224.0.0.0/4", IPv6: "ff00::/8" } as const;

/** The plugin's ipMasq rules for one pod and one family, if the pod has an address of it. */
export function addPodMasquerade(nat: RuleTable, node: Node, pod: Pod, family: Family = "IPv4"): void {
  const address = podAddress(pod, family);
  if (address === undefined) return;
  const chain = cniChain(NETWORK_NAME, containerId(pod));
  const matches = [containerComment(pod)];
  nat.append(chain, { destination: podSubnet(node, family).network, matches, target: "ACCEPT" });
  nat.append(chain, { destination: `! ${MULTICAST[family]}`, matches, target: "MASQUERADE" });
  nat.append("POSTROUTING", { source: hostBlock(address), matches, target: chain });
}
