// Services that nobody calls: they make the rule sets of a cluster as long as those of a large one.
import { cidrSize, parseCidr } from "../address.ts";
import { InputError } from "../errors.ts";
import { SERVICE_NAME } from "./endpoints.ts";
import type { Endpoint, EndpointSlice, Service } from "./objects.ts";
import { nthAddress } from "./service-addresses.ts";

export const SYNTHETIC_NAMESPACE = "synthetic";

const PORT = 80;
/** The range for benchmarks (RFC 2544); nobody has an address of it. */
const ENDPOINTS = "198.18.0.0/15";

/**
 * So many Services of type ClusterIP, of one TCP port and one endpoint each, and their EndpointSlices. Their cluster IPs are the last
 * of the range that are not taken, so that those of others stay. Throws an InputError if the range is too small.
 */
export function syntheticServices(
  count: number,
  serviceCIDR: string,
  taken: readonly Service[],
): { services: Service[]; slices: EndpointSlice[] } {
  const others = new Set(taken.flatMap(({ clusterIPs }) => clusterIPs));
  const services: Service[] = [];
  const slices: EndpointSlice[] = [];
  let place = cidrSize(parseCidr(serviceCIDR)?.prefix ?? 32) - 2;
  for (let i = 1; i <= count; i++) {
    while (place > 0 && others.has(nthAddress(serviceCIDR, place))) place--;
    if (place <= 0)
      throw new InputError(
        { field: "spec.cluster.syntheticServices" },
        `${serviceCIDR} has no addresses for ${count} Services; choose a larger serviceCIDR`,
      );
    const name = `service-${i}`;
    const service = plainService(SYNTHETIC_NAMESPACE, name, nthAddress(serviceCIDR, place--), [
      { name: "", protocol: "TCP", port: PORT, targetPort: PORT, nodePort: 0 },
    ]);
    services.push(service);
    slices.push(
      plainSlice(service, `${name}-1`, [{ name: "", protocol: "TCP", port: PORT }], {
        address: nthAddress(ENDPOINTS, i),
        nodeName: "",
      }),
    );
  }
  return { services, slices };
}

/** A Service of type ClusterIP and nothing special, in the namespace. */
export function plainService(namespace: string, name: string, clusterIP: string, ports: Service["ports"]): Service {
  return {
    namespace,
    name,
    labels: {},
    type: "ClusterIP",
    clusterIPs: [clusterIP],
    externalIPs: [],
    externalName: "",
    ports,
    sessionAffinity: "None",
    sessionAffinityTimeoutSeconds: 10800,
    externalTrafficPolicy: "Cluster",
    internalTrafficPolicy: "Cluster",
    loadBalancerSourceRanges: [],
    loadBalancerIngress: [],
    healthCheckNodePort: 0,
    publishNotReadyAddresses: false,
  };
}

/** Its EndpointSlice with one endpoint that is ready; `nodeName` is empty for one on no node. */
export function plainSlice(
  service: Pick<Service, "namespace" | "name">,
  name: string,
  ports: EndpointSlice["ports"],
  { address, nodeName }: { address: string; nodeName: string },
): EndpointSlice {
  const endpoint: Endpoint = {
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    nodeName,
    zone: "",
    hostname: "",
    forZones: [],
    forNodes: [],
  };
  return {
    namespace: service.namespace,
    name,
    labels: { [SERVICE_NAME]: service.name },
    addressType: "IPv4",
    ports,
    endpoints: [endpoint],
  };
}
