// What a StatefulSet's controller does next: its pods in their order, one after the other (updateStatefulSet of stateful_set_control.go).
import type { StatefulUpdates } from "../workloads.ts";

/** A pod by its number; `isAvailable`: ready for as long as it has to be. */
export interface NumberedPod {
  ordinal: number;
  state: "there" | "terminating" | "gone";
  isAvailable: boolean;
  /** Whether it is of the template that is wanted. */
  isCurrent: boolean;
}

export type StatefulStep = { make: number } | { end: number };

/**
 * The steps that can be taken at once. OrderedReady: one at a time, the next pod when all before it are ready, and the last one goes first.
 * Parallel: all pods that are too few or too many. Pods of another template go one by one in either case, from the last one down to the
 * partition, each when those after it are ready.
 */
export function statefulSteps(
  pods: readonly NumberedPod[],
  { first, replicas }: { first: number; replicas: number },
  { parallel, partition, onDelete }: StatefulUpdates,
): StatefulStep[] {
  const steps: StatefulStep[] = [];
  const byOrdinal = new Map(pods.map((pod) => [pod.ordinal, pod]));
  const wanted = Array.from({ length: replicas }, (_, i) => first + i);
  for (const ordinal of wanted) {
    const pod = byOrdinal.get(ordinal);
    const isThere = pod !== undefined && pod.state !== "gone";
    if (!isThere) steps.push({ make: ordinal });
    if (!parallel && (!isThere || pod.state === "terminating" || !pod.isAvailable)) return steps;
  }
  const surplus = pods
    .filter(({ ordinal, state }) => state !== "gone" && (ordinal < first || ordinal >= first + replicas))
    .sort((a, b) => b.ordinal - a.ordinal);
  const unready = surplus.filter(({ isAvailable }) => !isAvailable).sort((a, b) => a.ordinal - b.ordinal);
  for (const pod of surplus) {
    if (pod.state === "terminating") {
      if (!parallel) return steps;
      continue;
    }
    // One that is not ready is waited for, unless it is the first of those.
    if (!parallel && !pod.isAvailable && pod !== unready[0]) return steps;
    steps.push({ end: pod.ordinal });
    if (!parallel) return steps;
  }
  if (onDelete) return steps;
  for (const ordinal of wanted.reverse()) {
    if (ordinal < partition) return steps;
    const pod = byOrdinal.get(ordinal);
    if (!pod || pod.state === "gone") return steps;
    if (!pod.isCurrent && pod.state === "there") return [...steps, { end: ordinal }];
    if (!pod.isAvailable) return steps;
  }
  return steps;
}
