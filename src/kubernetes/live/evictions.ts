// Whether a pod may be evicted: what the disruption controller and the eviction API make of PodDisruptionBudgets.
import type { DisruptionBudget } from "../disruption-budgets.ts";
import { selectorMatches } from "../selectors.ts";
import { isActive, type LivePod } from "./pod-set.ts";
import { portionOf } from "./rolling.ts";

export interface Evictions {
  budgets: readonly DisruptionBudget[];
  /** All pods, and how many the controller of one wants; undefined: it has none that says so. */
  pods: readonly LivePod[];
  wanted: (live: LivePod) => { controller: string; replicas: number } | undefined;
}

/** Why a pod may not be evicted: the budget that it would break, as `PodDisruptionBudget shop/web`. Undefined: it may. */
export function obstacle(live: LivePod, { budgets, pods, wanted }: Evictions): string | undefined {
  const { namespace, labels } = live.pod;
  const own = budgets.filter(
    (budget) => budget.namespace === namespace && budget.selector && selectorMatches(budget.selector, labels),
  );
  const [budget, second] = own;
  if (!budget || live.state === "waiting") return undefined;
  const label = `PodDisruptionBudget ${namespace}/${budget.name}`;
  // The eviction API knows no answer then.
  if (second) return `${label} and ${second.name}, as a pod that two budgets select is never evicted`;
  const selected = pods.filter(
    ({ pod, state }) =>
      state !== "gone" &&
      pod.namespace === namespace &&
      budget.selector !== undefined &&
      selectorMatches(budget.selector, pod.labels),
  );
  const healthy = selected.filter((one) => isActive(one) && one.state === "ready").length;
  const needed = neededOf(budget, selected, wanted);
  if (live.state !== "ready" && (budget.alwaysAllow || (needed > 0 && healthy >= needed))) return undefined;
  return healthy > needed ? undefined : label;
}

/** How many pods have to be ready. Shares are rounded up. */
function neededOf(
  { minAvailable, maxUnavailable }: DisruptionBudget,
  selected: readonly LivePod[],
  wanted: Evictions["wanted"],
): number {
  if (typeof minAvailable === "number") return minAvailable;
  const controllers = new Map(
    selected.flatMap((live) => wanted(live) ?? []).map((one) => [one.controller, one.replicas]),
  );
  const expected = [...controllers.values()].reduce((sum, replicas) => sum + replicas, 0);
  if (minAvailable !== undefined) return portionOf(minAvailable, expected, Math.ceil);
  if (maxUnavailable === undefined) return 0;
  return Math.max(0, expected - portionOf(maxUnavailable, expected, Math.ceil));
}
