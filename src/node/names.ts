// A name for every address of a run, for the name resolution block of captures.
import { isIP } from "node:net";
import type { Cluster } from "../kubernetes/objects.ts";
import { nodeRange, podIPs, type SixRanges } from "../kubernetes/families.ts";
import { podSubnet } from "./cni-bridge.ts";
import { balancedAddresses, loadBalancerAddress, loadBalancerAddress6, LOAD_BALANCER } from "./load-balancer.ts";
import { TUNNEL, tunnelAddress } from "./flannel.ts";
import { gatewayAddress, type NetworkOptions } from "./machine.ts";
import {
  CLIENT_ADDRESS,
  CLIENT_GATEWAY,
  externalAddress,
  externalNetwork,
  RESOLVER_ADDRESS,
} from "./outside-addresses.ts";
import {
  CLIENT_ADDRESS6,
  CLIENT_GATEWAY6,
  EXTERNAL6,
  gatewayAddress6,
  RESOLVER_ADDRESS6,
} from "./outside-addresses6.ts";

export interface AddressName {
  address: string;
  name: string;
  /** `pod shop/frontend-0`, `Service shop/frontend`, `node node-1`. */
  owner: string;
}

/**
 * Addresses with one name each: `frontend-0.default` for a pod, `frontend.default.svc` for a cluster IP, `frontend.default.lb` for a load
 * balancer address, `node-1` and `node-1.external` for a node, `vbr0.node-1` for its bridge, `flannel.1.node-1` for its end of
 * the tunnels, `gateway`, `internet`, `client`.
 */
export function addressNames(
  cluster: Cluster,
  options: { nodeCIDR: string; six?: SixRanges | undefined; network?: NetworkOptions },
): AddressName[] {
  const names = new Map<string, AddressName>();
  const add = (address: string, name: string, owner = name): void => {
    if (!names.has(address) && (isIP(address) === 4 || (isIP(address) === 6 && options.six)))
      names.set(address, { address, name, owner });
  };
  const { nodeCIDR } = options;
  const external = externalNetwork(nodeCIDR);
  for (const node of cluster.nodes) {
    add(node.address, node.name, `node ${node.name}`);
    add(externalAddress(node, nodeCIDR), `${node.name}.external`, `node ${node.name} outside`);
    if (node.address6 !== undefined) add(node.address6, node.name, `node ${node.name}`);
    for (const family of ["IPv4", "IPv6"] as const)
      if (nodeRange(node, family) !== undefined)
        add(podSubnet(node, family).gateway, `vbr0.${node.name}`, `node ${node.name}`);
    if (options.network?.mode === "vxlan") add(tunnelAddress(node), `${TUNNEL}.${node.name}`, `node ${node.name}`);
  }
  for (const pod of cluster.pods)
    if (!pod.hostNetwork)
      for (const ip of podIPs(pod)) add(ip, `${pod.name}.${pod.namespace}`, `pod ${pod.namespace}/${pod.name}`);
  for (const { clusterIPs, name, namespace } of cluster.services)
    for (const ip of clusterIPs) add(ip, `${name}.${namespace}.svc`, `Service ${namespace}/${name}`);
  const balanced = balancedAddresses(cluster);
  for (const { address, service } of balanced)
    add(
      address,
      `${service.name}.${service.namespace}.lb`,
      `load balancer of Service ${service.namespace}/${service.name}`,
    );
  if (balanced.length > 0) add(loadBalancerAddress(cluster, nodeCIDR), LOAD_BALANCER);
  add(gatewayAddress(nodeCIDR), "gateway");
  add(external.gateway, "gateway.external");
  add(external.router, "internet");
  add(CLIENT_GATEWAY, "gateway.client");
  add(CLIENT_ADDRESS, "client");
  add(RESOLVER_ADDRESS, "resolver");
  if (options.six) {
    if (balanced.length > 0) add(loadBalancerAddress6(cluster, options.six.nodeCIDR), LOAD_BALANCER);
    add(gatewayAddress6(options.six.nodeCIDR), "gateway");
    add(EXTERNAL6.gateway, "gateway.external");
    add(EXTERNAL6.router, "internet");
    add(CLIENT_GATEWAY6, "gateway.client");
    add(CLIENT_ADDRESS6, "client");
    add(RESOLVER_ADDRESS6, "resolver");
  }
  return [...names.values()];
}
