// kube-proxy in iptables mode: Services and EndpointSlices in, the node's iptables-save text out.
import type { EndpointSlice, Service } from "../../kubernetes/objects.ts";
import { addKubeletChains } from "../kubelet-chains.ts";
import { newNodeTables, printTables, type NodeTables } from "../tables.ts";
import type { ProxyContext } from "./context.ts";
import { EndpointIndex, selectEndpoints } from "./select.ts";
import { proxyServicePorts } from "./service-port.ts";
import { addServicePort } from "./services.ts";
import { addBaseChains, addStaticRules } from "./static.ts";

/** From this number of endpoints on, kube-proxy leaves comments out of the rules of endpoints. */
const LARGE_CLUSTER = 1001;

/**
 * The node's tables after a full sync of kube-proxy (as of 1.35 to 1.37). Services come in input order, where kube-proxy itself
 * has a random one. With `context.kubelet` the kubelet's chains are there too.
 */
export function kubeProxyTables(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  context: ProxyContext,
): NodeTables {
  const tables = newNodeTables();
  if (context.kubelet) addKubeletChains(tables, context.ipFamily);
  const firewallMade = context.kubelet && context.ipFamily === "IPv4";
  addBaseChains(tables, firewallMade);
  const index = new EndpointIndex(slices, context);
  const ports = proxyServicePorts(services, context.ipFamily).map((port) => ({
    port,
    endpoints: index.endpoints(port),
  }));
  const comments = ports.reduce((sum, { endpoints }) => sum + endpoints.length, 0) < LARGE_CLUSTER;
  for (const { port, endpoints } of ports)
    addServicePort(tables, port, selectEndpoints(port, endpoints, context), context, comments);
  addStaticRules(tables, context, firewallMade);
  return tables;
}

/** The same as iptables-save text (ip6tables-save for IPv6): tables mangle, filter and nat, chains and counters as printed on the node. */
export function kubeProxyRules(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  context: ProxyContext,
): string {
  return printTables(kubeProxyTables(services, slices, context));
}
