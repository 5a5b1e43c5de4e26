// What the controllers make: pods from workloads, with names that stay the same from run to run.
import { hostPortsOf, selectsNode, untolerated, type HostPort } from "./fit.ts";
import type { ClusterNode } from "./nodes.ts";
import type { Container, Pod } from "./objects.ts";
import type { PodSpec, Toleration } from "./pod-schema.ts";
import type { Workload } from "./workloads.ts";

/** A pod that waits for its place. */
export interface UnplacedPod {
  pod: Pod;
  workload: Workload;
  spec: PodSpec;
  hostPorts: HostPort[];
  /** The node that a DaemonSet made it for. */
  onlyNode?: string;
}

/** What a DaemonSet's pods tolerate by themselves. */
const DAEMON_TOLERATIONS: Toleration[] = [
  ["not-ready", "NoExecute"] as const,
  ["unreachable", "NoExecute"] as const,
  ["disk-pressure", "NoSchedule"] as const,
  ["memory-pressure", "NoSchedule"] as const,
  ["pid-pressure", "NoSchedule"] as const,
  ["unschedulable", "NoSchedule"] as const,
].map(([condition, effect]) => ({ key: `node.kubernetes.io/${condition}`, operator: "Exists", value: "", effect }));

/**
 * The pods of all workloads, in their order. They are called `<workload>-<ordinal>`: as StatefulSets do it, and where a real Deployment
 * would add random letters. Throws an InputError if a Pod or a StatefulSet's pod has the name of another.
 */
export function makePods(workloads: readonly Workload[], nodes: readonly ClusterNode[]): UnplacedPod[] {
  const taken = new Set<string>();
  // First those whose names are not ours to choose.
  for (const workload of workloads)
    if (workload.kind === "Pod" || workload.kind === "StatefulSet")
      for (const ordinal of workload.ordinals ?? []) {
        const name = podName(workload, ordinal);
        const path = `${workload.namespace}/${name}`;
        if (taken.has(path))
          workload.manifest.fail(["metadata", "name"], `there is another pod ${path}; choose another name`);
        taken.add(path);
      }
  return workloads.flatMap((workload) => podsOf(workload, nodes, taken));
}

function podsOf(workload: Workload, nodes: readonly ClusterNode[], taken: Set<string>): UnplacedPod[] {
  const { kind, template, namespace } = workload;
  if (kind === "Pod" || kind === "StatefulSet")
    return (workload.ordinals ?? []).map((ordinal) =>
      makePod(workload, template.spec, podName(workload, ordinal), ordinal),
    );
  const spec = specOf(workload);
  const places = kind === "DaemonSet" ? daemonNodes(workload, nodes) : [];
  const ordinals = workload.ordinals ?? places.map((_, i) => i);
  // Two controllers of one name would have pods of one name: the second's bear its kind too.
  const clash = ordinals.some((ordinal) => taken.has(`${namespace}/${podName(workload, ordinal)}`));
  return ordinals.map((ordinal, i) => {
    const name = clash ? `${workload.name}-${kind.toLowerCase()}-${ordinal}` : podName(workload, ordinal);
    taken.add(`${namespace}/${name}`);
    const unplaced = makePod(workload, spec, name, ordinal);
    const place = places[i];
    return place ? { ...unplaced, onlyNode: place.node.name } : unplaced;
  });
}

/** What the pods of a workload are made of: those of a DaemonSet tolerate more than its template says. */
export function specOf({ kind, template: { spec } }: Workload): PodSpec {
  return kind === "DaemonSet" ? { ...spec, tolerations: [...spec.tolerations, ...DAEMON_TOLERATIONS] } : spec;
}

/** The nodes on which a DaemonSet wants a pod. */
export function daemonNodes(workload: Workload, nodes: readonly ClusterNode[]): ClusterNode[] {
  const spec = specOf(workload);
  return nodes.filter((node) => wantsDaemon(spec, node));
}

function wantsDaemon(spec: PodSpec, node: ClusterNode): boolean {
  const named = spec.nodeName === "" || spec.nodeName === node.node.name;
  return named && selectsNode(spec, node.node) && untolerated(node, spec.tolerations) === undefined;
}

function podName({ kind, name }: Workload, ordinal: number): string {
  return kind === "Pod" ? name : `${name}-${ordinal}`;
}

/** A pod of a workload's template, called `name`. */
export function makePod(workload: Workload, spec: PodSpec, name: string, ordinal: number): UnplacedPod {
  const { template, hostnames } = workload;
  const containers = containersOf(spec);
  return {
    pod: {
      namespace: workload.namespace,
      name,
      labels: { ...template.metadata.labels, ...workload.ownLabels(name, ordinal) },
      owner: { kind: workload.kind, name: workload.name },
      nodeName: "",
      podIP: "",
      hostNetwork: spec.hostNetwork,
      hostname: hostnames ? name : spec.hostname,
      subdomain: hostnames ? hostnames.subdomain : spec.subdomain,
      ...dnsOf(spec),
      containers,
    },
    workload,
    spec,
    hostPorts: hostPortsOf(containers),
  };
}

/** Init containers have ended by now, but for the sidecars among them. On the host's network every port is a host port. */
function containersOf({ containers, initContainers, hostNetwork }: PodSpec): Container[] {
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...sidecars, ...containers].map(({ name, ports }) => ({
    name,
    ports: ports.map((port) => ({
      ...port,
      name: port.name ?? "",
      hostPort: hostNetwork ? port.containerPort : port.hostPort,
    })),
  }));
}

/** Nothing for what nearly every pod has. */
function dnsOf({ dnsPolicy: policy, dnsConfig }: PodSpec): Pick<Pod, "dns"> {
  const usual = policy === "ClusterFirst" && Object.values(dnsConfig).every((list) => list.length === 0);
  return usual ? {} : { dns: { policy, ...dnsConfig } };
}
