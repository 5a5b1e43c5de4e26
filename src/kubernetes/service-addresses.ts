// Cluster IPs and load balancer addresses of Services: those asked for first, then the next free ones in order.
import { InputError } from "../errors.ts";
import { formatAddress, lastHost, parseAddress, parseBlock, plainAddress, type Block } from "./blocks.ts";
import { familyOfText, IPV4_ALONE, type Family, type FamilyOptions } from "./families.ts";
import type { Service } from "./objects.ts";
import { serviceFamilies } from "./service-families.ts";
import { serviceLabel, type ParsedService } from "./services.ts";

/** The place of the API server's Service and of the cluster DNS's in the Services' range. */
export const API_PLACE = 1;
export const DNS_PLACE = 10;

/** The nth address of a block of either family. Throws an InputError if it is not a block, or too small. */
export function nthAddress(cidr: string, n: number): string {
  const { network, size, family } = rangeOf(cidr);
  if (BigInt(n) >= size - 1n) throw new InputError({}, `${cidr} has no address number ${n}; choose a larger range`);
  return formatAddress(network + BigInt(n), family);
}

function rangeOf(cidr: string, family?: Family): Block {
  const block = parseBlock(cidr);
  if (!block || block.family !== (family ?? block.family))
    throw new InputError({}, `${cidr} is not an IPv4 range; write one such as 10.96.0.0/12`);
  return block;
}

/** Where cluster IPs come from: the range of each family that the cluster has. */
export interface ServiceRanges extends FamilyOptions {
  serviceCIDR: string;
}

/** The range of a family's cluster IPs. */
export function serviceRange({ serviceCIDR, six }: ServiceRanges, family: Family): string {
  return family === "IPv4" ? serviceCIDR : (six?.serviceCIDR ?? "");
}

/** The range of the primary family, which Services that say nothing else are of. */
export function primaryRange(ranges: ServiceRanges): string {
  return serviceRange(ranges, ranges.families?.[0] ?? "IPv4");
}

/** Whether an address of the range's family is one that a Service may have: not the first of the range, nor of IPv4 the last. */
function isOfRange(address: string, cidr: string): boolean {
  const range = rangeOf(cidr);
  const ip = parseAddress(address);
  return ip !== undefined && ip > range.network && ip <= lastHost(range);
}

/**
 * The Services with their cluster IPs, one of each family that they have. A real API server draws the others at random from the upper
 * part of the range; here they follow the cluster DNS's in order. Throws an InputError for an address outside the range or taken twice,
 * and for families that the cluster has not.
 */
export function allocateClusterIPs(services: readonly ParsedService[], ranges: ServiceRanges): ParsedService[] {
  const { families = IPV4_ALONE } = ranges;
  const owners = new Map<string, Service>();
  const found = services.map((parsed) => ({ parsed, own: serviceFamilies(parsed, families) }));
  for (const { service, spec, manifest } of services)
    for (const [i, ip] of service.clusterIPs.entries()) {
      // Where there is no IPv6, an IPv6 address may be any.
      if (ip === "None" || !families.includes(familyOfText(ip))) continue;
      const path = spec.clusterIPs.length > 0 ? ["spec", "clusterIPs", i] : ["spec", "clusterIP"];
      const range = serviceRange(ranges, familyOfText(ip));
      if (!isOfRange(ip, range))
        manifest.fail(path, `${ip} is not in the Services' range ${range}; choose one of it, or leave it out`);
      const plain = plainAddress(ip);
      const owner = owners.get(plain);
      if (owner)
        manifest.fail(path, `${ip} is that of ${serviceLabel(owner)} already; choose another, or leave it out`);
      owners.set(plain, service);
    }
  const next: Record<Family, number> = { IPv4: DNS_PLACE + 1, IPv6: DNS_PLACE + 1 };
  const allocate = (family: Family, service: Service): string => {
    const range = serviceRange(ranges, family);
    let ip = nthAddress(range, next[family]++);
    while (owners.has(ip)) ip = nthAddress(range, next[family]++);
    owners.set(ip, service);
    return ip;
  };
  return found.map(({ parsed, own }) => {
    const { service } = parsed;
    const named = ranges.six ? { ...service, ipFamilies: own } : service;
    if (own.length === 0 || service.clusterIPs[0] === "None") return { ...parsed, service: named };
    if (!ranges.six && service.clusterIPs.length > 0) return parsed;
    const clusterIPs = own.map((family, i) => service.clusterIPs[i] ?? allocate(family, service));
    return { ...parsed, service: { ...named, clusterIPs } };
  });
}

/**
 * The Services with their load balancers' addresses: those of the manifest's status, else its loadBalancerIP, else the next of the pool.
 * Throws an InputError for an address taken twice, or if the pool is used up. A Service of IPv6 alone has none: load balancers have IPv4
 * addresses only.
 */
export function allocateLoadBalancers(services: readonly ParsedService[], loadBalancerCIDR: string): ParsedService[] {
  const range = rangeOf(loadBalancerCIDR, "IPv4");
  const owners = new Map<string, Service>();
  const balanced = services.filter(({ service }) => service.type === "LoadBalancer" && hasIpv4(service));
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
  let next = range.network + 1n;
  const allocate = ({ service, manifest }: ParsedService): string => {
    for (; next <= lastHost(range); next++) {
      const ip = formatAddress(next, "IPv4");
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
    if (service.loadBalancerIngress.length > 0 || !hasIpv4(service)) return parsed;
    const ip = spec.loadBalancerIP === "" ? allocate(parsed) : spec.loadBalancerIP;
    return { ...parsed, service: { ...service, loadBalancerIngress: [{ ip, hostname: "", ipMode: "VIP" }] } };
  });
}

function hasIpv4({ ipFamilies = ["IPv4"] }: Service): boolean {
  return ipFamilies.includes("IPv4");
}
