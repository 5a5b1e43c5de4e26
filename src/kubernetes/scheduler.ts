// Which node each pod runs on, and which address it gets there.
import { among } from "../errors.ts";
import type { UnplacedPod } from "./controllers.ts";
import { portsClash, selectsNode, untolerated, type HostPort } from "./fit.ts";
import { PodAddresses } from "./ipam.ts";
import type { ClusterNode } from "./nodes.ts";
import type { Cluster, Pod } from "./objects.ts";
import type { Workload } from "./workloads.ts";

interface Place {
  node: ClusterNode;
  addresses: PodAddresses;
  hostPorts: HostPort[];
  pods: number;
  /** The workload that had a pod placed here last, and how many it has here. A workload's pods come one after the other. */
  workload: Workload | undefined;
  own: number;
}

/**
 * The pods in their order, placed and addressed. A pod goes to the node that fits it with the fewest pods of its own workload, of those
 * to the one with the fewest pods, of those to the first. Pods that fit no node are pending, and so are those whose nodeName is no
 * node's.
 */
export function schedule(
  unplaced: readonly UnplacedPod[],
  nodes: readonly ClusterNode[],
): Pick<Cluster, "pods" | "pending"> {
  const places = nodes.map((node) => ({
    node,
    addresses: new PodAddresses(node.node.podCIDR),
    hostPorts: [],
    pods: 0,
    workload: undefined,
    own: 0,
  }));
  const byName = new Map<string, Place>(places.map((place) => [place.node.node.name, place]));
  const pending: Cluster["pending"] = [];
  const pods = unplaced.map((waiting): Pod => {
    const candidates = candidatesOf(waiting, places, byName);
    const place = choose(waiting, candidates);
    if (!place) {
      const { namespace, name } = waiting.pod;
      pending.push({ pod: `${namespace}/${name}`, reason: reasonOf(waiting, candidates, byName.keys()) });
      return waiting.pod;
    }
    place.own = ownPods(place, waiting) + 1;
    place.workload = waiting.workload;
    place.pods++;
    place.hostPorts.push(...waiting.hostPorts);
    const { name: nodeName, address } = place.node.node;
    return { ...waiting.pod, nodeName, podIP: waiting.pod.hostNetwork ? address : place.addresses.allocate() };
  });
  return { pods, pending };
}

/** All nodes, or the one that the pod or its DaemonSet names. */
function candidatesOf(
  { spec, onlyNode }: UnplacedPod,
  places: readonly Place[],
  byName: ReadonlyMap<string, Place>,
): readonly Place[] {
  const name = onlyNode ?? spec.nodeName;
  if (name === "") return places;
  const place = byName.get(name);
  return place ? [place] : [];
}

function ownPods(place: Place, { workload }: UnplacedPod): number {
  return place.workload === workload ? place.own : 0;
}

function choose(waiting: UnplacedPod, candidates: readonly Place[]): Place | undefined {
  let best: Place | undefined;
  let bestOwn = 0;
  for (const place of candidates) {
    const own = ownPods(place, waiting);
    const better = best === undefined || own < bestOwn || (own === bestOwn && place.pods < best.pods);
    if (better && obstacle(waiting, place) === undefined) [best, bestOwn] = [place, own];
  }
  return best;
}

/** Why a node does not take the pod. With nodeName only the kubelet is asked, which heeds no NoSchedule. */
function obstacle(
  { pod, spec, hostPorts }: UnplacedPod,
  { node, addresses, hostPorts: taken }: Place,
): string | undefined {
  if (!selectsNode(spec, node.node)) return "its nodeSelector or node affinity does not match";
  const taint = untolerated(node, spec.tolerations);
  if (taint !== undefined && !(spec.nodeName !== "" && taint.endsWith(":NoSchedule")))
    return `it does not tolerate the taint ${taint}`;
  const clash = hostPorts.find((port) => taken.some((other) => portsClash(port, other)));
  if (clash) return `host port ${clash.port}/${clash.protocol} is taken`;
  return !pod.hostNetwork && addresses.full ? "the pod range has no address left" : undefined;
}

/** `host port 80/TCP is taken (2 of 3 nodes); it does not tolerate the taint gpu:NoSchedule (1 of 3 nodes)` */
function reasonOf(waiting: UnplacedPod, candidates: readonly Place[], nodes: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const place of candidates) {
    const why = obstacle(waiting, place) ?? "";
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  const [only] = candidates;
  if (!only) return `there is no node ${waiting.spec.nodeName}${among(nodes)}`;
  if (candidates.length === 1) return `${[...counts.keys()].join()} on ${only.node.node.name}`;
  return [...counts].map(([why, count]) => `${why} (${count} of ${candidates.length} nodes)`).join("; ");
}
