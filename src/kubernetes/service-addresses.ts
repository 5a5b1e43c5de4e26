// Cluster IPs and load balancer addresses of Services: those asked for first, then the next free ones in order.
import { isIPv6 } from "node:net";
import { cidrContains, cidrSize, formatIpv4, parseCidr, parseIpv4, type Cidr } from "../address.ts";
import { InputError } from "../errors.ts";
import type { Service } from "./objects.ts";
import { serviceLabel, type ParsedService } from "./services.ts";

/** The place of the API server's Service and of the cluster DNS's in the Services' range. */
export const API_PLACE = 1;
export const DNS_PLACE = 10;

/** The nth address of an IPv4 block. Throws an InputError if it is not a block, or too small. */
export function nthAddress(cidr: string, n: number): string {
  const block = rangeOf(cidr);
  if (n >= cidrSize(block.prefix) - 1)
    throw new InputError({}, `${cidr} has no address number ${n}; choose a larger range`);
  return formatIpv4(block.network + n);
}

function rangeOf(cidr: string): Cidr {
  const block = parseCidr(cidr);
  if (!block) throw new InputError({}, `${cidr} is not an IPv4 range; write one such as 10.96.0.0/12`);
  return block;
}

/**
 * The Services with their cluster IPs. A real API server draws the others at random from the upper part of the range; here they follow
 * the cluster DNS's in order. Throws an InputError for an address outside the range or taken twice.
 */
export function allocateClusterIPs(services: readonly ParsedService[], serviceCIDR: string): ParsedService[] {
  const range = rangeOf(serviceCIDR);
  const owners = new Map<string, Service>();
  for (const { service, spec, manifest } of services)
    for (const [i, ip] of service.clusterIPs.entries()) {
      // Only IPv4 is emulated; an IPv6 address may be any.
      if (ip === "None" || isIPv6(ip)) continue;
      const path = spec.clusterIPs.length > 0 ? ["spec", "clusterIPs", i] : ["spec", "clusterIP"];
      const address = parseIpv4(ip);
      const last = range.network + cidrSize(range.prefix) - 1;
      if (address === undefined || address <= range.network || address >= last || !cidrContains(range, address))
        manifest.fail(path, `${ip} is not in the Services' range ${serviceCIDR}; choose one of it, or leave it out`);
      const owner = owners.get(ip);
      if (owner)
        manifest.fail(path, `${ip} is that of ${serviceLabel(owner)} already; choose another, or leave it out`);
      owners.set(ip, service);
    }
  let next = DNS_PLACE + 1;
  return services.map((parsed) => {
    const { service, spec } = parsed;
    if (service.type === "ExternalName" || service.clusterIPs.length > 0) return parsed;
    // One of IPv6 alone has no address here.
    if (spec.ipFamilies.length === 1 && spec.ipFamilies[0] === "IPv6") return parsed;
    let ip = nthAddress(serviceCIDR, next++);
    while (owners.has(ip)) ip = nthAddress(serviceCIDR, next++);
    owners.set(ip, service);
    return { ...parsed, service: { ...service, clusterIPs: [ip] } };
  });
}

/**
 * The Services with their load balancers' addresses: those of the manifest's status, else its loadBalancerIP, else the next of the pool.
 * Throws an InputError for an address taken twice, or if the pool is used up.
 */
export function allocateLoadBalancers(services: readonly ParsedService[], loadBalancerCIDR: string): ParsedService[] {
  const range = rangeOf(loadBalancerCIDR);
  const owners = new Map<string, Service>();
  const balanced = services.filter(({ service }) => service.type === "LoadBalancer");
  for (const { service, spec, manifest } of balanced) {
    if (service.loadBalancerIngress.length > 0) {
      for (const { ip } of service.loadBalancerIngress) owners.set(ip, service);
      continue;
    }
    if (spec.loadBalancerIP === "") continue;
    const owner = owners.get(spec.loadBalancerIP);
    if (owner)
      manifest.fail(["spec", "loadBalancerIP"], `${spec.loadBalancerIP} is that of ${serviceLabel(owner)} already`);
    owners.set(spec.loadBalancerIP, service);
  }
  let next = 1;
  const allocate = ({ service, manifest }: ParsedService): string => {
    for (; next < cidrSize(range.prefix) - 1; next++) {
      const ip = formatIpv4(range.network + next);
      if (owners.has(ip)) continue;
      owners.set(ip, service);
      return ip;
    }
    return manifest.fail(
      ["spec", "type"],
      `the load balancers' pool ${loadBalancerCIDR} is used up; choose a larger one`,
    );
  };
  return services.map((parsed) => {
    const { service, spec } = parsed;
    // What is no load balancer has no ingress, whatever its status says.
    if (service.type !== "LoadBalancer") return { ...parsed, service: { ...service, loadBalancerIngress: [] } };
    if (service.loadBalancerIngress.length > 0) return parsed;
    const ip = spec.loadBalancerIP === "" ? allocate(parsed) : spec.loadBalancerIP;
    return { ...parsed, service: { ...service, loadBalancerIngress: [{ ip, hostname: "", ipMode: "VIP" }] } };
  });
}
