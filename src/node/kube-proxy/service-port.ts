// A service port as one family's kube-proxy sees it: addresses filtered by family, policies resolved, foreign Services left out.
import type { Service } from "../../kubernetes/objects.ts";
import { familyOf, networkForm, type Family } from "./ip.ts";
import { servicePortName } from "./names.ts";

export interface ProxyServicePort {
  namespace: string;
  service: string;
  /** The port's name, empty if it has none. */
  port: string;
  /** `<namespace>/<service>[:<port name>]` */
  name: string;
  /** In lower case. */
  protocol: string;
  portNumber: number;
  nodePort: number;
  clusterIP: string;
  externalIPs: string[];
  /** Load balancer addresses that the node answers for itself. */
  vips: string[];
  /** loadBalancerSourceRanges in network form. */
  sourceRanges: string[];
  /** externalTrafficPolicy is Local and counts. */
  externalLocal: boolean;
  internalLocal: boolean;
  /** Has a node port, an external IP or a load balancer address. */
  accessible: boolean;
  usesCluster: boolean;
  usesLocal: boolean;
  /** Seconds of ClientIP affinity; 0 is none. */
  stickySeconds: number;
  /** 0 if it has none. */
  healthCheckNodePort: number;
}

const known = new WeakMap<readonly Service[], Map<Family, readonly ProxyServicePort[]>>();

/**
 * The service ports that kube-proxy of this family handles, in the order of the Services and their ports. Made once for all nodes: lists
 * of objects are never changed, only replaced.
 */
export function proxyServicePorts(services: readonly Service[], family: Family): readonly ProxyServicePort[] {
  const byFamily = known.get(services) ?? new Map<Family, readonly ProxyServicePort[]>();
  known.set(services, byFamily);
  const ports = byFamily.get(family) ?? services.filter(isProxied).flatMap((service) => portsOf(service, family));
  byFamily.set(family, ports);
  return ports;
}

/** Not headless, not ExternalName, not left to another proxy. */
function isProxied(service: Service): boolean {
  const [clusterIP = ""] = service.clusterIPs;
  return (
    service.type !== "ExternalName" &&
    clusterIP !== "" &&
    clusterIP !== "None" &&
    service.labels["service.kubernetes.io/service-proxy-name"] === undefined &&
    service.labels["service.kubernetes.io/headless"] === undefined
  );
}

function portsOf(service: Service, family: Family): ProxyServicePort[] {
  const ofFamily = (texts: string[]): string[] => texts.filter((text) => familyOf(text) === family);
  const [clusterIP] = ofFamily(service.clusterIPs);
  if (clusterIP === undefined) return [];
  const externalIPs = ofFamily(service.externalIPs);
  const vips = ofFamily(service.loadBalancerIngress.filter(({ ipMode }) => ipMode === "VIP").map(({ ip }) => ip));
  const sourceRanges = ofFamily(service.loadBalancerSourceRanges.map((range) => range.trim())).map(networkForm);
  // A ClusterIP Service has an external policy only once it has external addresses.
  const externalLocal =
    service.externalTrafficPolicy === "Local" && (service.type !== "ClusterIP" || service.externalIPs.length > 0);
  const internalLocal = service.internalTrafficPolicy === "Local";
  return service.ports.map((port) => {
    const accessible = port.nodePort !== 0 || vips.length > 0 || externalIPs.length > 0;
    return {
      namespace: service.namespace,
      service: service.name,
      port: port.name,
      name: servicePortName(service.namespace, service.name, port.name),
      protocol: port.protocol.toLowerCase(),
      portNumber: port.port,
      nodePort: port.nodePort,
      clusterIP,
      externalIPs,
      vips,
      sourceRanges,
      externalLocal,
      internalLocal,
      accessible,
      usesCluster: !internalLocal || accessible,
      usesLocal: internalLocal || (externalLocal && accessible),
      stickySeconds: service.sessionAffinity === "ClientIP" ? service.sessionAffinityTimeoutSeconds : 0,
      healthCheckNodePort: service.type === "LoadBalancer" && externalLocal ? service.healthCheckNodePort : 0,
    };
  });
}
