// Which node each pod runs on, and which address it gets there.
import { among } from "../errors.ts";
import type { UnplacedPod } from "./controllers.ts";
import { portsClash, selectsNode, untolerated, type HostPort } from "./fit.ts";
import { IPV4_ALONE, nodeAddress, type Family } from "./families.ts";
import { asPodIPs, PodAddresses } from "./ipam.ts";
import type { Taint } from "./node-schema.ts";
import type { ClusterNode } from "./nodes.ts";
import type { PodSpec } from "./pod-schema.ts";
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

/** Places pods on nodes, one after the other, and gives them addresses. */
export class Scheduler {
  readonly #places: Place[];
  readonly #byName: ReadonlyMap<string, Place>;
  readonly #families: readonly Family[];

  constructor(nodes: readonly ClusterNode[], families: readonly Family[] = IPV4_ALONE) {
    this.#families = families;
    this.#places = nodes.map((node) => ({
      node,
      addresses: new PodAddresses(node.node, families),
      hostPorts: [],
      pods: 0,
      workload: undefined,
      own: 0,
    }));
    this.#byName = new Map(this.#places.map((place) => [place.node.node.name, place]));
  }

  /**
   * The pod on the node that fits it with the fewest pods of its own, of those on the one with the fewest pods, of those on the first;
   * or why there is none. `own`: how many pods of its own a node has; default: those of its workload, whose pods come one after the other.
   */
  place(waiting: UnplacedPod, own?: (node: string) => number): Pod | { reason: string } {
    const candidates = candidatesOf(waiting, this.#places, this.#byName);
    const ownOn = (place: Place): number => own?.(place.node.node.name) ?? ownPods(place, waiting);
    const place = choose(waiting, candidates, ownOn);
    if (!place) return { reason: reasonOf(waiting, candidates, this.#byName.keys()) };
    place.own = ownPods(place, waiting) + 1;
    place.workload = waiting.workload;
    place.pods++;
    place.hostPorts.push(...waiting.hostPorts);
    const { node } = place.node;
    const onHost = asPodIPs(this.#families.flatMap((family) => nodeAddress(node, family) ?? []));
    return { ...waiting.pod, nodeName: node.name, ...(waiting.pod.hostNetwork ? onHost : place.addresses.allocate()) };
  }

  /** A pod is gone from its node, and its host ports are free. Its address is not given out again. */
  leave(nodeName: string, hostPorts: readonly HostPort[]): void {
    const place = this.#byName.get(nodeName);
    if (!place) return;
    place.pods--;
    place.hostPorts = place.hostPorts.filter((port) => !hostPorts.includes(port));
  }

  /** Whether a node takes back a pod that has left it, under its address. */
  takesBack(nodeName: string, waiting: UnplacedPod): boolean {
    const place = this.#byName.get(nodeName);
    if (!place) return false;
    const { spec, hostPorts } = waiting;
    const clash = hostPorts.some((port) => place.hostPorts.some((other) => portsClash(port, other)));
    return !clash && keptOff(spec, place.node) === undefined;
  }

  /** A pod that had left is there again. */
  rejoin(nodeName: string, hostPorts: readonly HostPort[]): void {
    const place = this.#byName.get(nodeName);
    if (!place) return;
    place.pods++;
    place.hostPorts.push(...hostPorts);
  }

  /** Puts a taint on a node, or takes the one with its key away. */
  taint(nodeName: string, taint: Taint, on: boolean): void {
    const place = this.#byName.get(nodeName);
    if (!place) return;
    const others = place.node.taints.filter(({ key }) => key !== taint.key);
    place.node = { ...place.node, taints: on ? [...others, taint] : others };
  }
}

/** The pods in their order, placed and addressed. Pods that fit no node are pending, and so are those whose nodeName is no node's. */
export function schedule(unplaced: readonly UnplacedPod[], scheduler: Scheduler): Pick<Cluster, "pods" | "pending"> {
  const pending: Cluster["pending"] = [];
  const pods = unplaced.map((waiting): Pod => {
    const placed = scheduler.place(waiting);
    if (!("reason" in placed)) return placed;
    const { namespace, name } = waiting.pod;
    pending.push({ pod: `${namespace}/${name}`, reason: placed.reason });
    return waiting.pod;
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

function choose(
  waiting: UnplacedPod,
  candidates: readonly Place[],
  ownOn: (place: Place) => number,
): Place | undefined {
  let best: Place | undefined;
  let bestOwn = 0;
  for (const place of candidates) {
    const own = ownOn(place);
    const better = best === undefined || own < bestOwn || (own === bestOwn && place.pods < best.pods);
    if (better && obstacle(waiting, place) === undefined) [best, bestOwn] = [place, own];
  }
  return best;
}

/** Why a node does not take the pod. */
function obstacle(
  { pod, spec, hostPorts }: UnplacedPod,
  { node, addresses, hostPorts: taken }: Place,
): string | undefined {
  if (!selectsNode(spec, node.node)) return "its nodeSelector or node affinity does not match";
  const taint = keptOff(spec, node);
  if (taint !== undefined) return `it does not tolerate the taint ${taint}`;
  const clash = hostPorts.find((port) => taken.some((other) => portsClash(port, other)));
  if (clash) return `host port ${clash.port}/${clash.protocol} is taken`;
  return !pod.hostNetwork && addresses.full ? "the pod range has no address left" : undefined;
}

/** The taint that keeps a pod off a node. With nodeName only the kubelet is asked, which heeds no NoSchedule. */
function keptOff(spec: PodSpec, node: ClusterNode): string | undefined {
  const taint = untolerated(node, spec.tolerations);
  return taint !== undefined && spec.nodeName !== "" && taint.endsWith(":NoSchedule") ? undefined : taint;
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
