// Puts probes to an emulated cluster of their own, apart from all traffic, and hands back what came of them.
import { PreparedRun } from "../engine/run.ts";
import type { PreparedScenario } from "../scenario/prepare.ts";
import { probePlans, probeResults, type Probe, type ProbeResult } from "../scenario/probes.ts";

/** The results of probes, in their order. */
export function runProbes({ plan, cluster }: PreparedScenario, probes: readonly Probe[]): ProbeResult[] {
  const lines = probePlans(plan, probes).flatMap((batch) => new PreparedRun(batch).runHere().lines);
  return probeResults(cluster, probes, lines);
}
