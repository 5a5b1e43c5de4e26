// Follows one request of each line of traffic through an emulated cluster of its own, for the page that shows the run.
import { PreparedRun } from "../engine/run.ts";
import type { PictureWalk } from "../report/picture.ts";
import { walkPlan } from "../scenario/walk-plan.ts";
import type { Plan, RunResult } from "../seam/plan.ts";
import type { Step } from "../seam/trace.ts";
import { pictureWalk } from "../trace/picture-walk.ts";

/** So many lines are followed: first those of which something did not come through, then those with most requests. */
const FOLLOWED = 100;

/** What became of one request of each line, by the line's index. `run`: of the plan, and over. */
export function followLines(plan: Plan, run: PreparedRun, result: RunResult): Map<number, PictureWalk> {
  const failed = (i: number): number => {
    const line = result.lines[i];
    return line ? line.refused + line.timedOut + line.unresolved : 0;
  };
  const lines = result.lines
    .map((_, i) => i)
    .sort((a, b) => failed(b) - failed(a) || (result.lines[b]?.sent ?? 0) - (result.lines[a]?.sent ?? 0) || a - b)
    .slice(0, FOLLOWED);
  if (lines.length === 0) return new Map();
  const followed = walkPlan(plan, lines);
  const byLine = new Map<number, Step[]>();
  // What belongs to no line is forgotten at once: the health checks of a large cluster alone would fill the memory.
  const outcome = new PreparedRun(followed, { like: run }).follow(false, (steps) => {
    for (const step of steps) {
      if (step.line === undefined) continue;
      const own = byLine.get(step.line);
      if (own) own.push(step);
      else byLine.set(step.line, [step]);
    }
  });
  return new Map(
    lines.flatMap((line, i) => {
      const asksNames = followed.flows.some((flow) => flow.line === i && "names" in flow.target);
      const walk = pictureWalk(outcome.lines[i], byLine.get(i) ?? [], asksNames);
      return walk ? [[line, walk] as const] : [];
    }),
  );
}
