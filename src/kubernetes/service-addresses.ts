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

/** Where addresses of load balancers come from: the pool of each family that the cluster has. */
export interface LoadBalancerPools extends FamilyOptions {
  loadBalancerCIDR: string;
}

/**
 * The Services with their load balancers' addresses, one of each family that a Service has: those of the manifest's status, else its
 * loadBalancerIP for that one's family, else the next of the family's pool. Throws an InputError for an address taken twice or of a family
 * that the Service has not, or if a pool is used up.
 */
export function allocateLoadBalancers(services: readonly ParsedService[], options: LoadBalancerPools): ParsedService[] {
  const { loadBalancerCIDR, six } = options;
  const familiesOf = ({ ipFamilies }: Service): readonly Family[] => (six && ipFamilies) ?? IPV4_ALONE;
  const owners = new Map<string, Service>();
  const balanced = services.filter(({ service }) => service.type === "LoadBalancer" && familiesOf(service).length > 0);
  for (const { service, spec, manifest } of balanced) {
    if (service.loadBalancerIngress.length > 0) {
      for (const { ip } of service.loadBalancerIngress) owners.set(plainAddress(ip), service);
      continue;
    }
    if (spec.loadBalancerIP === "") continue;
    const wanted = plainAddress(spec.loadBalancerIP);
    const fail = (message: string): never => manifest.fail(["spec", "loadBalancerIP"], message);
    const families = familiesOf(service);
    if (!families.includes(familyOfText(wanted)))
      fail(`${wanted} is of ${familyOfText(wanted)}, and ${serviceLabel(service)} of ${families.join(" and ")} alone`);
    const owner = owners.get(wanted);
    if (owner) fail(`${wanted} is that of ${serviceLabel(owner)} already`);
    owners.set(wanted, service);
  }
  const pools = {
    IPv4: new Pool(rangeOf(loadBalancerCIDR, "IPv4"), loadBalancerCIDR),
    ...(six && { IPv6: new Pool(rangeOf(six.loadBalancerCIDR, "IPv6"), six.loadBalancerCIDR) }),
  };
  return services.map((parsed) => {
    const { service, spec, manifest } = parsed;
    // What is no load balancer has no ingress, whatever its status says.
    if (service.type !== "LoadBalancer") return { ...parsed, service: { ...service, loadBalancerIngress: [] } };
    const { loadBalancerIngress: given } = service;
    if (given.length > 0) {
      const known = given.filter(({ ip }) => six !== undefined || familyOfText(ip) === "IPv4");
      const plain = known.map((ingress) => ({ ...ingress, ip: plainAddress(ingress.ip) }));
      return { ...parsed, service: { ...service, loadBalancerIngress: plain } };
    }
    const wanted = plainAddress(spec.loadBalancerIP);
    const loadBalancerIngress = familiesOf(service).map((family) => {
      const said = wanted !== "" && familyOfText(wanted) === family;
      const ip = said ? wanted : pools[family]?.next(owners, manifest);
      return { ip: ip ?? "", hostname: "", ipMode: "VIP" as const };
    });
    for (const { ip } of loadBalancerIngress) owners.set(ip, service);
    return { ...parsed, service: { ...service, loadBalancerIngress } };
  });
}

/** Addresses that load balancers are given in order. */
class Pool {
  readonly #block: Block;
  readonly #text: string;
  #next: bigint;

  constructor(block: Block, text: string) {
    this.#block = block;
    this.#text = text;
    this.#next = block.network + 1n;
  }

  /** The next address that nobody has. Throws the InputError of a Service for which there is none. */
  next(taken: ReadonlyMap<string, Service>, manifest: ParsedService["manifest"]): string {
    while (this.#next <= lastHost(this.#block)) {
      const ip = formatAddress(this.#next++, this.#block.family);
      if (!taken.has(ip)) return ip;
    }
    return manifest.fail(["spec", "type"], `the load balancers' pool ${this.#text} is used up; choose a larger one`);
  }
}
