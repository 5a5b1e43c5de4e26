// ReplicaSets and what is like them, with the pods that they have made: names, who counts, and who goes first.
import type { UnplacedPod } from "../controllers.ts";
import type { Pod } from "../objects.ts";
import type { Workload } from "../workloads.ts";
import type { PodState } from "./history.ts";

export interface LivePod {
  pod: Pod;
  made: UnplacedPod;
  set: PodSet;
  /** By which the pods of a set are told apart. */
  ordinal: number;
  /** That of its set when it was made. */
  revision: string;
  /** `waiting`: no node has taken it. */
  state: PodState | "waiting";
  /** Since when it is ready. */
  readyNs: number;
  /** Its controller let it go, and may have it back. */
  mayReturn: boolean;
  /** How often its containers have crashed. */
  crashes: number;
  /** Of its containers and of its end: what was meant to happen later is given up when this goes on. */
  generation: number;
}

/** Pods of one template. */
export interface PodSet {
  workload: Workload;
  /** By which sets of one workload are told apart: their template, and how often it was restarted. */
  revision: string;
  /** Its pods are called `<name>-<ordinal>`. */
  name: string;
  pods: LivePod[];
}

/** Whether a pod is one of those that its controller counts: there, and not about to end. */
export function isActive({ state }: LivePod): boolean {
  return state !== "gone" && state !== "terminating";
}

export function activePods(set: PodSet): LivePod[] {
  return set.pods.filter(isActive);
}

/**
 * The pods that a ReplicaSet deletes first (ActivePodsWithRanks): those without a node, those that are not ready, those on the nodes with the most
 * pods of the workload, those that have been ready for the shortest time; of the same the last.
 */
export function victims(set: PodSet, related: readonly LivePod[], count: number): LivePod[] {
  const onNode = new Map<string, number>();
  for (const { pod } of related.filter(isActive)) onNode.set(pod.nodeName, (onNode.get(pod.nodeName) ?? 0) + 1);
  const crowd = ({ pod }: LivePod): number => onNode.get(pod.nodeName) ?? 0;
  const rank = ({ state }: LivePod): number => (state === "waiting" ? 0 : state === "ready" ? 2 : 1);
  return activePods(set)
    .sort((a, b) => rank(a) - rank(b) || crowd(b) - crowd(a) || b.readyNs - a.readyNs || b.ordinal - a.ordinal)
    .slice(0, count);
}

/** What hashes are written with: no vowels, so that they make no words (util/rand SafeEncodeString). */
const SAFE = "bcdfghjklmnpqrstvwxz2456789";

/** The pod-template-hash of a template at a revision: FNV-1a, as the controller takes it, over the template as JSON. */
export function templateHash({ template }: Workload, revision: number): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(JSON.stringify([template, revision])))
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return [...String(hash)].map((digit) => SAFE[digit.charCodeAt(0) % SAFE.length]).join("");
}
