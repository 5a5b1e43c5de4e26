// The address ranges of a cluster: none may share an address with another, nor with the networks outside.
import { cidrContains, formatCidr, parseCidr, prefixMask } from "../address.ts";
import type { Document } from "../documents/document.ts";
import { InputError } from "../errors.ts";
import { blocksOverlap, parseBlock } from "../kubernetes/blocks.ts";
import type { Family, SixRanges } from "../kubernetes/families.ts";
import type { ParsedObjects } from "../kubernetes/parse.ts";
import { CLIENT_ADDRESS, externalNetwork } from "../node/outside-addresses.ts";
import { CLIENT_NETWORK6, EXTERNAL6 } from "../node/outside-addresses6.ts";
import { settleFamilies, writtenRange } from "./family-words.ts";
import type { WrittenCluster } from "./schema.ts";

export const RANGE_FIELDS = ["podCIDR", "serviceCIDR", "nodeCIDR", "loadBalancerCIDR"] as const;

/** The cluster with its ranges: those of IPv4, empty where pods and Services have none of it, and those of IPv6 in `six`. */
export type ClusterSpec = WrittenCluster &
  Record<(typeof RANGE_FIELDS)[number], string> & { families: readonly Family[]; six?: SixRanges | undefined };

/**
 * The ranges of a cluster of which neither the scenario nor the manifests say anything, the others if the first overlaps what they do say,
 * and the smallest that manifests make.
 */
const USUAL = {
  podCIDR: { ranges: ["10.244.0.0/16", "10.42.0.0/16", "172.30.0.0/16"], longest: 16 },
  serviceCIDR: { ranges: ["10.96.0.0/12", "10.43.0.0/16", "172.20.0.0/16"], longest: 16 },
  nodeCIDR: { ranges: ["192.168.0.0/24", "172.18.0.0/24", "10.0.0.0/24"], longest: 24 },
} as const;
const LOAD_BALANCERS = "192.0.2.0/24";
const SETTLED = ["podCIDR", "serviceCIDR", "nodeCIDR"] as const;
/** No cluster has a range larger than this. */
const SHORTEST = 8;

/**
 * The ranges that the scenario says; of the others, the usual one, or if objects have addresses outside of it, the smallest that holds
 * theirs; this for IPv4. If that one overlaps another it is not taken: who builds the cluster will then say which address is wrong. A range that nobody
 * says anything about gives way to the others.
 */
export function settleRanges(
  cluster: WrittenCluster,
  objects: ParsedObjects,
  document: Document | undefined,
): ClusterSpec {
  const { families, six } = settleFamilies(cluster, document);
  const given = addressesOf(objects);
  const loadBalancerCIDR = writtenRange(cluster.loadBalancerCIDR, "IPv4") ?? LOAD_BALANCERS;
  const written = (field: keyof typeof USUAL): string | undefined => writtenRange(cluster[field], "IPv4");
  const said: Partial<Record<keyof typeof USUAL, string>> = {};
  for (const field of SETTLED) {
    const range = written(field) ?? heldRange(field, given[field]);
    if (range !== undefined) said[field] = range;
  }
  const free = (range: string, field: keyof typeof USUAL, ranges: typeof said): boolean => {
    const others = SETTLED.flatMap((other) => (other === field ? [] : (ranges[other] ?? [])));
    const nodeCIDR = ranges.nodeCIDR ?? USUAL.nodeCIDR.ranges[0];
    const outside = outsideOf({ nodeCIDR }).map(([, other]) => other);
    return ![...others, loadBalancerCIDR, ...outside].some((other) => overlap(range, other));
  };
  const settled = { ...said };
  for (const field of SETTLED) {
    const [usual] = USUAL[field].ranges;
    const range = said[field];
    if (range === undefined) settled[field] = USUAL[field].ranges.find((one) => free(one, field, settled)) ?? usual;
    else if (written(field) === undefined && !free(range, field, said)) settled[field] = usual;
  }
  const { podCIDR = "", serviceCIDR = "", nodeCIDR = "" } = settled;
  const four = families.includes("IPv4") ? { podCIDR, serviceCIDR } : { podCIDR: "", serviceCIDR: "" };
  return { ...cluster, ...four, nodeCIDR, loadBalancerCIDR, families, six };
}

/** The range of objects' addresses: the usual one if it holds them, or the smallest; undefined if there are none. */
function heldRange(field: keyof typeof USUAL, addresses: readonly number[]): string | undefined {
  if (addresses.length === 0) return undefined;
  const { ranges, longest } = USUAL[field];
  const usual = parseCidr(ranges[0]);
  if (usual && addresses.every((address) => cidrContains(usual, address))) return ranges[0];
  return holding(addresses, longest) ?? ranges[0];
}

/** The addresses that objects have been given already, as numbers. */
function addressesOf({ nodes, services }: ParsedObjects): Record<keyof typeof USUAL, number[]> {
  const numbers = (texts: (string | undefined)[]): number[] =>
    texts.flatMap((text) => parseCidr(text ?? "")?.network ?? []);
  return {
    podCIDR: numbers(nodes.map(({ node }) => node.spec.podCIDR)),
    serviceCIDR: numbers(services.flatMap(({ service }) => service.clusterIPs)),
    nodeCIDR: numbers(
      nodes.map(({ node }) => node.status.addresses.find(({ type }) => type === "InternalIP")?.address),
    ),
  };
}

/** The smallest block with a prefix of at most `longest` bits that holds all addresses; undefined if it would be too large. */
function holding(addresses: readonly number[], longest: number): string | undefined {
  const [first = 0] = addresses;
  for (let prefix = longest; prefix >= SHORTEST; prefix--) {
    const block = { network: (first & prefixMask(prefix)) >>> 0, prefix };
    if (addresses.every((address) => cidrContains(block, address))) return formatCidr(block);
  }
  return undefined;
}

/** The networks that no range may overlap, with what they are. */
function outsideOf({ nodeCIDR }: { nodeCIDR: string }): [string, string][] {
  return [
    ["the network outside the gateway", formatCidr(externalNetwork(nodeCIDR))],
    ["the outside client's network", `${CLIENT_ADDRESS}/24`],
    ["the loopback network", "127.0.0.0/8"],
  ];
}

/** Throws an InputError for the first two ranges that overlap, and for what there is not with IPv6. */
export function checkRanges(cluster: ClusterSpec, document: Document | undefined): void {
  if (cluster.six) checkSix(cluster, cluster.six, document);
  checkOverlaps(RANGE_FIELDS, cluster, outsideOf(cluster), document);
}

function checkOverlaps<F extends string>(
  fields: readonly F[],
  ranges: Record<F, string>,
  outside: readonly [string, string][],
  document: Document | undefined,
): void {
  fields.forEach((field, i) => {
    const range = ranges[field];
    const others = [...fields.slice(0, i).map((other): [string, string] => [other, ranges[other]]), ...outside];
    for (const [what, other] of others) {
      if (!overlap(range, other)) continue;
      const place = document?.place(["spec", "cluster", field]) ?? {};
      throw new InputError(place, `${range} overlaps ${what} ${other}; choose ranges that share no address`);
    }
  });
}

/** The networks that no range of IPv6 may overlap, with what they are. */
const OUTSIDE6: [string, string][] = [
  ["the network outside the gateway", EXTERNAL6.network],
  ["the outside client's and the resolver's networks", CLIENT_NETWORK6],
  ["the loopback address", "::1/128"],
  ["the link-local network", "fe80::/10"],
  ["the multicast range", "ff00::/8"],
];

function checkSix(cluster: ClusterSpec, six: SixRanges, document: Document | undefined): void {
  const fail = (field: string[], sentence: string): never => {
    throw new InputError(document?.place(["spec", "cluster", ...field]) ?? {}, sentence);
  };
  checkOverlaps(RANGE_FIELDS, six, OUTSIDE6, document);
  if (cluster.network.mode === "vxlan")
    fail(["network", "mode"], "vxlan carries no IPv6 here; choose routes, or a cluster of IPv4 alone");
  if (cluster.proxyMode === "ipvs")
    fail(["proxyMode"], "ipvs has no IPv6 here; choose iptables or nftables, or a cluster of IPv4 alone");
  if (cluster.syntheticServices > 0 && !cluster.families.includes("IPv4"))
    fail(["syntheticServices"], "are of IPv4, which Services of this cluster have not; choose ipFamily: dual");
}

function overlap(a: string, b: string): boolean {
  const [first, second] = [parseBlock(a), parseBlock(b)];
  return first !== undefined && first.family === second?.family && blocksOverlap(first, second);
}
