// Puts probes to an emulated cluster of their own, apart from all traffic, and hands back what came of them.
import { PreparedRun } from "../engine/run.ts";
import type { PreparedScenario } from "../scenario/prepare.ts";
import { probePlans, probeResults, type Probe, type ProbeResult } from "../scenario/probes.ts";
import { judgeReaches, type ReachOutcome } from "../scenario/reach.ts";

/** The results of probes, in their order. */
export function runProbes({ plan, cluster }: PreparedScenario, probes: readonly Probe[]): ProbeResult[] {
  const lines = probePlans(plan, probes).flatMap((batch) => new PreparedRun(batch).runHere().lines);
  return probeResults(cluster, probes, lines);
}

/** What came of what a scenario expects of who reaches whom; nothing is run if it expects nothing. */
export function reachOutcomes(prepared: PreparedScenario): ReachOutcome[] {
  const { cluster, reaches } = prepared;
  const probes = reaches.flatMap((reach) => reach.probes);
  return probes.length > 0 ? judgeReaches(cluster, reaches, runProbes(prepared, probes)) : [];
}
