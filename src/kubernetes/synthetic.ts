// Services that nobody calls: they make the rule sets of a cluster as long as those of a large one.
import { cidrSize, parseCidr } from "../address.ts";
import { InputError } from "../errors.ts";
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
    services.push(serviceOf(`service-${i}`, nthAddress(serviceCIDR, place--)));
    slices.push(sliceOf(`service-${i}`, nthAddress(ENDPOINTS, i)));
  }
  return { services, slices };
}

function serviceOf(name: string, clusterIP: string): Service {
  return {
    namespace: SYNTHETIC_NAMESPACE,
    name,
    labels: {},
    type: "ClusterIP",
    clusterIPs: [clusterIP],
    externalIPs: [],
    externalName: "",
    ports: [{ name: "", protocol: "TCP", port: PORT, targetPort: PORT, nodePort: 0 }],
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

function sliceOf(name: string, address: string): EndpointSlice {
  const endpoint: Endpoint = {
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    nodeName: "",
    zone: "",
    hostname: "",
    forZones: [],
    forNodes: [],
  };
  return {
    namespace: SYNTHETIC_NAMESPACE,
    name: `${name}-1`,
    labels: { "kubernetes.io/service-name": name },
    addressType: "IPv4",
    ports: [{ name: "", protocol: "TCP", port: PORT }],
    endpoints: [endpoint],
  };
}
