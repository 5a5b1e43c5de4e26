// A cluster for benchmarks: clients on node-1, a server on node-2, and a number of Services of which the last is called.
import { formatIpv4 } from "../address.ts";
import type { Cluster, EndpointSlice, Pod, Service } from "../kubernetes/objects.ts";
import { plainService, plainSlice } from "../kubernetes/synthetic.ts";
import { nodeMachine, nodeRules, type ProxyMode } from "../node/machine.ts";
import { addressNames } from "../node/names.ts";
import type { Machine } from "../seam/machine.ts";
import type { FlowConfig, Plan } from "../seam/plan.ts";
import type { ProcessorConfig } from "../seam/processor.ts";

const NODE_CIDR = "192.168.0.0/16";
const POD_CIDR = "10.0.0.0/9";
const SERVICE_CIDR = "10.192.0.0/10";
const FIRST_CLUSTER_IP = 0x0ac0000b; // 10.192.0.11
const FIRST_POD_RANGE = 0x0a000000; // node i has the i-th /24
const FIRST_NODE = 0xc0a8000a; // 192.168.0.10
export const PORT = 80;

type Protocol = "TCP" | "UDP";

/** A pod by where it is: its node, numbered from 1, and its place there, from 0. */
export interface BenchPod {
  name: string;
  node: number;
  place: number;
  /** Whether it listens on PORT. */
  serves: boolean;
}

export function podAddress({ node, place }: Pick<BenchPod, "node" | "place">): string {
  return formatIpv4(FIRST_POD_RANGE + node * 256 + 2 + place);
}

export function serviceAddress(index: number): string {
  return formatIpv4(FIRST_CLUSTER_IP + index);
}

function podOf(bench: BenchPod): Pod {
  const { name, node, serves } = bench;
  return {
    namespace: "bench",
    name,
    labels: {},
    owner: { kind: "Pod", name },
    nodeName: `node-${node}`,
    podIP: podAddress(bench),
    hostNetwork: false,
    hostname: name,
    subdomain: "",
    containers: [
      {
        name: "main",
        ports: (serves ? (["TCP", "UDP"] as const) : []).map((protocol) => ({
          name: "",
          containerPort: PORT,
          protocol,
          hostPort: 0,
          hostIP: "",
        })),
      },
    ],
  };
}

function service(index: number, protocols: readonly Protocol[]): Service {
  const ports = protocols.map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: PORT,
    targetPort: PORT,
    nodePort: 0,
  }));
  return plainService("bench", `service-${index}`, serviceAddress(index), ports);
}

function slice(of: Service, backend: BenchPod): EndpointSlice {
  const ports = of.ports.map(({ name, protocol }) => ({ name, protocol, port: PORT }));
  const endpoint = { address: podAddress(backend), nodeName: `node-${backend.node}` };
  return plainSlice(of, `${of.name}-slice`, ports, endpoint);
}

/** A cluster of `nodes` nodes; Service i has the i-th backend, numbered around, and a port for each protocol. */
export function clusterOf(
  nodes: number,
  pods: readonly BenchPod[],
  services: number,
  protocols: readonly Protocol[] = ["TCP", "UDP"],
): Cluster {
  const backends = pods.filter(({ serves }) => serves);
  const all = Array.from({ length: services }, (_, i) => service(i, protocols));
  return {
    nodes: Array.from({ length: nodes }, (_, i) => ({
      name: `node-${i + 1}`,
      labels: {},
      address: formatIpv4(FIRST_NODE + i + 1),
      podCIDR: `${formatIpv4(FIRST_POD_RANGE + (i + 1) * 256)}/24`,
      unschedulable: false,
    })),
    pods: pods.map(podOf),
    services: all,
    endpointSlices: all.flatMap((of, i) => {
      const backend = backends[i % backends.length];
      return backend ? [slice(of, backend)] : [];
    }),
    namespaces: [],
    networkPolicies: [],
    pending: [],
    ignored: [],
    notEmulated: [],
  };
}

/** iptables-save text of the n-th node of such a cluster, from 1. */
export function rulesOf(cluster: Cluster, node: number): string {
  const found = cluster.nodes[node - 1];
  if (!found) throw new RangeError(`there is no node ${node}`);
  return nodeRules(cluster, found, { podCIDR: POD_CIDR });
}

/** The machines of such a cluster, with a processor each if work is to take time. */
export function machinesOf(cluster: Cluster, processor?: ProcessorConfig, proxyMode?: ProxyMode): Machine[] {
  const options = { podCIDR: POD_CIDR, nodeCIDR: NODE_CIDR, serviceCIDR: SERVICE_CIDR, processor, proxyMode };
  return cluster.nodes.map((node) => nodeMachine(cluster, node, options));
}

/** A plan of these machines on one segment. */
export function planOf(cluster: Cluster, machines: Machine[], flows: FlowConfig[], durationNs: number): Plan {
  return {
    seed: 1,
    durationNs,
    machines,
    segments: [{ name: "nodes", latencyNs: 50_000, rate: 100e9 }],
    lines: ["bench"],
    flows,
    zone: [],
    captures: [],
    names: addressNames(cluster, { nodeCIDR: NODE_CIDR }),
  };
}

/** A plan whose one flow calls the last of `services` Services `rate` times a second for a time, from node-1 to node-2. */
export function serviceCluster(options: {
  protocol: "udp" | "tcp";
  services: number;
  rate: number;
  durationNs?: number;
}): Plan {
  const { durationNs = 1e15, services, protocol, rate } = options;
  const cluster = clusterOf(
    2,
    [
      { name: "client", node: 1, place: 0, serves: false },
      { name: "server", node: 2, place: 0, serves: true },
    ],
    services,
  );
  const flow: FlowConfig = {
    line: 0,
    namespace: "bench/client",
    protocol,
    target: { address: serviceAddress(services - 1), port: PORT },
    rate,
    arrival: "constant",
    startNs: 0,
    stopNs: durationNs,
    requestBytes: 22,
    timeoutNs: 1e9,
  };
  return planOf(cluster, machinesOf(cluster), [flow], durationNs);
}
