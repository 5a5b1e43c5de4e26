// `podwire sweep`: the same merged bytes however the points were split or stopped, and one sentence for what is wrong.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { PointReport } from "../../src/sweep/results.ts";
import { CLI, podwire, ROOT, temporaryFolder } from "../tools/podwire.ts";

const SPEC = "examples/sweep/sweep.yaml";

/** The hash of both merged files. */
function mergedHash(out: string): string {
  const { status, stderr } = podwire("sweep", "merge", SPEC, "--out", out);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const files = ["sweep.json", "sweep.csv"].map((name) => readFileSync(join(out, name)));
  return createHash("sha256").update(Buffer.concat(files)).digest("hex");
}

function split(count: number): string {
  const out = temporaryFolder();
  for (let i = count - 1; i >= 0; i--) {
    const flags = ["--index", String(i), "--count", String(count), "--quiet"];
    expect(podwire("sweep", "run", SPEC, "--out", out, ...flags)).toEqual({ status: 0, stdout: "", stderr: "" });
  }
  return mergedHash(out);
}

test("split by 1, 4 and 7 the merged files are the same", () => {
  const whole = split(1);
  expect([split(4), split(7)]).toEqual([whole, whole]);
}, 120_000);

test("a run killed in the middle, resumed and merged gives the same files", async () => {
  const out = temporaryFolder();
  const child = spawn(process.execPath, [CLI, "sweep", "run", SPEC, "--out", out], { cwd: ROOT });
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await ended;
  const [first = ""] = readdirSync(join(out, "points")).filter((name) => name.endsWith(".json"));
  // A file that was cut off counts as none.
  writeFileSync(join(out, "points", first), "{");
  const missing = podwire("sweep", "merge", SPEC, "--out", out);
  expect(missing.status).toBe(2);
  expect(missing.stderr).toMatch(/of 12 points are missing: [0-9a-f]{16}.*; run them first\n$/);
  expect(podwire("sweep", "run", SPEC, "--out", out).status).toBe(0);
  expect(podwire("sweep", "run", SPEC, "--out", out).stdout).toBe("");
  expect(mergedHash(out)).toBe(split(1));
}, 120_000);

function specWith(grid: string): string {
  const folder = temporaryFolder();
  const file = join(folder, "sweep.yaml");
  const scenario = relative(folder, join(ROOT, "examples/walks/02-same-node/scenario.yaml"));
  writeFileSync(
    file,
    `apiVersion: podwire.dev/v1alpha1\nkind: Sweep\nmetadata: {name: s}\nspec:\n  scenario: ${scenario}\n  grid: ${grid}\n`,
  );
  return file;
}

test.each([
  ["{seed: [1, x]}", "at the point seed=x"],
  ["{cluster.nodez: [1]}", "there is no such field (at the point cluster.nodez=1"],
  ["{traffic.nobody.rate: [1/s]}", "the scenario has no map or list at nobody"],
  ["{seed: [1, 1]}", "1 is in this list already"],
])("a grid of %s is refused before anything runs", (grid, sentence) => {
  const { status, stderr } = podwire("sweep", "plan", specWith(grid));
  expect(status).toBe(2);
  expect(stderr).toContain(sentence);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
});

test("results of a changed sweep are refused", () => {
  const file = specWith("{seed: [1]}");
  const out = temporaryFolder();
  expect(podwire("sweep", "run", file, "--out", out).status).toBe(0);
  writeFileSync(file, readFileSync(file, "utf8").replace("[1]", "[1, 2]"));
  const { status, stderr } = podwire("sweep", "run", file, "--out", out);
  expect(status).toBe(2);
  expect(stderr).toContain("this is of another state of");
  rmSync(join(out, "points"), { recursive: true });
  expect(podwire("sweep", "run", file, "--out", out).status).toBe(0);
});

test("the Job is indexed and its pods have no rights", () => {
  const { stdout } = podwire("sweep", "manifest", SPEC, "--count", "4", "--claim", "results");
  expect(parse(stdout)).toMatchObject({
    kind: "Job",
    spec: {
      completionMode: "Indexed",
      completions: 4,
      parallelism: 4,
      template: {
        spec: {
          securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
          containers: [
            {
              args: ["sweep", "run", "/sweep/sweep.yaml", "--out", "/out", "--count", "4"],
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
              },
            },
          ],
          volumes: [{ name: "sweep" }, { persistentVolumeClaim: { claimName: "results" } }],
        },
      },
    },
  });
});

test("over synthetic Services, where work takes time, a new connection takes longer by their rules", () => {
  const file = specWith("{cluster.syntheticServices: [0, 2000], cluster.cpu.cores: [1]}");
  const out = temporaryFolder();
  expect(podwire("sweep", "run", file, "--out", out, "--quiet").status).toBe(0);
  expect(podwire("sweep", "merge", file, "--out", out).status).toBe(0);
  const { points } = JSON.parse(readFileSync(join(out, "sweep.json"), "utf8")) as {
    points: { assignments: Record<string, number>; report: PointReport }[];
  };
  const byCount = new Map(points.map(({ assignments, report }) => [assignments["cluster.syntheticServices"], report]));
  const [none, many] = [byCount.get(0), byCount.get(2000)];
  expect((many?.cluster.services ?? 0) - (none?.cluster.services ?? 0)).toBe(2000);
  const p50 = (report: PointReport | undefined): number => report?.traffic[0]?.latencyNs?.p50 ?? 0;
  // 5 ns each: a packet to a pod's own address is held against all of them. Quantiles are exact to 1/64.
  expect(p50(many) - p50(none)).toBeGreaterThan(2000 * 5 - p50(many) / 32);
  expect(p50(many) - p50(none)).toBeLessThan(2000 * 5 * 1.2 + p50(many) / 32);
  expect(many?.processors?.map(({ cores }) => cores.length)).toEqual([1, 1]);
}, 60_000);
