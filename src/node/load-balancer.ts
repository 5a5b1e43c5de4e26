// The load balancer outside the nodes: it owns the external addresses of Services, asks the nodes for their health, and hands every
// connection to one node: as it is, so that the node's kube-proxy sees the client and answers it directly (ipMode VIP), or by one of
// its own to a node port (ipMode Proxy).
import { isIP } from "node:net";
import { formatIpv4, parseCidr, prefixMask } from "../address.ts";
import { formatIpv6, parseCidr6 } from "../address6.ts";
import { InputError } from "../errors.ts";
import { familyOfText, nodeAddress, type Family } from "../kubernetes/families.ts";
import type { Cluster, LoadBalancerIngress, Service, ServicePort } from "../kubernetes/objects.ts";
import type { BalancerConfig, Machine } from "../seam/machine.ts";
import { PROXY_HEALTH_PATH, PROXY_HEALTH_PORT } from "./kube-proxy/health.ts";
import { cardMac } from "./macs.ts";
import { hostBlock } from "./tables.ts";

export const LOAD_BALANCER = "load-balancer";
/** Nodes with this label are behind no load balancer. */
const EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers";

/** How a load balancer asks for a node's health. */
export interface HealthChecks {
  intervalNs: number;
  timeoutNs: number;
  /** Results in a row that make an unhealthy node healthy again, and the other way round. */
  healthyThreshold: number;
  unhealthyThreshold: number;
}

/** Those of Google's cloud provider (kubernetes/cloud-provider-gcp, providers/gce/gce.go, gceHcCheckIntervalSeconds and the three after it). */
export const HEALTH_CHECKS: HealthChecks = {
  intervalNs: 8e9,
  timeoutNs: 1e9,
  healthyThreshold: 1,
  unhealthyThreshold: 3,
};

/** Every address that a Service has from a load balancer, once, with the first Service that has it. */
export function balancedAddresses(cluster: Pick<Cluster, "services">): { address: string; service: Service }[] {
  const owners = new Map<string, Service>();
  for (const service of cluster.services)
    for (const { ip } of ingressIPs(service)) if (!owners.has(ip)) owners.set(ip, service);
  return [...owners].map(([address, service]) => ({ address, service }));
}

function ingressIPs({ loadBalancerIngress }: Service): LoadBalancerIngress[] {
  return loadBalancerIngress.filter(({ ip }) => isIP(ip) !== 0);
}

/** The addresses of a Service, of one family if one is said, of mode VIP first. */
export function loadBalancerAddresses(service: Service, family?: Family): string[] {
  const addresses = (["VIP", "Proxy"] as const).flatMap((mode) => addressesOfMode(service, mode));
  return addresses.filter((address) => family === undefined || familyOfText(address) === family);
}

/** The addresses of mode VIP of a Service. */
export function virtualAddresses(service: Service): string[] {
  return addressesOfMode(service, "VIP");
}

function addressesOfMode(service: Service, mode: LoadBalancerIngress["ipMode"]): string[] {
  return ingressIPs(service)
    .filter(({ ipMode }) => ipMode === mode)
    .map(({ ip }) => ip);
}

/** A sentence for everything of a Service that its load balancer of mode Proxy cannot do. */
export function notRelayed(cluster: Pick<Cluster, "services">): string[] {
  return cluster.services.flatMap((service) => {
    const { namespace, name, ports, loadBalancerSourceRanges } = service;
    return addressesOfMode(service, "Proxy").flatMap((address) => {
      const silent = (port: ServicePort, why: string): string =>
        `nothing answers on ${address}:${port.port}/${port.protocol} of Service ${namespace}/${name}: ${why}`;
      return [
        ...ports.flatMap((port) => {
          if (port.protocol !== "TCP") return silent(port, "load balancers of ipMode Proxy relay TCP alone");
          return port.nodePort === 0
            ? silent(port, "a load balancer of ipMode Proxy relays to a node port, and it has none")
            : [];
        }),
        ...(loadBalancerSourceRanges.length > 0
          ? [
              `loadBalancerSourceRanges of Service ${namespace}/${name} do not hold for ${address}: kube-proxy has no rules for ipMode Proxy, and the load balancer lets everybody in`,
            ]
          : []),
      ];
    });
  });
}

/** What the load balancer knows of the cluster: virtual servers in the order of Services, and a check for each node and port. */
export function balancerConfig(cluster: Cluster, how: HealthChecks): BalancerConfig {
  const nodes = cluster.nodes.filter(({ labels }) => !(EXCLUDED in labels));
  const checks: BalancerConfig["checks"] = [];
  const placed = new Map<string, number>();
  const checkOf = (address: string, port: number, path: string): number => {
    const known = placed.get(`${address}:${port}`);
    if (known !== undefined) return known;
    const { intervalNs, timeoutNs, healthyThreshold: rise, unhealthyThreshold: fall } = how;
    placed.set(`${address}:${port}`, checks.length);
    return checks.push({ address, port, path, intervalNs, timeoutNs, rise, fall }) - 1;
  };
  const taken = new Set<string>();
  const virtualServers = cluster.services.flatMap((service) =>
    ingressIPs(service).flatMap(({ ip: address, ipMode }) =>
      service.ports.flatMap(({ port, protocol, nodePort }) => {
        const key = `${address} ${protocol} ${port}`;
        const relays = ipMode === "Proxy";
        if (protocol === "SCTP" || (relays && (protocol === "UDP" || nodePort === 0)) || taken.has(key)) return [];
        taken.add(key);
        const [healthPort, path] = healthOf(service);
        const family = familyOfText(address);
        return {
          name: `${service.namespace}/${service.name}`,
          address,
          protocol: protocol === "TCP" ? ("tcp" as const) : ("udp" as const),
          port,
          ...(relays ? { relayPort: nodePort } : {}),
          bySource: service.sessionAffinity === "ClientIP",
          servers: nodes.map((node) => {
            const server = nodeAddress(node, family) ?? node.address;
            return { address: server, check: checkOf(server, healthPort, path) };
          }),
        };
      }),
    ),
  );
  return { namespace: LOAD_BALANCER, virtualServers, checks };
}

/** Where a node says whether it should be sent a Service's connections (KEP-3836 for those of the policy Cluster). */
function healthOf({ externalTrafficPolicy, healthCheckNodePort }: Service): [port: number, path: string] {
  const own = externalTrafficPolicy === "Local" && healthCheckNodePort !== 0;
  return own ? [healthCheckNodePort, "/healthz"] : [PROXY_HEALTH_PORT, PROXY_HEALTH_PATH];
}

/** The load balancer's own address of IPv4 on the nodes' network: the highest that nothing else has. */
export function loadBalancerAddress(cluster: Pick<Cluster, "nodes" | "services">, nodeCIDR: string): string {
  const { network = 0, prefix = 32 } = parseCidr(nodeCIDR) ?? {};
  const taken = new Set([...cluster.nodes, ...balancedAddresses(cluster)].map(({ address }) => address));
  const last = (network | ~prefixMask(prefix)) >>> 0;
  for (let ip = last - 1; ip > network + 1; ip--) {
    const address = formatIpv4(ip);
    if (!taken.has(address)) return address;
  }
  throw new InputError({}, `nodeCIDR ${nodeCIDR} has no address left for the load balancer; choose a larger one`);
}

/** Its own of IPv6: the first behind the gateway's that nothing else has. */
export function loadBalancerAddress6(cluster: Pick<Cluster, "nodes" | "services">, nodeCIDR: string): string {
  const { network = 0n } = parseCidr6(nodeCIDR) ?? {};
  const taken = new Set([
    ...cluster.nodes.map(({ address6 }) => address6),
    ...balancedAddresses(cluster).map(({ address }) => address),
  ]);
  let ip = network + 2n;
  while (taken.has(formatIpv6(ip))) ip++;
  return formatIpv6(ip);
}

/** The link address of its card on the internet's side; undefined if there is no load balancer. */
export function loadBalancerMac(cluster: Pick<Cluster, "services">): string | undefined {
  const [first] = balancedAddresses(cluster);
  return first && cardMac(first.address);
}

/** Where the load balancer stands. */
export interface LoadBalancerPlace {
  nodeCIDR: string;
  mtu: number;
  segments: { nodes: string; internet: string };
  /** The internet's router. */
  router: string;
  /** The same of IPv6, in a cluster that has it. */
  six?: { nodeCIDR: string; router: string } | undefined;
}

/** The machine, which has a foot on the internet's side and one on the nodes' network; none if it would own no address. */
export function loadBalancerMachine(cluster: Cluster, place: LoadBalancerPlace, how: HealthChecks): Machine[] {
  const mac = loadBalancerMac(cluster);
  if (mac === undefined) return [];
  const { nodeCIDR, mtu, segments, router, six } = place;
  const own = loadBalancerAddress(cluster, nodeCIDR);
  const namespace = LOAD_BALANCER;
  const machine: Machine = {
    name: LOAD_BALANCER,
    namespaces: [{ name: namespace, role: "load balancer", sysctls: [] }],
    bridges: [],
    veths: [],
    wires: [
      { namespace, name: "eth0", mac, mtu, segment: segments.internet },
      { namespace, name: "eth1", mac: cardMac(own), mtu, segment: segments.nodes },
    ],
    addresses: [
      ...balancedAddresses(cluster).map(({ address }) => ({ namespace, device: "eth0", cidr: hostBlock(address) })),
      { namespace, device: "eth1", cidr: `${own}/${nodeCIDR.split("/")[1] ?? "32"}` },
    ],
    routes: [
      { namespace, destination: hostBlock(router), device: "eth0" },
      { namespace, destination: "0.0.0.0/0", via: router, device: "eth0" },
    ],
    neighbours: [],
    listeners: [],
    balancer: balancerConfig(cluster, how),
  };
  if (six) {
    const own6 = loadBalancerAddress6(cluster, six.nodeCIDR);
    machine.addresses.push({ namespace, device: "eth1", cidr: `${own6}/${six.nodeCIDR.split("/")[1] ?? "128"}` });
    machine.routes.push(
      { namespace, destination: hostBlock(six.router), device: "eth0" },
      { namespace, destination: "::/0", via: six.router, device: "eth0" },
    );
  }
  return [machine];
}
