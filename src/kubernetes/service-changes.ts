// What a Service keeps when it is written anew: its addresses and node ports; and what of it cannot change while a cluster runs.
import { isDeepStrictEqual } from "node:util";
import type { Service, ServicePort } from "./objects.ts";
import { serviceLabel, type ParsedService } from "./services.ts";

/**
 * A Service with what the one of its name had been given (patchAllocatedValues of the API server's Service registry). Throws an
 * InputError if it wants another cluster IP.
 */
export function withAllocated(parsed: ParsedService, before: ParsedService | undefined): ParsedService {
  const { service, manifest } = parsed;
  if (!before) return parsed;
  const had = before.service;
  const [own] = service.clusterIPs;
  const [old] = had.clusterIPs;
  const keepsAddress = service.type !== "ExternalName" && had.type !== "ExternalName";
  if (keepsAddress && own !== undefined && own !== old)
    manifest.fail(
      ["spec", "clusterIP"],
      `the cluster IP of ${serviceLabel(service)} is ${old ?? "none"} and cannot change; delete it, and apply another one`,
    );
  return {
    ...parsed,
    service: {
      ...service,
      clusterIPs: keepsAddress ? had.clusterIPs : service.clusterIPs,
      ports: hasNodePorts(service) && hasNodePorts(had) ? withNodePorts(service.ports, had.ports) : service.ports,
      healthCheckNodePort: service.healthCheckNodePort === 0 ? had.healthCheckNodePort : service.healthCheckNodePort,
      loadBalancerIngress: service.type === "LoadBalancer" ? had.loadBalancerIngress : [],
    },
  };
}

function hasNodePorts({ type }: Service): boolean {
  return type === "NodePort" || type === "LoadBalancer";
}

/** A port keeps the node port that one of its name had, unless another port has it now. */
function withNodePorts(ports: readonly ServicePort[], had: readonly ServicePort[]): ServicePort[] {
  const byName = new Map(had.map(({ name, nodePort }) => [name, nodePort]));
  const used = new Set(ports.map(({ nodePort }) => nodePort).filter((nodePort) => nodePort !== 0));
  return ports.map((port) => {
    const old = byName.get(port.name) ?? 0;
    if (port.nodePort !== 0 || old === 0 || used.has(old)) return port;
    used.add(old);
    return { ...port, nodePort: old };
  });
}

/** Throws the InputError for a Service whose load balancer would have to change: that is as it was at the start. */
export function checkBalanced(before: readonly ParsedService[], after: readonly ParsedService[]): void {
  const had = new Map(before.map(({ service }) => [serviceLabel(service), balanced(service)]));
  for (const { service, manifest } of after)
    if (!isDeepStrictEqual(had.get(serviceLabel(service)), balanced(service)))
      manifest.fail(
        ["spec"],
        `what the load balancer of ${serviceLabel(service)} does cannot change while the cluster runs; only its selector can`,
      );
}

/** What of a Service its load balancer knows; undefined: it has none. */
function balanced({
  loadBalancerIngress,
  ports,
  externalTrafficPolicy,
  healthCheckNodePort,
  sessionAffinity,
  ipFamilies,
}: Service) {
  if (loadBalancerIngress.length === 0) return undefined;
  const served = ports.map(({ port, protocol, nodePort }) => ({ port, protocol, nodePort }));
  return { loadBalancerIngress, served, externalTrafficPolicy, healthCheckNodePort, sessionAffinity, ipFamilies };
}
