// The call tree of examples/boutique, over its own manifests and over Online Boutique's as they are published.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runPlan } from "../../src/engine/run.ts";
import { readSources } from "../../src/scenario/files.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import type { LineResult } from "../../src/seam/plan.ts";
import { temporaryFolder } from "../tools/podwire.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/boutique/", import.meta.url));
const PUBLISHED = fileURLToPath(
  new URL("../../../shared/data/online-boutique/kubernetes-manifests.yaml", import.meta.url),
);
const there = existsSync(PUBLISHED);
if (!there) console.warn("SKIPPED: Online Boutique's manifests are not here");

/** The lines of a run of the scenario over these manifests, by name. */
async function linesOf(manifests: string, workers: number): Promise<Record<string, LineResult>> {
  const file = join(temporaryFolder(), "scenario.yaml");
  const text = readFileSync(join(EXAMPLE, "scenario.yaml"), "utf8");
  writeFileSync(file, text.replace("[manifests.yaml]", "[]").replace(/^ {2}capture:\n.*\n/m, ""));
  const { plan } = prepare(readSources([file, manifests]), { outDir: "" });
  const { lines } = await runPlan(plan, { workers });
  return Object.fromEntries(lines.map((line) => [line.name, line]));
}

test.runIf(process.env.CI === "true")("the published manifests are there", () => expect(there).toBe(true));

describe.each([
  ["its own manifests", join(EXAMPLE, "manifests.yaml"), true],
  ["Online Boutique's manifests", PUBLISHED, there],
])("over %s", { timeout: 120_000 }, (_, manifests, here) => {
  test.runIf(here)("each page makes the calls of the application's tree, the same with two workers", async () => {
    const lines = await linesOf(manifests, 1);
    const delivered = (name: string): number => lines[name]?.delivered ?? NaN;
    const sum = (...names: string[]): number => names.reduce((total, name) => total + delivered(name), 0);
    for (const { name, sent, delivered, open } of Object.values(lines)) {
      expect(delivered, name).toBeGreaterThan(10);
      expect(delivered + open, name).toBe(sent);
    }
    // What each page calls, give or take the pages under way at the end.
    const near = (found: number, expected: number): void => {
      expect(found).toBeGreaterThanOrEqual(expected);
      expect(found).toBeLessThanOrEqual(expected + 20);
    };
    near(delivered("frontend > adservice"), sum("home", "product"));
    near(delivered("frontend > recommendationservice"), sum("product", "cart", "checkout"));
    near(delivered("frontend > cartservice"), sum("home", "product", "cart"));
    near(
      delivered("frontend > currencyservice"),
      10 * delivered("home") + 2 * sum("product", "cart") + delivered("checkout"),
    );
    near(delivered("frontend > checkoutservice"), delivered("checkout"));
    near(delivered("recommendationservice > productcatalogservice"), delivered("frontend > recommendationservice"));
    near(delivered("cartservice > redis-cart"), sum("frontend > cartservice", "checkoutservice > cartservice"));
    near(delivered("checkoutservice > currencyservice"), 3 * delivered("frontend > checkoutservice"));
    expect(lines["home"]?.statuses).toEqual({ 200: delivered("home") });
    expect(await linesOf(manifests, 2)).toEqual(lines);
  });
});
