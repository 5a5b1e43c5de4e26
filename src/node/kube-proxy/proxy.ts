// kube-proxy in iptables mode: Services and EndpointSlices in, the node's iptables-save text out.
import type { EndpointSlice, Service } from "../../kubernetes/objects.ts";
import { addKubeletChains } from "../kubelet-chains.ts";
import { commonTables, newNodeTables, printTables, type CommonTables, type NodeTables } from "../tables.ts";
import type { ProxyContext } from "./context.ts";
import type { Family } from "./ip.ts";
import { EndpointIndex, selectEndpoints } from "./select.ts";
import { proxyServicePorts } from "./service-port.ts";
import { addServicePort } from "./services.ts";
import { addBaseChains, addStaticRules } from "./static.ts";

/** From this number of endpoints on, kube-proxy leaves comments out of the rules of endpoints. */
const LARGE_CLUSTER = 1001;

/** The Services as the first node of a kind sees them, for the nodes after it: they differ in little more than their names. */
const views = new WeakMap<readonly Service[], WeakMap<readonly EndpointSlice[], Map<string, CommonTables>>>();

/**
 * The node's tables after a full sync of kube-proxy (as of 1.35 to 1.37). Services come in input order, where kube-proxy itself
 * has a random one. With `context.kubelet` the kubelet's chains are there too. Lists of objects are never changed, only replaced:
 * what was made of them for one node serves others that see the same.
 */
export function kubeProxyTables(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  context: ProxyContext,
): NodeTables {
  const bySlices = views.get(services) ?? new WeakMap<readonly EndpointSlice[], Map<string, CommonTables>>();
  views.set(services, bySlices);
  const byView = bySlices.get(slices) ?? new Map<string, CommonTables>();
  bySlices.set(slices, byView);
  const view = JSON.stringify({ ...context, nodeName: "", nodeIP: "", topologyLabels: {} });
  const known = byView.get(view);
  // Where nodes differ, they mostly differ little.
  if (known && dependsOnNode(services, slices, context))
    return { ...makeTables(services, slices, context), like: known };
  const common = known ?? commonTables(makeTables(services, slices, context));
  byView.set(view, common);
  return common.make();
}

/** Whether nodes of the same flags may have different rules: for policies and hints that heed where one is, or doubtful endpoints. */
function dependsOnNode(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  { ipFamily }: ProxyContext,
): boolean {
  const byServices = dependent[ipFamily];
  let known = byServices.get(services)?.get(slices);
  if (known === undefined) {
    const addresses = new Set<string>();
    known =
      proxyServicePorts(services, ipFamily).some(
        ({ usesLocal, sourceRanges }) => usesLocal || sourceRanges.length > 0,
      ) ||
      slices.some(({ namespace, labels, endpoints }) =>
        endpoints.some(({ forZones, forNodes, addresses: [address] }) => {
          // Of two entries for one address that of the own node counts.
          const key = `${namespace}/${labels["kubernetes.io/service-name"]} ${address}`;
          const again = addresses.has(key);
          addresses.add(key);
          return again || forZones.length > 0 || forNodes.length > 0;
        }),
      );
    const bySlices = byServices.get(services) ?? new WeakMap<readonly EndpointSlice[], boolean>();
    byServices.set(services, bySlices.set(slices, known));
  }
  return known;
}

/** What was found out, of the Services of each family. */
const dependent: Record<Family, WeakMap<readonly Service[], WeakMap<readonly EndpointSlice[], boolean>>> = {
  IPv4: new WeakMap(),
  IPv6: new WeakMap(),
};

function makeTables(services: readonly Service[], slices: readonly EndpointSlice[], context: ProxyContext): NodeTables {
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
