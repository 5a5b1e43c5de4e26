// Short ways to write Kubernetes objects and a small cluster in tests.
import type {
  Cluster,
  Container,
  Endpoint,
  EndpointSlice,
  Node,
  Pod,
  Service,
  ServicePort,
} from "../../src/kubernetes/objects.ts";

export function node(i: number, labels: Record<string, string> = {}): Node {
  return {
    name: `node-${i}`,
    labels,
    address: `192.168.0.${10 + i}`,
    podCIDR: `10.244.${i}.0/24`,
    unschedulable: false,
  };
}

/** `80/TCP` or `8080:80/TCP` with a hostPort before the colon. */
export function container(name: string, ...ports: string[]): Container {
  return {
    name,
    ports: ports.map((text) => {
      const [, hostPort, port, protocol] = /^(?:(\d+):)?(\d+)\/(\w+)$/.exec(text) ?? [];
      return {
        name: "",
        containerPort: Number(port),
        protocol: protocol as "TCP",
        hostPort: Number(hostPort ?? 0),
        hostIP: "",
      };
    }),
  };
}

export function pod(
  path: string,
  nodeName: string,
  podIP: string,
  containers: Container[],
  more: Partial<Pod> = {},
): Pod {
  const [namespace = "", name = ""] = path.split("/");
  return {
    namespace,
    name,
    labels: {},
    owner: { kind: "Pod", name },
    nodeName,
    podIP,
    hostNetwork: false,
    hostname: name,
    subdomain: "",
    containers,
    ...more,
  };
}

export function port(name: string, number: number, more: Partial<ServicePort> = {}): ServicePort {
  return { name, protocol: "TCP", port: number, targetPort: number, nodePort: 0, ...more };
}

export function service(path: string, clusterIP: string, ports: ServicePort[], more: Partial<Service> = {}): Service {
  const [namespace = "", name = ""] = path.split("/");
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
    ...more,
  };
}

export function endpoint(address: string, nodeName: string, more: Partial<Endpoint> = {}): Endpoint {
  return {
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    nodeName,
    zone: "",
    hostname: "",
    forZones: [],
    forNodes: [],
    ...more,
  };
}

/** A slice of `service` with one port. */
export function slice(of: Service, endpoints: Endpoint[], more: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    namespace: of.namespace,
    name: `${of.name}-1`,
    labels: { "kubernetes.io/service-name": of.name },
    addressType: "IPv4",
    ports: of.ports.map(({ name, protocol, targetPort }) => ({ name, protocol, port: Number(targetPort) })),
    endpoints,
    ...more,
  };
}

export function cluster(parts: Partial<Cluster>): Cluster {
  return {
    nodes: [],
    pods: [],
    services: [],
    endpointSlices: [],
    namespaces: [],
    networkPolicies: [],
    pending: [],
    ignored: [],
    notEmulated: [],
    ...parts,
  };
}
