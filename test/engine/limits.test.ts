// What a run does at the limits of its tables: a client without a free port, a node whose connection table is full.
import { expect, test } from "vitest";
import { serviceCluster } from "../../src/bench/cluster.ts";
import { PreparedRun } from "../../src/engine/run.ts";
import type { LineResult, Plan } from "../../src/seam/plan.ts";

/** Two lines of load on the same Service: `first` from the start, `second` from `secondAt` on. */
function twoLines(plan: Plan, secondAt: number, second: { rate: number; lastsNs: number }): Plan {
  const [flow] = plan.flows;
  if (!flow) throw new Error("the plan has no flow");
  const stopNs = secondAt + second.lastsNs;
  plan.lines = ["first", "second"];
  plan.flows.push({ ...flow, line: 1, rate: second.rate, startNs: secondAt, stopNs });
  plan.durationNs = stopNs + 2e9;
  return plan;
}

async function linesOf(plan: Plan): Promise<Pick<LineResult, "sent" | "delivered" | "refused" | "timedOut">[]> {
  const { lines } = await new PreparedRun(plan).run({ workers: 1 });
  return lines.map(({ sent, delivered, refused, timedOut }) => ({ sent, delivered, refused, timedOut }));
}

test("a client has 28,232 ports for one target, and has them again a minute after", async () => {
  const plan = serviceCluster({ protocol: "tcp", services: 1, rate: 40_000, durationNs: 0.8e9 });
  expect(await linesOf(twoLines(plan, 62e9, { rate: 1_000, lastsNs: 1e9 }))).toEqual([
    { sent: 32_000, delivered: 28_232, refused: 3_768, timedOut: 0 },
    { sent: 1_000, delivered: 1_000, refused: 0, timedOut: 0 },
  ]);
});

test("a full connection table lets nobody in, until its entries have ended", async () => {
  const plan = serviceCluster({ protocol: "tcp", services: 1, rate: 1_000, durationNs: 0.1e9 });
  plan.machines[0]?.namespaces[0]?.sysctls.push(["net.netfilter.nf_conntrack_max", "60"]);
  // The first 60 stay for two minutes after their end; the others' SYNs are dropped.
  expect(await linesOf(twoLines(plan, 125e9, { rate: 50, lastsNs: 1e9 }))).toEqual([
    { sent: 100, delivered: 60, refused: 0, timedOut: 40 },
    { sent: 50, delivered: 50, refused: 0, timedOut: 0 },
  ]);
});
