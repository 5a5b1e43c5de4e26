// kube-proxy in ipvs mode: Services and EndpointSlices in; virtual servers, addresses of kube-ipvs0, ipsets and iptables rules out.
import type { EndpointSlice, Service } from "../../../kubernetes/objects.ts";
import type { IpvsConfig } from "../../../seam/ipvs.ts";
import { addKubeletChains } from "../../kubelet-chains.ts";
import { newNodeTables, printTables, type NodeTables } from "../../tables.ts";
import type { ProxyContext } from "../context.ts";
import { EndpointIndex, selectEndpoints } from "../select.ts";
import { proxyServicePorts } from "../service-port.ts";
import { saveServices } from "./ipvsadm.ts";
import { addIpvsChains, addIpvsRules } from "./rules.ts";
import { addIpvsServicePort, newIpvsState, type IpvsState } from "./services.ts";

/** The device that kube-proxy makes. */
export const IPVS_DEVICE = "kube-ipvs0";

/** All that a sync leaves on the node. */
export interface IpvsSync {
  tables: NodeTables;
  ipvs: IpvsConfig;
}

/**
 * What a node has after a sync of kube-proxy as of about 1.32. Services come in input order, where kube-proxy itself has a random one.
 * With `context.kubelet` the kubelet's chains are there too.
 */
export function kubeProxyIpvs(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  context: ProxyContext,
): IpvsSync {
  const tables = newNodeTables();
  if (context.kubelet) addKubeletChains(tables, context.ipFamily);
  addIpvsChains(tables);
  const state = newIpvsState(context);
  const { sets } = state;
  const index = new EndpointIndex(slices, context);
  for (const port of proxyServicePorts(services, context.ipFamily)) {
    const endpoints = index.endpoints(port);
    addIpvsServicePort(state, port, endpoints, selectEndpoints(port, endpoints, context), context);
  }
  for (const address of state.addresses) sets.add("IPVS-IPS", address);
  addIpvsRules(tables, state, context);
  const servers = { addresses: [...state.addresses], services: firstOfEach(state.services) };
  return { tables, ipvs: { device: IPVS_DEVICE, ...servers, sets: sets.print(), full: sets.full } };
}

/** Two Services may name one external address and port: the one that is synced first makes the virtual server. */
function firstOfEach(services: IpvsState["services"]): IpvsState["services"] {
  const known = new Set<string>();
  return services.filter(({ address, port, protocol }) => {
    const key = `${address} ${port} ${protocol}`;
    if (known.has(key)) return false;
    known.add(key);
    return true;
  });
}

type Objects = Parameters<typeof kubeProxyIpvs>;

/** The rules as iptables-save text. */
export function ipvsRules(...objects: Objects): string {
  return printTables(kubeProxyIpvs(...objects).tables);
}

/** The virtual servers as `ipvsadm -Sn` text. */
export function ipvsServices(...objects: Objects): string {
  return saveServices(kubeProxyIpvs(...objects).ipvs.services);
}
