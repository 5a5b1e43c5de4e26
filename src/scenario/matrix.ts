// Who reaches whom: a probe from every pod, and from outside, to every Service and every pod on each of their ports.
import { SERVICE_NAME } from "../kubernetes/endpoints.ts";
import type { Cluster, Node, Protocol, Service, ServicePort } from "../kubernetes/objects.ts";
import { SYNTHETIC_NAMESPACE } from "../kubernetes/synthetic.ts";
import { virtualAddresses } from "../node/load-balancer.ts";
import { externalAddress } from "../node/outside-addresses.ts";
import { INTERNET_CLIENT, podClient, type Client } from "./clients.ts";
import { probeFlow, type Probe } from "./probes.ts";
import { clusterIPOf } from "./targets.ts";

export interface MatrixTarget {
  /** `Service default/cart:7070/TCP`, `load balancer ...`, `node port ...`, `pod default/cart-0:7070/TCP`. */
  name: string;
  address: string;
  port: number;
  protocol: Protocol;
}

interface Target extends MatrixTarget {
  /** By which the outside client reaches it; undefined if only pods do. */
  outside: string | undefined;
  times: number;
}

export interface Matrix {
  sources: string[];
  targets: MatrixTarget[];
  probes: Probe[];
}

export const OUTSIDE = "internet";
/** So often for each endpoint, as kube-proxy's rules draw one at random. */
const DRAWS = 4;
const MOST_DRAWS = 16;

/** Every probe of a cluster's matrix: by targets, then by sources. SCTP has no sockets, so its ports are left out. */
export function clusterMatrix(cluster: Cluster, nodeCIDR: string): Matrix {
  const running = cluster.pods.filter(({ podIP }) => podIP !== "");
  const sources: { name: string; client: Client }[] = [
    ...running.map((pod) => ({ name: `${pod.namespace}/${pod.name}`, client: podClient(cluster, pod) })),
    { name: OUTSIDE, client: INTERNET_CLIENT },
  ];
  const targets = [
    ...cluster.services
      .filter(({ namespace }) => namespace !== SYNTHETIC_NAMESPACE)
      .flatMap((service) => serviceTargets(cluster, service, nodeCIDR)),
    ...podTargets(cluster),
  ];
  const probes = targets.flatMap((target) =>
    sources.flatMap(({ name, client }): Probe[] => {
      const address = name === OUTSIDE ? target.outside : target.address;
      if (address === undefined) return [];
      const protocol = target.protocol === "UDP" ? "udp" : "tcp";
      const flow = probeFlow(cluster, protocol, { address, port: target.port });
      return [{ from: name, to: target.name, client, ...flow, times: target.times }];
    }),
  );
  return {
    sources: sources.map(({ name }) => name),
    targets: targets.map(({ name, address, port, protocol }) => ({ name, address, port, protocol })),
    probes,
  };
}

/** A headless Service has no address but its pods', and a name that leads out of the cluster none at all. */
function serviceTargets(cluster: Cluster, service: Service, nodeCIDR: string): Target[] {
  const address = clusterIPOf(service, cluster);
  const balancer = virtualAddresses(service)[0];
  const [node] = cluster.nodes;
  const path = `${service.namespace}/${service.name}`;
  return service.ports
    .filter(({ protocol }) => protocol !== "SCTP")
    .flatMap((servicePort) => {
      const { port, protocol, nodePort } = servicePort;
      const times = draws(cluster, service, servicePort);
      const target = (kind: string, at: string, number: number, outside?: string): Target => ({
        name: `${kind} ${path}:${number}/${protocol}`,
        address: at,
        port: number,
        protocol,
        outside,
        times,
      });
      return [
        ...(address === undefined ? [] : [target("Service", address, port)]),
        ...(balancer === undefined ? [] : [target("load balancer", balancer, port, balancer)]),
        ...(nodePort === 0 || !node
          ? []
          : [nodePortTarget(service, node, nodeCIDR, (at, outside) => target("node port", at, nodePort, outside))]),
      ];
    });
}

/** A node port by the address of the Service's first family. */
function nodePortTarget(
  { ipFamilies = ["IPv4"] }: Service,
  node: Node,
  nodeCIDR: string,
  target: (at: string, outside: string) => Target,
): Target {
  const six = ipFamilies[0] === "IPv6" ? node.address6 : undefined;
  return six === undefined ? target(node.address, externalAddress(node, nodeCIDR)) : target(six, six);
}

function draws(cluster: Cluster, { namespace, name }: Service, port: ServicePort): number {
  const endpoints = cluster.endpointSlices
    .filter((slice) => slice.namespace === namespace && slice.labels[SERVICE_NAME] === name)
    .filter(({ ports }) => ports.some((one) => one.name === port.name && one.protocol === port.protocol))
    .reduce((sum, slice) => sum + slice.endpoints.length, 0);
  return endpoints > 1 ? Math.min(endpoints * DRAWS, MOST_DRAWS) : 1;
}

function podTargets(cluster: Cluster): Target[] {
  const targets = cluster.pods
    .filter(({ podIP }) => podIP !== "")
    .flatMap(({ namespace, name, podIP, containers }) =>
      containers
        .flatMap(({ ports }) => ports)
        .filter(({ protocol }) => protocol !== "SCTP")
        .map(({ containerPort, protocol }) => ({
          name: `pod ${namespace}/${name}:${containerPort}/${protocol}`,
          address: podIP,
          port: containerPort,
          protocol,
          outside: undefined,
          times: 1,
        })),
    );
  return targets.filter(({ name }, i) => targets.findIndex((other) => other.name === name) === i);
}
