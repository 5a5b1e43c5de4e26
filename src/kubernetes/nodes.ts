// The cluster's nodes: from a number, a list or Node manifests, with the labels, addresses and pod ranges that each gets.
import {
  cidrContains,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  formatIpv4,
  parseCidr,
  parseIpv4,
  type Cidr,
} from "../address.ts";
import { InputError } from "../errors.ts";
import { familyOfText, IPV4_ALONE, type FamilyOptions } from "./families.ts";
import { nodeAddresses6, podRanges6, type WantedSix } from "./node-ranges6.ts";
import type { Taint } from "./node-schema.ts";
import type { Labels, Node } from "./objects.ts";
import type { ParsedNode } from "./parse.ts";

/** The cluster autoscaler's mark of a node that it is about to delete. */
export const TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler";
export const ZONE = "topology.kubernetes.io/zone";

export interface NodeOptions extends FamilyOptions {
  /** A number, or each node's own. Nodes written as `kind: Node` manifests come in place of a number if there are any. */
  nodes: number | { name: string; labels?: Labels | undefined; zone?: string | undefined }[];
  /** `10.244.0.0/16`: a /24 for each node; node i, counted from 1, has 10.244.i.0/24. Empty if pods have no IPv4. */
  podCIDR: string;
  /** `192.168.0.0/24`: node i, counted from 1, has the address 10 + i. */
  nodeCIDR: string;
}

/** A node with what the scheduler needs besides. */
export interface ClusterNode {
  node: Node;
  taints: Taint[];
}

/** A node before it has an address and a pod range, unless it was given them. */
interface Wanted extends WantedSix {
  name: string;
  labels: Labels;
  address?: string | undefined;
  podCIDR?: string | undefined;
  taints: Taint[];
  unschedulable: boolean;
}

/** The nodes in the order given. Throws an InputError if there are two of a name, or too few addresses. */
export function buildNodes(manifests: readonly ParsedNode[], options: NodeOptions): ClusterNode[] {
  const wanted = wantedNodes(manifests, options);
  const names = new Set<string>();
  for (const { name } of wanted) {
    if (names.has(name)) throw new InputError({}, `there are two nodes called ${name}; give one another name`);
    names.add(name);
  }
  const addresses = nodeAddresses(wanted, options.nodeCIDR);
  const { six, families = IPV4_ALONE } = options;
  const podCIDRs = families.includes("IPv4") ? podRanges(wanted, options.podCIDR) : [];
  const addresses6 = six ? nodeAddresses6(wanted, six.nodeCIDR) : [];
  const podCIDRs6 = six ? podRanges6(wanted, six.podCIDR) : [];
  return wanted.map(({ name, labels, taints, unschedulable }, i) => ({
    node: {
      name,
      labels,
      address: addresses[i] ?? "",
      ...(six && { address6: addresses6[i] ?? "" }),
      podCIDR: podCIDRs[i] ?? "",
      ...(six && { podCIDR6: podCIDRs6[i] ?? "" }),
      unschedulable,
      ...(taints.some(({ key }) => key === TO_BE_DELETED) ? { toBeDeleted: true } : {}),
    },
    taints,
  }));
}

function wantedNodes(manifests: readonly ParsedNode[], { nodes }: NodeOptions): Wanted[] {
  const [first] = manifests;
  if (typeof nodes !== "number") {
    first?.manifest.fail([], "the scenario lists the nodes; leave out that list or the Node manifests");
    return nodes.map(({ name, labels = {}, zone }) => ({
      name,
      labels: { ...systemLabels(name), ...(zone === undefined ? {} : { [ZONE]: zone }), ...labels },
      taints: [],
      unschedulable: false,
    }));
  }
  if (first) return manifests.map(fromManifest);
  return Array.from({ length: nodes }, (_, i) => `node-${i + 1}`).map((name) => ({
    name,
    labels: systemLabels(name),
    taints: [],
    unschedulable: false,
  }));
}

/** What the kubelet writes on its node. */
function systemLabels(name: string): Labels {
  return { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" };
}

function fromManifest({ manifest, node: { metadata, spec, status } }: ParsedNode): Wanted {
  const { unschedulable } = spec;
  // A cordoned node has this taint besides, from the node lifecycle controller.
  const cordon: Taint[] = unschedulable
    ? [{ key: "node.kubernetes.io/unschedulable", value: "", effect: "NoSchedule" }]
    : [];
  return {
    name: metadata.name,
    labels: { ...systemLabels(metadata.name), ...metadata.labels },
    ...addressesOf(status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address)),
    ...rangesOf(spec.podCIDRs.length > 0 ? spec.podCIDRs : spec.podCIDR === undefined ? [] : [spec.podCIDR]),
    taints: [...spec.taints, ...cordon],
    unschedulable,
    manifest,
  };
}

function addressesOf(given: readonly string[]): Pick<Wanted, "address" | "address6"> {
  const [address, address6] = byFamily(given);
  return { address, address6 };
}

function rangesOf(given: readonly string[]): Pick<Wanted, "podCIDR" | "podCIDR6"> {
  const [podCIDR, podCIDR6] = byFamily(given);
  return { podCIDR, podCIDR6 };
}

function byFamily(texts: readonly string[]): [four: string | undefined, six: string | undefined] {
  return [texts.find((text) => familyOfText(text) === "IPv4"), texts.find((text) => familyOfText(text) === "IPv6")];
}

/** Given addresses are kept; node i without one has the (10 + i)th of the network, or the next that is free. */
function nodeAddresses(wanted: readonly Wanted[], nodeCIDR: string): string[] {
  const network = blockOf(nodeCIDR, "nodeCIDR");
  const last = network.network + cidrSize(network.prefix) - 1;
  const taken = new Set<number>();
  for (const { address, manifest } of wanted) {
    if (address === undefined) continue;
    const ip = parseIpv4(address) ?? 0;
    const path = ["status", "addresses"];
    if (ip <= network.network + 1 || ip >= last)
      manifest?.fail(path, `${address} should be in the nodes' network ${nodeCIDR}, behind the gateway's address`);
    if (taken.has(ip)) manifest?.fail(path, `${address} is another node's already`);
    taken.add(ip);
  }
  return wanted.map(({ address }, i) => {
    if (address !== undefined) return address;
    let ip = network.network + 11 + i;
    while (taken.has(ip)) ip++;
    if (ip >= last)
      throw new InputError({}, `nodeCIDR ${nodeCIDR} has no address for node ${i + 1}; choose a larger one`);
    taken.add(ip);
    return formatIpv4(ip);
  });
}

/** Given ranges are kept; node i without one has the ith /24, or the next that is free. */
function podRanges(wanted: readonly Wanted[], podCIDR: string): string[] {
  const cluster = blockOf(podCIDR, "podCIDR");
  const given: Cidr[] = [];
  for (const { podCIDR: range, manifest } of wanted) {
    if (range === undefined) continue;
    const path = ["spec", "podCIDR"];
    const block = range.includes("/") ? parseCidr(range) : undefined;
    if (!block || block.prefix < cluster.prefix || !cidrContains(cluster, block.network) || block.prefix > 30)
      return manifest?.fail(path, `${range} should be a part of the pod range ${podCIDR}, a /30 or larger`) ?? [];
    if (given.some((other) => cidrsOverlap(other, block)))
      manifest?.fail(path, `${range} overlaps another node's pod range`);
    given.push(block);
  }
  let shift = 0;
  return wanted.map(({ podCIDR: range }, i) => {
    if (range !== undefined) return range;
    for (;;) {
      const network = cluster.network + (i + 1 + shift) * 256;
      if (network + 256 > cluster.network + cidrSize(cluster.prefix))
        throw new InputError({}, `podCIDR ${podCIDR} has no /24 left for node ${i + 1}; choose a larger one`);
      const block = { address: network, network, prefix: 24 };
      if (!given.some((other) => cidrsOverlap(other, block))) return formatCidr(block);
      shift++;
    }
  });
}

function blockOf(text: string, field: string): Cidr {
  const block = parseCidr(text);
  if (!block) throw new InputError({ field }, `${text} is not an IPv4 range; write one such as 10.244.0.0/16`);
  return block;
}
