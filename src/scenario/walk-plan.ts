// A plan that follows one request of some lines of another plan: the same machines, and of each line its first flow, once.
import type { FlowConfig, Plan } from "../seam/plan.ts";

/** One after the other, so that no two meet. */
const APART_NS = 2_000_000;
/** Who has no answer by then has none: ARP gives up after three seconds, a SYN is sent again after one and after three. */
const PATIENCE_NS = 5e9;

/** The plan of one request each of these lines, in their order; default: all. */
export function walkPlan(plan: Plan, lines: readonly number[] = [...plan.lines.keys()]): Plan {
  const first = new Map<number, FlowConfig>();
  for (const flow of plan.flows) if (!first.has(flow.line)) first.set(flow.line, flow);
  const flows = lines.flatMap((line, i): FlowConfig[] => {
    const flow = first.get(line);
    if (!flow) return [];
    const startNs = i * APART_NS;
    const timeoutNs = Math.min(flow.timeoutNs, PATIENCE_NS);
    // The next request would come after the end.
    return [{ ...flow, line: i, rate: 1, arrival: "constant", startNs, stopNs: startNs + 1, timeoutNs }];
  });
  return {
    ...plan,
    routes: [],
    flows,
    lines: lines.map((line) => plan.lines[line] ?? ""),
    durationNs: lines.length * APART_NS + Math.max(0, ...flows.map(({ timeoutNs }) => timeoutNs)) + 1,
    captures: [],
  };
}
