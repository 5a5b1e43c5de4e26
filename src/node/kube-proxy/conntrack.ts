// kube-proxy's clean-up of connection tables (pkg/proxy/conntrack): which UDP entries of a node lead to endpoints that are gone.
import type { EndpointSlice, Service } from "../../kubernetes/objects.ts";
import type { ServedDatagrams } from "../../seam/change.ts";
import type { ProxyContext } from "./context.ts";
import { EndpointIndex } from "./select.ts";
import { proxyServicePorts } from "./service-port.ts";

/**
 * Every UDP port of a Service with all endpoints that serve, whatever policies, hints and termination say. An entry that goes to one of the
 * destinations and is answered by none of the servers is stale. A Service without any is no exception (so since 1.37).
 */
export function servedDatagrams(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  context: ProxyContext,
): ServedDatagrams[] {
  const index = new EndpointIndex(slices, context);
  return proxyServicePorts(services, context.ipFamily)
    .filter(({ protocol }) => protocol === "udp")
    .map((port) => ({
      family: context.ipFamily === "IPv4" ? "ipv4" : "ipv6",
      addresses: [port.clusterIP, ...port.externalIPs, ...port.vips],
      port: port.portNumber,
      nodePort: port.nodePort,
      servers: [
        ...new Set(
          index
            .endpoints(port)
            .filter(({ serving }) => serving)
            .map(({ ip }) => ip),
        ),
      ],
    }));
}
