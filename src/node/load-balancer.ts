// Which node each load balancer address is routed to, as a load balancer that advertises addresses from nodes would do.
import { parseIpv4 } from "../address.ts";
import type { Cluster, Node, Service } from "../kubernetes/objects.ts";

export interface LoadBalancerRoute {
  address: string;
  service: Service;
  node: Node;
}

/**
 * One node for every IPv4 load balancer address: round robin over the nodes in Service order. With externalTrafficPolicy Local only
 * nodes with a ready endpoint count, as their health check would say, unless no node has one.
 */
export function loadBalancerRoutes(cluster: Cluster): LoadBalancerRoute[] {
  const routes = new Map<string, LoadBalancerRoute>();
  for (const service of cluster.services)
    for (const { ip } of service.loadBalancerIngress) {
      if (parseIpv4(ip) === undefined || routes.has(ip)) continue;
      const nodes = advertisers(cluster, service);
      const node = nodes[routes.size % nodes.length];
      if (node) routes.set(ip, { address: ip, service, node });
    }
  return [...routes.values()];
}

function advertisers(cluster: Cluster, service: Service): Node[] {
  if (service.externalTrafficPolicy !== "Local") return cluster.nodes;
  const serving = new Set(
    cluster.endpointSlices
      .filter(({ namespace, labels }) => {
        return namespace === service.namespace && labels["kubernetes.io/service-name"] === service.name;
      })
      .flatMap(({ endpoints }) => endpoints)
      .filter(({ ready }) => ready)
      .map(({ nodeName }) => nodeName),
  );
  const nodes = cluster.nodes.filter(({ name }) => serving.has(name));
  return nodes.length > 0 ? nodes : cluster.nodes;
}
