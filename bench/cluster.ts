// A cluster for benchmarks: a client on node-1, a server on node-2, and a number of Services of which the last is called.
import { addressNames } from "../src/node/names.ts";
import { nodeMachine } from "../src/node/machine.ts";
import { formatIpv4 } from "../src/address.ts";
import type { Cluster, EndpointSlice, Pod, Service } from "../src/kubernetes/objects.ts";
import type { Plan } from "../src/seam/plan.ts";

const NODE_CIDR = "192.168.0.0/24";
const FIRST_CLUSTER_IP = 0x0a60000b; // 10.96.0.11
const PORT = 80;

function pod(name: string, node: number, ports: number[]): Pod {
  return {
    namespace: "bench",
    name,
    labels: {},
    owner: { kind: "Pod", name },
    nodeName: `node-${node}`,
    podIP: `10.244.${node}.2`,
    hostNetwork: false,
    hostname: name,
    subdomain: "",
    containers: [
      {
        name: "main",
        ports: ports.flatMap((containerPort) =>
          (["TCP", "UDP"] as const).map((protocol) => ({ name: "", containerPort, protocol, hostPort: 0, hostIP: "" })),
        ),
      },
    ],
  };
}

function service(index: number): Service {
  return {
    namespace: "bench",
    name: `service-${index}`,
    labels: {},
    type: "ClusterIP",
    clusterIPs: [formatIpv4(FIRST_CLUSTER_IP + index)],
    externalIPs: [],
    externalName: "",
    ports: (["TCP", "UDP"] as const).map((protocol) => ({
      name: protocol.toLowerCase(),
      protocol,
      port: PORT,
      targetPort: PORT,
      nodePort: 0,
    })),
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

function slice(index: number): EndpointSlice {
  return {
    namespace: "bench",
    name: `service-${index}-slice`,
    labels: { "kubernetes.io/service-name": `service-${index}` },
    addressType: "IPv4",
    ports: (["TCP", "UDP"] as const).map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: PORT })),
    endpoints: [
      {
        addresses: ["10.244.2.2"],
        ready: true,
        serving: true,
        terminating: false,
        nodeName: "node-2",
        zone: "",
        hostname: "",
        forZones: [],
        forNodes: [],
      },
    ],
  };
}

/** A plan whose one flow calls the last of `services` Services `rate` times a second for a time, from node-1 to node-2. */
export function serviceCluster(options: {
  protocol: "udp" | "tcp";
  services: number;
  rate: number;
  durationNs?: number;
}): Plan {
  const { durationNs = 1e15 } = options;
  const indices = Array.from({ length: options.services }, (_, i) => i);
  const cluster: Cluster = {
    nodes: [1, 2].map((i) => ({
      name: `node-${i}`,
      labels: {},
      address: `192.168.0.${10 + i}`,
      podCIDR: `10.244.${i}.0/24`,
      unschedulable: false,
    })),
    pods: [pod("client", 1, []), pod("server", 2, [PORT])],
    services: indices.map(service),
    endpointSlices: indices.map(slice),
    pending: [],
    ignored: [],
    notEmulated: [],
  };
  return {
    seed: 1,
    durationNs,
    machines: cluster.nodes.map((node) =>
      nodeMachine(cluster, node, { podCIDR: "10.244.0.0/16", nodeCIDR: NODE_CIDR }),
    ),
    segments: [{ name: "nodes", latencyNs: 50_000, rate: 100e9 }],
    lines: ["bench"],
    flows: [
      {
        line: 0,
        namespace: "bench/client",
        protocol: options.protocol,
        target: { address: formatIpv4(FIRST_CLUSTER_IP + options.services - 1), port: PORT },
        rate: options.rate,
        arrival: "constant",
        startNs: 0,
        stopNs: durationNs,
        requestBytes: 22,
        timeoutNs: 1e9,
      },
    ],
    zone: [],
    captures: [],
    names: addressNames(cluster, { nodeCIDR: NODE_CIDR }),
  };
}
