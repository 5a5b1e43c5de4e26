// kube-proxy in nftables mode: Services and EndpointSlices in, its table as `nft list table ip kube-proxy` prints it out.
import type { EndpointSlice, Service } from "../../../kubernetes/objects.ts";
import type { ProxyContext } from "../context.ts";
import { EndpointIndex, selectEndpoints } from "../select.ts";
import { proxyServicePorts } from "../service-port.ts";
import { addNftServicePort } from "./services.ts";
import { newProxyTable } from "./static.ts";

/**
 * The table after a full sync of kube-proxy as of 1.35 (`ip6 kube-proxy` for IPv6), printed by nft 1.0.6. Services come in input order,
 * where kube-proxy itself has a random one.
 */
export function kubeProxyTable(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  context: ProxyContext,
): string {
  const table = newProxyTable(context);
  const index = new EndpointIndex(slices, context);
  for (const port of proxyServicePorts(services, context.ipFamily))
    addNftServicePort(table, port, selectEndpoints(port, index.endpoints(port), context), context);
  return table.print();
}
