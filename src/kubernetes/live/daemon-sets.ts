// What a DaemonSet's controller does next: a pod on each node, replaced node by node (manage and rollingUpdate of pkg/controller/daemon).
import type { DaemonUpdates } from "../workloads.ts";
import { portionOf } from "./rolling.ts";

/** What a node has of a DaemonSet. `old`: a pod of another template. Pods that are about to end are neither. */
export interface DaemonNode {
  node: string;
  isEnding: boolean;
  fresh: "none" | "unavailable" | "available";
  old: "none" | "unavailable" | "available";
}

export interface DaemonSteps {
  /** Nodes that get a pod, and nodes whose old one ends. */
  make: string[];
  end: string[];
}

/**
 * The steps that can be taken at once. A node without a pod gets one, once none is about to end there. With maxSurge new pods come beside the
 * old ones, which end when those are available; without it old pods end while no more than maxUnavailable are missing. Shares are rounded up.
 */
export function daemonSteps(nodes: readonly DaemonNode[], { onDelete, ...updates }: DaemonUpdates): DaemonSteps {
  const steps: DaemonSteps = { make: [], end: [] };
  for (const { node, isEnding, fresh, old } of nodes)
    if (fresh === "none" && old === "none" && !isEnding) steps.make.push(node);
  if (onDelete) return steps;
  const [surge, said] = [updates.maxSurge, updates.maxUnavailable].map((one) =>
    portionOf(one, nodes.length, Math.ceil),
  );
  const unavailable = surge === 0 && said === 0 ? 1 : (said ?? 1);
  if (surge !== undefined && surge > 0) addSurge(steps, nodes, surge);
  else addReplacements(steps, nodes, unavailable);
  return steps;
}

function addReplacements(steps: DaemonSteps, nodes: readonly DaemonNode[], unavailable: number): void {
  const missing = nodes.filter(({ fresh, old }) => (old === "none" ? fresh !== "available" : old !== "available"));
  const candidates: string[] = [];
  for (const { node, fresh, old } of nodes) {
    if (fresh !== "none") continue;
    // One that does not serve is no loss.
    if (old === "unavailable") steps.end.push(node);
    if (old === "available") candidates.push(node);
  }
  steps.end.push(...candidates.slice(0, Math.max(0, unavailable - missing.length)));
}

function addSurge(steps: DaemonSteps, nodes: readonly DaemonNode[], surge: number): void {
  let surging = nodes.filter(({ fresh, old }) => old !== "none" && fresh === "unavailable").length;
  for (const { node, fresh, old } of nodes) {
    if (old === "none") continue;
    if (fresh === "available") steps.end.push(node);
    if (fresh !== "none") continue;
    if (old === "unavailable" || surging < surge) {
      steps.make.push(node);
      surging++;
    }
  }
}
