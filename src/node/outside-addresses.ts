// The addresses outside the cluster: who has which, and that nobody has another's.
import { cidrContains, formatIpv4, parseCidr, parseIpv4, prefixMask } from "../address.ts";
import { InputError } from "../errors.ts";
import type { SixRanges } from "../kubernetes/families.ts";
import type { Cluster, Node } from "../kubernetes/objects.ts";
import { balancedAddresses, type HealthChecks } from "./load-balancer.ts";
import { checkHost6, CLIENT_ADDRESS6, CLIENT_GATEWAY6, RESOLVER_ADDRESS6 } from "./outside-addresses6.ts";

/** An outside host that traffic names, with the ports that it answers on. */
export interface OutsideHost {
  /** A public address. */
  address: string;
  ports: { protocol: "tcp" | "udp"; port: number }[];
}

export interface OutsideOptions {
  podCIDR: string;
  serviceCIDR: string;
  nodeCIDR: string;
  six?: SixRanges | undefined;
  loadBalancerCIDR: string;
  hosts: OutsideHost[];
  /** Those of the load balancer; default HEALTH_CHECKS. */
  healthChecks?: HealthChecks;
  /** Default 1500. */
  mtu?: number;
}

/** The outside client and its router. */
export const CLIENT_ADDRESS = "198.51.100.10";
export const CLIENT_GATEWAY = "198.51.100.1";
/** Of the network that the two share; the rest of 198.51.100.0/24 is elsewhere. */
export const CLIENT_PREFIX = 27;
/** The resolver that nodes, the cluster's DNS server and the outside client ask. */
export const RESOLVER_ADDRESS = "198.51.100.53";

/** The network between the gateway and the internet's router, in which every node has an external address. */
export interface ExternalNetwork {
  network: number;
  prefix: number;
  /** The gateway's own address: the first. */
  gateway: string;
  /** The router's address: the last. */
  router: string;
}

/** 203.0.113.0/24; for a nodes' network larger than /24 the benchmarking range 198.18.0.0/15 (RFC 2544). */
export function externalNetwork(nodeCIDR: string): ExternalNetwork {
  const large = (parseCidr(nodeCIDR)?.prefix ?? 32) < 24;
  const [network, prefix] = large ? [0xc6120000, 15] : [0xcb007100, 24];
  const last = (network | ~prefixMask(prefix)) >>> 0;
  return { network, prefix, gateway: formatIpv4(network + 1), router: formatIpv4(last - 1) };
}

/** A node's external address of IPv4: it has the last octet of its own, or in the large external network its place in the nodes' network. */
export function externalAddress(node: Node, nodeCIDR: string): string {
  const cidr = parseCidr(nodeCIDR);
  const address = parseIpv4(node.address);
  if (!cidr || address === undefined || !cidrContains(cidr, address))
    throw new InputError(
      {},
      `the address ${node.address} of node ${node.name} is not in the nodes' network ${nodeCIDR}`,
    );
  const { network, prefix } = externalNetwork(nodeCIDR);
  const place = prefix === 24 ? address & 255 : address - cidr.network;
  if (place >= 2 ** (32 - prefix))
    throw new InputError(
      {},
      `the nodes' network ${nodeCIDR} is larger than the external one, a /${prefix}; choose a smaller one`,
    );
  return formatIpv4(network + place);
}

/** Address to owner for everything outside. Throws an InputError if two want the same, or one lies where it cannot be reached. */
export function outsideAddresses(cluster: Cluster, options: OutsideOptions): Map<string, string> {
  const owners = new Map<string, string>();
  const claim = (address: string, owner: string): void => {
    const other = owners.get(address);
    if (other !== undefined)
      throw new InputError({}, `${owner} cannot have the address ${address}, which is that of ${other}`);
    owners.set(address, owner);
  };
  const external = externalNetwork(options.nodeCIDR);
  claim(external.gateway, "the gateway");
  claim(external.router, "the internet's router");
  claim(CLIENT_GATEWAY, "the outside client's router");
  claim(CLIENT_ADDRESS, "the outside client");
  claim(RESOLVER_ADDRESS, "the resolver outside");
  claim(CLIENT_GATEWAY6, "the outside client's router");
  claim(CLIENT_ADDRESS6, "the outside client");
  claim(RESOLVER_ADDRESS6, "the resolver outside");
  for (const node of cluster.nodes) claim(externalAddress(node, options.nodeCIDR), `the outside of node ${node.name}`);
  for (const { address, service } of balancedAddresses(cluster))
    claim(address, `the load balancer of Service ${service.namespace}/${service.name}`);
  for (const { address } of options.hosts) {
    checkHost(address, options);
    claim(address, `the outside host ${address}`);
  }
  return owners;
}

/** An outside host is no good inside the cluster's ranges, nor where no host can be. */
function checkHost(address: string, options: OutsideOptions): void {
  if (address.includes(":")) return checkHost6(address, options.six);
  const ip = parseIpv4(address);
  if (ip === undefined) throw new InputError({}, `${address} is not the IPv4 address of an outside host`);
  const { network, prefix } = externalNetwork(options.nodeCIDR);
  const ranges: [string, string][] = [
    ["podCIDR", options.podCIDR],
    ["serviceCIDR", options.serviceCIDR],
    ["nodeCIDR", options.nodeCIDR],
    ["loadBalancerCIDR", options.loadBalancerCIDR],
    ["external network", `${formatIpv4(network)}/${prefix}`],
    ["loopback range", "127.0.0.0/8"],
    ["range without hosts", "0.0.0.0/8"],
    ["range without hosts", "224.0.0.0/3"],
  ];
  for (const [what, range] of ranges) {
    const cidr = parseCidr(range);
    if (cidr && cidrContains(cidr, ip))
      throw new InputError(
        {},
        `the outside host ${address} lies in the ${what} ${range}; choose an address outside the cluster`,
      );
  }
}
