// The address ranges of a cluster: none may share an address with another, nor with the networks outside.
import { cidrsOverlap, formatCidr, parseCidr } from "../address.ts";
import type { Document } from "../documents/document.ts";
import { InputError } from "../errors.ts";
import { CLIENT_ADDRESS, externalNetwork } from "../node/outside-addresses.ts";
import type { ClusterSpec } from "./schema.ts";

export const RANGE_FIELDS = ["podCIDR", "serviceCIDR", "nodeCIDR", "loadBalancerCIDR"] as const;

/** Throws an InputError for the first two ranges that overlap. */
export function checkRanges(cluster: ClusterSpec, document: Document | undefined): void {
  const outside: [string, string][] = [
    ["the network outside the gateway", formatCidr(externalNetwork(cluster.nodeCIDR))],
    ["the outside client's network", `${CLIENT_ADDRESS}/24`],
    ["the loopback network", "127.0.0.0/8"],
  ];
  RANGE_FIELDS.forEach((field, i) => {
    const range = cluster[field];
    const others = [...RANGE_FIELDS.slice(0, i).map((other): [string, string] => [other, cluster[other]]), ...outside];
    for (const [what, other] of others) {
      if (!overlap(range, other)) continue;
      const place = document?.place(["spec", "cluster", field]) ?? {};
      throw new InputError(place, `${range} overlaps ${what} ${other}; choose ranges that share no address`);
    }
  });
}

function overlap(a: string, b: string): boolean {
  const [first, second] = [parseCidr(a), parseCidr(b)];
  return first !== undefined && second !== undefined && cidrsOverlap(first, second);
}
