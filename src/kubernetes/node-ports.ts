// Node ports of Services: those asked for first, then the next free ones from 30000 on.
import type { ServicePort, Service } from "./objects.ts";
import { serviceLabel, type ParsedService } from "./services.ts";

/** The API server's default `--service-node-port-range`. */
const NODE_PORTS = { first: 30000, last: 32767 };

/**
 * The Services with their node ports and health check node ports. A real API server draws them at random. Throws an InputError for a
 * port out of range or that two Services ask for, or if none is left.
 */
export function allocateNodePorts(services: readonly ParsedService[]): ParsedService[] {
  const owners = new Map<number, Service>();
  for (const parsed of services) reserve(parsed, owners);
  let next = NODE_PORTS.first;
  const allocate = ({ service, manifest }: ParsedService): number => {
    while (owners.has(next)) next++;
    if (next > NODE_PORTS.last) manifest.fail(["spec", "type"], "no node port is left");
    owners.set(next, service);
    return next;
  };
  return services.map((parsed) => {
    const { service, spec } = parsed;
    const health = service.type === "LoadBalancer" && service.externalTrafficPolicy === "Local";
    const wanted =
      service.type === "NodePort" || (service.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts);
    const ports = wanted ? portsWith(service.ports, () => allocate(parsed)) : service.ports;
    const healthCheckNodePort =
      health && service.healthCheckNodePort === 0 ? allocate(parsed) : service.healthCheckNodePort;
    return { ...parsed, service: { ...service, ports, healthCheckNodePort } };
  });
}

/** A node port belongs to one Service, whatever the protocol. */
function reserve({ service, manifest }: ParsedService, owners: Map<number, Service>): void {
  const take = (port: number, path: (string | number)[]): void => {
    const owner = owners.get(port);
    if (port !== 0 && (port < NODE_PORTS.first || port > NODE_PORTS.last))
      manifest.fail(
        ["spec", ...path],
        `${port} is not a node port; they are ${NODE_PORTS.first} to ${NODE_PORTS.last}`,
      );
    if (port !== 0 && owner && owner !== service)
      manifest.fail(["spec", ...path], `node port ${port} is that of ${serviceLabel(owner)} already; choose another`);
    owners.set(port, service);
  };
  service.ports.forEach(({ nodePort }, i) => take(nodePort, ["ports", i, "nodePort"]));
  take(service.healthCheckNodePort, ["healthCheckNodePort"]);
}

/** The same port number with another protocol gets the same node port. */
function portsWith(ports: readonly ServicePort[], allocate: () => number): ServicePort[] {
  const byNumber = new Map<number, number>();
  for (const { port, nodePort } of ports) if (nodePort !== 0 && !byNumber.has(port)) byNumber.set(port, nodePort);
  return ports.map((port) => {
    if (port.nodePort !== 0) return port;
    const nodePort = byNumber.get(port.port) ?? allocate();
    byNumber.set(port.port, nodePort);
    return { ...port, nodePort };
  });
}
