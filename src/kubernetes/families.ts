// The address families of a cluster, and where nodes and pods have their addresses of each.
import type { Node, Pod } from "./objects.ts";

export type Family = "IPv4" | "IPv6";

/** The ranges of IPv6 of a cluster that has it. */
export interface SixRanges {
  /** `fd00:10:244::/56`: a /64 for each node; node i, counted from 1, has the ith after the first. */
  podCIDR: string;
  /** `fd00:10:96::/112` */
  serviceCIDR: string;
  /** `2001:db8:1::/64`: node i, counted from 1, has the address 10 + i. */
  nodeCIDR: string;
  /** `2001:db8:2::/64`: addresses of load balancers. */
  loadBalancerCIDR: string;
}

/** Which families pods and Services have, the primary one first; `six` if IPv6 is one of them. Default: IPv4 alone. */
export interface FamilyOptions {
  families?: readonly Family[] | undefined;
  six?: SixRanges | undefined;
}

export const IPV4_ALONE: readonly Family[] = ["IPv4"];

/** The family of an address or a block that is known to be one. */
export function familyOfText(text: string): Family {
  return text.includes(":") ? "IPv6" : "IPv4";
}

/** The addresses of a pod, its primary one first; none before it is placed. */
export function podIPs({ podIP, podIPs: all }: Pick<Pod, "podIP" | "podIPs">): readonly string[] {
  return all ?? (podIP === "" ? [] : [podIP]);
}

/** A pod's address of a family; undefined if it has none. */
export function podAddress(pod: Pick<Pod, "podIP" | "podIPs">, family: Family): string | undefined {
  return podIPs(pod).find((ip) => familyOfText(ip) === family);
}

/** The part of a cluster's pod range that a node has; undefined for a family that pods do not have. */
export function nodeRange(
  { podCIDR, podCIDR6 }: Pick<Node, "podCIDR" | "podCIDR6">,
  family: Family,
): string | undefined {
  if (family === "IPv6") return podCIDR6;
  return podCIDR === "" ? undefined : podCIDR;
}

/** The address that a node's network card has of a family; undefined if it has none. */
export function nodeAddress(
  { address, address6 }: Pick<Node, "address" | "address6">,
  family: Family,
): string | undefined {
  return family === "IPv4" ? address : address6;
}
