// How a scenario says which address families a cluster has: kind's ipFamily, and ranges that are pairs, as kubeadm and kube-apiserver take them.
import { parseCidr } from "../address.ts";
import { parseCidr6 } from "../address6.ts";
import type { Document } from "../documents/document.ts";
import { InputError } from "../errors.ts";
import { familyOfText, type Family, type SixRanges } from "../kubernetes/families.ts";

/** The words of kind's `networking.ipFamily`. */
export const IP_FAMILIES = ["ipv4", "ipv6", "dual"] as const;

/** kind's ranges for pods and Services; nodes and load balancers have addresses of the range for documentation (RFC 3849). */
const USUAL_SIX: SixRanges = {
  podCIDR: "fd00:10:244::/56",
  serviceCIDR: "fd00:10:96::/112",
  nodeCIDR: "2001:db8:1::/64",
  loadBalancerCIDR: "2001:db8:2::/64",
};

/** The prefixes that a range of IPv6 may have: pods' nodes get a /64 each, up to 16 bits longer (kube-controller-manager). */
const PREFIXES: Record<keyof SixRanges, [shortest: number, longest: number]> = {
  podCIDR: [48, 64],
  serviceCIDR: [64, 120],
  nodeCIDR: [16, 120],
  loadBalancerCIDR: [16, 126],
};

/** Why a text is neither a range nor one of each family; undefined if it is. */
export function rangesComplaint(text: string): string | undefined {
  const parts = text.split(",");
  const bad = parts.find((part) => !part.includes("/") || (parseCidr(part) ?? parseCidr6(part)) === undefined);
  if (bad !== undefined)
    return `${bad} is not an address range; write an address and a prefix length, such as 10.244.0.0/16 or fd00:10:244::/56`;
  const [first = "", second] = parts;
  const sound = parts.length === 1 || (second !== undefined && familyOfText(first) !== familyOfText(second));
  return sound && parts.length < 3
    ? undefined
    : `${text} should be one range, or one of each family such as 10.244.0.0/16,fd00:10:244::/56`;
}

const FIELDS = ["podCIDR", "serviceCIDR", "nodeCIDR", "loadBalancerCIDR"] as const;

export interface Written {
  ipFamily?: (typeof IP_FAMILIES)[number] | undefined;
  podCIDR?: string | undefined;
  serviceCIDR?: string | undefined;
  nodeCIDR?: string | undefined;
  loadBalancerCIDR?: string | undefined;
}

/** What is written of a range, by family. */
export function writtenRange(text: string | undefined, family: Family): string | undefined {
  return text?.split(",").find((part) => familyOfText(part) === family);
}

/**
 * The families that a cluster has and its ranges of IPv6: those that ipFamily says, else those that podCIDR and serviceCIDR have. Throws an
 * InputError if they do not fit together.
 */
export function settleFamilies(
  cluster: Written,
  document: Document | undefined,
): { families: readonly Family[]; six?: SixRanges } {
  const fail = (field: string, sentence: string): never => {
    throw new InputError(document?.place(["spec", "cluster", field]) ?? {}, sentence);
  };
  const { ipFamily, podCIDR, serviceCIDR } = cluster;
  const said = [podCIDR, serviceCIDR].map((text) => text?.split(",").map(familyOfText));
  const [ofPods, ofServices] = said;
  const pair = said.find((families) => families !== undefined && families.length === 2);
  const families: readonly Family[] =
    ipFamily === "dual"
      ? (pair ?? ["IPv4", "IPv6"])
      : ipFamily === "ipv6"
        ? ["IPv6"]
        : ipFamily === "ipv4"
          ? ["IPv4"]
          : (ofPods ?? ofServices ?? ["IPv4"]);
  for (const [field, own] of [
    ["podCIDR", ofPods],
    ["serviceCIDR", ofServices],
  ] as const) {
    if (own === undefined || own.join() === families.join() || (ipFamily === "dual" && own.length === 1)) continue;
    const wanted = families.length === 2 ? "a range of each family" : `one range, of ${families[0]}`;
    const why = ipFamily === undefined ? `podCIDR has ${families.join(",")}` : `ipFamily is ${ipFamily}`;
    fail(
      field,
      `${cluster[field]} should be ${wanted}${families.length === 2 ? `, ${families[0]} first` : ""}, as ${why}`,
    );
  }
  if (!families.includes("IPv6")) {
    for (const field of ["nodeCIDR", "loadBalancerCIDR"] as const) {
      const range = writtenRange(cluster[field], "IPv6");
      if (range !== undefined) fail(field, `${range} is of IPv6, which the cluster has not; write ipFamily: dual`);
    }
    return { families };
  }
  const six = { ...USUAL_SIX };
  for (const field of FIELDS) {
    const range = writtenRange(cluster[field], "IPv6");
    if (range === undefined) continue;
    const [shortest, longest] = PREFIXES[field];
    const prefix = parseCidr6(range)?.prefix ?? 0;
    if (prefix < shortest || prefix > longest)
      fail(field, `${range} should have a prefix of /${shortest} to /${longest}`);
    six[field] = range;
  }
  return { families, six };
}
