// The cluster's nodes: from a number, a list or Node manifests, with the labels, addresses and pod ranges that each gets.
import { InputError } from "../errors.ts";
import { familyOfText, IPV4_ALONE, type FamilyOptions } from "./families.ts";
import type { Manifest } from "./manifest.ts";
import { nodeAddresses, podRanges, type Given } from "./node-ranges.ts";
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
interface Wanted {
  name: string;
  labels: Labels;
  address?: string | undefined;
  address6?: string | undefined;
  podCIDR?: string | undefined;
  podCIDR6?: string | undefined;
  taints: Taint[];
  unschedulable: boolean;
  manifest?: Manifest;
}

/** The nodes in the order given. Throws an InputError if there are two of a name, or too few addresses. */
export function buildNodes(manifests: readonly ParsedNode[], options: NodeOptions): ClusterNode[] {
  const wanted = wantedNodes(manifests, options);
  const names = new Set<string>();
  for (const { name } of wanted) {
    if (names.has(name)) throw new InputError({}, `there are two nodes called ${name}; give one another name`);
    names.add(name);
  }
  const given = (field: "address" | "address6" | "podCIDR" | "podCIDR6"): Given[] =>
    wanted.map((one) => ({ text: one[field], manifest: one.manifest }));
  const { six, families = IPV4_ALONE } = options;
  const addresses = nodeAddresses(given("address"), options.nodeCIDR, "IPv4");
  const podCIDRs = families.includes("IPv4") ? podRanges(given("podCIDR"), options.podCIDR, "IPv4") : [];
  const addresses6 = six ? nodeAddresses(given("address6"), six.nodeCIDR, "IPv6") : [];
  const podCIDRs6 = six ? podRanges(given("podCIDR6"), six.podCIDR, "IPv6") : [];
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
