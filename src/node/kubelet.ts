// The kubelet's part: which pods run on a node, the namespaces that they run in, and what listens there.
import type { Cluster, ContainerPort, Node, Pod } from "../kubernetes/objects.ts";
import { isIngressController } from "../kubernetes/ingresses.ts";
import type { IngressLocation, ListenerConfig, NamespaceConfig } from "../seam/machine.ts";
import { outsideFamily, resolverAddress } from "./resolv-conf.ts";

/** The placed pods of a list by their node: every node of a large cluster asks. A list is never changed, only replaced. */
const placed = new WeakMap<readonly Pod[], Map<string, Pod[]>>();

/** The node's pods that have been placed and addressed, in the cluster's order. */
export function podsOf({ pods }: Pick<Cluster, "pods">, node: Node): readonly Pod[] {
  let byNode = placed.get(pods);
  if (!byNode) {
    byNode = new Map();
    placed.set(pods, byNode);
    for (const pod of pods) {
      if (pod.podIP === "") continue;
      const there = byNode.get(pod.nodeName);
      if (there) there.push(pod);
      else byNode.set(pod.nodeName, [pod]);
    }
  }
  return byNode.get(node.name) ?? [];
}

/** The network namespace that a pod's containers share; with hostNetwork the node's root. */
export function podNamespace(pod: Pod): string {
  return pod.hostNetwork ? pod.nodeName : `${pod.namespace}/${pod.name}`;
}

/** A pod's own namespace as the runtime makes it: nothing set, no rules. */
export function sandbox(pod: Pod): NamespaceConfig {
  return { name: podNamespace(pod), role: "pod", sysctls: [] };
}

/**
 * A listener for every TCP and UDP container port. Two containers that want the same port both have one here: the kernel refuses the
 * second. The cluster DNS's own pods answer DNS on port 53, an ingress controller's hand HTTP requests on from port 80 or the one
 * called http. `responseBytes`: the length of the bodies that the others answer HTTP requests with.
 */
export function podListeners(pod: Pod, ingress: IngressLocation[] = [], responseBytes?: number): ListenerConfig[] {
  return pod.containers.flatMap((container) =>
    container.ports.flatMap((port) => {
      if (port.protocol === "SCTP") return [];
      return {
        namespace: podNamespace(pod),
        protocol: port.protocol === "TCP" ? "tcp" : "udp",
        address: "0.0.0.0",
        port: port.containerPort,
        application: isClusterDns(pod, port) ? "dns" : isIngress(pod, port) ? "ingress" : "service",
        // In the node's namespace the container's name alone would not say whose it is.
        process: pod.hostNetwork
          ? `container ${container.name} of ${pod.namespace}/${pod.name}`
          : `container ${container.name}`,
        ...(isClusterDns(pod, port) ? { dns: { names: "zone", forward: resolverAddress(outsideFamily(pod)) } } : {}),
        ...(isIngress(pod, port) ? { ingress } : {}),
        ...(responseBytes === undefined ? {} : { responseBytes }),
      } satisfies ListenerConfig;
    }),
  );
}

function isClusterDns(pod: Pod, port: ContainerPort): boolean {
  return pod.namespace === "kube-system" && pod.labels["k8s-app"] === "kube-dns" && port.containerPort === 53;
}

function isIngress(pod: Pod, port: ContainerPort): boolean {
  const http = port.name === "http" || port.containerPort === 80;
  return http && port.protocol === "TCP" && isIngressController(pod.labels);
}

/** A sentence for every container port that nothing listens on, as there are no SCTP sockets. */
export function unservedPorts(cluster: Pick<Cluster, "pods">): string[] {
  return cluster.pods.flatMap((pod) =>
    pod.containers.flatMap(({ name, ports }) =>
      ports
        .filter(({ protocol }) => protocol === "SCTP")
        .map(
          ({ containerPort }) =>
            `nothing listens on SCTP port ${containerPort} of container ${name} in pod ${pod.namespace}/${pod.name}: SCTP sockets are not emulated`,
        ),
    ),
  );
}
