// Nothing that a run gives depends on whether packets take the remembered way of the one before them and find their rules by an index,
// or ask every table again, rule by rule.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { PreparedRun } from "../../src/engine/run.ts";
import { readSources } from "../../src/scenario/files.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import type { Plan, RunResult } from "../../src/seam/plan.ts";
import { mixedPlan } from "./plans.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples", import.meta.url));
const WALKS = readdirSync(join(EXAMPLES, "walks"), { withFileTypes: true }).filter((entry) => entry.isDirectory());

/** What a run gives, its capture files included. */
async function outcome(
  planFor: (folder: string) => Plan,
  flowCache: boolean,
): Promise<RunResult & { files: Buffer[] }> {
  const folder = mkdtempSync(join(tmpdir(), "podwire-flows-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const result = await new PreparedRun(planFor(folder)).run({
    workers: 1,
    flowCache,
    matcher: flowCache ? "index" : "linear",
  });
  const files = result.captures.map(({ path }) => readFileSync(path));
  return { ...result, captures: result.captures.map((capture) => ({ ...capture, path: "" })), files };
}

async function expectSame(planFor: (folder: string) => Plan): Promise<void> {
  const [on, off] = [await outcome(planFor, true), await outcome(planFor, false)];
  expect(on.files.map((file, i) => Buffer.compare(file, off.files[i] ?? Buffer.alloc(0)))).toEqual(
    on.files.map(() => 0),
  );
  expect({ ...on, files: [] }).toEqual({ ...off, files: [] });
}

test("a plan with every kind of flow gives the same bytes, counters and results with flow cache and index, and without", async () => {
  await expectSame((folder) => mixedPlan(join(folder, "a.pcapng")));
}, 60_000);

for (const path of [...WALKS.map(({ name }) => join("walks", name)), "shop"]) {
  test(`the example ${path} gives the same bytes, counters and results with flow cache and index, and without`, async () => {
    await expectSame((folder) => {
      const { plan } = prepare(readSources([join(EXAMPLES, path)]), { outDir: folder, durationNs: 0.3e9 });
      // Every interface, and one of them alone: what is captured is part of what is remembered.
      plan.captures = [{ devices: ["*"], path: join(folder, "all.pcapng"), format: "pcapng" }];
      return plan;
    });
  }, 60_000);
}
