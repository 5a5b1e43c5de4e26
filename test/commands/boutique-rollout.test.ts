// Online Boutique's frontend rolled out under load, at a smaller rate than docs/rollouts.md has, with and without what keeps requests from failing.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ROOT, runInto, temporaryFolder, type ExampleRun } from "../tools/podwire.ts";

const MANIFESTS = fileURLToPath(
  new URL("../../../shared/data/online-boutique/kubernetes-manifests.yaml", import.meta.url),
);
const HERE = existsSync(MANIFESTS);
if (!HERE) console.warn("SKIPPED: Online Boutique's manifests are not here");

const withHook = (text: string): string =>
  text.replace(/( +)(image: \S+frontend:\S+\n)/, "$1$2$1lifecycle: { preStop: { sleep: { seconds: 5 } } }\n");
const withoutProbes = (text: string): string => text.replace(/^( +)readinessProbe:\n(?:\1 +.*\n)+/gm, "");

/** The example at 200 requests a second, for half a minute. */
function rollOut(edit: (manifests: string) => string, ...args: string[]): ExampleRun {
  const folder = temporaryFolder();
  const scenario = readFileSync(join(ROOT, "examples/rollout/online-boutique.yaml"), "utf8");
  const shorter = scenario.replace("rate: 5000/s", "rate: 200/s").replace("rate: 500/s", "rate: 20/s");
  writeFileSync(
    join(folder, "scenario.yaml"),
    shorter.replace("duration: 40s", "duration: 30s").replaceAll("stop: 38s", "stop: 28s"),
  );
  writeFileSync(join(folder, "manifests.yaml"), edit(readFileSync(MANIFESTS, "utf8")));
  return runInto(join(folder, "out"), join(folder, "scenario.yaml"), join(folder, "manifests.yaml"), ...args);
}

describe.skipIf(!HERE)("Online Boutique's frontend is rolled out", () => {
  test("without readiness probes and hook: requests are refused, first by the new pod, then by the old one, and time out when that is gone", () => {
    const { report } = rollOut(withoutProbes);
    const [visits] = report.traffic;
    const [event] = report.events;
    expect(visits?.delivered).toBe((visits?.sent ?? 0) - (visits?.refused ?? 0) - (visits?.timedOut ?? 0));
    // Half of what comes in two seconds less a tenth, then all of it until the new pod listens.
    expect(event?.refusedBy?.starting).toBeGreaterThan(350);
    expect(event?.refusedBy?.ending).toBeGreaterThan(0);
    expect(event?.failed).toEqual([{ traffic: "visits", refused: visits?.refused, unconnected: visits?.timedOut }]);
  });

  test("as it is published, with readiness probes: what comes between SIGTERM and the new rules fails", () => {
    const { report } = rollOut((text) => text);
    const [visits] = report.traffic;
    const [event] = report.events;
    expect(event?.refusedBy?.starting).toBe(0);
    const failed = (visits?.refused ?? 0) + (visits?.timedOut ?? 0);
    expect(failed).toBeGreaterThan(50);
    expect(failed).toBeLessThan(250);
    // Reset or closed is what was under way when the server exited.
    const [{ refused = 0, reset = 0, closed = 0, unconnected = 0 } = {}] = event?.failed ?? [];
    expect([refused + reset + closed, unconnected]).toEqual([visits?.refused, visits?.timedOut]);
  });

  test("with a hook besides: no request fails, with one worker and with two", () => {
    const [one, two] = ["1", "2"].map((workers) => rollOut(withHook, "--workers", workers).report);
    expect(one?.traffic[0]?.delivered).toBe(one?.traffic[0]?.sent);
    expect(one?.events[0]?.failed).toEqual([]);
    expect(two?.traffic).toEqual(one?.traffic);
    expect(two?.drops).toEqual(one?.drops);
    expect(two?.frames).toBe(one?.frames);
  });
});
