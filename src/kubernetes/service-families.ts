// The address families of a Service, as the API server works them out of ipFamilyPolicy, ipFamilies and clusterIPs (initIPFamilyFields in
// pkg/registry/core/service/storage/alloc.go, ValidateServiceClusterIPsRelatedFields).
import { IPV4_ALONE, familyOfText, type Family } from "./families.ts";
import type { ParsedService } from "./services.ts";

/**
 * The Service's families in a cluster with these, the primary one first. Throws an InputError for what the API server would refuse. In a
 * cluster of IPv4 alone a Service that asks for more gets IPv4 alone, and one of IPv6 alone nothing.
 */
export function serviceFamilies(parsed: ParsedService, families: readonly Family[]): Family[] {
  const { service, spec, manifest } = parsed;
  if (service.type === "ExternalName") return [];
  if (families.length === 1 && families[0] === "IPv4")
    return spec.ipFamilies.length === 1 && spec.ipFamilies[0] === "IPv6" ? [] : [...IPV4_ALONE];
  const fail = (field: string, message: string): never => manifest.fail(["spec", field], message);
  const { clusterIPs } = service;
  const headless = clusterIPs[0] === "None";
  const anybody = headless && service.selector === undefined;
  const policy = spec.ipFamilyPolicy ?? (anybody ? "RequireDualStack" : "SingleStack");
  checkShape(parsed);
  if (policy === "SingleStack" && clusterIPs.length > 1)
    fail("ipFamilyPolicy", "must be RequireDualStack or PreferDualStack when multiple cluster IPs are specified");
  if (policy === "SingleStack" && spec.ipFamilies.length > 1)
    fail("ipFamilyPolicy", "must be RequireDualStack or PreferDualStack when multiple IP families are specified");
  const said = [...spec.ipFamilies, ...(headless ? [] : clusterIPs.slice(spec.ipFamilies.length).map(familyOfText))];
  if (!anybody) {
    for (const [i, family] of said.entries()) {
      if (families.includes(family)) continue;
      if (i < spec.ipFamilies.length) fail("ipFamilies", `${family} is not configured on this cluster`);
      fail(spec.clusterIPs.length > 0 ? "clusterIPs" : "clusterIP", `${family} is not configured on this cluster`);
    }
    if (policy === "RequireDualStack" && families.length < 2)
      fail("ipFamilyPolicy", "this cluster is not configured for dual-stack services");
  }
  const first = said[0] ?? families[0] ?? "IPv4";
  if (said.length > 1) return said;
  return policy === "SingleStack" || (!anybody && families.length < 2) ? [first] : [first, otherFamily(first)];
}

/** What is wrong with the fields whatever the cluster is like. */
function checkShape({ service: { clusterIPs }, spec: { ipFamilies }, manifest }: ParsedService): void {
  const [first, second] = clusterIPs;
  if (clusterIPs.length > 2 || ipFamilies.length > 2)
    manifest.fail(["spec", clusterIPs.length > 2 ? "clusterIPs" : "ipFamilies"], "may only hold up to 2 values");
  if (ipFamilies.length > 1 && ipFamilies[0] === ipFamilies[1])
    manifest.fail(["spec", "ipFamilies", 1], `${ipFamilies[0]} is there already`);
  if (first === "None") return;
  if (first !== undefined && second !== undefined && familyOfText(first) === familyOfText(second))
    manifest.fail(["spec", "clusterIPs"], "may specify no more than one IP for each IP family");
  for (const [i, ip] of clusterIPs.entries()) {
    const family = ipFamilies[i];
    if (family !== undefined && family !== familyOfText(ip))
      manifest.fail(["spec", "clusterIPs"], `${ip} should be an ${family} address, as ipFamilies[${i}] says`);
  }
}

function otherFamily(family: Family): Family {
  return family === "IPv4" ? "IPv6" : "IPv4";
}
