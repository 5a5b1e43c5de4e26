// What every scenario owes: the same bytes with any number of workers, with and without the flow cache, and nothing that tshark finds
// fault with.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runPlan } from "../../src/engine/run.ts";
import { judge, testWithTshark } from "../tools/tshark.ts";
import { prepared } from "./play.ts";

/** Tests of a scenario, of whose frames more than `least` are captured. */
export function judgeSame(scenario: string, manifests: readonly string[], least: number): void {
  const run = async (workers: number, flowCache: boolean): Promise<string> => {
    const { folder, prepared: ready } = prepared(scenario, manifests);
    await runPlan(ready.plan, { workers, flowCache });
    return join(folder, "capture.pcapng");
  };

  test.each([
    [2, true],
    [1, false],
  ])("gives the same bytes with %i workers and the flow cache %s", async (workers, cache) => {
    const first = readFileSync(await run(1, true));
    expect(readFileSync(await run(workers, cache)).equals(first)).toBe(true);
  });

  testWithTshark("has no frame that tshark finds fault with", async () => {
    const { frames, badChecksums, errors } = judge(await run(1, true));
    expect(frames).toBeGreaterThan(least);
    expect(badChecksums).toEqual([]);
    expect(errors).toEqual([]);
  });
}
