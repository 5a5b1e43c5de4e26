// The arithmetic of a Deployment's rolling update: how many pods each ReplicaSet should have next (pkg/controller/deployment/rolling.go).
import type { Strategy } from "../workload-schema.ts";

/** What a rolling update keeps to. */
export interface Limits {
  /** How many pods the Deployment wants. */
  desired: number;
  /** How many it may have above that. */
  surge: number;
  /** How many of them may be missing. */
  unavailable: number;
}

/** A ReplicaSet as the Deployment controller sees it: the pods that it wants, and how many are available. */
export interface SetCount {
  replicas: number;
  available: number;
}

/** Shares of surge are rounded up, those of unavailable pods down; both 0 would move nothing, so one may be missing (ResolveFenceposts). */
export function limitsOf({ rollingUpdate }: Strategy, desired: number): Limits {
  const surge = portionOf(rollingUpdate.maxSurge, desired, Math.ceil);
  const unavailable = portionOf(rollingUpdate.maxUnavailable, desired, Math.floor);
  return { desired, surge, unavailable: surge === 0 && unavailable === 0 ? 1 : Math.min(unavailable, desired) };
}

/** A number of pods, or a share of them in whole ones. */
export function portionOf(portion: number | string, whole: number, round: (value: number) => number): number {
  return typeof portion === "number" ? portion : round((Number.parseInt(portion) * whole) / 100);
}

/** The pods that the new ReplicaSet should have; `all`: what all have together (NewRSNewReplicas). */
export function newReplicas({ desired, surge }: Limits, own: number, all: number): number {
  if (own >= desired) return desired;
  const room = Math.max(0, desired + surge - all);
  return Math.min(own + room, desired);
}

/**
 * The pods that the old ReplicaSets should have, the oldest first: those that are not available go first, then as many as may be missing
 * (reconcileOldReplicaSets).
 */
export function oldReplicas({ desired, unavailable }: Limits, fresh: SetCount, old: readonly SetCount[]): number[] {
  const all = [fresh, ...old];
  const total = all.reduce((sum, { replicas }) => sum + replicas, 0);
  const least = desired - unavailable;
  let unhealthy = Math.max(0, total - least - (fresh.replicas - fresh.available));
  if (unhealthy === 0) return old.map(({ replicas }) => replicas);
  const healthy = old.map(({ replicas, available }) => {
    const gone = Math.min(unhealthy, replicas - available);
    unhealthy -= gone;
    return replicas - gone;
  });
  let more = Math.max(0, all.reduce((sum, { available }) => sum + available, 0) - least);
  return healthy.map((replicas) => {
    const gone = Math.min(replicas, more);
    more -= gone;
    return replicas - gone;
  });
}
